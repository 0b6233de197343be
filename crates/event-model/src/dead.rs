//! Why a record can't be used.
//!
//! In: the rule that a record breaks and the offending value. Out: a [`Dead`], whose detail is one
//! short printable line whatever the record held: it goes to logs and into a PostgreSQL text.
//!
//! Keeps I-6 (boundedness): a detail doesn't grow with the record. I-7 (nothing silent): every
//! unusable record gets a reason.

use std::fmt;
use std::str::Utf8Error;

use crate::EventTime;
use crate::unit_mixup::UnitMixup;

/// How many characters of an offending value a detail shows.
const MAX_SHOWN_CHARS: usize = 80;

/// Which rule a record breaks. [`DeadReason::code`] is stored in `dead_letters.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeadReason {
    /// The record has no payload.
    NullPayload,
    /// The payload is not UTF-8.
    NotUtf8,
    /// The payload is not one JSON text.
    NotJson,
    /// The payload is JSON, but not an object.
    NotAnObject,
    /// A known field stands in the object twice.
    DuplicateField,
    /// A known field has another JSON type than its own.
    WrongType,
    /// A known string holds a lone surrogate escape such as `\ud800`.
    LoneSurrogate,
    /// `event_type`, `region` or `timestamp` is absent or null.
    Missing,
    /// It stands for a row of an operator's records that `intake` could not make an event of.
    NotMapped,
    /// `event_type` or `region` is empty.
    Empty,
    /// `event_type` has more than 50 characters, or `region` more than 100.
    TooLong,
    /// `event_type` or `region` holds U+0000, which PostgreSQL can't store.
    ContainsNul,
    /// Region `ALL` or event_type `most_active`: the day's own rows use these.
    ReservedName,
    /// `timestamp` has not the form that the contract names.
    TimestampUnparsable,
    /// `timestamp` lies outside [2000-01-01, 2100-01-01) UTC.
    TimestampOutOfRange,
    /// `timestamp` is a count since 1970, or a date made from one, whose unit was mistaken.
    TimestampUnit,
    /// `timestamp` is further ahead of its record than the future guard allows.
    TimestampInFuture,
    /// A number is below zero.
    NegativeNumber,
    /// A number is above its bound.
    NumberTooLarge,
    /// A duration or cell_tower_id is not whole.
    NotWhole,
}

impl DeadReason {
    /// Every reason, in the order of their declaration.
    pub const ALL: [DeadReason; 20] = [
        DeadReason::NullPayload,
        DeadReason::NotUtf8,
        DeadReason::NotJson,
        DeadReason::NotAnObject,
        DeadReason::DuplicateField,
        DeadReason::WrongType,
        DeadReason::LoneSurrogate,
        DeadReason::Missing,
        DeadReason::NotMapped,
        DeadReason::Empty,
        DeadReason::TooLong,
        DeadReason::ContainsNul,
        DeadReason::ReservedName,
        DeadReason::TimestampUnparsable,
        DeadReason::TimestampOutOfRange,
        DeadReason::TimestampUnit,
        DeadReason::TimestampInFuture,
        DeadReason::NegativeNumber,
        DeadReason::NumberTooLarge,
        DeadReason::NotWhole,
    ];

    /// The stable name of this reason, as stored and as used in filters.
    pub const fn code(self) -> &'static str {
        match self {
            DeadReason::NullPayload => "null_payload",
            DeadReason::NotUtf8 => "not_utf8",
            DeadReason::NotJson => "not_json",
            DeadReason::NotAnObject => "not_an_object",
            DeadReason::DuplicateField => "duplicate_field",
            DeadReason::WrongType => "wrong_type",
            DeadReason::LoneSurrogate => "lone_surrogate",
            DeadReason::Missing => "missing",
            DeadReason::NotMapped => "not_mapped",
            DeadReason::Empty => "empty",
            DeadReason::TooLong => "too_long",
            DeadReason::ContainsNul => "contains_nul",
            DeadReason::ReservedName => "reserved_name",
            DeadReason::TimestampUnparsable => "timestamp_unparsable",
            DeadReason::TimestampOutOfRange => "timestamp_out_of_range",
            DeadReason::TimestampUnit => "timestamp_unit",
            DeadReason::TimestampInFuture => "timestamp_in_future",
            DeadReason::NegativeNumber => "negative_number",
            DeadReason::NumberTooLarge => "number_too_large",
            DeadReason::NotWhole => "not_whole",
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A record that can't be used: the rule it breaks and a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// The rule of the contract that it breaks.
    pub reason: DeadReason,
    /// Names the field, its value (shortened to a bound, without NUL) and what was expected.
    pub detail: String,
}

impl Dead {
    /// A record without a payload, such as a tombstone of a compacted topic.
    pub fn null_payload() -> Self {
        let detail = "the record has a null payload, expected a JSON object".into();
        Dead { reason: DeadReason::NullPayload, detail }
    }

    /// An event whose time lies behind `latest_accepted`, the last instant that the future guard
    /// lets pass for its record.
    pub fn timestamp_in_future(event_time: EventTime, latest_accepted: EventTime) -> Self {
        let detail = format!("timestamp is {event_time}, expected at most {latest_accepted}");
        Dead { reason: DeadReason::TimestampInFuture, detail }
    }

    /// A row that could not be mapped, for the reason that `code`, a JSON string, names.
    pub(crate) fn not_mapped(code: &str) -> Self {
        let expected =
            "an event in its place: intake could not map this row, and the payload says why";
        Dead::unexpected(DeadReason::NotMapped, "not_mapped", code, expected)
    }

    /// A payload that `error` says is not UTF-8.
    pub(crate) fn not_utf8(payload: &[u8], error: Utf8Error) -> Self {
        let beginning = &payload[..payload.len().min(MAX_SHOWN_CHARS)];
        let detail = format!(
            "payload is {}, expected UTF-8, which ends at byte {}",
            shown(&String::from_utf8_lossy(beginning)),
            error.valid_up_to()
        );
        Dead { reason: DeadReason::NotUtf8, detail }
    }

    pub(crate) fn not_json(payload: &str) -> Self {
        let mut detail = format!("payload is {}, expected one JSON text", shown(payload));
        // Another reader of JSON knows what was expected where.
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(payload) {
            detail += &format!(": {error}");
        }
        Dead { reason: DeadReason::NotJson, detail }
    }

    /// A field, called `name`, whose `value` would be a usable time in another unit.
    pub(crate) fn unit_mixup(name: &str, value: &str, expected: &str, mixup: UnitMixup) -> Self {
        let expected = format_args!("{expected}; {mixup}");
        Dead::unexpected(DeadReason::TimestampUnit, name, value, expected)
    }

    /// A payload or field, called `name`, whose `value` is not what was `expected`.
    pub(crate) fn unexpected(
        reason: DeadReason,
        name: &str,
        value: &str,
        expected: impl fmt::Display,
    ) -> Self {
        Dead { reason, detail: format!("{name} is {}, expected {expected}", shown(value)) }
    }
}

/// The beginning of an offending value.
fn shown(text: &str) -> String {
    visible(text, MAX_SHOWN_CHARS)
}

/// The first `max_chars` characters of `text` on one line: what can't be seen, such as a line
/// break, a NUL or a terminal's control sequence, is escaped.
pub fn visible(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == max_chars {
            shown.push('…');
            break;
        }
        match character {
            // Visible, and the text is most often JSON: escaping these again would only confuse.
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Dead, DeadReason, MAX_SHOWN_CHARS, shown};
    use crate::EventTime;

    #[test]
    fn all_has_every_reason_once_and_each_has_a_code_of_its_own() {
        let last = DeadReason::NotWhole as usize;
        assert!(DeadReason::ALL.into_iter().map(|reason| reason as usize).eq(0..=last));
        let codes: HashSet<&str> = DeadReason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), DeadReason::ALL.len());
    }

    #[test]
    fn a_shown_value_is_one_short_visible_line() {
        let full = "ж".repeat(MAX_SHOWN_CHARS);
        let too_long = format!("{full}ж");
        let cut = format!("{full}…");
        let table = [
            (r#""Almaty""#, r#""Almaty""#),
            (r#""a\u0000'""#, r#""a\u0000'""#),
            ("a\0b", r"a\0b"),
            ("[1,\n\t2]", r"[1,\n\t2]"),
            ("\u{1b}[31m", r"\u{1b}[31m"),
            ("\u{202e}x", r"\u{202e}x"),
            (&full, &full),
            (&too_long, &cut),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn a_dead_record_names_what_it_is_and_what_was_expected() {
        let event_time = EventTime::from_millis(1);
        let latest = EventTime::from_millis(0);
        let table = [
            (Dead::null_payload(), "the record has a null payload, expected a JSON object"),
            (
                Dead::timestamp_in_future(event_time, latest),
                "timestamp is 1970-01-01T00:00:00.001000Z, \
                 expected at most 1970-01-01T00:00:00.000000Z",
            ),
            (
                Dead::unexpected(DeadReason::WrongType, "region", "12", "a string"),
                "region is 12, expected a string",
            ),
        ];
        for (dead, expected) in table {
            assert_eq!(dead.detail, expected);
        }
    }
}
