//! Two simple detectors to compare with.
//!
//! **Fixed threshold**: for each series, the highest and the lowest count of any window of its history. It
//! knows nothing of hours, but everything else is the same: two of three windows, three calm ones.
//! **Random**: as many incidents as the scored detector raised, on any series at any time.

use anomaly::{Counts, Direction, Incident, Judgement, Knowledge, Peak, Series, Window};
use chrono::NaiveDateTime;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Judges by the extremes of a history.
pub fn fixed_threshold<'a>(
    counts: &'a Counts,
    from: NaiveDateTime,
    to: NaiveDateTime,
) -> impl Fn(Window) -> Vec<Judgement> + 'a {
    let span = Window::holding(from).since(Window::number(0))
        ..Window::holding(to).since(Window::number(0));
    let extremes: Vec<(u64, u64)> = (0..counts.series().len())
        .map(|index| {
            let of = |number| counts.of(Window::number(number), index).unwrap_or(0);
            let history = span.clone().map(of);
            history.fold((u64::MAX, 0), |(low, high), events| (low.min(events), high.max(events)))
        })
        .collect();
    move |window| {
        let judge_one = |(index, series): (usize, &Series)| {
            let observed = counts.of(window, index).unwrap_or(0);
            let (low, high) = extremes[index];
            let unusual = match observed {
                _ if observed > high => Some(Direction::High),
                _ if observed < low => Some(Direction::Low),
                _ => None,
            };
            let expected = if observed > high { high } else { low } as f64;
            let score = unusual.map_or(0.0, |_| observed as f64 - expected);
            let knowledge = Knowledge::Judged;
            Judgement { series: series.clone(), observed, expected, score, knowledge, unusual }
        };
        counts.series().iter().enumerate().map(judge_one).collect()
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
    let (first, end) = (Window::holding(from), Window::holding(to));
    let series: Vec<Series> = counts.series().to_vec();
    let one = |_| {
        let window = first.plus(dice.random_range(0..end.since(first)));
        Some(Incident {
            series: series.choose(&mut dice)?.clone(),
            direction: *[Direction::High, Direction::Low].choose(&mut dice)?,
            first: window,
            opened: window,
            last: window,
            closed: Some(window),
            calm_windows: 0,
            peak: Peak { observed: 0, expected: 0.0, score: 0.0 },
        })
    };
    (0..incidents).filter_map(one).collect()
}
