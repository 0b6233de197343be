//! By how much the whole country is busier than usual.

use crate::baseline::Baseline;
use crate::statistics::{stabilised, weighted_median};

/// A factor needs so many events that are expected together.
const EVENTS_MIN: f64 = 30.0;
/// No region has more than this share of the say in it …
const SAY_MAX: f64 = 1.0 / 3.0;
/// … nor more than this share of what all others have: it could decide alone.
const SAY_OF_OTHERS_MAX: f64 = 0.9;
/// A region whose score is higher has no say in the factor.
const SCORE_MAX: f64 = 3.0;

/// The country's factor, of the regions' counts and baselines. Of three and more: first the median of
/// their own factors, weighted by what is expected, so that neither one region nor many small ones decide;
/// then the factor of all those together that agree with it. Of two: what both have in common, the smaller
/// deviation if both deviate in the same direction. `None`: there are too few regions or events to tell.
pub(crate) fn factor(known: &[(f64, &Baseline)]) -> Option<f64> {
    let expected: f64 = known.iter().map(|(_, baseline)| baseline.expected).sum();
    if expected < EVENTS_MIN {
        return None;
    }
    match known {
        [] | [_] => None,
        [one, other] => Some(in_common(of_one(one), of_one(other))),
        _ => of_many(known, expected),
    }
}

/// A region's own factor. An event more and less: nobody divides by 0.
fn of_one((observed, baseline): &(f64, &Baseline)) -> f64 {
    (observed + 1.0) / (baseline.expected + 1.0)
}

fn in_common(one: f64, other: f64) -> f64 {
    let (less, more) = if one.ln().abs() < other.ln().abs() { (one, other) } else { (other, one) };
    if (less > 1.0) == (more > 1.0) { less } else { 1.0 }
}

fn of_many(known: &[(f64, &Baseline)], expected: f64) -> Option<f64> {
    let largest = known.iter().map(|(_, of_one)| of_one.expected).fold(0.0, f64::max);
    let say_max = (SAY_MAX * expected).min(SAY_OF_OTHERS_MAX * (expected - largest));
    let mut factors: Vec<(f64, f64)> = known
        .iter()
        .map(|(observed, baseline)| (*observed, baseline.expected))
        .filter(|(_, expected)| *expected > 0.0)
        .map(|(observed, of_one)| (observed / of_one, of_one.min(say_max)))
        .collect();
    let rough = weighted_median(&mut factors)?;
    let agrees = |(observed, baseline): &&(f64, &Baseline)| {
        let distance = stabilised(*observed) - stabilised(rough * baseline.expected);
        let variance =
            baseline.centre.deviation.powi(2) * (1.0 + rough * baseline.centre.uncertainty);
        distance.abs() < SCORE_MAX * variance.sqrt()
    };
    let agreeing = known.iter().filter(agrees);
    let (observed, expected) =
        agreeing.fold((0.0, 0.0), |sums, (observed, b)| (sums.0 + observed, sums.1 + b.expected));
    Some(if expected < EVENTS_MIN { rough } else { observed / expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_regions_have_in_common_the_smaller_deviation_in_one_direction() {
        for (one, other, expected) in
            [(2.0, 3.0, 2.0), (0.5, 0.2, 0.5), (2.0, 0.9, 1.0), (1.0, 4.0, 1.0), (0.7, 1.0, 1.0)]
        {
            assert_eq!(in_common(one, other), expected, "{one}, {other}");
            assert_eq!(in_common(other, one), expected, "{other}, {one}");
        }
    }
}
