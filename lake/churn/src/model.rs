//! The forecast: a logistic regression, as numbers that can be stored and read.
//!
//! In: somebody's features. Out: the probability that they leave, and why. With m and d the mean and the standard deviation of a feature
//! in training, w its weight, b the intercept, and the calibration's slope s and shift t:
//!
//! ```text
//!   p = σ(s (b + Σ w (x - m) / d) + t)          σ(z) = 1 / (1 + e⁻ᶻ)
//! ```

use serde::{Deserialize, Serialize};

use crate::features::{self, Feature};
use crate::gather::Longest;

/// All that a forecast follows from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Days of the longest window of its features: 30 or 60.
    pub longest_days: u32,
    /// One for each feature, in their order.
    pub coefficients: Vec<Coefficient>,
    /// The log-odds where all features are average.
    pub intercept: f64,
    /// What log-odds are multiplied with …
    pub slope: f64,
    /// … and what is added to them, so that probabilities are shares (Platt 1999).
    pub shift: f64,
}

/// What a feature adds to the log-odds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coefficient {
    /// The feature's name.
    pub feature: String,
    /// Its mean in training.
    pub mean: f64,
    /// Its standard deviation in training; 1, where it did not vary.
    pub deviation: f64,
    /// Log-odds for one standard deviation.
    pub weight: f64,
}

impl Model {
    /// How far its features look back; `None`: its features are not those of this program, so it can't be used.
    pub fn longest(&self) -> Option<Longest> {
        let all = [Longest::Days30, Longest::Days60];
        let longest = all.into_iter().find(|longest| longest.days() == self.longest_days)?;
        let names = features::list(longest).into_iter().map(Feature::name);
        names.eq(self.coefficients.iter().map(|one| one.feature.clone())).then_some(longest)
    }

    /// The log-odds before calibration. `values` has a number for each coefficient.
    pub fn log_odds(&self, values: &[f64]) -> f64 {
        let parts = self.coefficients.iter().zip(values).map(|(one, value)| one.part(*value));
        self.intercept + parts.sum::<f64>()
    }

    /// The probability that somebody with these features leaves.
    pub fn probability(&self, values: &[f64]) -> f64 {
        sigmoid(self.slope * self.log_odds(values) + self.shift)
    }
}

impl Coefficient {
    /// What a value adds to the log-odds.
    pub(crate) fn part(&self, value: f64) -> f64 {
        self.weight * self.deviations(value)
    }

    /// How many standard deviations a value lies above the mean.
    pub(crate) fn deviations(&self, value: f64) -> f64 {
        (value - self.mean) / self.deviation
    }
}

/// 1 / (1 + e⁻ᶻ).
pub(crate) fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}
