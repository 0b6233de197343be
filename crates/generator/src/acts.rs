//! What people do on purpose and with somebody: calls and messages with both of their sides.
//!
//! In: the rates, the people, the streams. Out: [`Act`]s with the time at which they are recorded, slot by
//! slot. A call is recorded when it ends, so what is recorded in a slot began up to a call's greatest length before;
//! and whether its line was free depends on calls that began as long before that. So a run begins to draw that
//! much earlier, and needs to know nothing else of the past:
//!
//! ```text
//!      conversations begin     calls begin             slot
//!   ───├──────────────────────├───────────────────────├────────┤──► time
//!       a train's span         twice a call's length    records
//! ```
//!
//! See `trains` for who talks with whom and when, and `lines` for who is busy.

mod lines;
mod trains;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use event_model::{Direction, EventType, MICROS_PER_SECOND};

use self::lines::Lines;
use self::trains::{TRAIN_SPAN_SECONDS, Trains};
use crate::arrivals::Shard;
use crate::curve::{RateCurve, Rates};
use crate::people::People;
use crate::places::Whereabouts;
use crate::random::Streams;
use crate::scenario::{Scenario, Towers};

/// Subscribers are numbered below; numbers of other networks from here on.
pub(crate) const OUTSIDE: u32 = 1 << 24;
/// Nobody talks so much: where events are denser than so many times the scenario's own rate, calls could not be told
/// apart, and there are no pairs.
const DENSITY_MAX: f64 = 10.0;

/// What somebody does, as one record tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActKind {
    /// He called.
    CallOut,
    /// He was called.
    CallIn,
    /// He sent a message.
    SmsOut,
    /// He got a message.
    SmsIn,
}

/// A record of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Act {
    /// What it is.
    pub kind: ActKind,
    /// The other side: a subscriber, or a number of another network.
    pub(crate) other: u32,
    /// Seconds of a call; 0: nobody answered.
    pub value: u32,
}

impl ActKind {
    pub(crate) fn event_type(self) -> EventType {
        match self {
            ActKind::CallOut | ActKind::CallIn => EventType::Call,
            ActKind::SmsOut | ActKind::SmsIn => EventType::Sms,
        }
    }

    pub(crate) fn direction(self) -> Direction {
        match self {
            ActKind::CallOut | ActKind::SmsOut => Direction::Outgoing,
            ActKind::CallIn | ActKind::SmsIn => Direction::Incoming,
        }
    }
}

impl Act {
    /// A number from 2²³ on, below 2²⁴, whose bit 8 is 0: see [`crate::arrivals::Source::code`].
    pub(crate) fn code(self) -> u32 {
        1 << 23 | (self.kind as u32) << 18 | (self.other >> 8 & 0xff) << 9 | self.other & 0xff
    }
}

/// A record that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// In microseconds since 1970.
    pub(crate) micros: i64,
    /// Of what.
    pub(crate) act: Act,
    /// Whose.
    pub(crate) subscriber: u32,
}

/// A call or message that somebody means to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Attempt {
    /// In microseconds since 1970.
    start: i64,
    from: u32,
    to: u32,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// So many seconds, if the line is free; `is_answered`: somebody picks up then.
    Call {
        seconds: u32,
        is_answered: bool,
    },
    Sms,
}

/// What all parts need to know of the world.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) people: &'a People,
    pub(crate) streams: Streams,
    pub(crate) curve: RateCurve,
}

/// The acts of all subscribers, from one slot on.
#[derive(Clone, Debug)]
pub(crate) struct Acts {
    trains: Trains,
    lines: Lines,
    slot_seconds: i64,
    /// Second up to which conversations are drawn.
    drawn_to: i64,
    /// Attempts that begin later.
    ahead: BinaryHeap<Reverse<Attempt>>,
    /// Records that are due later.
    later: BinaryHeap<Reverse<Moment>>,
}

impl Acts {
    /// The acts that are recorded from the beginning of this slot on; `None`: the scenario has none.
    pub(crate) fn from_slot(
        scenario: &Scenario,
        curve: RateCurve,
        slot_start: i64,
        slot_seconds: i64,
    ) -> Option<Self> {
        let pairs = scenario.pairs.filter(|_| are_possible(scenario, curve))?;
        let longest = scenario.model(EventType::Call).duration.as_ref().map_or(0, |d| d.at_most());
        let before = TRAIN_SPAN_SECONDS + 2 * i64::from(longest);
        Some(Acts {
            trains: Trains::new(pairs),
            lines: Lines::default(),
            slot_seconds,
            drawn_to: slot_start - (before + slot_seconds - 1) / slot_seconds * slot_seconds,
            ahead: BinaryHeap::new(),
            later: BinaryHeap::new(),
        })
    }

    /// Adds what is recorded in the slot up to this second to `out`, ordered. Slots follow each other.
    pub(crate) fn up_to(
        &mut self,
        second: i64,
        around: &Around<'_>,
        shard: Shard,
        out: &mut Vec<Moment>,
    ) {
        let mut attempts = Vec::new();
        while self.drawn_to < second {
            let slot = self.drawn_to..self.drawn_to + self.slot_seconds;
            self.drawn_to = slot.end;
            out.clear();
            attempts.clear();
            let end = slot.end * MICROS_PER_SECOND;
            let quarters = around.curve.quarters(around.scenario, &slot);
            while self.ahead.peek().is_some_and(|Reverse(first)| first.start < end) {
                attempts.extend(self.ahead.pop().map(|Reverse(first)| first));
            }
            self.trains.draw(&slot, &quarters, around, |attempt| {
                if attempt.start < end {
                    attempts.push(attempt);
                } else {
                    self.ahead.push(Reverse(attempt));
                }
            });
            attempts.sort_unstable();
            while self.later.peek().is_some_and(|Reverse(first)| first.micros < end) {
                out.extend(self.later.pop().map(|Reverse(first)| first));
            }
            for attempt in &attempts {
                let reach = reach(around, &quarters, attempt, &slot);
                self.lines.make(attempt, reach, around.people.count(), |moment| {
                    if moment.subscriber >= OUTSIDE || !shard.has(moment.subscriber) {
                        return;
                    }
                    if moment.micros < end {
                        out.push(moment);
                    } else {
                        self.later.push(Reverse(moment));
                    }
                });
            }
        }
        out.sort_unstable();
        // Twice the same record would be twice the same event.
        out.dedup();
    }
}

/// Whether people could talk as much as the curve asks for.
pub(crate) fn are_possible(scenario: &Scenario, curve: RateCurve) -> bool {
    curve.nominal_per_second() <= DENSITY_MAX * scenario.base_rate
}

/// Which of the two ends of an attempt have coverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reach {
    from: bool,
    to: bool,
}

fn reach(
    around: &Around<'_>,
    quarters: &[Rates],
    attempt: &Attempt,
    slot: &std::ops::Range<i64>,
) -> Reach {
    let Towers::Grids { grids, movement } = &around.scenario.towers else {
        return Reach { from: true, to: true };
    };
    let second = attempt.start.div_euclid(MICROS_PER_SECOND);
    let rates = crate::curve::of_quarter(quarters, slot.start, second);
    let whereabouts =
        Whereabouts { grids, movement, regions: &around.scenario.regions, streams: around.streams };
    let has_coverage = |party: u32| {
        party >= OUTSIDE || whereabouts.has_coverage(around.people, party, rates, second)
    };
    Reach { from: has_coverage(attempt.from), to: has_coverage(attempt.to) }
}
