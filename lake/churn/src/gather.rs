//! What is kept of each subscriber while days pass by: sums of four bands of days, and on which days they were active.
//!
//! In: rows of subscriber-days, in any order. Out: [`Person`]s by subscriber. Memory: 128 bytes and the name for each subscriber that was
//! active before T, however long the history is. Keeps C-1: sums and bits of days before T are apart from those of T and later.

use chrono::{Days, NaiveDate};
use indexmap::IndexMap;

use crate::day::{Deeds, MEASURES, lot};
use crate::outcome::{Ahead, Behind, OUTCOME_DAYS};

/// The windows of features, in days before T.
pub const WINDOWS: [u32; 4] = [7, 14, 30, 60];

/// How far back features look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Longest {
    /// 30 days: 93 days of history are enough.
    Days30,
    /// 60 days: 123 days of history.
    Days60,
}

impl Longest {
    /// Lengths of the windows, days, the shortest first.
    pub fn windows(self) -> &'static [u32] {
        &WINDOWS[..if self == Longest::Days30 { 3 } else { 4 }]
    }

    /// Days of the longest window.
    pub fn days(self) -> u32 {
        if self == Longest::Days30 { 30 } else { 60 }
    }
}

/// Which subscribers are looked at: one of `one_of`, by lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// 1: all of them.
    pub one_of: u64,
}

impl Sample {
    /// Everybody.
    pub const ALL: Sample = Sample { one_of: 1 };

    /// The sample by which about so many of all are looked at, at most.
    pub fn of_at_most(most: u64, all: u64) -> Self {
        Sample { one_of: all.div_ceil(most.max(1)).max(1) }
    }

    /// Whether a subscriber is in it.
    pub fn holds(self, subscriber: &str) -> bool {
        // The low bits of FNV are its weakest.
        self.one_of == 1 || (lot(subscriber) >> 20).is_multiple_of(self.one_of)
    }
}

/// What is kept of a subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Person {
    /// Sums of the bands [T-7, T), [T-14, T-7), [T-30, T-14), [T-60, T-30).
    bands: [[f32; MEASURES.len()]; WINDOWS.len()],
    /// Active days before T.
    pub behind: Behind,
    /// Active days from T on.
    pub ahead: Ahead,
}

impl Person {
    /// The sums of a window, by its index in [`WINDOWS`].
    pub fn sums(&self, window: usize) -> [f64; MEASURES.len()] {
        let mut sums = [0.0; MEASURES.len()];
        for band in &self.bands[..=window] {
            for (sum, figure) in sums.iter_mut().zip(band) {
                *sum += f64::from(*figure);
            }
        }
        sums
    }
}

/// Takes rows in, for one T.
#[derive(Debug)]
pub struct Gatherer {
    as_of: NaiveDate,
    longest: Longest,
    sample: Sample,
    people: IndexMap<Box<str>, Person>,
}

impl Gatherer {
    /// For the question of day `as_of`, with room for so many subscribers.
    pub fn new(as_of: NaiveDate, longest: Longest, sample: Sample, expected: usize) -> Self {
        Gatherer { as_of, longest, sample, people: IndexMap::with_capacity(expected) }
    }

    /// The day of the question.
    pub fn as_of(&self) -> NaiveDate {
        self.as_of
    }

    /// How far back it looks.
    pub fn longest(&self) -> Longest {
        self.longest
    }

    /// The days whose rows matter to features: from the first to the one before T.
    pub fn feature_days(&self) -> (NaiveDate, NaiveDate) {
        (self.as_of - Days::new(u64::from(self.longest.days())), self.as_of)
    }

    /// Takes a row of a subscriber-day. Rows of days that matter to nothing are passed over. Days before T come before later ones:
    /// who was never met before T is not remembered after it.
    pub fn add(&mut self, day: NaiveDate, subscriber: &str, deeds: &Deeds) {
        let n = (day - self.as_of).num_days();
        if n >= i64::from(OUTCOME_DAYS) || n < -i64::from(self.longest.days()) {
            return;
        }
        if let Ok(n) = u32::try_from(n) {
            if let Some(person) = self.people.get_mut(subscriber) {
                person.ahead.mark(n);
            }
            return;
        }
        if !self.sample.holds(subscriber) {
            return;
        }
        let person = match self.people.get_mut(subscriber) {
            Some(person) => person,
            None => self.people.entry(subscriber.into()).or_default(),
        };
        let ago = u32::try_from(-n).unwrap_or(u32::MAX);
        person.behind.mark(ago);
        let band = WINDOWS.iter().position(|window| ago <= *window).unwrap_or(WINDOWS.len() - 1);
        for (sum, figure) in person.bands[band].iter_mut().zip(deeds.figures()) {
            *sum += figure;
        }
    }

    /// The population, by subscriber in ascending order.
    pub fn into_population(mut self) -> IndexMap<Box<str>, Person> {
        self.people.retain(|_, person| person.behind.is_in_population());
        self.people.sort_unstable_keys();
        self.people
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn calls(calls: u32) -> Deeds {
        Deeds { calls, ..Deeds::default() }
    }

    #[test]
    fn a_window_holds_the_days_before_t_and_no_others() {
        let as_of = date("2025-06-01");
        let mut gatherer = Gatherer::new(as_of, Longest::Days60, Sample::ALL, 1);
        for (index, ago) in [1, 7, 8, 14, 15, 30, 31, 60, 61].into_iter().enumerate() {
            gatherer.add(as_of - Days::new(ago), "a", &calls(1 << index));
        }
        gatherer.add(as_of, "a", &calls(1 << 20));
        let person = gatherer.into_population()["a"];
        let of = |window| person.sums(window)[2];
        assert_eq!([of(0), of(1), of(2), of(3)], [3.0, 15.0, 63.0, 255.0]);
        assert!(!person.ahead.is_silent_at_once());
    }

    #[test]
    fn the_population_was_active_in_the_last_week_and_is_in_order() {
        let as_of = date("2025-06-01");
        let mut gatherer = Gatherer::new(as_of, Longest::Days30, Sample::ALL, 4);
        for (subscriber, ago) in [("c", 1), ("a", 7), ("b", 8), ("d", 31)] {
            gatherer.add(as_of - Days::new(ago), subscriber, &calls(1));
        }
        gatherer.add(as_of, "e", &calls(1));
        let people = gatherer.into_population();
        assert_eq!(people.keys().map(|name| &**name).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn a_sample_is_about_as_large_as_it_says() {
        let sample = Sample::of_at_most(1_000, 9_500);
        assert_eq!(sample.one_of, 10);
        let names = (0..20_000).map(|number| format!("{number:016x}"));
        let held = names.filter(|name| sample.holds(name)).count();
        assert!((1_800..2_200).contains(&held), "{held}");
        assert_eq!(Sample::of_at_most(1_000, 0), Sample::ALL);
    }
}
