//! How well drawn numbers fit a distribution; for tests.

/// The distance of Kolmogorov and Smirnov: the most by which the shares of a sample differ from a
/// distribution function.
pub(crate) fn distance_from(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let count = sample.len() as f64;
    let distances = sample.iter().enumerate().map(|(index, value)| {
        let expected = cdf(*value);
        (expected - index as f64 / count).abs().max(((index + 1) as f64 / count - expected).abs())
    });
    distances.fold(0.0, f64::max)
}

/// The standard normal distribution function.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}
