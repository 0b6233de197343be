//! The command line. Options may stand before or after the subcommand; each is also an environment
//! variable.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use runtime::{DatabaseArgs, LogArgs, MetricsArgs, parse_duration};

/// Compute a day's statistics from the minute windows
///
/// Exit codes: 0 done; 1 failed, with the cause on standard error; 2 wrong usage; 4 no data for
/// that date, and daily_stats is as it was; 5 the day's rows are not right (validate); 75 the day
/// is not complete yet (check).
#[derive(Clone, Debug, Parser)]
#[command(version, subcommand_negates_reqs = true)]
#[command(
    override_usage = "batcher [OPTIONS] <DAY>\n       batcher [OPTIONS] <check|validate> <DAY>"
)]
#[command(mut_arg("database_url", |arg| arg.global(true)))]
#[command(mut_arg("metrics_addr", |arg| arg.global(true)))]
#[command(mut_arg("log_format", |arg| arg.global(true)))]
pub struct Config {
    /// The day to compute: YYYY-MM-DD, or `yesterday` in the business time zone
    #[arg(required = true)]
    day: Option<DayArg>,

    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,

    /// Time zone whose midnights bound a day, by its tz database name, e.g. Asia/Almaty
    ///
    /// Must equal the one stored in the database, once a streamer has stored it. [default: the
    /// stored one, else UTC]
    #[arg(long, env = "BUSINESS_TIMEZONE", value_parser = parse_zone, global = true)]
    pub(crate) business_timezone: Option<Tz>,

    /// How long to wait for another run on the same date
    #[arg(long, default_value = "60s", value_parser = parse_duration, global = true)]
    pub(crate) lock_wait: Duration,

    /// Where metrics are served while it runs.
    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// How the program logs.
    #[command(flatten)]
    pub log: LogArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Say whether a day can still change: exit 0 if not, 75 if so
    Check {
        /// YYYY-MM-DD, or `yesterday` in the business time zone
        day: DayArg,
    },
    /// Check the rows of a computed day against each other and against the windows
    Validate {
        /// YYYY-MM-DD, or `yesterday` in the business time zone
        day: DayArg,
    },
}

/// What to do with a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replace its rows in `daily_stats`.
    Compute,
    /// Say whether it can still change.
    Check,
    /// Check its rows.
    Validate,
}

/// A day as the user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayArg {
    /// The last day that has ended in the business time zone.
    Yesterday,
    /// A date in the business time zone.
    Date(NaiveDate),
}

impl Config {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// Wrong usage, or a request for help: clap's error prints it and knows the exit code.
    pub fn from_arguments<T: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let config = Config::try_parse_from(arguments)?;
        // clap can refuse this only together with options before the subcommand.
        if config.day.is_some() && config.command.is_some() {
            let message = "a day before the subcommand; write it once, after the subcommand";
            return Err(Config::command().error(ErrorKind::ArgumentConflict, message));
        }
        Ok(config)
    }

    /// What to do, with which day.
    pub(crate) fn action(&self) -> (Action, DayArg) {
        match (&self.command, self.day) {
            (Some(Command::Check { day }), _) => (Action::Check, *day),
            (Some(Command::Validate { day }), _) => (Action::Validate, *day),
            (None, Some(day)) => (Action::Compute, day),
            (None, None) => unreachable!("clap asks for a day where there is no subcommand"),
        }
    }
}

impl FromStr for DayArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "yesterday" {
            return Ok(DayArg::Yesterday);
        }
        // chrono alone would also take 2025-1-9 and years of any length.
        let has_shape = text.len() == 10
            && text.bytes().enumerate().all(|(index, byte)| match index {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        has_shape
            .then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
            .flatten()
            .filter(|date| date.year() >= 1)
            .map(DayArg::Date)
            .ok_or_else(|| {
                "not a date of the calendar; write YYYY-MM-DD, like 2025-11-09, or `yesterday`"
                    .to_owned()
            })
    }
}

fn parse_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| "not a name of the tz database, like UTC or Asia/Almaty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<(Action, DayArg), ErrorKind> {
        Config::from_arguments(["batcher"].iter().chain(arguments))
            .map(|config| config.action())
            .map_err(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn a_day_alone_is_computed_and_a_subcommand_names_another_action() {
        use ErrorKind::*;
        let date = DayArg::Date("2025-11-09".parse().unwrap());
        for (arguments, expected) in [
            (&["2025-11-09"][..], Ok((Action::Compute, date))),
            (&["yesterday"], Ok((Action::Compute, DayArg::Yesterday))),
            (&["check", "2025-11-09"], Ok((Action::Check, date))),
            (&["validate", "yesterday"], Ok((Action::Validate, DayArg::Yesterday))),
            (&["check", "yesterday", "--database-url", "x"], {
                Ok((Action::Check, DayArg::Yesterday))
            }),
            (&["--database-url", "x", "check", "yesterday", "--log-format", "json"], {
                Ok((Action::Check, DayArg::Yesterday))
            }),
            (&[], Err(MissingRequiredArgument)),
            (&["check"], Err(MissingRequiredArgument)),
            (&["2025-11-09", "check", "2025-11-09"], Err(ArgumentConflict)),
            (&["2025-11-09", "2025-11-10"], Err(UnknownArgument)),
            (&["2025-11-09", "--lock-wait", "5"], Err(ValueValidation)),
            (&["2025-11-09", "--business-timezone", "Mars"], Err(ValueValidation)),
        ] {
            assert_eq!(parse(arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn a_date_is_ten_characters_and_in_the_calendar() {
        for (text, good) in [
            ("2025-11-09", true),
            ("2024-02-29", true),
            ("0001-01-01", true),
            ("2025-02-29", false),
            ("2025-11-31", false),
            ("0000-01-01", false),
            ("2025-1-09", false),
            ("25-11-09", false),
            ("12025-11-09", false),
            ("+025-11-09", false),
            ("2025/11/09", false),
            ("2025-11-09 ", false),
            ("09.11.2025", false),
            ("Yesterday", false),
            ("today", false),
            ("２０２５", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<DayArg>().is_ok(), good, "{text:?}");
        }
    }
}
