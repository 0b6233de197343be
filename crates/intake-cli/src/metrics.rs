//! The metrics of intake: their names, units and help, and how a life reports.

use intake::Counts;
use program::{Gauge, IntCounter, IntCounterVec, Metric, Registry};

const NONE: &[&str] = &[];

const BUILD_INFO: Metric =
    Metric::gauge("intake_build_info", &["version"], "Always 1; the version that runs.");
const ROWS: Metric = Metric::counter(
    "intake_rows_total",
    &["outcome"],
    "Rows whose transaction was committed, by what became of them: event, not_mapped or left_out.",
);
const NOT_MAPPED: Metric = Metric::counter(
    "intake_not_mapped_total",
    &["reason"],
    "Rows that could not be mapped, by why.",
);
const TRANSACTIONS: Metric =
    Metric::counter("intake_transactions_total", NONE, "Kafka transactions that were committed.");
const FAILURES: Metric = Metric::counter(
    "intake_failures_total",
    NONE,
    "Lives that ended with a failure; what was under way is sent again by the next one.",
);
const FILES: Metric = Metric::counter(
    "intake_files_total",
    &["result"],
    "Files that were looked at: read, refused (read before, or in doubt) or failed.",
);
const LAST_COMMIT: Metric = Metric::gauge(
    "intake_last_commit_timestamp_seconds",
    NONE,
    "When a transaction was committed last, in seconds since 1970; 0: not since the start.",
);
const LAG: Metric = Metric::gauge(
    "intake_lag_records",
    NONE,
    "Records of the raw topic that are not read yet; always 0 for files.",
);
const SESSIONS: Metric =
    Metric::gauge("intake_sessions_held", NONE, "Sessions that are remembered.");

/// All of them, as docs/metrics.md lists them.
pub const METRICS: &[&Metric] = &[
    &BUILD_INFO,
    &ROWS,
    &NOT_MAPPED,
    &TRANSACTIONS,
    &FAILURES,
    &FILES,
    &LAST_COMMIT,
    &LAG,
    &SESSIONS,
];

/// The process's values.
#[derive(Clone, Debug)]
pub(crate) struct IntakeMetrics {
    pub(crate) registry: Registry,
    rows: IntCounterVec,
    not_mapped: IntCounterVec,
    transactions: IntCounter,
    failures: IntCounter,
    files: IntCounterVec,
    last_commit: Gauge,
    lag: Gauge,
    sessions: Gauge,
}

impl IntakeMetrics {
    /// All at 0.
    pub(crate) fn new() -> Self {
        let registry = Registry::with_process();
        let version = env!("CARGO_PKG_VERSION");
        registry.gauge(&BUILD_INFO).with_label_values(&[version]).set(1.0);
        let (rows, files) = (registry.counter(&ROWS), registry.counter(&FILES));
        // They are there from the start, so that a rate has a first value.
        ["event", "not_mapped", "left_out"]
            .iter()
            .for_each(|outcome| drop(rows.with_label_values(&[outcome])));
        ["read", "refused", "failed"]
            .iter()
            .for_each(|result| drop(files.with_label_values(&[result])));
        IntakeMetrics {
            rows,
            files,
            not_mapped: registry.counter(&NOT_MAPPED),
            transactions: registry.counter(&TRANSACTIONS).with_label_values(NONE),
            failures: registry.counter(&FAILURES).with_label_values(NONE),
            last_commit: registry.gauge(&LAST_COMMIT).with_label_values(NONE),
            lag: registry.gauge(&LAG).with_label_values(NONE),
            sessions: registry.gauge(&SESSIONS).with_label_values(NONE),
            registry,
        }
    }

    /// A transaction was committed; `now` in seconds since 1970.
    pub(crate) fn committed(&self, batch: &Counts, now: f64) {
        self.transactions.inc();
        self.last_commit.set(now);
        for (outcome, count) in [
            ("event", batch.events),
            ("not_mapped", batch.not_mapped()),
            ("left_out", batch.left_out()),
        ] {
            self.rows.with_label_values(&[outcome]).inc_by(count);
        }
        for (reason, count) in &batch.not_mapped {
            self.not_mapped.with_label_values(&[reason]).inc_by(*count);
        }
    }

    /// A life has failed.
    pub(crate) fn failed(&self) {
        self.failures.inc();
    }

    /// A file was looked at.
    pub(crate) fn file(&self, result: &str) {
        self.files.with_label_values(&[result]).inc();
    }

    /// So many records wait in the raw topic.
    pub(crate) fn lag(&self, records: i64) {
        self.lag.set(records as f64);
    }

    /// So many sessions are remembered.
    pub(crate) fn sessions(&self, count: usize) {
        self.sessions.set(count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_counted_by_what_became_of_its_rows() {
        let metrics = IntakeMetrics::new();
        let mut batch = Counts { events: 5, ..Counts::default() };
        batch.not_mapped.insert("time_missing", 2);
        batch.left_out.insert("roaming", 1);
        metrics.committed(&batch, 1.5);
        metrics.committed(&batch, 2.5);
        for (outcome, expected) in [("event", 10), ("not_mapped", 4), ("left_out", 2)] {
            assert_eq!(metrics.rows.with_label_values(&[outcome]).get(), expected, "{outcome}");
        }
        assert_eq!(metrics.not_mapped.with_label_values(&["time_missing"]).get(), 4);
        assert_eq!((metrics.transactions.get(), metrics.last_commit.get()), (2, 2.5));
    }
}
