//! A moment as an operator names it: a date, a time, or how long ago.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use program::parse_duration;

/// Further back than this is no moment: before any event.
const AGO_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// A moment, perhaps relative to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// This time, UTC.
    At(NaiveDateTime),
    /// So long before now.
    Ago(Duration),
}

impl Moment {
    /// The moment itself, UTC.
    pub(crate) fn resolve(self, now: NaiveDateTime) -> NaiveDateTime {
        match self {
            Moment::At(at) => at,
            // At most AGO_MAX, which chrono can hold.
            Moment::Ago(ago) => now - TimeDelta::from_std(ago).unwrap_or_default(),
        }
    }
}

/// Reads `2025-11-09`, `2025-11-09T14:30:00Z` or, for so long ago, `90m`.
pub(crate) fn parse_moment(text: &str) -> Result<Moment, String> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        // chrono alone would also take 2025-1-9 and years of any length.
        if text.len() == 10 && text.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(Moment::At(date.and_time(NaiveTime::MIN)));
        }
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(Moment::At(time.naive_utc()));
    }
    match parse_duration(text) {
        Ok(ago) if ago <= AGO_MAX => Ok(Moment::Ago(ago)),
        _ => {
            Err("write a UTC date like 2025-11-09, a time like 2025-11-09T14:30:00Z, or how long \
                  ago, like 90m or 2days"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_time_or_an_age() {
        let now: NaiveDateTime = "2025-11-10T00:00:00".parse().unwrap();
        for (text, expected) in [
            ("2025-11-09", Some("2025-11-09T00:00:00")),
            ("2025-11-09T14:30:00Z", Some("2025-11-09T14:30:00")),
            ("2025-11-09T14:30:00.5+05:00", Some("2025-11-09T09:30:00.5")),
            ("90m", Some("2025-11-09T22:30:00")),
            ("0s", Some("2025-11-10T00:00:00")),
            ("101years", None),
            ("2025-1-09", None),
            ("2025-02-30", None),
            ("2025-11-09T14:30:00", None),
            ("+12025-11-09", None),
            ("yesterday", None),
            ("", None),
        ] {
            let found = parse_moment(text).ok().map(|moment| moment.resolve(now));
            assert_eq!(found, expected.map(|text| text.parse().unwrap()), "{text:?}");
        }
    }
}
