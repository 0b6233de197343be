//! Why somebody's probability is what it is, in words.
//!
//! In: a model and somebody's features. Out: at most three sentences' worth of words, the weightiest first. Features that say much the same
//! share their weight in ways that mean nothing, so what they add is summed by group, and each reason is the feature that adds
//! most in its group. A reason says what they do, compared with all others; not that it is the cause of anything.

use crate::day::MEASURES;
use crate::features::{self, Feature, GROUPS};
use crate::gather::Longest;
use crate::model::Model;

/// As many reasons are given at most.
pub const REASONS_MAX: usize = 3;

/// A feature, and on which side of the average somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    feature: Feature,
    is_above: bool,
}

impl Model {
    /// The reasons for which somebody's probability is higher than the average one, the weightiest first. `longest` is the model's own.
    pub fn reasons(&self, longest: Longest, values: &[f64]) -> Vec<Reason> {
        let list = features::list(longest);
        let mut sums = [0.0; GROUPS];
        let mut strongest: [Option<(f64, Reason)>; GROUPS] = [None; GROUPS];
        for ((feature, one), value) in list.iter().zip(&self.coefficients).zip(values) {
            let (group, part) = (feature.group(), one.part(*value));
            sums[group] += part;
            if strongest[group].is_none_or(|(most, _)| part > most) {
                let is_above = one.deviations(*value) > 0.0;
                strongest[group] = Some((part, Reason { feature: *feature, is_above }));
            }
        }
        let mut order: Vec<usize> = (0..GROUPS).filter(|group| sums[*group] > 0.0).collect();
        order.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]));
        let reasons = order.into_iter().filter_map(|group| strongest[group]);
        reasons.map(|(_, reason)| reason).take(REASONS_MAX).collect()
    }
}

impl Reason {
    /// For people who decide whom to call.
    pub fn words(self, longest: Longest) -> String {
        let (more, many) = if self.is_above { ("more", "many") } else { ("fewer", "few") };
        let all_days = longest.days();
        match self.feature {
            Feature::Level(measure) => {
                format!("{many} {} in {all_days} days", MEASURES[measure].words)
            }
            Feature::Change(measure, days) => {
                let words = MEASURES[measure].words;
                format!("{more} {words} in the last {days} days, against those before, than most")
            }
            Feature::ActiveDays(days) => format!("{many} active days in the last {days}"),
            Feature::Silence if self.is_above => "silent for longer than most".to_owned(),
            Feature::Silence => "active a short while ago".to_owned(),
            Feature::Known if self.is_above => "a subscriber of long standing".to_owned(),
            Feature::Known => "a new subscriber".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Coefficient;

    const LONGEST: Longest = Longest::Days60;

    fn model(weights: &[(&str, f64)]) -> Model {
        let coefficient = |feature: Feature| {
            let feature = feature.name();
            let own = weights.iter().find(|(name, _)| *name == feature);
            let weight = own.map_or(0.0, |(_, weight)| *weight);
            Coefficient { feature, mean: 0.0, deviation: 1.0, weight }
        };
        let coefficients = features::list(LONGEST).into_iter().map(coefficient).collect();
        Model { longest_days: 60, coefficients, intercept: -3.0, slope: 1.0, shift: 0.0 }
    }

    fn values(given: &[(&str, f64)]) -> Vec<f64> {
        let value = |feature: Feature| {
            given.iter().find(|(name, _)| *name == feature.name()).map_or(0.0, |(_, value)| *value)
        };
        features::list(LONGEST).into_iter().map(value).collect()
    }

    fn told(model: &Model, given: &[(&str, f64)]) -> Vec<String> {
        let reasons = model.reasons(LONGEST, &values(given));
        reasons.into_iter().map(|reason| reason.words(LONGEST)).collect()
    }

    #[test]
    fn the_weightiest_three_groups_are_named_and_each_once() {
        let model = model(&[
            ("calls_change_7", -1.0),
            ("calls_change_14", -0.5),
            ("sessions_change_14", -1.2),
            ("known", 0.3),
            ("data_mb_level", 0.1),
        ]);
        let all = [
            ("calls_change_7", -1.0),
            ("calls_change_14", -1.0),
            ("sessions_change_14", -1.0),
            ("known", 1.0),
            ("data_mb_level", 1.0),
        ];
        let expected = [
            "fewer calls in the last 7 days, against those before, than most",
            "fewer data sessions in the last 14 days, against those before, than most",
            "a subscriber of long standing",
        ];
        assert_eq!(told(&model, &all), expected);
    }

    #[test]
    fn what_speaks_against_it_is_no_reason() {
        let model = model(&[("calls_change_7", -1.0), ("calls_change_14", -2.0), ("silence", 1.0)]);
        assert_eq!(told(&model, &[("calls_change_7", -1.0), ("calls_change_14", 1.0)]), [""; 0]);
        assert_eq!(told(&model, &[("silence", 2.0)]), ["silent for longer than most"]);
    }

    #[test]
    fn a_model_of_other_features_is_recognised() {
        let mut model = model(&[]);
        assert_eq!(model.longest(), Some(LONGEST));
        model.coefficients.swap(0, 1);
        assert_eq!(model.longest(), None);
    }
}
