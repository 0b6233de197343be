//! The handles by which workers and their writers report what this process does.
//!
//! Nothing here is touched for a single event: a worker reports once for each batch that it polled,
//! a writer once for each flush.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use operator::live::{Process, WorkerSeen};
use program::{Gauge, Histogram, IntCounter, IntCounterVec, Registry, seconds_since_1970 as now};
use windowing::{Counters, FlushBatch, FlushReport, PartOutcome, RuleHoldings};

use super::rules::{OutgoingRules, RuleMetrics};
use super::{
    BUILD_INFO, DEAD_LETTERS, FLUSH_FAILURES, FLUSH_INTERVAL, FLUSH_ROWS, FLUSH_SECONDS,
    FLUSH_UNDER_WAY, GROUP_REFUSED, GROUPS_HELD, LAST_FLUSH, PARTITIONS_HALTED, PARTITIONS_READ,
    RECORDS_READ, RECORDS_STORED, TURN_WAIT, TURNS_MISSED, WORKER_SEEN,
};

/// What this process counts: one set, and a handle for each worker.
#[derive(Clone, Debug)]
pub(crate) struct ProcessMetrics {
    pub(crate) registry: Registry,
    pub(crate) workers: Vec<WorkerMetrics>,
}

impl ProcessMetrics {
    /// Metrics of a process with so many workers, all at 0.
    pub(crate) fn new(workers: u16) -> Self {
        let registry = Registry::with_process();
        let version = env!("CARGO_PKG_VERSION");
        registry.gauge(&BUILD_INFO).with_label_values(&[version]).set(1.0);
        let gauges = |metric| registry.gauge(metric);
        let counters = |metric| registry.counter(metric);
        let (records_read, stored) = (counters(&RECORDS_READ), counters(&RECORDS_STORED));
        let dead_letters = counters(&DEAD_LETTERS);
        let (groups, read, halted) =
            (gauges(&GROUPS_HELD), gauges(&PARTITIONS_READ), gauges(&PARTITIONS_HALTED));
        let refused = gauges(&GROUP_REFUSED);
        let (seen, under_way, last_flush) =
            (gauges(&WORKER_SEEN), gauges(&FLUSH_UNDER_WAY), gauges(&LAST_FLUSH));
        let flush_seconds = registry.histogram(&FLUSH_SECONDS);
        let (flush_rows, flush_failures) = (counters(&FLUSH_ROWS), counters(&FLUSH_FAILURES));
        let rules = RuleMetrics::of_workers(&registry, workers);
        let (flush_interval, turns_missed) = (gauges(&FLUSH_INTERVAL), counters(&TURNS_MISSED));
        let turn_wait = registry.histogram(&TURN_WAIT);
        let workers = (0..workers)
            .zip(rules)
            .map(|(index, rules)| {
                let label = &[index.to_string()];
                let outcome = |name: &str| stored.with_label_values(&[label[0].as_str(), name]);
                WorkerMetrics {
                    records_read: records_read.with_label_values(label),
                    stored: OUTCOMES.map(outcome),
                    dead_letters: dead_letters.clone(),
                    groups_held: groups.with_label_values(label),
                    partitions_read: read.with_label_values(label),
                    partitions_halted: halted.with_label_values(label),
                    group_refused: refused.with_label_values(label),
                    seen: seen.with_label_values(label),
                    flush_seconds: flush_seconds.with_label_values(label),
                    flush_rows: flush_rows.with_label_values(label),
                    flush_failures: flush_failures.with_label_values(label),
                    flush_under_way: under_way.with_label_values(label),
                    last_flush: last_flush.with_label_values(label),
                    rules,
                    flush_interval: flush_interval.with_label_values(label),
                    turn_wait: turn_wait.with_label_values(label),
                    turns_missed: turns_missed.with_label_values(label),
                }
            })
            .collect();
        ProcessMetrics { registry, workers }
    }
}

impl Process for ProcessMetrics {
    fn workers(&self) -> Vec<WorkerSeen> {
        self.workers.iter().map(WorkerMetrics::seen).collect()
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }
}

/// What becomes of an offset that a flush moves past.
const OUTCOMES: [&str; 4] = ["on_time", "late", "dead", "skipped"];

/// One worker's values; the worker's and its writer's threads share them.
#[derive(Clone, Debug)]
pub(crate) struct WorkerMetrics {
    records_read: IntCounter,
    /// In the order of [`OUTCOMES`].
    stored: [IntCounter; 4],
    dead_letters: IntCounterVec,
    groups_held: Gauge,
    partitions_read: Gauge,
    partitions_halted: Gauge,
    group_refused: Gauge,
    seen: Gauge,
    flush_seconds: Histogram,
    flush_rows: IntCounter,
    flush_failures: IntCounter,
    flush_under_way: Gauge,
    last_flush: Gauge,
    rules: RuleMetrics,
    flush_interval: Gauge,
    turn_wait: Histogram,
    turns_missed: IntCounter,
}

/// What the worker's loop holds as it comes round.
pub(crate) struct Holdings {
    pub(crate) groups: usize,
    pub(crate) partitions_read: usize,
    pub(crate) partitions_halted: usize,
    /// … by its group.
    pub(crate) refused_for: Option<Duration>,
    pub(crate) failed_attempts: u64,
    pub(crate) rules: RuleHoldings,
    pub(crate) missed_turns: u64,
    /// Until the next flush.
    pub(crate) flush_interval: Duration,
}

/// What one flush would store, noted before it begins: afterwards its batch is gone.
pub(crate) struct Outgoing {
    began: Instant,
    parts: Vec<OutgoingPart>,
}

/// What one part of it would store.
struct OutgoingPart {
    /// By how much the counters grow, in the order of [`OUTCOMES`].
    growth: [i64; 4],
    rows: usize,
    /// Dead letters by reason.
    reasons: BTreeMap<&'static str, u64>,
    rules: OutgoingRules,
}

impl WorkerMetrics {
    /// The worker begins.
    pub(crate) fn started(&self) {
        self.seen.set(now());
        self.last_flush.set(now());
    }

    /// So many records were polled.
    pub(crate) fn read(&self, records: u64) {
        if records > 0 {
            self.records_read.inc_by(records);
        }
    }

    /// The worker's loop has come round.
    pub(crate) fn came_round(&self, holdings: &Holdings) {
        self.seen.set(now());
        self.groups_held.set(holdings.groups as f64);
        self.partitions_read.set(holdings.partitions_read as f64);
        self.partitions_halted.set(holdings.partitions_halted as f64);
        // A refusal of this very moment counts too.
        let refused =
            holdings.refused_for.map_or(0.0, |time| time.as_secs_f64().max(f64::MIN_POSITIVE));
        self.group_refused.set(refused);
        self.rules.came_round(&holdings.rules);
        for (counter, total) in [
            (&self.flush_failures, holdings.failed_attempts),
            (&self.turns_missed, holdings.missed_turns),
        ] {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
        self.flush_interval.set(holdings.flush_interval.as_secs_f64());
    }

    pub(crate) fn flush_begins(&self, batch: &FlushBatch) -> Outgoing {
        self.flush_under_way.set(now());
        let parts = batch.parts.iter().map(|part| {
            let growth = growth(&part.stored.counters, &part.new.counters);
            let delta = &part.delta;
            let rows = delta.on_time.len() + delta.late.len() + delta.dead_letters.len();
            let mut reasons = BTreeMap::new();
            for letter in &delta.dead_letters {
                *reasons.entry(letter.reason).or_default() += 1;
            }
            OutgoingPart { growth, rows, reasons, rules: OutgoingRules::of(part) }
        });
        Outgoing { began: Instant::now(), parts: parts.collect() }
    }

    /// The flush has ended like this.
    pub(crate) fn flush_ended(&self, outgoing: Outgoing, report: &FlushReport) {
        self.flush_seconds.observe(outgoing.began.elapsed().as_secs_f64());
        self.turn_wait.observe(report.waited.as_secs_f64());
        self.flush_under_way.set(0.0);
        self.last_flush.set(now());
        for (part, reported) in outgoing.parts.into_iter().zip(&report.parts) {
            let OutgoingPart { growth, rows, reasons, rules } = part;
            if reported.outcome != PartOutcome::Committed {
                continue;
            }
            for (counter, growth) in self.stored.iter().zip(growth) {
                counter.inc_by(u64::try_from(growth).unwrap_or_default());
            }
            self.flush_rows.inc_by(rows as u64);
            for (reason, letters) in reasons {
                self.dead_letters.with_label_values(&[reason]).inc_by(letters);
            }
            self.rules.stored(rules);
        }
    }

    /// What the worker was last seen to do.
    fn seen(&self) -> WorkerSeen {
        let if_any = |gauge: &Gauge| Some(gauge.get()).filter(|value| *value > 0.0);
        WorkerSeen {
            came_round_at: if_any(&self.seen),
            flushing_since: if_any(&self.flush_under_way),
            is_refused_by_group: if_any(&self.group_refused).is_some(),
        }
    }
}

fn growth(before: &Counters, after: &Counters) -> [i64; 4] {
    [
        after.on_time - before.on_time,
        after.late - before.late,
        after.dead - before.dead,
        after.skipped - before.skipped,
    ]
}

#[cfg(test)]
mod tests {
    use windowing::{DeadLetter, Delta, FlushPart, PartReport, Position, Progress};

    use super::*;

    /// A part that read 5 on time, 1 late, 2 dead and skipped 3 since its last flush.
    fn part(partition: i32) -> FlushPart {
        let stored = Progress::starting_at(Position::at(0));
        let counters = Counters { on_time: 5, late: 1, dead: 2, gap: 0, skipped: 3 };
        let next = Position::at(11);
        let new = Progress { next, counters, patterns_through: Some(next), ..stored.clone() };
        let letter = |offset, reason| DeadLetter {
            offset,
            reason,
            detail: String::new(),
            record_time: None,
            key: None,
            payload: None,
            headers: Vec::new(),
        };
        let dead_letters = vec![letter(3, "not_json"), letter(4, "not_utf8")];
        FlushPart {
            partition,
            incarnation: 0,
            stored,
            new,
            delta: Delta { dead_letters, ..Delta::default() },
            log_is_known: true,
            log_is_verified: true,
            awaited: None,
            is_news: false,
        }
    }

    #[test]
    fn only_what_was_committed_counts_as_stored() {
        let metrics = ProcessMetrics::new(1);
        let worker = &metrics.workers[0];
        let batch = FlushBatch { parts: vec![part(0), part(1), part(2)] };
        let outgoing = worker.flush_begins(&batch);
        assert!(worker.seen().flushing_since.is_some());
        let outcomes =
            [PartOutcome::Committed, PartOutcome::Fenced, PartOutcome::Refused(String::new())];
        let parts = batch.parts.iter().zip(outcomes);
        let parts = parts.map(|(part, outcome)| PartReport {
            partition: part.partition,
            incarnation: 0,
            as_stored: part.new.clone(),
            outcome,
        });
        worker.flush_ended(
            outgoing,
            &FlushReport { parts: parts.collect(), ..FlushReport::default() },
        );
        assert_eq!(worker.seen().flushing_since, None);
        assert_eq!(worker.stored.each_ref().map(IntCounter::get), [5, 1, 2, 3]);
        assert_eq!(worker.flush_rows.get(), 2);
        assert_eq!(worker.rules.events_judged(), 5);
        let letters = |reason| worker.dead_letters.with_label_values(&[reason]).get();
        assert_eq!((letters("not_json"), letters("not_utf8")), (1, 1));
    }

    #[test]
    fn failed_attempts_are_told_as_a_total() {
        let metrics = ProcessMetrics::new(1);
        let worker = &metrics.workers[0];
        for failed_attempts in [0, 2, 2, 5] {
            worker.came_round(&Holdings {
                groups: 7,
                partitions_read: 2,
                partitions_halted: 1,
                refused_for: None,
                failed_attempts,
                rules: RuleHoldings::default(),
                missed_turns: 2 * failed_attempts,
                flush_interval: Duration::from_millis(1_250),
            });
            assert_eq!(worker.flush_failures.get(), failed_attempts);
            assert_eq!(worker.turns_missed.get(), 2 * failed_attempts);
        }
        let held = [&worker.groups_held, &worker.partitions_read, &worker.partitions_halted];
        assert_eq!(held.map(Gauge::get), [7.0, 2.0, 1.0]);
        assert_eq!(worker.flush_interval.get(), 1.25);
    }
}
