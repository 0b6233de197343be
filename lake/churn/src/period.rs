//! Which days are needed, and whether they are there and hold what was counted.
//!
//! In: what is known of each day. Out: the days of training, or a [`Refusal`]. Keeps C-3.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use crate::Refusal;
use crate::gather::Longest;
use crate::outcome::OUTCOME_DAYS;

/// Between two questions of a training lie so many days.
const DAYS_BETWEEN_QUESTIONS: u64 = 30;
/// As many questions a training asks at most. More history is not read.
const QUESTIONS_MAX: usize = 4;

/// Events of a day, counted twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayCount {
    /// In the rows, those that name nobody and those erased since among them.
    pub rows: u64,
    /// On time and late, in the warehouse's ledger.
    pub ledger: u64,
}

/// Days of history that a training needs.
pub fn needed(longest: Longest) -> u32 {
    OUTCOME_DAYS + longest.days()
}

/// The questions that a training as of a day asks if its history is long enough, the newest first. Their outcomes are known.
pub fn candidates(as_of: NaiveDate) -> Vec<NaiveDate> {
    let newest = as_of - Days::new(u64::from(OUTCOME_DAYS));
    (0..QUESTIONS_MAX as u64).map(|n| newest - Days::new(n * DAYS_BETWEEN_QUESTIONS)).collect()
}

/// The first day that a training as of a day can use.
pub fn earliest(as_of: NaiveDate, longest: Longest) -> NaiveDate {
    let between = (QUESTIONS_MAX as u64 - 1) * DAYS_BETWEEN_QUESTIONS;
    as_of - Days::new(u64::from(needed(longest)) + between)
}

/// The questions for which there is history without a hole, the newest first.
///
/// # Errors
/// The newest one can't be asked: a [`Refusal`] that says why.
pub fn questions(
    as_of: NaiveDate,
    longest: Longest,
    days: &BTreeMap<NaiveDate, DayCount>,
) -> Result<Vec<NaiveDate>, Refusal> {
    let from = as_of - Days::new(u64::from(needed(longest)));
    begins_by(as_of, from, OUTCOME_DAYS, longest, days)?;
    check(days, from, as_of)?;
    let is_whole = |question: &NaiveDate| {
        check(days, *question - Days::new(u64::from(longest.days())), from).is_ok()
    };
    Ok(candidates(as_of).into_iter().take_while(is_whole).collect())
}

/// Whether somebody can be scored as of a day.
///
/// # Errors
/// A [`Refusal`] that says why not.
pub fn can_score(
    as_of: NaiveDate,
    longest: Longest,
    days: &BTreeMap<NaiveDate, DayCount>,
) -> Result<(), Refusal> {
    let from = as_of - Days::new(u64::from(longest.days()));
    begins_by(as_of, from, 0, longest, days)?;
    check(days, from, as_of)
}

/// Whether there are rows of `from` or an earlier day.
fn begins_by(
    as_of: NaiveDate,
    from: NaiveDate,
    outcome: u32,
    longest: Longest,
    days: &BTreeMap<NaiveDate, DayCount>,
) -> Result<(), Refusal> {
    let first = days.first_key_value().map_or(as_of, |(first, _)| *first);
    let window = longest.days();
    if first > from {
        let needed = outcome + window;
        return Err(Refusal::HistoryTooShort { first, as_of, needed, outcome, window, from });
    }
    Ok(())
}

/// Whether every day of [from, to) is there, and its rows sum to the ledger.
///
/// # Errors
/// [`Refusal::MissingDay`] or [`Refusal::StaleDay`], of the first such day.
pub fn check(
    days: &BTreeMap<NaiveDate, DayCount>,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<(), Refusal> {
    for day in from.iter_days().take_while(|day| *day < to) {
        match days.get(&day) {
            None => return Err(Refusal::MissingDay { day }),
            Some(DayCount { rows, ledger }) if rows != ledger => {
                return Err(Refusal::StaleDay { day, rows: *rows, ledger: *ledger });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// So many days before a day, each as counted.
    fn history(as_of: NaiveDate, days: u64) -> BTreeMap<NaiveDate, DayCount> {
        let good = DayCount { rows: 7, ledger: 7 };
        (1..=days).map(|ago| (as_of - Days::new(ago), good)).collect()
    }

    #[test]
    fn a_day_less_than_outcome_and_window_is_too_short() {
        let as_of = date("2025-07-05");
        for (longest, days) in [(Longest::Days60, 123), (Longest::Days30, 93)] {
            let newest = [date("2025-05-03")];
            assert_eq!(questions(as_of, longest, &history(as_of, days)).unwrap(), newest);
            let error = questions(as_of, longest, &history(as_of, days - 1)).unwrap_err();
            assert!(
                matches!(error, Refusal::HistoryTooShort { needed, .. } if u64::from(needed) == days)
            );
            let from = (as_of - Days::new(days)).to_string();
            assert!(error.to_string().contains(&from), "{error}");
        }
        assert!(questions(as_of, Longest::Days60, &BTreeMap::new()).is_err());
    }

    #[test]
    fn more_history_gives_more_questions_to_an_end() {
        let as_of = date("2025-07-05");
        let asked = |days| questions(as_of, Longest::Days60, &history(as_of, days)).unwrap().len();
        assert_eq!([123, 152, 153, 183, 213, 1_000].map(asked), [1, 1, 2, 3, 4, 4]);
        assert_eq!(earliest(as_of, Longest::Days60), as_of - Days::new(213));
    }

    #[test]
    fn a_hole_in_older_history_costs_the_questions_behind_it() {
        let as_of = date("2025-07-05");
        let mut days = history(as_of, 213);
        days.remove(&(as_of - Days::new(150)));
        assert_eq!(questions(as_of, Longest::Days60, &days).unwrap().len(), 1);
        let day = as_of - Days::new(100);
        days.remove(&day);
        assert_eq!(questions(as_of, Longest::Days60, &days), Err(Refusal::MissingDay { day }));
    }

    #[test]
    fn scoring_needs_the_window_alone() {
        let as_of = date("2025-07-05");
        assert_eq!(can_score(as_of, Longest::Days60, &history(as_of, 60)), Ok(()));
        assert!(can_score(as_of, Longest::Days60, &history(as_of, 59)).is_err());
    }

    #[test]
    fn a_day_that_is_missing_or_does_not_sum_to_the_ledger_is_named() {
        let (from, to) = (date("2025-07-01"), date("2025-07-04"));
        let good = DayCount { rows: 7, ledger: 7 };
        let mut days: BTreeMap<_, _> = from.iter_days().take(3).map(|day| (day, good)).collect();
        assert_eq!(check(&days, from, to), Ok(()));
        let day = date("2025-07-02");
        days.insert(day, DayCount { rows: 7, ledger: 8 });
        assert_eq!(check(&days, from, to), Err(Refusal::StaleDay { day, rows: 7, ledger: 8 }));
        days.remove(&day);
        assert_eq!(check(&days, from, to), Err(Refusal::MissingDay { day }));
    }
}
