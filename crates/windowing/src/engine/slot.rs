//! One assigned partition of a worker, and what a flush's look at the ends of its log says of it:
//! overtaken by deletion, stuck, or well.
//!
//! Keeps I-7: a partition from which nothing comes any more is read anew, and then halts with a
//! reason; it never just stays silent.

use event_model::EventTime;

use super::Effect;
use crate::{LogEnds, PartitionState, Position, Progress};

/// A partition from which nothing comes for this long, although its log goes on, is read anew.
pub const STALL_AFTER_MICROS: i64 = 10_000_000;
/// … and the third time at one offset it halts.
const STALLS_UNTIL_HALT: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Loading,
    Reading,
    Halted,
}

/// One assigned partition.
#[derive(Debug)]
pub(super) struct Slot {
    /// Which of the assignments to this worker it is.
    pub(super) incarnation: u64,
    pub(super) status: Status,
    /// `None` while loading.
    pub(super) state: Option<PartitionState>,
    /// The row as it is in the database, should the flush under way succeed.
    pub(super) stored: Progress,
    pub(super) stall: Stall,
}

/// What is known of a partition from which nothing comes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stall {
    /// Position at the last flush's report.
    position: Option<Position>,
    /// Since when it has not moved although the log goes on.
    since: Option<EventTime>,
    /// How often it was read anew at this position.
    restarts: u32,
}

/// What is known when a partition is judged by the ends of its log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    /// As the broker told them during the flush.
    pub(super) ends: LogEnds,
    /// The clock.
    pub(super) now: EventTime,
    /// A position was refused, nobody knows of which partition.
    pub(super) reset_refused: bool,
    /// Nothing comes because reading is paused.
    pub(super) is_paused: bool,
}

impl Slot {
    /// A partition whose stored row is not known yet.
    pub(super) fn loading(incarnation: u64) -> Self {
        Slot {
            incarnation,
            status: Status::Loading,
            state: None,
            stored: Progress::starting_at(Position::at(0)),
            stall: Stall::default(),
        }
    }

    /// The flush added to its row what the broker said of the log's ends: keep it for the next one.
    pub(super) fn keep_committed(&mut self, as_stored: Progress) {
        if let Some(state) = &mut self.state {
            let live = state.progress_mut();
            live.log_end_seen = live.log_end_seen.max(as_stored.log_end_seen);
            live.caught_up_at = live.caught_up_at.max(as_stored.caught_up_at);
        }
        self.stored = as_stored;
    }

    /// Halts a partition that was overtaken by deletion or whose log became shorter, and reads one
    /// anew from which nothing comes although its log goes on. Returns whether it has halted.
    pub(super) fn judge_log_ends(
        &mut self,
        partition: i32,
        sighting: &Sighting,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Sighting { ends, now, reset_refused, is_paused } = sighting;
        let Some(state) = self.state.as_ref().filter(|_| self.status == Status::Reading) else {
            return false;
        };
        // The broker was asked after this position was cut, so no record that came meanwhile
        // explains an end before it.
        if let Some(reason) = reason_beyond_the_end(self.stored.next, ends) {
            self.halt(partition, reason, effects);
            return true;
        }
        let next = state.progress().next;
        let came_since = self.stall.position != Some(next);
        if came_since || next >= ends.high || *is_paused {
            self.stall = Stall { position: Some(next), ..Stall::default() };
        }
        if next >= ends.high || *is_paused || (came_since && !reset_refused) {
            return false;
        }
        if let Some(reason) = reason_to_halt(state.progress(), ends) {
            // Only when nothing comes: records that the reader already holds are not lost.
            if !came_since {
                self.halt(partition, reason, effects);
            }
            return !came_since;
        }
        let since = *self.stall.since.get_or_insert(*now);
        if now.micros() - since.micros() < STALL_AFTER_MICROS && !reset_refused {
            return false;
        }
        self.stall.since = None;
        self.stall.restarts += 1;
        if self.stall.restarts < STALLS_UNTIL_HALT {
            effects.push(Effect::Read { partition, from: next });
            return false;
        }
        let reason = format!(
            "no record comes at offset {next} although the log goes on to {}; \
             reading was restarted {} times",
            ends.high,
            STALLS_UNTIL_HALT - 1
        );
        self.halt(partition, reason, effects);
        true
    }

    /// Stops reading. What was read before is still good, and is stored with the reason.
    fn halt(&mut self, partition: i32, reason: String, effects: &mut Vec<Effect>) {
        self.status = Status::Halted;
        if let Some(state) = &mut self.state {
            state.progress_mut().halted_reason = Some(reason.clone());
        }
        effects.push(Effect::Halt { partition, reason });
    }
}

/// Why a partition at this position can't be read from a log with these ends.
pub(super) fn reason_to_halt(progress: &Progress, ends: &LogEnds) -> Option<String> {
    let next = progress.next;
    if !progress.is_accounted() {
        return Some(format!(
            "the stored counters do not add up to the position {next}: run `streamer verify`"
        ));
    }
    if next < ends.low {
        return Some(format!(
            "offsets {next} to {} were deleted from the log before they were read",
            ends.low.offset() - 1
        ));
    }
    reason_beyond_the_end(next, ends)
}

fn reason_beyond_the_end(position: Position, ends: &LogEnds) -> Option<String> {
    (position > ends.high).then(|| {
        format!(
            "position {position} is beyond the end of the log, {}: it was truncated or recreated",
            ends.high
        )
    })
}
