//! The report for programs: one line of JSON. Its fields are documented in docs/status.md; they are
//! only ever added to.

use chrono::NaiveDateTime;
use serde::Serialize;

use super::report::{PartitionReport, Report};

/// Raised when a field changes its meaning or goes.
const SCHEMA_VERSION: u32 = 1;

/// The report as programs see it.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    version: u32,
    verdict: &'static str,
    reason: &'a str,
    remarks: &'a [String],
    exit_code: u8,
    looked_at: Option<String>,
    stalled_after_seconds: f64,
    topics: Vec<Topic<'a>>,
    partitions: Vec<Partition<'a>>,
}

#[derive(Serialize)]
struct Topic<'a> {
    topic: &'a str,
    complete_through: Option<String>,
    held_back_by: i32,
}

#[derive(Serialize)]
struct Partition<'a> {
    topic: &'a str,
    partition: i32,
    state: &'static str,
    detail: &'a str,
    generation: Option<i32>,
    owner: Option<&'a str>,
    group_id: Option<&'a str>,
    next_offset: Option<i64>,
    lag_records: Option<i64>,
    lag_seconds: Option<f64>,
    open_transaction_records: Option<i64>,
    held_up_at: Option<i64>,
    idle: bool,
    watermark: Option<String>,
    complete_through: Option<String>,
    caught_up_at: Option<String>,
    written_at: Option<String>,
    written_seconds_ago: Option<f64>,
    on_time: Option<i64>,
    late: Option<i64>,
    dead: Option<i64>,
    gap: Option<i64>,
    skipped: Option<i64>,
    max_ahead_ms: Option<i64>,
    max_behind_ms: Option<i64>,
    mean_behind_ms: Option<f64>,
    recent_late_share: Option<f64>,
    refused_lately: Option<i64>,
    halted_reason: Option<&'a str>,
}

pub(super) fn line(report: &Report) -> String {
    let mut line = serde_json::to_string(&document(report))
        .expect("text, numbers and lists become JSON always");
    line.push('\n');
    line
}

/// The same, as a part of something greater.
pub(crate) fn document(report: &Report) -> Document<'_> {
    Document {
        version: SCHEMA_VERSION,
        verdict: report.verdict.code(),
        reason: &report.reason,
        remarks: &report.remarks,
        exit_code: report.verdict.exit().code(),
        looked_at: instant(report.looked_at),
        stalled_after_seconds: report.stalled_after.as_secs_f64(),
        topics: report
            .topics
            .iter()
            .map(|row| Topic {
                topic: &row.topic,
                complete_through: instant(row.complete_through),
                held_back_by: row.held_back_by,
            })
            .collect(),
        partitions: report.partitions.iter().map(partition).collect(),
    }
}

fn partition(report: &PartitionReport) -> Partition<'_> {
    let stored = report.stored.as_ref();
    Partition {
        topic: &report.key.0,
        partition: report.key.1,
        state: report.state.code(),
        detail: &report.detail,
        generation: stored.map(|row| row.generation),
        owner: stored.and_then(|row| row.owner.as_deref()),
        group_id: stored.and_then(|row| row.group_id.as_deref()),
        next_offset: stored.map(|row| row.next_offset),
        lag_records: report.lag_records,
        lag_seconds: report.lag_seconds,
        open_transaction_records: report.open_transaction_records,
        held_up_at: report.held_up_at,
        idle: report.is_idle,
        watermark: instant(stored.and_then(|row| row.watermark)),
        complete_through: instant(stored.and_then(|row| row.complete_through)),
        caught_up_at: instant(stored.and_then(|row| row.caught_up_at)),
        written_at: instant(stored.map(|row| row.updated_at)),
        written_seconds_ago: report.written_seconds_ago,
        on_time: stored.map(|row| row.on_time),
        late: stored.map(|row| row.late),
        dead: stored.map(|row| row.dead),
        gap: stored.map(|row| row.gap),
        skipped: stored.map(|row| row.skipped),
        max_ahead_ms: stored.map(|row| row.max_ahead_ms),
        max_behind_ms: stored.map(|row| row.max_behind_ms),
        mean_behind_ms: stored.and_then(|row| row.mean_behind_ms),
        recent_late_share: stored.and_then(|row| row.recent.late_share()),
        refused_lately: stored.map(|row| row.refused_lately),
        halted_reason: stored.and_then(|row| row.halted_reason.as_deref()),
    }
}

/// RFC 3339, UTC, microseconds.
pub(crate) fn instant(time: Option<NaiveDateTime>) -> Option<String> {
    time.map(|time| time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}
