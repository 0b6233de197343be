//! Who is busy: nobody is in two calls at once.
//!
//! In: attempts, by their beginnings. Out: the records that come of them. A line is taken by every call that was
//! meant to last, whether it came about or not:
//!
//! ```text
//!   A ──────[ call with B ]─────────────
//!   B ──────[             ]─────────────
//!   C ─────────[ to B: busy; was meant to take until here ]──
//!   D ──────────────────────[ to C: busy too ]──
//! ```
//!
//! D is refused although C talks to nobody. In return whether a line is free follows from the attempts of the
//! greatest length of a call before alone, and not from a chain of them that has no beginning.

use super::{Act, ActKind, Attempt, Moment, OUTSIDE, Reach, What};
use event_model::MICROS_PER_SECOND;

/// Seconds until a message is there: all that both records of it differ by.
const DELIVERY_MICROS: i64 = 1_700_000;

/// Until when each line is taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// By subscriber, in microseconds since 1970.
    taken_until: Vec<i64>,
}

impl Lines {
    /// Makes an attempt and hands out its records. None begins before the one before it.
    pub(super) fn make(
        &mut self,
        attempt: &Attempt,
        reach: Reach,
        subscribers: u32,
        mut put: impl FnMut(Moment),
    ) {
        let Attempt { start, from, to, what } = *attempt;
        let mut record = |subscriber, kind, other, value, micros| {
            put(Moment { micros, act: Act { kind, other, value }, subscriber });
        };
        match what {
            What::Sms => {
                if reach.from {
                    record(from, ActKind::SmsOut, to, 0, start);
                }
                if reach.from && reach.to {
                    record(to, ActKind::SmsIn, from, 0, start + DELIVERY_MICROS);
                }
            }
            What::Call { seconds, is_answered } => {
                self.taken_until.resize(subscribers as usize, i64::MIN);
                let end = start + i64::from(seconds) * MICROS_PER_SECOND;
                let until = if is_answered && reach.from && reach.to { end } else { i64::MIN };
                let (from_is_free, to_is_free) =
                    (self.take(from, start, until), self.take(to, start, until));
                if !reach.from || !from_is_free {
                    return;
                }
                let rings = reach.to && to_is_free;
                let (value, time) = if is_answered && rings { (seconds, end) } else { (0, start) };
                record(from, ActKind::CallOut, to, value, time);
                if rings {
                    record(to, ActKind::CallIn, from, value, time);
                }
            }
        }
    }

    /// Whether a line is free at this moment; it is taken from now on.
    fn take(&mut self, party: u32, now: i64, until: i64) -> bool {
        if party >= OUTSIDE {
            return true;
        }
        let taken_until = &mut self.taken_until[party as usize];
        let is_free = *taken_until <= now;
        *taken_until = until.max(*taken_until);
        is_free
    }
}
