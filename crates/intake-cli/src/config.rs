//! The command line. Each field of Kafka and of the key is also an environment variable.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use intake::{BATCH_ROWS_MAX, Mapping, SESSIONS_MAX};
use program::{KafkaArgs, LogArgs, MetricsArgs, Secret, parse_duration};
use pseudonym::SubscriberKey;

const EXAMPLES: &str = "\
Examples:
  intake profile asterisk-csv > mapping.toml         # a mapping to begin with; without a name, list them
  intake check mapping.toml Master.csv               # what it makes of the first rows
  intake run mapping.toml /var/log/asterisk/cdr-csv --follow    # send them, each exactly once, until Ctrl-C";

/// Turns an operator's records into events of the contract: docs/your-data.md
#[derive(Clone, Debug, Parser)]
#[command(name = "intake", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// How to log, whatever the command.
    pub fn log(&self) -> &LogArgs {
        match &self.command {
            Command::Check(args) => &args.log,
            Command::Profile(args) => &args.log,
            Command::Pseudonym(args) => &args.log,
            Command::Status(args) => &args.log,
            Command::Run(args) => &args.log,
        }
    }
}

/// What intake can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show what a mapping makes of files: the first rows beside their events, what can't be used, what would be late
    Check(CheckArgs),
    /// Print a mapping file for a source that many have; without a name, list them
    Profile(ProfileArgs),
    /// Send the rows of files or of a raw topic as events, each exactly once
    Run(Box<RunArgs>),
    /// Say how far everything was read
    Status(StatusArgs),
    /// Print the pseudonym beside each number of standard input
    Pseudonym(PseudonymArgs),
}

/// The key of the pseudonyms.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// Key of the subscribers' pseudonyms, at least 32 hex digits
    #[arg(long, value_name = "HEX", env = "SUBSCRIBER_KEY", hide_env_values = true)]
    pub subscriber_key: Option<Secret>,
    /// Number of the key's epoch; pseudonyms of two epochs can't be linked (docs/privacy.md)
    #[arg(long, value_name = "N", env = "SUBSCRIBER_KEY_EPOCH", default_value = "0", value_parser = parse_epoch)]
    pub subscriber_key_epoch: u32,
    /// Take the key that everybody knows: for made-up numbers only
    #[arg(long)]
    pub demo_key: bool,
}

/// Arguments of `intake check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The mapping file
    pub map: PathBuf,
    /// Files, in the order in which they would come; packed ones too
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// So many rows are shown beside their events
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rows: usize,
    #[command(flatten)]
    pub log: LogArgs,
    /// The key of the pseudonyms; without one a well-known key is used, for nothing is sent.
    #[command(flatten)]
    pub key: KeyArgs,
}

/// Arguments of `intake profile`.
#[derive(Args, Clone, Debug)]
pub struct ProfileArgs {
    /// Which one
    pub name: Option<String>,
    #[command(flatten)]
    pub log: LogArgs,
}

/// Arguments of `intake pseudonym`.
#[derive(Args, Clone, Debug)]
pub struct PseudonymArgs {
    /// Read numbers as this mapping file says, in any notation; without it they are full numbers in digits
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    /// The key of the pseudonyms.
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

/// Arguments of `intake status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Only this name's
    #[arg(long)]
    pub name: Option<String>,
    /// One line of JSON instead; docs/your-data.md describes it
    #[arg(long)]
    pub json: bool,
    /// The topic that remembers how far everything was read
    #[arg(long, env = "INTAKE_JOURNAL", default_value = "intake_journal")]
    pub journal: String,
    /// How long to wait for Kafka, like 200ms, 30s or 2m
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub wait: Duration,
    #[command(flatten)]
    pub log: LogArgs,
}

/// Arguments of `intake run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The mapping file
    pub map: PathBuf,

    /// Files, or folders whose files are read in the order of their age
    #[arg(required_unless_present = "from_topic", conflicts_with = "from_topic")]
    pub paths: Vec<PathBuf>,

    /// Read this topic instead of files: one row, or one JSON object, a record
    #[arg(long, value_name = "TOPIC")]
    pub from_topic: Option<String>,

    /// Go on when all is read: wait for new rows, files and records
    #[arg(long)]
    pub follow: bool,

    /// With --follow: a file is finished, and its last line counts without a line end, when nobody wrote into it for so long
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration, requires = "follow")]
    pub finished_after: Duration,

    /// Read what was read before once more, from its start: its events are sent twice
    #[arg(long, conflicts_with_all = ["follow", "from_topic"])]
    pub again: bool,

    /// With --from-topic: go on at the oldest record where records were deleted before they were read
    #[arg(long, requires = "from_topic", conflicts_with = "paths")]
    pub accept_gap: bool,

    /// Send nothing; say what would become of the rows that are new
    #[arg(long, conflicts_with_all = ["follow", "from_topic"])]
    pub dry_run: bool,

    /// Under which name positions are kept; two that run at a time need two names [default: the mapping's]
    #[arg(long, value_parser = parse_name)]
    pub name: Option<String>,

    /// The topic that remembers how far everything was read
    #[arg(long, env = "INTAKE_JOURNAL", default_value = "intake_journal")]
    pub journal: String,

    /// A transaction has so many rows
    #[arg(long, value_name = "N", default_value_t = BATCH_ROWS_MAX, value_parser = parse_rows)]
    pub batch_rows: usize,

    /// So many sessions are remembered, for [differences] and [pairs]
    #[arg(long, value_name = "N", default_value_t = SESSIONS_MAX)]
    pub sessions_max: usize,

    /// The key of the pseudonyms.
    #[command(flatten)]
    pub key: KeyArgs,

    #[command(flatten)]
    pub kafka: KafkaArgs,

    /// How long to wait for Kafka, like 200ms, 30s or 2m; with --follow at the start alone
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub wait: Duration,

    /// Where metrics are served.
    #[command(flatten)]
    pub metrics: MetricsArgs,

    #[command(flatten)]
    pub log: LogArgs,
}

impl KeyArgs {
    /// The key, or the well-known one where it was asked for or nothing is sent.
    ///
    /// # Errors
    /// There is none, or it can't be used.
    pub(crate) fn key(&self, needs_secret: bool) -> anyhow::Result<SubscriberKey> {
        let given = self.subscriber_key.as_ref().filter(|key| !key.expose().is_empty());
        match given {
            _ if self.demo_key => Ok(SubscriberKey::demo_of_epoch(self.subscriber_key_epoch)),
            Some(key) => SubscriberKey::from_hex(key.expose(), self.subscriber_key_epoch).map_err(
                |problem| {
                    anyhow::anyhow!(
                        "SUBSCRIBER_KEY can't be used: {problem}; give at least 32 hex digits, \
                     for example from `openssl rand -hex 32`"
                    )
                },
            ),
            None if needs_secret => anyhow::bail!(
                "SUBSCRIBER_KEY is not set, and pseudonyms that anybody can compute protect nobody; make one with \
                 `openssl rand -hex 32` and keep it, or say --demo-key if the numbers are made up"
            ),
            None => Ok(SubscriberKey::demo_of_epoch(self.subscriber_key_epoch)),
        }
    }
}

/// Reads a mapping file; tables that it names are looked for beside it.
///
/// # Errors
/// It can't be read or used; the file is named.
pub(crate) fn read_mapping(path: &Path) -> anyhow::Result<Mapping> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the mapping file {} can't be read", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    Mapping::read(&text, &|table| std::fs::read_to_string(folder.join(table)))
        .with_context(|| format!("the mapping file {} can't be used", path.display()))
}

fn parse_epoch(text: &str) -> Result<u32, String> {
    // Compose passes an unset variable on as an empty one.
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| format!("{text} is no whole number from 0 on"))
}

fn parse_rows(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rows @ 1..=100_000) => Ok(rows),
        _ => Err("write a whole number from 1 to 100000".to_owned()),
    }
}

fn parse_name(text: &str) -> Result<String, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_usable = (1..=60).contains(&text.len()) && text.bytes().all(is_name);
    is_usable
        .then(|| text.to_owned())
        .ok_or_else(|| "write 1 to 60 letters, digits, dots, hyphens or underscores".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<RunArgs, clap::Error> {
        let words = ["intake", "run", "map.toml"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words)?.command {
            Command::Run(args) => Ok(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_examples_of_the_help_can_be_typed() {
        assert_eq!(program::check_examples::<Cli>(), Ok(3));
    }

    #[test]
    fn a_run_has_one_source() {
        for (line, is_usable) in [
            ("cdr.csv", true),
            ("a b --follow", true),
            ("--from-topic raw", true),
            ("--from-topic raw --follow", true),
            ("", false),
            ("cdr.csv --from-topic raw", false),
            ("cdr.csv --again --follow", false),
            ("cdr.csv --accept-gap", false),
            ("cdr.csv --batch-rows 0", false),
            ("cdr.csv --name a/b", false),
        ] {
            assert_eq!(run(line).is_ok(), is_usable, "{line}");
        }
    }

    #[test]
    fn what_is_sent_needs_a_key() {
        let key = |line: &str| run(&format!("cdr.csv {line}")).map(|args| args.key);
        let hex = "0b".repeat(16);
        for (line, expected) in [
            (format!("--subscriber-key {hex}"), None),
            ("--demo-key".to_owned(), None),
            ("--subscriber-key 0b".to_owned(), Some("too few to be secret")),
            // An empty variable is an unset one.
            ("--subscriber-key=".to_owned(), Some("SUBSCRIBER_KEY is not set")),
        ] {
            let error = key(&line).unwrap().key(true).err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(error, None, "{line}"),
                Some(part) => {
                    assert!(error.as_ref().is_some_and(|error| error.contains(part)), "{error:?}")
                }
            }
        }
    }
}
