//! Arguments that several commands have, and how their values are written.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;
use program::{DatabaseArgs, LogArgs, duration_text, parse_duration};
use store::{PgConnection, Session};

/// The shortest and longest flush interval that make sense.
const FLUSH_INTERVAL_MIN: Duration = Duration::from_millis(10);
const FLUSH_INTERVAL_MAX: Duration = Duration::from_secs(3600);
/// The longest watermark delay and future skew: a year.
const SETTING_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Arguments of a command that needs the database alone.
#[derive(Args, Clone, Debug)]
pub struct DatabaseCommandArgs {
    /// Where PostgreSQL is.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// How long to wait for PostgreSQL at start
    #[arg(long, env = "WAIT", default_value = "30s", value_parser = parse_duration)]
    pub wait: Duration,
    /// The form of the log lines.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Arguments of a command that answers a question, for people or for programs.
#[derive(Args, Clone, Debug)]
pub struct QuestionArgs {
    /// Write one JSON object; docs/operations.md describes it
    #[arg(long)]
    pub json: bool,
    /// PostgreSQL's address, for how long it is waited for, and the form of the log lines.
    #[command(flatten)]
    pub database: DatabaseCommandArgs,
}

/// A flush interval between 10 ms and an hour.
///
/// # Errors
/// What is wrong with the text, for the command line.
pub fn parse_flush_interval(text: &str) -> Result<Duration, String> {
    parse_within(text, FLUSH_INTERVAL_MIN..=FLUSH_INTERVAL_MAX)
}

/// A duration within bounds.
///
/// # Errors
/// What is wrong with the text, for the command line.
pub fn parse_within(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    let [least, most] = [range.start(), range.end()].map(|bound| duration_text(*bound));
    Err(format!("must lie between {least} and {most}"))
}

/// A setting that is a duration: whole milliseconds, as it is stored, and a year at most.
///
/// # Errors
/// What is wrong with the text, for the command line.
pub fn parse_setting(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration > SETTING_MAX {
        return Err(format!("must not exceed {} days", SETTING_MAX.as_secs() / 86_400));
    }
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err("must be a whole number of milliseconds".to_owned());
    }
    Ok(duration)
}

impl DatabaseCommandArgs {
    /// A session for work that may take long; tried again for up to `--wait` while that can help.
    pub(crate) async fn connect(&self) -> anyhow::Result<PgConnection> {
        let url = self.database.database_url.expose();
        Ok(store::connect_within(url, Session::Batch, self.wait).await?)
    }

    /// The same, if the schema is this program's.
    pub(crate) async fn open(&self) -> anyhow::Result<PgConnection> {
        let mut connection = self.connect().await?;
        store::ensure_schema(&mut connection).await?;
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_named_as_they_would_be_typed() {
        let error = parse_flush_interval("2h").unwrap_err();
        assert_eq!(error, "must lie between 10ms and 1h");
    }
}
