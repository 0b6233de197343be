//! One pass over a JSON object: which known fields it has, each once and of its own JSON type.
//!
//! In: the text of a payload. Out: [`Members`], whose strings are unescaped and whose numbers are
//! still text, or the first fault of the object's structure. Values are not judged here.
//!
//! Nesting costs one byte a level, never the stack: serde_json passes over raw and ignored values
//! in a loop. Keys are taken raw as well, because an unknown one may hold what no string can.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::unit_mixup::UnitMixup;
use crate::{Dead, DeadReason};

/// The known fields of an object; absent and null are the same.
#[derive(Debug, Default)]
pub(crate) struct Members<'a> {
    texts: [Option<Cow<'a, str>>; 8],
    numbers: [Option<&'a str>; 4],
    /// The text that says why a row could not be mapped, as it stands there: see [`NOT_MAPPED`].
    not_mapped: Option<&'a str>,
    /// One bit for each field that stood in the object, be it as a null.
    seen: u16,
}

/// The member that `intake` writes in place of an event type when it can't make an event of a row. It is no
/// field of an event: where there is an event type, it is ignored like any other unknown member.
const NOT_MAPPED: &str = "not_mapped";

/// A known field that holds a string.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TextField {
    EventId,
    Msisdn,
    EventType,
    EventSubtype,
    Region,
    Timestamp,
    SubscriberId,
    CounterpartyId,
}

/// A known field that holds a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NumberField {
    DurationSeconds,
    DataMb,
    Amount,
    CellTowerId,
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Text(TextField),
    Number(NumberField),
}

impl<'a> Members<'a> {
    /// Reads one JSON text with nothing but whitespace around it.
    ///
    /// # Errors
    /// `NotJson`, `NotAnObject`; else the first in the text of `DuplicateField`, `WrongType` and
    /// `LoneSurrogate`. The whole text is read before any of these is reported.
    pub(crate) fn read(payload: &'a str) -> Result<Self, Dead> {
        let mut members = Members::default();
        let mut deserializer = serde_json::Deserializer::from_str(payload);
        let is_object = payload.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{');
        let read = if is_object {
            deserializer.deserialize_map(MembersVisitor { members: &mut members })
        } else {
            deserializer.deserialize_ignored_any(IgnoredAny).map(|_| {
                let (reason, name) = (DeadReason::NotAnObject, "payload");
                Err(Dead::unexpected(reason, name, payload, "a JSON object"))
            })
        };
        match read.and_then(|judged| deserializer.end().map(|()| judged)) {
            Ok(judged) => judged.map(|()| members),
            Err(error) => Err(Dead::not_json(payload, &error)),
        }
    }

    /// Takes the unescaped string out.
    pub(crate) fn take_text(&mut self, field: TextField) -> Option<Cow<'a, str>> {
        self.texts[field as usize].take()
    }

    /// The JSON string that says why a row could not be mapped, if there is one.
    pub(crate) fn not_mapped(&self) -> Option<&'a str> {
        self.not_mapped
    }

    /// The text of a JSON number.
    pub(crate) fn number(&self, field: NumberField) -> Option<&'a str> {
        self.numbers[field as usize]
    }

    /// Takes in one member of the object.
    fn insert(&mut self, field: Field, value: &'a str) -> Result<(), Dead> {
        let bit = match field {
            Field::Text(text_field) => 1 << (text_field as usize),
            Field::Number(number_field) => 1 << (self.texts.len() + number_field as usize),
        };
        if self.seen & bit != 0 {
            return Err(field.fault(DeadReason::DuplicateField, value));
        }
        self.seen |= bit;

        // The value is valid JSON, so that its first byte tells its type.
        match (field, value.as_bytes().first()) {
            (_, Some(b'n')) => Ok(()),
            (Field::Text(text_field), Some(b'"')) => {
                let text = unescaped(value)
                    .ok_or_else(|| field.fault(DeadReason::LoneSurrogate, value))?;
                self.texts[text_field as usize] = Some(text);
                Ok(())
            }
            (Field::Number(number_field), Some(b'-' | b'0'..=b'9')) => {
                self.numbers[number_field as usize] = Some(value);
                Ok(())
            }
            _ => Err(field.wrong_type(value)),
        }
    }
}

impl TextField {
    /// The field's name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            TextField::EventId => "event_id",
            TextField::Msisdn => "msisdn",
            TextField::EventType => "event_type",
            TextField::EventSubtype => "event_subtype",
            TextField::Region => "region",
            TextField::Timestamp => "timestamp",
            TextField::SubscriberId => "subscriber_id",
            TextField::CounterpartyId => "counterparty_id",
        }
    }
}

impl NumberField {
    /// The field's name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            NumberField::DurationSeconds => "duration_seconds",
            NumberField::DataMb => "data_mb",
            NumberField::Amount => "amount",
            NumberField::CellTowerId => "cell_tower_id",
        }
    }
}

impl Field {
    /// The field that a key names, given as it stands in the record, with its quotes.
    fn of_key(key: &str) -> Option<Field> {
        // No name of ours needs an escape, so that one found without unescaping is the right one.
        Field::named(without_quotes(key)).or_else(|| {
            let is_escaped = key.as_bytes().contains(&b'\\');
            // A key that is no string (it holds a lone surrogate) is none of ours.
            if is_escaped { Field::named(&unescaped(key)?) } else { None }
        })
    }

    fn named(name: &str) -> Option<Field> {
        Some(match name {
            "event_id" => Field::Text(TextField::EventId),
            "msisdn" => Field::Text(TextField::Msisdn),
            "event_type" => Field::Text(TextField::EventType),
            "event_subtype" => Field::Text(TextField::EventSubtype),
            "duration_seconds" => Field::Number(NumberField::DurationSeconds),
            "data_mb" => Field::Number(NumberField::DataMb),
            "amount" => Field::Number(NumberField::Amount),
            "region" => Field::Text(TextField::Region),
            "cell_tower_id" => Field::Number(NumberField::CellTowerId),
            "timestamp" => Field::Text(TextField::Timestamp),
            "subscriber_id" => Field::Text(TextField::SubscriberId),
            "counterparty_id" => Field::Text(TextField::CounterpartyId),
            _ => return None,
        })
    }

    /// A value of another JSON type than the field's own.
    fn wrong_type(self, value: &str) -> Dead {
        let is_timestamp = matches!(self, Field::Text(TextField::Timestamp));
        // The value is JSON, so that a first digit makes it a number, and not a negative one.
        let is_count = value.as_bytes().first().is_some_and(u8::is_ascii_digit);
        let mixup = if is_timestamp && is_count { UnitMixup::of_count(value) } else { None };
        match mixup {
            None => self.fault(DeadReason::WrongType, value),
            Some(mixup) => {
                Dead::unit_mixup(TextField::Timestamp.name(), value, "a string or null", mixup)
            }
        }
    }

    /// A fault of the object's structure at this field.
    fn fault(self, reason: DeadReason, value: &str) -> Dead {
        let (name, type_expected) = match self {
            Field::Text(field) => (field.name(), "a string or null"),
            Field::Number(field) => (field.name(), "a number or null"),
        };
        let expected = match reason {
            DeadReason::DuplicateField => "the field only once",
            DeadReason::LoneSurrogate => "no lone surrogate",
            _ => type_expected,
        };
        Dead::unexpected(reason, name, value, expected)
    }
}

/// Whether a key, with its quotes, is the one that marks a row that could not be mapped.
fn names_a_row_not_mapped(key: &str) -> bool {
    let is_escaped = key.as_bytes().contains(&b'\\');
    without_quotes(key) == NOT_MAPPED
        || (is_escaped && unescaped(key).as_deref() == Some(NOT_MAPPED))
}

/// The string that a JSON string stands for; `None` if it holds a lone surrogate, the one thing
/// that valid JSON can say and UTF-8 can't.
fn unescaped(json_string: &str) -> Option<Cow<'_, str>> {
    if json_string.as_bytes().contains(&b'\\') {
        serde_json::from_str(json_string).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(without_quotes(json_string)))
    }
}

fn without_quotes(json_string: &str) -> &str {
    &json_string[1..json_string.len() - 1]
}

/// Fills the members in; a fault of the structure is its value, an error is invalid JSON.
struct MembersVisitor<'m, 'a> {
    members: &'m mut Members<'a>,
}

impl<'a> Visitor<'a> for MembersVisitor<'_, 'a> {
    type Value = Result<(), Dead>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while let Some(key) = object.next_key::<&RawValue>()? {
            let Some(field) = Field::of_key(key.get()) else {
                if names_a_row_not_mapped(key.get()) {
                    let value: &RawValue = object.next_value()?;
                    let text = Some(value.get()).filter(|text| text.starts_with('"'));
                    self.members.not_mapped = text.or(self.members.not_mapped);
                } else {
                    object.next_value::<IgnoredAny>()?;
                }
                continue;
            };
            let value: &RawValue = object.next_value()?;
            if let Err(fault) = self.members.insert(field, value.get()) {
                // Not being JSON comes first, and the rest of the text may still not be JSON.
                while object.next_entry::<&RawValue, IgnoredAny>()?.is_some() {}
                return Ok(Err(fault));
            }
        }
        Ok(Ok(()))
    }
}
