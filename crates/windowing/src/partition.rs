//! One partition being read: each record is counted on time, counted late, or kept as a dead
//! letter, by nothing but the records before it and the stored rules (I-3).
//!
//! ```text
//!   event time →        watermark = highest event time before this record − delay
//!   ─────────────────────────┬───────────────────────────┬──────────────────────┬─────────→
//!    window_end ≤ watermark  │  window_end > watermark   │                      │ after reference
//!    late                    │  on time                  │ highest event time   │ + skew: dead
//! ```

use event_model::{Dead, EventTime, EventView, decode};

use crate::bounds::Growth;
use crate::groups::GroupNumber;
use crate::results::{CountedEvent, Numbers};
use crate::{Delta, Fingerprint, Position, Progress, Record, RecordTime, Rules, Window};

/// A partition's state as it will be once everything read so far is stored.
#[derive(Clone, Debug)]
pub struct PartitionState {
    progress: Progress,
    rules: Rules,
    numbers: Numbers,
    delta: Delta,
}

impl PartitionState {
    /// Goes on from a stored row.
    pub fn new(mut progress: Progress, rules: Rules) -> Self {
        // A shorter delay may have been set since the watermark was stored; it never goes back (I-4).
        progress.watermark = progress.watermark.max(watermark_of(progress.max_event_time, rules));
        PartitionState { progress, rules, numbers: Numbers::default(), delta: Delta::default() }
    }

    /// The same, with this done to the numbers in dead letters.
    pub(crate) fn with_numbers(self, numbers: Numbers) -> Self {
        PartitionState { numbers, ..self }
    }

    /// Forgets what was read, and goes on from this row, by the same rules.
    pub(crate) fn restarted_at(self, progress: Progress) -> Self {
        PartitionState::new(progress, self.rules).with_numbers(self.numbers)
    }

    /// Positions, counters and watermark, everything read so far included.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) fn progress_mut(&mut self) -> &mut Progress {
        &mut self.progress
    }

    /// Hands over what is not stored yet.
    pub(crate) fn take_delta(&mut self) -> Delta {
        std::mem::take(&mut self.delta)
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

        let judged = match record.payload {
            None => Err(Dead::null_payload()),
            Some(payload) => decode(payload),
        };
        match judged.and_then(|event| self.guard_future(event, record, now)) {
            Ok(event) => self.count(&event, record.time),
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

    fn count(&mut self, event: &EventView<'_>, record_time: RecordTime) -> Growth {
        let progress = &mut self.progress;
        if let Some(written_at) = record_time.instant() {
            progress.skew.note(event.event_time, written_at);
        }
        let window = Window::containing(event.event_time);
        let late = window.is_closed_at(progress.watermark);
        let group = GroupNumber::default();
        let mut counted = CountedEvent { event, window, rules: self.rules, group };
        let growth = if late {
            progress.counters.late += 1;
            self.delta.add_late(&mut counted)
        } else {
            progress.counters.on_time += 1;
            self.delta.add_on_time(&mut counted)
        };
        if progress.max_event_time < Some(event.event_time) {
            progress.max_event_time = Some(event.event_time);
            progress.watermark =
                progress.watermark.max(watermark_of(progress.max_event_time, self.rules));
        }
        growth
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
