//! Estimates that follow a series, one score after the other: how it scatters, and when in the day more, in
//! how long waves, and how far its usual extremes reach.
//!
//! Every step is bounded, so what is wildly unusual teaches hardly more than what is a little so. None of
//! them keeps the values that it has seen.

use serde::{Deserialize, Serialize};

/// The share of scores that a [`Scale`] leaves outside, and the normal score that has it.
const OUTSIDE_SHARE: f64 = 0.15;
const OUTSIDE_SCORE: f64 = 1.44;
/// Coefficients of variation that are believed.
const SCALE_LEAST: f64 = 0.01;
const SCALE_MOST: f64 = 2.0;
/// The day is divided into so many parts, in each of which a series may scatter differently: two hours.
const DAY_PARTS: usize = 12;
/// How far a window moves its part of the day: a memory of a week or two, as each part comes once a day.
const DAY_STEP: f64 = 0.007;
/// The logarithm of how much more or less a part of the day scatters, at most.
const DAY_MOST: f32 = 1.0;
/// The share of scores above the quantile of a [`Tail`].
const TAIL_SHARE: f64 = 0.02;
/// A tail's mean excess is this at least, and one excess counts as so many times the mean at most.
const EXCESS_LEAST: f64 = 0.1;
const EXCESS_MOST: f64 = 4.0;
/// Scores above the quantile that follow each other teach so many times: one long event says no more of how
/// far usual extremes reach than a short one.
const RUN_MOST: u32 = 16;
/// Weights of the newest value in the averages that waves are followed by: half an hour to half a day.
const GAINS: [f64; 3] = [0.5, 0.15, 0.04];
/// Weight of the newest error in the mean error of a forecast: a memory of days.
const ERROR_GAIN: f64 = 0.002;
/// What is left of an average after a window in which nothing is learned: it fades within hours.
const FADING: f64 = 0.99;

/// A coefficient of variation, by the share of scores outside ±1.44: a normal distribution has 15 %.
///
/// H. Robbins, S. Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22 (1951)
/// 400–407, on the logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale(f64);

impl Scale {
    /// The coefficient to begin with, a ratio above 0.
    pub const fn new(variation: f64) -> Self {
        Scale(variation)
    }

    /// The coefficient as it was learned: standard deviation ÷ mean.
    pub const fn variation(self) -> f64 {
        self.0
    }

    /// Learns from a score that this scale gave; `weight` is how much the window says, up to 1, `least` how far
    /// it moves the scale when much has been learned: the less, the more neighbouring scores have in common.
    pub(crate) fn learn(&mut self, score: f64, learned: u32, weight: f64, least: f64) {
        let step = weight * (5.0 / f64::from(learned.saturating_add(20))).max(least);
        self.0 = (self.0 * (step * way(score)).exp()).clamp(SCALE_LEAST, SCALE_MOST);
    }
}

/// Up if a score is outside, down if it isn't: as much as keeps the share of those outside.
fn way(score: f64) -> f64 {
    if score.abs() > OUTSIDE_SCORE { 1.0 - OUTSIDE_SHARE } else { -OUTSIDE_SHARE }
}

/// How much more or less a series scatters at each time of the day than all day long: logarithms of factors,
/// 0 on average. Nights often scatter several times as much as afternoons.
///
/// T. G. Andersen, T. Bollerslev, "Intraday periodicity and volatility persistence in financial markets",
/// Journal of Empirical Finance 4 (1997) 115–158; learned as a [`Scale`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DayPattern([f32; DAY_PARTS]);

impl DayPattern {
    /// A scale, as it is at this time: the share of the local day that is over.
    pub(crate) fn at(&self, time: f64, scale: Scale) -> Scale {
        let of_parts = parts(time).map(|(part, share)| share * f64::from(self.0[part]));
        let factor = of_parts.iter().sum::<f64>().exp();
        Scale((scale.0 * factor).clamp(SCALE_LEAST, SCALE_MOST))
    }

    /// Learns from a score that the scale at this time gave; `weight` is how much the window says, up to 1.
    pub(crate) fn learn(&mut self, score: f64, time: f64, weight: f64) {
        for (part, share) in parts(time) {
            self.0[part] += (DAY_STEP * weight * share * way(score)) as f32;
        }
        // What all parts have in common is the scale's to learn.
        let mean = self.0.iter().sum::<f32>() / DAY_PARTS as f32;
        self.0.iter_mut().for_each(|part| *part = (*part - mean).clamp(-DAY_MOST, DAY_MOST));
    }
}

/// The two parts of the day whose middles a time lies between, and the share that each has in it.
fn parts(time: f64) -> [(usize, f64); 2] {
    let at = (time * DAY_PARTS as f64 - 0.5).rem_euclid(DAY_PARTS as f64);
    let (part, share) = (at as usize % DAY_PARTS, at.fract());
    [(part, 1.0 - share), ((part + 1) % DAY_PARTS, share)]
}

/// The highest scores: a quantile, and by how much those above it exceed it on average.
///
/// Beyond a high quantile most distributions fall exponentially: J. Pickands, "Statistical inference using
/// extreme order statistics", Annals of Statistics 3 (1975) 119–131, with shape 0; as a threshold of
/// alerts: A. Siffer et al., "Anomaly detection in streams with extreme value theory", KDD 2017.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    quantile: f64,
    excess: f64,
    exceeded: u32,
    /// Scores above the quantile in a row.
    run: u32,
}

impl Default for Tail {
    fn default() -> Self {
        Tail { quantile: 1.6, excess: 0.5, exceeded: 0, run: 0 }
    }
}

impl Tail {
    pub(crate) fn learn(&mut self, score: f64, learned: u32) {
        let step = (10.0 / f64::from(learned.saturating_add(100))).max(0.03);
        if score <= self.quantile {
            self.quantile -= step * TAIL_SHARE;
            self.run = 0;
            return;
        }
        self.run = self.run.saturating_add(1);
        if self.run > RUN_MOST {
            return;
        }
        self.exceeded = self.exceeded.saturating_add(1);
        let weight = (1.0 / f64::from(self.exceeded.saturating_add(20))).max(0.005);
        let excess = (score - self.quantile).min(EXCESS_MOST * self.excess);
        self.excess = (self.excess + weight * (excess - self.excess)).max(EXCESS_LEAST);
        self.quantile += step * (1.0 - TAIL_SHARE);
    }

    /// The score that is exceeded with this probability.
    pub fn exceeded_with(&self, probability: f64) -> f64 {
        self.quantile + self.excess * (TAIL_SHARE / probability).ln().max(0.0)
    }
}

/// How a series has been doing lately: averages of the logarithm of observed ÷ expected, short and long,
/// and how well each would have foreseen the next window. The best one is the forecast; none, if none is
/// better than nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waves {
    averages: [f64; GAINS.len()],
    error_of_none: f64,
    errors: [f64; GAINS.len()],
}

impl Waves {
    /// The logarithm of observed ÷ expected to reckon with.
    pub fn forecast(&self) -> f64 {
        let known = self.errors.iter().zip(&self.averages);
        let best = known.min_by(|a, b| a.0.total_cmp(b.0));
        best.filter(|(error, _)| **error < self.error_of_none).map_or(0.0, |(_, average)| *average)
    }

    /// Learns a window's logarithm of observed ÷ expected. `reliable` is which share of its variance is not
    /// chance, `most` by how much it may differ from an average to be believed.
    pub(crate) fn learn(&mut self, ratio: f64, reliable: f64, most: f64) {
        let note =
            |mean: &mut f64, error: f64| *mean += ERROR_GAIN * (error.abs().min(1.0) - *mean);
        note(&mut self.error_of_none, ratio);
        for (index, gain) in GAINS.into_iter().enumerate() {
            let error = ratio - self.averages[index];
            note(&mut self.errors[index], error);
            self.averages[index] += gain * reliable * error.clamp(-most, most);
        }
    }

    /// A window that is unusual is no wave, and one that nobody saw tells nothing: so many of them.
    pub(crate) fn fade(&mut self, windows: i64) {
        let left = FADING.powi(windows.clamp(0, i64::from(i32::MAX)) as i32);
        self.averages.iter_mut().for_each(|average| *average *= left);
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// About normal: a sum of twelve.
    fn normal(dice: &mut ChaCha8Rng) -> f64 {
        (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0
    }

    #[test]
    fn a_scale_finds_the_variation_and_a_few_wild_values_hardly_move_it() {
        let mut dice = ChaCha8Rng::seed_from_u64(1);
        for wild in [0, 33] {
            let mut scale = Scale::new(0.5);
            let mut sum = 0.0;
            for learned in 0..8_000 {
                let is_wild = wild > 0 && learned % wild == 0;
                let value = if is_wild { 1e6 } else { 0.12 * normal(&mut dice) };
                scale.learn(value / scale.variation(), learned, 1.0, 0.01);
                sum += if learned >= 4_000 { scale.variation() } else { 0.0 };
            }
            let mean = sum / 4_000.0;
            assert!((0.11..0.15).contains(&mean), "{wild}: {mean}");
        }
    }

    #[test]
    fn one_day_of_an_event_moves_a_scale_by_less_the_smaller_its_step() {
        let after_a_day = |least| {
            let mut scale = Scale::new(0.1);
            (0..288).for_each(|_| scale.learn(9.0, 20_000, 1.0, least));
            scale.variation()
        };
        assert!(after_a_day(0.01) > 1.0, "{}", after_a_day(0.01));
        assert!((0.15..0.25).contains(&after_a_day(0.003)), "{}", after_a_day(0.003));
    }

    #[test]
    fn the_day_has_a_pattern_where_nights_scatter_more_and_none_where_all_hours_are_alike() {
        let mut dice = ChaCha8Rng::seed_from_u64(4);
        for (at_night, quotient) in [(0.3, 2.4..4.0), (0.1, 0.8..1.25)] {
            let (mut scale, mut pattern) = (Scale::new(0.1), DayPattern::default());
            for learned in 0..60 * 288_u32 {
                let time = (f64::from(learned % 288) + 0.5) / 288.0;
                let deviation = if time < 0.25 { at_night } else { 0.1 };
                let now = pattern.at(time, scale);
                let score = deviation * normal(&mut dice) / now.variation();
                scale.learn(score, learned, 1.0, 0.003);
                pattern.learn(score, time, 1.0);
            }
            let [night, day] = [0.125, 0.6].map(|time| pattern.at(time, scale).variation());
            assert!(quotient.contains(&(night / day)), "{at_night}: {night}, {day}");
            assert!((0.07..0.14).contains(&day), "{at_night}: {day}");
        }
    }

    #[test]
    fn between_the_middles_of_two_parts_of_the_day_there_is_no_jump() {
        let mut pattern = DayPattern::default();
        (0..2_000).for_each(|_| pattern.learn(9.0, 1.0 / 24.0, 1.0));
        let at = |hour: f64| pattern.at(hour / 24.0, Scale::new(0.1)).variation();
        assert!(at(1.0) > 2.0 * at(12.0));
        for minute in 0..24 * 60 {
            let hour = f64::from(minute) / 60.0;
            let step = (at(hour + 1.0 / 60.0) / at(hour)).ln().abs();
            assert!(step < 0.02, "{hour}: {step}");
        }
    }

    #[test]
    fn a_tail_is_exceeded_as_often_as_it_says() {
        let mut dice = ChaCha8Rng::seed_from_u64(2);
        // Exponential scores: 2 % are above 3.91, one in a thousand above 6.91.
        let mut tail = Tail::default();
        for learned in 0..60_000 {
            tail.learn(-dice.random::<f64>().max(1e-12).ln(), learned);
        }
        let (usual, rare) = (tail.exceeded_with(TAIL_SHARE), tail.exceeded_with(0.001));
        assert!((3.5..4.4).contains(&usual), "{usual}");
        assert!((6.2..7.6).contains(&rare), "{rare}");
        assert_eq!(tail.exceeded_with(0.5), usual);
    }

    #[test]
    fn one_long_event_teaches_a_tail_no_more_than_a_short_one() {
        let of_event = |windows: u32| {
            let mut tail = Tail::default();
            (0..3_000).for_each(|learned| tail.learn(0.0, learned));
            (0..windows).for_each(|learned| tail.learn(9.0, 3_000 + learned));
            tail
        };
        let limit = |tail: Tail| tail.exceeded_with(1e-4);
        assert!(limit(of_event(16)) > limit(of_event(0)));
        assert_eq!(limit(of_event(300)), limit(of_event(16)));
        // What comes again later teaches again.
        let mut again = of_event(300);
        let before = limit(again);
        again.learn(0.0, 4_000);
        again.learn(9.0, 4_001);
        assert!(limit(again) > before);
    }

    #[test]
    fn waves_are_followed_where_they_are_longer_than_a_window_and_chance_is_not() {
        let mut dice = ChaCha8Rng::seed_from_u64(3);
        for (memory, is_followed) in [(0.96_f64, true), (0.0, false)] {
            let (mut waves, mut wave) = (Waves::default(), 0.0);
            let mut errors = [0.0; 2];
            for _ in 0..6_000 {
                wave = memory * wave + 0.1 * (1.0 - memory * memory).sqrt() * normal(&mut dice);
                errors[0] += wave * wave;
                errors[1] += (wave - waves.forecast()).powi(2);
                waves.learn(wave, 1.0, 0.3);
            }
            assert_eq!(errors[1] < 0.5 * errors[0], is_followed, "{memory}: {errors:?}");
            assert!(errors[1] < 1.1 * errors[0], "{memory}: {errors:?}");
        }
    }

    #[test]
    fn one_window_moves_a_wave_by_a_little_and_without_windows_it_fades() {
        let mut waves = Waves::default();
        for _ in 0..500 {
            waves.learn(0.2, 1.0, 0.3);
        }
        assert!((waves.forecast() - 0.2).abs() < 0.01);
        waves.learn(5.0, 1.0, 0.1);
        assert!(waves.forecast() < 0.26, "{}", waves.forecast());
        for _ in 0..24 * 12 {
            waves.fade(1);
        }
        assert!(waves.forecast() < 0.02);
    }
}
