//! The producer: sends the events of the crate `generator` to Kafka or to standard output.
//!
//! ```text
//!   generator: schedule ─► outbox ─► send_loop ─► sink: Kafka, or lines on standard output
//!                         │         ▲
//!                         └► truth  pace: when each record is sent
//! ```
//!
//! Reading order: [`config`] (what can be chosen), [`pace`] and `send_loop` (when a record is sent), `outbox`
//! (what is written down of it), `kafka` (how it is delivered).
//!
//! Which events there are is a pure function of the [`generator::Draft`]; the clock is read by the send_loop
//! alone, and it can change only *when* events are sent, never *which*.

#![allow(missing_docs, reason = "a program: no other crate reads its interface")]

pub mod config;
mod kafka;
mod lines;
mod metrics;
mod outbox;
pub mod pace;
pub mod preview;
mod progress;
pub mod schema;
mod send_loop;
mod sink;
mod stop;
pub mod towers;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::Utc;
use event_model::EventTime;
use program::{ensure_topic, serve_metrics};

use crate::config::Plan;
pub use crate::config::{Cli, Config};
use crate::kafka::KafkaSink;
use crate::lines::Lines;
pub use crate::metrics::METRICS;
use crate::metrics::ProducerMetrics;
use crate::outbox::{Outbox, TruthFile};
use crate::progress::{End, Progress};
use crate::send_loop::{Ended, send_loop};
use crate::sink::{Sink, SinkError};
use crate::stop::Stop;

/// What is said when the file of --truth fails.
const UNRECORDED: &str = "the truth can't be written down; check the file of --truth";

/// What became of a run's events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Events handed to Kafka or to standard output.
    pub sent: u64,
    /// Of these, the ones that arrived.
    pub delivered: u64,
    /// Of these, the ones that did not.
    pub failed: u64,
    /// From the first event's turn to the last delivery report.
    pub elapsed: Duration,
}

impl Summary {
    /// Events that arrived, by the second; 0 where no time has passed.
    fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.delivered as f64 / seconds } else { 0.0 }
    }
}

/// Sends events until all are sent or `shutdown` completes; then waits, with a bound, for those
/// under way.
///
/// # Errors
/// No broker, a topic that can't be made, settings that don't fit, a scenario that silences a
/// partition which the topic does not have; or at least one event that was
/// not delivered.
pub async fn run(config: Config, shutdown: impl Future) -> anyhow::Result<Summary> {
    let mut shutdown = pin!(shutdown);
    let metrics = ProducerMetrics::new();
    let is_ready = Arc::new(AtomicBool::new(false));
    let _serving = serve_metrics(&config.metrics, &metrics.registry, Arc::clone(&is_ready)).await?;
    let (mut sink, partitions) = tokio::select! {
        // First, so that signals are caught before anything is under way.
        biased;
        _ = &mut shutdown => return Ok(Summary::default()),
        sink = open_sink(&config, &metrics) => sink?,
    };
    is_ready.store(true, Ordering::Relaxed);
    let plan =
        config.plan(EventTime::from(Utc::now()), rand::random()).map_err(anyhow::Error::msg)?;
    let scenario = &plan.draft.scenario;
    scenario.check_partitions(&config.kafka.kafka_topic, partitions).map_err(anyhow::Error::msg)?;
    announce(&config, &plan);
    let truth = config.truth.clone().map(|path| TruthFile { path, zone: config.truth_timezone });
    let end = End { count: config.count, range: config.to.map(|to| (plan.draft.from, to)) };
    let progress = Progress::begin(config.stdout, end);
    let (stopper, stop) = Stop::pair();
    // Drawing and sending never await, so they have a thread of their own.
    let mut work = tokio::task::spawn_blocking(move || {
        send_all(&plan, partitions, truth.as_ref(), progress, sink.as_mut(), &stop)
    });
    let finished = tokio::select! {
        finished = &mut work => finished,
        _ = &mut shutdown => {
            drop(stopper);
            work.await
        }
    };
    finished.context("the sending thread panicked")?
}

/// Where records go, and the number of partitions there.
async fn open_sink(
    config: &Config,
    metrics: &ProducerMetrics,
) -> anyhow::Result<(Box<dyn Sink>, u32)> {
    if config.stdout {
        let partitions = config.kafka.topic_partitions.unsigned_abs();
        return Ok((Box::new(Lines::to(std::io::stdout())), partitions));
    }
    let partitions = ensure_topic(&config.kafka, config.wait).await?.partitions.len();
    Ok((Box::new(KafkaSink::new(&config.kafka, metrics.clone())?), partitions as u32))
}

fn announce(config: &Config, plan: &Plan) {
    let draft = &plan.draft;
    if config.uses_demo_key() {
        tracing::warn!(
            "SUBSCRIBER_KEY is not set: pseudonyms are made with a key that everybody knows, \
             which is right for generated people only"
        );
    }
    if config.to.is_some_and(|to| to > EventTime::from(Utc::now())) {
        tracing::warn!(
            "--to lies ahead: events after now are sent at once, and a streamer takes those too \
             far ahead for dead letters"
        );
    }
    tracing::info!(
        seed = draft.seed,
        from = %draft.from,
        "the same --scenario, --seed, --from and density draw the same events"
    );
}

fn send_all(
    plan: &Plan,
    partitions: u32,
    truth: Option<&TruthFile>,
    progress: Progress,
    sink: &mut dyn Sink,
    stop: &Stop,
) -> anyhow::Result<Summary> {
    let mut outbox = Outbox::new(plan, partitions, truth, progress).context(UNRECORDED)?;
    let started = Instant::now();
    let (sent, ended) = send_loop(&mut outbox, plan.count, plan.pace, sink, stop);
    let tally = match sink.finish(stop) {
        Ok(tally) => tally,
        Err(SinkError::ReaderGone) => {
            // Who reads decides how much: `producer --stdout | head` is no failure.
            return Ok(Summary { sent, delivered: sent, failed: 0, elapsed: started.elapsed() });
        }
        Err(error) => return Err(error.into()),
    };
    let summary = Summary {
        sent,
        delivered: tally.delivered,
        failed: tally.failed,
        elapsed: started.elapsed(),
    };
    tracing::info!(
        sent = summary.sent,
        delivered = summary.delivered,
        failed = summary.failed,
        seconds = %format_args!("{:.2}", summary.elapsed.as_secs_f64()),
        per_second = %format_args!("{:.0}", summary.per_second()),
        "no more is sent"
    );
    // What the topic has not got is not the truth: the file stays without its end then.
    if sent == tally.delivered {
        outbox.finish().context(UNRECORDED)?;
    }
    verdict(summary, ended)
}

/// A run is a success when every event that was sent has arrived, even if it was stopped early.
fn verdict(summary: Summary, ended: Ended) -> anyhow::Result<Summary> {
    let lost = summary.sent - summary.delivered;
    let loss = format!("{lost} of {} events were not delivered", summary.sent);
    match ended {
        Ended::Refused(error) => Err(anyhow::Error::from(error).context(loss)),
        Ended::Unrecorded(error) => Err(anyhow::Error::from(error).context(UNRECORDED)),
        Ended::Complete | Ended::Stopped if lost > 0 => Err(anyhow::Error::msg(loss)),
        Ended::Complete | Ended::Stopped => Ok(summary),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_fails_when_anything_was_not_delivered() {
        let given_up = || Ended::Refused(SinkError::Kafka("fenced".to_owned()));
        // Every row: sent, delivered, failed, why it ended, the error.
        for (sent, delivered, failed, ended, expected) in [
            (5, 5, 0, Ended::Complete, None),
            (5, 5, 0, Ended::Stopped, None),
            (0, 0, 0, Ended::Stopped, None),
            (5, 4, 1, Ended::Complete, Some("1 of 5 events were not delivered")),
            (5, 4, 1, Ended::Stopped, Some("1 of 5 events were not delivered")),
            // Without a report: neither delivered nor failed.
            (5, 4, 0, Ended::Complete, Some("1 of 5 events were not delivered")),
            (5, 5, 0, given_up(), Some("0 of 5 events were not delivered: the Kafka client has")),
        ] {
            let elapsed = Duration::from_secs(1);
            let summary = Summary { sent, delivered, failed, elapsed };
            let error = verdict(summary, ended).err().map(|error| format!("{error:#}"));
            match expected {
                None => assert_eq!(error, None),
                Some(start) => assert!(error.expect(start).starts_with(start)),
            }
        }
    }

    #[test]
    fn the_rate_is_that_of_the_events_that_arrived() {
        let elapsed = Duration::from_millis(2_500);
        let summary = Summary { sent: 10, delivered: 9, failed: 1, elapsed };
        assert_eq!(summary.per_second(), 3.6);
        assert_eq!(Summary::default().per_second(), 0.0);
    }
}
