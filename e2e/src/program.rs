//! One of the three programs as a process: its output is kept, and it never outlives its guard.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sandbox::wait_until;
use tempfile::TempDir;

use crate::binaries::binary;

/// How long a program may take to end by itself. Generous, for a busy machine: nothing is proved
/// by it.
pub const END_TIMEOUT: Duration = Duration::from_secs(120);
/// How long anything else that must happen may take.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(90);

/// A running program. Killed on drop; its log is then shown if the test has failed.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    folder: TempDir,
}

/// Where a program's output or log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Into a file.
    Kept,
    /// To a disk that is full.
    Full,
    /// Into a pipe that nobody reads any more.
    ReaderGone,
    /// Nowhere: the program is started without it. Only for the log.
    Closed,
}

#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    pub output: String,
    pub log: String,
}

/// Runs a program to its end.
///
/// # Errors
/// It can't be started, or does not end.
pub fn run(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Ended> {
    Running::start(name, arguments, variables)?.end()
}

impl Stream {
    fn open(self, file: &Path) -> Result<Stdio> {
        Ok(match self {
            Stream::Kept | Stream::Closed => File::create(file)?.into(),
            Stream::Full => File::options().write(true).open("/dev/full")?.into(),
            // Its other end is dropped here.
            Stream::ReaderGone => std::io::pipe()?.1.into(),
        })
    }
}

impl Running {
    /// Starts a program with these arguments, and of all variables only these.
    ///
    /// # Errors
    /// It can't be built or started.
    pub fn start(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Running> {
        Running::start_with_streams(name, arguments, variables, Stream::Kept, Stream::Kept)
    }

    /// The same with standard output and standard error that may take nothing.
    ///
    /// # Errors
    /// It can't be built or started.
    pub fn start_with_streams(
        name: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
        output: Stream,
        log: Stream,
    ) -> Result<Running> {
        let folder = tempfile::Builder::new().prefix("e2e-").tempdir()?;
        let program = binary(name)?;
        let mut command = match log {
            // Only a shell can start a program without one.
            Stream::Closed => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "exec \"$@\" 2>&-", "sh"]).arg(program);
                shell
            }
            _ => Command::new(program),
        };
        let child = command
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(output.open(&folder.path().join("output"))?)
            .stderr(log.open(&folder.path().join("log"))?)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Running { name: name.to_owned(), child, folder })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        self.read("output")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.read("log")
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The most memory that it has held so far, in MiB; `None` where the system does not tell.
    pub fn peak_memory_mib(&self) -> Option<u64> {
        self.status_line("VmHWM:")?.parse().ok().map(|kib: u64| kib / 1024)
    }

    /// Whether it is stopped, as by [`Running::freeze`] or at a fail point.
    pub fn is_frozen(&self) -> bool {
        self.status_line("State:").is_some_and(|state| state == "T")
    }

    /// The first word of a line of what the system says about the process.
    fn status_line(&self, name: &str) -> Option<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next().map(str::to_owned)
    }

    /// How often its log has this text.
    pub fn count_in_log(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Waits for a line of its log.
    ///
    /// # Errors
    /// The line does not come.
    pub fn wait_for_log(&self, text: &str) -> Result<()> {
        wait_until(&format!("{} logs {text:?}", self.name), WAIT_TIMEOUT, || {
            self.log().contains(text)
        })
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// It has gone already.
    pub fn terminate(&self) -> Result<()> {
        self.signal("TERM")
    }

    /// Sends SIGHUP, as a terminal does that is closed.
    ///
    /// # Errors
    /// It has gone already.
    pub fn hang_up(&self) -> Result<()> {
        self.signal("HUP")
    }

    /// Stops it in the middle of whatever it does, until [`Running::thaw`].
    ///
    /// # Errors
    /// It has gone already.
    pub fn freeze(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// Lets it go on, as if no time had passed.
    ///
    /// # Errors
    /// It has gone already.
    pub fn thaw(&self) -> Result<()> {
        self.signal("CONT")
    }

    /// Sends SIGKILL and waits for the end. Nothing that it had in memory is written.
    ///
    /// # Errors
    /// It has ended by itself before.
    pub fn kill(mut self) -> Result<()> {
        ensure!(self.is_alive(), "{} ended before it was killed:\n{}", self.name, self.log());
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It does not end.
    pub fn end(mut self) -> Result<Ended> {
        let mut status: Option<ExitStatus> = None;
        wait_until(&format!("{} ends", self.name), END_TIMEOUT, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        })?;
        let code = status.and_then(|status| status.code());
        Ok(Ended { code, output: self.read("output"), log: self.read("log") })
    }

    fn signal(&self, name: &str) -> Result<()> {
        // The standard library can only send SIGKILL.
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status()?;
        ensure!(sent.success(), "{} can't be signalled", self.name);
        Ok(())
    }

    fn read(&self, file: &str) -> String {
        // Still being written: half a character may stand at its end.
        let bytes = fs::read(self.folder.path().join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running {
    #[allow(clippy::print_stderr, reason = "the log of a failed test's programs")]
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- log of {} {}\n{}", self.name, self.pid(), self.log());
        }
    }
}

impl Ended {
    /// Fails unless the program ended with this exit code.
    ///
    /// # Errors
    /// Another code; the error holds all that the program said.
    pub fn expect(self, code: i32) -> Result<Ended> {
        ensure!(
            self.code == Some(code),
            "exit code {:?}, expected {code}:\n{}{}",
            self.code,
            self.output,
            self.log
        );
        Ok(self)
    }
}
