//! Programs that are not ours, as processes that never outlive their guard.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use tempfile::TempDir;

/// A running program. Killed on drop; its log is then shown if the test has failed.
pub(crate) struct Tool {
    name: String,
    child: Child,
    folder: TempDir,
}

impl Tool {
    /// Starts a program in a folder of its own, with nothing of our environment but the PATH.
    pub(crate) fn start(program: &Path, arguments: &[&str], folder: TempDir) -> Result<Tool> {
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Tool { name: program.display().to_string(), child, folder })
    }

    /// What it has printed so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Tool {
    #[allow(clippy::print_stderr, reason = "the log of a failed test's programs")]
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.name, self.log());
        }
    }
}

/// A folder for one tool.
pub(crate) fn folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("e2e-").tempdir()?)
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn repository_file(path: &str) -> Result<String> {
    fs::read_to_string(repository().join(path)).with_context(|| path.to_owned())
}

/// A program of Prometheus, as `.ci/prometheus` finds or fetches it.
pub(crate) fn prometheus_program(name: &str) -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let find = || -> Result<PathBuf> {
        let found = Command::new(repository().join(".ci/prometheus")).output()?;
        let why = String::from_utf8_lossy(&found.stderr);
        ensure!(found.status.success(), "Prometheus is missing: {why}");
        Ok(PathBuf::from(String::from_utf8(found.stdout)?.trim()))
    };
    let folder = FOLDER.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    Ok(folder.as_deref().map_err(|error| anyhow!("{error}"))?.join(name))
}

/// The first of these programs that is on the PATH.
pub(crate) fn on_path(names: &[&str]) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|program| program.is_file())
        .with_context(|| {
            format!("none of {names:?} is on the PATH; `make setup-tests` installs what is missing")
        })
}

/// Runs a program with this input; its exit code and all that it printed.
pub(crate) fn run_with_input(
    program: &Path,
    arguments: &[&str],
    input: &str,
) -> Result<(i32, String)> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    child.stdin.take().context("piped")?.write_all(input.as_bytes())?;
    let ended = child.wait_with_output()?;
    let printed = [ended.stdout, ended.stderr].concat();
    Ok((ended.status.code().unwrap_or(-1), String::from_utf8_lossy(&printed).into_owned()))
}
