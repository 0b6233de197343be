//! The generator's counts, with and without spikes and drops.
//!
//! In: a [`Setting`] and a seed. Out: [`Counts`]. The generator draws the same events with and without an
//! anomaly but for those that it adds or takes away, so history is drawn once.

use std::sync::Arc;

use anomaly::{Calendar, Counts, DetectionWindow, Series};
use anyhow::{Result, anyhow};
use chrono::NaiveDateTime;
use event_model::{EventTime, MICROS_PER_SECOND};
use generator::Shard;
use generator::curve::RateCurve;
use generator::scenario::{Scenario, TYPES, type_index, type_name};
use generator::{Draft, Generator};
use pseudonym::SubscriberKey;

use crate::labels::{Label, as_toml};

/// Microseconds of a window.
const WINDOW_MICROS: i64 = anomaly::WINDOW_MINUTES * 60 * MICROS_PER_SECOND;

/// What is drawn, and which part of it is judged.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The scenario below: a name, or TOML without anomalies.
    pub scenario: String,
    /// Where history begins.
    pub history_from: NaiveDateTime,
    /// Where the week begins in which labels lie, and which is also judged without any.
    pub week_from: NaiveDateTime,
    /// Where it ends.
    pub week_to: NaiveDateTime,
    /// New Year's night, if it is looked at: from when to when.
    pub night: Option<(NaiveDateTime, NaiveDateTime)>,
    /// The business calendar.
    pub calendar: Calendar,
}

/// The traffic of one seed.
#[derive(Debug)]
pub struct World {
    /// Without anomalies, up to the end of the week, and of the night.
    pub clean: Counts,
    /// With the labels, up to the end of the week.
    pub labelled: Counts,
    pub labels: Vec<Label>,
}

/// What the scenario expects of each region and type in a window.
#[derive(Debug)]
pub struct Expectation {
    scenario: Scenario,
    curve: RateCurve,
}

impl Setting {
    /// The scenario without anomalies.
    ///
    /// # Errors
    /// It is no scenario.
    pub fn scenario(&self) -> Result<Scenario> {
        self.scenario_with(&[])
    }

    fn scenario_with(&self, labels: &[Label]) -> Result<Scenario> {
        let text = format!("{}\n{}", self.scenario, as_toml(labels));
        Scenario::parse("scored", &text).map_err(|problem| anyhow!(problem))
    }

    /// The traffic of a seed with these labels.
    ///
    /// # Errors
    /// A scenario that is none.
    pub fn world(&self, seed: u64, labels: Vec<Label>) -> Result<World> {
        let mut clean = Counts::default();
        let mut labelled = Counts::default();
        let mut add = |window: DetectionWindow, series: &Series, events: u64| {
            clean.add(window, series, events);
            if window.start() < self.week_from {
                labelled.add(window, series, events);
            }
        };
        draw(self.scenario()?, seed, self.history_from, self.week_to, &mut add);
        if let Some((from, to)) = self.night {
            draw(self.scenario()?, seed, from, to, &mut add);
        }
        let spiked = self.scenario_with(&labels)?;
        draw(spiked, seed, self.week_from, self.week_to, |window, series, events| {
            labelled.add(window, series, events);
        });
        Ok(World { clean, labelled, labels })
    }
}

impl Expectation {
    pub fn of(scenario: Scenario) -> Self {
        let curve = RateCurve::Calendar { base_per_second: scenario.base_rate };
        Expectation { scenario, curve }
    }

    /// Every region and type, with the events expected in the window at this time.
    pub fn at(&self, time: NaiveDateTime) -> Vec<(Series, f64)> {
        let rates = self.curve.rates(&self.scenario, time.and_utc().timestamp());
        let total: f64 = self.scenario.regions.iter().map(|region| region.weight).sum();
        let seconds = 60.0 * anomaly::WINDOW_MINUTES as f64;
        let mut expected = Vec::new();
        for region in &self.scenario.regions {
            for event_type in TYPES {
                let events = rates.per_second[type_index(event_type)] * seconds;
                let series = Series::new(&region.name, type_name(event_type));
                expected.push((series, events * region.weight / total));
            }
        }
        expected
    }
}

/// Counts the events of a range, in windows.
fn draw(
    scenario: Scenario,
    seed: u64,
    from: NaiveDateTime,
    to: NaiveDateTime,
    mut add: impl FnMut(DetectionWindow, &Series, u64),
) {
    let series: Vec<Vec<Series>> = scenario
        .regions
        .iter()
        .map(|region| TYPES.map(|of| Series::new(&region.name, type_name(of))).to_vec())
        .collect();
    let curve = RateCurve::Calendar { base_per_second: scenario.base_rate };
    let draft = Draft {
        scenario: Arc::new(scenario),
        seed,
        from: EventTime::from(from.and_utc()),
        to: EventTime::from(to.and_utc()),
        curve,
        shard: Shard::WHOLE,
        key: SubscriberKey::demo(),
    };
    let mut current = DetectionWindow::holding(from);
    let mut counts = vec![[0_u64; TYPES.len()]; series.len()];
    let mut put = |window: DetectionWindow, counts: &mut Vec<[u64; TYPES.len()]>| {
        for (region, by_type) in counts.iter_mut().enumerate() {
            for (index, events) in by_type.iter_mut().enumerate() {
                if *events > 0 {
                    add(window, &series[region][index], std::mem::take(events));
                }
            }
        }
    };
    let mut generator = Generator::new(&draft);
    while let Some((time, event_type, region)) = generator.next_kind() {
        let window = DetectionWindow::number(time.micros().div_euclid(WINDOW_MICROS));
        if window != current {
            put(current, &mut counts);
            current = window;
        }
        counts[region][type_index(event_type)] += 1;
    }
    put(current, &mut counts);
}
