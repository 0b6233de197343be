//! Authorities, and certificates that they sign, in a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";

pub(crate) struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Two authorities, `ours` and `foreign`.
    pub(crate) fn new() -> Certificates {
        let made = Certificates { folder: tempfile::tempdir().expect("a folder") };
        for name in ["ours", "foreign"] {
            made.request(name, AUTHORITY);
            made.openssl(&format!("x509 -req -days 2 -in {name}.csr -extfile {name}.ext -signkey {name}.key -out {name}.pem"));
        }
        made
    }

    /// NAME.pem and NAME.key, valid for these days from now on; -1: until yesterday. NAME.chain.pem has both,
    /// as Kafka's PEM stores want them.
    pub(crate) fn signed(&self, name: &str, authority: &str, subject: &str, days: i32) {
        self.request(name, &format!("basicConstraints=critical,CA:FALSE\n{subject}"));
        self.openssl(&format!(
            "x509 -req -days {days} -in {name}.csr -extfile {name}.ext -CA {authority}.pem -CAkey {authority}.key \
             -CAcreateserial -out {name}.pem"
        ));
        let read = |file: String| fs::read_to_string(self.path(&file)).expect("just made");
        let chain = format!("{}{}", read(format!("{name}.key")), read(format!("{name}.pem")));
        fs::write(self.path(&format!("{name}.chain.pem")), chain).expect("a writable folder");
    }

    fn request(&self, name: &str, extensions: &str) {
        fs::write(self.path(&format!("{name}.ext")), extensions).expect("a writable folder");
        self.openssl(&format!(
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key"
        ));
        self.openssl(&format!("req -new -subj /CN={name} -key {name}.key -out {name}.csr"));
    }

    fn openssl(&self, arguments: &str) {
        let done = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .expect("openssl can be run");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "openssl {arguments}: {said}");
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn shown(&self, file: &str) -> String {
        Path::display(&self.path(file)).to_string()
    }
}
