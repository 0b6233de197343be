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

use super::rows::{PartitionStatus, PipelineStatus, RECENT_OFFSETS, TopicCompleteness};
use chrono::{DateTime, NaiveDateTime, TimeDelta};

use super::gather::{LogEnds, Observation, PartitionKey};
use super::text::span;
use crate::Exit;

/// A partition is idle when its last record was written this long before the broker was last seen
/// to have nothing left.
const IDLE_AFTER: TimeDelta = TimeDelta::minutes(1);
/// When more of a partition's latest records are refused because they lie ahead, a clock is wrong …
const REFUSED_PERCENT_MAX: i64 = 5;
/// … and fewer may be anybody's slip.
const REFUSED_MIN: i64 = 10;

/// A greater share of late events is worth a word.
const LATE_SHARE_MAX: f64 = 0.05;

/// The whole pipeline in a word, the best first: of several the last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Every partition is up to date.
    Healthy,
    /// Of some, more than a few records are refused: a clock is wrong.
    Refusing,
    /// Some are behind, and come nearer.
    CatchingUp,
    /// Some are not read although they should be.
    Stalled,
    /// Some wait for an operator.
    Halted,
    /// Kafka can't be asked.
    KafkaAway,
    /// The database can't be asked, or not used.
    DatabaseAway,
}

/// One partition in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing has been unread for long.
    UpToDate,
    /// The same, but many of its latest records were refused, because they lie too far ahead.
    Refusing,
    /// Behind, and written lately.
    CatchingUp,
    /// Behind, because a transaction that somebody else has not ended hides what follows.
    HeldUp,
    /// The broker has it, and no streamer has met it yet.
    NotTakenUp,
    /// Something is unread, and the row has not been written for long.
    Stalled,
    /// Nothing is unread, and nobody has looked for long.
    Unattended,
    /// It is read, and the database stores none of it until somebody mends something.
    Blocked,
    /// Records between the position and the oldest one kept are gone.
    Overtaken,
    /// The log ends before the position.
    BeyondEnd,
    /// The broker has no such partition.
    Missing,
    /// It waits for an operator.
    Halted,
    /// An operator has taken it out.
    Retired,
    /// Kafka could not be asked.
    Unknown,
}

/// What `streamer status` says.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    pub(crate) reason: String,
    /// What should be known beside the verdict, in sentences.
    pub(crate) remarks: Vec<String>,
    /// The database's clock; `None`: it is away.
    pub(crate) looked_at: Option<NaiveDateTime>,
    pub(crate) stalled_after: Duration,
    pub(crate) topics: Vec<TopicCompleteness>,
    pub(crate) partitions: Vec<PartitionReport>,
}

/// Where one partition stands.
#[derive(Clone, Debug)]
pub(crate) struct PartitionReport {
    pub(crate) key: PartitionKey,
    pub(crate) state: State,
    /// Why it is in this state, in words; empty where nothing is to be said.
    pub(crate) detail: String,
    /// Its row; `None`: it has none yet.
    pub(crate) stored: Option<PartitionStatus>,
    pub(crate) lag_records: Option<i64>,
    pub(crate) lag_seconds: Option<f64>,
    /// Offsets in and behind transactions that are still open.
    pub(crate) open_transaction_records: Option<i64>,
    /// Where the transaction begins that keeps anything from being read; `None`: none does.
    pub(crate) held_up_at: Option<i64>,
    pub(crate) written_seconds_ago: Option<f64>,
    pub(crate) is_idle: bool,
}

impl Verdict {
    pub(crate) const ALL: [Verdict; 7] = [
        Verdict::Healthy,
        Verdict::Refusing,
        Verdict::CatchingUp,
        Verdict::Stalled,
        Verdict::Halted,
        Verdict::KafkaAway,
        Verdict::DatabaseAway,
    ];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Verdict::Healthy => "healthy",
            Verdict::Refusing => "refusing",
            Verdict::CatchingUp => "catching_up",
            Verdict::Stalled => "stalled",
            Verdict::Halted => "halted",
            Verdict::KafkaAway => "kafka_away",
            Verdict::DatabaseAway => "database_away",
        }
    }

    pub(crate) fn exit(self) -> Exit {
        match self {
            Verdict::Healthy => Exit::Done,
            Verdict::Refusing | Verdict::CatchingUp | Verdict::Stalled | Verdict::Halted => {
                Exit::Degraded
            }
            Verdict::KafkaAway | Verdict::DatabaseAway => Exit::Down,
        }
    }
}

impl State {
    pub(crate) fn code(self) -> &'static str {
        match self {
            State::UpToDate => "up_to_date",
            State::Refusing => "refusing",
            State::CatchingUp => "catching_up",
            State::HeldUp => "held_up",
            State::NotTakenUp => "not_taken_up",
            State::Stalled => "stalled",
            State::Unattended => "unattended",
            State::Blocked => "blocked",
            State::Overtaken => "overtaken",
            State::BeyondEnd => "beyond_end",
            State::Missing => "missing",
            State::Halted => "halted",
            State::Retired => "retired",
            State::Unknown => "unknown",
        }
    }

    /// What a partition in this state makes of the whole.
    fn verdict(self) -> Verdict {
        match self {
            State::UpToDate | State::Retired => Verdict::Healthy,
            State::Refusing => Verdict::Refusing,
            State::CatchingUp | State::NotTakenUp => Verdict::CatchingUp,
            State::HeldUp
            | State::Stalled
            | State::Unattended
            | State::Blocked
            | State::Overtaken
            | State::BeyondEnd
            | State::Missing => Verdict::Stalled,
            State::Halted => Verdict::Halted,
            State::Unknown => Verdict::KafkaAway,
        }
    }
}

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

/// Much comes late: the figures that people look at miss it, and all is well otherwise.
fn remark_on_late_events(report: &PartitionReport) -> Option<String> {
    let row = report.stored.as_ref().filter(|row| !row.is_retired)?;
    let share = row.recent.late_share().filter(|share| *share > LATE_SHARE_MAX)?;
    Some(format!(
        "{} partition {}: {:.0} % of the newest events, or of their seconds, came late: they are in \
         late_metrics, not in daily_stats; `streamer late` sums them up",
        report.key.0,
        report.key.1,
        share * 100.0
    ))
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

/// The partition's latest records, as far as is looked back.
fn recent_records(row: &PartitionStatus) -> i64 {
    (row.on_time + row.late + row.dead).min(RECENT_OFFSETS)
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

fn detail(report: &PartitionReport, ends: Option<LogEnds>) -> String {
    let Some(row) = &report.stored else { return String::new() };
    let next = row.next_offset;
    let written = format!(
        "last written {} ago by {}",
        report.written_seconds_ago.map_or_else(String::new, span),
        row.owner.as_deref().unwrap_or("nobody yet"),
    );
    let unread = || {
        let age = match report.lag_seconds {
            Some(seconds) => format!("the oldest for at most {}", span(seconds)),
            None => "for how long is not known".to_owned(),
        };
        format!("{} records unread, {age}", report.lag_records.unwrap_or_default())
    };
    match (report.state, ends) {
        (State::UpToDate | State::Retired | State::Unknown | State::NotTakenUp, _) => String::new(),
        (State::Halted, _) => row.halted_reason.clone().unwrap_or_default(),
        (State::Blocked, _) => row.flush_blocked.clone().unwrap_or_default(),
        (State::Refusing, _) => format!(
            "{} of its last {} records were refused (timestamp_in_future): they lie ahead of the \
             records' times or of this host's clock, by up to {} so far; the clock of the broker, of a sender \
             or of a streamer's host is wrong",
            row.refused_lately,
            recent_records(row),
            span(row.max_ahead_ms as f64 / 1_000.0)
        ),
        (State::CatchingUp, _) => unread(),
        (State::HeldUp, _) => {
            let since = report.held_up_at.unwrap_or_default();
            format!("a Kafka transaction that is open since offset {since} holds up {}", unread())
        }
        (State::Stalled, _) => format!("{}, {written}", unread()),
        (State::Unattended, _) => format!("nothing is unread, but the row was {written}"),
        (State::Overtaken, Some(LogEnds { low, .. })) => format!(
            "offsets {next} to before {low} have been deleted from the log before they were \
             stored; {written}"
        ),
        (State::BeyondEnd, Some(LogEnds { stable, .. })) => {
            format!("the position {next} is beyond the end of the log, {stable}; {written}")
        }
        (State::Missing | State::Overtaken | State::BeyondEnd, _) => {
            format!("Kafka has no such partition, and its position is {next}; {written}")
        }
    }
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
