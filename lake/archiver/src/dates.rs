//! Days of UTC as the lake has them: as dates, as numbers since 1970, and as folders of files.

use chrono::{Datelike, NaiveDate, NaiveDateTime};

pub(crate) fn days_since_1970(day: NaiveDate) -> i32 {
    const FROM_COMMON_ERA: i32 = 719_163;
    day.num_days_from_ce() - FROM_COMMON_ERA
}

/// A day since 1970 as it is written.
pub(crate) fn date(day: i32) -> String {
    NaiveDate::from_epoch_days(day).map(|date| date.to_string()).unwrap_or_default()
}

/// The day of a file of events, by its folder.
pub(crate) fn day_of_path(path: &str) -> Option<NaiveDate> {
    path.strip_prefix("event_date=")?.split('/').next()?.parse().ok()
}

/// The days that a stretch of time touches, half-open.
pub(crate) fn days_of(start: NaiveDateTime, end: NaiveDateTime) -> (NaiveDate, NaiveDate) {
    let after = (end - chrono::Duration::microseconds(1)).date().succ_opt();
    (start.date(), after.unwrap_or(NaiveDate::MAX))
}

/// Reads a date of a command line.
pub(crate) fn parse_day(text: &str) -> Result<NaiveDate, String> {
    let parsed = NaiveDate::parse_from_str(text, "%Y-%m-%d");
    parsed.map_err(|_| "not a date of the calendar; write YYYY-MM-DD, like 2025-11-09".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_number() {
        for (text, number) in [("1970-01-01", 0), ("1969-12-31", -1), ("2025-11-09", 20_401)] {
            assert_eq!(days_since_1970(text.parse().unwrap()), number);
            assert_eq!(date(number), text);
        }
    }

    #[test]
    fn a_business_day_touches_one_or_two_days_of_utc() {
        let at = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(
            days_of(at("2025-11-09T00:00:00"), at("2025-11-10T00:00:00")),
            (day("2025-11-09"), day("2025-11-10"))
        );
        assert_eq!(
            days_of(at("2025-11-08T19:00:00"), at("2025-11-09T19:00:00")),
            (day("2025-11-08"), day("2025-11-10"))
        );
    }
}
