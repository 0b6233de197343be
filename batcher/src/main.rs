//! The program `batcher`: parses its arguments, runs, and turns the end into an exit code.

use std::process::ExitCode;

use batcher::{Config, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = Config::from_arguments(std::env::args_os()).unwrap_or_else(|error| error.exit());
    runtime::init_telemetry(&config.log);
    match run(config, &mut std::io::stdout()).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            runtime::report_failure(&error);
            ExitCode::FAILURE
        }
    }
}
