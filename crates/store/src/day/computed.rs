//! What is told of a day that was computed.

use crate::day::completeness::DayState;

/// A day whose rows were replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputedDay {
    /// Rows written.
    pub rows: i64,
    /// Rows of `real_time_metrics` that they were computed from, and sums of a lake.
    pub windows: i64,
    /// How many of these were sums of a lake; `None`: it was computed from its minutes.
    pub lake_sums: Option<i64>,
    /// Events of the day that the ledger had in the snapshot: the day is stale once it has others.
    pub version: i64,
    /// Late events are part of the figures.
    pub include_late: bool,
    /// The version with which it had been computed as a complete day, if that was another one.
    pub changed_after_final: Option<i64>,
    /// Whether the day could still change, judged in the same snapshot as the figures.
    pub state: DayState,
}
