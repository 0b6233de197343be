//! The program `archiver`: reads its arguments, runs, and turns the end into an exit code.

use std::process::ExitCode;

use archiver::{Cli, run};
use clap::Parser;
use program::run_program;

fn main() -> ExitCode {
    run_program(Cli::try_parse(), |cli| &cli.log, run)
}
