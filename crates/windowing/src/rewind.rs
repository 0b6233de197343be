//! What rules remember of a partition is built again from its log: where that begins, and whether what came of it is
//! what had been counted.
//!
//! ```text
//!     mark             fingerprint's record    position
//!   ───●─────────────────────────●────────────────┼───────→ offsets
//!      │ records are shown to the rules; none     │ rules are judged
//!      │ is counted, no rule makes a hit          │
//! ```
//!
//! In: the marks, dead offsets and rules that are stored, and records. Out: a [`Matcher`], and what it does not know. Keeps
//! I-3: a record is late, or dead, as it was when it was counted. Keeps I-7: if the log is not what was read, or events are
//! missing, a [`PatternGap`] says so. docs/decisions/0012 has the reasons.

use std::sync::Arc;

use event_model::EventTime;
use patterns::{Matcher, RuleSet};

use crate::{LogEnds, PatternHistory, Position, Progress, Record, Replay};

/// An event on time may be this much older than the watermark: its minute is still open.
const OPEN_MINUTE_MICROS: i64 = 60_000_000;

/// Where rules may have missed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternGap {
    /// From this record on.
    pub from_offset: i64,
    /// Up to before this one, and no further; `None`: for as long as windows begin before `complete_after`.
    pub to_offset: Option<i64>,
    /// Events up to this time may be missing.
    pub complete_after: Option<EventTime>,
    /// From this event time on all rules are judged again.
    pub blind_until: Option<EventTime>,
    /// What kept the rules from judging.
    pub reason: GapReason,
}

impl PatternGap {
    /// The position was moved over these offsets by a program that judged no rules.
    pub fn not_judged(from_offset: i64, to_offset: i64) -> Self {
        PatternGap {
            from_offset,
            to_offset: Some(to_offset),
            complete_after: None,
            blind_until: None,
            reason: GapReason::NotJudged,
        }
    }
}

/// Why rules may have missed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// The position was moved by a program that judged no rules.
    NotJudged,
    /// The log no longer has the events that are needed.
    Retention,
    /// The log does not hold what was counted.
    AnotherLog,
    /// More events came than may be kept.
    Memory,
}

impl GapReason {
    /// The text in `pattern_gaps.reason`.
    pub const fn code(self) -> &'static str {
        match self {
            GapReason::NotJudged => "not_judged",
            GapReason::Retention => "retention",
            GapReason::AnotherLog => "another_log",
            GapReason::Memory => "memory",
        }
    }
}

/// What rules take of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleHoldings {
    /// Partitions whose log is read again, and those that wait for that; none of them counts meanwhile.
    pub rewinding: usize,
    /// Events that are remembered.
    pub events: usize,
    /// Memory that they take, roughly.
    pub bytes: usize,
}

impl RuleHoldings {
    pub(crate) fn add(&mut self, matcher: &Matcher) {
        self.events += matcher.events();
        self.bytes += matcher.bytes();
    }
}

/// A rewind under way.
#[derive(Clone, Debug)]
pub(crate) struct Rewind {
    replay: Replay,
    set: Arc<RuleSet>,
    judged_from: Vec<i64>,
    bytes_max: usize,
}

/// What a partition's rules begin with.
pub(crate) enum Beginning {
    /// There is nothing to read again.
    Ready(Box<Matcher>, Option<PatternGap>),
    /// The log is to be read again from an earlier offset.
    Rewind(Box<Rewind>),
}

/// Events up to here are in no window that is judged from this watermark on; `None`: all may be.
pub fn needed_after(watermark: Option<EventTime>, set: &RuleSet) -> Option<EventTime> {
    watermark.map(|mark| mark.plus_micros(-OPEN_MINUTE_MICROS - set.lookback_micros()))
}

/// By rule, where hits begin: never before the position.
fn judged_from(history: &PatternHistory, position: Position) -> Vec<i64> {
    history.judged_from.iter().map(|from| (*from).max(position.offset())).collect()
}

/// Decides what has to be read again for the rules of a partition with this row.
pub(crate) fn begin(
    history: PatternHistory,
    progress: &Progress,
    ends: &LogEnds,
    bytes_max: usize,
) -> Beginning {
    let needed = needed_after(progress.watermark, &history.set);
    let set = Arc::clone(&history.set);
    let judged_from = judged_from(&history, progress.next);
    let shown = PatternHistory { judged_from: judged_from.clone(), ..history };
    match Replay::new(shown, ends.low, progress.next, needed, bytes_max) {
        Some(replay) => Beginning::Rewind(Box::new(Rewind { replay, set, judged_from, bytes_max })),
        None => {
            let (matcher, gap) =
                blind((&set, judged_from), progress, bytes_max, GapReason::Retention);
            Beginning::Ready(Box::new(matcher), gap)
        }
    }
}

/// Rules that know nothing of what was read before.
fn blind(
    (set, judged_from): (&Arc<RuleSet>, Vec<i64>),
    progress: &Progress,
    bytes_max: usize,
    reason: GapReason,
) -> (Matcher, Option<PatternGap>) {
    let complete_after = progress.max_event_time;
    let gap = gap_after(complete_after, progress, set, reason);
    (Matcher::new(Arc::clone(set), bytes_max, judged_from, complete_after), gap)
}

/// What is missed at this position when events up to `complete_after` are missing; `None`: nothing.
fn gap_after(
    complete_after: Option<EventTime>,
    progress: &Progress,
    set: &RuleSet,
    reason: GapReason,
) -> Option<PatternGap> {
    let complete_after = complete_after?;
    let is_needed = needed_after(progress.watermark, set) < Some(complete_after);
    is_needed.then(|| PatternGap {
        from_offset: progress.next.offset(),
        to_offset: None,
        complete_after: Some(complete_after),
        blind_until: Some(complete_after.plus_micros(set.lookback_micros())),
        reason,
    })
}

/// What was read past without being judged.
pub(crate) fn not_judged(history: &PatternHistory, progress: &Progress) -> Option<PatternGap> {
    let first = history.judged_from.iter().min().copied()?.max(progress.first.offset());
    let through = progress.patterns_through.map_or(first, |through| through.offset().max(first));
    let next = progress.next.offset();
    (through < next).then(|| PatternGap::not_judged(through, next))
}

/// Cuts kept rules back to this row, if they were made for the same ones, and nothing is missing that is needed.
pub(crate) fn cut_back(
    mut matcher: Matcher,
    history: &PatternHistory,
    progress: &Progress,
) -> Option<Matcher> {
    let is_same = Arc::ptr_eq(matcher.rules(), &history.set) || **matcher.rules() == *history.set;
    let judged_from = judged_from(history, progress.next);
    (is_same && matcher.cut_back(progress.next.offset(), progress.watermark, &judged_from))
        .then_some(matcher)
}

impl Rewind {
    /// What it has built so far.
    pub(crate) fn matcher(&self) -> &Matcher {
        self.replay.matcher()
    }

    /// Where reading has to go on.
    pub(crate) fn next(&self) -> Position {
        self.replay.next()
    }

    /// Whether the rules have to know what stands in the record at this offset.
    pub(crate) fn needs(&self, offset: i64) -> bool {
        self.replay.needs(offset)
    }

    /// Shows a record from before the position to the rules.
    pub(crate) fn read(&mut self, record: &Record<'_>) {
        let mut hits = Vec::new();
        self.replay.read(record, &mut hits);
        debug_assert!(hits.is_empty(), "hits are made from the position on: {hits:?}");
    }

    /// All records before the position have been shown, or none will come any more. Says what came of it.
    pub(crate) fn finish(mut self, progress: &Progress) -> (Matcher, Option<PatternGap>) {
        if !self.replay.is_as_counted(progress) {
            return self.give_up(progress, GapReason::AnotherLog);
        }
        let lost = self.replay.matcher_mut().take_lost();
        let reason = if lost.is_some() { GapReason::Memory } else { GapReason::Retention };
        let matcher = self.replay.into_matcher();
        let gap = gap_after(matcher.complete_after(), progress, &self.set, reason);
        (matcher, gap)
    }

    /// The log can't be read again: the rules know nothing.
    pub(crate) fn give_up(
        self,
        progress: &Progress,
        reason: GapReason,
    ) -> (Matcher, Option<PatternGap>) {
        blind((&self.set, self.judged_from), progress, self.bytes_max, reason)
    }
}
