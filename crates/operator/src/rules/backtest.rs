//! `streamer rules backtest`: what a file of rules would have found in what was counted already. Reads the topic without a group;
//! stores nothing.
//!
//! ```text
//!   PostgreSQL: positions, marks, dead letters ─┐
//!                                               ├─► logs (one Replay a partition) ─► found ─► report | JSON
//!   Kafka: records, from a mark to the position ┘
//! ```
//!
//! Each record is late, dead or on time as it was when it was counted, so that what is found is what a streamer with these rules
//! would have stored (I-10). A log that does not hold what was counted is not judged: a wrong number is worse than none (I-7).

mod found;
mod logs;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use event_model::EventTime;
use log_reader::{Queries, clock};
use program::{KafkaArgs, print};

use self::found::Found;
use self::logs::{Log, read_logs};
use self::report::Report;
use super::file::RulesFile;
use crate::Exit;
use crate::args::DatabaseCommandArgs;
use crate::moment::{Moment, parse_moment};

/// Arguments of `rules backtest`.
#[derive(Args, Clone, Debug)]
#[command(mut_arg("topic_partitions", |arg| arg.hide(true)))]
#[command(mut_arg("topic_replication", |arg| arg.hide(true)))]
pub struct BacktestArgs {
    /// The file; a table of towers is looked for from its folder on
    file: PathBuf,
    /// Count hits from this event time on: a UTC date, a time, or how long ago (90m)
    #[arg(long, value_parser = parse_moment)]
    from: Moment,
    /// … to before this one [default: as far as was counted]
    #[arg(long, value_parser = parse_moment)]
    to: Option<Moment>,
    /// Write the alerts, one JSON object a line, instead of the report
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    pub(super) database: DatabaseCommandArgs,
}

/// Hits whose moment lies in here count.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: EventTime,
    to: Option<EventTime>,
}

impl Span {
    fn contains(self, moment: EventTime) -> bool {
        self.from <= moment && self.to.is_none_or(|to| moment < to)
    }
}

/// Carries it out.
pub(super) async fn backtest(args: &BacktestArgs) -> anyhow::Result<Exit> {
    let file = RulesFile::read(&args.file)?;
    let set = Arc::new(file.set);
    let now = clock().to_datetime().context("the clock is out of range")?;
    let moment = |moment: Moment| EventTime::from(moment.resolve(now));
    let span = Span { from: moment(args.from), to: args.to.map(moment) };
    ensure!(span.to.is_none_or(|to| span.from < to), "--from must lie before --to");

    let topic = args.kafka.kafka_topic.as_str();
    let kafka = args.kafka.client_config()?;
    let mut connection = args.database.open().await?;
    let queries = Queries::new(&kafka)?;
    let doing = || format!("topic {topic} can't be read; asking for its partitions");
    let partitions = queries.partitions(topic).with_context(doing)?;
    let rows = store::load_progress(&mut connection, topic, &partitions).await?;
    ensure!(
        !rows.is_empty(),
        "the database knows no partition of {topic}: a backtest judges what a streamer has counted"
    );
    let ids: Vec<i32> = rows.iter().map(|row| row.partition).collect();
    let doing = || format!("topic {topic} can't be read; asking for the log's ends");
    let ends = queries.all_log_ends(topic, &ids).with_context(doing)?;
    let mut logs = Vec::new();
    for (row, (_, ends)) in rows.into_iter().zip(&ends) {
        let place = (topic, row.partition);
        let history =
            store::replay_history(&mut connection, place, &row.progress, &set, span.from).await?;
        logs.push(Log::new(row, history, ends, span));
    }
    drop(connection);

    let (mut found, began) = (Found::new(Arc::clone(&set)), Instant::now());
    read_logs(&kafka, topic, &mut logs, &mut found)?;
    for log in logs.iter().filter(|log| log.is_another()) {
        found.forget(log.partition);
    }
    let report =
        Report { topic, span, set: &set, found: &found, logs: &logs, took: began.elapsed() };
    print(if args.json { report.json() } else { report.text() })?;
    Ok(if logs.iter().any(Log::is_another) { Exit::Failed } else { Exit::Done })
}
