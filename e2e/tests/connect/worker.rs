//! A worker of Kafka Connect as `connect/start` starts it, in the folder that `connect/assemble` has filled.

use std::fs::{File, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use sandbox::free_port;

/// What `make test-connect` sets.
const HOME_VARIABLE: &str = "CONNECT_HOME";

/// A worker; killed on drop.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    log: PathBuf,
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Worker {
    /// Starts one with these variables; what it says is added to the log. It is killed with its guard.
    pub(crate) fn start(variables: &[(String, String)], log: &Path) -> Result<Worker> {
        let home = std::env::var_os(HOME_VARIABLE)
            .with_context(|| format!("{HOME_VARIABLE} is not set: run `make test-connect`"))?;
        let kept = ["PATH", "JAVA_HOME", "HOME"];
        let kept = kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let output = File::options().create(true).append(true).open(log)?;
        let child = Command::new(repository().join("connect/start"))
            .env_clear()
            .envs(kept)
            .env(HOME_VARIABLE, home)
            // A port of each life's own, so that nobody speaks to the next one by mistake.
            .env("CONNECT_PORT", free_port()?.to_string())
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("connect/start can't be started")?;
        Ok(Worker { child, log: log.to_owned() })
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) -> Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "the worker had ended:\n{}", self.tail());
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The most memory that it has held so far, in MiB; `None` where the system does not tell.
    pub(crate) fn peak_memory_mib(&self) -> Option<u64> {
        let status = read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse().ok().map(|kib: u64| kib / 1024)
    }

    pub(crate) fn log(&self) -> String {
        read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Worker {
    #[allow(clippy::print_stderr, reason = "the log of a failed test's worker")]
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- the worker's log\n{}", self.tail());
        }
    }
}
