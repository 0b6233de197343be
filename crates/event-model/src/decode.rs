//! JSON bytes of one record into an [`EventView`].
//!
//! In: the payload of one record. Out: what the pipeline needs of the event, or the one reason why
//! it is a dead letter.
//!
//! # Which reason
//! A payload may break several rules. The reason is always the first of this list:
//!
//! 1. `not_utf8`, judged on the whole payload;
//! 2. `not_json`, judged on the whole text: one JSON value with only whitespace around it;
//! 3. `not_an_object`;
//! 4. the first in the text of `duplicate_field`, `wrong_type` and `lone_surrogate`; at one member
//!    a duplicate comes before its type;
//! 5. of `event_type`, then of `region`: `missing` (`not_mapped`, see below), `empty`, `too_long`, `contains_nul`,
//!    `reserved_name`;
//! 6. of `timestamp`: `missing`, `timestamp_unit`, `timestamp_unparsable`, `timestamp_out_of_range`;
//! 7. of `duration_seconds`, `data_mb`, `amount`, then `cell_tower_id`: `negative_number`,
//!    `number_too_large`, `not_whole`.
//!
//! `null_payload` and `timestamp_in_future` are for those who know the record around the payload.
//!
//! # What is decided here, because the contract leaves it open
//! - Known fields are the ten of the contract, `subscriber_id` and `counterparty_id`. Names and
//!   reserved names are compared exactly: `Region` is an unknown field, `all` a usable region.
//! - A string means what it stands for once unescaped, in keys too: `"\u0041LL"` is reserved, and
//!   `"\u0072egion"` is the field `region`.
//! - A field that stands twice is a duplicate even if one of the two is null.
//! - Unknown fields are never judged: they may repeat, hold lone surrogates and nest at any depth.
//! - Confluent's frame around JSON (a zero byte, then a schema's number in four bytes) is passed over, whatever the
//!   number is; what follows is judged as if it were the payload.
//! - A byte order mark is not JSON; neither are `NaN` and `Infinity`. `1e400` is a number, and too
//!   large.
//! - `not_mapped` replaces the `missing` of `event_type` where the object has a member `not_mapped` that is a
//!   string: `intake` writes so what it can't make an event of. With an event type that member is unknown.
//! - `timestamp_unit` replaces `wrong_type`, `timestamp_unparsable` and `timestamp_out_of_range`, at
//!   their place in this order, where another unit of time would make a time of [2000, 2100): a
//!   number or a string of digits that counts seconds, milliseconds, microseconds or nanoseconds
//!   since 1970, and a date such as 1970-01-21 or one in a year of five digits.
//! - An empty `timestamp` is unparsable. Year 0000 is a year of the calendar, so it is out of range
//!   rather than unparsable. `-00:00` is UTC.
//! - A negative `cell_tower_id` is a negative number like any other.
//! - NUL is refused only where it would reach the database: in `event_type` and `region`.
//!
//! Keeps I-5 (exact sums): numbers never pass through floating point. I-7 (nothing silent): there
//! is no payload without an answer.

use std::borrow::Cow;

use crate::decimal::Decimal;
use crate::field::{NumberField, TextField};
use crate::object::Members;
use crate::text::LazyText;
use crate::time::{TimestampFault, parse_timestamp};
use crate::unfamiliar::{described, row_not_mapped};
use crate::unit_mixup::UnitMixup;
use crate::{Dead, DeadReason, EventTime, MICROS_PER_UNIT};

/// What the pipeline needs of one event, borrowed from the record's bytes.
///
/// Strings without escapes are borrowed; one with escapes is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventView<'a> {
    /// 1–50 characters, no NUL, not `most_active`.
    pub event_type: Cow<'a, str>,
    /// 1–100 characters, no NUL, not `ALL`.
    pub region: Cow<'a, str>,
    /// In [2000-01-01, 2100-01-01) UTC.
    pub event_time: EventTime,
    /// Whole seconds, 0–31,622,400; 0 where the event has none.
    pub duration_seconds: i64,
    /// 10⁻⁶ MB, 0–10¹⁴; 0 where the event has none.
    pub data_micro_mb: i64,
    /// 10⁻⁶ tenge, 0–10¹⁵; 0 where the event has none.
    pub amount_micro_tenge: i64,
    /// The subscriber's pseudonym, where the event names one.
    pub subscriber_id: Option<Cow<'a, str>>,
    /// The masked number, where the event names one.
    pub msisdn: Option<Cow<'a, str>>,
    /// The event's own name, where it has one.
    pub event_id: Option<LazyText<'a>>,
    /// For example the direction of a call, where the event says it.
    pub event_subtype: Option<LazyText<'a>>,
    /// The other side's pseudonym, where the event names one.
    pub counterparty_id: Option<LazyText<'a>>,
    /// The number of the tower, where the event names one.
    pub cell_tower_id: Option<u32>,
}

impl<'a> EventView<'a> {
    /// An event that says no more than it needs to.
    pub fn new(
        event_type: impl Into<Cow<'a, str>>,
        region: impl Into<Cow<'a, str>>,
        event_time: EventTime,
    ) -> Self {
        EventView {
            event_type: event_type.into(),
            region: region.into(),
            event_time,
            duration_seconds: 0,
            data_micro_mb: 0,
            amount_micro_tenge: 0,
            subscriber_id: None,
            msisdn: None,
            event_id: None,
            event_subtype: None,
            counterparty_id: None,
            cell_tower_id: None,
        }
    }
}

/// Reads one record's payload. Nothing is allocated for an event whose strings have no escapes.
///
/// # Errors
/// [`Dead`] with the rule that the payload breaks; see the order at the top of this file.
pub fn decode(payload: &[u8]) -> Result<EventView<'_>, Dead> {
    let text = text_of(payload)?;
    judged(text).map_err(|dead| explained(dead, text))
}

/// The payload as text, without its frame.
#[inline(always)]
fn text_of(payload: &[u8]) -> Result<&str, Dead> {
    let payload = without_frame(payload);
    match simdutf8::basic::from_utf8(payload) {
        Ok(text) => Ok(text),
        Err(_) => str::from_utf8(payload).map_err(|error| Dead::not_utf8(payload, error)),
    }
}

/// The content of Confluent's frame: a zero, and the number of a schema in four bytes, come before it. No JSON begins
/// with a zero, so that nothing else is taken for one.
#[inline(always)]
fn without_frame(payload: &[u8]) -> &[u8] {
    match payload {
        [0, _, _, _, _, content @ ..] => content,
        _ => payload,
    }
}

/// An object that lacks a field is most often another form of event: its detail says which.
#[cold]
fn explained(mut dead: Dead, text: &str) -> Dead {
    if dead.reason == DeadReason::Missing {
        dead.detail += &described(text);
    }
    dead
}

/// Without an event type the object may stand for a row that could not be mapped.
#[cold]
fn perhaps_not_mapped(dead: Dead, text: &str) -> Dead {
    match row_not_mapped(text) {
        Some(code) if dead.reason == DeadReason::Missing => Dead::not_mapped(code),
        _ => dead,
    }
}

/// Reads a payload, and judges its fields in their order.
#[inline(always)]
fn judged(text: &str) -> Result<EventView<'_>, Dead> {
    let mut members = Members::of(text);
    members.read()?;
    view_of(&members, text)
}

/// An event with what no aggregate needs: which numbers were absent, and the members that the contract does
/// not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeEvent<'a> {
    /// What aggregates need of it, absent numbers as 0.
    pub view: EventView<'a>,
    /// Whether it has a duration, which is 0 in the view if not.
    pub has_duration: bool,
    /// The same for its volume.
    pub has_data: bool,
    /// The same for its amount.
    pub has_amount: bool,
    /// The unknown members, as they are written, as a JSON object; `None`: there are none.
    pub others: Option<String>,
}

/// Decodes a payload as [`decode`] does, and keeps the rest of it.
///
/// # Errors
/// The same.
pub fn decode_whole(payload: &[u8]) -> Result<WholeEvent<'_>, Dead> {
    let text = text_of(payload)?;
    let mut members = Members::of(text);
    members.read().and_then(|()| view_of(&members, text)).map_err(|dead| explained(dead, text)).map(
        |view| {
            let has = |field| members.number(field).is_some();
            WholeEvent {
                view,
                has_duration: has(NumberField::DurationSeconds),
                has_data: has(NumberField::DataMb),
                has_amount: has(NumberField::Amount),
                others: members.others(),
            }
        },
    )
}

/// Judges the fields of an object that has been read, in their order.
#[inline(always)]
fn view_of<'a>(members: &Members<'a>, text: &'a str) -> Result<EventView<'a>, Dead> {
    let whole_text = |field| members.text(field).map(LazyText::get);
    Ok(EventView {
        event_type: EVENT_TYPE.judge(members).map_err(|dead| perhaps_not_mapped(dead, text))?,
        region: REGION.judge(members)?,
        event_time: timestamp(members)?,
        duration_seconds: DURATION_SECONDS.judge(members)?.unwrap_or(0),
        data_micro_mb: DATA_MB.judge(members)?.unwrap_or(0),
        amount_micro_tenge: AMOUNT.judge(members)?.unwrap_or(0),
        // No aggregate needs the tower, but a record with an impossible one is not to be trusted.
        cell_tower_id: CELL_TOWER_ID.judge(members)?.and_then(|tower| u32::try_from(tower).ok()),
        subscriber_id: whole_text(TextField::SubscriberId),
        msisdn: whole_text(TextField::Msisdn),
        event_id: members.text(TextField::EventId),
        event_subtype: members.text(TextField::EventSubtype),
        counterparty_id: members.text(TextField::CounterpartyId),
    })
}

/// What makes a string usable as a part of a key.
struct NameRule {
    field: TextField,
    /// As wide as the column that it is stored in.
    max_chars: usize,
    /// The name that the daily statistics give to a row of their own.
    reserved: &'static str,
}

const EVENT_TYPE: NameRule =
    NameRule { field: TextField::EventType, max_chars: 50, reserved: "most_active" };

const REGION: NameRule = NameRule { field: TextField::Region, max_chars: 100, reserved: "ALL" };

impl NameRule {
    #[inline(always)]
    fn judge<'a>(&self, members: &Members<'a>) -> Result<Cow<'a, str>, Dead> {
        let Some(name) = members.text(self.field) else {
            return Err(self.fault(DeadReason::Missing, "absent or null"));
        };
        let may_have_nul = name.has_escapes();
        let name = name.get();
        match self.fault_of(&name, may_have_nul) {
            None => Ok(name),
            Some(fault) => Err(self.fault(fault, &format!("\"{name}\""))),
        }
    }

    /// The first rule that the name breaks.
    #[inline(always)]
    fn fault_of(&self, name: &str, may_have_nul: bool) -> Option<DeadReason> {
        // No string has more characters than bytes, so most need no count.
        let is_too_long = name.len() > self.max_chars && name.chars().count() > self.max_chars;
        if name.is_empty() {
            Some(DeadReason::Empty)
        } else if is_too_long {
            Some(DeadReason::TooLong)
        } else if may_have_nul && name.contains('\0') {
            Some(DeadReason::ContainsNul)
        } else if name == self.reserved {
            Some(DeadReason::ReservedName)
        } else {
            None
        }
    }

    #[cold]
    fn fault(&self, reason: DeadReason, value: &str) -> Dead {
        let NameRule { field, max_chars, reserved } = self;
        let expected = format!("1 to {max_chars} characters without NUL, other than {reserved}");
        Dead::unexpected(reason, field.name(), value, expected)
    }
}

#[inline(always)]
fn timestamp(members: &Members<'_>) -> Result<EventTime, Dead> {
    let Some(text) = members.text(TextField::Timestamp) else {
        let name = TextField::Timestamp.name();
        return Err(Dead::unexpected(DeadReason::Missing, name, "absent or null", TIMESTAMP_FORM));
    };
    let parsed = if text.has_escapes() {
        parse_timestamp(text.get().as_bytes())
    } else {
        parse_timestamp(text.raw_bytes())
    };
    parsed.map_err(|fault| timestamp_fault(&text.get(), fault))
}

const TIMESTAMP_FORM: &str = "YYYY-MM-DDTHH:MM:SS[.d{1,9}](Z|±HH:MM)";

#[cold]
fn timestamp_fault(text: &str, fault: TimestampFault) -> Dead {
    const RANGE: &str = "2000-01-01T00:00:00Z or later, before 2100-01-01T00:00:00Z";

    let name = TextField::Timestamp.name();
    let (reason, expected) = match fault {
        TimestampFault::Unparsable => (DeadReason::TimestampUnparsable, TIMESTAMP_FORM),
        TimestampFault::OutOfRange => (DeadReason::TimestampOutOfRange, RANGE),
    };
    let value = format!("\"{text}\"");
    match UnitMixup::of_text(text) {
        None => Dead::unexpected(reason, name, &value, expected),
        Some(mixup) => Dead::unit_mixup(name, &value, expected, mixup),
    }
}

/// What makes a number usable. One that must be whole is counted as it is, others in units of 10⁻⁶.
struct NumberRule {
    field: NumberField,
    max: u32,
    must_be_whole: bool,
}

/// Decimals of those that are not whole.
const MICRO_DECIMALS: u8 = 6;

/// 31,622,400 s are the seconds of a leap year.
const DURATION_SECONDS: NumberRule =
    NumberRule { field: NumberField::DurationSeconds, max: 31_622_400, must_be_whole: true };

const DATA_MB: NumberRule =
    NumberRule { field: NumberField::DataMb, max: 100_000_000, must_be_whole: false };

const AMOUNT: NumberRule =
    NumberRule { field: NumberField::Amount, max: 1_000_000_000, must_be_whole: false };

/// The greatest INTEGER of PostgreSQL.
const CELL_TOWER_ID: NumberRule =
    NumberRule { field: NumberField::CellTowerId, max: 2_147_483_647, must_be_whole: true };

impl NumberRule {
    /// The number in its unit, where there is one.
    #[inline(always)]
    fn judge(&self, members: &Members<'_>) -> Result<Option<i64>, Dead> {
        let Some(number) = members.number(self.field) else { return Ok(None) };
        let max_micros = i64::from(self.max) * MICROS_PER_UNIT;
        let usable = match number.micros.filter(|micros| *micros <= max_micros) {
            Some(micros) if !self.must_be_whole => Some(micros),
            Some(micros) if micros % MICROS_PER_UNIT == 0 => Some(micros / MICROS_PER_UNIT),
            _ => None,
        };
        match usable {
            Some(_) => Ok(usable),
            None => self.judge_exactly(members.text_at(number.span)).map(Some),
        }
    }

    #[inline(never)] // Few numbers need it.
    /// Judges a number in any notation, and says what is wrong with it.
    fn judge_exactly(&self, text: &str) -> Result<i64, Dead> {
        let number = Decimal::from_json_number(text);
        let fault = if number.is_negative() {
            DeadReason::NegativeNumber
        } else if number.exceeds(self.max) {
            DeadReason::NumberTooLarge
        } else if self.must_be_whole && !number.is_whole() {
            DeadReason::NotWhole
        } else {
            return Ok(number.rounded(if self.must_be_whole { 0 } else { MICRO_DECIMALS }));
        };
        let kind = if self.must_be_whole { "a whole number" } else { "a number" };
        let expected = format!("{kind} from 0 to {}", self.max);
        Err(Dead::unexpected(fault, self.field.name(), text, expected))
    }
}
