//! What those who act do on top of an ordinary life, day by day: see `day` for how one is drawn.

mod day;

use event_model::MICROS_PER_SECOND;

use crate::attempt::{Around, Attempt};
use crate::curve::Rates;

/// What all actors do on the days that a slot touches.
#[derive(Clone, Debug, Default)]
pub(crate) struct CastDays {
    days: Vec<(i64, Vec<Attempt>)>,
}

impl CastDays {
    /// Hands out the attempts that begin in a slot.
    pub(crate) fn draw(
        &mut self,
        slot: &std::ops::Range<i64>,
        quarters: &[Rates],
        around: &Around<'_>,
        mut put: impl FnMut(Attempt),
    ) {
        if around.people.actors().is_empty() {
            return;
        }
        let first = &quarters[0];
        let (first_day, _) = first.local_day_and_second(slot.start);
        let (last_day, _) = first.local_day_and_second(slot.end - 1);
        // What began before midnight may follow into the next day.
        self.days.retain(|(day, _)| (first_day - 1..=last_day).contains(day));
        for day in first_day - 1..=last_day {
            if !self.days.iter().any(|(known, _)| *known == day) {
                self.days.push((day, day::of_all(day, first.offset_seconds, around)));
            }
        }
        for (_, attempts) in &self.days {
            let micros = slot.start * MICROS_PER_SECOND..slot.end * MICROS_PER_SECOND;
            let from = attempts.partition_point(|attempt| attempt.start < micros.start);
            let now = attempts[from..].iter().take_while(|attempt| attempt.start < micros.end);
            now.for_each(|attempt| put(*attempt));
        }
    }
}
