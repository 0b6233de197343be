//! A lake of a test: the archiver as a process, what stands on the disk, and readers that share no code with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::servers::{Folder, wait_until};
use crate::support::{DAY, DAY_AFTER, Scene, programs};

/// The Python that reads lakes back.
pub(crate) fn python() -> std::ffi::OsString {
    std::env::var_os("LAKE_PYTHON").expect("LAKE_PYTHON: see `make test-lake`")
}

/// Where a lake in S3 is.
pub(crate) struct S3 {
    pub(crate) url: String,
    pub(crate) endpoint: String,
}

/// A lake of its own, in a folder or in S3.
pub(crate) struct Lake<'a> {
    scene: &'a Scene,
    folder: Folder,
    s3: Option<S3>,
}

impl<'a> Lake<'a> {
    pub(crate) fn new(scene: &'a Scene) -> Self {
        Lake { scene, folder: Folder::new(), s3: None }
    }

    pub(crate) fn in_s3(scene: &'a Scene, s3: S3) -> Self {
        Lake { s3: Some(s3), ..Lake::new(scene) }
    }

    /// The lake without its scene, which may be changed meanwhile.
    pub(crate) fn leave(self) -> (Folder, Option<S3>) {
        (self.folder, self.s3)
    }

    /// The same lake again.
    pub(crate) fn again(scene: &'a Scene, (folder, s3): (Folder, Option<S3>)) -> Self {
        Lake { scene, folder, s3 }
    }

    fn url(&self) -> String {
        match &self.s3 {
            Some(s3) => s3.url.clone(),
            None => format!("file://{}", self.folder.path().display()),
        }
    }

    fn environment(&self, command: &mut Command) {
        command.env("LAKE_URL", self.url());
        if let Some(s3) = &self.s3 {
            command.env("AWS_ENDPOINT", &s3.endpoint).env("AWS_ENDPOINT_URL", &s3.endpoint);
            command.env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "us-east-1");
            command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        }
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        self.scene.environment(&mut command);
        self.environment(&mut command);
        command.args(arguments);
        command
    }

    /// Runs the archiver to its end, with this exit code; gives what it printed.
    pub(crate) fn run(&self, arguments: &[&str], expected: i32) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_archiver"));
        let ended = self.command(program, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        let printed = String::from_utf8(ended.stdout).unwrap();
        assert_eq!(ended.status.code(), Some(expected), "{arguments:?}:\n{said}\n{printed}");
        printed
    }

    /// Runs it with other variables to its end, with this exit code; gives what it said.
    pub(crate) fn said(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
        expected: i32,
    ) -> String {
        let ended = self.spawn(arguments, variables).wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(expected), "{arguments:?}:\n{said}");
        said
    }

    /// Starts it with other variables; somebody reads what it says.
    pub(crate) fn spawn(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_archiver")), arguments);
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs it to its end; that others came first is no failure of it.
    pub(crate) fn run_or_lose(&self, arguments: &[&str]) {
        let program = Path::new(env!("CARGO_BIN_EXE_archiver"));
        let ended = self.command(program, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        let has_lost = said.contains("meanwhile") || said.contains("came first");
        assert!(ended.status.success() || has_lost, "{arguments:?}:\n{said}");
    }

    /// Starts the archiver that can be ended at named points.
    pub(crate) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        let program =
            Path::new(env!("CARGO_BIN_EXE_archiver")).with_file_name("archiver-with-fail-points");
        let mut command = self.command(&program, arguments);
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    fn events(&self) -> PathBuf {
        self.folder.path().join("events")
    }

    /// The table's last version; `None`: there is no table.
    pub(crate) fn version_or_none(&self) -> Option<u64> {
        let log = std::fs::read_dir(self.events().join("_delta_log")).ok()?;
        let names = log.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(".json")?.parse().ok()).max()
    }

    pub(crate) fn version(&self) -> u64 {
        self.version_or_none().unwrap()
    }

    pub(crate) fn wait_for_version_after(&self, before: Option<u64>) {
        let has_come = || self.version_or_none() > before.max(Some(0));
        wait_until("another version", has_come);
    }

    pub(crate) fn wait_until_level(&self) {
        let program = Path::new(env!("CARGO_BIN_EXE_archiver"));
        let is_level = || {
            let asked = self.command(program, &["status", "--json"]).output().unwrap();
            // There may be no lake yet.
            let status: Option<serde_json::Value> = serde_json::from_slice(&asked.stdout).ok();
            let is_level = |one: &serde_json::Value| one["state"] == "level";
            status
                .is_some_and(|status| status["partitions"].as_array().unwrap().iter().all(is_level))
        };
        wait_until("the lake is where the warehouse is", is_level);
    }

    pub(crate) fn wait_until_stopped(&self, process: &Child) {
        let stat = format!("/proc/{}/stat", process.id());
        let is_stopped = || {
            let stat = std::fs::read_to_string(&stat).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        };
        wait_until("the process has stopped", is_stopped);
    }

    /// Reads the lake back with programs that share no code with the archiver.
    fn read_back(&self, arguments: &[&str]) -> serde_json::Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_back.py");
        let mut command = Command::new(python());
        self.environment(&mut command);
        let ended = command.arg(script).arg(self.url()).args(arguments).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        serde_json::from_slice(&ended.stdout).unwrap()
    }

    pub(crate) fn rows(&self) -> i64 {
        self.read_back(&["events"])["deltalake"]["rows"].as_i64().unwrap()
    }

    /// The lake holds what the warehouse has counted: by its own comparison, and by independent readers.
    pub(crate) fn check(&self) {
        self.run(&["reconcile"], 0);
        self.run(&["reconcile", DAY], 0);
        assert_eq!(self.check_offsets_once(), self.scene.counted());
    }

    /// No offset is there twice, and all readers see the same; gives how many rows there are.
    pub(crate) fn check_offsets_once(&self) -> i64 {
        let read = self.read_back(&["events"]);
        let seen = &read["deltalake"];
        assert!(read.as_object().unwrap().values().all(|other| other == seen), "{read}");
        // DuckDB reads S3 by an extension that is not among the pinned packages.
        assert_eq!(read.get("duckdb").is_some(), self.s3.is_none());
        assert_eq!(seen["rows"], seen["offsets"], "{read}");
        seen["rows"].as_i64().unwrap()
    }

    pub(crate) fn check_subscribers(&self, day: &str) {
        let read = self.read_back(&["subscribers"]);
        assert_eq!(read["dates"], serde_json::json!([day]));
        assert_eq!(read["by_subscriber"], read["from_events"], "{day}");
        assert_eq!(read["others"], serde_json::json!({ "nobody": read["nobody"] }));
        assert!(read["nobody"].as_i64().unwrap() > 0);
    }

    /// Runs the batcher, which starts the archiver, with this exit code; gives what it printed and said.
    pub(crate) fn batcher(&self, arguments: &[&str], expected: i32) -> String {
        self.beside(&programs().join("batcher"), arguments, expected)
    }

    /// Runs the churn forecast, which starts the archiver, with this exit code; gives what it printed and said.
    pub(crate) fn churn(&self, arguments: &[&str], expected: i32) -> String {
        let program =
            std::env::var_os("TELECOM_CHURN").expect("TELECOM_CHURN: see `make test-lake`");
        self.beside(Path::new(&program), arguments, expected)
    }

    fn beside(&self, program: &Path, arguments: &[&str], expected: i32) -> String {
        let mut command = self.command(program, arguments);
        command.env("ARCHIVER", env!("CARGO_BIN_EXE_archiver"));
        let ended = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = format!("{}{}", text(ended.stdout), text(ended.stderr));
        assert_eq!(ended.status.code(), Some(expected), "{arguments:?}:\n{said}");
        said
    }

    /// How many events the exported rows of the day have, by what names them.
    pub(crate) fn exported_events(&self) -> BTreeMap<String, i64> {
        self.exported_between(DAY, DAY_AFTER)
    }

    /// The same of the days of [from, to), which are printed in order.
    pub(crate) fn exported_between(&self, from: &str, to: &str) -> BTreeMap<String, i64> {
        let days = ["subscribers", "--export", "--from", from, "--to", to];
        let printed = self.run(&days, 0);
        let mut lines = printed.lines();
        assert!(lines.next().unwrap().starts_with("# version "), "{printed}");
        assert_eq!(
            lines.next().unwrap(),
            "date,subscriber,named_by,events,calls,messages,data_sessions,recharges,data_mb,\
             distinct_counterparties,distinct_towers"
        );
        let (mut events, mut last) = (BTreeMap::new(), from);
        for line in lines {
            let fields: Vec<&str> = line.split(',').collect();
            assert!(fields.len() == 11 && last <= fields[0] && fields[0] < to, "{line}");
            last = fields[0];
            *events.entry(fields[2].to_owned()).or_default() += fields[3].parse::<i64>().unwrap();
        }
        events
    }

    /// Commits that change nothing, until the table has come to a version.
    pub(crate) fn make_commits_until(&self, version: u64) {
        while self.version() < version {
            self.run(&["vacuum"], 0);
        }
    }

    fn log_of(&self, version: u64) -> PathBuf {
        self.events().join(format!("_delta_log/{version:020}.json"))
    }

    pub(crate) fn has_log_of(&self, version: u64) -> bool {
        self.log_of(version).exists()
    }

    /// The commits before a version were made long ago.
    pub(crate) fn make_log_older(&self, before: u64) {
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(40 * 86_400);
        for version in 0..before {
            let log = std::fs::File::options().write(true).open(self.log_of(version)).unwrap();
            log.set_modified(long_ago).unwrap();
        }
        for entry in std::fs::read_dir(self.events().join("_delta_log")).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains(".checkpoint") {
                let log = std::fs::File::options().write(true).open(path).unwrap();
                log.set_modified(long_ago).unwrap();
            }
        }
    }

    /// Files of events, those of former versions included.
    pub(crate) fn files_on_disk(&self) -> usize {
        parquet_files(&self.events()).len()
    }

    /// Whether some row of some file of the lake, of whatever version, or its log, holds this text.
    pub(crate) fn disk_holds(&self, text: &str) -> bool {
        self.read_back(&["search", text]).as_bool().unwrap()
    }
}

fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("_delta_log") {
            found.extend(parquet_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
    found
}
