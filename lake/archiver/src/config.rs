//! Command line of the archiver. Each field is also an environment variable.

use std::time::Duration;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand};
use program::{DatabaseArgs, KafkaArgs, LogArgs, parse_duration};

use crate::dates::parse_day;

/// Keeps every event in a Delta table, exactly once, as a follower of the warehouse
///
/// Exit codes: 0 done; 1 failed, with the cause on standard error; 2 wrong usage; 3 a partition waits for an
/// operator; 5 the lake and the warehouse differ (reconcile).
#[derive(Parser, Clone, Debug)]
#[command(version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub log: LogArgs,
}

/// What the archiver can do.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Command {
    /// Follow the warehouse until stopped, or with --drain to where it stands now
    Run(Box<RunArgs>),
    /// Say how far the lake has come, partition by partition; exit 3 when one waits for an operator
    Status(StatusArgs),
    /// Permit a halted partition to go on without what is lost to the lake
    AcceptGap(AcceptGapArgs),
    /// Compare the lake with the warehouse, minute by minute; exit 5 and list the differences if there are any
    Reconcile(ReconcileArgs),
    /// A day's figures from the lake, as `batcher --include-late` computes them; exit 4 when there is nothing
    Day(DayArgs),
    /// Compute one row per subscriber for a day, into the lake's table `subscribers`; or print such rows
    Subscribers(SubscribersArgs),
    /// Make few large files of a day's many small ones
    Compact(CompactArgs),
    /// Delete files that nobody needs any more, and days that are older than RETAIN_EVENTS
    Vacuum(VacuumArgs),
    /// Remove a subscriber from the lake, in all versions that it keeps
    Erase(EraseArgs),
}

/// Where the lake is.
#[derive(Args, Clone, Debug)]
pub(crate) struct LakeArgs {
    /// The lake, as file:///FOLDER or s3://BUCKET/PREFIX; keys of S3 come from the variables AWS_…
    #[arg(long, env = "LAKE_URL")]
    pub(crate) lake_url: String,
}

/// What a command needs that compares the lake with the warehouse.
#[derive(Args, Clone, Debug)]
pub(crate) struct BothArgs {
    #[command(flatten)]
    pub(crate) lake: LakeArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
    /// How long to wait for Kafka and PostgreSQL at start
    #[arg(long, env = "WAIT", default_value = "30s", value_parser = parse_duration)]
    pub(crate) wait: Duration,
}

/// Arguments of `run`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) both: BothArgs,
    /// How often the lake is brought to where the warehouse stands
    #[arg(long, env = "LAKE_COMMIT_INTERVAL", default_value = "5m", value_parser = parse_interval)]
    pub(crate) commit_interval: Duration,
    /// Files are ended at about this size
    #[arg(long, env = "LAKE_FILE_SIZE", default_value = "128MiB", value_parser = parse_size)]
    pub(crate) file_size: usize,
    /// Bring the lake to where the warehouse stands now, then exit (3 when a partition waits for an operator)
    ///
    /// What fails is tried again for as long as --wait says.
    #[arg(long)]
    pub(crate) drain: bool,
    /// Do not stand by while another archiver follows for this lake; only the tests need it
    #[arg(long, hide = true)]
    pub(crate) beside_others: bool,
}

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) both: BothArgs,
    /// As one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `accept-gap`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AcceptGapArgs {
    #[command(flatten)]
    pub(crate) both: BothArgs,
    /// The halted partition
    #[arg(long)]
    pub(crate) partition: i32,
    /// Where to go on, where the archiver can't tell: the first offset of this log that the lake has not archived
    #[arg(long, value_name = "OFFSET")]
    pub(crate) from: Option<i64>,
    /// Why, for the lake's table of gaps
    #[arg(long)]
    pub(crate) reason: String,
    /// Who, for the lake's table of gaps
    #[arg(long, env = "USER", default_value = "unknown")]
    pub(crate) by: String,
}

/// Arguments of `reconcile`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReconcileArgs {
    #[command(flatten)]
    pub(crate) both: BothArgs,
    /// One day of UTC, as YYYY-MM-DD; without one, all
    #[arg(value_parser = parse_day)]
    pub(crate) day: Option<NaiveDate>,
    /// How long to wait for the lake to come to where the warehouse stands now
    #[arg(long, default_value = "10m", value_parser = parse_duration)]
    pub(crate) patience: Duration,
}

/// Arguments of `day`.
#[derive(Args, Clone, Debug)]
pub(crate) struct DayArgs {
    #[command(flatten)]
    pub(crate) both: BothArgs,
    /// The day in the business time zone, as YYYY-MM-DD
    #[arg(value_parser = parse_day)]
    pub(crate) day: NaiveDate,
    /// The exact sums by event type and region, as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `subscribers`.
#[derive(Args, Clone, Debug)]
pub(crate) struct SubscribersArgs {
    #[command(flatten)]
    pub(crate) both: BothArgs,
    /// The day in the business time zone, as YYYY-MM-DD
    #[arg(value_parser = parse_day, required_unless_present = "export", conflicts_with = "export")]
    pub(crate) day: Option<NaiveDate>,
    /// Print the rows of the days from --from to the one before --to as CSV; nothing is computed
    #[arg(long, requires_all = ["from", "to"])]
    pub(crate) export: bool,
    /// The first day to print
    #[arg(long, value_name = "DAY", value_parser = parse_day, requires = "export")]
    pub(crate) from: Option<NaiveDate>,
    /// The day after the last one to print
    #[arg(long, value_name = "DAY", value_parser = parse_day, requires = "export")]
    pub(crate) to: Option<NaiveDate>,
}

/// Arguments of `compact`.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompactArgs {
    #[command(flatten)]
    pub(crate) lake: LakeArgs,
    /// One day of UTC, as YYYY-MM-DD; without one, all that have several small files
    #[arg(value_parser = parse_day)]
    pub(crate) day: Option<NaiveDate>,
    /// Files are ended at about this size
    #[arg(long, env = "LAKE_FILE_SIZE", default_value = "128MiB", value_parser = parse_size)]
    pub(crate) file_size: usize,
}

/// Arguments of `vacuum`.
#[derive(Args, Clone, Debug)]
pub(crate) struct VacuumArgs {
    #[command(flatten)]
    pub(crate) lake: LakeArgs,
    /// Remove events of days of UTC that are older than so many days; without it, none
    #[arg(long, env = "RETAIN_EVENTS", value_name = "DAYS")]
    pub(crate) retain_events: Option<std::num::NonZeroU64>,
    /// For how long readers of former versions have the files that these need
    #[arg(long, default_value = "7days", value_parser = parse_duration)]
    pub(crate) retention: Duration,
}

/// Arguments of `erase`.
#[derive(Args, Clone, Debug)]
pub(crate) struct EraseArgs {
    #[command(flatten)]
    pub(crate) lake: LakeArgs,
    /// The subscriber_id, as events have it
    #[arg(long, value_name = "ID")]
    pub(crate) subscriber: String,
    /// Why, for the lake's table of erasures; do not name the subscriber
    #[arg(long)]
    pub(crate) reason: String,
}

const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if (INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
        Ok(interval)
    } else {
        Err("from 100ms to 24h".to_owned())
    }
}

const SIZE_MIN: usize = 64 << 10;
const SIZE_MAX: usize = 4 << 30;

/// Reads a size such as `64KiB` or `128MiB`.
fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let shift = match text.get(digits.len()..).unwrap_or_default().trim() {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err("write a whole number and KiB, MiB or GiB, like 128MiB".to_owned()),
    };
    let number: usize = digits.parse().map_err(|_| "not a whole number".to_owned())?;
    number
        .checked_mul(1 << shift)
        .filter(|size| (SIZE_MIN..=SIZE_MAX).contains(size))
        .ok_or_else(|| "from 64KiB to 4GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_days_rows_are_computed_or_some_days_rows_printed() {
        for (arguments, is_right) in [
            (&["2025-11-09"][..], true),
            (&[], false),
            (&["--export"], false),
            (&["--export", "--from", "2025-11-09"], false),
            (&["--export", "--from", "2025-11-09", "--to", "2025-11-10"], true),
            (&["2025-11-09", "--export", "--from", "2025-11-09", "--to", "2025-11-10"], false),
            (&["2025-11-09", "--from", "2025-11-09"], false),
        ] {
            let lake = ["archiver", "subscribers", "--lake-url", "file:///lake"];
            let read = Cli::try_parse_from(lake.iter().chain(arguments));
            assert_eq!(read.is_ok(), is_right, "{arguments:?}");
        }
    }

    #[test]
    fn sizes_and_intervals_have_units_and_bounds() {
        for (text, expected) in [
            ("64KiB", Some(65_536)),
            ("128MiB", Some(134_217_728)),
            ("4 GiB", Some(4 << 30)),
            ("5GiB", None),
            ("1KiB", None),
            ("128", None),
            ("128MB", None),
            ("MiB", None),
            ("99999999999999999999GiB", None),
        ] {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
        assert!(parse_interval("5m").is_ok());
        assert!(parse_interval("1ms").is_err());
        assert!(parse_interval("25h").is_err());
    }
}
