//! The command line. Options may stand before or after the subcommand; each is also an environment
//! variable.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use program::{DatabaseArgs, LogArgs, MetricsArgs, parse_duration};
use store::Retention;

use crate::lifecycle::LifecycleArgs;

const EXAMPLES: &str = "\
Examples:
  batcher yesterday                                  # the day's rows of daily_stats
  batcher --from 2025-01-01 --to 2025-12-31          # a year; the same command goes on where it was stopped
  batcher --stale                                    # the days again that have changed since
  batcher report yesterday                           # the day on one page
  batcher report 2025-11-09 --format csv             # the same as one table, for a spreadsheet";

/// Compute a day's statistics from the minute windows
///
/// Exit codes: 0 done; 1 failed, with the cause on standard error; 2 wrong usage; 4 no data for
/// that date, and daily_stats is as it was; 5 the day's rows are not right (validate); 75 the day
/// can still change (check), or has changed since it was computed (validate).
#[derive(Clone, Debug, Parser)]
#[command(version, subcommand_negates_reqs = true, after_help = EXAMPLES)]
#[command(override_usage = "batcher [OPTIONS] <DAY> [--include-late | --from-lake]\n       \
                    batcher [OPTIONS] --from <DAY> --to <DAY> [--again]\n       \
                    batcher [OPTIONS] --stale [--include-open]\n       \
                    batcher [OPTIONS] <check|validate|report> <DAY>\n       \
                    batcher [OPTIONS] lifecycle [--dry-run]")]
#[command(mut_arg("database_url", |arg| arg.global(true)))]
#[command(mut_arg("metrics_addr", |arg| arg.global(true)))]
#[command(mut_arg("log_format", |arg| arg.global(true)))]
pub struct Config {
    /// The day to compute: YYYY-MM-DD, or `yesterday` in the business time zone
    #[arg(required_unless_present_any = ["from", "stale"])]
    #[arg(conflicts_with_all = ["from", "to", "stale"])]
    day: Option<DayArg>,

    /// Compute all days from this one …
    ///
    /// Each day is a transaction of its own. Days whose rows are up to date are left out, so the
    /// same command goes on where it was stopped.
    #[arg(long, value_name = "DAY", requires = "to", conflicts_with = "stale")]
    from: Option<DayArg>,

    /// … to this one, which is computed too
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<DayArg>,

    /// Compute the days of --from and --to that are up to date as well
    #[arg(long, requires = "from", conflicts_with_all = ["day", "stale"])]
    again: bool,

    /// Compute the days again whose windows or time zone have changed since, and which are complete
    #[arg(long)]
    stale: bool,

    /// … and those that are not complete yet
    #[arg(long, requires = "stale", conflicts_with_all = ["day", "from"])]
    include_open: bool,

    /// Add late events up too. (--stale does it for the days that were computed so)
    #[arg(long, conflicts_with = "stale")]
    pub(crate) include_late: bool,

    /// Take the day from the data lake: for a day whose minutes have expired
    ///
    /// Late events are part of it. The program archiver is asked, and what it has must sum up to what was counted.
    #[arg(long, requires = "day", conflicts_with_all = ["from", "stale"])]
    from_lake: bool,

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

    /// How long to wait for PostgreSQL
    #[arg(long, env = "WAIT", default_value = "30s", value_parser = parse_duration, global = true)]
    pub(crate) wait: Duration,

    /// How long to wait for another run on the same date
    #[arg(long, default_value = "60s", value_parser = parse_duration, global = true)]
    pub(crate) lock_wait: Duration,

    /// The program that reads the lake, for --from-lake [default: archiver, beside batcher or on PATH]
    #[arg(long, env = "ARCHIVER", global = true)]
    pub(crate) archiver: Option<PathBuf>,

    /// How long to wait for that program's answer
    ///
    /// It reads a whole day from the lake. When the time is over it is ended, and daily_stats is as it was.
    #[arg(long, default_value = "30m", value_parser = parse_duration, global = true)]
    pub(crate) archiver_wait: Duration,

    /// Who runs this, for the table batch_runs
    #[arg(long, env = "USER", default_value = "unknown", global = true)]
    pub(crate) by: String,

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
    /// Show a computed day on one page, beside the day before and the same weekday
    Report {
        /// YYYY-MM-DD, or `yesterday` in the business time zone
        day: DayArg,
        /// How to write it
        #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
        format: ReportFormat,
    },
    /// Delete what is older than it is kept: nothing, unless a RETAIN_… is set
    Lifecycle(LifecycleArgs),
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Aligned, for people.
    Table,
    /// One JSON object.
    Json,
    /// One table: a head, and a line per date, type and region.
    Csv,
}

/// What to do with which days, and in which sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Replace a day's rows by what the data lake has. It opens its sessions itself, for none may wait while another
    /// program is asked.
    FromLake(DayArg),
    /// All else needs one session, from beginning to end.
    InSession(SessionTask),
}

/// What is done in one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionTask {
    /// Replace a day's rows in `daily_stats`.
    Compute(DayArg),
    /// The same for all days of a range.
    ComputeRange {
        /// The first.
        from: DayArg,
        /// The last.
        to: DayArg,
        /// Also those that are up to date.
        again: bool,
    },
    /// The same for the days that are stale.
    ComputeStale {
        /// Also those that are not complete.
        include_open: bool,
    },
    /// Say whether a day can still change.
    Check(DayArg),
    /// Check its rows.
    Validate(DayArg),
    /// Show what was computed of it.
    Report(DayArg, ReportFormat),
    /// Delete what is old.
    Lifecycle {
        /// What is old.
        retention: Retention,
        /// Only say what would go.
        is_dry: bool,
    },
}

impl SessionTask {
    /// Whether it computes days.
    pub fn is_computing(self) -> bool {
        matches!(
            self,
            SessionTask::Compute(_)
                | SessionTask::ComputeRange { .. }
                | SessionTask::ComputeStale { .. }
        )
    }
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
        let refuse = |message| Err(Config::command().error(ErrorKind::ArgumentConflict, message));
        // clap can refuse this only together with options before the subcommand.
        if config.command.is_some() && config.names_days() {
            return refuse("a day before the subcommand; write it once, after the subcommand");
        }
        if let (Some(DayArg::Date(from)), Some(DayArg::Date(to))) = (config.from, config.to)
            && from > to
        {
            return refuse("--from is after --to");
        }
        Ok(config)
    }

    /// Whether days to compute are named.
    fn names_days(&self) -> bool {
        self.day.is_some()
            || self.from.is_some()
            || self.stale
            || self.include_late
            || self.from_lake
    }

    /// What to do, with which days.
    pub(crate) fn task(&self) -> Task {
        Task::InSession(match (&self.command, self.day, self.from, self.to) {
            (Some(Command::Check { day }), ..) => SessionTask::Check(*day),
            (Some(Command::Validate { day }), ..) => SessionTask::Validate(*day),
            (Some(Command::Report { day, format }), ..) => SessionTask::Report(*day, *format),
            (Some(Command::Lifecycle(args)), ..) => {
                SessionTask::Lifecycle { retention: args.retention(), is_dry: args.dry_run }
            }
            (None, Some(day), ..) if self.from_lake => return Task::FromLake(day),
            (None, Some(day), ..) => SessionTask::Compute(day),
            (None, None, Some(from), Some(to)) => {
                SessionTask::ComputeRange { from, to, again: self.again }
            }
            // clap asks for one of the three where there is no subcommand.
            (None, None, ..) => SessionTask::ComputeStale { include_open: self.include_open },
        })
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

    #[test]
    fn the_examples_of_the_help_can_be_typed() {
        assert_eq!(program::check_examples::<Config>(), Ok(5));
    }

    fn parse(arguments: &[&str]) -> Result<Task, ErrorKind> {
        Config::from_arguments(["batcher"].iter().chain(arguments))
            .map(|config| config.task())
            .map_err(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn days_alone_are_computed_and_a_subcommand_names_another_task() {
        use DayArg::Yesterday;
        use ErrorKind::*;
        use SessionTask::*;
        let date = DayArg::Date("2025-11-09".parse().unwrap());
        let in_session = |task| Ok(Task::InSession(task));
        let range = |to, again| in_session(ComputeRange { from: date, to, again });
        for (arguments, expected) in [
            (&["2025-11-09"][..], in_session(Compute(date))),
            (&["yesterday"], in_session(Compute(Yesterday))),
            (&["yesterday", "--include-late"], in_session(Compute(Yesterday))),
            (&["2025-11-09", "--from-lake"], Ok(Task::FromLake(date))),
            (&["--from", "2025-11-09", "--to", "2025-11-09"], range(date, false)),
            (&["--from", "2025-11-09", "--to", "yesterday", "--again"], range(Yesterday, true)),
            (&["--stale"], in_session(ComputeStale { include_open: false })),
            (&["--stale", "--include-open"], in_session(ComputeStale { include_open: true })),
            (&["check", "2025-11-09"], in_session(Check(date))),
            (&["validate", "yesterday"], in_session(Validate(Yesterday))),
            (&["report", "2025-11-09"], in_session(Report(date, ReportFormat::Table))),
            (&["report", "yesterday", "--format", "csv"], {
                in_session(Report(Yesterday, ReportFormat::Csv))
            }),
            (&["lifecycle", "--dry-run"], {
                in_session(Lifecycle { retention: Retention::default(), is_dry: true })
            }),
            (&["lifecycle", "2025-11-09"], Err(UnknownArgument)),
            (&["lifecycle", "--retain-minutes", "23h"], Err(ValueValidation)),
            (&["lifecycle", "--retain-alerts", "400"], Err(ValueValidation)),
            (&["2025-11-09", "lifecycle"], Err(ArgumentConflict)),
            (&["check", "yesterday", "--database-url", "x"], in_session(Check(Yesterday))),
            (&["--database-url", "x", "check", "yesterday", "--log-format", "json"], {
                in_session(Check(Yesterday))
            }),
            (&[], Err(MissingRequiredArgument)),
            (&["--include-late"], Err(MissingRequiredArgument)),
            (&["--include-open"], Err(MissingRequiredArgument)),
            (&["--from-lake"], Err(MissingRequiredArgument)),
            (&["--stale", "--from-lake"], Err(ArgumentConflict)),
            (&["--from", "2025-11-09", "--to", "2025-11-09", "--from-lake"], Err(ArgumentConflict)),
            (&["check"], Err(MissingRequiredArgument)),
            (&["--from", "2025-11-09"], Err(MissingRequiredArgument)),
            (&["--to", "2025-11-09"], Err(MissingRequiredArgument)),
            (&["--include-open", "2025-11-09"], Err(ArgumentConflict)),
            (&["2025-11-09", "--again"], Err(ArgumentConflict)),
            (&["2025-11-09", "--stale"], Err(ArgumentConflict)),
            (&["--stale", "--include-late"], Err(ArgumentConflict)),
            (&["--stale", "--from", "2025-11-09", "--to", "2025-11-09"], Err(ArgumentConflict)),
            (&["--from", "2025-11-10", "--to", "2025-11-09"], Err(ArgumentConflict)),
            (&["2025-11-09", "check", "2025-11-09"], Err(ArgumentConflict)),
            (&["--stale", "check", "2025-11-09"], Err(ArgumentConflict)),
            (&["--include-late", "validate", "2025-11-09"], Err(ArgumentConflict)),
            (&["2025-11-09", "2025-11-10"], Err(UnknownArgument)),
            (&["report", "2025-11-09", "--format", "xml"], Err(InvalidValue)),
            (&["2025-11-09", "--lock-wait", "5"], Err(ValueValidation)),
            (&["2025-11-09", "--archiver-wait", "5"], Err(ValueValidation)),
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
