//! How people come and go: subscribers who leave and whose number another gets, and those who only seem to.
//!
//! In: a subscriber and a local day. Out: what share of their usual activity is left. Nothing is carried along: a number's time
//! is cut into epochs in each of which its owner leaves once, and into seasons in each of which they may have one dip:
//!
//! ```text
//!   an epoch:   ────────────────╲ leaving ╲│ silent │──────────── the next owner ───
//!                       hidden phase ───►        ◄─── 120 to 300 days
//!   a season:   ──────│ holiday │──────────          or ──────│ slump │──────
//! ```
//!
//! Events are only taken away, by a stream of their own.

use crate::random::{Dice, Purpose, Streams, unit};
use crate::scenario::{Lives, type_index};
use crate::today::{Question, Today};
use event_model::EventType;

/// Days of an average month.
const DAYS_PER_MONTH: f64 = 365.25 / 12.0;
const DAYS_PER_YEAR: f64 = 365.25;
/// For how long a number is silent before another gets it.
const SILENT_DAYS: (i64, i64) = (120, 300);
/// Nobody leaves in the first days of an epoch, so that no two phases overlap.
const FIRST_DAYS: i64 = 90;
/// Days of which one dip at most is drawn.
const SEASON_DAYS: i64 = 91;

/// So long a number without an owner is still called.
const KNOWN_AFTER_DAYS: i64 = 7;

/// Why somebody does less than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LifeKind {
    /// They leave from one day to the next.
    Abrupt,
    /// They do less and less for weeks, and leave.
    Decay,
    /// They have another operator's SIM for some of what they do, and leave after weeks.
    SecondSim,
    /// They are away for days.
    Holiday,
    /// They do less for weeks, and recover.
    Slump,
}

impl LifeKind {
    /// As the truth writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            LifeKind::Abrupt => "abrupt",
            LifeKind::Decay => "decay",
            LifeKind::SecondSim => "second_sim",
            LifeKind::Holiday => "holiday",
            LifeKind::Slump => "slump",
        }
    }
}

/// A leave or a dip, in local days since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chapter {
    pub(crate) kind: LifeKind,
    /// When the hidden phase, or the dip, begins.
    pub(crate) phase_from: i64,
    /// The first silent day of those who leave; the first usual one after a dip.
    pub(crate) phase_to: i64,
    /// When the number has another owner.
    pub(crate) next_owner: Option<i64>,
    /// What is left of a slump's activity.
    left: f64,
}

/// Answers how much of somebody's activity is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fates<'a> {
    pub(crate) lives: &'a Lives,
    pub(crate) streams: Streams,
    pub(crate) today: &'a Today,
}

impl Fates<'_> {
    /// The share of a type's usual events that is left on a local day.
    pub(crate) fn left(&self, subscriber: u32, type_index: usize, day: i64) -> f64 {
        if self.lives_as_usual(subscriber, day) {
            return 1.0;
        }
        if self.is_gone(subscriber, day) {
            return 0.0;
        }
        let left = self.leave(subscriber, day).left(type_index, day);
        left * self.dip(subscriber, day).map_or(1.0, |dip| dip.left(type_index, day))
    }

    /// Whether the number has no owner on a local day.
    pub(crate) fn is_gone(&self, subscriber: u32, day: i64) -> bool {
        let find = || self.leave(subscriber, day).is_gone(day);
        !self.lives_as_usual(subscriber, day)
            && self.today.is_so(Question::IsGone, subscriber, day, find)
    }

    /// Whether everybody knows by this local day that the number has no owner.
    pub(crate) fn is_known_to_be_gone(&self, subscriber: u32, day: i64) -> bool {
        let find = || day - self.leave(subscriber, day).phase_to >= KNOWN_AFTER_DAYS;
        self.is_gone(subscriber, day)
            && self.today.is_so(Question::IsKnownToBeGone, subscriber, day, find)
    }

    /// Whether neither a leave nor a dip touches a local day: true of most, and then nothing else is asked.
    fn lives_as_usual(&self, subscriber: u32, day: i64) -> bool {
        self.today.is_so(Question::LivesAsUsual, subscriber, day, || {
            !self.leave(subscriber, day).touches(day)
                && self.dip(subscriber, day).is_none_or(|dip| !dip.touches(day))
        })
    }

    /// Everything that happens to somebody and touches these days.
    pub(crate) fn chapters(&self, subscriber: u32, from: i64, to: i64) -> Vec<Chapter> {
        let mut chapters: Vec<Chapter> = Vec::new();
        for day in (from..to).step_by(SEASON_DAYS as usize / 2).chain([to - 1]) {
            for chapter in [Some(self.leave(subscriber, day)), self.dip(subscriber, day)] {
                let touches = |chapter: &Chapter| {
                    chapter.phase_from < to && chapter.next_owner.unwrap_or(chapter.phase_to) > from
                };
                if let Some(chapter) = chapter.filter(touches)
                    && !chapters.contains(&chapter)
                {
                    chapters.push(chapter);
                }
            }
        }
        chapters
    }

    /// The leave of the epoch that holds this day. Everybody's begin on other days.
    fn leave(&self, subscriber: u32, day: i64) -> Chapter {
        let average_silence = (SILENT_DAYS.0 + SILENT_DAYS.1) / 2;
        let epoch_days = (DAYS_PER_MONTH / self.lives.leaving_per_month) as i64 + average_silence;
        let at = self.streams.at(0);
        let shift = (unit(at.first_bits(Purpose::Life, 0, subscriber)) * epoch_days as f64) as i64;
        let epoch = (day + shift).div_euclid(epoch_days);
        let mut dice = self.streams.at(epoch).open(Purpose::Life, 1, subscriber);
        let kind = self.kind(&mut dice);
        let silent = between(SILENT_DAYS, &mut dice);
        let after = between((FIRST_DAYS, epoch_days - silent - 1), &mut dice);
        let leave = epoch * epoch_days - shift + after;
        let phase = match kind {
            LifeKind::Decay => between((25, 60), &mut dice),
            LifeKind::SecondSim => between((30, 75), &mut dice),
            _ => 0,
        };
        Chapter {
            kind,
            phase_from: leave - phase,
            phase_to: leave,
            next_owner: Some(leave + silent),
            left: 0.0,
        }
    }

    fn kind(&self, dice: &mut Dice) -> LifeKind {
        let Lives { abrupt, decay, second_sim, .. } = *self.lives;
        match dice.weighted([abrupt, decay, second_sim].into_iter()) {
            0 => LifeKind::Abrupt,
            1 => LifeKind::Decay,
            _ => LifeKind::SecondSim,
        }
    }

    /// The dip of the season that holds this day, if there is one.
    fn dip(&self, subscriber: u32, day: i64) -> Option<Chapter> {
        let shift = i64::from(subscriber) % SEASON_DAYS;
        let season = (day + shift).div_euclid(SEASON_DAYS);
        let at = self.streams.at(season);
        let Lives { holidays_per_year, slumps_per_year, .. } = *self.lives;
        let of_season = SEASON_DAYS as f64 / DAYS_PER_YEAR;
        let drawn = unit(at.first_bits(Purpose::Life, 2, subscriber)) / of_season;
        let kind = if drawn < holidays_per_year {
            LifeKind::Holiday
        } else if drawn < holidays_per_year + slumps_per_year {
            LifeKind::Slump
        } else {
            return None;
        };
        let mut dice = at.open(Purpose::Life, 2, subscriber);
        let (days, left) = if kind == LifeKind::Holiday {
            (between((5, 16), &mut dice), 0.03)
        } else {
            (between((18, 50), &mut dice), 0.2 + 0.3 * dice.unit())
        };
        let start = season * SEASON_DAYS - shift + between((0, SEASON_DAYS - days), &mut dice);
        Some(Chapter { kind, phase_from: start, phase_to: start + days, next_owner: None, left })
    }
}

impl Chapter {
    fn is_gone(&self, day: i64) -> bool {
        self.next_owner.is_some_and(|next| (self.phase_to..next).contains(&day))
    }

    /// Whether a local day is not a usual one because of it.
    fn touches(&self, day: i64) -> bool {
        (self.phase_from..self.next_owner.unwrap_or(self.phase_to)).contains(&day)
    }

    fn left(&self, type_index: usize, day: i64) -> f64 {
        if self.is_gone(day) {
            return 0.0;
        }
        if !(self.phase_from..self.phase_to).contains(&day) {
            return 1.0;
        }
        let way = (day - self.phase_from) as f64 / (self.phase_to - self.phase_from) as f64;
        match self.kind {
            LifeKind::Abrupt => 1.0,
            LifeKind::Decay => 0.8 - 0.65 * way,
            LifeKind::SecondSim if type_index == self::type_index(EventType::Call) => 0.35,
            LifeKind::SecondSim => 0.6,
            LifeKind::Holiday | LifeKind::Slump => self.left,
        }
    }
}

/// A whole number of `least..=most`.
fn between((least, most): (i64, i64), dice: &mut Dice) -> i64 {
    least + dice.below((most - least + 1).max(1).cast_unsigned()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVES: Lives = Lives {
        leaving_per_month: 0.03,
        abrupt: 0.3,
        decay: 0.4,
        second_sim: 0.3,
        holidays_per_year: 1.5,
        slumps_per_year: 0.8,
    };
    const DAY: i64 = 20_401;

    #[test]
    fn three_of_a_hundred_leave_each_month_and_as_many_come() {
        let fates = Fates { lives: &LIVES, streams: Streams::of(1), today: &Today::of(0) };
        let is_there = |day: i64| move |subscriber: &u32| !fates.is_gone(*subscriber, day);
        let (mut there, mut left, mut came) = (0.0, 0.0, 0.0);
        for month in 0..12 {
            let (from, to) = (DAY + 30 * month, DAY + 30 * (month + 1));
            let at = |is_there: bool| f64::from(u8::from(is_there));
            for subscriber in 0..20_000 {
                let (before, after) = (is_there(from)(&subscriber), is_there(to)(&subscriber));
                there += at(before);
                left += at(before && !after);
                came += at(!before && after);
            }
        }
        let share = left / there;
        assert!((0.025..0.035).contains(&share), "{share} leave in 30 days");
        assert!((came / left - 1.0).abs() < 0.1, "{came} came, {left} left");
    }

    #[test]
    fn a_day_asked_alone_and_the_chapters_of_a_year_agree() {
        let today = Today::of(400);
        let fates = Fates { lives: &LIVES, streams: Streams::of(2), today: &today };
        let mut kinds = std::collections::BTreeSet::new();
        for subscriber in 0..400 {
            let chapters = fates.chapters(subscriber, DAY, DAY + 365);
            kinds.extend(chapters.iter().map(|chapter| chapter.kind.name()));
            for day in DAY..DAY + 365 {
                today.turn_to(day);
                let gone = chapters.iter().any(|chapter| chapter.is_gone(day));
                assert_eq!(gone, fates.is_gone(subscriber, day));
                let product: f64 = chapters.iter().map(|chapter| chapter.left(1, day)).product();
                assert!((product - fates.left(subscriber, 1, day)).abs() < 1e-12);
            }
        }
        assert_eq!(kinds.len(), 5, "{kinds:?}");
    }
}
