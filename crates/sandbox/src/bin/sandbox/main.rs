//! The program `sandbox`: a throw-away Kafka and PostgreSQL for people, for tests and for the demo.
//!
//! Everything it starts ends with it, whichever way it ends.

mod demo;
mod live;
mod pair;
mod programs;
mod run;
mod table;
mod up;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use program::{end_with, executor, note};

/// Real Kafka 3.5 and PostgreSQL 15 or newer, on free ports, without Docker.
#[derive(Debug, Parser)]
#[command(name = "sandbox", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start both, print the environment for producer, streamer and batcher, run until Ctrl-C
    Up,
    /// Start both, run a command that finds them in its environment, stop both
    Run {
        /// The command and its arguments; its exit code becomes this program's
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Send one simulated day through the three programs and show what users see
    Demo,
    /// Start both and the pipeline between them, with a page to watch, until Ctrl-C
    Live,
}

fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(answer) => return end_with(&answer),
    };
    let outcome = executor().and_then(|executor| executor.block_on(execute(command)));
    outcome.unwrap_or_else(|error| {
        note(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

async fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up => up::up().await,
        Command::Run { command } => run::run(&command).await,
        Command::Demo => demo::demo().await,
        Command::Live => live::live().await,
    }
}
