//! What a flush's look at the ends of a partition's log says of it: overtaken by deletion, stuck, or
//! well.
//!
//! Keeps I-7: a partition from which nothing comes any more is read anew, and then halts with a
//! reason.

use event_model::EventTime;

use super::{AssignedPartition, Status};
use crate::engine::Effect;
use crate::{AwaitedEnd, Doubt, LogBreak, LogEnds, Position};

/// A partition from which nothing comes for this long, although its log goes on, is read anew.
pub const STALL_AFTER_MICROS: i64 = 10_000_000;
/// … and the third time at one offset it halts.
const STALLS_UNTIL_HALT: u32 = 3;

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
pub(in crate::engine) struct ObservedEnds {
    /// As the broker told them during the flush.
    pub(in crate::engine) ends: LogEnds,
    pub(in crate::engine) now: EventTime,
    /// A position was refused, nobody knows of which partition.
    pub(in crate::engine) reset_refused: bool,
    /// Nothing comes because reading is paused.
    pub(in crate::engine) is_paused: bool,
}

impl AssignedPartition {
    /// Doubts a log that became shorter, breaks off where deletion has overtaken us, and reads anew
    /// where nothing comes although the log goes on.
    pub(in crate::engine) fn judge_log_ends(
        &mut self,
        partition: i32,
        observed: &ObservedEnds,
        effects: &mut Vec<Effect>,
    ) {
        let ObservedEnds { ends, now, reset_refused, is_paused } = observed;
        let is_read = matches!(self.status, Status::Reading | Status::Verifying { .. });
        let Some(state) = self.state.as_ref().filter(|_| is_read) else { return };
        // The broker was asked after this position was cut, so no record that came meanwhile
        // explains an end before it.
        if self.stored.next > ends.stable {
            return self.doubt(partition, Doubt::BeyondEnd, effects);
        }
        let next = state.progress().next;
        // While the log is rewound, the position stands still, and the records before it come.
        let came_to = self.rewind.as_ref().map_or(next, |rewind| rewind.next());
        let came_since = self.stall.position != Some(came_to);
        // At the end of the log and behind an open transaction nothing comes, but for the fingerprint.
        let is_at_end = next >= ends.stable && self.status == Status::Reading;
        let expects_nothing = *is_paused || is_at_end;
        if came_since || expects_nothing {
            self.stall = Stall { position: Some(came_to), ..Stall::default() };
        }
        if expects_nothing || (came_since && !reset_refused) {
            return;
        }
        let since = *self.stall.since.get_or_insert(*now);
        if now.micros() - since.micros() < STALL_AFTER_MICROS && !reset_refused {
            return;
        }
        if next < ends.low {
            // Only when nothing comes: records that the reader already holds are not lost.
            if !came_since {
                self.break_off(partition, LogBreak::Overtaken, ends, effects);
            }
            return;
        }
        self.stall.since = None;
        self.stall.restarts += 1;
        if self.stall.restarts < STALLS_UNTIL_HALT {
            // A log that was cut and written on refuses a position too.
            return self.read_anew(partition, ends, effects);
        }
        let reason = if self.may_be_unreadable {
            unreadable(next, "on")
        } else {
            format!(
                "no record comes at offset {next} although the log goes on to {}; \
                 reading was restarted {} times",
                ends.stable,
                STALLS_UNTIL_HALT - 1
            )
        };
        self.halt(partition, reason, effects);
    }

    /// Remembers the end that the log had during the flush of this position, until it is reached.
    pub(in crate::engine) fn await_end(
        &mut self,
        flushed: Position,
        ends: &LogEnds,
        is_stored: bool,
    ) {
        if self.status != Status::Reading {
            return;
        }
        let former = self.awaited.filter(|awaited| flushed < awaited.ends.high);
        self.awaited = match former {
            Some(awaited) if is_stored => Some(AwaitedEnd { looked_at: ends.asked_at, ..awaited }),
            Some(awaited) => Some(awaited),
            None if flushed < ends.high => {
                Some(AwaitedEnd { ends: *ends, looked_at: ends.asked_at })
            }
            None => None,
        };
    }
}

/// Why a partition halts before a batch that the reader could not read.
pub(super) fn unreadable(next: Position, extent: &str) -> String {
    format!(
        "the records from offset {next} {extent} can't be read: they are damaged, or compressed in a \
         way that this program does not know"
    )
}
