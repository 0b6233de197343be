//! How long, how much: the distributions that a scenario can name.
//!
//! In: a distribution and dice. Out: a whole number of the smallest unit (seconds; hundredths of a
//! megabyte), never below one of it and never above the bound.

use std::ops::RangeInclusive;

use crate::random::Dice;

/// A distribution in units of the scenario file: seconds, megabytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Every smallest unit of the range is equally likely.
    Uniform(RangeInclusive<u32>),
    /// log x is normal.
    LogNormal {
        /// Half are below.
        median: f64,
        /// Standard deviation of log x.
        sigma: f64,
        /// What would be greater is drawn as this.
        at_most: u32,
    },
    /// log x is logistic: P(X < x) = 1 / (1 + (x / median)^−shape).
    LogLogistic {
        /// Half of an average user's are below.
        median: f64,
        /// The tail falls like x^−shape.
        shape: f64,
        /// Standard deviation of the logarithm of users' medians.
        user_sigma: f64,
        /// What would be greater is drawn as this.
        at_most: u32,
    },
    /// One of several log-normal distributions.
    LogNormalMixture {
        /// Share, median, sigma of each.
        parts: Vec<(f64, f64, f64)>,
        /// What would be greater is drawn as this.
        at_most: u32,
    },
}

impl Distribution {
    /// Draws a number of `1 / per_unit` units. `user_scale` belongs to the user: see
    /// [`Distribution::user_sigma`].
    pub(crate) fn draw(&self, per_unit: u32, user_scale: f64, dice: &mut Dice) -> u32 {
        let (value, at_most) = match self {
            Distribution::Uniform(range) => {
                return dice.within(&(range.start() * per_unit..=range.end() * per_unit));
            }
            Distribution::LogNormal { median, sigma, at_most } => {
                (median * libm::exp(sigma * dice.normal()), at_most)
            }
            Distribution::LogLogistic { median, shape, at_most, .. } => {
                let u = dice.unit();
                (median * user_scale * libm::pow(u / (1.0 - u), 1.0 / shape), at_most)
            }
            Distribution::LogNormalMixture { parts, at_most } => {
                let (_, median, sigma) = parts[dice.weighted(parts.iter().map(|part| part.0))];
                (median * libm::exp(sigma * dice.normal()), at_most)
            }
        };
        let units = libm::round(value * f64::from(per_unit));
        units.clamp(1.0, f64::from(*at_most) * f64::from(per_unit)) as u32
    }

    /// Nothing drawn is greater, in units.
    pub(crate) fn at_most(&self) -> u32 {
        match self {
            Distribution::Uniform(range) => *range.end(),
            Distribution::LogNormal { at_most, .. }
            | Distribution::LogLogistic { at_most, .. }
            | Distribution::LogNormalMixture { at_most, .. } => *at_most,
        }
    }

    /// How different users are: the standard deviation of the logarithm of their scale.
    pub(crate) fn user_sigma(&self) -> f64 {
        match self {
            Distribution::LogLogistic { user_sigma, .. } => *user_sigma,
            _ => 0.0,
        }
    }
}
