//! What is unusual in one window, series by series.
//!
//! In: [`Counts`] of the window and of the former ones. Out: a [`Judgement`] for each series.
//!
//! ```text
//!   region × type       against former weeks × the country's factor of that type
//!   the whole country   against former weeks alone; the factor must have changed as much
//! ```
//!
//! What rises or falls everywhere at once is divided out of the regions by the factor, and is one
//! unusual thing, of the whole country. So a holiday doesn't raise an alarm in every region, and a failure
//! of everything is still found. On a listed holiday a country that is busier, or somewhat calmer, is
//! usual; one that is nearly silent is not.

use std::collections::BTreeMap;

use crate::baseline::Baseline;
use crate::calendar::{Basis, Calendar, DetectionWindow, Former};
use crate::counts::{Counts, NATIONWIDE, Series};
use crate::statistics::{stabilised, weighted_median};

/// A window is unusual from this score on. Two of three must be, so chance needs it twice.
pub const OPEN_SCORE: f64 = 3.5;
/// It is calm again below this one, in the direction of the incident …
pub const CLOSE_SCORE: f64 = 2.0;
/// Unusual is also a matter of size: so many times as much or as little as expected …
pub const OPEN_CHANGE: f64 = 1.5;
/// … and calm is what differs by less than this factor.
pub const CLOSE_CHANGE: f64 = 1.25;
/// A series of which fewer events are expected in a window is too small to judge: a fall can't be told
/// from chance, and a rise must be one that would be unusual for a series of this size.
pub const EVENTS_MIN: f64 = 12.0;
/// Scores must be so much higher while only days are compared, and for regions on holidays.
pub const CAUTION: f64 = 1.5;
/// On a holiday the country as a whole is unusual only below this share of what is expected.
pub const HOLIDAY_SHARE: f64 = 0.25;
/// A factor needs so many regions with a baseline …
const FACTOR_REGIONS_MIN: usize = 3;
/// … of which so many events are expected together; otherwise it is 1.
const FACTOR_EVENTS_MIN: f64 = 30.0;
/// No region has more than this share of the say in it.
const FACTOR_SAY_MAX: f64 = 1.0 / 3.0;
/// A region whose score is higher has no say in the factor.
const FACTOR_SCORE_MAX: f64 = 3.0;

/// More than usual, or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// More.
    High,
    /// Less.
    Low,
}

/// How much is known of a series at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knowledge {
    /// Enough.
    Judged,
    /// Too few events are expected: only a great rise is noticed.
    Small,
    /// Fewer than two former weeks or days are known: nothing is noticed.
    WarmingUp,
}

/// What is to be said of a series in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Which; the region is [`NATIONWIDE`] for the whole country.
    pub series: Series,
    /// Events counted.
    pub observed: u64,
    /// Events expected; 0 while it is warming up.
    pub expected: f64,
    /// Standard deviations above what is expected, negative below; 0 while it is warming up.
    pub score: f64,
    /// How much is known.
    pub knowledge: Knowledge,
    /// Whether the window is unusual, and how.
    pub unusual: Option<Direction>,
}

impl Direction {
    /// Its name in tables and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Direction::High => "high",
            Direction::Low => "low",
        }
    }

    /// The direction of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Direction::High, Direction::Low].into_iter().find(|direction| direction.name() == name)
    }

    const fn sign(self) -> f64 {
        match self {
            Direction::High => 1.0,
            Direction::Low => -1.0,
        }
    }
}

impl Knowledge {
    /// All kinds.
    pub const ALL: [Knowledge; 3] = [Knowledge::Judged, Knowledge::Small, Knowledge::WarmingUp];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Knowledge::Judged => "judged",
            Knowledge::Small => "small",
            Knowledge::WarmingUp => "warming_up",
        }
    }
}

impl Judgement {
    /// Whether an incident in this direction has nothing to show for itself in this window.
    pub fn is_calm(&self, direction: Direction) -> bool {
        self.knowledge != Knowledge::Judged && self.unusual != Some(direction)
            || self.score * direction.sign() < CLOSE_SCORE
            || change(direction, self.observed, self.expected) < CLOSE_CHANGE
    }
}

/// How many times as much, or as little, as expected. An event more and less: nobody divides by 0.
fn change(direction: Direction, observed: u64, expected: f64) -> f64 {
    let observed = observed as f64;
    match direction {
        Direction::High => observed / expected.max(1.0),
        Direction::Low => expected / observed.max(1.0),
    }
}

/// Judges all series in a complete window.
pub fn judge_window(
    window: DetectionWindow,
    counts: &Counts,
    calendar: &Calendar,
) -> Vec<Judgement> {
    let former = calendar.former(window, |then| counts.has(then));
    let is_holiday = calendar.is_holiday(window);
    let mut types: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, series) in counts.series().iter().enumerate() {
        types.entry(&series.event_type).or_default().push(index);
    }
    let mut judgements = Vec::new();
    for (event_type, indices) in types {
        let regions: Vec<Known> = indices
            .iter()
            .map(|index| Known {
                series: counts.series()[*index].clone(),
                // A hole in the very window that is judged means that nothing came.
                observed: counts.of(window, *index).unwrap_or(0),
                baseline: Baseline::of(&former, |then| counts.of(then, *index)),
            })
            .collect();
        let country = Known {
            series: Series::new(NATIONWIDE, event_type),
            observed: regions.iter().map(|region| region.observed).sum(),
            baseline: Baseline::of(&former, |then| counts.of_all(then, &indices)),
        };
        let factor = factor(&regions);
        judgements.push(judge_country(country, factor, is_holiday, &former));
        let factor = factor.unwrap_or(1.0);
        let caution = caution(&former) * if is_holiday { CAUTION } else { 1.0 };
        judgements.extend(regions.into_iter().map(|region| judge_one(region, factor, caution)));
    }
    judgements
}

/// A series, and what is known of it.
struct Known {
    series: Series,
    observed: u64,
    baseline: Option<Baseline>,
}

fn caution(former: &Former) -> f64 {
    match former.basis {
        Basis::Weeks => 1.0,
        Basis::Days => CAUTION,
    }
}

/// The country is unusual where most of it is: what one large region does is not the country's.
fn judge_country(
    country: Known,
    factor: Option<f64>,
    is_holiday: bool,
    former: &Former,
) -> Judgement {
    let mut judgement = judge_one(country, 1.0, caution(former));
    judgement.unusual = judgement.unusual.filter(|direction| match direction {
        Direction::High => factor.is_none_or(|factor| factor >= OPEN_CHANGE),
        Direction::Low => factor.is_none_or(|factor| factor <= 1.0 / OPEN_CHANGE),
    });
    if is_holiday {
        let is_silent = (judgement.observed as f64) < HOLIDAY_SHARE * judgement.expected;
        judgement.unusual =
            judgement.unusual.filter(|direction| *direction == Direction::Low && is_silent);
    }
    judgement
}

fn judge_one(known: Known, factor: f64, caution: f64) -> Judgement {
    let Known { series, observed, baseline } = known;
    let Some(baseline) = baseline else {
        let knowledge = Knowledge::WarmingUp;
        return Judgement { series, observed, expected: 0.0, score: 0.0, knowledge, unusual: None };
    };
    let expected = factor * baseline.expected();
    let is_small = expected < EVENTS_MIN;
    let knowledge = if is_small { Knowledge::Small } else { Knowledge::Judged };
    let lifted = expected.max(EVENTS_MIN);
    let is_unusual = |direction: Direction, score: f64, expected: f64| {
        score * direction.sign() >= OPEN_SCORE * caution
            && change(direction, observed, expected) >= OPEN_CHANGE
    };
    let score = baseline.score(observed, factor, 0.0);
    let unusual =
        if is_unusual(Direction::High, baseline.score(observed, factor, EVENTS_MIN), lifted) {
            Some(Direction::High)
        } else if !is_small && is_unusual(Direction::Low, score, expected) {
            Some(Direction::Low)
        } else {
            None
        };
    Judgement { series, observed, expected, score, knowledge, unusual }
}

/// By how much the whole country is busier than usual: first the median of all regions' own factors,
/// weighted by what is expected, so that neither one region nor many small ones decide; then the factor
/// of all those together that agree with it. `None`: there are too few regions or events to tell.
fn factor(regions: &[Known]) -> Option<f64> {
    let known: Vec<(f64, &Baseline)> = regions
        .iter()
        .filter_map(|region| Some((region.observed as f64, region.baseline.as_ref()?)))
        .collect();
    let expected: f64 = known.iter().map(|(_, baseline)| baseline.expected()).sum();
    if known.len() < FACTOR_REGIONS_MIN || expected < FACTOR_EVENTS_MIN {
        return None;
    }
    let mut factors: Vec<(f64, f64)> = known
        .iter()
        .map(|(observed, baseline)| (*observed, baseline.expected()))
        .filter(|(_, expected)| *expected > 0.0)
        .map(|(observed, of_one)| (observed / of_one, of_one.min(FACTOR_SAY_MAX * expected)))
        .collect();
    let rough = weighted_median(&mut factors)?;
    let agrees = |(observed, baseline): &&(f64, &Baseline)| {
        let distance = stabilised(*observed) - stabilised(rough * baseline.expected());
        let variance =
            baseline.centre.deviation.powi(2) * (1.0 + rough * baseline.centre.uncertainty);
        distance.abs() < FACTOR_SCORE_MAX * variance.sqrt()
    };
    let agreeing = known.iter().filter(agrees);
    let (observed, expected) =
        agreeing.fold((0.0, 0.0), |sums, (observed, b)| (sums.0 + observed, sums.1 + b.expected()));
    Some(if expected < FACTOR_EVENTS_MIN { rough } else { observed / expected })
}

#[cfg(test)]
mod tests;
