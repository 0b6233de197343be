//! The verdict, and the state of every partition. Pure: what was seen goes in, a [`Report`] comes
//! out; the only clock is the database's, read together with the rows.
//!
//! ```text
//!   lag in records   end of the log − position
//!   lag in seconds   0 when nothing is unread; else clock − max(caught_up_at, last record read):
//!                    whatever is unread was written after both, so no result waits longer
//!   behind           lag in seconds > --stalled-after, or not known
//!   held up          all is read up to where a transaction that is still open begins
//!   neglected        row not written for longer than --stalled-after
//!
//!                    nothing unread    unread         behind         behind, held up
//!   written lately   up to date        up to date     catching up    held up
//!   neglected        unattended        stalled        stalled        stalled
//! ```
//!
//! A healthy streamer always holds up to a flush interval's records that are not stored yet, hence
//! the tolerance; and it writes each partition every few seconds or flushes, even an empty one (it
//! stores that it found nothing), hence `unattended`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta};

use super::gather::{LogEnds, Observation, PartitionKey};
use super::report::{PartitionReport, Report, State, Verdict};
use super::rows::{PartitionStatus, PipelineStatus};
use super::sentences::{detail, recent_records, remark_on_late_events};

/// A partition is idle when its last record was written this long before the broker was last seen
/// to have nothing left.
const IDLE_AFTER: TimeDelta = TimeDelta::minutes(1);
/// When more of a partition's latest records are refused because they lie ahead, a clock is wrong …
const REFUSED_PERCENT_MAX: i64 = 5;
/// … and fewer may be anybody's slip.
const REFUSED_MIN: i64 = 10;

/// Judges what was seen.
pub(crate) fn pipeline_report(observation: Observation, stalled_after: Duration) -> Report {
    let Observation { database, kafka } = observation;
    let status = match database {
        Ok(status) => status,
        Err(mut reason) => {
            if let Err(kafka) = kafka {
                reason = format!("{reason}; and {kafka}");
            }
            return Report {
                verdict: Verdict::DatabaseAway,
                reason,
                remarks: Vec::new(),
                looked_at: None,
                stalled_after,
                topics: Vec::new(),
                partitions: Vec::new(),
            };
        }
    };
    let PipelineStatus { now, partitions: rows, topics } = status;
    let partitions = judge_partitions(rows, kafka.as_ref().ok(), now, stalled_after);
    let (verdict, reason) = match kafka {
        Err(reason) => (Verdict::KafkaAway, reason),
        Ok(_) => summarise(&partitions),
    };
    let remarks = partitions.iter().filter_map(remark_on_late_events).collect();
    Report { verdict, reason, remarks, looked_at: Some(now), stalled_after, topics, partitions }
}

/// The stored partitions and those that only the broker has, by topic and partition.
fn judge_partitions(
    rows: Vec<PartitionStatus>,
    kafka: Option<&BTreeMap<PartitionKey, LogEnds>>,
    now: NaiveDateTime,
    stalled_after: Duration,
) -> Vec<PartitionReport> {
    let known_topics: BTreeSet<String> = rows.iter().map(|row| row.topic.clone()).collect();
    let mut reports: BTreeMap<PartitionKey, PartitionReport> = rows
        .into_iter()
        .map(|row| {
            let key = (row.topic.clone(), row.partition);
            let ends = kafka.map(|all| all.get(&key).copied());
            (key, judge_stored(row, ends, now, stalled_after))
        })
        .collect();
    for (key, ends) in kafka.into_iter().flatten() {
        reports.entry(key.clone()).or_insert_with(|| {
            let is_known = known_topics.contains(&key.0);
            judge_new(key.clone(), *ends, is_known)
        });
    }
    reports.into_values().collect()
}

/// A partition without a row. `is_known`: others of its topic have one.
fn judge_new(key: PartitionKey, ends: LogEnds, is_known: bool) -> PartitionReport {
    let (state, detail) = if is_known {
        (State::NotTakenUp, "no streamer has met this partition yet".to_owned())
    } else {
        (State::Stalled, "no streamer has read this topic yet".to_owned())
    };
    PartitionReport {
        key,
        state,
        detail,
        stored: None,
        lag_records: Some(ends.high - ends.low),
        lag_seconds: None,
        open_transaction_records: Some(ends.high - ends.stable),
        held_up_at: None,
        written_seconds_ago: None,
        is_idle: false,
    }
}

/// A partition with a row. `ends`: `None`: Kafka could not be asked; `Some(None)`: it has no such
/// partition.
fn judge_stored(
    row: PartitionStatus,
    ends: Option<Option<LogEnds>>,
    now: NaiveDateTime,
    stalled_after: Duration,
) -> PartitionReport {
    let in_log = ends.flatten().filter(|ends| row.next_offset <= ends.stable);
    let lag_records = in_log.map(|ends| ends.high - row.next_offset);
    let held_up_at = in_log
        .filter(|ends| row.next_offset == ends.stable && ends.stable < ends.high)
        .map(|ends| ends.stable);
    let lag_seconds = lag_records.and_then(|lag| lag_seconds(&row, lag, now));
    let written_seconds_ago = seconds_between(row.updated_at, now);
    let is_neglected = written_seconds_ago > stalled_after.as_secs_f64();
    let is_behind = lag_seconds.is_none_or(|seconds| seconds > stalled_after.as_secs_f64());
    let state = match (ends, lag_records) {
        _ if row.is_retired => State::Retired,
        _ if row.halted_reason.is_some() => State::Halted,
        (None, _) => State::Unknown,
        (Some(None), _) => State::Missing,
        (Some(Some(_)), None) => State::BeyondEnd,
        (Some(Some(ends)), _) if row.next_offset < ends.low => State::Overtaken,
        _ if is_blocked(&row, now, stalled_after) => State::Blocked,
        (_, Some(0)) if is_neglected => State::Unattended,
        _ if is_neglected => State::Stalled,
        _ if is_behind && held_up_at.is_some() => State::HeldUp,
        _ if is_behind => State::CatchingUp,
        _ if refuses_many(&row) => State::Refusing,
        _ => State::UpToDate,
    };
    let is_idle = matches!(state, State::UpToDate | State::Refusing)
        && lag_records == Some(0)
        && has_gone_quiet(&row);
    let mut report = PartitionReport {
        key: (row.topic.clone(), row.partition),
        state,
        detail: String::new(),
        stored: Some(row),
        lag_records,
        lag_seconds,
        open_transaction_records: ends.flatten().map(|ends| ends.high - ends.stable),
        held_up_at,
        written_seconds_ago: Some(written_seconds_ago),
        is_idle,
    };
    report.detail = detail(&report, ends.flatten());
    report
}

/// Whether somebody reads it and can't store what is read. An old word of that means that nobody tries
/// any more.
fn is_blocked(row: &PartitionStatus, now: NaiveDateTime, stalled_after: Duration) -> bool {
    let found = row.flush_blocked.as_ref().and(row.flush_blocked_at);
    found.is_some_and(|at| seconds_between(at, now) <= stalled_after.as_secs_f64())
}

fn refuses_many(row: &PartitionStatus) -> bool {
    row.refused_lately >= REFUSED_MIN
        && row.refused_lately * 100 > recent_records(row) * REFUSED_PERCENT_MAX
}

/// At most this long ago the oldest unread record was written: it came after the last record read,
/// and after the broker was last seen to have nothing left.
fn lag_seconds(row: &PartitionStatus, lag_records: i64, now: NaiveDateTime) -> Option<f64> {
    if lag_records == 0 {
        return Some(0.0);
    }
    let last_known = row.caught_up_at.max(last_record_at(row));
    last_known.map(|then| seconds_between(then, now))
}

fn last_record_at(row: &PartitionStatus) -> Option<NaiveDateTime> {
    row.last_record_ms.and_then(DateTime::from_timestamp_millis).map(|at| at.naive_utc())
}

fn has_gone_quiet(row: &PartitionStatus) -> bool {
    match (row.caught_up_at, last_record_at(row)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(caught_up), Some(last_record)) => caught_up - last_record >= IDLE_AFTER,
    }
}

/// Seconds from one moment to a later one; 0 if it is not later, as between two clocks.
fn seconds_between(earlier: NaiveDateTime, later: NaiveDateTime) -> f64 {
    let elapsed = later - earlier;
    (elapsed.num_milliseconds().max(0) as f64) / 1_000.0
}

/// The verdict over all partitions, and the one that speaks for it: of those in the worst state the
/// one with the most unread records.
fn summarise(partitions: &[PartitionReport]) -> (Verdict, String) {
    let in_service: Vec<_> = partitions.iter().filter(|p| p.state != State::Retired).collect();
    let Some(verdict) = in_service.iter().map(|p| p.state.verdict()).max() else {
        let reason = "there is nothing to read: neither does the topic exist, nor has a streamer \
                      written to this database";
        return (Verdict::Stalled, reason.to_owned());
    };
    let total = in_service.len();
    if verdict == Verdict::Healthy {
        let unread: i64 = in_service.iter().filter_map(|p| p.lag_records).sum();
        return (verdict, format!("{total} partitions, {unread} records since the last flush"));
    }
    let concerned: Vec<_> =
        in_service.iter().filter(|p| p.state.verdict() == verdict).copied().collect();
    let worst = concerned
        .iter()
        .enumerate()
        .max_by_key(|(index, p)| (p.lag_records, Reverse(*index)))
        .map(|(_, p)| format!("{} partition {}: {}", p.key.0, p.key.1, p.detail))
        .unwrap_or_default();
    (verdict, format!("{} of {total} partitions; {worst}", concerned.len()))
}

#[cfg(test)]
mod tests;
