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

use std::borrow::Cow;
use std::sync::Arc;

use event_model::{EventTime, EventView, LazyText, decode};
use patterns::{Matcher, PatternEvent, RuleSet};

use crate::{LogEnds, Position, Progress, Record, Window};

/// An event on time may be this much older than the watermark: its minute is still open.
const OPEN_MINUTE_MICROS: i64 = 60_000_000;

/// Subscribers with longer names are seen by no rule.
const SUBSCRIBER_BYTES_MAX: usize = 200;

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
    /// And how many were late.
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
    /// Why.
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
    /// As it is stored.
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
    history: PatternHistory,
    bytes_max: usize,
    matcher: Matcher,
    /// The next record that is shown to the rules.
    next: Position,
    /// The mark by whose delay the record is judged.
    mark: usize,
    max_event_time: Option<EventTime>,
    watermark: Option<EventTime>,
    /// How many events were met, on time and late, and how many must be met until the position. Each record that is gone is missing in
    /// the sum, whatever the verdict on those behind it becomes.
    counted: [i64; 2],
    expected: [i64; 2],
}

/// What a partition's rules begin with.
pub(crate) enum Beginning {
    /// There is nothing to read again.
    Ready(Box<Matcher>, Option<PatternGap>),
    /// There is.
    Rewind(Box<Rewind>),
}

/// Events up to here are in no window that is judged from this watermark on; `None`: all may be.
pub fn needed_after(watermark: Option<EventTime>, set: &RuleSet) -> Option<EventTime> {
    watermark.map(|mark| mark.plus_micros(-OPEN_MINUTE_MICROS - set.lookback_micros()))
}

/// An event with the texts that rules ask for; they are unescaped for nobody else.
pub(crate) struct RuleView<'a> {
    event: &'a EventView<'a>,
    event_id: Option<Cow<'a, str>>,
    event_subtype: Option<Cow<'a, str>>,
    counterparty_id: Option<Cow<'a, str>>,
}

impl<'a> RuleView<'a> {
    pub(crate) fn of(event: &'a EventView<'a>) -> Self {
        let text = |field: Option<LazyText<'a>>| field.map(LazyText::get);
        RuleView {
            event,
            event_id: text(event.event_id),
            event_subtype: text(event.event_subtype),
            counterparty_id: text(event.counterparty_id),
        }
    }

    /// What the rules see of it; nothing, if it names nobody whose name could be stored. Numbers that an event leaves out are 0, as in all sums.
    pub(crate) fn seen(&self) -> Option<PatternEvent<'_>> {
        let event = self.event;
        let subscriber_id = event.subscriber_id.as_deref().filter(|name| is_storable(name))?;
        Some(PatternEvent {
            event_id: self.event_id.as_deref(),
            subscriber_id,
            event_type: &event.event_type,
            event_subtype: self.event_subtype.as_deref(),
            counterparty_id: self.counterparty_id.as_deref(),
            cell_tower_id: event.cell_tower_id,
            time: event.event_time,
            duration_seconds: u32::try_from(event.duration_seconds).ok(),
            amount_micro_tenge: Some(event.amount_micro_tenge),
            data_micro_mb: Some(event.data_micro_mb),
        })
    }
}

/// PostgreSQL's text can't hold U+0000, and its indexes no long texts.
fn is_storable(name: &str) -> bool {
    (1..=SUBSCRIBER_BYTES_MAX).contains(&name.len()) && !name.contains('\0')
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
    let is_readable =
        |mark: &LogMark| mark.offset >= ends.low.offset() && mark.offset < progress.next.offset();
    let is_early_enough =
        |mark: &LogMark| mark.max_event_time.is_none_or(|highest| Some(highest) <= needed);
    let readable = || (0..).zip(&history.marks).filter(|(_, mark)| is_readable(mark));
    let found = readable().filter(|(_, mark)| is_early_enough(mark)).last();
    let Some((place, mark)) = found.or_else(|| readable().next()) else {
        return blind(&history, progress, bytes_max, GapReason::Retention);
    };
    let mark = *mark;
    let judged_from = judged_from(&history, progress.next);
    let set = Arc::clone(&history.set);
    Beginning::Rewind(Box::new(Rewind {
        history,
        bytes_max,
        matcher: Matcher::new(set, bytes_max, judged_from, mark.max_event_time),
        next: Position::at(mark.offset),
        mark: place,
        max_event_time: mark.max_event_time,
        watermark: mark.watermark,
        counted: [0, 0],
        expected: [progress.counters.on_time - mark.on_time, progress.counters.late - mark.late],
    }))
}

/// Rules that know nothing of what was read before.
fn blind(
    history: &PatternHistory,
    progress: &Progress,
    bytes_max: usize,
    reason: GapReason,
) -> Beginning {
    let judged_from = judged_from(history, progress.next);
    let set = Arc::clone(&history.set);
    let complete_after = progress.max_event_time;
    let gap = gap_after(complete_after, progress, &set, reason);
    let matcher = Matcher::new(set, bytes_max, judged_from, complete_after);
    Beginning::Ready(Box::new(matcher), gap)
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
        &self.matcher
    }

    /// Where reading has to go on.
    pub(crate) fn next(&self) -> Position {
        self.next
    }

    /// Shows a record from before the position to the rules.
    pub(crate) fn read(&mut self, record: &Record<'_>) {
        if record.offset < self.next.offset() {
            return;
        }
        self.next = Position::after(record.offset);
        let is_dead = self.history.dead.binary_search(&record.offset).is_ok();
        let event = match record.payload {
            Some(payload) if !is_dead => decode(payload).ok(),
            _ => None,
        };
        if let Some(event) = event {
            self.count(record.offset, &event);
        }
    }

    /// As `PartitionState` counted it, by the delay that was set then.
    fn count(&mut self, offset: i64, event: &EventView<'_>) {
        let marks = &self.history.marks;
        while let Some(next) = marks.get(self.mark + 1).filter(|next| next.offset <= offset) {
            self.mark += 1;
            self.watermark = self.watermark.max(next.watermark);
        }
        let delay_micros = marks[self.mark].watermark_delay_micros;
        let is_late = Window::containing(event.event_time).is_closed_at(self.watermark);
        self.max_event_time = self.max_event_time.max(Some(event.event_time));
        let of_highest = self.max_event_time.map(|highest| highest.plus_micros(-delay_micros));
        self.watermark = self.watermark.max(of_highest);
        self.counted[usize::from(is_late)] += 1;
        if is_late {
            return;
        }
        let view = RuleView::of(event);
        let mut hits = Vec::new();
        self.matcher.observe(offset, view.seen().as_ref(), self.watermark, &mut hits);
        debug_assert!(hits.is_empty(), "hits are made from the position on: {hits:?}");
    }

    /// All records before the position have been shown, or none will come any more. Says what came of it.
    pub(crate) fn finish(mut self, progress: &Progress) -> (Matcher, Option<PatternGap>) {
        if self.counted != self.expected {
            return self.give_up(progress, GapReason::AnotherLog);
        }
        let lost = self.matcher.take_lost();
        let reason = if lost.is_some() { GapReason::Memory } else { GapReason::Retention };
        let complete_after = self.matcher.complete_after();
        let gap = gap_after(complete_after, progress, &self.history.set, reason);
        (self.matcher, gap)
    }

    /// The log can't be read again: the rules know nothing.
    pub(crate) fn give_up(
        self,
        progress: &Progress,
        reason: GapReason,
    ) -> (Matcher, Option<PatternGap>) {
        match blind(&self.history, progress, self.bytes_max, reason) {
            Beginning::Ready(matcher, gap) => (*matcher, gap),
            Beginning::Rewind(_) => unreachable!("who knows nothing has nothing to read"),
        }
    }
}
