//! Logging, and how a program says why it failed.
//!
//! Log lines go to standard error. They are for whoever looks, so a standard error that is full or
//! gone costs the lines and nothing else: the program goes on.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::log_filter::{FAILURE, log_filter};
use crate::{LogArgs, LogFormat};

/// Sends log lines to standard error, filtered by `RUST_LOG` (default `info`).
///
/// # Errors
/// A sentence that names what in `RUST_LOG` can't be understood, and what could.
pub(crate) fn init_telemetry(args: &LogArgs) -> anyhow::Result<()> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter_of_environment()?)
        .with_writer(|| LossyStandardError)
        // Complaints about lines that could not be written would go to where they could not.
        .log_internal_errors(false);
    match args.log_format {
        LogFormat::Text => builder.with_ansi(is_coloured()).with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

fn filter_of_environment() -> anyhow::Result<EnvFilter> {
    let given = std::env::var_os("RUST_LOG").unwrap_or_default();
    let text =
        given.to_str().context("RUST_LOG is not UTF-8; write a level, like info or debug")?;
    log_filter(text).map_err(anyhow::Error::msg)
}

/// On a terminal, unless its user has set NO_COLOR (no-color.org).
fn is_coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

/// Standard error, on which everything can be written: what it does not take is lost.
struct LossyStandardError;

impl Write for LossyStandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(bytes).ok();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints the error and its causes, one chain, to standard error, whatever `RUST_LOG` says.
pub fn report_failure(error: &anyhow::Error) {
    report(&chain(error));
}

/// Prints why the program ends as it does to standard error, whatever `RUST_LOG` says.
pub fn report(why: &str) {
    tracing::error!(target: FAILURE, "{why}");
}

/// Says something before there is a log, in the form in which wrong arguments are answered.
pub(crate) fn say_plainly(error: &anyhow::Error) {
    note(&format!("error: {}", chain(error)));
}

/// Says something to the person at the terminal; standard output is for answers.
pub fn note(message: &str) {
    writeln!(LossyStandardError, "{message}").ok();
}

/// The error and its causes, joined by `: `. Some libraries print their cause themselves; it is
/// not said twice.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        let error = anyhow!("refused").context("connecting: refused").context("starting");
        assert_eq!(chain(&error), "starting: connecting: refused");
    }
}
