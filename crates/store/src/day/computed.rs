//! What is told of a day that was computed.

use crate::day::completeness::DayState;

/// A day whose rows were replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputedDay {
    /// Rows written.
    pub rows: i64,
    /// Rows of `real_time_metrics` that they were computed from.
    pub windows: i64,
    /// Events of the day that the ledger had in the snapshot: the day is stale once it has others.
    pub version: i64,
    /// Late events are part of the figures.
    pub include_late: bool,
    /// The version with which it had been computed as a complete day, if that was another one.
    pub changed_after_final: Option<i64>,
    /// Whether the day could still change, judged in the same snapshot as the figures.
    pub state: DayState,
}
