//! What is said of a rule that holds.

use event_model::EventTime;

/// A rule holds, by a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Index into [`RuleSet::rules`](crate::RuleSet::rules).
    pub rule: usize,
    /// Whose events they are.
    pub subscriber: Box<str>,
    /// The bucket's start.
    pub bucket: EventTime,
    /// What it rests on.
    pub evidence: Evidence,
}

/// What a hit rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Events after this …
    pub window_start: EventTime,
    /// … up to this, itself included.
    pub window_end: EventTime,
    /// Of each condition, in the order of the file; none for `absent`.
    pub measures: Vec<Measure>,
    /// Of the last ten events in the window that a condition counts, by event time.
    pub offsets: Vec<i64>,
}

/// What was measured beside what was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// What the window came to, in the condition's unit.
    pub value: f64,
    /// The bound that the rule sets, in the same unit.
    pub threshold: f64,
    /// Whether at least this, or at most.
    pub is_at_least: bool,
}
