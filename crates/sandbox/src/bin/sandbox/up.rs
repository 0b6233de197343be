//! `sandbox up`: both servers until Ctrl-C.
//!
//! Out: lines for a shell on standard output, everything else on standard error.

use std::process::ExitCode;

use anyhow::{Context, Result};
use program::{note, print};
use tokio::signal::unix::{SignalKind, signal};

use crate::pair::Pair;

pub(crate) async fn up() -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    note("starting Kafka and PostgreSQL …");
    // On a thread of its own, so that Ctrl-C is heard while they start; what has begun by then
    // ends with this process.
    let pair = tokio::select! {
        pair = tokio::task::spawn_blocking(Pair::start) => pair.context("the start panicked")??,
        _ = interrupt.recv() => return Ok(interrupted()),
        _ = terminate.recv() => return Ok(interrupted()),
    };
    print_environment(&pair)?;
    note(&format!("\nKafka's log:      {}", pair.kafka.log_path().display()));
    note(&format!("PostgreSQL's log: {}", pair.postgres.log_path().display()));
    note(
        "Paste the lines above into another shell; then producer, streamer and batcher find both.",
    );
    note("Ctrl-C stops them and removes their data.");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    drop(pair);
    note("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Ends at once: dropping the runtime would wait for the start that nobody wants any more.
fn interrupted() -> ExitCode {
    note("interrupted while starting");
    std::process::exit(130)
}

fn print_environment(pair: &Pair) -> Result<()> {
    let lines = pair.program_variables().map(|(name, value)| format!("export {name}='{value}'\n"));
    print(lines.concat())?;
    Ok(())
}
