//! When events happen.
//!
//! In: the dice and the rate curve. Out: event times, ascending. Time is cut into slots of one
//! second, and each slot has a random stream of its own:
//!
//! ```text
//!   slot 12:00:00              slot 12:00:01              slot 12:00:02
//!   expects 2.6 → 3 events     expects 2.6 → 2 events     …
//!   |  x     |    x   | x      |      x       |   x       |
//! ```
//!
//! A slot that expects 2.6 events gets 2 or 3 of them (3 in six slots of ten), each at a random place
//! in its own equal share of the second. So the times depend on nothing but seed and curve: a run
//! that starts in the middle falls in with one that started earlier, and integer arithmetic makes
//! them the same on every machine.

use event_model::{EventTime, MICROS_PER_SECOND};

use crate::curve::RateCurve;
use crate::dice::Dice;

/// The share of one event is cut into 2²⁰ places. Then place × 10⁶ fits 64 bits up to 16 million
/// events in a slot.
const PLACE_BITS: u32 = 20;

/// Seconds for which a looked-up density holds: local hours begin on whole minutes.
const SECONDS_PER_MINUTE: i64 = 60;

/// The event times from the beginning of one slot on.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    curve: RateCurve,
    /// Density of the current minute, in events per second.
    per_second: f64,
    slot_second: i64,
    slot_size: u64,
    next_in_slot: u64,
}

impl Arrivals {
    /// The arrivals from the beginning of the slot that holds `from`, which lies after 1970.
    pub(crate) fn from_slot_of(from: EventTime, curve: RateCurve, dice: &mut Dice) -> Self {
        let slot_second = from.micros().div_euclid(MICROS_PER_SECOND);
        let per_second = curve.per_second(slot_second);
        let mut arrivals =
            Arrivals { curve, per_second, slot_second, slot_size: 0, next_in_slot: 0 };
        arrivals.open_slot(dice);
        arrivals
    }

    /// The next event time before `end`, or `None` for good. Afterwards the dice are at the draws of
    /// that event.
    pub(crate) fn next_before(&mut self, end: EventTime, dice: &mut Dice) -> Option<EventTime> {
        while self.next_in_slot == self.slot_size {
            let next_slot = EventTime::from_micros((self.slot_second + 1) * MICROS_PER_SECOND);
            if next_slot >= end {
                return None;
            }
            self.slot_second += 1;
            if self.slot_second % SECONDS_PER_MINUTE == 0 {
                self.per_second = self.curve.per_second(self.slot_second);
            }
            self.open_slot(dice);
        }
        let place = u64::from(dice.bits() >> (u32::BITS - PLACE_BITS));
        let places_before = (self.next_in_slot << PLACE_BITS) + place;
        let micros_in_slot =
            places_before * MICROS_PER_SECOND as u64 / (self.slot_size << PLACE_BITS);
        self.next_in_slot += 1;
        let slot_start = EventTime::from_micros(self.slot_second * MICROS_PER_SECOND);
        let time = slot_start.plus_micros(micros_in_slot as i64);
        (time < end).then_some(time)
    }

    fn open_slot(&mut self, dice: &mut Dice) {
        dice.open_slot(self.slot_second.unsigned_abs());
        let whole = self.per_second.floor();
        let one_more = f64::from(dice.bits()) / (f64::from(u32::MAX) + 1.0);
        let extra = u64::from(one_more < self.per_second - whole);
        self.slot_size = whole as u64 + extra;
        self.next_in_slot = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: EventTime = EventTime::from_millis(1_762_646_400_000);

    fn times(from: EventTime, end: EventTime, per_second: f64) -> Vec<i64> {
        let mut dice = Dice::for_population(3);
        let mut arrivals = Arrivals::from_slot_of(from, RateCurve::Flat { per_second }, &mut dice);
        std::iter::from_fn(|| arrivals.next_before(end, &mut dice)).map(EventTime::micros).collect()
    }

    fn after_seconds(seconds: i64) -> EventTime {
        START.plus_micros(seconds * MICROS_PER_SECOND)
    }

    #[test]
    fn times_ascend_and_lie_before_the_end() {
        for per_second in [0.01, 0.6, 2.6, 1_000.0, 250_000.5] {
            let end = after_seconds(3).plus_micros(500_000);
            let times = times(START, end, per_second);
            assert!(times.is_sorted(), "{per_second}/s");
            assert!(times.iter().all(|time| (START.micros()..end.micros()).contains(time)));
        }
    }

    #[test]
    fn the_expected_number_comes() {
        for (per_second, seconds, expected) in
            [(0.25, 40_000, 10_000), (2.6, 4_000, 10_400), (1_000.0, 3, 3_000)]
        {
            let count = times(START, after_seconds(seconds), per_second).len() as i64;
            assert!((count - expected).abs() <= expected / 50, "{per_second}/s: {count}");
        }
    }

    #[test]
    fn a_whole_rate_gives_exactly_that_many_in_every_second() {
        let times = times(START, after_seconds(20), 7.0);
        for second in 0..20 {
            let slot = after_seconds(second).micros()..after_seconds(second + 1).micros();
            assert_eq!(times.iter().filter(|time| slot.contains(time)).count(), 7);
        }
    }

    #[test]
    fn the_end_is_not_part_of_the_range() {
        let all = times(START, after_seconds(10), 5.0);
        let cut_at = EventTime::from_micros(all[17]);
        assert_eq!(times(START, cut_at, 5.0), all[..17]);
        assert_eq!(times(START, cut_at.plus_micros(1), 5.0), all[..18]);
    }
}
