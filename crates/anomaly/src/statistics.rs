//! The formulas, each with its source.

/// Makes the standard deviation of a MAD that of a normal distribution: 1 / Φ⁻¹(3/4).
///
/// F. R. Hampel, "The influence curve and its role in robust estimation", Journal of the American
/// Statistical Association 69 (1974) 383–393.
const MAD_TO_DEVIATION: f64 = 1.482_602_218_505_602;
/// The variance of a median of n normal values is about π/2 of that of their mean (the same paper).
pub(crate) const MEDIAN_VARIANCE: f64 = std::f64::consts::FRAC_PI_2;
/// Values so many deviations from the centre and further have no weight in [`by_bisquare`]: of normal values it
/// is nearly as well known as their mean.
const BISQUARE_END: f64 = 4.685;
/// Steps of weighing and averaging again. The first comes near; the others hardly move it.
const BISQUARE_STEPS: usize = 5;
/// Weight of the newest value in an EWMA. 0.2 to 0.3 are usual; history is short where it is used.
const EWMA_WEIGHT: f64 = 0.3;

/// 2·√(count + 3/8): of a Poisson count it has a variance of about 1, whatever the mean.
///
/// F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika 35
/// (1948) 246–254.
pub fn stabilised(count: f64) -> f64 {
    2.0 * (count + 0.375).sqrt()
}

/// The count whose [`stabilised`] value this is; 0 at least.
pub fn unstabilised(value: f64) -> f64 {
    (value * value / 4.0 - 0.375).max(0.0)
}

/// The mean of Poisson counts whose [`stabilised`] values have this mean; 0 at least. [`unstabilised`] is
/// lower, by about a quarter of an event: a root grows slower than what it is the root of.
///
/// M. Mäkitalo, A. Foi, "A closed-form approximation of the exact unbiased inverse of the Anscombe
/// variance-stabilizing transformation", IEEE Transactions on Image Processing 20 (2011) 2697–2698.
pub fn unstabilised_mean(value: f64) -> f64 {
    let value = value.max(stabilised(0.0));
    let root = 1.5_f64.sqrt();
    let correction =
        root / 4.0 / value - 11.0 / 8.0 / value.powi(2) + 5.0 / 8.0 * root / value.powi(3);
    (value * value / 4.0 + correction - 1.0 / 8.0).max(0.0)
}

/// How many standard deviations a count is above a mean, if beside chance it varies by this coefficient: the
/// difference of 2/v·asinh(v·√(count + 3/8)), of which a negative-binomial count has a variance of about 1. For
/// a small coefficient it is that of [`stabilised`] counts, for a large one that of logarithms.
///
/// F. J. Anscombe, the same paper; M. S. Bartlett, "The use of transformations", Biometrics 3 (1947) 39–52.
pub fn distance(count: f64, mean: f64, variation: f64) -> f64 {
    let scale = |count: f64| 2.0 / variation * (variation * (count + 0.375).sqrt()).asinh();
    scale(count) - scale(mean)
}

/// Observed ÷ expected. An event more and less: nobody divides by 0.
pub(crate) fn ratio(observed: f64, expected: f64) -> f64 {
    observed.max(1.0) / expected.max(1.0)
}

/// The centre of values, how far they scatter, and how well the centre is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Centre {
    /// The median, or the weighted mean, in the unit of the values.
    pub level: f64,
    /// Standard deviation of a value.
    pub deviation: f64,
    /// Variance of the centre itself, in units of a value's variance.
    pub uncertainty: f64,
}

/// Median, and deviation by the median of absolute deviations (MAD); `None` of no values. Sorts them.
pub fn by_median(values: &mut [f64]) -> Option<Centre> {
    let level = median(values)?;
    let count = values.len() as f64;
    let mut deviations: Vec<f64> = values.iter().map(|value| (value - level).abs()).collect();
    let deviation = MAD_TO_DEVIATION * median(&mut deviations)?;
    Some(Centre { level, deviation, uncertainty: MEDIAN_VARIANCE / count })
}

/// Weighted mean, in which a value has the less weight the further it is from the centre, and none if it is
/// far off; deviation by the MAD, `least` at least. Small counts have few different values, and so has their
/// median: this lies between them. It is said to be known no better than the median, for values of the same
/// week aren't independent. `None` of no values. Sorts them.
///
/// A. E. Beaton, J. W. Tukey, "The fitting of power series, meaning polynomials, illustrated on
/// band-spectroscopic data", Technometrics 16 (1974) 147–185.
pub fn by_bisquare(values: &mut [f64], least: f64) -> Option<Centre> {
    let start = by_median(values)?;
    let deviation = start.deviation.max(least);
    let mut level = start.level;
    for _ in 0..BISQUARE_STEPS {
        let weigh = |value: f64| {
            let off = (value - level) / (BISQUARE_END * deviation);
            (1.0 - (off * off).min(1.0)).powi(2)
        };
        let (sum, weight) = values.iter().fold((0.0, 0.0), |(sum, total), value| {
            let weight = weigh(*value);
            (sum + weight * value, total + weight)
        });
        if weight > 0.0 {
            level = sum / weight;
        }
    }
    Some(Centre { level, deviation, ..start })
}

/// Exponentially weighted moving average, the newest value first, and deviation by the same weights;
/// `None` of no values.
///
/// S. W. Roberts, "Control chart tests based on geometric moving averages", Technometrics 1 (1959)
/// 239–250. Weights are scaled to a sum of 1, because history begins somewhere.
pub fn by_ewma(newest_first: &[f64]) -> Option<Centre> {
    let weights: Vec<f64> =
        (0..newest_first.len()).map(|age| (1.0 - EWMA_WEIGHT).powi(age as i32)).collect();
    let total: f64 = weights.iter().sum();
    let weighted = |pick: &dyn Fn(f64) -> f64| {
        let pairs = newest_first.iter().zip(&weights);
        pairs.map(|(value, weight)| pick(*value) * weight).sum::<f64>() / total
    };
    if newest_first.is_empty() {
        return None;
    }
    let level = weighted(&|value| value);
    let variance = weighted(&|value| (value - level).powi(2));
    let uncertainty = weights.iter().map(|weight| (weight / total).powi(2)).sum();
    Some(Centre { level, deviation: variance.sqrt(), uncertainty })
}

/// The value that half of the weight lies below; `None` without weight. Sorts them.
pub fn weighted_median(values_and_weights: &mut [(f64, f64)]) -> Option<f64> {
    values_and_weights.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values_and_weights.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    if half <= 0.0 {
        return None;
    }
    let mut below = 0.0;
    for (value, weight) in values_and_weights.iter() {
        below += weight;
        if below >= half {
            return Some(*value);
        }
    }
    None
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-9, "{got}, expected {expected}");
    }

    #[test]
    fn stabilising_can_be_undone() {
        for count in [0.0, 1.0, 7.0, 12_345.0] {
            check(unstabilised(stabilised(count)), count);
        }
        check(unstabilised(0.1), 0.0);
    }

    #[test]
    fn the_mean_of_stabilised_counts_gives_back_the_mean_of_counts() {
        for mean in [0.0_f64, 0.3, 0.7, 1.5, 4.0, 30.0, 300.0] {
            let (mut probability, mut stable) = ((-mean).exp(), 0.0);
            for count in 0..2_000 {
                stable += probability * stabilised(f64::from(count));
                probability *= mean / f64::from(count + 1);
            }
            let (unbiased, undone) = (unstabilised_mean(stable), unstabilised(stable));
            assert!((unbiased - mean).abs() < 0.04, "{mean}: {unbiased}");
            assert!(mean == 0.0 || undone < mean - 0.05, "{mean}: {undone}");
        }
        check(unstabilised_mean(0.1), 0.0);
    }

    #[test]
    fn a_poisson_count_has_a_variance_of_one() {
        for mean in [5.0_f64, 20.0, 300.0] {
            // Mean and variance of the stabilised count, summed over the distribution itself.
            let (mut probability, mut first, mut second) = ((-mean).exp(), 0.0, 0.0);
            for count in 0..2_000 {
                let value = stabilised(f64::from(count));
                first += probability * value;
                second += probability * value * value;
                probability *= mean / f64::from(count + 1);
            }
            let variance = second - first * first;
            assert!((variance - 1.0).abs() < 0.03, "{mean}: {variance}");
        }
    }

    #[test]
    fn a_distance_is_that_of_chance_for_no_variation_and_of_logarithms_for_a_large_count() {
        for (count, mean) in [(120.0, 100.0), (20.0, 50.0), (0.0, 12.0)] {
            let of_chance = stabilised(count) - stabilised(mean);
            assert!((distance(count, mean, 1e-4) - of_chance).abs() < 1e-4, "{count} of {mean}");
        }
        let doubled = distance(2e6, 1e6, 0.2);
        assert!((doubled - 2.0_f64.ln() / 0.2).abs() < 0.01, "{doubled}");
        check(distance(7.0, 7.0, 0.3), 0.0);
    }

    #[test]
    fn one_wild_value_moves_neither_median_nor_deviation() {
        assert_eq!(by_median(&mut []), None);
        let calm = by_median(&mut [10.0, 11.0, 9.0, 10.5, 9.5]).unwrap();
        let wild = by_median(&mut [10.0, 11.0, 9.0, 10.5, 1e9]).unwrap();
        check(calm.level, 10.0);
        check(calm.deviation, 0.5 * MAD_TO_DEVIATION);
        check(calm.uncertainty, std::f64::consts::FRAC_PI_2 / 5.0);
        assert!((wild.level - calm.level).abs() <= 0.5);
        assert!(wild.deviation < 2.0);
        check(by_median(&mut [1.0, 4.0]).unwrap().level, 2.5);
    }

    #[test]
    fn a_bisquare_lies_between_the_values_of_small_counts_and_forgets_what_is_far_off() {
        assert_eq!(by_bisquare(&mut [], 1.0), None);
        // Of six and three counts of 1 and 2 the median is 1.
        let mut small = [1.0, 1.0, 1.0, 2.0, 1.0, 2.0, 1.0, 1.0, 2.0].map(stabilised);
        let centre = by_bisquare(&mut small, 1.0).unwrap();
        let mean = unstabilised_mean(centre.level);
        assert!((1.2..1.6).contains(&mean), "{mean}");
        check(centre.deviation, 1.0);
        check(centre.uncertainty, MEDIAN_VARIANCE / 9.0);
        let calm = by_bisquare(&mut [10.0, 11.0, 9.0, 10.5, 9.5], 1.0).unwrap();
        let wild = by_bisquare(&mut [10.0, 11.0, 9.0, 10.5, 1e9], 1.0).unwrap();
        check(calm.level, 10.0);
        assert!((wild.level - 10.125).abs() < 0.05, "{}", wild.level);
    }

    #[test]
    fn an_ewma_weighs_the_newest_most() {
        assert_eq!(by_ewma(&[]), None);
        check(by_ewma(&[4.0]).unwrap().level, 4.0);
        let centre = by_ewma(&[4.0, 2.0]).unwrap();
        check(centre.level, (4.0 + 0.7 * 2.0) / 1.7);
        assert!(centre.uncertainty > 0.5 && centre.uncertainty < 1.0);
        assert!(by_ewma(&[4.0, 2.0, 2.0]).unwrap().level < centre.level);
    }

    #[test]
    fn half_of_the_weight_lies_below_a_weighted_median() {
        assert_eq!(weighted_median(&mut []), None);
        assert_eq!(weighted_median(&mut [(1.0, 0.0)]), None);
        assert_eq!(weighted_median(&mut [(9.0, 30.0), (1.0, 25.0), (1.1, 45.0)]), Some(1.1));
        assert_eq!(weighted_median(&mut [(9.0, 60.0), (1.0, 40.0)]), Some(9.0));
    }
}
