//! Wires the streamer to the process: arguments, logging, signals, exit code.

use std::process::ExitCode;

use clap::Parser;
use runtime::{init_telemetry, report_failure, shutdown_requested};
use streamer::{Cli, Exit, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    init_telemetry(cli.log());
    let shutdown = async {
        if let Err(error) = shutdown_requested().await {
            tracing::error!("cannot listen for signals: {error}");
        }
    };
    match run(cli, shutdown).await {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            report_failure(&error);
            ExitCode::from(Exit::Failed.code())
        }
    }
}
