//! Whether subscribers keep their names from day to day.
//!
//! In: rows of subscriber-days, day by day. Out: a [`Refusal`] where a day's subscribers are nearly all strangers. Another key, or another
//! epoch of it, gives everybody another pseudonym: all old names fall silent at once, which looks as if all had left.

use std::hash::BuildHasherDefault;

use chrono::{Days, NaiveDate};
use hashbrown::HashMap;
use std::collections::hash_map::DefaultHasher;

use crate::Refusal;
use crate::day::lot;
use crate::gather::Sample;

/// On a day fewer than so many of 100 subscribers met in the week before are the work of a new key. Of people's own doing it is
/// never so: even of those active one day in ten half are met again within a week.
const KNOWN_PERCENT_LEAST: u32 = 40;
/// Of fewer subscribers a day nothing is said.
const SUBSCRIBERS_LEAST: u32 = 100;
/// So far back somebody is looked for.
const DAYS_BACK: i64 = 7;

/// Watches days pass by.
#[derive(Debug)]
pub struct Continuity {
    first: NaiveDate,
    sample: Sample,
    /// The last day of each, by lot.
    last_seen: HashMap<u64, i32, BuildHasherDefault<DefaultHasher>>,
    /// Of the days from the eighth on: subscribers met, and those known before.
    days: Vec<(u32, u32)>,
}

impl Continuity {
    /// Begins with this day.
    pub fn new(first: NaiveDate, sample: Sample) -> Self {
        Continuity { first, sample, last_seen: HashMap::default(), days: Vec::new() }
    }

    /// Takes a row. Days come in order, and a subscriber once on a day.
    pub fn add(&mut self, day: NaiveDate, subscriber: &str) {
        if !self.sample.holds(subscriber) {
            return;
        }
        let number = (day - self.first).num_days();
        let today = i32::try_from(number).unwrap_or(i32::MAX);
        let before = self.last_seen.insert(lot(subscriber), today);
        let Some(index) = usize::try_from(number - DAYS_BACK).ok() else { return };
        if self.days.len() <= index {
            self.days.resize(index + 1, (0, 0));
        }
        let is_known = before.is_some_and(|last| number - i64::from(last) <= DAYS_BACK);
        self.days[index].0 += 1;
        self.days[index].1 += u32::from(is_known);
    }

    /// Whether names were kept from a day on. `needed` is how many days a forecast needs.
    ///
    /// # Errors
    /// [`Refusal::KeyEpochChanged`], with the last day of strangers.
    pub fn check(&self, from: NaiveDate, needed: u32) -> Result<(), Refusal> {
        let is_strange = |(met, known): &(u32, u32)| {
            *met >= SUBSCRIBERS_LEAST && known * 100 < met * KNOWN_PERCENT_LEAST
        };
        // Who is met in the first week may have had another name before it.
        let skipped = usize::try_from((from - self.first).num_days()).unwrap_or(0);
        let judged = self.days.get(skipped..).unwrap_or(&[]);
        let Some(index) = judged.iter().rposition(is_strange) else { return Ok(()) };
        let (met, known) = judged[index];
        let day = self.first + Days::new((skipped + index) as u64 + DAYS_BACK.unsigned_abs());
        Err(Refusal::KeyEpochChanged {
            day,
            known_percent: known * 100 / met,
            until: day + Days::new(u64::from(needed)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty days of 400 subscribers, each active on one day in three; from a day on they have other names.
    fn days(renamed_from: Option<u32>, judged_from: &str) -> Result<(), Refusal> {
        let first: NaiveDate = "2025-06-01".parse().unwrap();
        let mut continuity = Continuity::new(first, Sample::ALL);
        for day in 0..20 {
            let epoch = u32::from(renamed_from.is_some_and(|from| day >= from));
            for subscriber in (0..400_u32).filter(|subscriber| (subscriber + day).is_multiple_of(3))
            {
                let date = first + Days::new(u64::from(day));
                continuity.add(date, &format!("{epoch}-{subscriber}"));
            }
        }
        continuity.check(judged_from.parse().unwrap(), 60)
    }

    #[test]
    fn names_that_stay_are_no_matter() {
        assert_eq!(days(None, "2025-06-01"), Ok(()));
    }

    #[test]
    fn a_new_key_is_noticed_and_says_when_to_try_again() {
        // The third day with new names is the last on which nobody has been met before.
        let refused = days(Some(12), "2025-06-01").unwrap_err();
        let (day, until) = ("2025-06-15".parse().unwrap(), "2025-08-14".parse().unwrap());
        assert_eq!(refused, Refusal::KeyEpochChanged { day, known_percent: 0, until });
    }
    #[test]
    fn a_change_before_the_days_that_matter_is_no_matter() {
        assert_eq!(days(Some(12), "2025-06-13"), Ok(()));
    }
}
