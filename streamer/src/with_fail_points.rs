//! The streamer as it is, built for the tests so that it can be made to end at named points.

use std::process::ExitCode;

fn main() -> ExitCode {
    streamer::program()
}
