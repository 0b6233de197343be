//! One partition being read: each record is counted on time, counted late, or kept as a dead
//! letter, by nothing but the records before it and the stored rules (I-3).
//!
//! ```text
//!   event time →        watermark = highest event time before this record − delay
//!   ─────────────────────────┬───────────────────────────┬──────────────────────┬─────────→
//!    window_end ≤ watermark  │  window_end > watermark   │                      │ after reference
//!    late                    │  on time                  │ highest event time   │ + skew: dead
//! ```

use event_model::{Dead, EventTime, EventView};

use patterns::{Hit, Matcher};

use crate::bounds::Growth;
use crate::groups::GroupNumber;
use crate::replay::RuleView;
use crate::results::{CountedEvent, Numbers};
use crate::{
    Delta, Fingerprint, GapReason, LogMark, PatternGap, Position, Progress, QUARTER_MICROS, Record,
    Rules, Window, quarter_of,
};

/// A partition's state as it will be once everything read so far is stored.
#[derive(Clone, Debug)]
pub struct PartitionState {
    progress: Progress,
    rules: Rules,
    numbers: Numbers,
    delta: Delta,
    /// Of the newest mark: the quarter of an hour, and the delay.
    marked: Option<(EventTime, i64)>,
    /// `None`: rules are off.
    matcher: Option<Matcher>,
    hits: Vec<Hit>,
}

impl PartitionState {
    /// Goes on from a stored row; marks begin anew, and no rule is judged.
    pub fn new(mut progress: Progress, rules: Rules) -> Self {
        // A shorter delay may have been set since the watermark was stored; it never goes back (I-4).
        progress.watermark = progress.watermark.max(watermark_of(progress.max_event_time, rules));
        PartitionState {
            progress,
            rules,
            numbers: Numbers::default(),
            delta: Delta::default(),
            marked: None,
            matcher: None,
            hits: Vec::new(),
        }
    }

    /// The same, with this done to the numbers in dead letters.
    pub(crate) fn with_numbers(self, numbers: Numbers) -> Self {
        PartitionState { numbers, ..self }
    }

    /// The same, with this as the newest mark.
    pub(crate) fn marked_by(self, mark: Option<LogMark>) -> Self {
        let marked = mark.map(|mark| (mark.quarter_start, mark.watermark_delay_micros));
        PartitionState { marked, ..self }
    }

    /// Judges rules from here on.
    pub(crate) fn judge_by(&mut self, matcher: Matcher) {
        self.matcher = Some(matcher);
    }

    /// Keeps what rules may have missed for the next flush.
    pub(crate) fn note_gap(&mut self, gap: Option<PatternGap>) {
        self.delta.pattern_gaps.extend(gap);
    }

    /// The rules with what they know; `None`: they are off, or not ready.
    pub(crate) fn matcher(&self) -> Option<&Matcher> {
        self.matcher.as_ref()
    }

    /// The rules with what they know; nothing is judged any more.
    pub(crate) fn take_matcher(&mut self) -> Option<Matcher> {
        self.matcher.take()
    }

    /// Everything before this row's position is stored.
    pub(crate) fn release(&mut self, stored: &Progress) {
        if let Some(matcher) = &mut self.matcher {
            matcher.release(stored.next.offset(), stored.watermark);
        }
    }

    /// Forgets what was read, and goes on from this row, by the same rules.
    pub(crate) fn restarted_at(self, progress: Progress) -> Self {
        PartitionState::new(progress, self.rules).with_numbers(self.numbers)
    }

    /// Positions, counters and watermark, everything read so far included.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether somebody may act upon an alert that is not stored yet.
    pub(crate) fn holds_live_alerts(&self) -> bool {
        self.delta.alerts.has_live()
    }

    pub(crate) fn progress_mut(&mut self) -> &mut Progress {
        &mut self.progress
    }

    /// Hands over what is not stored yet. Rules were judged up to a position that moves.
    pub(crate) fn take_delta(&mut self, stored: Position) -> Delta {
        if let Some(matcher) = self.matcher.as_mut().filter(|_| self.progress.next != stored) {
            self.progress.patterns_through = Some(self.progress.next);
            let lost = matcher.take_lost();
            self.delta.pattern_gaps.extend(lost.map(|lost| PatternGap {
                from_offset: lost.from_offset,
                to_offset: None,
                complete_after: Some(lost.complete_after),
                blind_until: Some(lost.blind_until),
                reason: GapReason::Memory,
            }));
        }
        if self.progress.next == stored {
            // What would be stored without a position that moves could be stored twice (I-2).
            return Delta::default();
        }
        let next = self.delta.emptied();
        std::mem::replace(&mut self.delta, next)
    }

    /// Takes one record in. A record before the position has been counted already and is ignored.
    pub(crate) fn read(&mut self, record: &Record<'_>, now: EventTime) -> Growth {
        let progress = &mut self.progress;
        if record.offset < progress.next.offset() {
            return Growth::default();
        }
        // Offsets between are control records or were removed by compaction.
        progress.counters.skipped += record.offset - progress.next.offset();
        progress.next = Position::after(record.offset);
        let fingerprint = fingerprint_of(record);
        progress.fingerprint = Some(fingerprint);
        progress.origin.get_or_insert(fingerprint);

        match record.event().and_then(|event| self.guard_future(event, record, now)) {
            Ok(event) => self.count(&event, record),
            Err(dead) => {
                self.progress.counters.dead += 1;
                self.delta.add_dead(record, &dead, self.numbers)
            }
        }
    }

    /// Moves the position to the end of the log, over control records that no one is shown.
    pub(crate) fn skip_to(&mut self, end: Position) {
        let skipped = end.offset() - self.progress.next.offset();
        if skipped > 0 {
            self.progress.counters.skipped += skipped;
            self.progress.next = end;
        }
    }

    fn guard_future<'a>(
        &mut self,
        event: EventView<'a>,
        record: &Record<'_>,
        now: EventTime,
    ) -> Result<EventView<'a>, Dead> {
        let reference = record.time.future_reference(now);
        let latest_accepted = reference.plus_micros(self.rules.max_future_skew_micros);
        if event.event_time <= latest_accepted {
            return Ok(event);
        }
        self.progress.skew.note_refused(event.event_time, reference);
        Err(Dead::timestamp_in_future(event.event_time, latest_accepted))
    }

    fn count(&mut self, event: &EventView<'_>, record: &Record<'_>) -> Growth {
        let mark = self.next_mark(record.offset, event.event_time);
        let progress = &mut self.progress;
        if let Some(written_at) = record.time.instant() {
            progress.skew.note(event.event_time, written_at);
        }
        let window = Window::containing(event.event_time);
        let late = window.is_closed_at(progress.watermark);
        if progress.max_event_time < Some(event.event_time) {
            progress.max_event_time = Some(event.event_time);
            progress.watermark =
                progress.watermark.max(watermark_of(progress.max_event_time, self.rules));
        }
        let group = GroupNumber::default();
        let (rules, hits, set) = (self.rules, &[][..], None);
        let mut counted = CountedEvent { event, window, rules, group, mark, hits, set };
        if late {
            progress.counters.late += 1;
            return self.delta.add_late(&mut counted);
        }
        progress.counters.on_time += 1;
        if let Some(matcher) = &mut self.matcher {
            self.hits.clear();
            let view = RuleView::of(event);
            matcher.observe(
                record.offset,
                view.seen().as_ref(),
                progress.watermark,
                &mut self.hits,
            );
            (counted.hits, counted.set) = (&self.hits, Some(&**matcher.rules()));
        }
        self.delta.add_on_time(&mut counted)
    }

    /// The mark to set before this record: where a quarter of an hour begins, or another delay is set.
    fn next_mark(&mut self, offset: i64, event_time: EventTime) -> Option<LogMark> {
        let progress = &self.progress;
        let highest = progress.max_event_time.map_or(event_time, |highest| highest.max(event_time));
        let delay_micros = self.rules.watermark_delay_micros;
        // Without a division: this is asked for each event.
        let is_known = |(quarter, delay): (EventTime, i64)| {
            highest.micros() < quarter.micros() + QUARTER_MICROS && delay == delay_micros
        };
        if self.marked.is_some_and(is_known) {
            return None;
        }
        let reached = (quarter_of(highest), delay_micros);
        self.marked = Some(reached);
        Some(LogMark {
            offset,
            quarter_start: reached.0,
            max_event_time: progress.max_event_time,
            watermark: progress.watermark,
            on_time: progress.counters.on_time,
            late: progress.counters.late,
            watermark_delay_micros: reached.1,
        })
    }
}

fn watermark_of(max_event_time: Option<EventTime>, rules: Rules) -> Option<EventTime> {
    max_event_time.map(|highest| highest.plus_micros(-rules.watermark_delay_micros))
}

/// What is remembered of a record.
pub fn fingerprint_of(record: &Record<'_>) -> Fingerprint {
    let mut crc = crc32fast::Hasher::new();
    crc.update(record.key.unwrap_or_default());
    crc.update(record.payload.unwrap_or_default());
    Fingerprint {
        offset: record.offset,
        timestamp_ms: record.time.instant().map(|at| at.micros() / 1_000),
        crc: crc.finalize(),
    }
}

#[cfg(test)]
mod tests;
