//! What is usual for a series at some time.
//!
//! In: counts of former windows. Out: a [`Baseline`] on the scale of
//! [`stabilised`], or why there is none.

use crate::calendar::{Basis, DetectionWindow};
use crate::statistics::{
    Centre, by_bisquare, by_ewma, by_median, stabilised, unstabilised, unstabilised_mean,
};

/// The deviation of chance, of a stabilised count.
const DEVIATION_LEAST: f64 = 1.0;
/// Of fewer events than these the median says too little: it is one of a few whole numbers.
const FEW_EVENTS: f64 = 20.0;

/// What is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Centre and deviation of stabilised counts. The deviation is that of chance, 1, at least: a few
    /// values that happen to agree promise nothing.
    pub centre: Centre,
    /// Events expected in a window.
    pub expected: f64,
    /// Which former windows it was made from.
    pub basis: Basis,
}

impl Baseline {
    /// The baseline of a series: `count` says what it had in a window, `None` for a hole, `growth` by how
    /// much its level has changed since. `None`: too little is known, the series is warming up, or closed at
    /// this time. The oldest weeks or days don't count while there is not a single event of it: they may be
    /// from before it began, and anything at all would be more than usual.
    pub fn of(
        basis: Basis,
        units: &[[DetectionWindow; 3]],
        growth: impl Fn(DetectionWindow) -> f64,
        count: impl Fn(DetectionWindow) -> Option<u64>,
    ) -> Option<Self> {
        let counts_of = |unit: &[DetectionWindow; 3]| -> Vec<f64> {
            let counted = unit.iter().filter_map(|then| Some((*then, count(*then)?)));
            counted.map(|(then, events)| stabilised(growth(then) * events as f64)).collect()
        };
        let nothing = stabilised(0.0);
        let mut units: Vec<Vec<f64>> = units.iter().map(counts_of).collect();
        units.retain(|unit| !unit.is_empty());
        while units.last().is_some_and(|unit| unit.iter().all(|value| *value <= nothing)) {
            units.pop();
        }
        if units.len() < basis.units_min() {
            return None;
        }
        let mut values = units.concat();
        let centre = match basis {
            Basis::Weeks => by_median(&mut values),
            Basis::Days => {
                let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
                by_ewma(&units.iter().map(mean).collect::<Vec<_>>())
            }
        }?;
        let (centre, expected) = match (basis, unstabilised(centre.level)) {
            (Basis::Weeks, median) if median < FEW_EVENTS => {
                let centre = by_bisquare(&mut values, DEVIATION_LEAST)?;
                (centre, unstabilised_mean(centre.level))
            }
            (_, expected) => (centre, expected),
        };
        let centre = Centre { deviation: centre.deviation.max(DEVIATION_LEAST), ..centre };
        Some(Baseline { centre, expected, basis })
    }

    /// Events that would be expected if the centre were so many of its own standard deviations higher.
    pub fn most(&self, deviations: f64) -> f64 {
        let Centre { level, deviation, uncertainty } = self.centre;
        unstabilised_mean(level + deviations * deviation * uncertainty.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(units: i64) -> Vec<[DetectionWindow; 3]> {
        let unit = |age| [-1, 0, 1].map(|step| DetectionWindow::number(1_000 * age + step));
        (1..=units).map(unit).collect()
    }

    fn same(_: DetectionWindow) -> f64 {
        1.0
    }

    #[test]
    fn without_two_weeks_or_days_it_is_warming_up_and_holes_do_not_count() {
        for basis in [Basis::Weeks, Basis::Days] {
            assert_eq!(Baseline::of(basis, &units(1), same, |_| Some(9)), None);
            assert!(Baseline::of(basis, &units(2), same, |_| Some(9)).is_some());
            let second_only = |window| (window < DetectionWindow::number(1_500)).then_some(9);
            assert_eq!(Baseline::of(basis, &units(4), same, second_only), None);
            assert_eq!(Baseline::of(basis, &units(4), same, |_| None), None);
        }
    }

    #[test]
    fn a_series_that_has_just_begun_is_not_judged_by_the_weeks_before_it() {
        for basis in [Basis::Weeks, Basis::Days] {
            for weeks in 0..4 {
                let began = |window| {
                    Some(if window < DetectionWindow::number(1_000 * weeks + 500) { 40 } else { 0 })
                };
                let baseline = Baseline::of(basis, &units(6), same, began);
                let expected = baseline.map(|baseline| baseline.expected.round());
                assert_eq!(expected, (weeks >= 2).then_some(40.0), "{basis:?}: {weeks}");
            }
        }
    }

    #[test]
    fn a_week_that_was_unusual_itself_hardly_moves_it() {
        let usual = Baseline::of(Basis::Weeks, &units(4), same, |_| Some(100)).unwrap();
        let spiked = |window| Some(if window < DetectionWindow::number(1_500) { 400 } else { 100 });
        let beside = Baseline::of(Basis::Weeks, &units(4), same, spiked).unwrap();
        assert_eq!(beside, usual);
        assert!((usual.expected - 100.0).abs() < 1e-9);
        assert_eq!(usual.centre.deviation, 1.0);
    }

    #[test]
    fn of_a_few_events_it_lies_between_the_counts_that_there_were() {
        // Nothing in twelve windows, an event in each of six others: the median is 0, and many times 0 is 0.
        let even = |window: DetectionWindow| window.since(DetectionWindow::number(0)) % 2 == 0;
        let few = |window| Some(u64::from(even(window)));
        let baseline = Baseline::of(Basis::Weeks, &units(6), same, few).unwrap();
        assert!((0.25..0.45).contains(&baseline.expected), "{}", baseline.expected);
    }

    #[test]
    fn former_weeks_are_lifted_to_the_level_of_today() {
        let doubled_since = |then| if then > DetectionWindow::number(2_500) { 2.0 } else { 1.0 };
        let count = |then| Some(if then > DetectionWindow::number(2_500) { 50 } else { 100 });
        let baseline = Baseline::of(Basis::Weeks, &units(5), doubled_since, count).unwrap();
        assert!((baseline.expected - 100.0).abs() < 1e-9);
    }
}
