//! Two simple detectors to compare with.
//!
//! **Fixed threshold**: for each series, the highest and the lowest count of any window of its history. It
//! knows nothing of hours, but everything else is the same: two of three windows, three calm ones.
//! **Random**: as many incidents as the scored detector raised, on any series at any time.

use std::collections::BTreeMap;

use anomaly::{
    Counts, DetectionWindow, Direction, Incident, Judgement, Knowledge, Measure, NATIONWIDE, Peak,
    Series,
};
use chrono::NaiveDateTime;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Every series with the indices of those that it adds up: itself, or all regions.
fn all_series(counts: &Counts) -> Vec<(Series, Vec<usize>)> {
    let regional = counts.series().iter().enumerate();
    let mut all: Vec<(Series, Vec<usize>)> =
        regional.map(|(index, series)| (series.clone(), vec![index])).collect();
    let mut types: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, series) in counts.series().iter().enumerate() {
        types.entry(&series.event_type).or_default().push(index);
    }
    all.extend(types.into_iter().map(|(of, indices)| (Series::new(NATIONWIDE, of), indices)));
    all
}

/// Judges by the extremes of a history.
pub fn fixed_threshold(
    counts: &Counts,
    from: NaiveDateTime,
    to: NaiveDateTime,
) -> impl Fn(DetectionWindow) -> Vec<Judgement> + '_ {
    let series = all_series(counts);
    let (first, end) = (DetectionWindow::holding(from), DetectionWindow::holding(to));
    let extremes: Vec<(u64, u64)> = series
        .iter()
        .map(|(_, indices)| {
            let history = (0..end.since(first)).map(|step| first.plus(step));
            let history = history.map(|window| counts.of_all(window, indices).unwrap_or(0));
            history.fold((u64::MAX, 0), |(low, high), events| (low.min(events), high.max(events)))
        })
        .collect();
    move |window| {
        let judge_one = |((series, indices), (low, high)): (&(Series, Vec<usize>), &(u64, u64))| {
            let observed = counts.of_all(window, indices).unwrap_or(0);
            let (unusual, limit) = match observed {
                _ if observed > *high => (Some(Direction::High), *high),
                _ if observed < *low => (Some(Direction::Low), *low),
                _ => (None, observed),
            };
            let (expected, score) = (limit as f64, observed as f64 - limit as f64);
            let knowledge = Knowledge::Judged;
            let (series, ratio) = (series.clone(), observed.max(1) as f64 / expected.max(1.0));
            let (measure, observed) = (Measure::Events, observed as f64);
            Judgement { series, measure, observed, expected, ratio, score, knowledge, unusual }
        };
        series.iter().zip(&extremes).map(judge_one).collect()
    }
}

/// So many incidents anywhere in a stretch.
pub fn random(
    counts: &Counts,
    from: NaiveDateTime,
    to: NaiveDateTime,
    incidents: usize,
    seed: u64,
) -> Vec<Incident> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let (first, end) = (DetectionWindow::holding(from), DetectionWindow::holding(to));
    let series: Vec<Series> = all_series(counts).into_iter().map(|(series, _)| series).collect();
    let one = |_| {
        let window = first.plus(dice.random_range(0..end.since(first)));
        Some(Incident {
            series: series.choose(&mut dice)?.clone(),
            measure: Measure::Events,
            direction: *[Direction::High, Direction::Low].choose(&mut dice)?,
            first: window,
            opened: window,
            last: window,
            closed: Some(window),
            calm_windows: 0,
            peak: Peak { observed: 0, expected: 0.0, score: 0.0 },
            moved: Vec::new(),
        })
    };
    (0..incidents).filter_map(one).collect()
}
