//! The program `churn`: parses its arguments, runs, and turns the end into an exit code.

mod config;
mod database;
mod report;
mod rows;
mod scoring;
mod training;

use std::process::ExitCode;

use anyhow::Context;
use churn::Refusal;
use clap::Parser;
use program::{StandardOutput, run_program};
use store::Session;

use crate::config::{Command, Config};

/// What a refusal ends with: nothing was stored, and the former model and scores stay.
const REFUSED: u8 = 5;

fn main() -> ExitCode {
    run_program(
        Config::try_parse(),
        |config| &config.log,
        async |config| match run(config).await {
            Err(error) if error.is::<Refusal>() => {
                program::report_failure(&error);
                Ok(ExitCode::from(REFUSED))
            }
            Err(error) => Err(error),
            Ok(text) => {
                let mut output = StandardOutput::new();
                std::io::Write::write_all(&mut output, text.as_bytes())
                    .context("cannot write to standard output")?;
                output.finish()?;
                Ok(ExitCode::SUCCESS)
            }
        },
    )
}

/// Does what is asked for; returns what to say.
async fn run(config: Config) -> anyhow::Result<String> {
    let url = config.database.database_url.expose();
    let mut connection = store::connect_within(url, Session::Batch, config.wait).await?;
    store::ensure_schema(&mut connection).await?;
    match config.command {
        Command::Train(ref arguments) => training::run(&config, arguments, &mut connection).await,
        Command::Score(ref arguments) => scoring::run(&config, arguments, &mut connection).await,
        Command::Report => report::run(&mut connection).await,
    }
}
