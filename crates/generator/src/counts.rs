//! How many of something happen, where a mean is known.

use crate::random::{Dice, Moment, Purpose, unit};

/// A Poisson number is drawn as a sum of such with this mean at most, so that e^−mean stays exact.
const MEAN_MAX: f64 = 16.0;

/// A Poisson number of this mean from a subscriber's stream, and the stream; `None`: 0, found without opening it.
#[inline]
pub(crate) fn how_many(
    at: &Moment,
    purpose: Purpose,
    variant: u32,
    subscriber: u32,
    mean: f64,
) -> Option<(u32, Dice)> {
    let first = unit(at.first_bits(purpose, variant, subscriber));
    // e^−mean ≥ 1 − mean: mostly nothing happens, and no exponential is needed to know it.
    if first < 1.0 - mean {
        return None;
    }
    Some(drawn(at, purpose, variant, subscriber, mean, first))
}

/// Apart from the look that nearly all subscribers are done with, so that the loops over them stay small.
#[inline(never)]
fn drawn(
    at: &Moment,
    purpose: Purpose,
    variant: u32,
    subscriber: u32,
    mean: f64,
    first: f64,
) -> (u32, Dice) {
    let mut dice = at.open(purpose, variant, subscriber);
    let count = poisson(mean.min(MEAN_MAX), first) + poisson_number(mean - MEAN_MAX, &mut dice);
    (count, dice)
}

/// A Poisson number of this mean; 0 where it is not above 0.
pub(crate) fn poisson_number(mean: f64, dice: &mut Dice) -> u32 {
    let (mut count, mut rest) = (0, mean);
    while rest > 0.0 {
        count += poisson(rest.min(MEAN_MAX), dice.unit());
        rest -= MEAN_MAX;
    }
    count
}

/// The Poisson number of this mean at which the distribution function passes `u`.
fn poisson(mean: f64, u: f64) -> u32 {
    let mut probability = libm::exp(-mean);
    let mut sum = probability;
    let mut count = 0;
    // The bound is reached where rounding lets the sum end below u.
    while u >= sum && count < 200 {
        count += 1;
        probability *= mean / f64::from(count);
        sum += probability;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Streams;

    #[test]
    fn counts_are_poisson_numbers() {
        let mut dice = Streams::of(1).at(0).open(Purpose::Event, 0, 0);
        for mean in [0.02, 0.7, 9.0, 16.0] {
            let counts: Vec<f64> =
                (0..50_000).map(|_| f64::from(poisson(mean, dice.unit()))).collect();
            let average = counts.iter().sum::<f64>() / 50_000.0;
            let variance = counts.iter().map(|c| (c - average).powi(2)).sum::<f64>() / 50_000.0;
            let tolerance = 5.0 * f64::sqrt(mean / 50_000.0);
            assert!((average - mean).abs() < tolerance, "{mean}: {average}");
            assert!((variance / mean - 1.0).abs() < 0.1, "{mean}: {variance}");
        }
    }
}
