//! Times as exchanges write them, into instants.
//!
//! In: a text, the formats that it may have, the zone whose clock it was read from. Out: an [`EventTime`], or
//! which rule it breaks. A time that its zone's clock skipped is never guessed.

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{Datelike, LocalResult, TimeZone};
use chrono_tz::Tz;
use event_model::EventTime;

use crate::decimal::{Notation, Number};
use crate::form::Twice;

/// Counts since 1970 are written with a point, whatever other numbers are.
const COUNT: Notation = Notation { decimal: '.', thousands: None };

/// One way of writing a time.
#[derive(Clone, Debug)]
pub(crate) enum TimeFormat {
    /// A count since 1970, so many to a second.
    Count { per_second: u64 },
    /// The same, but of what the zone's clock shows: so change-data-capture writes a time without a zone.
    LocalCount { per_second: u64 },
    /// As in RFC 3339, with its offset.
    Rfc3339,
    /// By the letters of strftime.
    Letters(Vec<Item<'static>>),
}

/// How times are read.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    pub(crate) formats: Vec<TimeFormat>,
    pub(crate) zone: Option<Tz>,
    pub(crate) twice: Twice,
}

/// A time that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) time: EventTime,
    /// The zone's clock showed it twice; one of the two was taken.
    pub(crate) is_one_of_two: bool,
}

/// Why a time can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeFault {
    Unparsable,
    DoesNotExist,
    ComesTwice,
    OutOfRange,
}

impl TimeFormat {
    /// Reads a format of a mapping file.
    pub(crate) fn read(text: &str) -> Result<TimeFormat, String> {
        match text {
            "unix" => Ok(TimeFormat::Count { per_second: 1 }),
            "unix_ms" => Ok(TimeFormat::Count { per_second: 1_000 }),
            "unix_us" => Ok(TimeFormat::Count { per_second: 1_000_000 }),
            "local_ms" => Ok(TimeFormat::LocalCount { per_second: 1_000 }),
            "local_us" => Ok(TimeFormat::LocalCount { per_second: 1_000_000 }),
            "rfc3339" => Ok(TimeFormat::Rfc3339),
            letters => {
                let items: Vec<Item<'static>> =
                    StrftimeItems::new(letters).map(Item::to_owned).collect();
                let has_error = items.iter().any(|item| matches!(item, Item::Error));
                let has_field = letters.contains('%');
                if has_error || !has_field {
                    return Err(format!(
                        "time.formats: \"{text}\" is no format; write letters of strftime such as \
                         %Y-%m-%d %H:%M:%S, or rfc3339, unix, unix_ms, unix_us, local_ms, local_us"
                    ));
                }
                Ok(TimeFormat::Letters(items))
            }
        }
    }

    /// Whether it can be read without a zone.
    pub(crate) fn names_its_offset(&self) -> bool {
        match self {
            TimeFormat::Count { .. } | TimeFormat::Rfc3339 => true,
            TimeFormat::LocalCount { .. } => false,
            TimeFormat::Letters(items) => items.iter().any(|item| {
                use chrono::format::Fixed::*;
                matches!(
                    item,
                    Item::Fixed(
                        TimezoneOffset
                            | TimezoneOffsetColon
                            | TimezoneOffsetColonZ
                            | TimezoneOffsetZ
                            | RFC2822
                            | RFC3339
                    )
                ) || matches!(item, Item::Numeric(chrono::format::Numeric::Timestamp, _))
            }),
        }
    }
}

impl Clock {
    /// The instant that a text names.
    pub(crate) fn read(&self, text: &str) -> Result<Reading, TimeFault> {
        let mut fault = TimeFault::Unparsable;
        for format in &self.formats {
            match self.read_as(format, text) {
                Ok(reading) => {
                    let is_usable =
                        (EventTime::MIN_ACCEPTED..EventTime::END_ACCEPTED).contains(&reading.time);
                    return if is_usable { Ok(reading) } else { Err(TimeFault::OutOfRange) };
                }
                Err(TimeFault::Unparsable) => {}
                Err(other) => fault = other,
            }
        }
        Err(fault)
    }

    fn read_as(&self, format: &TimeFormat, text: &str) -> Result<Reading, TimeFault> {
        let plain = |time| Ok(Reading { time, is_one_of_two: false });
        match format {
            TimeFormat::Count { per_second } => {
                plain(EventTime::from_micros(micros_of_count(text, *per_second)?))
            }
            TimeFormat::LocalCount { per_second } => {
                let micros = micros_of_count(text, *per_second)?;
                let shown = chrono::DateTime::from_timestamp_micros(micros)
                    // A day beyond the range on either side, and no zone leads out of what chrono can count.
                    .filter(|shown| (1999..=2100).contains(&shown.year()));
                self.of_zone(shown.ok_or(TimeFault::OutOfRange)?.naive_utc())
            }
            TimeFormat::Rfc3339 => {
                let time = chrono::DateTime::parse_from_rfc3339(text)
                    .map_err(|_| TimeFault::Unparsable)?;
                plain(EventTime::from(time.to_utc()))
            }
            TimeFormat::Letters(items) => {
                let mut parsed = Parsed::new();
                parse(&mut parsed, text, items.iter()).map_err(|_| TimeFault::Unparsable)?;
                if parsed.offset().is_some() || parsed.timestamp().is_some() {
                    let time = parsed.to_datetime().map_err(|_| TimeFault::Unparsable)?;
                    return plain(EventTime::from(time.to_utc()));
                }
                let local =
                    parsed.to_naive_datetime_with_offset(0).map_err(|_| TimeFault::Unparsable)?;
                self.of_zone(local)
            }
        }
    }

    fn of_zone(&self, local: chrono::NaiveDateTime) -> Result<Reading, TimeFault> {
        let zone = self.zone.unwrap_or(Tz::UTC);
        let (time, is_one_of_two) = match zone.from_local_datetime(&local) {
            LocalResult::Single(time) => (time, false),
            LocalResult::None => return Err(TimeFault::DoesNotExist),
            LocalResult::Ambiguous(earlier, later) => match self.twice {
                Twice::Earlier => (earlier.min(later), true),
                Twice::Later => (earlier.max(later), true),
                Twice::NotMapped => return Err(TimeFault::ComesTwice),
            },
        };
        Ok(Reading { time: EventTime::from(time.to_utc()), is_one_of_two })
    }
}

fn micros_of_count(text: &str, per_second: u64) -> Result<i64, TimeFault> {
    let count = Number::read(text, COUNT).filter(|count| !count.is_negative);
    Ok(count.ok_or(TimeFault::Unparsable)?.times(1_000_000, per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(format: &str, zone: &str, twice: Twice) -> Clock {
        Clock { formats: vec![TimeFormat::read(format).unwrap()], zone: zone.parse().ok(), twice }
    }

    #[test]
    fn a_time_is_read_by_its_format_and_zone() {
        for (format, zone, text, expected) in [
            (
                "%Y-%m-%d %H:%M:%S",
                "Asia/Almaty",
                "2025-11-09 14:30:45",
                "2025-11-09T09:30:45.000000Z",
            ),
            // Before 2024-03-01 the clocks of Almaty were an hour further ahead.
            (
                "%Y-%m-%d %H:%M:%S",
                "Asia/Almaty",
                "2024-01-09 14:30:45",
                "2024-01-09T08:30:45.000000Z",
            ),
            (
                "%d.%m.%Y %H:%M:%S%.f",
                "UTC",
                "09.11.2025 14:30:45.25",
                "2025-11-09T14:30:45.250000Z",
            ),
            ("%Y%m%d%H%M%S%z", "", "20251109143045+0500", "2025-11-09T09:30:45.000000Z"),
            ("rfc3339", "", "2025-11-09T14:30:45+05:00", "2025-11-09T09:30:45.000000Z"),
            ("unix", "", "1762698645", "2025-11-09T14:30:45.000000Z"),
            ("unix", "", "1762698645.5", "2025-11-09T14:30:45.500000Z"),
            ("unix_us", "", "1762698645000001", "2025-11-09T14:30:45.000001Z"),
            ("local_us", "Asia/Almaty", "1762698645000001", "2025-11-09T09:30:45.000001Z"),
            ("local_ms", "Asia/Almaty", "1704810645250", "2024-01-09T08:30:45.250000Z"),
        ] {
            let read = clock(format, zone, Twice::Earlier).read(text).unwrap();
            assert_eq!(read.time.to_string(), expected, "{format} {text}");
        }
    }

    #[test]
    fn a_time_that_its_clock_skips_or_shows_twice_is_told_apart() {
        let berlin = |twice| clock("%Y-%m-%d %H:%M:%S", "Europe/Berlin", twice);
        let (skipped, doubled) = ("2025-03-30 02:30:00", "2025-10-26 02:30:00");
        assert_eq!(berlin(Twice::Earlier).read(skipped), Err(TimeFault::DoesNotExist));
        for (twice, expected) in [
            (Twice::Earlier, "2025-10-26T00:30:00.000000Z"),
            (Twice::Later, "2025-10-26T01:30:00.000000Z"),
        ] {
            let read = berlin(twice).read(doubled).unwrap();
            assert_eq!((read.time.to_string().as_str(), read.is_one_of_two), (expected, true));
        }
        assert_eq!(berlin(Twice::NotMapped).read(doubled), Err(TimeFault::ComesTwice));
        // The same two, counted.
        let counted = clock("local_ms", "Europe/Berlin", Twice::NotMapped);
        assert_eq!(counted.read("1743301800000"), Err(TimeFault::DoesNotExist));
        assert_eq!(counted.read("1761445800000"), Err(TimeFault::ComesTwice));
        assert_eq!(counted.read("9223372036854775807"), Err(TimeFault::OutOfRange));
    }

    #[test]
    fn nonsense_is_no_time() {
        let unix = clock("unix", "", Twice::Earlier);
        assert_eq!(unix.read("yesterday"), Err(TimeFault::Unparsable));
        assert_eq!(unix.read("-5"), Err(TimeFault::Unparsable));
        // Milliseconds taken for seconds.
        assert_eq!(unix.read("1762698645000"), Err(TimeFault::OutOfRange));
        assert!(TimeFormat::read("yyyy-mm-dd").is_err());
        assert!(TimeFormat::read("%Q").is_err());
    }
}
