//! Whether this process works, for whoever restarts it or sends it traffic. Pure.
//!
//! ```text
//!   /healthz  every worker's loop comes round            no: restarting helps
//!   /readyz   … and it has started, its group lets it in, both servers answer, and no flush hangs
//! ```
//!
//! A database that is away makes no process unhealthy: restarting would not bring it back.

use std::time::Duration;

use super::observer::Snapshot;
use crate::metrics::{ProcessMetrics, WorkerMetrics};
use crate::status::Verdict;

/// A worker's loop may take this long: it waits for servers, each time for a bounded time.
const ROUND_MAX: Duration = Duration::from_secs(120);
/// A flush may be under way for so many intervals …
const FLUSH_INTERVALS: u32 = 3;
/// … and this longer, whatever the interval.
const FLUSH_MARGIN: Duration = Duration::from_secs(15);
/// A look at the pipeline may be this old.
const LOOK_AGE_MAX: Duration = Duration::from_secs(60);

/// How long a flush may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    flush: Duration,
}

impl Patience {
    pub(super) fn of(flush_interval: Duration) -> Self {
        Patience { flush: flush_interval * FLUSH_INTERVALS + FLUSH_MARGIN }
    }
}

/// Whether every worker's loop comes round. Before they start there is nothing to find fault with.
pub(super) fn is_alive(metrics: &ProcessMetrics, now: f64) -> Result<String, String> {
    let started = metrics.workers.iter().filter(|worker| worker.seen_at() > 0.0);
    for (index, worker) in started.enumerate() {
        let silent_seconds = now - worker.seen_at();
        if silent_seconds > ROUND_MAX.as_secs_f64() {
            return Err(format!("worker {index} has not come round for {silent_seconds:.0} s"));
        }
    }
    Ok("alive".to_owned())
}

/// Whether it does what it is there for.
pub(super) fn is_ready(
    metrics: &ProcessMetrics,
    latest: Option<&Snapshot>,
    patience: Patience,
    now: f64,
) -> Result<String, String> {
    if metrics.workers.iter().any(|worker| worker.seen_at() == 0.0) {
        return Err("starting: waiting for PostgreSQL and Kafka".to_owned());
    }
    for (index, worker) in metrics.workers.iter().enumerate() {
        if worker.is_refused_by_group() {
            return Err(format!(
                "the consumer group refuses worker {index}: its last ERROR line says what cures that"
            ));
        }
        if let Some(seconds) = hangs_for(worker, patience, now) {
            return Err(format!("worker {index} has tried to store a flush for {seconds:.0} s"));
        }
    }
    let Some(latest) = latest else {
        return Err("starting: the first look at the pipeline is under way".to_owned());
    };
    if now - latest.looked_at > LOOK_AGE_MAX.as_secs_f64() {
        return Err("the last look at the pipeline is too old".to_owned());
    }
    match latest.report.verdict {
        Verdict::KafkaAway | Verdict::DatabaseAway => Err(latest.report.reason.clone()),
        verdict => Ok(format!("ready; the pipeline is {}", verdict.code().replace('_', " "))),
    }
}

fn hangs_for(worker: &WorkerMetrics, patience: Patience, now: f64) -> Option<f64> {
    let seconds = now - worker.flushing_since()?;
    (seconds > patience.flush.as_secs_f64()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDateTime};
    use program::Registry;
    use windowing::FlushBatch;

    use super::*;
    use crate::metrics::{self, Holdings};
    use crate::status::Report;

    fn snapshot(verdict: Verdict, looked_at: f64) -> Snapshot {
        let looked: Option<NaiveDateTime> =
            DateTime::from_timestamp(1_762_646_400, 0).map(|at| at.naive_utc());
        let report = Report {
            verdict,
            reason: "the reason".to_owned(),
            remarks: Vec::new(),
            looked_at: looked,
            stalled_after: Duration::from_secs(90),
            topics: Vec::new(),
            partitions: Vec::new(),
        };
        let (figures, registry) = (Err("not read".to_owned()), Registry::new());
        Snapshot { looked_at, report, figures, rates: None, detection: None, registry }
    }

    #[test]
    fn a_process_is_alive_while_its_workers_come_round_and_before_they_start() {
        let metrics = ProcessMetrics::new(2);
        let now = metrics::now();
        assert!(is_alive(&metrics, now).is_ok());
        metrics.workers[0].started();
        assert!(is_alive(&metrics, now + 119.0).is_ok());
        let line = is_alive(&metrics, now + 121.0).unwrap_err();
        assert!(line.starts_with("worker 0 has not come round for 121"), "{line}");
    }

    #[test]
    fn a_process_is_ready_once_it_has_started_both_servers_answer_and_no_flush_hangs() {
        let (metrics, patience) = (ProcessMetrics::new(1), Patience::of(Duration::from_secs(30)));
        let now = metrics::now();
        let well = snapshot(Verdict::Healthy, now);
        let line = is_ready(&metrics, Some(&well), patience, now).unwrap_err();
        assert!(line.starts_with("starting"), "{line}");
        metrics.workers[0].started();
        for (latest, expected) in [
            (None, Err("starting: the first look at the pipeline is under way")),
            (Some(snapshot(Verdict::Healthy, now)), Ok("ready; the pipeline is healthy")),
            (Some(snapshot(Verdict::CatchingUp, now)), Ok("ready; the pipeline is catching up")),
            (Some(snapshot(Verdict::Halted, now)), Ok("ready; the pipeline is halted")),
            (Some(snapshot(Verdict::DatabaseAway, now)), Err("the reason")),
            (Some(snapshot(Verdict::KafkaAway, now)), Err("the reason")),
            (Some(snapshot(Verdict::Healthy, now - 61.0)), {
                Err("the last look at the pipeline is too old")
            }),
        ] {
            let got = is_ready(&metrics, latest.as_ref(), patience, now);
            let got = got.as_deref().map_err(String::as_str);
            assert_eq!(got, expected, "{:?}", latest.map(|latest| latest.report.verdict));
        }
        let holdings = |refused_for| Holdings {
            groups: 0,
            partitions_read: 0,
            partitions_halted: 0,
            refused_for,
            failed_attempts: 0,
        };
        metrics.workers[0].came_round(&holdings(Some(Duration::ZERO)));
        let line = is_ready(&metrics, Some(&well), patience, now).unwrap_err();
        assert!(line.starts_with("the consumer group refuses worker 0"), "{line}");
        metrics.workers[0].came_round(&holdings(None));
        assert!(is_ready(&metrics, Some(&well), patience, now).is_ok());
        let _outgoing = metrics.workers[0].flush_begins(&FlushBatch::default());
        assert!(is_ready(&metrics, Some(&well), patience, now + 50.0).is_ok());
        let late = snapshot(Verdict::Healthy, now + 107.0);
        let line = is_ready(&metrics, Some(&late), patience, now + 107.0).unwrap_err();
        assert!(line.starts_with("worker 0 has tried to store a flush for"), "{line}");
    }
}
