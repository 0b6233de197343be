//! A mapping: what the columns of an operator's records mean.
//!
//! In: the text of a mapping file, and of the tables that it names. Out: a [`Mapping`] whose parts fit together, or a
//! [`MappingError`] that names the key, what it is and what is expected.

mod check;
mod tables;

use std::collections::BTreeMap;

use chrono_tz::Tz;
use thiserror::Error;
use towers::TowerRegions;

pub(crate) use self::tables::Prefixes;
use crate::decimal::Notation;
use crate::form::{DurationUnit, Format, MinusOne, Moment, Otherwise, RoamingThen, Unanswered};
use crate::moment::Clock;
use crate::number::NumberPlan;

/// A mapping file that can't be used.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct MappingError(pub(crate) String);

/// The number of a column that a mapping speaks of.
pub(crate) type Column = usize;

/// What the columns of an operator's records mean.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// What it is called: part of each dead letter, and of the transactions' name.
    pub name: String,
    pub(crate) input: InputRules,
    /// Names of all the columns that it speaks of; their numbers are places here.
    pub(crate) columns: Vec<String>,
    /// Columns that hold subscribers' numbers.
    pub(crate) number_columns: Vec<Column>,
    pub(crate) event_type: TypeRule,
    pub(crate) subtype: SubtypeRule,
    /// Which columns the id is made of; empty: all of the row.
    pub(crate) id_columns: Vec<Column>,
    pub(crate) time: TimeRule,
    pub(crate) duration: Option<DurationRule>,
    pub(crate) data: Option<DataRule>,
    pub(crate) amount: Option<AmountRule>,
    pub(crate) subscriber: Option<PartyRule>,
    pub(crate) counterparty: Option<PartyRule>,
    pub(crate) numbers: NumberPlan,
    pub(crate) region: RegionRule,
    pub(crate) tower: Option<TowerRule>,
    pub(crate) disposition: Option<DispositionRule>,
    pub(crate) roaming: Option<RoamingRule>,
    pub(crate) legs: Option<LegsRule>,
    pub(crate) leave_out: Vec<ValuesRule>,
    pub(crate) sessions: SessionRule,
}

/// How rows are read.
#[derive(Clone, Debug)]
pub(crate) struct InputRules {
    pub(crate) format: Format,
    pub(crate) delimiter: u8,
    pub(crate) header: bool,
    /// The columns of files without a header, and of a topic's CSV.
    pub(crate) names: Vec<String>,
    /// So many of the last ones may be missing.
    pub(crate) optional: usize,
    pub(crate) notation: Notation,
    pub(crate) empty: Vec<String>,
    pub(crate) percent_encoded: bool,
    /// Members that lead to the record, in JSON.
    pub(crate) root: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum TypeRule {
    Fixed(String),
    ByValue { column: Column, types: BTreeMap<String, String>, otherwise: Otherwise },
}

#[derive(Clone, Debug)]
pub(crate) enum SubtypeRule {
    None,
    Fixed(String),
    ByValue { column: Column, subtypes: BTreeMap<String, String> },
}

#[derive(Clone, Debug)]
pub(crate) struct TimeRule {
    pub(crate) clock: Clock,
    pub(crate) moment: Moment,
    pub(crate) start: Option<Column>,
    pub(crate) end: Option<Column>,
    /// Seconds from start to end.
    pub(crate) seconds: Option<(Column, DurationUnit)>,
}

#[derive(Clone, Debug)]
pub(crate) struct DurationRule {
    pub(crate) column: Column,
    pub(crate) unit: DurationUnit,
    pub(crate) minus_one: MinusOne,
}

#[derive(Clone, Debug)]
pub(crate) struct DataRule {
    pub(crate) columns: Vec<Column>,
    /// One unit is `times` / `by` megabytes of 2²⁰ octets.
    pub(crate) times: u64,
    pub(crate) by: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct AmountRule {
    pub(crate) column: Column,
    pub(crate) per_unit: u32,
    pub(crate) currency: Option<(Column, Vec<String>)>,
}

#[derive(Clone, Debug)]
pub(crate) struct PartyRule {
    pub(crate) side: SideRule,
    /// Where it is for incoming events.
    pub(crate) incoming: Option<SideRule>,
}

/// Where one side of a call stands in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SideRule {
    /// Its number; a mask where there is a pseudonym already.
    pub(crate) number: Column,
    /// Its pseudonym, where somebody before us has made it.
    pub(crate) pseudonym: Option<Column>,
}

#[derive(Clone, Debug)]
pub(crate) enum RegionRule {
    Fixed(String),
    ByValue { column: Column, values: BTreeMap<String, String> },
    ByTower(TowerRegions),
    ByPrefix(Prefixes),
    Unknown,
}

#[derive(Clone, Debug)]
pub(crate) struct TowerRule {
    pub(crate) column: Column,
    pub(crate) hexadecimal: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct DispositionRule {
    pub(crate) column: Column,
    pub(crate) answered: Vec<String>,
    pub(crate) unanswered: Unanswered,
}

#[derive(Clone, Debug)]
pub(crate) struct RoamingRule {
    pub(crate) column: Column,
    pub(crate) home: Vec<String>,
    pub(crate) then: RoamingThen,
}

#[derive(Clone, Debug)]
pub(crate) enum LegsRule {
    Same(Column, Column),
    Kept(ValuesRule),
}

#[derive(Clone, Debug)]
pub(crate) struct ValuesRule {
    pub(crate) column: Column,
    pub(crate) values: Vec<String>,
}

/// What rows of one session have to do with each other.
#[derive(Clone, Debug)]
pub(crate) enum SessionRule {
    /// Each row stands for itself.
    None,
    /// Each row has the sums since the session began.
    Differences { session: Vec<Column>, ends: Option<ValuesRule> },
    /// One row begins it, another ends it.
    Pairs { session: Vec<Column>, begins: ValuesRule, ends: ValuesRule },
}

impl Mapping {
    /// Reads a mapping file. `table` gives the text of a file that it names.
    ///
    /// # Errors
    /// A sentence that names the key, what it is and what is expected.
    pub fn read(
        text: &str,
        table: &dyn Fn(&str) -> std::io::Result<String>,
    ) -> Result<Mapping, MappingError> {
        let form = toml::from_str(text).map_err(|error| MappingError(error.to_string()))?;
        check::mapping(form, table).map_err(MappingError)
    }

    /// The zone that times are read in, where the formats don't name their own offset.
    pub fn zone(&self) -> Option<Tz> {
        self.time.clock.zone
    }

    /// What the pseudonym of a number is made of, in whatever notation it is written; `None`: it names nobody.
    pub fn number_text(&self, number: &str) -> Option<String> {
        self.numbers.read(number).text().map(str::to_owned)
    }

    /// Whether it makes pseudonyms, and so needs the key: not where the rows have them already.
    pub fn makes_pseudonyms(&self) -> bool {
        let parties = [&self.subscriber, &self.counterparty].into_iter().flatten();
        let mut sides = parties.flat_map(|party| [Some(party.side), party.incoming]).flatten();
        sides.any(|side| side.pseudonym.is_none())
    }

    /// Whether rows of one session are remembered until the next one.
    pub fn has_sessions(&self) -> bool {
        !matches!(self.sessions, SessionRule::None)
    }

    /// Whether a header names the columns.
    pub fn has_header(&self) -> bool {
        self.input.header && self.input.format == Format::Csv
    }
}
