//! Whether this process works, for whoever restarts it or sends it traffic. Pure.
//!
//! ```text
//!   /healthz  every worker's loop comes round            no: restarting helps
//!   /readyz   … and it has started, its group lets it in, both servers answer, and no flush hangs
//! ```
//!
//! A database that is away makes no process unhealthy: restarting would not bring it back.

use std::time::Duration;

use super::snapshot::Snapshot;
use crate::status::Verdict;

/// A worker's loop may take this long: it waits for servers, each time for a bounded time.
const ROUND_MAX: Duration = Duration::from_secs(120);
/// A flush may be under way for so many intervals …
const FLUSH_INTERVALS: u32 = 3;
/// … and this longer, whatever the interval.
const FLUSH_MARGIN: Duration = Duration::from_secs(15);
/// A look at the pipeline may be this old.
const LOOK_AGE_MAX: Duration = Duration::from_secs(60);

/// What one of the process's workers was last seen to do. Times are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkerSeen {
    /// When its loop last came round; `None`: it has not started.
    pub came_round_at: Option<f64>,
    /// Since when a flush has been under way.
    pub flushing_since: Option<f64>,
    /// Whether its consumer group refuses it.
    pub is_refused_by_group: bool,
}

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
pub(super) fn is_alive(workers: &[WorkerSeen], now: f64) -> Result<String, String> {
    let started = workers.iter().filter_map(|worker| worker.came_round_at);
    for (index, came_round_at) in started.enumerate() {
        let silent_seconds = now - came_round_at;
        if silent_seconds > ROUND_MAX.as_secs_f64() {
            return Err(format!("worker {index} has not come round for {silent_seconds:.0} s"));
        }
    }
    Ok("alive".to_owned())
}

/// Whether it does what it is there for.
pub(super) fn is_ready(
    workers: &[WorkerSeen],
    latest: Option<&Snapshot>,
    patience: Patience,
    now: f64,
) -> Result<String, String> {
    if workers.iter().any(|worker| worker.came_round_at.is_none()) {
        return Err("starting: waiting for PostgreSQL and Kafka".to_owned());
    }
    for (index, worker) in workers.iter().enumerate() {
        if worker.is_refused_by_group {
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

fn hangs_for(worker: &WorkerSeen, patience: Patience, now: f64) -> Option<f64> {
    let seconds = now - worker.flushing_since?;
    (seconds > patience.flush.as_secs_f64()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDateTime};
    use program::Registry;

    use super::*;
    use crate::live::minutely::DayLook;
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
        Snapshot {
            looked_at,
            report,
            figures,
            rates: None,
            detection: None,
            day: DayLook::default(),
            cases: None,
            registry,
        }
    }

    /// What the tests call now.
    const NOW: f64 = 1_762_646_400.0;
    const NOT_STARTED: WorkerSeen =
        WorkerSeen { came_round_at: None, flushing_since: None, is_refused_by_group: false };
    const AT_WORK: WorkerSeen = WorkerSeen { came_round_at: Some(NOW), ..NOT_STARTED };

    #[test]
    fn a_process_is_alive_while_its_workers_come_round_and_before_they_start() {
        assert!(is_alive(&[NOT_STARTED, NOT_STARTED], NOW).is_ok());
        let workers = [AT_WORK, NOT_STARTED];
        assert!(is_alive(&workers, NOW + 119.0).is_ok());
        let line = is_alive(&workers, NOW + 121.0).unwrap_err();
        assert!(line.starts_with("worker 0 has not come round for 121"), "{line}");
    }

    #[test]
    fn a_process_is_ready_once_it_has_started_and_both_servers_answer() {
        let patience = Patience::of(Duration::from_secs(30));
        let well = snapshot(Verdict::Healthy, NOW);
        let line = is_ready(&[NOT_STARTED], Some(&well), patience, NOW).unwrap_err();
        assert!(line.starts_with("starting"), "{line}");
        for (latest, expected) in [
            (None, Err("starting: the first look at the pipeline is under way")),
            (Some(snapshot(Verdict::Healthy, NOW)), Ok("ready; the pipeline is healthy")),
            (Some(snapshot(Verdict::CatchingUp, NOW)), Ok("ready; the pipeline is catching up")),
            (Some(snapshot(Verdict::Halted, NOW)), Ok("ready; the pipeline is halted")),
            (Some(snapshot(Verdict::DatabaseAway, NOW)), Err("the reason")),
            (Some(snapshot(Verdict::KafkaAway, NOW)), Err("the reason")),
            (Some(snapshot(Verdict::Healthy, NOW - 61.0)), {
                Err("the last look at the pipeline is too old")
            }),
        ] {
            let got = is_ready(&[AT_WORK], latest.as_ref(), patience, NOW);
            let got = got.as_deref().map_err(String::as_str);
            assert_eq!(got, expected, "{:?}", latest.map(|latest| latest.report.verdict));
        }
    }

    #[test]
    fn a_worker_that_its_group_refuses_or_whose_flush_hangs_is_not_ready() {
        let patience = Patience::of(Duration::from_secs(30));
        let well = snapshot(Verdict::Healthy, NOW);
        let refused = WorkerSeen { is_refused_by_group: true, ..AT_WORK };
        let line = is_ready(&[AT_WORK, refused], Some(&well), patience, NOW).unwrap_err();
        assert!(line.starts_with("the consumer group refuses worker 1"), "{line}");
        let flushing = WorkerSeen { flushing_since: Some(NOW), ..AT_WORK };
        assert!(is_ready(&[flushing], Some(&well), patience, NOW + 50.0).is_ok());
        let late = snapshot(Verdict::Healthy, NOW + 107.0);
        let line = is_ready(&[flushing], Some(&late), patience, NOW + 107.0).unwrap_err();
        assert!(line.starts_with("worker 0 has tried to store a flush for"), "{line}");
    }
}
