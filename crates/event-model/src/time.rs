//! Event time: an instant in UTC, in whole microseconds, and the one form in which it is read.
//!
//! In: the text of a `timestamp`, or microseconds. Out: an [`EventTime`], or which rule the text
//! breaks. No clock is read here.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Timelike, Utc};

/// Microseconds in one second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

/// An instant in UTC, as microseconds since 1970-01-01T00:00:00Z.
///
/// Event times made by [`crate::decode()`] lie in [[`EventTime::MIN_ACCEPTED`],
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

    /// Whether a `timestamp` may name this instant.
    pub(crate) fn is_accepted(self) -> bool {
        (EventTime::MIN_ACCEPTED..EventTime::END_ACCEPTED).contains(&self)
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
        let Some(utc) = self.to_datetime() else {
            return write!(f, "{} µs since 1970", self.0);
        };
        // Every event that is written passes here: chrono would parse a format string each time.
        let (hour, minute, second) = (utc.hour(), utc.minute(), utc.second());
        let micros = utc.nanosecond() / 1_000;
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z", utc.date())
    }
}

/// Which rule of `timestamp` a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimestampFault {
    /// It has another form, or names no real date or time of day.
    Unparsable,
    /// It lies outside [[`EventTime::MIN_ACCEPTED`], [`EventTime::END_ACCEPTED`]).
    OutOfRange,
}

/// Most digits that may follow the point of a second; those below a microsecond are cut.
const MAX_FRACTION_DIGITS: usize = 9;

/// Reads exactly `YYYY-MM-DDTHH:MM:SS[.d{1,9}](Z|±HH:MM)`.
pub(crate) fn parse_timestamp(text: &str) -> Result<EventTime, TimestampFault> {
    let instant = instant_named_by(text.as_bytes()).ok_or(TimestampFault::Unparsable)?;
    if instant.is_accepted() { Ok(instant) } else { Err(TimestampFault::OutOfRange) }
}

/// The instant that a text names whose year may have up to six digits and a plus before them, as
/// years beyond 9999 are written; otherwise the form of a timestamp. `None` for any other text.
pub(crate) fn instant_in_any_year(text: &str) -> Option<EventTime> {
    let text = text.strip_prefix('+').unwrap_or(text).as_bytes();
    let digit_count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(4..=6).contains(&digit_count) {
        return None;
    }
    let (year, after_year) = text.split_at(digit_count);
    let year = year.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    instant_in_year(year, after_year)
}

/// The instant that a well-formed text names, in whatever year; `None` for any other text.
fn instant_named_by(text: &[u8]) -> Option<EventTime> {
    let [y1, y2, y3, y4, after_year @ ..] = text else { return None };
    instant_in_year(two_digits(*y1, *y2)? * 100 + two_digits(*y3, *y4)?, after_year)
}

#[rustfmt::skip] // One byte a line would hide the pattern.
fn instant_in_year(year: u32, after_year: &[u8]) -> Option<EventTime> {
    let [b'-', mo1, mo2, b'-', d1, d2, b'T',
         h1, h2, b':', mi1, mi2, b':', s1, s2, after_second @ ..] = after_year else { return None };

    let (month, day) = (two_digits(*mo1, *mo2)?, two_digits(*d1, *d2)?);
    let (hour, minute) = (two_digits(*h1, *h2)?, two_digits(*mi1, *mi2)?);
    let second = two_digits(*s1, *s2)?;
    let (micros, zone) = fraction_micros(after_second)?;

    // Chrono refuses the dates that the calendar hasn't, hour 24 and second 60.
    let local = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?
        .and_hms_micro_opt(hour, minute, second, micros)?;
    let offset_micros = zone_offset_seconds(zone)? * MICROS_PER_SECOND;
    Some(EventTime::from(local).plus_micros(-offset_micros))
}

/// The microseconds of `[.d{1,9}]` and the text after it.
fn fraction_micros(text: &[u8]) -> Option<(u32, &[u8])> {
    let [b'.', after_point @ ..] = text else { return Some((0, text)) };
    let digit_count = after_point.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digit_count == 0 || digit_count > MAX_FRACTION_DIGITS {
        return None;
    }
    let (digits, rest) = after_point.split_at(digit_count);
    let micros = (0..6).fold(0, |value, index| {
        value * 10 + digits.get(index).map_or(0, |digit| u32::from(digit - b'0'))
    });
    Some((micros, rest))
}

/// How far the local time of `Z`, `+HH:MM` or `-HH:MM` is ahead of UTC.
fn zone_offset_seconds(zone: &[u8]) -> Option<i64> {
    let (is_west, [h1, h2, m1, m2]) = match *zone {
        [b'Z'] => return Some(0),
        [b'+', h1, h2, b':', m1, m2] => (false, [h1, h2, m1, m2]),
        [b'-', h1, h2, b':', m1, m2] => (true, [h1, h2, m1, m2]),
        _ => return None,
    };
    let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
    if hours >= 24 || minutes >= 60 {
        return None;
    }
    let seconds = i64::from(hours * 3_600 + minutes * 60);
    Some(if is_west { -seconds } else { seconds })
}

fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    let both_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    both_digits.then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::TimestampFault::{OutOfRange, Unparsable};
    use super::{EventTime, parse_timestamp};

    #[test]
    fn a_timestamp_names_an_instant_in_utc() {
        let table = [
            ("2025-11-09T14:30:45.123456Z", "2025-11-09T14:30:45.123456Z"),
            ("2025-11-09T14:30:45Z", "2025-11-09T14:30:45.000000Z"),
            ("2025-11-09T14:30:45.1Z", "2025-11-09T14:30:45.100000Z"),
            ("2025-11-09T14:30:45.1234567Z", "2025-11-09T14:30:45.123456Z"),
            ("2025-11-09T14:30:45.999999999Z", "2025-11-09T14:30:45.999999Z"),
            ("2025-11-09T14:30:45+05:00", "2025-11-09T09:30:45.000000Z"),
            ("2025-11-09T02:30:45.5+05:30", "2025-11-08T21:00:45.500000Z"),
            ("2025-11-09T23:59:59-23:59", "2025-11-10T23:58:59.000000Z"),
            ("2025-11-09T00:00:00+23:59", "2025-11-08T00:01:00.000000Z"),
            ("2025-11-09T14:30:45-00:00", "2025-11-09T14:30:45.000000Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
            ("2000-02-29T23:59:59Z", "2000-02-29T23:59:59.000000Z"),
        ];
        for (text, expected) in table {
            let parsed = parse_timestamp(text).map(|instant| instant.to_string());
            assert_eq!(parsed, Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn any_other_form_is_unparsable() {
        let table = [
            "",
            "2025-11-09",
            "2025-11-09T14:30:45",
            "2025-11-09T14:30Z",
            "2025-11-09t14:30:45Z",
            "2025-11-09T14:30:45z",
            "2025-11-09 14:30:45Z",
            " 2025-11-09T14:30:45Z",
            "2025-11-09T14:30:45Z ",
            "2025-11-09T14:30:45Z\0",
            "2025-11-09T14:30:45.Z",
            "2025-11-09T14:30:45,5Z",
            "2025-11-09T14:30:45.1234567890Z",
            "2025-11-09T14:30:60Z",
            "2025-11-09T14:60:00Z",
            "2025-11-09T24:00:00Z",
            "2025-00-09T14:30:45Z",
            "2025-13-09T14:30:45Z",
            "2025-11-00T14:30:45Z",
            "2025-11-31T14:30:45Z",
            "2025-02-29T14:30:45Z",
            "2100-02-29T14:30:45Z",
            "2025-11-09T14:30:45+24:00",
            "2025-11-09T14:30:45+23:60",
            "2025-11-09T14:30:45+0500",
            "2025-11-09T14:30:45+05",
            "2025-11-09T14:30:45+05:00Z",
            "2025-11-09T14:30:45\u{2212}05:00",
            "2025-11-09T14:30:4\u{665}Z",
            "+2025-11-09T14:30:45Z",
            "12025-11-09T14:30:45Z",
            "-025-11-09T14:30:45Z",
            "2025-W45-7T14:30:45Z",
            "1762698645",
        ];
        for text in table {
            assert_eq!(parse_timestamp(text), Err(Unparsable), "{text:?}");
        }
    }

    #[test]
    fn the_accepted_range_is_half_open_in_utc() {
        let first = EventTime::MIN_ACCEPTED;
        let last = EventTime::END_ACCEPTED.plus_micros(-1);
        let last_second = EventTime::END_ACCEPTED.plus_micros(-1_000_000);
        let table = [
            ("2000-01-01T00:00:00Z", Ok(first)),
            ("1999-12-31T23:59:59.999999999Z", Err(OutOfRange)),
            ("2000-01-01T05:00:00+05:00", Ok(first)),
            ("2000-01-01T04:59:59.999999+05:00", Err(OutOfRange)),
            ("1999-12-31T23:59:00-00:01", Ok(first)),
            ("2099-12-31T23:59:59.999999999Z", Ok(last)),
            ("2100-01-01T00:00:00Z", Err(OutOfRange)),
            ("2100-01-01T04:59:59+05:00", Ok(last_second)),
            ("2099-12-31T23:59:00-00:01", Err(OutOfRange)),
            ("1970-01-01T00:00:00Z", Err(OutOfRange)),
            ("0000-02-29T00:00:00Z", Err(OutOfRange)),
            ("9999-12-31T23:59:59-23:59", Err(OutOfRange)),
        ];
        for (text, expected) in table {
            assert_eq!(parse_timestamp(text), expected, "{text}");
        }
    }
}
