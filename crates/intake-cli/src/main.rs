//! The program `intake`: reads the command line, starts logging and runs the library.

use std::process::ExitCode;

use clap::Parser;
use intake_cli::Cli;
use program::{run_program, shutdown_requested};

fn main() -> ExitCode {
    run_program(Cli::try_parse(), Cli::log, async |cli| {
        intake_cli::carry_out(cli, shutdown_requested()).await
    })
}
