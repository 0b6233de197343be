//! `sandbox run -- COMMAND…`: both servers for as long as a command runs.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::pair::Pair;

/// Shells add this to the number of the signal that ended a command.
const SIGNAL_EXIT_CODE_BASE: i32 = 128;

pub(crate) async fn run(command: &[OsString]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command given")?;
    let pair = Pair::start()?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    // Ctrl-C reaches the command by itself; hearing it here only keeps the servers up until the
    // command has ended.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(pair.test_variables())
        .envs(pair.program_variables())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.context("cannot wait for the command")?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => pass_on_termination(&child).await?,
        }
    };
    drop(pair);
    Ok(exit_code(status))
}

/// The standard library can only send SIGKILL.
async fn pass_on_termination(child: &Child) -> Result<()> {
    if let Some(pid) = child.id() {
        let pid = pid.to_string();
        Command::new("kill")
            .args(["-s", "TERM", &pid])
            .status()
            .await
            .context("cannot run kill")?;
    }
    Ok(())
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| SIGNAL_EXIT_CODE_BASE + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
