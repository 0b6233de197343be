//! Event time: an instant in UTC, in whole microseconds.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};

/// Microseconds in one second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

/// An instant in UTC, as microseconds since 1970-01-01T00:00:00Z.
///
/// Event times made by [`crate::decode`] lie in [[`EventTime::MIN_ACCEPTED`],
/// [`EventTime::END_ACCEPTED`]), so adding or subtracting any delay of this project can't overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(i64);

impl EventTime {
    /// 2000-01-01T00:00:00Z, the first instant that a `timestamp` may name.
    pub const MIN_ACCEPTED: EventTime = EventTime(946_684_800 * MICROS_PER_SECOND);
    /// 2100-01-01T00:00:00Z, the first instant that a `timestamp` may no longer name.
    pub const END_ACCEPTED: EventTime = EventTime(4_102_444_800 * MICROS_PER_SECOND);

    /// The instant `micros` microseconds after 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: i64) -> Self {
        EventTime(micros)
    }

    /// The instant `millis` milliseconds after 1970-01-01T00:00:00Z (saturating).
    pub const fn from_millis(millis: i64) -> Self {
        EventTime(millis.saturating_mul(1_000))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// This instant moved by `micros` microseconds (saturating).
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        EventTime(self.0.saturating_add(micros))
    }

    /// The same instant for chrono and PostgreSQL (`TIMESTAMP`, read as UTC), or `None` when it lies
    /// outside the years that chrono knows.
    pub fn to_datetime(self) -> Option<NaiveDateTime> {
        DateTime::from_timestamp_micros(self.0).map(|instant| instant.naive_utc())
    }
}

impl From<NaiveDateTime> for EventTime {
    /// Reads the date and time as UTC; below a microsecond is cut.
    fn from(utc: NaiveDateTime) -> Self {
        EventTime(utc.and_utc().timestamp_micros())
    }
}

impl From<DateTime<Utc>> for EventTime {
    fn from(instant: DateTime<Utc>) -> Self {
        EventTime(instant.timestamp_micros())
    }
}

impl fmt::Display for EventTime {
    /// `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_datetime() {
            Some(utc) => write!(f, "{}", utc.format("%Y-%m-%dT%H:%M:%S%.6fZ")),
            None => write!(f, "{} µs since 1970", self.0),
        }
    }
}
