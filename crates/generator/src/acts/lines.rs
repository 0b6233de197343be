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
//!
//! A call of a later [`Layer`] ends when one of an earlier layer begins on either line, so that the earlier one need
//! not know of it.

use std::collections::HashMap;

use event_model::MICROS_PER_SECOND;

use super::{Act, ActKind, Moment, Reach};
use crate::attempt::{Attempt, Layer, What};
use crate::people::OUTSIDE;

/// Until a message is there: all that both records of it differ by.
const DELIVERY_MICROS: i64 = 1_700_000;
/// Layers after the first.
const LATER_LAYERS: usize = 3;

/// Until when each line is taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// By subscriber, in microseconds since 1970: by calls of the first layer.
    taken_until: Vec<i64>,
    /// By calls of the layers after it.
    later_until: HashMap<u32, [i64; LATER_LAYERS]>,
    /// Calls of later layers that are under way, by a number of their own.
    under_way: HashMap<u64, Call>,
    /// Which of these a subscriber was in last.
    on_line: HashMap<u32, u64>,
    calls: u64,
}

/// A call that was answered.
#[derive(Clone, Copy, Debug)]
struct Call {
    attempt: Attempt,
    end: i64,
}

impl Lines {
    /// Makes an attempt and hands out its records. None begins before the one before it.
    pub(super) fn make(
        &mut self,
        attempt: &Attempt,
        reach: Reach,
        subscribers: u32,
        put: &mut impl FnMut(Moment),
    ) {
        let Attempt { start, from, to, what, is_phantom, .. } = *attempt;
        match what {
            What::Call { seconds, is_answered } => {
                self.taken_until.resize(subscribers as usize, i64::MIN);
                self.call(attempt, seconds, is_answered, reach, put);
            }
            _ if is_phantom || !reach.from || reach.from_is_gone => {}
            What::Sms => {
                put(record(attempt, from, ActKind::SmsOut, 0, start));
                if reach.to && !reach.to_is_gone {
                    put(record(attempt, to, ActKind::SmsIn, 0, start + DELIVERY_MICROS));
                }
            }
            What::TopUp { tenge } => put(record(attempt, from, ActKind::TopUp, tenge, start)),
            What::Session { seconds } => {
                put(record(attempt, from, ActKind::Session, seconds, start))
            }
        }
    }

    fn call(
        &mut self,
        attempt: &Attempt,
        seconds: u32,
        is_answered: bool,
        reach: Reach,
        put: &mut impl FnMut(Moment),
    ) {
        let Attempt { start, layer, from, to, is_phantom, .. } = *attempt;
        let end = start + i64::from(seconds) * MICROS_PER_SECOND;
        let until = if is_answered && reach.from && reach.to { end } else { i64::MIN };
        let (from_is_free, to_is_free) =
            (self.take(from, start, until, layer), self.take(to, start, until, layer));
        if is_phantom || !reach.from || reach.from_is_gone || !from_is_free {
            return;
        }
        let rings = reach.to && !reach.to_is_gone && to_is_free;
        self.interrupt(from, start, layer);
        if rings {
            self.interrupt(to, start, layer);
        }
        if !(is_answered && rings) {
            put(record(attempt, from, ActKind::CallOut, 0, start));
            if rings {
                put(record(attempt, to, ActKind::CallIn, 0, start));
            }
            return;
        }
        let call = Call { attempt: *attempt, end };
        if layer == Layer::Ordinary {
            call.put(put);
            return;
        }
        self.calls += 1;
        self.under_way.insert(self.calls, call);
        for party in [from, to].into_iter().filter(|party| *party < OUTSIDE) {
            self.on_line.insert(party, self.calls);
        }
    }

    /// Hands out the calls of later layers that end before this time: nothing can interrupt them any more.
    pub(super) fn hang_up(&mut self, end: i64, put: &mut impl FnMut(Moment)) {
        self.under_way.retain(|_, call| {
            let is_over = call.end < end;
            if is_over {
                call.put(put);
            }
            !is_over
        });
        let under_way = &self.under_way;
        self.on_line.retain(|_, call| under_way.contains_key(call));
        self.later_until.retain(|_, until| until.iter().any(|until| *until > end));
    }

    /// Whether a line is free at this moment for a call of this layer; it is taken from now on.
    fn take(&mut self, party: u32, now: i64, until: i64, layer: Layer) -> bool {
        if party >= OUTSIDE {
            return true;
        }
        let ordinary = &mut self.taken_until[party as usize];
        let mut is_free = *ordinary <= now;
        match (layer as usize).checked_sub(1) {
            None => *ordinary = until.max(*ordinary),
            Some(index) => {
                let later = self.later_until.entry(party).or_insert([i64::MIN; LATER_LAYERS]);
                is_free &= later[..=index].iter().all(|until| *until <= now);
                later[index] = until.max(later[index]);
            }
        }
        is_free
    }

    /// Ends what this line is in, if that belongs to a layer after this one.
    fn interrupt(&mut self, party: u32, now: i64, layer: Layer) {
        let call = self.on_line.get(&party).and_then(|call| self.under_way.get_mut(call));
        if let Some(call) = call
            && call.attempt.layer > layer
            && call.end > now
        {
            let seconds = (now - call.attempt.start) / MICROS_PER_SECOND;
            call.end = call.attempt.start + seconds * MICROS_PER_SECOND;
        }
    }
}

impl Call {
    fn put(&self, put: &mut impl FnMut(Moment)) {
        let Attempt { start, from, to, .. } = self.attempt;
        let seconds = ((self.end - start) / MICROS_PER_SECOND) as u32;
        put(record(&self.attempt, from, ActKind::CallOut, seconds, self.end));
        put(record(&self.attempt, to, ActKind::CallIn, seconds, self.end));
    }
}

/// What an attempt leaves with one of its two sides. Only the actor's own record belongs to the case.
fn record(attempt: &Attempt, subscriber: u32, kind: ActKind, value: u32, micros: i64) -> Moment {
    let Attempt { from, to, actor, case, .. } = *attempt;
    let other = if subscriber == from { to } else { from };
    let case = if subscriber == actor { case } else { 0 };
    Moment { micros, act: Act { kind, other, value, case }, subscriber }
}
