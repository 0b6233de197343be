//! `streamer dead-letters`: look at the records that can't be used, and send them again.
//!
//! In: the letters stored by the flush. Out: text or JSON on standard output and, from `replay`,
//! records in Kafka. Nothing here changes or deletes letters.
//!
//! Reading order: `look` (list, show, stats) → `plan` (what a replay would send) → `replay` (the
//! steps around a crash) → `sender` (what we ask of Kafka).

pub mod letters;
mod look;
mod plan;
mod replay;
mod sender;
pub mod sendings;

use std::future::Future;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use event_model::DeadReason;
use program::KafkaArgs;
use store::{PgConnection, SynchronousCommit};

use self::letters::{DeadLetterFilter, DeadLetterId};
use crate::Exit;
use crate::args::DatabaseCommandArgs;
use crate::moment::{Moment, parse_moment};

/// What to do with dead letters.
#[derive(Subcommand, Clone, Debug)]
pub enum DeadLettersCommand {
    /// List them, the newest first
    List(ListArgs),
    /// Show one whole: reason, key, headers, payload, and what became of it
    Show(ShowArgs),
    /// Count them by reason, partition and UTC day of storing
    Stats(StatsArgs),
    /// Send them again, as they are or corrected; without --execute only say what would be sent
    Replay(Box<ReplayArgs>),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct FilterArgs {
    /// Only those of this reason, e.g. timestamp_unit
    #[arg(long, value_parser = parse_reason)]
    reason: Option<DeadReason>,
    /// Only those stored at this time or later: a UTC date, a time, or how long ago (90m)
    #[arg(long, value_parser = parse_moment)]
    since: Option<Moment>,
    /// Only those stored before this time
    #[arg(long, value_parser = parse_moment)]
    until: Option<Moment>,
    /// Only those of this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only those of this partition
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
}

/// Arguments of `list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Write whole letters, one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

/// Arguments of `show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The letter, as TOPIC/GENERATION/PARTITION/OFFSET
    letter: DeadLetterId,
    /// Write one JSON object
    #[arg(long, conflicts_with = "payload")]
    json: bool,
    /// Write the payload's bytes alone, as they are, to correct them in a file
    #[arg(long)]
    payload: bool,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

/// Arguments of `stats`.
#[derive(Args, Clone, Debug)]
pub struct StatsArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// How many lines at most
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Write one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

/// Arguments of `replay`.
#[derive(Args, Clone, Debug)]
#[command(mut_arg("kafka_topic", |arg| arg.hide(true)))]
#[command(mut_arg("topic_partitions", |arg| arg.hide(true)))]
#[command(mut_arg("topic_replication", |arg| arg.hide(true)))]
pub struct ReplayArgs {
    /// These letters, each as TOPIC/GENERATION/PARTITION/OFFSET; without any, those of the filters
    #[arg(conflicts_with_all = ["reason", "since", "until", "topic", "partition"])]
    letters: Vec<DeadLetterId>,
    #[command(flatten)]
    filter: FilterArgs,
    /// How many letters at most
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Topic to send to [default: the one that each letter came from]
    #[arg(long)]
    to: Option<String>,
    /// File with the corrected payload, sent in place of the letter's; for exactly one letter
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// Also those that were replayed before
    #[arg(long)]
    again: bool,
    /// Leave letters out that were sent this often, counted through those that died again
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..))]
    max_attempts: i32,
    /// Who sends them, for the record
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
    /// Do it
    #[arg(long)]
    execute: bool,
    /// What to do with letters of an interrupted replay when the target no longer tells whether
    /// they arrived (retention or a recreated topic took the records to be searched)
    #[arg(long, value_enum)]
    in_doubt: Option<InDoubt>,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

/// What to do with a letter of which nobody can tell whether it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InDoubt {
    /// Send it again; it may then be there twice.
    Resend,
    /// Take it as arrived; it may then be missing.
    Arrived,
}

impl DeadLettersCommand {
    /// Where PostgreSQL is, and how to log.
    pub fn database_args(&self) -> &DatabaseCommandArgs {
        match self {
            DeadLettersCommand::List(args) => &args.database,
            DeadLettersCommand::Show(args) => &args.database,
            DeadLettersCommand::Stats(args) => &args.database,
            DeadLettersCommand::Replay(args) => &args.database,
        }
    }
}

/// Carries the command out.
///
/// # Errors
/// What made going on impossible, with what was tried and the way out.
pub async fn run(
    command: DeadLettersCommand,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<Exit> {
    let mut connection = command.database_args().open().await?;
    match command {
        DeadLettersCommand::List(args) => look::list(&mut connection, &args).await,
        DeadLettersCommand::Show(args) => look::show(&mut connection, &args).await,
        DeadLettersCommand::Stats(args) => look::stats(&mut connection, &args).await,
        DeadLettersCommand::Replay(args) => {
            // A failover must not forget a letter that was sent: it would be sent again. Without a
            // synchronous standby this waits for the server's own disk, as usual.
            SynchronousCommit::RemoteApply.set(&mut connection).await?;
            replay::replay(&mut connection, &args, shutdown).await
        }
    }
}

impl FilterArgs {
    /// The filter, its moments as times of the database's clock.
    async fn resolve(&self, connection: &mut PgConnection) -> anyhow::Result<DeadLetterFilter> {
        let now = store::database_now(connection).await?;
        let resolve = |moment: Option<Moment>| moment.map(|moment| moment.resolve(now));
        Ok(DeadLetterFilter {
            reason: self.reason.map(|reason| reason.code().to_owned()),
            topic: self.topic.clone(),
            partition: self.partition,
            since: resolve(self.since),
            until: resolve(self.until),
        })
    }
}

fn parse_reason(text: &str) -> Result<DeadReason, String> {
    let known = DeadReason::ALL.into_iter().find(|reason| reason.code() == text);
    known.ok_or_else(|| {
        let codes: Vec<&str> = DeadReason::ALL.iter().map(|reason| reason.code()).collect();
        format!("no such reason; there are {}", codes.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        _command: DeadLettersCommand,
    }

    #[test]
    fn wrong_usage_is_refused_before_anything_is_done() {
        use ErrorKind::*;
        for (arguments, expected) in [
            (&["list"][..], None),
            (&["list", "--reason", "timestamp_unit", "--since", "2days", "--partition", "0"], None),
            (&["list", "--reason", "nonsense"], Some(ValueValidation)),
            (&["list", "--since", "yesterday"], Some(ValueValidation)),
            (&["list", "--partition=-1"], Some(ValueValidation)),
            (&["list", "--limit", "0"], Some(ValueValidation)),
            (&["show"], Some(MissingRequiredArgument)),
            (&["show", "telecom_events/0/1"], Some(ValueValidation)),
            (&["show", "t/0/1/2", "--json", "--payload"], Some(ArgumentConflict)),
            (&["show", "t/0/1/2", "--payload"], None),
            (&["stats", "--until", "2025-11-09T00:00:00Z"], None),
            (&["replay"], None),
            (&["replay", "t/0/1/2", "t/0/1/3", "--to", "repaired", "--execute"], None),
            (&["replay", "t/0/1/2", "--partition", "1"], Some(ArgumentConflict)),
            (&["replay", "--max-attempts", "0"], Some(ValueValidation)),
            (&["replay", "--in-doubt", "perhaps"], Some(InvalidValue)),
            (&["purge"], Some(InvalidSubcommand)),
        ] {
            let parsed = Line::try_parse_from(["dead-letters"].iter().chain(arguments));
            assert_eq!(parsed.err().map(|error| error.kind()), expected, "{arguments:?}");
        }
    }

    #[test]
    fn an_unknown_reason_is_answered_with_the_known_ones() {
        let error = parse_reason("timestamp").unwrap_err();
        assert!(error.contains("timestamp_unit") && error.contains("not_json"), "{error}");
    }
}
