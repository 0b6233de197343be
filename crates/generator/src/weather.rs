//! Why traffic is never the same twice: a factor for each region and type that wanders over hours, one for the day, and
//! now and then a campaign.
//!
//! In: a region, a type, a quarter of an hour. Out: a factor around 1. Nothing is carried along: the wandering factor is
//! a sum of that quarter's chance and of those before, each weighing less than the next, so its logarithm is an
//! autoregressive process (its autocorrelation falls to 1/e in the given hours). Less than usual: some events are
//! taken away. More: some are added, by a source of their own. So all others are the same with and without it.

use std::ops::Range;

use event_model::EventType;

use crate::curve::{QUARTER_SECONDS, Rates};
use crate::random::{Purpose, Streams};
use crate::scenario::{TYPES, Weather, type_index};

/// Kinds of chance, told apart by the variant of their streams: below are region and type.
const OF_DAY: u32 = 1 << 12;
const OF_CAMPAIGNS: u32 = 1 << 13;
/// The oldest quarter of an hour that counts weighs less than this.
const LEAST_WEIGHT: f64 = 0.01;
/// Factors are cut at so many standard deviations.
const DEVIATIONS_MAX: f64 = 2.5;
const SECONDS_PER_HOUR: i64 = 3_600;
/// Campaigns begin between these hours and last so long.
const CAMPAIGN_FROM_HOUR: i64 = 9;
const CAMPAIGN_HOURS: u64 = 10;
const CAMPAIGN_LASTS_HOURS: (i64, u64) = (1, 4);
/// Types that campaigns are of, by [`crate::scenario::type_index`]: offers of data, and messages to all.
const CAMPAIGN_TYPES: [usize; 3] = [0, 0, 2];

/// Answers how much more or less happens than usual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Skies<'a> {
    pub(crate) weather: &'a Weather,
    pub(crate) streams: Streams,
}

/// An offer or a mailing: more of one type for some hours, in one region.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Campaign {
    pub(crate) type_index: usize,
    /// Seconds of UTC.
    pub(crate) span: Range<i64>,
    /// How many times the usual number.
    pub(crate) factor: f64,
}

impl Skies<'_> {
    /// The factor of a region and type in the quarter of an hour of these rates.
    pub(crate) fn factor(&self, region: usize, type_index: usize, rates: &Rates) -> f64 {
        let Weather { cv, daily_cv, .. } = *self.weather;
        let variant = (region as u32) << 2 | type_index as u32;
        let (sigma, daily_sigma) = (sigma(cv), sigma(daily_cv));
        let (day, _) = rates.local_day_and_second(rates.quarter_start);
        let of_day = if daily_sigma > 0.0 { self.normal(day, OF_DAY | variant) } else { 0.0 };
        let wandering =
            if sigma > 0.0 { self.wandering(variant, rates.quarter_start) } else { 0.0 };
        let log = sigma * wandering - sigma * sigma / 2.0 + daily_sigma * of_day
            - daily_sigma * daily_sigma / 2.0;
        libm::exp(log).clamp(1.0 / self.highest(), self.highest())
    }

    /// No factor is higher, campaigns left out.
    pub(crate) fn highest(&self) -> f64 {
        let (sigma, daily_sigma) = (sigma(self.weather.cv), sigma(self.weather.daily_cv));
        libm::exp(DEVIATIONS_MAX * libm::sqrt(sigma * sigma + daily_sigma * daily_sigma))
    }

    /// A standard normal number that is like those of the quarters of an hour before.
    fn wandering(&self, variant: u32, quarter_start: i64) -> f64 {
        let hours_of_quarter = QUARTER_SECONDS as f64 / SECONDS_PER_HOUR as f64;
        let fades = libm::exp(-hours_of_quarter / self.weather.hours);
        let quarter = quarter_start.div_euclid(QUARTER_SECONDS);
        let (mut sum, mut squares, mut weight) = (0.0, 0.0, 1.0);
        let mut before = 0;
        while weight > LEAST_WEIGHT {
            sum += weight * self.normal(quarter - before, variant);
            squares += weight * weight;
            weight *= fades;
            before += 1;
        }
        sum / libm::sqrt(squares)
    }

    fn normal(&self, moment: i64, variant: u32) -> f64 {
        self.streams.at(moment).open(Purpose::Weather, variant, 0).normal()
    }

    /// The campaign in a region on a local day, whose clock is ahead of UTC by so many seconds.
    pub(crate) fn campaign(
        &self,
        region: usize,
        day: i64,
        offset_seconds: i64,
    ) -> Option<Campaign> {
        let variant = OF_CAMPAIGNS | region as u32;
        let mut dice = self.streams.at(day).open(Purpose::Weather, variant, 0);
        if !dice.chance(self.weather.campaigns_per_week / 7.0) {
            return None;
        }
        let type_index = dice.one_of(&CAMPAIGN_TYPES);
        let hour = CAMPAIGN_FROM_HOUR + dice.below(CAMPAIGN_HOURS) as i64;
        let (least, width) = CAMPAIGN_LASTS_HOURS;
        let hours = least + dice.below(width) as i64;
        let start = day * 86_400 - offset_seconds + hour * SECONDS_PER_HOUR;
        let (low, high) = self.weather.campaign_factors;
        let factor = low + (high - low) * dice.unit();
        Some(Campaign { type_index, span: start..start + hours * SECONDS_PER_HOUR, factor })
    }
}

/// The weather of one quarter of an hour, everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Sky {
    quarter_start: i64,
    /// By region and type.
    factors: Vec<[f64; TYPES.len()]>,
    highest: f64,
}

impl Sky {
    /// That of the quarter of an hour of these rates.
    pub(crate) fn new(skies: &Skies<'_>, regions: usize, rates: &Rates) -> Self {
        let of_region = |region| std::array::from_fn(|index| skies.factor(region, index, rates));
        let factors = (0..regions).map(of_region).collect();
        Sky { quarter_start: rates.quarter_start, factors, highest: skies.highest() }
    }

    /// Whether it is that of the quarter of an hour of these rates.
    pub(crate) fn is_of(&self, rates: &Rates) -> bool {
        self.quarter_start == rates.quarter_start
    }

    /// Whether it leaves a usual event, or adds one, for which this number in [0, 1) was drawn.
    pub(crate) fn allows(
        &self,
        region: usize,
        event_type: EventType,
        is_added: bool,
        drawn: f64,
    ) -> bool {
        let factor = self.factors[region][type_index(event_type)];
        if is_added { drawn * (self.highest - 1.0) < factor - 1.0 } else { drawn < factor }
    }
}

/// Of the logarithm of a log-normal number with this coefficient of variation.
fn sigma(cv: f64) -> f64 {
    libm::sqrt(libm::log(1.0 + cv * cv))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::RateCurve;
    use crate::scenario::Scenario;

    fn factors(cv: f64, daily_cv: f64, hours: f64) -> Vec<f64> {
        let scenario = Scenario::built_in("kazakhstan");
        let weather =
            Weather { cv, hours, daily_cv, campaigns_per_week: 0.0, campaign_factors: (1.0, 1.0) };
        let skies = Skies { weather: &weather, streams: Streams::of(4) };
        let curve = RateCurve::Calendar { base_per_second: 1.0 };
        let start = 1_762_646_400;
        let rates =
            (0..20_000).map(|quarter| curve.rates(&scenario, start + quarter * QUARTER_SECONDS));
        rates.map(|rates| skies.factor(3, 1, &rates)).collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn factors_have_the_mean_the_variation_and_the_memory_that_were_asked_for() {
        for (cv, hours) in [(0.08, 1.0), (0.15, 2.0), (0.25, 3.0)] {
            let factors = factors(cv, 0.0, hours);
            let average = mean(&factors);
            let deviations: Vec<f64> = factors.iter().map(|factor| factor - average).collect();
            let at_lag = |lag: usize| {
                let products = deviations.iter().zip(&deviations[lag..]).map(|(a, b)| a * b);
                products.sum::<f64>() / (deviations.len() - lag) as f64
            };
            let found = at_lag(0).sqrt() / average;
            assert!((average - 1.0).abs() < 0.02, "{cv}: mean {average}");
            // Cutting at 2.5 standard deviations takes a little of it away.
            assert!((0.88 * cv..1.06 * cv).contains(&found), "{cv}: {found}");
            // After the given hours 1/e = 0.37 is left, and after two hours more still some.
            let after = at_lag((hours * 4.0) as usize) / at_lag(0);
            assert!((0.30..0.45).contains(&after), "{cv}: {after} after {hours} h");
        }
    }

    #[test]
    fn days_differ_and_nothing_does_without_variation() {
        assert!(factors(0.0, 0.0, 2.0).iter().all(|factor| *factor == 1.0));
        let factors = factors(0.0, 0.1, 2.0);
        let days: Vec<f64> = factors.chunks_exact(96).map(|day| day[40]).collect();
        let average = mean(&days);
        let spread =
            mean(&days.iter().map(|day| (day - average).powi(2)).collect::<Vec<_>>()).sqrt();
        assert!((0.08..0.12).contains(&spread), "{spread}");
    }
}
