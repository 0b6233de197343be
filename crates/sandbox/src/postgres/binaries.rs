//! Where PostgreSQL's programs are: on PATH, in a distribution's folder, or else fetched.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{self, Goal};
use crate::server::tail;

const OLDEST_MAJOR_VERSION: u32 = 15;
/// Folders that hold one folder for each version.
const VERSION_FOLDERS: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", "bin"), // Debian, Ubuntu
    ("/usr", "bin"),                // /usr/pgsql-15: Red Hat
    ("/opt/homebrew/opt", "bin"),   // Homebrew on Apple's processors
    ("/usr/local/opt", "bin"),      // Homebrew on Intel's
];
const INSTALL_HINT: &str = "install PostgreSQL 15 or newer";

/// The folder with `initdb` and `postgres`.
#[derive(Debug)]
pub(super) struct Binaries(PathBuf);

impl Binaries {
    /// The first place that has version 15 or newer.
    ///
    /// # Errors
    /// There is none, and the embedded ones can't be fetched.
    pub(super) fn find() -> Result<Binaries> {
        match installed_folders().into_iter().find(|folder| is_recent_enough(folder)) {
            Some(folder) => Ok(Binaries(folder)),
            None => fetch().with_context(|| {
                format!("no PostgreSQL is installed and none could be fetched: {INSTALL_HINT}")
            }),
        }
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.0.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.0.join("postgres")
    }
}

fn installed_folders() -> Vec<PathBuf> {
    let on_path = cache::on_path("postgres").and_then(|program| Some(program.parent()?.to_owned()));
    let mut folders: Vec<PathBuf> = VERSION_FOLDERS
        .iter()
        .filter_map(|(parent, bin)| Some((fs::read_dir(parent).ok()?, bin)))
        .flat_map(|(entries, bin)| entries.flatten().map(move |entry| entry.path().join(bin)))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    folders.sort();
    on_path.into_iter().chain(folders).collect()
}

fn is_recent_enough(folder: &Path) -> bool {
    let Ok(run) = Command::new(folder.join("postgres")).arg("--version").output() else {
        return false;
    };
    let version = String::from_utf8_lossy(&run.stdout);
    folder.join("initdb").is_file()
        && major_version(&version).is_some_and(|major| major >= OLDEST_MAJOR_VERSION)
}

/// The 15 of `postgres (PostgreSQL) 15.12 (Debian 15.12-0+deb12u2)`.
fn major_version(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// The embedded binaries: a jar that holds one compressed archive.
fn fetch() -> Result<Binaries> {
    let platform = match (OS, ARCH) {
        ("linux", "x86_64") => "linux-amd64",
        ("linux", "aarch64") => "linux-arm64v8",
        ("macos", "x86_64") => "darwin-amd64",
        ("macos", "aarch64") => "darwin-arm64v8",
        _ => bail!("there are no embedded PostgreSQL binaries for {OS} on {ARCH}"),
    };
    let pom = include_str!("../../maven/postgres.xml").replace("PLATFORM", platform);
    let name = format!("postgres-15.10.0-{platform}");
    let folder = cache::fetched(&name, &pom, Goal::Unpack, unpack)?;
    Ok(Binaries(folder.join("bin")))
}

fn unpack(folder: &Path) -> Result<()> {
    let archive = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "txz"))
        .context("the embedded PostgreSQL holds no .txz archive")?;
    let run = Command::new("tar")
        .arg("-xJf")
        .arg(&archive)
        .current_dir(folder)
        .output()
        .context("cannot run tar")?;
    if !run.status.success() {
        let error = String::from_utf8_lossy(&run.stderr).into_owned();
        bail!("tar failed; it needs xz, e.g. apt-get install xz-utils:\n{}", tail(&error));
    }
    fs::remove_file(&archive)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_every_known_form() {
        for (text, expected) in [
            ("postgres (PostgreSQL) 15.12 (Debian 15.12-0+deb12u2)\n", Some(15)),
            ("postgres (PostgreSQL) 17.2\n", Some(17)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("postgres (PostgreSQL) devel\n", None),
            ("", None),
        ] {
            assert_eq!(major_version(text), expected, "{text:?}");
        }
    }
}
