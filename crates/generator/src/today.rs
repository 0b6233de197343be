//! What holds for somebody all day: asked at every event, found once.
//!
//! In: a subscriber, a local day, how to find the answer. Out: the answer. It is what would be found anew, so nothing
//! depends on who has asked before. Keeps I-6 (boundedness): a byte for each subscriber.

use std::cell::Cell;

/// What is asked of somebody's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Are they at home or in its region, and on no journey?
    IsInHomeRegion,
    /// Do they live as usual, and not less or not at all?
    LivesAsUsual,
    /// Have they left?
    IsGone,
    /// Does everybody know it?
    IsKnownToBeGone,
}

/// Remembers the answers of one day.
#[derive(Clone, Debug)]
pub(crate) struct Today {
    day: Cell<i64>,
    /// By subscriber, for each question two bits: that it was asked, and that it is so.
    answers: Vec<Cell<u8>>,
}

impl Today {
    /// For so many subscribers. None: every answer is found anew.
    pub(crate) fn of(subscribers: u32) -> Self {
        Today { day: Cell::new(i64::MIN), answers: vec![Cell::new(0); subscribers as usize] }
    }

    /// Remembers a later day from now on. An earlier one is asked for by records that are late: too few to remember both.
    pub(crate) fn turn_to(&self, day: i64) {
        if day > self.day.get() {
            self.day.set(day);
            self.answers.iter().for_each(|answer| answer.set(0));
        }
    }

    /// The answer for a subscriber on a day.
    pub(crate) fn is_so(
        &self,
        question: Question,
        subscriber: u32,
        day: i64,
        find: impl FnOnce() -> bool,
    ) -> bool {
        let remembered = self.answers.get(subscriber as usize);
        let Some(answers) = remembered.filter(|_| day == self.day.get()) else { return find() };
        let (asked, so) = (1 << (2 * question as u8), 2 << (2 * question as u8));
        if answers.get() & asked == 0 {
            answers.set(answers.get() | asked | if find() { so } else { 0 });
        }
        answers.get() & so != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Question::{IsInHomeRegion, LivesAsUsual};

    #[test]
    fn each_question_is_found_once_a_day_for_each_subscriber() {
        let today = Today::of(2);
        let found = Cell::new(0);
        let ask = |question, subscriber, day, answer| {
            today.is_so(question, subscriber, day, || {
                found.set(found.get() + 1);
                answer
            })
        };
        for day in [7, 8] {
            today.turn_to(day);
            // Every row: question, subscriber, what would be found, the answer, how often something was found.
            for (number, (question, subscriber, answer, expected, finds)) in [
                (IsInHomeRegion, 0, true, true, 1),
                (LivesAsUsual, 0, false, false, 2),
                (IsInHomeRegion, 1, false, false, 3),
                (IsInHomeRegion, 0, false, true, 3),
                (LivesAsUsual, 0, true, false, 3),
                (IsInHomeRegion, 1, true, false, 3),
            ]
            .into_iter()
            .enumerate()
            {
                assert_eq!(ask(question, subscriber, day, answer), expected, "{day}: {number}");
                assert_eq!(found.get(), finds, "{day}: {number}");
            }
            found.set(0);
        }
    }

    #[test]
    fn other_days_and_strangers_are_found_anew_and_forget_nothing() {
        let today = Today::of(1);
        today.turn_to(8);
        assert!(today.is_so(IsInHomeRegion, 0, 8, || true));
        today.turn_to(7);
        for (subscriber, day) in [(0, 7), (0, 9), (1, 8)] {
            for answer in [false, true] {
                assert_eq!(today.is_so(IsInHomeRegion, subscriber, day, || answer), answer);
            }
        }
        assert!(today.is_so(IsInHomeRegion, 0, 8, || false));
    }
}
