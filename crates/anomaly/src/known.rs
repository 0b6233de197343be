//! One measure of a series in the window that is judged, and what is known of it.
//!
//! Events are compared with those of former windows. What they come to is compared with what *as many* events
//! came to: twice the calls bring twice the minutes, and that is not unusual twice.

use crate::baseline::Baseline;
use crate::calendar::{DetectionWindow, Former};
use crate::counts::Series;
use crate::measure::{Figures, Measure};
use crate::memory::Memory;
use crate::statistics::{Centre, MEDIAN_VARIANCE, ratio, stabilised, weighted_median};

/// What events usually come to is known from so many of them.
const SIZE_EVENTS: u64 = 30;

/// What a series had in a former window; `None`: the window is a hole.
pub(crate) type Then<'a> = &'a dyn Fn(DetectionWindow) -> Option<Figures>;

/// A measure of a series, and what is known of it. It is judged in *units* that scatter as events do: a unit
/// is an event, or the amount of which a sum has the variance of a Poisson count.
pub(crate) struct Known<'a> {
    pub(crate) series: Series,
    pub(crate) measure: Measure,
    /// How many units came.
    pub(crate) observed: f64,
    /// How much of the measure one unit is: 1 for events.
    pub(crate) unit: f64,
    pub(crate) baseline: Option<Baseline>,
    /// How many events the baseline expects if the series follows the clock, and if it doesn't, where that
    /// differs.
    pub(crate) readings: Option<[f64; 2]>,
    pub(crate) memory: &'a Memory,
    /// The former windows that it is compared with.
    units: &'a [[DetectionWindow; 3]],
}

impl<'a> Known<'a> {
    /// The events of a series. While it is not known whether it follows the clock, the baseline is the one that
    /// comes nearer: what is unusual must be so by both.
    pub(crate) fn events(
        series: Series,
        now: Figures,
        memory: &'a Memory,
        former: &'a Former,
        then: Then<'_>,
    ) -> Self {
        let count = |window| Some(then(window)?.events);
        let of_units =
            |units| Baseline::of(former.basis, units, |then| memory.growth_since(then), count);
        let observed = now.events as f64;
        let by_clock = of_units(&former.units);
        let known = |baseline, readings, units| {
            let measure = Measure::Events;
            Known { series, measure, observed, unit: 1.0, baseline, readings, memory, units }
        };
        let Some(unclocked_units) = &former.unclocked else {
            return known(by_clock, None, &former.units);
        };
        let unclocked = of_units(unclocked_units);
        let both = by_clock.zip(unclocked);
        let off = |baseline: Baseline| ratio(observed + 1.0, baseline.expected + 1.0).ln().abs();
        let readings = both.map(|(a, b)| [a.expected, b.expected]);
        let follows = memory.follows_clock();
        let is_nearer = both.is_some_and(|(a, b)| off(a) <= off(b));
        match follows {
            Some(true) => known(by_clock, readings, &former.units),
            Some(false) => known(unclocked, readings, unclocked_units),
            None if is_nearer => known(by_clock, readings, &former.units),
            None => known(both.map(|(_, b)| b), readings, unclocked_units),
        }
    }

    /// What those events come to. `None`: nobody knows what they usually do, or they come to nothing.
    pub(crate) fn amount(
        of: &Known<'a>,
        measure: Measure,
        now: Figures,
        memory: &'a Memory,
        former: &Former,
        then: Then<'_>,
    ) -> Option<Self> {
        of.baseline.as_ref()?;
        let size = Size::of(measure, of.units, former.basis.units_min(), memory, then)?;
        let unit = size.mean * size.dispersion;
        let expected = now.events as f64 * size.mean / unit;
        let centre = Centre {
            level: stabilised(expected),
            deviation: 1.0,
            uncertainty: MEDIAN_VARIANCE * now.events as f64 / size.events as f64,
        };
        Some(Known {
            series: of.series.clone(),
            measure,
            observed: now.of(measure) / unit,
            unit,
            baseline: Some(Baseline { centre, expected, basis: former.basis }),
            readings: None,
            memory,
            units: of.units,
        })
    }
}

/// What events of a series usually come to.
struct Size {
    /// Each, on average.
    mean: f64,
    /// The variance of what one comes to, in squares of the mean; 1 at least.
    dispersion: f64,
    /// How many events both are estimated from.
    events: u64,
}

/// A former week or day: how many events, and what they came to.
struct Unit {
    windows: Vec<(u64, f64)>,
    events: u64,
    amount: f64,
}

impl Size {
    /// The median of former weeks, each by its events, lifted to today's level. How far single amounts differ
    /// is told by how far windows do of what their events should have come to: a sum of n independent amounts
    /// has n times the variance of one. The week that differs most doesn't count: it may have been unusual.
    fn of(
        measure: Measure,
        units: &[[DetectionWindow; 3]],
        units_min: usize,
        memory: &Memory,
        then: Then<'_>,
    ) -> Option<Self> {
        let of_unit = |windows: &[DetectionWindow; 3]| {
            let counted = windows.iter().filter_map(|window| Some((*window, then(*window)?)));
            let windows: Vec<(u64, f64)> = counted
                .filter(|(_, figures)| figures.events > 0)
                .map(|(window, figures)| {
                    (figures.events, memory.growth_since(window) * figures.of(measure))
                })
                .collect();
            let events = windows.iter().map(|(events, _)| events).sum();
            let amount = windows.iter().map(|(_, amount)| amount).sum();
            Unit { windows, events, amount }
        };
        let mut units: Vec<Unit> = units.iter().map(of_unit).collect();
        units.retain(|unit| unit.events > 0);
        let events = units.iter().map(|unit| unit.events).sum();
        if units.len() < units_min || events < SIZE_EVENTS {
            return None;
        }
        let mut means: Vec<(f64, f64)> = units
            .iter()
            .map(|unit| (unit.amount / unit.events as f64, unit.events as f64))
            .collect();
        let mean = weighted_median(&mut means).filter(|mean| *mean > 0.0)?;
        let off = |(events, amount): &(u64, f64)| {
            (amount / mean - *events as f64).powi(2) / *events as f64
        };
        let mut offs: Vec<(f64, usize)> = units
            .iter()
            .map(|unit| (unit.windows.iter().map(off).sum(), unit.windows.len()))
            .collect();
        offs.sort_by(|a: &(f64, usize), b| (a.0 / a.1 as f64).total_cmp(&(b.0 / b.1 as f64)));
        offs.pop();
        let (sum, windows) = offs.iter().fold((0.0, 0), |all, of| (all.0 + of.0, all.1 + of.1));
        let dispersion = if windows == 0 { 1.0 } else { (sum / windows as f64).max(1.0) };
        Some(Size { mean, dispersion, events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(weeks: i64) -> Vec<[DetectionWindow; 3]> {
        let unit = |age| [-1, 0, 1].map(|step| DetectionWindow::number(1_000 * age + step));
        (1..=weeks).map(unit).collect()
    }

    #[test]
    fn what_events_come_to_is_the_median_of_weeks_and_one_odd_week_says_nothing() {
        let memory = Memory::default();
        let figures = |seconds| Some(Figures { events: 10, seconds, ..Figures::default() });
        for odd in [600, 60_000, 0] {
            let then = |window: DetectionWindow| {
                figures(if window < DetectionWindow::number(1_500) { odd } else { 600 })
            };
            let size = Size::of(Measure::Minutes, &units(4), 2, &memory, &then).unwrap();
            assert_eq!((size.mean, size.dispersion), (1.0, 1.0), "{odd}");
        }
        // Ten events a window come to 15, 5 and 15 minutes; 70 seconds each, on average.
        let parity = |window: DetectionWindow| window.since(DetectionWindow::number(0)) % 2 == 0;
        let then = |window: DetectionWindow| figures(if parity(window) { 300 } else { 900 });
        let size = Size::of(Measure::Minutes, &units(4), 2, &memory, &then).unwrap();
        assert!((size.dispersion - 1.6327).abs() < 0.001, "{}", size.dispersion);
    }

    #[test]
    fn too_few_events_or_none_that_come_to_anything_say_nothing() {
        let memory = Memory::default();
        let of = |weeks, events, seconds| {
            let then =
                move |_: DetectionWindow| Some(Figures { events, seconds, ..Figures::default() });
            Size::of(Measure::Minutes, &units(weeks), 2, &memory, &then).is_some()
        };
        assert!(of(4, 10, 600));
        assert!(!of(1, 100, 600), "one week");
        assert!(!of(4, 2, 600), "24 events");
        assert!(!of(4, 10, 0), "no minutes");
    }
}
