//! The program `producer`: reads the command line, starts logging and runs the library.

use std::process::ExitCode;

use producer::{Config, run};
use runtime::{init_telemetry, report_failure, shutdown_requested};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = Config::from_args(std::env::args_os()).unwrap_or_else(|error| error.exit());
    init_telemetry(&config.log);
    match run(config, shutdown_requested()).await {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            report_failure(&error);
            ExitCode::FAILURE
        }
    }
}
