//! The archiver as `main` is, with points at which a test can end it: `FAIL_POINT`.

use std::process::ExitCode;

use archiver::{Cli, run};
use clap::Parser;
use program::run_program;

fn main() -> ExitCode {
    run_program(Cli::try_parse(), |cli| &cli.log, run)
}
