//! A look at the pipeline as metrics: a set of its own for each look, so that a partition which has
//! gone leaves nothing behind.

use chrono::NaiveDateTime;
use program::{Metric, Registry, seconds_since_1970 as now};

use super::figures::LiveFigures;
use super::metrics::*;
use super::night::Night;
use super::snapshot::Detection;
use crate::detect::set_anomalies;
use crate::status::{Report, Verdict};

/// Why rules may have missed something.
const PATTERN_GAP_REASONS: [&str; 5] = ["not_judged", "retention", "another_log", "memory", "off"];

/// The values of one look. `owners` are the names of this process's workers.
pub(super) fn registry(
    report: &Report,
    figures: Option<&LiveFigures>,
    night: &Night,
    detection: Option<&Detection>,
    pattern_gaps: Option<&[(String, i64)]>,
    owners: &[String],
) -> Registry {
    let registry = Registry::new();
    let set = |metric: &Metric, value: f64| {
        registry.gauge(metric).with_label_values(&[] as &[&str]).set(value);
    };
    set(&OBSERVED, now());
    let verdicts = registry.gauge(&VERDICT);
    for verdict in Verdict::ALL {
        let is_it = if verdict == report.verdict { 1.0 } else { 0.0 };
        verdicts.with_label_values(&[verdict.code()]).set(is_it);
    }
    add_partitions(&registry, report);
    add_workers(&registry, report, owners);
    if let Some(figures) = figures {
        set(&WATERMARK_DELAY, figures.settings.watermark_delay.as_secs_f64());
    }
    if let Some(detection) = detection {
        set_anomalies(&registry, &detection.open, &detection.progress);
    }
    add_night(&registry, night, now());
    if let Some(gaps) = pattern_gaps {
        add_pattern_gaps(&registry, gaps);
    }
    registry
}

/// What the night's run has left. When each question was last answered is told for ever, or nobody would notice that
/// the figures, and the alerts on them, are missing.
fn add_night(registry: &Registry, night: &Night, now: f64) {
    let set = |metric: &Metric, value: f64| {
        registry.gauge(metric).with_label_values(&[] as &[&str]).set(value);
    };
    let answered = registry.gauge(&NIGHT_ANSWERED);
    answered.with_label_values(&["yesterday"]).set(night.yesterday.answered_at());
    answered.with_label_values(&["runs"]).set(night.runs.answered_at());
    if let Some((age_seconds, yesterday)) = night.yesterday.believed(now) {
        set(&YESTERDAY_EVENTS, yesterday.events as f64);
        set(&YESTERDAY_COMPUTED, if yesterday.is_computed { 1.0 } else { 0.0 });
        set(&YESTERDAY_AGE, yesterday.ended_seconds_ago as f64 + age_seconds);
    }
    if let Some((_, Some(runs))) = night.runs.believed(now) {
        set(&STALE_DAYS, runs.stale_days as f64);
        for (metric, at) in
            [(&BATCH_LAST_RUN, runs.last_run_at), (&BATCH_LAST_SUCCESS, runs.last_success_at)]
        {
            if let Some(at) = at {
                set(metric, seconds(at));
            }
        }
    }
}

/// All reasons, those included of which there is none: what appears only with its first gap has not grown.
fn add_pattern_gaps(registry: &Registry, gaps: &[(String, i64)]) {
    let counter = registry.counter(&PATTERN_GAPS);
    for reason in PATTERN_GAP_REASONS {
        counter.with_label_values(&[reason]).inc_by(0);
    }
    for (reason, count) in gaps {
        let count = u64::try_from(*count).unwrap_or_default();
        counter.with_label_values(&[reason]).inc_by(count);
    }
}

fn add_partitions(registry: &Registry, report: &Report) {
    let lag_records = registry.gauge(&LAG_RECORDS);
    let lag_seconds = registry.gauge(&LAG_SECONDS);
    let in_transactions = registry.gauge(&OPEN_TRANSACTION_RECORDS);
    let records = registry.counter(&RECORDS);
    let halted = registry.gauge(&HALTED);
    let written = registry.gauge(&WRITTEN_AGE);
    let watermark = registry.gauge(&WATERMARK_AGE);
    for partition in &report.partitions {
        let (topic, id) = (partition.key.0.as_str(), partition.key.1.to_string());
        let labels = &[topic, id.as_str()];
        if let Some(lag) = partition.lag_records {
            lag_records.with_label_values(labels).set(lag as f64);
        }
        if let Some(lag) = partition.lag_seconds {
            lag_seconds.with_label_values(labels).set(lag);
        }
        if let Some(records) = partition.open_transaction_records {
            in_transactions.with_label_values(labels).set(records as f64);
        }
        let Some(stored) = partition.stored.as_ref().filter(|stored| !stored.is_retired) else {
            continue;
        };
        for (outcome, count) in [
            ("on_time", stored.on_time),
            ("late", stored.late),
            ("dead", stored.dead),
            ("gap", stored.gap),
            ("skipped", stored.skipped),
        ] {
            records
                .with_label_values(&[topic, id.as_str(), outcome])
                .inc_by(u64::try_from(count).unwrap_or_default());
        }
        let is_halted = if stored.halted_reason.is_some() { 1.0 } else { 0.0 };
        halted.with_label_values(labels).set(is_halted);
        if let Some(age) = partition.written_seconds_ago {
            written.with_label_values(labels).set(age);
        }
        if let (Some(at), Some(now)) = (stored.watermark, report.looked_at) {
            watermark.with_label_values(labels).set(seconds(now) - seconds(at));
        }
    }
    let complete = registry.gauge(&COMPLETE_THROUGH);
    for topic in &report.topics {
        if let Some(through) = topic.complete_through {
            complete.with_label_values(&[&topic.topic]).set(seconds(through));
        }
    }
}

/// The worst partition of each worker of this process.
fn add_workers(registry: &Registry, report: &Report, owners: &[String]) {
    let max_records = registry.gauge(&WORKER_LAG_RECORDS);
    let max_seconds = registry.gauge(&WORKER_LAG_SECONDS);
    for (index, owner) in owners.iter().enumerate() {
        let label = &[index.to_string()];
        let own = report.partitions.iter().filter(|partition| {
            let stored = partition.stored.as_ref();
            stored.is_some_and(|row| row.owner.as_deref() == Some(owner.as_str()))
        });
        let (mut records, mut waited) = (0.0, 0.0);
        for partition in own {
            records = f64::max(records, partition.lag_records.unwrap_or_default() as f64);
            waited = f64::max(waited, partition.lag_seconds.unwrap_or_default());
        }
        max_records.with_label_values(label).set(records);
        max_seconds.with_label_values(label).set(waited);
    }
}

/// Seconds since 1970.
fn seconds(at: NaiveDateTime) -> f64 {
    at.and_utc().timestamp_micros() as f64 / 1e6
}
