//! Logging, and how a program says why it failed.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::{LogArgs, LogFormat};

/// librdkafka's own client lines are worth a line only when something is wrong.
const DEFAULT_FILTER: &str = "info,librdkafka=warn,rdkafka=warn,sqlx=warn";

/// Sends log lines to standard error, filtered by `RUST_LOG` (default `info`).
pub fn init_telemetry(args: &LogArgs) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => {
            builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
        }
        LogFormat::Json => builder.json().init(),
    }
}

/// Prints the error and its causes, one chain, to standard error.
pub fn report_failure(error: &anyhow::Error) {
    tracing::error!("{}", chain(error));
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
