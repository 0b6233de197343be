//! How much happens at each moment.
//!
//! In: a second of event time. Out: [`Rates`]: how many events of each type are expected in it, and
//! what the calendar says there. Local hours begin on whole quarters of an hour in every time zone in
//! use, so the rates of a quarter hold for all its seconds.

use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone, Timelike};

use crate::scenario::{Peak, Scenario, TypeModel};

/// For how long rates hold.
pub const QUARTER_SECONDS: i64 = 900;

/// Days from 0001-01-01, which chrono counts as day 1, to 1970-01-01.
const DAYS_TO_1970: i32 = 719_163;

/// The density of events over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RateCurve {
    /// The same density always.
    Flat {
        /// Events per second.
        per_second: f64,
    },
    /// The density follows hours, weekdays and holidays.
    Calendar {
        /// Events per second where every factor is 1.
        base_per_second: f64,
    },
}

/// What holds in one quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// First second of the quarter, since 1970 in UTC.
    pub quarter_start: i64,
    /// Events expected each second, by type.
    pub per_second: [f64; 4],
    /// What the local clock is ahead of UTC, in seconds.
    pub offset_seconds: i64,
    /// Whether people work on this local day.
    pub is_working_day: bool,
}

impl RateCurve {
    /// The density where every factor is 1, which slots are cut by.
    pub fn nominal_per_second(&self) -> f64 {
        match self {
            RateCurve::Flat { per_second } => *per_second,
            RateCurve::Calendar { base_per_second } => *base_per_second,
        }
    }

    /// No second is denser than this, spikes left out.
    pub(crate) fn highest_per_second(&self, scenario: &Scenario) -> f64 {
        let base = match self {
            RateCurve::Flat { per_second } => return *per_second,
            RateCurve::Calendar { base_per_second } => *base_per_second,
        };
        let total: f64 = scenario.types.iter().map(|model| model.weight).sum();
        let highest_of = |(index, model): (usize, &TypeModel)| {
            let usual = model.week.iter().flatten().copied().fold(0.0, f64::max);
            let of_peak = |peak: &Peak| {
                let at = |hour| peaks_factor(scenario, peak.date, hour, index);
                peak.hours.clone().map(at).fold(1.0, f64::max)
            };
            let peak = scenario.peaks.iter().map(of_peak).fold(1.0, f64::max);
            model.weight / total * usual * peak
        };
        base * scenario.types.iter().enumerate().map(highest_of).sum::<f64>()
    }

    /// The rates of the quarter of an hour that holds this second, which lies after 1970.
    pub fn rates(&self, scenario: &Scenario, unix_second: i64) -> Rates {
        let quarter_start = unix_second - unix_second.rem_euclid(QUARTER_SECONDS);
        let utc = DateTime::from_timestamp(quarter_start, 0).unwrap_or_default();
        let local = utc.with_timezone(&scenario.zone);
        let offset = scenario.zone.offset_from_utc_datetime(&utc.naive_utc()).fix();
        let date = local.date_naive();
        let hour = local.hour();
        let weekday = day_like(scenario, date);
        let total: f64 = scenario.types.iter().map(|model| model.weight).sum();
        let mut per_second = [0.0; 4];
        for (index, model) in scenario.types.iter().enumerate() {
            let share = model.weight / total;
            per_second[index] = match self {
                RateCurve::Flat { per_second } => share * per_second,
                RateCurve::Calendar { base_per_second } => {
                    let factor = model.week[weekday][hour as usize];
                    share * base_per_second * factor * peak_factor(scenario, date, hour, index)
                }
            };
        }
        Rates {
            quarter_start,
            per_second,
            offset_seconds: i64::from(offset.local_minus_utc()),
            is_working_day: weekday < 5,
        }
    }
}

impl RateCurve {
    /// The rates of a slot's quarters of an hour; of a shorter slot, those of the one it lies in.
    pub(crate) fn quarters(&self, scenario: &Scenario, slot: &Range<i64>) -> Vec<Rates> {
        let count = ((slot.end - slot.start) / QUARTER_SECONDS).max(1);
        (0..count).map(|index| self.rates(scenario, slot.start + index * QUARTER_SECONDS)).collect()
    }
}

/// Of the rates of a slot's quarters, those of one second.
pub(crate) fn of_quarter(quarters: &[Rates], slot_start: i64, second: i64) -> &Rates {
    &quarters[((second - slot_start) / QUARTER_SECONDS) as usize]
}

impl Rates {
    /// Events of all types expected each second.
    pub fn total_per_second(&self) -> f64 {
        self.per_second.iter().sum()
    }

    /// Days since 1970 on the local calendar, and seconds since local midnight.
    pub(crate) fn local_day_and_second(&self, unix_second: i64) -> (i64, i64) {
        let local = unix_second + self.offset_seconds;
        (local.div_euclid(86_400), local.rem_euclid(86_400))
    }
}

/// The weekday, from Monday = 0, that a date is like.
fn day_like(scenario: &Scenario, date: NaiveDate) -> usize {
    let month_day = (date.month(), date.day());
    let holiday = scenario.holidays.iter().find(|holiday| holiday.date == month_day);
    let weekday = holiday.map_or(date.weekday(), |holiday| holiday.like);
    weekday.num_days_from_monday() as usize
}

fn peak_factor(scenario: &Scenario, date: NaiveDate, hour: u32, type_index: usize) -> f64 {
    peaks_factor(scenario, (date.month(), date.day()), hour, type_index)
}

/// Of the peaks of this month and day, those at one hour together.
fn peaks_factor(scenario: &Scenario, date: (u32, u32), hour: u32, type_index: usize) -> f64 {
    let peaks = scenario.peaks.iter();
    let now = peaks.filter(|peak| peak.date == date && peak.hours.contains(&hour));
    now.map(|peak| peak.factors[type_index]).product()
}

/// Factors of all 24 hours of a local day, for what happens once on some hour of it.
pub(crate) fn day_profile(scenario: &Scenario, local_day: i64, type_index: usize) -> [f64; 24] {
    scenario.types[type_index].week[day_like(scenario, date_of(local_day))]
}

/// The date of a day since 1970.
pub(crate) fn date_of(day: i64) -> NaiveDate {
    let number = i32::try_from(day).unwrap_or(0) + DAYS_TO_1970;
    NaiveDate::from_num_days_from_ce_opt(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(scenario: &Scenario, base_per_second: f64, utc: &str) -> Rates {
        let instant = DateTime::parse_from_rfc3339(utc).unwrap();
        RateCurve::Calendar { base_per_second }.rates(scenario, instant.timestamp())
    }

    #[test]
    fn hours_are_half_open_and_in_the_time_of_almaty() {
        let scenario = Scenario::built_in("default");
        // UTC+5 since 2024-03-01, UTC+6 before.
        for (utc, local, expected) in [
            ("2025-11-08T19:00:00Z", "00:00:00", 0.3),
            ("2025-11-09T00:59:59Z", "05:59:59", 0.3),
            ("2025-11-09T01:00:00Z", "06:00:00", 1.0),
            ("2025-11-09T02:59:59Z", "07:59:59", 1.0),
            ("2025-11-09T03:00:00Z", "08:00:00", 1.5),
            ("2025-11-09T04:59:59Z", "09:59:59", 1.5),
            ("2025-11-09T05:00:00Z", "10:00:00", 1.0),
            ("2025-11-09T06:59:59Z", "11:59:59", 1.0),
            ("2025-11-09T07:00:00Z", "12:00:00", 1.3),
            ("2025-11-09T08:59:59Z", "13:59:59", 1.3),
            ("2025-11-09T09:00:00Z", "14:00:00", 1.0),
            ("2025-11-09T12:59:59Z", "17:59:59", 1.0),
            ("2025-11-09T13:00:00Z", "18:00:00", 2.0),
            ("2025-11-09T16:59:59Z", "21:59:59", 2.0),
            ("2025-11-09T17:00:00Z", "22:00:00", 1.0),
            ("2025-11-09T18:59:59Z", "23:59:59", 1.0),
            ("2024-02-29T02:00:00Z", "08:00:00 at UTC+6", 1.5),
            ("2024-02-29T17:59:59Z", "23:59:59 at UTC+6", 1.0),
            ("2024-03-01T02:00:00Z", "07:00:00 at UTC+5", 1.0),
            ("2024-03-01T03:00:00Z", "08:00:00 at UTC+5", 1.5),
        ] {
            let total = rates(&scenario, 1.0, utc).total_per_second();
            assert!((total - expected).abs() < 1e-12, "{utc} is {local}: {total}");
        }
    }

    #[test]
    fn a_day_expects_182_880_events() {
        let scenario = Scenario::built_in("default");
        let curve = RateCurve::Calendar { base_per_second: scenario.base_rate };
        let midnight = DateTime::parse_from_rfc3339("2025-11-09T00:00:00Z").unwrap().timestamp();
        let total = |second| curve.rates(&scenario, midnight + second).total_per_second();
        let expected: f64 = (0..86_400).map(total).sum();
        assert!((expected - 182_880.0).abs() < 0.001, "{expected}");
    }

    #[test]
    fn a_flat_curve_has_no_hours() {
        let scenario = Scenario::built_in("kazakhstan");
        let curve = RateCurve::Flat { per_second: 12.5 };
        for hour in 0..24 {
            let total = curve.rates(&scenario, hour * 3_600).total_per_second();
            assert!((total - 12.5).abs() < 1e-12, "{total}");
        }
    }

    #[test]
    fn holidays_are_like_another_day_and_peaks_multiply() {
        let scenario = Scenario::built_in("kazakhstan");
        let call = |utc: &str| rates(&scenario, 26.0, utc).per_second[1];
        let works = |utc: &str| rates(&scenario, 26.0, utc).is_working_day;
        // 2025-12-16 is a Tuesday and a holiday; 2026-01-01 begins at 19:00 UTC the day before.
        assert_eq!(call("2025-12-16T05:00:00Z"), call("2025-12-14T05:00:00Z"));
        assert!(!works("2025-12-16T05:00:00Z") && works("2025-12-15T05:00:00Z"));
        let (first, last) = (call("2025-12-31T19:00:00Z"), call("2025-12-31T19:59:59Z"));
        assert_eq!(first, last);
        let ordinary: f64 = (0..24).map(|h| call(&format!("2025-12-10T{h:02}:00:00Z"))).sum();
        assert!(first > 10.0 * ordinary / 24.0, "{first} of {ordinary}");
        assert!(first > 10.0 * call("2025-12-10T19:00:00Z"));
        assert!(call("2025-12-31T18:59:59Z") < ordinary / 24.0);
    }
}
