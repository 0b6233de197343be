//! What is stored beside a partition's row of what was read before: marks in its log, and the rules with what they are built again from.

use std::sync::Arc;

use event_model::EventTime;
use patterns::RuleSet;

/// A place in a partition's log, and what is known of the records before it. One is stored per quarter of an hour, and one where the
/// watermark delay changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogMark {
    /// The record before which it stands.
    pub offset: i64,
    /// The quarter of an hour that this record was the first to reach.
    pub quarter_start: EventTime,
    /// Highest event time accepted before it.
    pub max_event_time: Option<EventTime>,
    /// The watermark by which it was judged.
    pub watermark: Option<EventTime>,
    /// How many events before it were on time, in this generation.
    pub on_time: i64,
    /// How many events before it were late.
    pub late: i64,
    /// How far the watermark stays behind from here on.
    pub watermark_delay_micros: i64,
}

/// The rules, and what their memory is built from.
#[derive(Clone, Debug)]
pub struct PatternHistory {
    /// The rules. What was kept for others is of no use for these.
    pub set: Arc<RuleSet>,
    /// By rule: hits are made from this offset on.
    pub judged_from: Vec<i64>,
    /// Marks of this generation, by offset. Those before the last one that lies far enough back may be left out.
    pub marks: Vec<LogMark>,
    /// Offsets of this generation's dead letters from the first of these marks on, ascending.
    pub dead: Vec<i64>,
}

/// What is stored beside a partition's row of what was read before.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The newest mark.
    pub last_mark: Option<LogMark>,
    /// `None`: rules are off.
    pub patterns: Option<PatternHistory>,
}
