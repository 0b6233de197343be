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

use crate::{
    DeadLetter, Groups, Position, Progress, Record, RecordTime, Rules, Subscribers, Window, Witness,
};

/// What a partition's records have added since its last flush.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    /// To add to `real_time_metrics`.
    pub on_time: Groups,
    /// To add to `late_metrics`.
    pub late: Groups,
    /// To merge into `subscriber_sketches`: of the events on time.
    pub subscribers: Subscribers,
    /// To add to `dead_letters`, by offset.
    pub dead_letters: Vec<DeadLetter>,
}

/// How much memory one record has added to a [`Delta`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) groups: usize,
    pub(crate) subscriber_bytes: usize,
    pub(crate) dead_letters: usize,
    pub(crate) dead_letter_bytes: usize,
}

impl Delta {
    fn add_on_time(&mut self, event: &EventView<'_>, rules: Rules) -> Growth {
        let Delta { on_time, subscribers, .. } = self;
        let bytes_before = subscribers.bytes();
        let added = on_time.add_placed_event(event, |window| {
            subscribers.place_of(window, event, rules.business_timezone)
        });
        subscribers.add_event(added.place, event);
        let subscriber_bytes = subscribers.bytes() - bytes_before;
        Growth { groups: usize::from(added.is_new), subscriber_bytes, ..Growth::default() }
    }

    fn add_late(&mut self, event: &EventView<'_>) -> Growth {
        Growth { groups: usize::from(self.late.add_event(event)), ..Growth::default() }
    }
}

/// A partition's state as it will be once everything read so far is stored.
#[derive(Clone, Debug)]
pub struct PartitionState {
    progress: Progress,
    rules: Rules,
    delta: Delta,
}

impl PartitionState {
    /// Goes on from a stored row.
    pub fn new(mut progress: Progress, rules: Rules) -> Self {
        // A shorter delay may have been set since the watermark was stored; it never goes back (I-4).
        progress.watermark = progress.watermark.max(watermark_of(progress.max_event_time, rules));
        PartitionState { progress, rules, delta: Delta::default() }
    }

    /// Forgets what was read, and goes on from this row, by the same rules.
    pub(crate) fn restarted_at(self, progress: Progress) -> Self {
        PartitionState::new(progress, self.rules)
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
        let witness = witness_of(record);
        progress.witness = Some(witness);
        progress.origin.get_or_insert(witness);

        let judged = match record.payload {
            None => Err(Dead::null_payload()),
            Some(payload) => decode(payload),
        };
        match judged.and_then(|event| self.guard_future(event, record, now)) {
            Ok(event) => self.count(&event, record.time),
            Err(dead) => self.bury(record, dead),
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
        let late = Window::containing(event.event_time).is_closed_at(progress.watermark);
        let growth = if late {
            progress.counters.late += 1;
            self.delta.add_late(event)
        } else {
            progress.counters.on_time += 1;
            self.delta.add_on_time(event, self.rules)
        };
        if progress.max_event_time < Some(event.event_time) {
            progress.max_event_time = Some(event.event_time);
            progress.watermark =
                progress.watermark.max(watermark_of(progress.max_event_time, self.rules));
        }
        growth
    }

    fn bury(&mut self, record: &Record<'_>, dead: Dead) -> Growth {
        self.progress.counters.dead += 1;
        let letter = DeadLetter {
            offset: record.offset,
            reason: dead.reason.code(),
            detail: dead.detail,
            record_time: record.time.instant(),
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.map(<[u8]>::to_vec),
            headers: (record.headers)(),
        };
        let dead_letter_bytes = letter.bytes();
        self.delta.dead_letters.push(letter);
        Growth { dead_letters: 1, dead_letter_bytes, ..Growth::default() }
    }
}

fn watermark_of(max_event_time: Option<EventTime>, rules: Rules) -> Option<EventTime> {
    max_event_time.map(|highest| highest.plus_micros(-rules.watermark_delay_micros))
}

/// What is remembered of a record.
pub fn witness_of(record: &Record<'_>) -> Witness {
    let mut crc = crc32fast::Hasher::new();
    crc.update(record.key.unwrap_or_default());
    crc.update(record.payload.unwrap_or_default());
    Witness {
        offset: record.offset,
        timestamp_ms: record.time.instant().map(|at| at.micros() / 1_000),
        crc: crc.finalize(),
    }
}

#[cfg(test)]
mod tests;
