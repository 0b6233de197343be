//! What is to be said of a measure of a series in one window.

use crate::counts::Series;
use crate::measure::Measure;

/// A window is calm below this score, in the direction of an incident …
pub const CLOSE_SCORE: f64 = 2.0;
/// … or if it differs from what is expected by less than this factor.
pub const CLOSE_CHANGE: f64 = 1.25;

/// More than usual, or less.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More came than is usual.
    High,
    /// Less came than is usual.
    Low,
}

/// How much is known of a series at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knowledge {
    /// Enough former weeks or days are known to notice both rises and drops.
    Judged,
    /// Too few events are expected: only a great rise is noticed.
    Small,
    /// Fewer than two former weeks or days are known: nothing is noticed.
    WarmingUp,
}

/// What is to be said of a series in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Which; the region is [`NATIONWIDE`](crate::counts::NATIONWIDE) for the whole country.
    pub series: Series,
    /// Which of the series' figures is judged, and so the unit of what came and what was expected.
    pub measure: Measure,
    /// What came, in the measure's unit: in this window, or, of a series that is too small, in the windows that
    /// were compared together.
    pub observed: f64,
    /// What was expected there; 0 while it is warming up.
    pub expected: f64,
    /// Observed ÷ expected: of this window, or of those that were compared together where it is too small.
    pub ratio: f64,
    /// How far above what is expected, negative below, in units in which 3.5 is the series' own
    /// threshold; 0 while it is warming up.
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

    pub(crate) const fn sign(self) -> f64 {
        match self {
            Direction::High => 1.0,
            Direction::Low => -1.0,
        }
    }
}

impl Knowledge {
    /// All, the most known first.
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
    /// More than expected, or less.
    pub fn direction(&self) -> Direction {
        if self.score > 0.0 { Direction::High } else { Direction::Low }
    }

    /// Whether an incident in this direction has nothing to show for itself in this window.
    pub fn is_calm(&self, direction: Direction) -> bool {
        self.knowledge != Knowledge::Judged && self.unusual != Some(direction)
            || self.score * direction.sign() < CLOSE_SCORE
            || self.ratio.powf(direction.sign()) < CLOSE_CHANGE
    }
}
