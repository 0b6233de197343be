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

mod ahead;
mod lines;
mod trains;

use event_model::{Direction, EventType, MICROS_PER_SECOND};

use self::ahead::Ahead;
use self::lines::Lines;
use self::trains::{TRAIN_SPAN_SECONDS, Trains};
use crate::attempt::{Around, Attempt};
use crate::cast::Stay;
use crate::cast_days::CastDays;
use crate::curve::{RateCurve, Rates};
use crate::people::OUTSIDE;
use crate::places::Whereabouts;
use crate::scenario::{Scenario, Towers};
use crate::shard::Shard;

/// Nobody talks so much: where events are denser than so many times the scenario's own rate, calls could not be told
/// apart, and there are no pairs.
const DENSITY_MAX: f64 = 10.0;

/// What somebody does, as one record tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActKind {
    /// A call, as the caller's record has it.
    CallOut,
    /// A call, as the record of who was called has it.
    CallIn,
    /// They sent a message.
    SmsOut,
    /// They got a message.
    SmsIn,
    /// They topped up.
    TopUp,
    /// They, or a machine, used data.
    Session,
}

/// A record of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Act {
    /// What the subscriber whose record it is does in it.
    pub kind: ActKind,
    /// The other side: a subscriber, or a number of another network.
    pub(crate) other: u32,
    /// Seconds of a call or session, 0: nobody answered; tenge of a top-up.
    pub value: u32,
    /// Which of the scenario's frauds it belongs to, from 1 on; 0: to none.
    pub(crate) case: u16,
}

impl ActKind {
    pub(crate) fn event_type(self) -> EventType {
        match self {
            ActKind::CallOut | ActKind::CallIn => EventType::Call,
            ActKind::SmsOut | ActKind::SmsIn => EventType::Sms,
            ActKind::TopUp => EventType::BalanceRecharge,
            ActKind::Session => EventType::DataSession,
        }
    }

    /// Of what has two sides.
    pub(crate) fn direction(self) -> Option<Direction> {
        match self {
            ActKind::CallOut | ActKind::SmsOut => Some(Direction::Outgoing),
            ActKind::CallIn | ActKind::SmsIn => Some(Direction::Incoming),
            ActKind::TopUp | ActKind::Session => None,
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
    pub(crate) act: Act,
    pub(crate) subscriber: u32,
}

/// The acts of all subscribers, from one slot on.
#[derive(Clone, Debug)]
pub(crate) struct Acts {
    trains: Option<Trains>,
    cast: CastDays,
    lines: Lines,
    slot_seconds: i64,
    /// Second up to which conversations are drawn.
    drawn_to: i64,
    /// Attempts that begin later.
    ahead: Ahead<Attempt>,
    /// Records that are due later.
    later: Ahead<Moment>,
}

impl Acts {
    /// The acts that are recorded from the beginning of this slot on; `None`: the scenario has none.
    pub(crate) fn from_slot(
        scenario: &Scenario,
        curve: RateCurve,
        slot_start: i64,
        slot_seconds: i64,
    ) -> Option<Self> {
        let has_actors = !scenario.roles.is_empty() || !scenario.frauds.is_empty();
        if !are_possible(scenario, curve) || (scenario.pairs.is_none() && !has_actors) {
            return None;
        }
        let longest = scenario.model(EventType::Call).duration.as_ref().map_or(0, |d| d.at_most());
        let before = TRAIN_SPAN_SECONDS + 2 * i64::from(longest);
        Some(Acts {
            trains: scenario.pairs.map(Trains::new),
            cast: CastDays::default(),
            lines: Lines::default(),
            slot_seconds,
            drawn_to: slot_start - (before + slot_seconds - 1) / slot_seconds * slot_seconds,
            ahead: Ahead::new(),
            later: Ahead::new(),
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
        while self.drawn_to < second {
            let slot = self.drawn_to..self.drawn_to + self.slot_seconds;
            self.drawn_to = slot.end;
            let end = slot.end * MICROS_PER_SECOND;
            // How many slots after this one a later time is.
            let slots_until = |micros: i64| {
                ((micros - end) / (self.slot_seconds * MICROS_PER_SECOND) + 1) as usize
            };
            let quarters = around.curve.quarters(around.scenario, &slot);
            around.today.turn_to(quarters[0].local_day_and_second(slot.start).0);
            let mut attempts = self.ahead.next();
            if let Some(trains) = &mut self.trains {
                trains.draw(&slot, &quarters, around, |attempt| {
                    if attempt.start < end {
                        attempts.push(attempt);
                    } else {
                        self.ahead.put(slots_until(attempt.start), attempt);
                    }
                });
            }
            self.cast.draw(&slot, &quarters, around, |attempt| attempts.push(attempt));
            attempts.sort_unstable();
            *out = self.later.next();
            let mut put = |moment: Moment| {
                if moment.subscriber >= OUTSIDE || !shard.has(moment.subscriber) {
                    return;
                }
                if moment.micros < end {
                    out.push(moment);
                } else {
                    self.later.put(slots_until(moment.micros), moment);
                }
            };
            for attempt in &attempts {
                let reach = reach(around, &quarters, attempt, &slot);
                self.lines.make(attempt, reach, around.people.total(), &mut put);
            }
            self.lines.hang_up(end, &mut put);
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
    /// Whether one of them is no subscriber any more. It takes the line as if they were, so that no other call changes.
    from_is_gone: bool,
    to_is_gone: bool,
}

fn reach(
    around: &Around<'_>,
    quarters: &[Rates],
    attempt: &Attempt,
    slot: &std::ops::Range<i64>,
) -> Reach {
    let second = attempt.start.div_euclid(MICROS_PER_SECOND);
    let rates = crate::curve::of_quarter(quarters, slot.start, second);
    let people = around.people;
    let is_gone = |party: u32| {
        let (day, _) = rates.local_day_and_second(second);
        let lives = around.scenario.lives.as_ref().filter(|_| party < people.count());
        lives.is_some_and(|lives| around.fates(lives).is_gone(party, day))
    };
    // Where a clone is, its subscriber is not.
    let is_far = |party: u32| attempt.case > 0 && party == attempt.actor && party < people.count();
    let reaches = |party: u32| {
        party >= OUTSIDE || is_far(party) || has_coverage(around, party, rates, second)
    };
    Reach {
        from: reaches(attempt.from),
        to: reaches(attempt.to),
        from_is_gone: is_gone(attempt.from),
        to_is_gone: is_gone(attempt.to),
    }
}

/// Whether a subscriber is not on the way between regions.
fn has_coverage(around: &Around<'_>, subscriber: u32, rates: &Rates, second: i64) -> bool {
    let Around { scenario, people, streams, today, .. } = *around;
    let Towers::Grids { grids, movement } = &scenario.towers else { return true };
    let part = people.part(subscriber);
    if part.is_some_and(|part| part.habit(scenario).stay != Stay::Ordinary) {
        return true;
    }
    let whereabouts = Whereabouts { grids, movement, regions: &scenario.regions, streams, today };
    whereabouts.has_coverage(people, subscriber, rates, second)
}
