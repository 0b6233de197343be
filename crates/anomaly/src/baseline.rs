//! What is usual for a series at some time.
//!
//! In: counts of former windows. Out: a [`Baseline`] on the scale of
//! [`stabilised`], or why there is none.

use crate::calendar::{Basis, DetectionWindow, Former};
use crate::statistics::{Centre, by_ewma, by_median, stabilised, unstabilised};

/// What is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Centre and deviation of stabilised counts. The deviation is that of chance, 1, at least: a few
    /// values that happen to agree promise nothing.
    pub centre: Centre,
    /// From what.
    pub basis: Basis,
}

impl Baseline {
    /// The baseline of a series: `count` says what it had in a window, `None` for a hole. `None`:
    /// too little is known, the series is warming up. Weeks or days without a single event of it don't
    /// count: they may be from before it began, and anything at all would be more than usual.
    pub fn of(former: &Former, count: impl Fn(DetectionWindow) -> Option<u64>) -> Option<Self> {
        let nothing = stabilised(0.0);
        let units: Vec<Vec<f64>> = former
            .units
            .iter()
            .map(|unit| unit.iter().filter_map(|window| count(*window)))
            .map(|counts| counts.map(|events| stabilised(events as f64)).collect())
            .filter(|values: &Vec<f64>| values.iter().any(|value| *value > nothing))
            .collect();
        if units.len() < former.basis.units_min() {
            return None;
        }
        let centre = match former.basis {
            Basis::Weeks => by_median(&mut units.concat()),
            Basis::Days => {
                let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
                by_ewma(&units.iter().map(mean).collect::<Vec<_>>())
            }
        }?;
        let centre = Centre { deviation: centre.deviation.max(1.0), ..centre };
        Some(Baseline { centre, basis: former.basis })
    }

    /// Events expected in a window.
    pub fn expected(&self) -> f64 {
        unstabilised(self.centre.level)
    }

    /// How many standard deviations a count is above what is expected; negative: below. `factor` is by
    /// how much the whole country is busier than usual, `lifted_to` the least that is expected.
    ///
    /// The centre's own error grows with the factor: on the stabilised scale by its root.
    pub fn score(&self, observed: u64, factor: f64, lifted_to: f64) -> f64 {
        let expected = (factor * self.expected()).max(lifted_to);
        let variance = self.centre.deviation.powi(2) * (1.0 + factor * self.centre.uncertainty);
        (stabilised(observed as f64) - stabilised(expected)) / variance.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn former(basis: Basis, units: i64) -> Former {
        let unit = |age| [-1, 0, 1].map(|step| DetectionWindow::number(1_000 * age + step));
        Former { basis, units: (1..=units).map(unit).collect() }
    }

    #[test]
    fn without_two_weeks_or_days_it_is_warming_up_and_holes_do_not_count() {
        for basis in [Basis::Weeks, Basis::Days] {
            assert_eq!(Baseline::of(&former(basis, 1), |_| Some(9)), None);
            assert!(Baseline::of(&former(basis, 2), |_| Some(9)).is_some());
            let second_only = |window| (window < DetectionWindow::number(1_500)).then_some(9);
            assert_eq!(Baseline::of(&former(basis, 4), second_only), None);
            assert_eq!(Baseline::of(&former(basis, 4), |_| None), None);
        }
    }

    #[test]
    fn a_series_that_has_just_begun_is_not_judged_by_the_weeks_before_it() {
        for basis in [Basis::Weeks, Basis::Days] {
            for weeks in 0..4 {
                let began = |window| {
                    Some(if window < DetectionWindow::number(1_000 * weeks + 500) { 40 } else { 0 })
                };
                let baseline = Baseline::of(&former(basis, 6), began);
                let expected = baseline.map(|baseline| baseline.expected().round());
                assert_eq!(expected, (weeks >= 2).then_some(40.0), "{basis:?}: {weeks}");
            }
        }
    }

    #[test]
    fn a_week_that_was_unusual_itself_hardly_moves_it() {
        let usual = Baseline::of(&former(Basis::Weeks, 4), |_| Some(100)).unwrap();
        let spiked = |window| Some(if window < DetectionWindow::number(1_500) { 400 } else { 100 });
        assert_eq!(Baseline::of(&former(Basis::Weeks, 4), spiked).unwrap(), usual);
        assert!((usual.expected() - 100.0).abs() < 1e-9);
        assert_eq!(usual.centre.deviation, 1.0);
    }

    #[test]
    fn a_score_counts_standard_deviations() {
        let baseline = Baseline::of(&former(Basis::Weeks, 6), |_| Some(100)).unwrap();
        assert!(baseline.score(100, 1.0, 0.0).abs() < 1e-9);
        let above = baseline.score(120, 1.0, 0.0);
        assert!(above > 1.7 && above < 2.0, "{above}");
        assert!(baseline.score(80, 1.0, 0.0) < -1.8);
        // Twice as much everywhere: 200 is usual, and the same surplus says less.
        assert!(baseline.score(200, 2.0, 0.0).abs() < 1e-9);
        assert!(baseline.score(120, 1.0, 0.0) > baseline.score(229, 2.0, 0.0));
        assert!(baseline.score(120, 1.0, 120.0).abs() < 1e-9);
    }
}
