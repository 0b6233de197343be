//! One server process that cannot outlive its owner.
//!
//! In: a command line and a folder. Out: a running process that can be signalled and started again.
//! Every process is a child of `watchdog.sh`, which holds a pipe from us: when the pipe closes
//! (drop, panic, Ctrl-C, SIGKILL of the owner) it ends the server and removes the folder. A pipe and
//! not `PR_SET_PDEATHSIG`, because that is bound to the thread that spawned the child.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

/// How long a server may take to start; generous, for a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a server may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a condition that nobody announces is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Starts of a fresh server, each on new ports: between choosing a port and binding it, somebody
/// else may take it.
const FIRST_START_ATTEMPTS: usize = 3;
/// Lines of a server's log that an error message shows.
const LOG_TAIL_LINES: usize = 20;

/// The signals that servers are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// PostgreSQL: roll back and stop.
    Interrupt,
    /// Kill: nothing is flushed or said.
    Kill,
    /// PostgreSQL: stop at once, as in a crash, but leave no shared memory behind.
    Quit,
    /// Kafka: an orderly stop.
    Terminate,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "INT",
            Signal::Kill => "KILL",
            Signal::Quit => "QUIT",
            Signal::Terminate => "TERM",
        }
    }
}

/// A server: its folder, and its process when it runs.
pub(crate) struct Server {
    name: &'static str,
    last_signal: Signal,
    // Before `folder`: the process ends before what it writes to is removed.
    process: Option<Process>,
    folder: TempDir,
}

impl Server {
    /// A server that does not run yet, with an empty folder of its own. `last_signal` ends it when
    /// the guard is dropped or the owner dies.
    pub(crate) fn new(name: &'static str, last_signal: Signal) -> Result<Server> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("sandbox-{}-", name.to_lowercase()))
            .tempdir()
            .context("cannot create a temporary folder")?;
        Ok(Server { name, last_signal, process: None, folder })
    }

    /// The folder; it is removed with the server.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the server prints.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder().join("server.log")
    }

    /// The server's own process id; the last one when it does not run.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.pid)
    }

    /// True while the process lives.
    pub(crate) fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(|process| !process.is_gone_within(Duration::ZERO))
    }

    /// Starts the command and returns when `is_ready` says so.
    ///
    /// # Errors
    /// The process could not be started, ended before it was ready, or took too long; the message
    /// holds the end of its log.
    pub(crate) fn start(
        &mut self,
        command: &[OsString],
        is_ready: impl FnMut() -> bool,
    ) -> Result<()> {
        self.launch(command)?;
        self.await_readiness(is_ready)
    }

    fn launch(&mut self, command: &[OsString]) -> Result<()> {
        if self.is_running() {
            bail!("{} is running already", self.name);
        }
        let process = Process::spawn(self.last_signal, self.folder(), &self.log_path(), command)
            .with_context(|| format!("cannot start {}", self.name))?;
        // The old watchdog is let go only now, so that the folder is guarded without a break.
        if let Some(old) = self.process.replace(process) {
            old.leave();
        }
        Ok(())
    }

    fn await_readiness(&self, mut is_ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if is_ready() {
                return Ok(());
            }
            let process = self.process.as_ref().context("no process")?;
            if process.is_gone_within(POLL_INTERVAL) {
                return Err(self.failure("stopped while it was starting"));
            }
        }
        Err(self.failure(&format!("was not ready within {} s", START_TIMEOUT.as_secs())))
    }

    /// Signals the process and waits for its end; a process that does not run is no error.
    ///
    /// # Errors
    /// It did not end in time; then it has been killed.
    pub(crate) fn stop(&mut self, signal: Signal) -> Result<()> {
        let Some(process) = self.process.as_mut() else { return Ok(()) };
        if process.is_gone_within(Duration::ZERO) {
            return Ok(());
        }
        process.signal(signal)?;
        if process.is_gone_within(STOP_TIMEOUT) {
            return Ok(());
        }
        process.signal(Signal::Kill)?;
        Err(self.failure(&format!("did not stop within {} s: killed", STOP_TIMEOUT.as_secs())))
    }

    fn failure(&self, what: &str) -> anyhow::Error {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        anyhow!("{} {what}; the end of its log:\n{}", self.name, tail(&log))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name).field("pid", &self.pid()).finish()
    }
}

/// Starts a fresh server; `start` chooses its ports anew in each attempt.
pub(crate) fn start_on_free_ports<T>(mut start: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..FIRST_START_ATTEMPTS {
        if let Ok(started) = start() {
            return Ok(started);
        }
    }
    start()
}

/// The last lines of a program's output, for an error message.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}

/// Looks at `condition` again and again until it holds.
///
/// # Errors
/// It did not hold within `timeout`; `what` names it.
pub fn wait_until(
    what: &str,
    timeout: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<()> {
    let deadline = Instant::now() + timeout;
    while !condition() {
        if Instant::now() >= deadline {
            bail!("waited {} s in vain: {what}", timeout.as_secs());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// A process and its watchdog.
struct Process {
    pid: u32,
    orders: Option<ChildStdin>,
    watchdog: Child,
    /// Disconnected when the process and its children are gone; nothing is ever sent.
    gone: Mutex<Receiver<()>>,
}

impl Process {
    fn spawn(
        last_signal: Signal,
        folder: &Path,
        log: &Path,
        command: &[OsString],
    ) -> Result<Process> {
        let script = folder.join("watchdog.sh");
        fs::write(&script, include_str!("watchdog.sh")).context("cannot write the watchdog")?;
        let mut watchdog = Command::new("sh")
            .arg(script)
            .arg(last_signal.name())
            .args([folder, log])
            .args(command)
            .current_dir(folder)
            // A group of its own: Ctrl-C is for the owner, who decides in which order things end.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run sh")?;
        let orders = watchdog.stdin.take();
        let stdout = watchdog.stdout.take().context("the watchdog has no standard output")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line).context("the watchdog said nothing")?;
        let pid = line.trim().parse().with_context(|| format!("not a pid: {line:?}"))?;
        let (sender, gone) = channel();
        std::thread::spawn(move || hold_until_end(stdout, sender));
        Ok(Process { pid, orders, watchdog, gone: Mutex::new(gone) })
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        self.order(signal.name())
    }

    fn order(&mut self, order: &str) -> Result<()> {
        let orders = self.orders.as_mut().context("the watchdog takes no orders")?;
        writeln!(orders, "{order}").context("the watchdog has gone")
    }

    /// True if the process is gone, at once or within the time.
    fn is_gone_within(&self, timeout: Duration) -> bool {
        // A poisoned lock guards nothing that could be half-changed.
        let gone = self.gone.lock().unwrap_or_else(|poison| poison.into_inner());
        matches!(gone.recv_timeout(timeout), Err(RecvTimeoutError::Disconnected))
    }

    /// Lets the watchdog of a process that is gone end without removing the folder.
    fn leave(mut self) {
        // If it has gone already, it can't be told and need not be.
        self.order("leave").ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Closing the pipe is the order to end the server and remove its folder.
        drop(self.orders.take());
        self.watchdog.wait().ok();
    }
}

fn hold_until_end(mut stdout: BufReader<ChildStdout>, sender: Sender<()>) {
    // Only the end matters: an error is an end too.
    stdout.read_to_end(&mut Vec::new()).ok();
    drop(sender);
}
