//! Where the spikes and drops are.
//!
//! In: a seed and what is expected when. Out: [`Label`]s, one in every second hour at most, so that none
//! disturbs another, at moments that are no window's beginning, for 30 to 60 minutes.

use std::fmt::Write;

use anomaly::{Direction, NATIONWIDE, Series};
use chrono::{Duration, NaiveDateTime};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::world::{Expectation, Setting};

/// A spike or drop that a detector should find.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where; the region is [`NATIONWIDE`] for all regions.
    pub series: Series,
    /// From when, UTC.
    pub from: NaiveDateTime,
    /// To when.
    pub to: NaiveDateTime,
    /// Times the usual number.
    pub magnitude: f64,
    /// Events that are expected in a window without it.
    pub expected: f64,
    /// In which line of the table it counts.
    pub kind: Kind,
}

/// Lines of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One region, a series that is large enough to be judged.
    Regional,
    /// One region, a series that is said to be too small.
    Small,
    /// All regions.
    Nationwide,
}

impl Label {
    pub fn direction(&self) -> Direction {
        if self.magnitude > 1.0 { Direction::High } else { Direction::Low }
    }
}

/// How many of which magnitude one seed gets.
#[derive(Clone, Copy, Debug)]
pub struct Lot {
    pub kind: Kind,
    /// Times the usual number.
    pub magnitude: f64,
    pub count: usize,
}

pub fn draw(setting: &Setting, expectation: &Expectation, lots: &[Lot], seed: u64) -> Vec<Label> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let hours = (setting.week_to - setting.week_from).num_hours();
    let mut slots: Vec<i64> = (0..hours / 2).collect();
    slots.shuffle(&mut random);
    let mut labels = Vec::new();
    for lot in lots {
        let mut placed = 0;
        while placed < lot.count {
            let Some(slot) = slots.pop() else { return labels };
            let start = setting.week_from + Duration::hours(2 * slot);
            let from = start + Duration::seconds(random.random_range(0..1_800));
            let to = from + Duration::seconds(random.random_range(1_800..3_600));
            // Rates change with the hour: what is expected holds from the label's beginning to its end.
            let candidates = candidates(expectation, lot.kind, from, to);
            let Some((series, expected)) = candidates.choose(&mut random).cloned() else {
                continue;
            };
            let (kind, magnitude) = (lot.kind, lot.magnitude);
            labels.push(Label { series, from, to, magnitude, expected, kind });
            placed += 1;
        }
    }
    labels.sort_by_key(|label| label.from);
    labels
}

/// The series that a label may be put on, with the least that is expected of them meanwhile.
fn candidates(
    expectation: &Expectation,
    kind: Kind,
    from: NaiveDateTime,
    to: NaiveDateTime,
) -> Vec<(Series, f64)> {
    let both = expectation.at(from).into_iter().zip(expectation.at(to));
    let least = both.map(|((series, first), (_, last))| (series, first.min(last)));
    // Top-ups that follow balances can't be made to spike.
    let least = least.filter(|(series, _)| series.event_type != "balance_recharge");
    match kind {
        Kind::Regional => {
            least.filter(|(_, events)| *events >= anomaly::judge::EVENTS_MIN).collect()
        }
        Kind::Small => {
            least.filter(|(_, events)| (2.0..anomaly::judge::EVENTS_MIN).contains(events)).collect()
        }
        Kind::Nationwide => {
            let mut sums = std::collections::BTreeMap::<String, f64>::new();
            for (series, events) in least {
                *sums.entry(series.event_type).or_default() += events;
            }
            sums.into_iter().map(|(of, events)| (Series::new(NATIONWIDE, &of), events)).collect()
        }
    }
}

/// The labels as a scenario's anomalies.
pub fn as_toml(labels: &[Label]) -> String {
    let mut text = String::new();
    for (number, label) in labels.iter().enumerate() {
        let Series { region, event_type } = &label.series;
        let time = |moment: NaiveDateTime| moment.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let (from, to, magnitude) = (time(label.from), time(label.to), label.magnitude);
        let place =
            if region == NATIONWIDE { String::new() } else { format!("region = \"{region}\"\n") };
        write!(
            text,
            "[[anomalies]]\nname = \"{number}\"\n{place}event_type = \"{event_type}\"\n\
             from = \"{from}\"\nto = \"{to}\"\nmagnitude = {magnitude:?}\n"
        )
        .expect("a String takes any text");
    }
    text
}
