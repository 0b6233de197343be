//! One row into what becomes of it.
//!
//! In: a row, what is remembered of sessions. Out: an [`Outcome`]: an event, or why there is none. A row that can't be
//! mapped changes nothing that is remembered.

mod fields;
mod sessions;

use pseudonym::SubscriberKey;

use crate::counts::{Counts, Note};
use crate::event::{MappedEvent, id_of};
use crate::fault::Fault;
use crate::form::{Otherwise, RoamingThen, Unanswered};
use crate::mapping::{LegsRule, Mapping, PartyRule, RegionRule, SubtypeRule, TypeRule, ValuesRule};
use crate::number::{NotKnown, Party};
use crate::row::Row;
use crate::sessions::Sessions;

/// The region of what nobody knows where it was.
pub const REGION_UNKNOWN: &str = "unknown";
/// The region of roaming records.
pub const REGION_ABROAD: &str = "abroad";

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is an event of the contract.
    Event(Box<MappedEvent>),
    /// It is no event, and why not.
    LeftOut(&'static str),
    /// It can't be mapped: a dead letter.
    NotMapped(Fault),
}

/// Turns rows into events.
#[derive(Debug)]
pub struct Mapper<'m> {
    mapping: &'m Mapping,
    key: SubscriberKey,
}

/// Why a row ends before it is an event.
pub(crate) enum Stop {
    LeftOut(&'static str),
    NotMapped(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::NotMapped(fault)
    }
}

/// What was found out of a row besides its event.
#[derive(Default)]
pub(crate) struct Notes(Vec<Note>);

impl Notes {
    fn note(&mut self, note: Note) {
        self.0.push(note);
    }
}

impl<'m> Mapper<'m> {
    /// A mapper that makes pseudonyms with this key.
    pub fn new(mapping: &'m Mapping, key: SubscriberKey) -> Self {
        Mapper { mapping, key }
    }

    /// The mapping file's rules, checked.
    pub fn mapping(&self) -> &'m Mapping {
        self.mapping
    }

    /// What becomes of a row; it is counted.
    pub fn map(&self, row: &Row<'_>, sessions: &mut Sessions, counts: &mut Counts) -> Outcome {
        let mut notes = Notes::default();
        match self.event(row, sessions, &mut notes) {
            Ok(event) => {
                counts.events += 1;
                notes.0.into_iter().for_each(|note| counts.note(note));
                Outcome::Event(Box::new(event))
            }
            Err(Stop::LeftOut(why)) => {
                *counts.left_out.entry(why).or_default() += 1;
                Outcome::LeftOut(why)
            }
            Err(Stop::NotMapped(fault)) => {
                *counts.not_mapped.entry(fault.code).or_default() += 1;
                Outcome::NotMapped(fault)
            }
        }
    }

    fn event(
        &self,
        row: &Row<'_>,
        sessions: &mut Sessions,
        notes: &mut Notes,
    ) -> Result<MappedEvent, Stop> {
        self.leave_out(row)?;
        if let Some(event) = self.ending(row, sessions)? {
            return Ok(event);
        }
        let event_type = self.event_type(row)?;
        let subtype = self.subtype(row)?;
        let is_answered = self.is_answered(row)?;
        let is_abroad = self.is_abroad(row)?;
        let (duration_seconds, data_micros) = if is_answered {
            (self.duration(row, notes)?, self.data(row)?)
        } else {
            notes.note(Note::Unanswered);
            (Some(0), None)
        };
        let amount_micros = self.amount(row)?;
        let time = self.time(row, notes)?;
        let is_incoming = subtype.as_deref() == Some("incoming");
        let subscriber = self.party(self.mapping.subscriber.as_ref(), row, is_incoming)?;
        let counterparty = self.party(self.mapping.counterparty.as_ref(), row, is_incoming)?;
        let cell_tower_id = self.tower(row)?;
        let region = self.region(row, is_abroad, cell_tower_id, &subscriber)?;
        self.note_names(&region, &subscriber, notes);
        let pseudonym = |party: &Party| match party {
            Party::Known { pseudonym, .. } => Some(*pseudonym),
            party => party.text().map(|text| self.key.pseudonym(text)),
        };
        let event = MappedEvent {
            id: self.id(row),
            msisdn: subscriber.mask(),
            event_type,
            subtype,
            duration_seconds,
            data_micros,
            amount_micros,
            region,
            cell_tower_id,
            micros: time.micros(),
            subscriber: pseudonym(&subscriber),
            counterparty: pseudonym(&counterparty),
        };
        self.in_session(row, event, is_answered, sessions)
    }

    fn leave_out(&self, row: &Row<'_>) -> Result<(), Stop> {
        if self.mapping.leave_out.iter().any(|rule| self.has(row, rule)) {
            return Err(Stop::LeftOut("as [[leave_out]] says"));
        }
        let is_counted_leg = match &self.mapping.legs {
            None => true,
            Some(LegsRule::Same(a, b)) => {
                row.value(*a, self.mapping).as_deref() == row.value(*b, self.mapping).as_deref()
            }
            Some(LegsRule::Kept(rule)) => self.has(row, rule),
        };
        if is_counted_leg { Ok(()) } else { Err(Stop::LeftOut("another leg of a call")) }
    }

    /// Whether the column has one of the values; upper and lower case are one.
    fn has(&self, row: &Row<'_>, rule: &ValuesRule) -> bool {
        let value = row.value(rule.column, self.mapping);
        let value = value.as_deref().unwrap_or("");
        rule.values.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    }

    fn event_type(&self, row: &Row<'_>) -> Result<String, Stop> {
        match &self.mapping.event_type {
            TypeRule::Fixed(name) => Ok(name.clone()),
            TypeRule::ByValue { column, types, otherwise } => {
                let value = row.value(*column, self.mapping);
                let value = value.as_deref().unwrap_or("");
                match (types.get(value), otherwise) {
                    (Some(name), _) => Ok(name.clone()),
                    (None, Otherwise::LeftOut) => Err(Stop::LeftOut("of a type that is left out")),
                    (None, Otherwise::NotMapped) => Err(Stop::NotMapped(Fault::unexpected(
                        "type_not_known",
                        &self.mapping.columns[*column],
                        value,
                        "one of event.types",
                    ))),
                }
            }
        }
    }

    fn subtype(&self, row: &Row<'_>) -> Result<Option<String>, Stop> {
        match &self.mapping.subtype {
            SubtypeRule::None => Ok(None),
            SubtypeRule::Fixed(name) => Ok(Some(name.clone())),
            SubtypeRule::ByValue { column, subtypes } => match row.value(*column, self.mapping) {
                None => Ok(None),
                Some(value) => match subtypes.get(&*value) {
                    Some(name) => Ok(Some(name.clone())),
                    None => Err(Stop::NotMapped(Fault::unexpected(
                        "subtype_not_known",
                        &self.mapping.columns[*column],
                        &value,
                        "one of event.subtypes",
                    ))),
                },
            },
        }
    }

    fn is_answered(&self, row: &Row<'_>) -> Result<bool, Stop> {
        let Some(rule) = &self.mapping.disposition else { return Ok(true) };
        let answered = ValuesRule { column: rule.column, values: rule.answered.clone() };
        match (self.has(row, &answered), rule.unanswered) {
            (true, _) => Ok(true),
            (false, Unanswered::Zero) => Ok(false),
            (false, Unanswered::LeftOut) => Err(Stop::LeftOut("not answered")),
        }
    }

    fn is_abroad(&self, row: &Row<'_>) -> Result<bool, Stop> {
        let Some(rule) = &self.mapping.roaming else { return Ok(false) };
        let value = row.value(rule.column, self.mapping);
        let is_home = rule.home.iter().any(|home| home == value.as_deref().unwrap_or(""));
        match (is_home, rule.then) {
            (true, _) => Ok(false),
            (false, RoamingThen::Abroad) => Ok(true),
            (false, RoamingThen::LeftOut) => Err(Stop::LeftOut("roaming")),
        }
    }

    fn party(
        &self,
        rule: Option<&PartyRule>,
        row: &Row<'_>,
        is_incoming: bool,
    ) -> Result<Party, Stop> {
        let Some(rule) = rule else { return Ok(Party::Nobody) };
        let side = rule.incoming.filter(|_| is_incoming).unwrap_or(rule.side);
        let number = row.value(side.number, self.mapping);
        let Some(column) = side.pseudonym else {
            return Ok(number.map_or(Party::Nobody, |text| self.mapping.numbers.read(&text)));
        };
        let pseudonym = row.value(column, self.mapping);
        if number.is_none() && pseudonym.is_none() {
            return Ok(Party::Nobody);
        }
        // A mask without its pseudonym is one too few, and is told as such.
        let known = Party::known(number.as_deref(), pseudonym.as_deref().unwrap_or(""));
        known.map_err(|problem| {
            let (code, column, expected) = match problem {
                NotKnown::Mask => {
                    ("number_not_masked", side.number, "up to seven digits and four stars")
                }
                NotKnown::Pseudonym => ("pseudonym_unreadable", column, "16 hex digits"),
            };
            let detail = format!("{} is not {expected}", self.mapping.columns[column]);
            Stop::NotMapped(Fault::plain(code, detail))
        })
    }

    fn region(
        &self,
        row: &Row<'_>,
        is_abroad: bool,
        tower: Option<i64>,
        subscriber: &Party,
    ) -> Result<String, Stop> {
        if is_abroad {
            return Ok(REGION_ABROAD.to_owned());
        }
        let region = match &self.mapping.region {
            RegionRule::Unknown => None,
            RegionRule::Fixed(name) => Some(name.clone()),
            RegionRule::ByTower(towers) => {
                let tower = tower.and_then(|tower| u32::try_from(tower).ok());
                tower.and_then(|tower| towers.get(tower)).map(str::to_owned)
            }
            RegionRule::ByPrefix(prefixes) => {
                let digits = subscriber.digits();
                digits.and_then(|digits| prefixes.region(digits)).map(str::to_owned)
            }
            RegionRule::ByValue { column, values } => match row.value(*column, self.mapping) {
                None => None,
                // With a list of values, one that is not in it is not known.
                Some(value) if !values.is_empty() => values.get(&*value).cloned(),
                Some(value) => {
                    fields::check_region(&self.mapping.columns[*column], &value)?;
                    Some(value.into_owned())
                }
            },
        };
        Ok(region.unwrap_or_else(|| REGION_UNKNOWN.to_owned()))
    }

    fn note_names(&self, region: &str, subscriber: &Party, notes: &mut Notes) {
        match region {
            REGION_UNKNOWN => notes.note(Note::RegionUnknown),
            REGION_ABROAD => notes.note(Note::Abroad),
            _ => {}
        }
        match subscriber {
            Party::Full(_) | Party::Known { mask: Some(_), .. } => {}
            Party::Short(_) | Party::Name(_) | Party::Known { mask: None, .. } => {
                notes.note(Note::NotANumber)
            }
            Party::Nobody => notes.note(Note::NoSubscriber),
        }
    }

    /// The id of a row's event.
    pub(crate) fn id(&self, row: &Row<'_>) -> [u8; 16] {
        if self.mapping.id_columns.is_empty() {
            return id_of(row.all_values().iter().map(|value| &**value));
        }
        let columns = self.mapping.id_columns.iter();
        let values: Vec<_> =
            columns.map(|column| row.value(*column, self.mapping).unwrap_or_default()).collect();
        id_of(values.iter().map(|value| value.as_bytes()))
    }
}
