//! Spikes and drops put into counts that somebody measured: what of them is found there.
//!
//! In: [`Measured`] counts and a seed. Out: for each magnitude how many labels there are, how many were found,
//! and how many incidents were about none. One label every second day, of 30 to 60 minutes, after four
//! weeks of history, on a series that has 12 events and more in each window meanwhile.

use anomaly::{Budget, Calendar, Counts, DetectionWindow};
use chrono::NaiveDateTime;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::labels::{Kind, Label};
use crate::run::Run;
use crate::score::Score;
use crate::series::Measured;

/// What is put in: times as many events.
pub const MAGNITUDES: [f64; 4] = [0.0, 0.5, 2.0, 3.0];
/// Labels begin after so many windows, four weeks …
const HISTORY_WINDOWS: i64 = 4 * 2_016;
/// … and there is one in so many, two days.
const EVERY_WINDOWS: i64 = 2 * 288;
/// Places that are tried for each label.
const TRIES: usize = 50;

/// Scores the detector on the counts with labels of one magnitude.
pub fn score(
    measured: &Measured,
    calendar: &Calendar,
    budget: Budget,
    magnitude: f64,
    seed: u64,
) -> Score {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let labels = draw(measured, magnitude, &mut dice);
    let counts = with_labels(measured, &labels, &mut dice);
    let mut run = Run::new(&counts, calendar, budget);
    let (from, to) = (measured.first.start(), measured.last.end());
    let incidents = run.incidents(from, to);
    let days = (to - from).num_hours() as f64 / 24.0;
    Score::of(&labels, &incidents, days)
}

fn draw(measured: &Measured, magnitude: f64, dice: &mut ChaCha8Rng) -> Vec<Label> {
    let mut labels = Vec::new();
    let mut stretch = measured.first.plus(HISTORY_WINDOWS);
    while stretch.plus(EVERY_WINDOWS) <= measured.last {
        let place = (0..TRIES).find_map(|_| place(measured, stretch, magnitude, dice));
        labels.extend(place);
        stretch = stretch.plus(EVERY_WINDOWS);
    }
    labels
}

fn place(
    measured: &Measured,
    stretch: DetectionWindow,
    magnitude: f64,
    dice: &mut ChaCha8Rng,
) -> Option<Label> {
    let from = stretch.plus(dice.random_range(0..EVERY_WINDOWS - 24));
    let windows = dice.random_range(6..=12);
    let index = dice.random_range(0..measured.counts.series().len());
    let counts = (0..windows).map(|step| measured.counts.of(from.plus(step), index).unwrap_or(0));
    let least = counts.min().unwrap_or(0) as f64;
    (least >= anomaly::judge::EVENTS_MIN).then(|| Label {
        series: measured.counts.series()[index].clone(),
        from: from.start(),
        to: from.plus(windows).start(),
        magnitude,
        expected: least,
        kind: Kind::Regional,
    })
}

fn with_labels(measured: &Measured, labels: &[Label], dice: &mut ChaCha8Rng) -> Counts {
    let mut counts = Counts::default();
    counts.begins_by(measured.first);
    for step in 0..=measured.last.since(measured.first) {
        let window = measured.first.plus(step);
        let start: NaiveDateTime = window.start();
        for (index, series) in measured.counts.series().iter().enumerate() {
            let events = measured.counts.of(window, index).unwrap_or(0);
            let label = labels
                .iter()
                .find(|label| label.series == *series && label.from <= start && start < label.to);
            let events = label.map_or(events, |label| times(events, label.magnitude, dice));
            if events > 0 {
                counts.add(window, series, events);
            }
        }
    }
    counts
}

/// Each event stays, goes or comes again by itself.
fn times(events: u64, magnitude: f64, dice: &mut ChaCha8Rng) -> u64 {
    let whole = magnitude.floor();
    let chance = magnitude - whole;
    let more = (0..events).filter(|_| dice.random::<f64>() < chance).count();
    // Those that come again, by chance: as many more or fewer as a Poisson count of their mean.
    let mean = (whole - 1.0).max(0.0) * events as f64;
    let normal = (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0;
    let again = (mean + mean.sqrt() * normal).round().max(0.0) as u64;
    let kept = if whole >= 1.0 { events } else { 0 };
    kept + more as u64 + again
}
