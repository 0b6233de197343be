//! Weather over a world: traffic that varies beside chance, in waves of about two hours, as that of real
//! networks does and the generator's does not.
//!
//! In: a [`World`]. Out: the same with each series multiplied by a factor whose logarithm is an
//! autoregressive process of the first order. With and without labels it is the same factor.

use anomaly::{Counts, DetectionWindow, Series};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::world::{Setting, World};

/// Windows after which a wave has fallen to 1/e of its height: two hours.
const WAVE_WINDOWS: f64 = 24.0;

#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Coefficient of variation.
    pub variation: f64,
    /// Another seed, other weather.
    pub seed: u64,
}

/// A series' factor in a window, and a number from 0 to 1 to round by.
type Factors = Vec<(f64, f64)>;

impl Weather {
    /// The world under this weather.
    pub fn over(&self, setting: &Setting, world: &World) -> World {
        let end = setting.night.map_or(setting.week_to, |(_, end)| end);
        let first = DetectionWindow::holding(setting.history_from);
        let windows = DetectionWindow::holding(end).since(first);
        let mut dice = ChaCha8Rng::seed_from_u64(self.seed ^ 0x7765_6174_6865_7200);
        let mut names: Vec<&Series> = world.clean.series().iter().collect();
        names.sort();
        let factors: Vec<(&Series, Factors)> =
            names.into_iter().map(|series| (series, self.factors(windows, &mut dice))).collect();
        let under = |counts: &Counts| {
            let mut changed = Counts::default();
            for (series, factors) in &factors {
                let index = counts.series().iter().position(|known| known == *series);
                let Some(index) = index else { continue };
                for (step, factor) in (0..).zip(factors) {
                    let window = first.plus(step);
                    let events =
                        counts.of(window, index).map_or(0, |events| scaled(events, *factor));
                    if events > 0 {
                        changed.add(window, series, events);
                    }
                }
            }
            changed
        };
        World {
            clean: under(&world.clean),
            labelled: under(&world.labelled),
            labels: world.labels.clone(),
        }
    }

    fn factors(&self, windows: i64, dice: &mut ChaCha8Rng) -> Factors {
        let deviation = (1.0 + self.variation.powi(2)).ln().sqrt();
        let memory = (-1.0 / WAVE_WINDOWS).exp();
        let mut state = normal(dice);
        let one = |_| {
            state = memory * state + (1.0 - memory * memory).sqrt() * normal(dice);
            ((deviation * state - deviation * deviation / 2.0).exp(), dice.random())
        };
        (0..windows).map(one).collect()
    }
}

/// The events times the factor, rounded at random so that the mean is kept.
fn scaled(events: u64, (factor, dice): (f64, f64)) -> u64 {
    (events as f64 * factor + dice).floor() as u64
}

/// About normal: a sum of twelve.
fn normal(dice: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weather_has_the_variation_and_the_waves_that_are_asked_for() {
        let weather = Weather { variation: 0.15, seed: 1 };
        let mut dice = ChaCha8Rng::seed_from_u64(1);
        let factors = weather.factors(100_000, &mut dice);
        let mean = factors.iter().map(|(factor, _)| factor).sum::<f64>() / 1e5;
        let moment = |lag: usize| {
            let pairs = factors.iter().zip(&factors[lag..]);
            pairs.map(|(one, other)| (one.0 - mean) * (other.0 - mean)).sum::<f64>() / 1e5
        };
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!((moment(0).sqrt() - 0.15).abs() < 0.01, "{}", moment(0).sqrt());
        let after_two_hours = moment(24) / moment(0);
        assert!((after_two_hours - 0.37).abs() < 0.08, "{after_two_hours}");
        assert_eq!((scaled(10, (1.05, 0.4)), scaled(10, (1.05, 0.6))), (10, 11));
    }
}
