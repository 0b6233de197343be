//! The process. All of it is in the library, so that the tests can build it with fail points, too.

use std::process::ExitCode;

fn main() -> ExitCode {
    streamer::program()
}
