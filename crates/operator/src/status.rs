//! `streamer status`: is the pipeline healthy, and if not, what is in the way?
//!
//! ```text
//!   PostgreSQL ─┐
//!               ├─ gather ─► Observation ─ judge ─► Report ─► text | json
//!   Kafka ──────┘                        (pure)
//! ```
//!
//! In: what both servers say, each asked for a bounded time (I-6). Out: a verdict with its reason,
//! and where every partition stands. Needs no streamer, and changes nothing.

pub mod rows;

mod gather;
mod json;
mod judge;
mod report;
mod sentences;
mod text;

use std::future::Future;
use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use program::{DatabaseArgs, KafkaArgs, LogArgs, Reader, parse_duration, print};

pub(crate) use self::gather::Observer;
pub(crate) use self::json::{Document, document, instant};
pub(crate) use self::judge::pipeline_report;
pub(crate) use self::report::{Report, Verdict};
use crate::Exit;
use crate::args::parse_flush_interval;

/// Pause between two looks with `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Clears a terminal and moves to its top left corner.
const CLEAR_SCREEN: &str = "\x1b[2J\x1b[H";
/// A partition that missed this many flushes is not being read …
const STALLED_AFTER_FLUSHES: u32 = 3;
/// … but rebalances take their time, and an empty partition is written every few seconds at most.
const STALLED_AFTER_MIN: Duration = Duration::from_secs(30);

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
#[command(mut_arg("topic_partitions", |arg| arg.hide(true)))]
#[command(mut_arg("topic_replication", |arg| arg.hide(true)))]
pub struct StatusArgs {
    /// The brokers, the topic, and the client's settings.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Where PostgreSQL is.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// One line of JSON instead of tables; docs/status.md describes it
    #[arg(long)]
    pub json: bool,
    /// Look again every 2 s until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// A partition that nobody has written for longer stands still [default: three flush
    /// intervals, at least 30s]
    #[arg(long, value_parser = parse_duration)]
    stalled_after: Option<Duration>,
    /// How often the streamer writes its results
    #[arg(long, env = "FLUSH_INTERVAL", default_value = "30s", value_parser = parse_flush_interval)]
    flush_interval: Duration,
    /// How long PostgreSQL and Kafka each get to answer
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub wait: Duration,
    /// The form of the log lines.
    #[command(flatten)]
    pub log: LogArgs,
}

impl StatusArgs {
    /// How long a partition may go unwritten.
    pub(crate) fn stalled_after(&self) -> Duration {
        self.stalled_after.unwrap_or_else(|| usual_stalled_after(self.flush_interval))
    }
}

/// How long a partition may go unwritten unless somebody says otherwise.
pub(crate) fn usual_stalled_after(flush_interval: Duration) -> Duration {
    (flush_interval * STALLED_AFTER_FLUSHES).max(STALLED_AFTER_MIN)
}

/// Looks once, or with `--watch` until `shutdown` completes or nobody reads any more. The exit is that of the last look.
pub async fn status(args: &StatusArgs, shutdown: impl Future<Output = ()>) -> anyhow::Result<Exit> {
    let observer = Observer::new(&args.kafka, &args.database, args.wait);
    let (mut exit, mut reader) = look(args, &observer, "").await?;
    if !args.watch {
        return Ok(exit);
    }
    let between = match (args.json, std::io::stdout().is_terminal()) {
        (true, _) => "",
        (false, true) => CLEAR_SCREEN,
        (false, false) => "\n",
    };
    tokio::pin!(shutdown);
    while reader == Reader::Present {
        let next_look = async {
            tokio::time::sleep(WATCH_EVERY).await;
            look(args, &observer, between).await
        };
        (exit, reader) = tokio::select! {
            looked = next_look => looked?,
            () = &mut shutdown => return Ok(exit),
        };
    }
    Ok(exit)
}

async fn look(
    args: &StatusArgs,
    observer: &Observer,
    before: &str,
) -> anyhow::Result<(Exit, Reader)> {
    let report = pipeline_report(observer.observe().await, args.stalled_after());
    let text = if args.json { json::line(&report) } else { text::page(&report) };
    let reader = print(format!("{before}{text}"))?;
    Ok((report.verdict.exit(), reader))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        status: StatusArgs,
    }

    #[test]
    fn a_partition_stands_still_after_three_flush_intervals_unless_told_otherwise() {
        for (flags, expected_seconds) in [
            (&[][..], 90),
            (&["--flush-interval", "5m"], 900),
            (&["--flush-interval", "10ms"], 30),
            (&["--flush-interval", "5m", "--stalled-after", "1s"], 1),
        ] {
            let line = Line::try_parse_from(["status"].iter().chain(flags)).unwrap();
            let expected = Duration::from_secs(expected_seconds);
            assert_eq!(line.status.stalled_after(), expected, "{flags:?}");
        }
    }
}
