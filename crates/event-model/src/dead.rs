//! Why a record can't be used.

use std::fmt;

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
            DeadReason::Empty => "empty",
            DeadReason::TooLong => "too_long",
            DeadReason::ContainsNul => "contains_nul",
            DeadReason::ReservedName => "reserved_name",
            DeadReason::TimestampUnparsable => "timestamp_unparsable",
            DeadReason::TimestampOutOfRange => "timestamp_out_of_range",
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
    /// Which rule.
    pub reason: DeadReason,
    /// Names the field, its value (shortened to a bound, without NUL) and what was expected.
    pub detail: String,
}
