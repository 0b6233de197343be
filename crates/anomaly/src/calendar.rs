//! Which windows are compared: the same hours of former weeks, on the clock of the business time zone.

use std::fmt;
use std::str::FromStr;

use chrono::{
    DateTime, Datelike, Duration, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone,
    Timelike, Weekday,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// Length of a window of detection, in minutes. Shorter ones hold too few events to tell a spike from
/// chance, longer ones tell it too late. It divides every offset of a time zone in use.
pub const WINDOW_MINUTES: i64 = 5;
/// So many weeks back at most.
pub const WEEKS_MAX: i64 = 6;
/// Weeks that must be there; before that, former days are looked at.
pub const WEEKS_MIN: i64 = 2;
/// So many days back at most: less than two weeks.
pub const DAYS_MAX: i64 = 13;
/// Days that must be there; before that, nothing is judged.
pub const DAYS_MIN: i64 = 2;

/// Kazakhstan's public holidays of fixed date, and New Year's Eve: the dates that are like no other unless
/// somebody says otherwise. Those that follow the moon have to be given with their year.
pub const HOLIDAYS: &str =
    "12-31,01-01,01-02,01-07,03-08,03-21,03-22,03-23,05-01,05-07,05-09,07-06,08-30,10-25,12-16";

const WINDOW_SECONDS: i64 = WINDOW_MINUTES * 60;
const WEEK_WINDOWS: i64 = 7 * 24 * 60 / WINDOW_MINUTES;

/// A half-open stretch of [`WINDOW_MINUTES`] of event time, by its number since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DetectionWindow(i64);

impl DetectionWindow {
    /// The window with this number.
    pub const fn number(number: i64) -> Self {
        DetectionWindow(number)
    }

    /// The window that holds a moment, UTC.
    pub fn holding(moment: NaiveDateTime) -> Self {
        DetectionWindow(moment.and_utc().timestamp().div_euclid(WINDOW_SECONDS))
    }

    /// Its first moment, UTC.
    pub fn start(self) -> NaiveDateTime {
        DateTime::from_timestamp(self.0 * WINDOW_SECONDS, 0).unwrap_or_default().naive_utc()
    }

    /// The first moment after it, UTC.
    pub fn end(self) -> NaiveDateTime {
        self.plus(1).start()
    }

    /// The window so many later, or earlier.
    pub const fn plus(self, windows: i64) -> Self {
        DetectionWindow(self.0 + windows)
    }

    /// How many windows later than another it is.
    pub const fn since(self, other: DetectionWindow) -> i64 {
        self.0 - other.0
    }
}

/// A date that is like no other: of every year (`12-31`), or of one (`2026-05-27`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HolidayPattern {
    year: Option<i32>,
    month: u32,
    day: u32,
}

impl FromStr for HolidayPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let complaint = || format!("`{text}` is no date: write MM-DD, or YYYY-MM-DD");
        let parts: Vec<&str> = text.split('-').collect();
        let (year, month, day) = match parts[..] {
            [month, day] => (None, month, day),
            [year, month, day] => (Some(year), month, day),
            _ => return Err(complaint()),
        };
        let number = |part: &str| part.parse::<u32>().map_err(|_| complaint());
        let year = year.map(|year| year.parse::<i32>().map_err(|_| complaint())).transpose()?;
        let (month, day) = (number(month)?, number(day)?);
        // 2024 has a 29 February.
        NaiveDate::from_ymd_opt(year.unwrap_or(2024), month, day).ok_or_else(complaint)?;
        Ok(HolidayPattern { year, month, day })
    }
}

impl fmt::Display for HolidayPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(year) = self.year {
            write!(f, "{year:04}-")?;
        }
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

/// Whose clock hours follow, and which dates are like no other.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// The business time zone.
    pub zone: Tz,
    /// Dates of that zone.
    pub holidays: Vec<HolidayPattern>,
}

/// The windows that one is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Of former weeks, or, while there are too few of them, of former days.
    pub basis: Basis,
    /// For each week or day, the newest first: the same time, and its neighbours.
    pub units: Vec<[DetectionWindow; 3]>,
    /// The same of a series that doesn't follow the clock where clocks were changed since: so many times 24
    /// hours before. `None`, if that is the same.
    pub unclocked: Option<Vec<[DetectionWindow; 3]>>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The same hours of former weeks: median and MAD.
    Weeks,
    /// The same hours of former days, until two weeks are there: EWMA.
    Days,
}

impl Calendar {
    /// The share of the local day that is over in the middle of a window.
    pub fn time_of_day(&self, window: DetectionWindow) -> f64 {
        let local = self.zone.from_utc_datetime(&window.start()).naive_local();
        let middle = f64::from(local.num_seconds_from_midnight()) + 30.0 * WINDOW_MINUTES as f64;
        middle / 86_400.0
    }

    /// Whether the window begins on a holiday.
    pub fn is_holiday(&self, window: DetectionWindow) -> bool {
        let date = self.zone.from_utc_datetime(&window.start()).date_naive();
        self.holidays.iter().any(|holiday| {
            (holiday.month, holiday.day) == (date.month(), date.day())
                && holiday.year.is_none_or(|year| year == date.year())
        })
    }

    /// The same time of former weeks or days and its neighbours, the newest first. Holidays are left out:
    /// they tell nothing about other days. Of days only those count that are of the same kind, workdays or
    /// weekends. An hour that comes twice, where clocks are set back, is like no other: there is none.
    pub fn units(&self, window: DetectionWindow, basis: Basis) -> Vec<[DetectionWindow; 3]> {
        let (steps, step) = match basis {
            Basis::Weeks => (WEEKS_MAX, Duration::weeks(1)),
            Basis::Days => (DAYS_MAX, Duration::days(1)),
        };
        let local = self.zone.from_utc_datetime(&window.start()).naive_local();
        if matches!(self.zone.from_local_datetime(&local), LocalResult::Ambiguous(..)) {
            return Vec::new();
        }
        let units = (1..=steps).filter_map(|age| {
            // Where clocks change, a local time may not exist: that day says nothing.
            let then = self.zone.from_local_datetime(&(local - step * age as i32)).earliest()?;
            if basis == Basis::Days && is_weekend(then.date_naive()) != is_weekend(local.date()) {
                return None;
            }
            let same = DetectionWindow::holding(then.naive_utc());
            (!self.is_holiday(same)).then_some([same.plus(-1), same, same.plus(1)])
        });
        units.collect()
    }

    /// The same of what doesn't follow the clock, so many times 24 hours before; `None` if clocks were not
    /// changed since, as both are the same then.
    pub fn unclocked_units(
        &self,
        window: DetectionWindow,
        basis: Basis,
    ) -> Option<Vec<[DetectionWindow; 3]>> {
        let (steps, step) = match basis {
            Basis::Weeks => (WEEKS_MAX, WEEK_WINDOWS),
            Basis::Days => (DAYS_MAX, WEEK_WINDOWS / 7),
        };
        let local = |window: DetectionWindow| self.zone.from_utc_datetime(&window.start());
        let offset = |window| local(window).offset().fix();
        if (1..=steps).all(|age| offset(window.plus(-age * step)) == offset(window)) {
            return None;
        }
        let units = (1..=steps).filter_map(|age| {
            let same = window.plus(-age * step);
            let is_weekend = |window| is_weekend(local(window).date_naive());
            let is_other_kind = basis == Basis::Days && is_weekend(same) != is_weekend(window);
            let is_compared = !is_other_kind && !self.is_holiday(same);
            is_compared.then_some([same.plus(-1), same, same.plus(1)])
        });
        Some(units.collect())
    }

    /// The windows to compare one with: of former weeks, or of former days before there are two weeks of
    /// history. `begins` is the first window that was counted, `None` if nobody knows. A week or day of which
    /// nothing was counted at that time says nothing.
    pub fn former(
        &self,
        window: DetectionWindow,
        begins: Option<DetectionWindow>,
        is_counted: impl Fn(DetectionWindow) -> bool,
    ) -> Former {
        let counted = |basis| {
            let of_counted = |mut units: Vec<[DetectionWindow; 3]>| {
                units.retain(|[_, same, _]| is_counted(*same));
                units
            };
            let unclocked = self.unclocked_units(window, basis).map(of_counted);
            Former { basis, units: of_counted(self.units(window, basis)), unclocked }
        };
        let weeks = counted(Basis::Weeks);
        // After that, an hour of which weeks tell nothing is one at which nothing ever comes.
        let is_old = begins.is_some_and(|begins| window.since(begins) >= WEEKS_MIN * WEEK_WINDOWS);
        if is_old || weeks.is_enough() { weeks } else { counted(Basis::Days) }
    }
}

fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

impl Former {
    /// Whether there are enough weeks or days.
    pub fn is_enough(&self) -> bool {
        self.units.len() >= self.basis.units_min()
    }
}

impl Basis {
    /// So many weeks or days must be there.
    pub fn units_min(self) -> usize {
        match self {
            Basis::Weeks => WEEKS_MIN as usize,
            Basis::Days => DAYS_MIN as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    fn calendar(zone: Tz, holidays: &[&str]) -> Calendar {
        Calendar { zone, holidays: holidays.iter().map(|text| text.parse().unwrap()).collect() }
    }

    fn starts(former: &Former) -> Vec<String> {
        former.units.iter().map(|[_, same, _]| same.start().to_string()).collect()
    }

    #[test]
    fn windows_are_half_open_and_aligned() {
        let window = DetectionWindow::holding(at("2025-11-09T12:04:59.999999"));
        assert_eq!(window.start(), at("2025-11-09T12:00:00"));
        assert_eq!(window.end(), at("2025-11-09T12:05:00"));
        assert_eq!(DetectionWindow::holding(window.end()), window.plus(1));
        assert_eq!(window.plus(7).since(window), 7);
    }

    #[test]
    fn the_day_is_over_by_the_local_clock() {
        for (zone, moment, hours) in [
            (Tz::UTC, "2025-03-31T06:00:00", 6.0),
            (Tz::Asia__Almaty, "2025-11-09T07:00:00", 12.0),
            (Tz::Europe__Berlin, "2025-03-31T22:00:00", 0.0),
        ] {
            let time = calendar(zone, &[]).time_of_day(DetectionWindow::holding(at(moment)));
            assert!((24.0 * time - hours - 2.5 / 60.0).abs() < 1e-9, "{zone}: {time}");
        }
    }

    #[test]
    fn former_weeks_have_the_same_local_time_where_clocks_change() {
        // Almaty went from UTC+6 to UTC+5 on 2024-03-01; Berlin to summer time on 2025-03-30.
        for (zone, moment, expected) in [
            (Tz::Asia__Almaty, "2024-03-04T07:00:00", "2024-02-26 06:00:00"),
            (Tz::Asia__Almaty, "2025-11-09T07:00:00", "2025-11-02 07:00:00"),
            (Tz::Europe__Berlin, "2025-03-31T06:00:00", "2025-03-24 07:00:00"),
        ] {
            let former =
                calendar(zone, &[]).former(DetectionWindow::holding(at(moment)), None, |_| true);
            assert_eq!(former.basis, Basis::Weeks);
            assert_eq!(starts(&former)[0], expected, "{zone}");
            assert_eq!(former.units.len(), WEEKS_MAX as usize);
        }
        // 02:30 did not exist in Berlin that day.
        let sunday = DetectionWindow::holding(at("2025-04-06T00:30:00"));
        let former = calendar(Tz::Europe__Berlin, &[]).former(sunday, None, |_| true);
        assert_eq!(former.units.len(), WEEKS_MAX as usize - 1);
        assert_eq!(starts(&former)[0], "2025-03-23 01:30:00");
    }

    #[test]
    fn what_does_not_follow_the_clock_has_units_of_its_own_for_six_weeks_after_a_change() {
        let berlin = calendar(Tz::Europe__Berlin, &["03-24"]);
        for (moment, is_other, units) in [
            ("2025-03-29T06:00:00", false, 0),
            ("2025-04-02T06:00:00", true, 6),
            // The sixth Monday before was a holiday; a week later clocks were changed before all of them.
            ("2025-05-05T06:00:00", true, 5),
            ("2025-05-12T06:00:00", false, 0),
        ] {
            let window = DetectionWindow::holding(at(moment));
            let unclocked = berlin.unclocked_units(window, Basis::Weeks);
            assert_eq!(unclocked.is_some(), is_other, "{moment}");
            let unclocked = unclocked.unwrap_or_default();
            assert_eq!(unclocked.len(), units, "{moment}");
            let is_whole =
                |[_, same, _]: &[DetectionWindow; 3]| window.since(*same) % WEEK_WINDOWS == 0;
            assert!(unclocked.iter().all(is_whole), "{moment}");
        }
        // Of days only those of the same kind, as by the clock: a Monday, and the Friday before.
        let monday = DetectionWindow::holding(at("2025-03-31T06:00:00"));
        let days = berlin.unclocked_units(monday, Basis::Days).unwrap();
        assert_eq!(days[0][1], monday.plus(-3 * WEEK_WINDOWS / 7));
        assert_eq!(calendar(Tz::UTC, &[]).unclocked_units(monday, Basis::Weeks), None);
    }

    #[test]
    fn until_two_weeks_are_there_former_days_are_compared() {
        let calendar = calendar(Tz::UTC, &[]);
        let window = DetectionWindow::holding(at("2025-11-20T12:00:00"));
        for (first, basis, units) in [
            ("2025-11-20T11:00:00", Basis::Days, 0),
            ("2025-11-19T12:05:00", Basis::Days, 0),
            ("2025-11-19T12:00:00", Basis::Days, 1),
            // Of the days since then nine are workdays, as this one is.
            ("2025-11-06T12:10:00", Basis::Days, 9),
            ("2025-11-06T12:00:00", Basis::Weeks, 2),
            ("2025-10-01T00:00:00", Basis::Weeks, 6),
        ] {
            let former = calendar.former(window, None, |then| then.start() >= at(first));
            assert_eq!((former.basis, former.units.len()), (basis, units), "{first}");
            assert_eq!(former.is_enough(), units >= 2);
        }
    }

    #[test]
    fn after_two_weeks_a_closed_hour_is_not_compared_with_days_at_which_it_was_open() {
        // A Saturday; the four before it were closed.
        let window = DetectionWindow::holding(at("2025-11-22T12:00:00"));
        let is_open = |then: DetectionWindow| !is_weekend(then.start().date());
        let begins = |weeks: i64| Some(window.plus(-weeks * WEEK_WINDOWS));
        let former = calendar(Tz::UTC, &[]).former(window, begins(4), is_open);
        assert_eq!(former, Former { basis: Basis::Weeks, units: Vec::new(), unclocked: None });
        // In the first two weeks neither: workdays say nothing of weekends.
        let former = calendar(Tz::UTC, &[]).former(window, begins(1), is_open);
        assert_eq!(former, Former { basis: Basis::Days, units: Vec::new(), unclocked: None });
    }

    #[test]
    fn an_hour_that_comes_twice_is_compared_with_nothing() {
        for (moment, units) in [
            ("2025-10-25T23:55:00", 6),
            ("2025-10-26T00:00:00", 0),
            ("2025-10-26T01:55:00", 0),
            ("2025-10-26T02:00:00", 6),
        ] {
            let window = DetectionWindow::holding(at(moment));
            let former = calendar(Tz::Europe__Berlin, &[]).former(window, None, |_| true);
            assert_eq!(if units == 0 { 0 } else { former.units.len() }, units, "{moment}");
            assert_eq!(former.units.is_empty(), units == 0, "{moment}");
        }
    }

    #[test]
    fn weeks_of_which_nothing_was_counted_do_not_count() {
        let window = DetectionWindow::holding(at("2025-11-20T12:00:00"));
        let away = at("2025-11-01T00:00:00")..at("2025-11-15T00:00:00");
        let former =
            calendar(Tz::UTC, &[]).former(window, None, |then| !away.contains(&then.start()));
        assert_eq!(starts(&former)[0], "2025-10-30 12:00:00");
        assert_eq!(former.units.len(), WEEKS_MAX as usize - 2);
    }

    #[test]
    fn holidays_are_of_every_year_or_of_one_and_are_left_out_of_history() {
        let calendar = calendar(Tz::Asia__Almaty, &["12-31", "01-01", "2026-05-27"]);
        for (moment, expected) in [
            ("2025-12-30T18:55:00", false),
            ("2025-12-30T19:00:00", true),
            ("2026-01-01T18:55:00", true),
            ("2026-01-01T19:00:00", false),
            ("2026-05-27T05:00:00", true),
            ("2027-05-27T05:00:00", false),
        ] {
            assert_eq!(
                calendar.is_holiday(DetectionWindow::holding(at(moment))),
                expected,
                "{moment}"
            );
        }
        let after = DetectionWindow::holding(at("2026-01-08T12:00:00"));
        assert_eq!(starts(&calendar.former(after, None, |_| true))[0], "2025-12-25 12:00:00");
        for text in ["13-01", "02-30", "2025-02-29", "1", "x-y", "2025-1-1-1"] {
            let error = text.parse::<HolidayPattern>().unwrap_err();
            assert!(error.contains(text), "{error}");
        }
        assert!("02-29".parse::<HolidayPattern>().is_ok());
        assert_eq!("2026-05-27".parse::<HolidayPattern>().unwrap().to_string(), "2026-05-27");
        assert!(HOLIDAYS.split(',').all(|text| text.parse::<HolidayPattern>().is_ok()));
    }
}
