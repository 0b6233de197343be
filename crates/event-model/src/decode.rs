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

use crate::canonical::decode_canonical;
use crate::decimal::Decimal;
use crate::object::{Members, NumberField, TextField};
use crate::time::{TimestampFault, parse_timestamp};
use crate::unfamiliar::described;
use crate::unit_mixup::UnitMixup;
use crate::{Dead, DeadReason, EventTime};

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
}

/// Reads one record's payload. Nothing is allocated for an event whose strings have no escapes.
///
/// # Errors
/// [`Dead`] with the rule that the payload breaks; see the order at the top of this file.
pub fn decode(payload: &[u8]) -> Result<EventView<'_>, Dead> {
    let text = std::str::from_utf8(payload).map_err(|error| Dead::not_utf8(payload, error))?;
    decode_canonical(text)
        .map_or_else(|| decode_any(text).map_err(|dead| explained(dead, text)), Ok)
}

/// An object that lacks a field is most often another form of event: its detail says which.
#[cold]
fn explained(mut dead: Dead, text: &str) -> Dead {
    if dead.reason == DeadReason::Missing {
        dead.detail += &described(text);
    }
    dead
}

/// Reads a payload of whatever layout, and knows what is wrong with one that can't be used.
fn decode_any(text: &str) -> Result<EventView<'_>, Dead> {
    let mut members = Members::read(text)?;

    let not_mapped = members.not_mapped();
    let event_type = EVENT_TYPE.judge(&mut members).map_err(|dead| match not_mapped {
        Some(code) if dead.reason == DeadReason::Missing => Dead::not_mapped(code),
        _ => dead,
    })?;
    let region = REGION.judge(&mut members)?;
    let event_time = timestamp(&mut members)?;
    let duration_seconds = DURATION_SECONDS.judge(&members)?;
    let data_micro_mb = DATA_MB.judge(&members)?;
    let amount_micro_tenge = AMOUNT.judge(&members)?;
    // No aggregate needs the tower, but a record with an impossible one is not to be trusted.
    CELL_TOWER_ID.judge(&members)?;

    Ok(EventView {
        event_type,
        region,
        event_time,
        duration_seconds,
        data_micro_mb,
        amount_micro_tenge,
        subscriber_id: members.take_text(TextField::SubscriberId),
        msisdn: members.take_text(TextField::Msisdn),
    })
}

/// What makes a string usable as a part of a key.
pub(crate) struct NameRule {
    field: TextField,
    /// As wide as the column that it is stored in.
    max_chars: usize,
    /// The name that the daily statistics give to a row of their own.
    reserved: &'static str,
}

pub(crate) const EVENT_TYPE: NameRule =
    NameRule { field: TextField::EventType, max_chars: 50, reserved: "most_active" };

pub(crate) const REGION: NameRule =
    NameRule { field: TextField::Region, max_chars: 100, reserved: "ALL" };

impl NameRule {
    fn judge<'a>(&self, members: &mut Members<'a>) -> Result<Cow<'a, str>, Dead> {
        let Some(name) = members.take_text(self.field) else {
            return Err(self.fault(DeadReason::Missing, "absent or null"));
        };
        match self.fault_of(&name) {
            None => Ok(name),
            Some(fault) => Err(self.fault(fault, &format!("\"{name}\""))),
        }
    }

    /// The first rule that the name breaks.
    pub(crate) fn fault_of(&self, name: &str) -> Option<DeadReason> {
        // No string has more characters than bytes, so most need no count.
        let is_too_long = name.len() > self.max_chars && name.chars().count() > self.max_chars;
        if name.is_empty() {
            Some(DeadReason::Empty)
        } else if is_too_long {
            Some(DeadReason::TooLong)
        } else if name.as_bytes().contains(&0) {
            Some(DeadReason::ContainsNul)
        } else if name == self.reserved {
            Some(DeadReason::ReservedName)
        } else {
            None
        }
    }

    fn fault(&self, reason: DeadReason, value: &str) -> Dead {
        let NameRule { field, max_chars, reserved } = self;
        let expected = format!("1 to {max_chars} characters without NUL, other than {reserved}");
        Dead::unexpected(reason, field.name(), value, expected)
    }
}

fn timestamp(members: &mut Members<'_>) -> Result<EventTime, Dead> {
    const FORM: &str = "YYYY-MM-DDTHH:MM:SS[.d{1,9}](Z|±HH:MM)";
    const RANGE: &str = "2000-01-01T00:00:00Z or later, before 2100-01-01T00:00:00Z";

    let name = TextField::Timestamp.name();
    let Some(text) = members.take_text(TextField::Timestamp) else {
        return Err(Dead::unexpected(DeadReason::Missing, name, "absent or null", FORM));
    };
    parse_timestamp(&text).map_err(|fault| {
        let (reason, expected) = match fault {
            TimestampFault::Unparsable => (DeadReason::TimestampUnparsable, FORM),
            TimestampFault::OutOfRange => (DeadReason::TimestampOutOfRange, RANGE),
        };
        let value = format!("\"{text}\"");
        match UnitMixup::of_text(&text) {
            None => Dead::unexpected(reason, name, &value, expected),
            Some(mixup) => Dead::unit_mixup(name, &value, expected, mixup),
        }
    })
}

/// What makes a number usable, and the unit in which it is counted.
pub(crate) struct NumberRule {
    field: NumberField,
    pub(crate) max: u32,
    must_be_whole: bool,
    /// The number is counted in units of 10^(−`decimals`).
    pub(crate) decimals: u8,
}

/// 31,622,400 s are the seconds of a leap year.
pub(crate) const DURATION_SECONDS: NumberRule = NumberRule {
    field: NumberField::DurationSeconds,
    max: 31_622_400,
    must_be_whole: true,
    decimals: 0,
};

pub(crate) const DATA_MB: NumberRule =
    NumberRule { field: NumberField::DataMb, max: 100_000_000, must_be_whole: false, decimals: 6 };

pub(crate) const AMOUNT: NumberRule = NumberRule {
    field: NumberField::Amount,
    max: 1_000_000_000,
    must_be_whole: false,
    decimals: 6,
};

/// The greatest INTEGER of PostgreSQL.
pub(crate) const CELL_TOWER_ID: NumberRule = NumberRule {
    field: NumberField::CellTowerId,
    max: 2_147_483_647,
    must_be_whole: true,
    decimals: 0,
};

impl NumberRule {
    /// The number in its unit; 0 where there is none.
    fn judge(&self, members: &Members<'_>) -> Result<i64, Dead> {
        let Some(text) = members.number(self.field) else { return Ok(0) };
        let number = Decimal::from_json_number(text);
        let fault = if number.is_negative() {
            DeadReason::NegativeNumber
        } else if number.exceeds(self.max) {
            DeadReason::NumberTooLarge
        } else if self.must_be_whole && !number.is_whole() {
            DeadReason::NotWhole
        } else {
            return Ok(number.rounded(self.decimals));
        };
        let kind = if self.must_be_whole { "a whole number" } else { "a number" };
        let expected = format!("{kind} from 0 to {}", self.max);
        Err(Dead::unexpected(fault, self.field.name(), text, expected))
    }
}
