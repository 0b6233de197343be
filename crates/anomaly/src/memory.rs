//! What the detector has learned of one series: its level, its waves, how it scatters, and how far its
//! usual extremes reach.
//!
//! In: one judged window after the other, as a [`Lesson`]. Out: [`Memory`], some numbers that can be stored.
//! A detector that is started again goes on from it as if it had never stopped.

use serde::{Deserialize, Serialize};

use crate::calendar::DetectionWindow;
use crate::learning::{DayPattern, Scale, Tail, Waves};
use crate::statistics::distance;

/// What fewer events are expected of is too small to judge: a fall can't be told from chance, and a rise
/// must be one that would be unusual for a series of this size.
pub const EVENTS_MIN: f64 = 12.0;
const DAY: i64 = 24 * 60 / crate::calendar::WINDOW_MINUTES;
/// So many windows together are looked at most: an hour.
pub const TOGETHER_MAX: i64 = 12;
/// The logarithm of the level moves by so much in a window at most: threefold in three days.
const LEVEL_STEP: f64 = 1.1 / (3 * DAY) as f64;
/// The deviation, as a logarithm, that moves the level by a whole step.
const LEVEL_WHOLE: f64 = 0.2;
/// What is further off is an outage or a fault, not a level: eightfold.
const LEVEL_MOST: f64 = 2.079;
/// The levels of so many days are kept: more than the former weeks that are compared.
const LEVEL_DAYS: usize = 44;
/// Series of which less is expected in a window teach nothing in it.
const LESSON_EVENTS: f64 = 0.5;
/// A window of which so many events are expected moves the level half as much as a large one …
const LEVEL_EVENTS: f64 = 10.0;
/// … and a scale.
const SCALE_EVENTS: f64 = 20.0;
/// How far a window moves a scale when much has been learned. Neighbouring scores of what lasts are nearly the
/// same event: if it moved further, half a day of a storm would triple the scale, and hide the storm's end and
/// the next one.
const JUMP_STEP: f64 = 0.006;
const LASTING_STEP: f64 = 0.003;
/// A window that differs by more standard deviations of one window than this moves a wave no further.
const WAVE_DEVIATIONS: f64 = 2.0;
/// Waves are believed up to so many times the usual variation.
const WAVE_VARIATIONS: f64 = 2.0;

/// How much one window says of whether a series follows the clock, as a logarithm; how much must be said;
/// and how much is kept, so that it can be unlearned.
const CLOCK_STEP: f64 = 0.2;
const CLOCK_DECIDED: f64 = 4.0;
const CLOCK_MOST: f64 = 12.0;

/// What was learned of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Windows that it was learned from.
    pub learned: u32,
    /// The newest of those: each teaches once, also if a detector is put back and judges it again.
    learned_through: Option<DetectionWindow>,
    /// The logarithm of the level, relative to where learning began.
    level: f64,
    /// The number of a day since 1970, UTC, and the level at its end; the oldest first.
    levels: Vec<(i64, f32)>,
    waves: Waves,
    /// Variation of a window around its expectation without waves.
    variation: Scale,
    /// Variation of a window around its expectation with waves, all day long …
    of_jumps: Scale,
    /// … and when in the day it is more or less.
    #[serde(default)]
    day_of_jumps: DayPattern,
    /// Variation of some windows together around their expectation without waves, all day long …
    pub(crate) of_lasting: Scale,
    /// … and when in the day it is more or less.
    #[serde(default)]
    day_of_lasting: DayPattern,
    /// Scores of jumps: upwards, downwards.
    pub(crate) jumps: [Tail; 2],
    /// Scores of what lasts: upwards, downwards.
    pub(crate) lasting: [Tail; 2],
    /// Evidence that the series follows the clock where clocks are changed; negative: that it doesn't.
    clock: f64,
    /// The last windows, the newest last.
    recent: Vec<Recent>,
}

/// A window that was judged lately.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Recent {
    window: DetectionWindow,
    observed: f64,
    expected: f64,
    #[serde(default)]
    granted: f64,
    jump: f64,
}

/// What some windows together had, in events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Together {
    pub(crate) observed: f64,
    pub(crate) expected: f64,
    /// What the country's factor may have made of errors of the baseline.
    pub(crate) granted: f64,
}

/// What is compared with what by one test, and the score of it in standard deviations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Events that came.
    pub observed: f64,
    /// Events that were expected.
    pub expected: f64,
    /// Standard deviations above; negative: below.
    pub deviations: f64,
}

/// One window that is learned from.
#[derive(Clone, Copy, Debug)]
pub struct Lesson {
    /// The five minutes that it is about.
    pub window: DetectionWindow,
    /// Events that came.
    pub observed: f64,
    /// Events expected, waves left out.
    pub expected: f64,
    /// What is expected by the clock, and by what doesn't follow it, where that differs.
    pub readings: Option<[f64; 2]>,
    /// The window against how the series has been doing lately; `None`: too small.
    pub jump: Option<Comparison>,
    /// Some windows against what is usual; `None`: too small.
    pub lasting: Option<Comparison>,
    /// What the country's factor may have made of an error of the baseline.
    pub granted: f64,
    /// Whether the series is unusual now: extremes and waves learn nothing.
    pub is_unusual: bool,
    /// Whether it jumped: waves learn nothing.
    pub is_jump: bool,
    /// Holidays teach nothing but how the series is doing.
    pub is_holiday: bool,
    /// The share of the local day that is over.
    pub time: f64,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            learned: 0,
            learned_through: None,
            level: 0.0,
            levels: Vec::new(),
            waves: Waves::default(),
            variation: Scale::new(0.15),
            of_jumps: Scale::new(0.1),
            day_of_jumps: DayPattern::default(),
            of_lasting: Scale::new(0.15),
            day_of_lasting: DayPattern::default(),
            jumps: [Tail::default(); 2],
            lasting: [Tail::default(); 2],
            clock: 0.0,
            recent: Vec::new(),
        }
    }
}

fn day(window: DetectionWindow) -> i64 {
    window.since(DetectionWindow::number(0)).div_euclid(DAY)
}

impl Memory {
    /// How many times as high the level is now as it was in a former window.
    pub fn growth_since(&self, then: DetectionWindow) -> f64 {
        let at = self.levels.partition_point(|(known, _)| *known < day(then));
        let level = self.levels.get(at).map_or(self.level, |(_, level)| f64::from(*level));
        (self.level - level).exp()
    }

    /// How many times what is usual at this hour is to be reckoned with, as things have been lately.
    pub fn wave(&self) -> f64 {
        let most = WAVE_VARIATIONS * self.variation.variation();
        self.waves.forecast().clamp(-most, most).exp()
    }

    /// Variation around what is expected with waves, at this time of the day.
    pub(crate) fn of_jumps_at(&self, time: f64) -> Scale {
        self.day_of_jumps.at(time, self.of_jumps)
    }

    /// Variation of some windows together around what is usual, at this time of the day.
    pub(crate) fn of_lasting_at(&self, time: f64) -> Scale {
        self.day_of_lasting.at(time, self.of_lasting)
    }

    /// Whether the series follows the clock where clocks are changed; `None`: that is not known yet.
    pub(crate) fn follows_clock(&self) -> Option<bool> {
        (self.clock.abs() >= CLOCK_DECIDED).then_some(self.clock > 0.0)
    }

    /// The last window that was noted.
    pub fn last(&self) -> Option<DetectionWindow> {
        self.recent.last().map(|one| one.window)
    }

    /// The windows before one that were judged, the newest first.
    pub(crate) fn before(&self, window: DetectionWindow) -> impl Iterator<Item = Together> {
        let recent = self
            .recent
            .iter()
            .rev()
            .filter(move |one| (1..TOGETHER_MAX).contains(&window.since(one.window)));
        recent.map(|one| Together {
            observed: one.observed,
            expected: one.expected,
            granted: one.granted,
        })
    }

    /// What two of the three last windows reach, in a direction's sign: the second of their scores.
    pub(crate) fn second_of_three(&self, window: DetectionWindow, score: f64, sign: f64) -> f64 {
        let mut all = [sign * score, 0.0, 0.0];
        for one in &self.recent {
            let age = window.since(one.window);
            if (1..=2).contains(&age) {
                all[age as usize] = sign * one.jump;
            }
        }
        all.sort_by(f64::total_cmp);
        all[1]
    }

    /// Learns from the next window.
    pub fn learn(&mut self, lesson: &Lesson) {
        let jump = lesson.jump.map_or(0.0, |jump| jump.deviations);
        let second = [1.0, -1.0].map(|sign| self.second_of_three(lesson.window, jump, sign));
        let missed = self.last().map_or(0, |last| lesson.window.since(last) - 1);
        self.note(lesson, jump);
        let is_known = self.learned_through.is_some_and(|newest| lesson.window <= newest);
        if is_known || lesson.expected < LESSON_EVENTS {
            return;
        }
        self.learned_through = Some(lesson.window);
        let ratio = ((lesson.observed + 1.0) / (lesson.expected + 1.0)).ln();
        self.waves.fade(missed);
        self.learn_waves(lesson, ratio);
        // A holiday tells how things are now, and nothing of other days.
        if lesson.is_holiday {
            return;
        }
        self.learned = self.learned.saturating_add(1);
        self.learn_level(lesson, ratio);
        self.learn_clock(lesson);
        self.learn_scales(lesson);
        if !lesson.is_unusual {
            self.learn_extremes(lesson, second);
        }
    }

    fn note(&mut self, lesson: &Lesson, jump: f64) {
        let Lesson { window, observed, expected, granted, .. } = *lesson;
        // Of a detector that was put back, what it noted later is void.
        self.recent.retain(|one| (1..TOGETHER_MAX).contains(&window.since(one.window)));
        self.recent.push(Recent { window, observed, expected, granted, jump });
    }

    fn learn_waves(&mut self, lesson: &Lesson, ratio: f64) {
        if lesson.is_unusual || lesson.is_jump {
            self.waves.fade(1);
            return;
        }
        let reliable = lesson.expected / (lesson.expected + self.variation.variation().powi(-2));
        let variance = self.of_jumps.variation().powi(2) + 1.0 / lesson.expected.max(1.0);
        self.waves.learn(ratio, reliable, WAVE_DEVIATIONS * variance.sqrt());
    }

    fn learn_clock(&mut self, lesson: &Lesson) {
        let Some(readings) = lesson.readings.filter(|_| !lesson.is_unusual) else { return };
        let off = |expected: f64| ((lesson.observed + 1.0) / (expected + 1.0)).ln().abs();
        let [by_clock, unclocked] = readings.map(off);
        let step = (unclocked - by_clock).clamp(-CLOCK_STEP, CLOCK_STEP);
        self.clock = (self.clock + step).clamp(-CLOCK_MOST, CLOCK_MOST);
    }

    fn learn_level(&mut self, lesson: &Lesson, ratio: f64) {
        if ratio.abs() < LEVEL_MOST {
            let weight = lesson.expected / (lesson.expected + LEVEL_EVENTS);
            self.level += LEVEL_STEP * weight * (ratio / LEVEL_WHOLE).clamp(-1.0, 1.0);
        }
        let today = day(lesson.window);
        self.levels.retain(|(day, _)| *day <= today);
        match self.levels.last_mut() {
            Some((last, level)) if *last == today => *level = self.level as f32,
            _ => self.levels.push((today, self.level as f32)),
        }
        if self.levels.len() > LEVEL_DAYS {
            self.levels.remove(0);
        }
    }

    fn learn_scales(&mut self, lesson: &Lesson) {
        let Lesson { observed, expected, jump, lasting, time, .. } = *lesson;
        let weight = expected / (expected + SCALE_EVENTS);
        let learned = self.learned;
        let score = distance(observed, expected, self.variation.variation());
        self.variation.learn(score, learned, weight, LASTING_STEP);
        if let Some(jump) = jump {
            let score = jump.deviations_by(self.of_jumps_at(time));
            self.of_jumps.learn(score, learned, weight, JUMP_STEP);
            self.day_of_jumps.learn(score, time, weight);
        }
        if let Some(lasting) = lasting {
            let score = lasting.deviations_by(self.of_lasting_at(time));
            self.of_lasting.learn(score, learned, weight, LASTING_STEP);
            self.day_of_lasting.learn(score, time, weight);
        }
    }

    fn learn_extremes(&mut self, lesson: &Lesson, second: [f64; 2]) {
        let learned = self.learned;
        if lesson.jump.is_some() {
            for (tail, score) in self.jumps.iter_mut().zip(second) {
                tail.learn(score, learned);
            }
        }
        if let Some(lasting) = lesson.lasting {
            for (tail, sign) in self.lasting.iter_mut().zip([1.0, -1.0]) {
                tail.learn(sign * lasting.deviations, learned);
            }
        }
    }
}

impl Comparison {
    /// Compares on a scale; `None`: too few events are expected.
    pub(crate) fn of(observed: f64, expected: f64, scale: Scale) -> Option<Self> {
        let deviations = distance(observed, expected, scale.variation());
        (expected >= EVENTS_MIN).then_some(Comparison { observed, expected, deviations })
    }

    /// The same on another scale.
    fn deviations_by(&self, scale: Scale) -> f64 {
        distance(self.observed, self.expected, scale.variation())
    }
}

#[cfg(test)]
impl Memory {
    /// What a series taught that scatters hardly more than chance.
    pub(crate) fn of_a_calm_series() -> Self {
        let calm = Scale::new(0.01);
        Memory {
            learned: 20_000,
            variation: calm,
            of_jumps: calm,
            of_lasting: calm,
            ..Memory::default()
        }
    }
}

#[cfg(test)]
mod tests;
