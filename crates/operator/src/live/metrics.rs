//! What a look at the pipeline is told as: names, units and help. [`super::pipeline`] sets them.

use program::Metric;

const WORKER: &[&str] = &["worker"];
const PARTITION: &[&str] = &["topic", "partition"];

pub(super) const WORKER_LAG_RECORDS: Metric = Metric::gauge(
    "streamer_max_lag_records",
    WORKER,
    "Unread or unstored records of the worst partition that the worker wrote last.",
);
pub(super) const WORKER_LAG_SECONDS: Metric = Metric::gauge(
    "streamer_max_lag_seconds",
    WORKER,
    "For how long at most the oldest such record of a partition of the worker has waited, in seconds.",
);
pub(super) const OBSERVED: Metric = Metric::gauge(
    "pipeline_observed_timestamp_seconds",
    &[],
    "When the figures named pipeline_… were looked up, in seconds since 1970.",
);
pub(super) const VERDICT: Metric = Metric::gauge(
    "pipeline_verdict",
    &["verdict"],
    "1 for the verdict of `streamer status`, 0 for the others.",
);
pub(super) const LAG_RECORDS: Metric = Metric::gauge(
    "pipeline_lag_records",
    PARTITION,
    "Records between the stored position and the end of the log, those of open transactions included.",
);
pub(super) const LAG_SECONDS: Metric = Metric::gauge(
    "pipeline_lag_seconds",
    PARTITION,
    "For how long at most the oldest unstored record has waited, in seconds.",
);
pub(super) const OPEN_TRANSACTION_RECORDS: Metric = Metric::gauge(
    "pipeline_open_transaction_records",
    PARTITION,
    "Records of the log in and behind Kafka transactions that are still open: nobody can read them before these end.",
);
pub(super) const RECORDS: Metric = Metric::counter(
    "pipeline_records_total",
    &["topic", "partition", "outcome"],
    "Offsets since the partition's first: on_time, late, dead, gap (accepted as lost), skipped. Begins anew with a topic.",
);
pub(super) const HALTED: Metric = Metric::gauge(
    "pipeline_partition_halted",
    PARTITION,
    "1: the partition waits for an operator; `streamer gaps` says why.",
);
pub(super) const WRITTEN_AGE: Metric = Metric::gauge(
    "pipeline_partition_written_age_seconds",
    PARTITION,
    "How long ago the partition's row was written, in seconds: the age of its last flush.",
);
pub(super) const WATERMARK_AGE: Metric = Metric::gauge(
    "pipeline_watermark_age_seconds",
    PARTITION,
    "How far the partition's watermark is behind the clock, in seconds.",
);
pub(super) const WATERMARK_DELAY: Metric = Metric::gauge(
    "pipeline_watermark_delay_seconds",
    &[],
    "The setting: how long a window waits for stragglers after its end, in seconds.",
);
pub(super) const COMPLETE_THROUGH: Metric = Metric::gauge(
    "pipeline_complete_through_timestamp_seconds",
    &["topic"],
    "All on-time events before this have been counted, in seconds since 1970: an estimate.",
);
pub(super) const YESTERDAY_EVENTS: Metric = Metric::gauge(
    "pipeline_yesterday_events",
    &[],
    "Events counted on time of the last business day that has ended.",
);
pub(super) const YESTERDAY_COMPUTED: Metric = Metric::gauge(
    "pipeline_yesterday_computed",
    &[],
    "1: daily_stats has rows of the last business day that has ended.",
);
pub(super) const YESTERDAY_AGE: Metric = Metric::gauge(
    "pipeline_yesterday_ended_age_seconds",
    &[],
    "How long ago the last business day ended, in seconds.",
);
pub(super) const NIGHT_ANSWERED: Metric = Metric::gauge(
    "pipeline_night_answered_timestamp_seconds",
    &["question"],
    "When the database last answered, in seconds since 1970; 0: never. `yesterday`: pipeline_yesterday_…; `runs`: pipeline_batch_… and pipeline_stale_dates. Each stays for 10 minutes.",
);
pub(super) const BATCH_LAST_RUN: Metric = Metric::gauge(
    "pipeline_batch_last_run_timestamp_seconds",
    &[],
    "When the last run of the batcher began, in seconds since 1970.",
);
pub(super) const BATCH_LAST_SUCCESS: Metric = Metric::gauge(
    "pipeline_batch_last_success_timestamp_seconds",
    &[],
    "When the last run that computed a day ended, in seconds since 1970.",
);
pub(super) const STALE_DAYS: Metric = Metric::gauge(
    "pipeline_stale_dates",
    &[],
    "Computed days whose events changed since; `batcher --stale` computes them again.",
);

pub(super) const PATTERN_GAPS: Metric = Metric::counter(
    "pipeline_pattern_gaps_total",
    &["reason"],
    "Rows of pattern_gaps, where rules may have missed something: not_judged, retention, another_log, memory, or off (by an operator).",
);

/// All of them, in the order of docs/metrics.md.
pub const METRICS: &[&Metric] = &[
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
    &NIGHT_ANSWERED,
    &BATCH_LAST_RUN,
    &BATCH_LAST_SUCCESS,
    &STALE_DAYS,
    &PATTERN_GAPS,
];
