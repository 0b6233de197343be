//! A business day: a date in the business time zone, and its bounds in UTC.
//!
//! In: a date, or an instant, and a zone of the tz database. Out: half-open bounds. SQL never
//! converts zones, so that a day means the same to every program, whatever the server's copy of the
//! tz database says.

use chrono::{DateTime, Days, Duration, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

/// The longest stretch of local time that a zone has ever skipped is a day (the Pacific islands
/// that moved across the date line).
const LONGEST_SKIP_MINUTES: i64 = 24 * 60;

/// A date, and when it begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusinessDay {
    date: NaiveDate,
    zone: Tz,
    start: NaiveDateTime,
    end: NaiveDateTime,
}

impl BusinessDay {
    /// The day `date` in `zone`. A day has 24 hours, or 23 or 25 where clocks change, and none at
    /// all where a zone left the date out.
    pub fn new(date: NaiveDate, zone: Tz) -> Self {
        let next = date.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
        BusinessDay { date, zone, start: first_instant(date, zone), end: first_instant(next, zone) }
    }

    /// The day that holds the instant `utc`.
    pub fn containing(utc: NaiveDateTime, zone: Tz) -> Self {
        let mut day = BusinessDay::new(zone.from_utc_datetime(&utc).date_naive(), zone);
        // Where clocks were put back across midnight, the calendar shows the former date again for
        // a while. Bounds decide, so that the days stay without gap or overlap.
        while day.end <= utc {
            let Some(next) = day.date.succ_opt() else { break };
            day = BusinessDay::new(next, zone);
        }
        day
    }

    /// Whether the instant `utc` lies in this day.
    pub fn holds(&self, utc: NaiveDateTime) -> bool {
        self.start <= utc && utc < self.end
    }

    /// The last day that had ended in `zone` at the instant `now`.
    pub fn yesterday(now: DateTime<Utc>, zone: Tz) -> Self {
        let today = now.with_timezone(&zone).date_naive();
        BusinessDay::new(today.checked_sub_days(Days::new(1)).unwrap_or(today), zone)
    }

    /// The date, as `daily_stats` names it.
    pub fn date(&self) -> NaiveDate {
        self.date
    }

    /// The zone whose midnights bound the day.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The first instant of the day, in UTC.
    pub fn start(&self) -> NaiveDateTime {
        self.start
    }

    /// The first instant of the next day, in UTC.
    pub fn end(&self) -> NaiveDateTime {
        self.end
    }
}

/// The first instant of `date` in `zone`, in UTC.
///
/// ```text
/// midnight exists         → it
/// midnight happens twice  → the first of the two
/// midnight is skipped     → the first minute that exists after it
/// ```
fn first_instant(date: NaiveDate, zone: Tz) -> NaiveDateTime {
    let midnight = date.and_time(chrono::NaiveTime::MIN);
    for minutes in 0..=LONGEST_SKIP_MINUTES {
        let local = midnight + Duration::minutes(minutes);
        if let Some(instant) = zone.from_local_datetime(&local).earliest() {
            return instant.naive_utc();
        }
    }
    // Not reached with any zone of the tz database; UTC's midnight is still a bound that the
    // neighbouring days share.
    midnight
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(date: &str, zone: &str) -> BusinessDay {
        BusinessDay::new(date.parse().unwrap(), zone.parse().unwrap())
    }

    #[test]
    fn a_day_runs_from_local_midnight_to_local_midnight() {
        // (date, zone, start in UTC, hours)
        for (date, zone, start, hours) in [
            ("2025-11-09", "UTC", "2025-11-09T00:00:00", 24.0),
            ("2025-11-09", "Asia/Almaty", "2025-11-08T19:00:00", 24.0),
            // Kazakhstan went from UTC+6 to UTC+5 at the midnight that begins 2024-03-01: the
            // hour before it happened twice.
            ("2024-02-28", "Asia/Almaty", "2024-02-27T18:00:00", 24.0),
            ("2024-02-29", "Asia/Almaty", "2024-02-28T18:00:00", 25.0),
            ("2024-03-01", "Asia/Almaty", "2024-02-29T19:00:00", 24.0),
            // Half-hour and quarter-hour offsets.
            ("2025-11-09", "Asia/Kolkata", "2025-11-08T18:30:00", 24.0),
            ("2025-11-09", "Asia/Kathmandu", "2025-11-08T18:15:00", 24.0),
            // Summer time in Berlin.
            ("2025-03-30", "Europe/Berlin", "2025-03-29T23:00:00", 23.0),
            ("2025-10-26", "Europe/Berlin", "2025-10-25T22:00:00", 25.0),
            // Lord Howe Island's clocks change by half an hour.
            ("2025-10-05", "Australia/Lord_Howe", "2025-10-04T13:30:00", 23.5),
            // Midnight is skipped: the day begins at 01:00.
            ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00", 23.0),
            // Midnight happens twice: the day begins at the first.
            ("2025-11-02", "America/Havana", "2025-11-02T04:00:00", 25.0),
            // Samoa left this date out.
            ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00", 0.0),
        ] {
            let day = day(date, zone);
            assert_eq!(day.start(), start.parse().unwrap(), "{date} {zone}");
            let length = day.end() - day.start();
            assert_eq!(length.num_minutes() as f64 / 60.0, hours, "{date} {zone}");
        }
    }

    #[test]
    fn days_follow_each_other_without_gap_or_overlap() {
        for zone in ["UTC", "Asia/Almaty", "America/Sao_Paulo", "Pacific/Apia", "America/Havana"] {
            let mut today = day("2005-01-01", zone);
            for _ in 0..(25 * 365) {
                let tomorrow = BusinessDay::new(today.date().succ_opt().unwrap(), today.zone());
                assert_eq!(today.end(), tomorrow.start(), "{zone} {}", today.date());
                assert!(today.start() <= today.end(), "{zone} {}", today.date());
                today = tomorrow;
            }
        }
    }

    #[test]
    fn every_instant_lies_in_the_day_that_contains_it() {
        // America/St_Johns put its clocks back from 00:01 to 23:01 of the day before.
        for zone in ["UTC", "Asia/Almaty", "Pacific/Apia", "America/Havana", "America/St_Johns"] {
            let zone: Tz = zone.parse().unwrap();
            let mut instant: NaiveDateTime = "2000-01-01T00:00:00".parse().unwrap();
            let end: NaiveDateTime = "2012-01-01T00:00:00".parse().unwrap();
            while instant < end {
                let day = BusinessDay::containing(instant, zone);
                assert!(day.holds(instant), "{zone} {instant}");
                assert_eq!(day, BusinessDay::new(day.date(), zone), "{zone} {instant}");
                instant += Duration::minutes(17);
            }
        }
        let day = BusinessDay::containing(
            "2010-11-07T02:45:00".parse().unwrap(),
            chrono_tz::America::St_Johns,
        );
        assert_eq!(day.date(), "2010-11-07".parse().unwrap(), "its clocks show 23:15 of the 6th");
    }

    #[test]
    fn yesterday_is_judged_by_the_clocks_of_the_zone() {
        for (now, zone, expected) in [
            ("2025-11-10T02:00:00Z", "UTC", "2025-11-09"),
            ("2025-11-09T18:59:59Z", "Asia/Almaty", "2025-11-08"),
            ("2025-11-09T19:00:00Z", "Asia/Almaty", "2025-11-09"),
            ("2024-02-29T18:59:59Z", "Asia/Almaty", "2024-02-28"),
            ("2024-02-29T19:00:00Z", "Asia/Almaty", "2024-02-29"),
        ] {
            let yesterday = BusinessDay::yesterday(now.parse().unwrap(), zone.parse().unwrap());
            assert_eq!(yesterday.date(), expected.parse().unwrap(), "{now} {zone}");
        }
    }
}
