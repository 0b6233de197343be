//! The streamer's metrics: their names, units and help. [`handles`] report them.
//!
//! ```text
//!   streamer_…   of this process: what its workers read, hold and store. Add processes up
//!   pipeline_…   of the whole pipeline, as the database and the brokers say it. Every streamer says
//!                the same: take the maximum
//! ```

mod handles;

use program::Metric;

pub(crate) use self::handles::{Holdings, ProcessMetrics, WorkerMetrics, now};

use crate::detect::metrics as detect;

/// Seconds: from an idle database on the same host to one that is in trouble.
const FLUSH_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const WORKER: &[&str] = &["worker"];
const PARTITION: &[&str] = &["topic", "partition"];

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
pub(crate) const WORKER_LAG_RECORDS: Metric = Metric::gauge(
    "streamer_max_lag_records",
    WORKER,
    "Unread or unstored records of the worst partition that the worker wrote last.",
);
pub(crate) const WORKER_LAG_SECONDS: Metric = Metric::gauge(
    "streamer_max_lag_seconds",
    WORKER,
    "For how long at most the oldest such record of a partition of the worker has waited, in seconds.",
);
pub(crate) const OBSERVED: Metric = Metric::gauge(
    "pipeline_observed_timestamp_seconds",
    &[],
    "When the figures named pipeline_… were looked up, in seconds since 1970.",
);
pub(crate) const VERDICT: Metric = Metric::gauge(
    "pipeline_verdict",
    &["verdict"],
    "1 for the verdict of `streamer status`, 0 for the others.",
);
pub(crate) const LAG_RECORDS: Metric = Metric::gauge(
    "pipeline_lag_records",
    PARTITION,
    "Records between the stored position and the end of the log, those of open transactions included.",
);
pub(crate) const LAG_SECONDS: Metric = Metric::gauge(
    "pipeline_lag_seconds",
    PARTITION,
    "For how long at most the oldest unstored record has waited, in seconds.",
);
pub(crate) const OPEN_TRANSACTION_RECORDS: Metric = Metric::gauge(
    "pipeline_open_transaction_records",
    PARTITION,
    "Records of the log in and behind Kafka transactions that are still open: nobody can read them before these end.",
);
pub(crate) const RECORDS: Metric = Metric::counter(
    "pipeline_records_total",
    &["topic", "partition", "outcome"],
    "Offsets since the partition's first: on_time, late, dead, gap (accepted as lost), skipped. Begins anew with a topic.",
);
pub(crate) const HALTED: Metric = Metric::gauge(
    "pipeline_partition_halted",
    PARTITION,
    "1: the partition waits for an operator; `streamer gaps` says why.",
);
pub(crate) const WRITTEN_AGE: Metric = Metric::gauge(
    "pipeline_partition_written_age_seconds",
    PARTITION,
    "How long ago the partition's row was written, in seconds: the age of its last flush.",
);
pub(crate) const WATERMARK_AGE: Metric = Metric::gauge(
    "pipeline_watermark_age_seconds",
    PARTITION,
    "How far the partition's watermark is behind the clock, in seconds.",
);
pub(crate) const WATERMARK_DELAY: Metric = Metric::gauge(
    "pipeline_watermark_delay_seconds",
    &[],
    "The setting: how long a window waits for stragglers after its end, in seconds.",
);
pub(crate) const COMPLETE_THROUGH: Metric = Metric::gauge(
    "pipeline_complete_through_timestamp_seconds",
    &["topic"],
    "All on-time events before this have been counted, in seconds since 1970: an estimate.",
);
pub(crate) const YESTERDAY_EVENTS: Metric = Metric::gauge(
    "pipeline_yesterday_events",
    &[],
    "Events counted on time of the last business day that has ended.",
);
pub(crate) const YESTERDAY_COMPUTED: Metric = Metric::gauge(
    "pipeline_yesterday_computed",
    &[],
    "1: daily_stats has rows of the last business day that has ended.",
);
pub(crate) const YESTERDAY_AGE: Metric = Metric::gauge(
    "pipeline_yesterday_ended_age_seconds",
    &[],
    "How long ago the last business day ended, in seconds.",
);
pub(crate) const BATCH_LAST_RUN: Metric = Metric::gauge(
    "pipeline_batch_last_run_timestamp_seconds",
    &[],
    "When the last run of the batcher began, in seconds since 1970.",
);
pub(crate) const BATCH_LAST_SUCCESS: Metric = Metric::gauge(
    "pipeline_batch_last_success_timestamp_seconds",
    &[],
    "When the last run that computed a day ended, in seconds since 1970.",
);
pub(crate) const STALE_DAYS: Metric = Metric::gauge(
    "pipeline_stale_dates",
    &[],
    "Computed days whose events changed since; `batcher --stale` computes them again.",
);

/// All of them, as docs/metrics.md lists them.
pub const METRICS: &[&Metric] = &[
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
    &WORKER_LAG_RECORDS,
    &WORKER_LAG_SECONDS,
    &OBSERVED,
    &VERDICT,
    &LAG_RECORDS,
    &LAG_SECONDS,
    &OPEN_TRANSACTION_RECORDS,
    &RECORDS,
    &HALTED,
    &WRITTEN_AGE,
    &WATERMARK_AGE,
    &WATERMARK_DELAY,
    &COMPLETE_THROUGH,
    &YESTERDAY_EVENTS,
    &YESTERDAY_COMPUTED,
    &YESTERDAY_AGE,
    &BATCH_LAST_RUN,
    &BATCH_LAST_SUCCESS,
    &STALE_DAYS,
    &detect::OPEN_ANOMALIES,
    &detect::DETECTION_BEHIND,
    &detect::DETECTION_SERIES,
    &detect::DETECTOR_PASSES,
    &detect::DETECTOR_WINDOWS,
    &detect::DETECTOR_LAST_PASS,
];
