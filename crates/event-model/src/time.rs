//! Event time: an instant in UTC, in whole microseconds, and the one form in which it is read.
//!
//! In: the text of a `timestamp`, or microseconds. Out: an [`EventTime`], or which rule the text
//! breaks. No clock is read here.

use std::fmt;
use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike, Utc};

use crate::chunk::{bytes_above, leading_digits, word_at};

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
        match text_of(utc) {
            Some(text) => f.write_str(&String::from_utf8_lossy(&text)),
            None => write!(f, "{}", utc.format("%FT%T%.6fZ")),
        }
    }
}

impl EventTime {
    /// Appends what `Display` writes.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        match self.to_datetime().and_then(text_of) {
            Some(text) => out.extend_from_slice(&text),
            None => out.extend_from_slice(self.to_string().as_bytes()),
        }
    }
}

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ`; `None` where the year needs more than four digits or a sign. Every event that is
/// written passes here: the machinery of formats would cost ten times as much.
fn text_of(utc: NaiveDateTime) -> Option<[u8; 27]> {
    let year = u32::try_from(utc.year()).ok().filter(|year| *year < 10_000)?;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut put = |at: Range<usize>, mut value: u32| {
        for digit in text[at].iter_mut().rev() {
            *digit += (value % 10) as u8;
            value /= 10;
        }
    };
    put(0..4, year);
    put(5..7, utc.month());
    put(8..10, utc.day());
    put(11..13, utc.hour());
    put(14..16, utc.minute());
    put(17..19, utc.second());
    put(20..26, utc.nanosecond() / 1_000);
    Some(text)
}

/// Which rule of `timestamp` a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimestampFault {
    /// It has another form, or names no real date or time of day.
    Unparsable,
    /// It lies outside [[`EventTime::MIN_ACCEPTED`], [`EventTime::END_ACCEPTED`]).
    OutOfRange,
}

/// Reads exactly `YYYY-MM-DDTHH:MM:SS[.d{1,9}](Z|±HH:MM)`.
#[inline(always)]
pub(crate) fn parse_timestamp(text: &[u8]) -> Result<EventTime, TimestampFault> {
    let instant = instant_named_by(text, None).ok_or(TimestampFault::Unparsable)?;
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
    instant_named_by(&[b"0000", after_year].concat(), Some(year))
}

/// The instant that a well-formed text names, or names in another `year`; `None` for any other text.
#[inline(always)]
fn instant_named_by(text: &[u8], year: Option<u32>) -> Option<EventTime> {
    let (date_and_time, after_second) = text.split_first_chunk::<19>()?;
    let year_and_month = pattern_values(date_and_time, 0)?;
    let day_and_hour = pattern_values(date_and_time, 8)?;
    let time = pattern_values(date_and_time, 11)?;
    let (micros, zone) = fraction_micros(after_second)?;
    let offset_seconds = if zone == b"Z" { 0 } else { zone_offset_seconds(zone)? };

    let century = two_digits(year_and_month, 0) * 100;
    let year = year.unwrap_or(century + two_digits(year_and_month, 2));
    let days = days_since_1970(year, two_digits(year_and_month, 5), two_digits(day_and_hour, 0))?;
    let (hour, minute, second) = (two_digits(time, 0), two_digits(time, 3), two_digits(time, 6));
    if hour >= 24 || minute >= 60 || second >= 60 {
        return None;
    }
    let second_of_day = i64::from(hour * 3_600 + minute * 60 + second);
    // No year of six digits overflows an i64, but its microseconds may.
    let micros_of_second =
        (days * 86_400 + second_of_day - offset_seconds).checked_mul(MICROS_PER_SECOND)?;
    Some(EventTime(micros_of_second + i64::from(micros)))
}

const PATTERN: &[u8; 19] = b"0000-00-00T00:00:00";

/// The values of the eight characters from `at` on, the first one lowest: 0–9 where the pattern has a
/// digit, 0 elsewhere; `None` if there is no digit, or another character than the pattern's.
#[inline(always)]
fn pattern_values(text: &[u8; 19], at: usize) -> Option<u64> {
    let eight = |text: &[u8; 19]| text.get(at..)?.first_chunk().copied().map(u64::from_le_bytes);
    let (text, pattern) = (eight(text)?, eight(PATTERN)?);
    let mut limits = 0;
    for place in 0..8 {
        let is_digit = (pattern >> (8 * place)) as u8 == b'0';
        limits |= if is_digit { 9 << (8 * place) } else { 0 };
    }
    let values = text ^ pattern;
    (bytes_above(values, limits) == 0).then_some(values)
}

/// The number that two values from `at` on are.
#[inline(always)]
const fn two_digits(values: u64, at: u32) -> u32 {
    let both = values >> (8 * at);
    (both & 0xff) as u32 * 10 + (both >> 8 & 0xff) as u32
}

/// The days from 1970-01-01 to a date of the Gregorian calendar, which goes on before its beginning;
/// `None` if it hasn't that date.
#[inline(always)]
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<i64> {
    // Of a year without a leap day; after the twelve months the whole year.
    const DAYS_BEFORE_MONTH: [u32; 13] =
        [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    // 0000-01-01 is 719,528 days before, and 400 years have 146,097 days.
    const DAYS_FROM_YEAR_MINUS_400_TO_1970: i64 = 719_528 + 146_097;

    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    let (before, after) = (DAYS_BEFORE_MONTH.get(index)?, DAYS_BEFORE_MONTH.get(index + 1)?);
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days_in_month = after - before + u32::from(is_leap && month == 2);
    if day == 0 || day > days_in_month {
        return None;
    }
    // Counted from the leap year −400, so that year 0 has years before it.
    let years = year + 400;
    let leap_days = 1 + (years - 1) / 4 - (years - 1) / 100 + (years - 1) / 400;
    let day_of_year = before + u32::from(is_leap && month > 2) + day - 1;
    Some(i64::from(years * 365 + leap_days + day_of_year) - DAYS_FROM_YEAR_MINUS_400_TO_1970)
}

/// The microseconds of `[.d{1,9}]` and the text after it. Below a microsecond is cut.
#[inline(always)]
fn fraction_micros(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.', after_point)) = text.split_first() else { return Some((0, text)) };
    let digits = leading_digits(word_at(after_point, 0));
    let mut count = digits.count as usize;
    // A ninth digit is allowed, and cut.
    count += usize::from(count == 8 && after_point.get(8).is_some_and(u8::is_ascii_digit));
    let micros = u32::try_from(digits.as_fraction() / 100).ok()?;
    (count > 0).then_some((micros, after_point.get(count..)?))
}

/// How far the local time of `+HH:MM` or `-HH:MM` is ahead of UTC.
fn zone_offset_seconds(zone: &[u8]) -> Option<i64> {
    let (is_west, [h1, h2, m1, m2]) = match *zone {
        [b'+', h1, h2, b':', m1, m2] => (false, [h1, h2, m1, m2]),
        [b'-', h1, h2, b':', m1, m2] => (true, [h1, h2, m1, m2]),
        _ => return None,
    };
    if ![h1, h2, m1, m2].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |tens: u8, ones: u8| u32::from(tens - b'0') * 10 + u32::from(ones - b'0');
    let (hours, minutes) = (number(h1, h2), number(m1, m2));
    if hours >= 24 || minutes >= 60 {
        return None;
    }
    let seconds = i64::from(hours * 3_600 + minutes * 60);
    Some(if is_west { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::TimestampFault::{OutOfRange, Unparsable};
    use super::{EventTime, days_since_1970, parse_timestamp};

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
            let parsed = parse_timestamp(text.as_bytes()).map(|instant| instant.to_string());
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
            assert_eq!(parse_timestamp(text.as_bytes()), Err(Unparsable), "{text:?}");
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
            assert_eq!(parse_timestamp(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn the_days_of_the_calendar_follow_one_another() {
        let mut next = days_since_1970(0, 1, 1).unwrap();
        for year in 0..=2_400 {
            let first_of_year = next;
            for (month, day) in (0..=13).flat_map(|month| (0..=32).map(move |day| (month, day))) {
                if let Some(days) = days_since_1970(year, month, day) {
                    assert_eq!(days, next, "{year}-{month}-{day}");
                    next += 1;
                }
            }
            let is_leap = days_since_1970(year, 2, 29).is_some();
            assert_eq!(next - first_of_year, if is_leap { 366 } else { 365 }, "{year}");
        }
        assert_eq!(days_since_1970(1970, 1, 1), Some(0));
        let leap_years = [1896, 2000, 2024, 2096].map(|year| days_since_1970(year, 2, 29));
        assert!(leap_years.iter().all(Option::is_some));
        let others = [1900, 2023, 2100, 2200].map(|year| days_since_1970(year, 2, 29));
        assert!(others.iter().all(Option::is_none));
    }
}
