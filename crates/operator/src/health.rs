//! `streamer health`: does this host's streamer store what it reads? For container health checks.
//!
//! In: the last write of each partition. Out: one line, and exit 0 or 1. A streamer writes its
//! partitions at least every few flush intervals, also when no events come: it stores that it asked
//! the broker and found nothing. So a row that has grown old says that the database, Kafka or the
//! streamer itself is in the way.

pub mod rows;

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use program::{DatabaseArgs, LogArgs, print};
use store::{Session, connect};

use self::rows::{LastWrite, last_writes};
use crate::Exit;
use crate::args::parse_flush_interval;

/// Arguments of `health`: those of the streamer that it asks about.
#[derive(Args, Clone, Debug)]
pub struct HealthArgs {
    /// Where PostgreSQL is.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The topic of events
    #[arg(long, env = "KAFKA_TOPIC", default_value = "telecom_events")]
    pub kafka_topic: String,
    /// How often results are written
    #[arg(long, env = "FLUSH_INTERVAL", default_value = "30s", value_parser = parse_flush_interval)]
    pub flush_interval: Duration,
    /// The form of the log lines.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Healthy rows are younger than this many flush intervals …
const FLUSH_INTERVALS: u32 = 3;
/// … and this: rebalances and retried flushes take their time, whatever the interval.
const MARGIN: Duration = Duration::from_secs(15);
/// Shorter than the container runtime's patience, so that the reason is seen.
const ANSWER_DEADLINE: Duration = Duration::from_secs(8);

/// Looks at the database and prints what it found.
pub async fn health(args: &HealthArgs) -> anyhow::Result<Exit> {
    let looking = async {
        let mut connection = connect(args.database.database_url.expose(), Session::Control).await?;
        last_writes(&mut connection, &args.kafka_topic).await
    };
    let writes = tokio::time::timeout(ANSWER_DEADLINE, looking)
        .await
        .with_context(|| format!("the database has not answered within {ANSWER_DEADLINE:?}"))??;
    match host_verdict(
        &writes,
        &program::host_name(),
        args.flush_interval * FLUSH_INTERVALS + MARGIN,
    ) {
        Ok(line) => {
            print(format!("healthy: {line}\n"))?;
            Ok(Exit::Done)
        }
        Err(line) => {
            print(format!("unhealthy: {line}\n"))?;
            Ok(Exit::Failed)
        }
    }
}

/// A host that owns partitions answers for these. One that owns none may be a spare member of the
/// group: it is as healthy as those that do the work.
fn host_verdict(writes: &[LastWrite], host: &str, limit: Duration) -> Result<String, String> {
    let is_own = |write: &&LastWrite| {
        write.owner.as_deref().and_then(|owner| owner.split(':').next()) == Some(host)
    };
    let own: Vec<&LastWrite> = writes.iter().filter(is_own).collect();
    let (whose, mut judged) = if own.is_empty() {
        ("of other hosts", writes.iter().collect())
    } else {
        ("of this host", own)
    };
    let assigned = judged.len();
    judged.retain(|write| !write.is_halted);
    let Some(oldest) = judged.iter().max_by_key(|write| write.age) else {
        return Err(match assigned {
            0 => "the topic has no partitions in the database yet".to_owned(),
            halted => format!("{halted} partitions {whose}, all halted: see halted_reason"),
        });
    };
    if oldest.owner.is_none() {
        return Err(format!("partition {} has not been written yet", oldest.partition));
    }
    let age = oldest.age.as_secs();
    if oldest.age > limit {
        return Err(format!(
            "partition {} was last written {age} s ago, more than {} s",
            oldest.partition,
            limit.as_secs()
        ));
    }
    let behind: i64 = judged.iter().map(|write| write.records_behind).sum();
    let halted = assigned - judged.len();
    Ok(format!(
        "{} partitions {whose}, the oldest written {age} s ago, {behind} records behind, \
         {halted} more halted",
        judged.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(owner: &str, age_seconds: u64, is_halted: bool) -> LastWrite {
        LastWrite {
            partition: 0,
            owner: (!owner.is_empty()).then(|| owner.to_owned()),
            age: Duration::from_secs(age_seconds),
            records_behind: 0,
            is_halted,
        }
    }

    #[test]
    fn a_host_answers_for_its_own_partitions_and_a_spare_one_for_all() {
        let limit = Duration::from_secs(60);
        // Each row: the writes as (owner, age in seconds, halted), and whether host `me` is healthy.
        for (writes, expected) in [
            (&[("me:1:0", 60, false)][..], true),
            (&[("me:1:0", 61, false)], false),
            (&[("me:1:0", 1, false), ("me:1:1", 61, false)], false),
            // What others neglect is theirs.
            (&[("me:1:0", 1, false), ("other:1:0", 99, false)], true),
            (&[("other:1:0", 1, false)], true),
            (&[("other:1:0", 99, false)], false),
            (&[("menace:1:0", 1, false), ("me:1:0", 99, false)], false),
            // A halted partition waits for an operator; the others go on.
            (&[("me:1:0", 99, true), ("me:1:0", 1, false)], true),
            (&[("me:1:0", 1, true)], false),
            (&[("", 1, false)], false),
            (&[], false),
        ] {
            let rows: Vec<LastWrite> =
                writes.iter().map(|(owner, age, halted)| write(owner, *age, *halted)).collect();
            assert_eq!(host_verdict(&rows, "me", limit).is_ok(), expected, "{writes:?}");
        }
    }
}
