//! The process. All of it is in the library, so that the tests can build it with fail points, too.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    streamer::program().await
}
