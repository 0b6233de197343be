//! The rules, checked and ready to be judged.
//!
//! In: the text of a file of rules, and a table of towers. Out: a [`RuleSet`], or what is wrong, with its line.

mod check;
mod file;
mod filter;
mod hours;

use thiserror::Error;

pub(crate) use self::filter::{Filters, HAS_COUNTERPARTY, Mask};
use crate::Towers;

/// Whether an alert of a rule is one that somebody acts upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Its alerts are only recorded.
    Shadow,
    /// Its alerts are to be acted upon.
    Live,
}

impl Mode {
    /// As files, tables and metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Shadow => "shadow",
            Mode::Live => "live",
        }
    }
}

/// A rule as the file has it, checked and in the units of events.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// a–z, 0–9 and _; at most 50 characters.
    pub name: String,
    /// From 1.
    pub version: i32,
    /// Whether somebody acts upon it.
    pub mode: Mode,
    /// Length of the window, µs.
    pub within_micros: i64,
    /// Length of a bucket, µs.
    pub bucket_micros: i64,
    pub(crate) form: Form,
    /// Matched by an event upon which it is judged.
    pub(crate) looks_for: Mask,
    /// Matched by what any of its conditions counts.
    pub(crate) counts: Mask,
    /// Fewer events of a subscriber can't fulfil it; derived from the conditions.
    pub(crate) minimum: u32,
}

/// When a rule is judged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// When an event comes.
    Window(Vec<Condition>),
    /// When the watermark has passed.
    Absent { first: Mask, then: Mask, same_counterparty: bool },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) value: Value,
    pub(crate) bound: Bound,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Count(Mask),
    Sum(Mask, Addend),
    Distinct(Mask, Named),
    Ratio { base: Mask, part: Mask, min_events: usize },
    Dispersion { of: Mask, named: Named, min_events: usize },
    Peak { of: Mask, span_micros: i64 },
    SpeedKmh { of: Mask, min_km: f64 },
    Overlap(Mask),
    Sequence { first: Mask, then: Mask, same_counterparty: bool },
}

/// What can be summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addend {
    Amount,
    DataMb,
    DurationSeconds,
}

/// What can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Counterparty,
    Tower,
}

/// What is asked of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bound {
    pub(crate) is_at_least: bool,
    pub(crate) threshold: f64,
}

impl Bound {
    pub(crate) fn holds(self, value: f64) -> bool {
        if self.is_at_least { value >= self.threshold } else { value <= self.threshold }
    }
}

/// All rules, and what they need to be judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    rules: Vec<Rule>,
    pub(crate) filters: Filters,
    pub(crate) towers: Towers,
    pub(crate) needs: Needs,
}

/// Fields that some rule asks for; others are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) counterparty: bool,
    pub(crate) tower: bool,
    pub(crate) duration: bool,
    pub(crate) amount: bool,
    pub(crate) data: bool,
}

/// What is wrong with a file of rules.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}: {message}")]
pub struct RulesError {
    /// From 1.
    pub line: usize,
    /// Key, found and expected.
    pub message: String,
}

impl RuleSet {
    /// Reads a file of rules. `towers` is the table that it names.
    ///
    /// # Errors
    /// What is no TOML, a key that no rule has, a value out of its bounds, a rule that holds for somebody who did
    /// nothing.
    pub fn parse(text: &str, towers: Towers) -> Result<Self, RulesError> {
        check::check(text, towers)
    }

    /// The file of towers that such a text names, if it names one. Says nothing about the rules.
    ///
    /// # Errors
    /// As [`RuleSet::parse`].
    pub fn towers_file(text: &str) -> Result<Option<String>, RulesError> {
        Ok(file::read(text)?.towers)
    }

    /// All rules, in the order of the file; [`crate::Hit::rule`] is an index into them.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How far back from the moment that is judged events count, µs: the length of the longest window, twice
    /// that of `absent`, which looks for duplicates before its event as well.
    pub fn lookback_micros(&self) -> i64 {
        self.rules.iter().map(Rule::lookback_micros).max().unwrap_or_default()
    }
}

impl Rule {
    fn lookback_micros(&self) -> i64 {
        match self.form {
            Form::Window(_) => self.within_micros,
            Form::Absent { .. } => 2 * self.within_micros,
        }
    }
}
