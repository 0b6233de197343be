//! How dense events are at each moment.
//!
//! In: a second of event time. Out: the expected number of events in it.

use chrono::{DateTime, Timelike};

use crate::scenario::{HOUR_FACTORS, LOCAL_ZONE};

/// The highest density and the highest sending rate that can be asked for, per second: event times
/// are whole microseconds.
pub const RATE_MAX_PER_SECOND: f64 = 1_000_000.0;

/// The density of events over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RateCurve {
    /// The same density always.
    Flat {
        /// Events per second.
        per_second: f64,
    },
    /// The density follows the local hour.
    HoursOfDay {
        /// Events per second at hour factor 1.
        base_per_second: f64,
    },
}

impl RateCurve {
    /// Events expected in the second that begins `unix_second` seconds after 1970-01-01T00:00:00Z.
    pub fn per_second(&self, unix_second: i64) -> f64 {
        match self {
            RateCurve::Flat { per_second } => *per_second,
            RateCurve::HoursOfDay { base_per_second } => {
                base_per_second * HOUR_FACTORS[local_hour(unix_second)]
            }
        }
    }
}

fn local_hour(unix_second: i64) -> usize {
    // Beyond the years that chrono knows (±262,000) there is no local time; any hour will do.
    DateTime::from_timestamp(unix_second, 0)
        .map_or(0, |instant| instant.with_timezone(&LOCAL_ZONE).hour() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(utc: &str) -> f64 {
        let instant = DateTime::parse_from_rfc3339(utc).unwrap();
        RateCurve::HoursOfDay { base_per_second: 1.0 }.per_second(instant.timestamp())
    }

    #[test]
    fn hours_are_half_open_and_in_the_time_of_almaty() {
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
            assert_eq!(factor(utc), expected, "{utc} is {local}");
        }
    }

    #[test]
    fn a_day_expects_182_880_events() {
        let curve = RateCurve::HoursOfDay { base_per_second: 2.0 };
        let midnight = DateTime::parse_from_rfc3339("2025-11-09T00:00:00Z").unwrap().timestamp();
        let expected: f64 = (0..86_400).map(|second| curve.per_second(midnight + second)).sum();
        assert!((expected - 182_880.0).abs() < 0.001, "{expected}");
    }

    #[test]
    fn a_flat_curve_has_no_hours() {
        let curve = RateCurve::Flat { per_second: 12.5 };
        assert!((0..24).all(|hour| curve.per_second(hour * 3_600) == 12.5));
    }
}
