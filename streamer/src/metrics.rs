//! The streamer's metrics: their names, units and help. [`handles`] report them.
//!
//! ```text
//!   streamer_…   of this process: what its workers read, hold and store. Add processes up
//!   pipeline_…   of the whole pipeline, as the database and the brokers say it. Every streamer says
//!                the same: take the maximum
//! ```

mod handles;
mod rules;

use operator::{detect, live};
use program::Metric;

pub(crate) use self::handles::{Holdings, ProcessMetrics, WorkerMetrics};

/// Seconds: from an idle database on the same host to one that is in trouble.
const FLUSH_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const WORKER: &[&str] = &["worker"];

pub(crate) const BUILD_INFO: Metric =
    Metric::gauge("streamer_build_info", &["version"], "Always 1; the version that runs.");
pub(crate) const RECORDS_READ: Metric = Metric::counter(
    "streamer_records_read_total",
    WORKER,
    "Records taken from Kafka, those included that were dropped and read again.",
);
pub(crate) const RECORDS_STORED: Metric = Metric::counter(
    "streamer_records_stored_total",
    &["worker", "outcome"],
    "Offsets that committed flushes of this process moved past: on_time, late, dead, or skipped (never a record for us).",
);
pub(crate) const DEAD_LETTERS: Metric = Metric::counter(
    "streamer_dead_letters_total",
    &["reason"],
    "Dead letters stored by this process, by the rule that they break.",
);
pub(crate) const GROUPS_HELD: Metric = Metric::gauge(
    "streamer_groups_held",
    WORKER,
    "Groups (minute, type, region, partition) in memory for the next flush; 30,000 flush early.",
);
pub(crate) const PARTITIONS_READ: Metric = Metric::gauge(
    "streamer_partitions_read",
    WORKER,
    "Partitions that the worker is reading; halted ones are not among them.",
);
pub(crate) const PARTITIONS_HALTED: Metric = Metric::gauge(
    "streamer_partitions_halted",
    WORKER,
    "Partitions assigned to the worker that wait for an operator.",
);
pub(crate) const GROUP_REFUSED: Metric = Metric::gauge(
    "streamer_group_refused_seconds",
    WORKER,
    "For how long the consumer group has refused the worker, which no waiting cures, in seconds; 0: it does not. An ERROR line says what does.",
);
pub(crate) const WORKER_SEEN: Metric = Metric::gauge(
    "streamer_worker_seen_timestamp_seconds",
    WORKER,
    "When the worker's loop last came round, in seconds since 1970.",
);
pub(crate) const FLUSH_SECONDS: Metric = Metric::histogram(
    "streamer_flush_duration_seconds",
    WORKER,
    FLUSH_BUCKETS,
    "How long flushes took from being cut to their end, all attempts included, in seconds.",
);
pub(crate) const FLUSH_ROWS: Metric = Metric::counter(
    "streamer_flush_rows_total",
    WORKER,
    "Groups and dead letters that committed flushes stored, counted for each partition.",
);
pub(crate) const FLUSH_FAILURES: Metric = Metric::counter(
    "streamer_flush_failed_attempts_total",
    WORKER,
    "Attempts at a flush that failed and were tried again.",
);
pub(crate) const FLUSH_UNDER_WAY: Metric = Metric::gauge(
    "streamer_flush_under_way_since_timestamp_seconds",
    WORKER,
    "When the flush that is under way was cut, in seconds since 1970; 0: none is.",
);
pub(crate) const LAST_FLUSH: Metric = Metric::gauge(
    "streamer_last_flush_timestamp_seconds",
    WORKER,
    "When the last flush ended, in seconds since 1970; before the first: when the worker started.",
);
pub(crate) const RULE_EVENTS: Metric = Metric::counter(
    "streamer_rule_events_total",
    WORKER,
    "Events on time that committed flushes stored and that rules had judged; it stands still while rules are off.",
);
pub(crate) const ALERTS_WRITTEN: Metric = Metric::counter(
    "streamer_alerts_written_total",
    &["rule", "mode"],
    "Alerts that committed flushes made, or added hits to, by the rule's name and mode (shadow, live).",
);
pub(crate) const ALERT_HITS: Metric = Metric::counter(
    "streamer_alert_hits_total",
    &["rule", "mode"],
    "Hits of rules that committed flushes stored.",
);
pub(crate) const REWINDING: Metric = Metric::gauge(
    "streamer_partitions_rewinding",
    WORKER,
    "Partitions whose log is read again for the rules, or that wait for that; none of them counts meanwhile.",
);
pub(crate) const REWINDING_SINCE: Metric = Metric::gauge(
    "streamer_rewinding_since_timestamp_seconds",
    WORKER,
    "Since when there has been one without a break, in seconds since 1970; 0: there is none.",
);
pub(crate) const RULE_EVENTS_HELD: Metric =
    Metric::gauge("streamer_rule_events_held", WORKER, "Events that rules remember.");
pub(crate) const RULE_MEMORY: Metric = Metric::gauge(
    "streamer_rule_memory_bytes",
    WORKER,
    "Memory that these take, roughly; at most 64 MiB for each partition, then the oldest go and pattern_gaps says so.",
);

pub(crate) const FLUSH_INTERVAL: Metric = Metric::gauge(
    "streamer_flush_interval_seconds",
    WORKER,
    "The time from one flush to the next, in seconds: FLUSH_INTERVAL, and up to 10 s more while the flushes of others keep the worker waiting.",
);
pub(crate) const TURN_WAIT: Metric = Metric::histogram(
    "streamer_turn_wait_seconds",
    WORKER,
    FLUSH_BUCKETS,
    "How long flushes waited for their turn to write, in seconds; all writers of a database share one turn.",
);
pub(crate) const TURNS_MISSED: Metric = Metric::counter(
    "streamer_turns_missed_total",
    WORKER,
    "Flushes that went ahead after having waited for their turn for 30 s in vain.",
);
/// This program's own, then those of what else it can do: in the order of docs/metrics.md.
pub fn metrics() -> Vec<&'static Metric> {
    let own = [
        &BUILD_INFO,
        &RECORDS_READ,
        &RECORDS_STORED,
        &DEAD_LETTERS,
        &GROUPS_HELD,
        &PARTITIONS_READ,
        &PARTITIONS_HALTED,
        &GROUP_REFUSED,
        &WORKER_SEEN,
        &FLUSH_SECONDS,
        &FLUSH_ROWS,
        &FLUSH_FAILURES,
        &FLUSH_UNDER_WAY,
        &LAST_FLUSH,
        &RULE_EVENTS,
        &ALERTS_WRITTEN,
        &ALERT_HITS,
        &REWINDING,
        &REWINDING_SINCE,
        &RULE_EVENTS_HELD,
        &RULE_MEMORY,
        &FLUSH_INTERVAL,
        &TURN_WAIT,
        &TURNS_MISSED,
    ];
    own.into_iter()
        .chain(live::METRICS.iter().copied())
        .chain(detect::METRICS.iter().copied())
        .collect()
}
