//! A partition's log, shown to rules again from a mark on: each record late, dead or on time as it was when it was counted.
//!
//! In: the marks, dead offsets and rules that are stored, and records. Out: hits, and whether what was met is what had been
//! counted. Keeps I-3: no clock and no setting of today has a say. A streamer rewinds with it (`rewind`), a backtest judges with it.

use std::borrow::Cow;

use event_model::{EventTime, EventView, LazyText};
use patterns::{Hit, Matcher, PatternEvent};

use crate::{LogMark, PatternHistory, Position, Progress, Record, Window};

/// Subscribers with longer names are seen by no rule.
const SUBSCRIBER_BYTES_MAX: usize = 200;

/// A replay under way.
#[derive(Clone, Debug)]
pub struct Replay {
    marks: Vec<LogMark>,
    /// Offsets of dead letters, ascending.
    dead: Vec<i64>,
    matcher: Matcher,
    /// The next record that is shown to the rules.
    next: Position,
    /// The mark by whose delay the record is judged, and the one at which it began.
    mark: usize,
    first_mark: usize,
    max_event_time: Option<EventTime>,
    watermark: Option<EventTime>,
    /// How many events were met, on time and late. Each record that is gone is missing in the sum, whatever the verdict on those
    /// behind it becomes.
    counted: [i64; 2],
    /// The first mark before which other numbers had been counted.
    differs_before: Option<i64>,
}

impl Replay {
    /// Begins at the last mark from `low` on that has nothing before it which is needed, events after `needed_after`; else at the
    /// first one, and the rules know that something is missing. Remembers at most `bytes_max`. `None`: there is no mark from `low` to before `position`.
    pub fn new(
        history: PatternHistory,
        low: Position,
        position: Position,
        needed_after: Option<EventTime>,
        bytes_max: usize,
    ) -> Option<Self> {
        let PatternHistory { set, judged_from, marks, dead } = history;
        let is_readable =
            |mark: &LogMark| mark.offset >= low.offset() && mark.offset < position.offset();
        let is_early_enough = |mark: &LogMark| {
            mark.max_event_time.is_none_or(|highest| Some(highest) <= needed_after)
        };
        let readable = || (0..).zip(&marks).filter(|(_, mark)| is_readable(mark));
        let found = readable().filter(|(_, mark)| is_early_enough(mark)).last();
        let (place, mark) = found.or_else(|| readable().next())?;
        let mark = *mark;
        Some(Replay {
            marks,
            dead,
            matcher: Matcher::new(set, bytes_max, judged_from, mark.max_event_time),
            next: Position::at(mark.offset),
            mark: place,
            first_mark: place,
            max_event_time: mark.max_event_time,
            watermark: mark.watermark,
            counted: [0, 0],
            differs_before: None,
        })
    }

    /// Where reading has to go on.
    pub fn next(&self) -> Position {
        self.next
    }

    /// How far event time has come.
    pub fn watermark(&self) -> Option<EventTime> {
        self.watermark
    }

    /// The rules, with what they know.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// The same, to take out what they miss, or to let go of what no window needs any more.
    pub fn matcher_mut(&mut self) -> &mut Matcher {
        &mut self.matcher
    }

    /// The same, at the end.
    pub fn into_matcher(self) -> Matcher {
        self.matcher
    }

    /// Events that were met on time.
    pub fn on_time(&self) -> i64 {
        self.counted[0]
    }

    /// The offset before which the log does not hold what was counted, as far as the marks say; `None`: it does.
    pub fn differs_before(&self) -> Option<i64> {
        self.differs_before
    }

    /// Whether all before this row's position was met as it had been counted, once it has been shown.
    pub fn is_as_counted(&self, progress: &Progress) -> bool {
        let counters = &progress.counters;
        self.counted == self.expected(counters.on_time, counters.late)
    }

    /// Goes on behind offsets that never held a record for us.
    pub fn skip_to(&mut self, position: Position) {
        self.next = self.next.max(position);
    }

    /// Whether it has to be known what stands in the record at this offset: it was not shown before, and is no dead letter.
    pub fn needs(&self, offset: i64) -> bool {
        offset >= self.next.offset() && self.dead.binary_search(&offset).is_err()
    }

    /// Shows a record; one that was shown before is ignored. Appends what it makes true to `hits`.
    pub fn read(&mut self, record: &Record<'_>, hits: &mut Vec<Hit>) {
        let event = if self.needs(record.offset) { record.event().ok() } else { None };
        self.next = self.next.max(Position::after(record.offset));
        if let Some(event) = event {
            self.count(record.offset, &event, hits);
        }
    }

    /// As `PartitionState` counted it, by the delay that was set then.
    fn count(&mut self, offset: i64, event: &EventView<'_>, hits: &mut Vec<Hit>) {
        self.pass_marks(offset);
        let delay_micros = self.marks[self.mark].watermark_delay_micros;
        let is_late = Window::containing(event.event_time).is_closed_at(self.watermark);
        self.max_event_time = self.max_event_time.max(Some(event.event_time));
        let of_highest = self.max_event_time.map(|highest| highest.plus_micros(-delay_micros));
        self.watermark = self.watermark.max(of_highest);
        self.counted[usize::from(is_late)] += 1;
        if is_late {
            return;
        }
        let view = RuleView::of(event);
        self.matcher.observe(offset, view.seen().as_ref(), self.watermark, hits);
    }

    fn pass_marks(&mut self, offset: i64) {
        while let Some(next) = self.marks.get(self.mark + 1).filter(|next| next.offset <= offset) {
            let next = *next;
            self.mark += 1;
            self.watermark = self.watermark.max(next.watermark);
            if self.counted != self.expected(next.on_time, next.late) {
                self.differs_before.get_or_insert(next.offset);
            }
        }
    }

    /// How many must have been met when so many had been counted in all.
    fn expected(&self, on_time: i64, late: i64) -> [i64; 2] {
        let first = &self.marks[self.first_mark];
        [on_time - first.on_time, late - first.late]
    }
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
