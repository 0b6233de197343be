//! Whether all days that a stretch of time touches are final, so that nothing will be computed from its minutes any more.
//!
//! In: a stretch of UTC time, and the business time zone. Out: nothing, or the reason why its minutes are still needed.

use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;

use crate::{BusinessDay, StoreError};

/// A date is nowhere further from its moments.
const REACH: Days = Days::new(2);

/// A computed day, as it was bounded when it was computed.
#[derive(Clone, Debug, FromRow)]
struct ComputedDay {
    date: NaiveDate,
    state: String,
    stale_because: Option<String>,
    day_start: NaiveDateTime,
    day_end: NaiveDateTime,
    version: Option<i64>,
    events: i64,
}

/// Why minutes of [start, end) are still needed; `None`: they are not.
pub(super) async fn why_needed(
    connection: &mut PgConnection,
    (start, end): (NaiveDateTime, NaiveDateTime),
    zone: Tz,
) -> Result<Option<String>, StoreError> {
    let last_moment = end - TimeDelta::microseconds(1);
    let computed: Vec<ComputedDay> = sqlx::query_as(include_str!("queries/overlapping_days.sql"))
        .bind(start.date().checked_sub_days(REACH))
        .bind(last_moment.date().checked_add_days(REACH))
        .bind(start)
        .bind(end)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("asking which days are final"))?;
    Ok(why_not_final(&computed, &touched_days((start, last_moment), zone)))
}

/// The business days from the one that holds the first moment to the one that holds the last.
fn touched_days((first, last): (NaiveDateTime, NaiveDateTime), zone: Tz) -> Vec<BusinessDay> {
    let mut day = BusinessDay::containing(first, zone);
    let mut days = vec![day];
    while day.end() <= last {
        day = BusinessDay::containing(day.end(), zone);
        days.push(day);
    }
    days
}

/// The first reason, of those days and of whatever else was computed from the same minutes: a day of a former time zone.
fn why_not_final(computed: &[ComputedDay], days: &[BusinessDay]) -> Option<String> {
    for day in days {
        let is_it = |one: &&ComputedDay| {
            (one.date, one.day_start, one.day_end) == (day.date(), day.start(), day.end())
        };
        if !computed.iter().any(|one| is_it(&one)) {
            return Some(format!(
                "{} was never computed as the day from {} to {} UTC",
                day.date(),
                day.start(),
                day.end()
            ));
        }
    }
    computed.iter().find_map(ComputedDay::why_not_final)
}

impl ComputedDay {
    fn why_not_final(&self) -> Option<String> {
        let ComputedDay { date, state, stale_because, version, events, .. } = self;
        if let Some(because) = stale_because {
            return Some(format!("{date} is stale: {because}"));
        }
        if state != "final" {
            return Some(format!("{date} is {state}"));
        }
        // Rows of others may add to it.
        version.filter(|version| events < version).map(|version| {
            format!("daily_stats has {events} events of {date}, and {version} were counted")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> NaiveDateTime {
        format!("2025-11-{text}").parse().unwrap()
    }

    fn computed(date: &str, bounds: (&str, &str)) -> ComputedDay {
        ComputedDay {
            date: format!("2025-11-{date}").parse().unwrap(),
            state: "final".to_owned(),
            stale_because: None,
            day_start: time(bounds.0),
            day_end: time(bounds.1),
            version: Some(7),
            events: 7,
        }
    }

    #[test]
    fn every_day_that_was_or_will_be_made_from_the_minutes_must_be_final() {
        let zone: Tz = "Asia/Almaty".parse().unwrap();
        let ninth = BusinessDay::new("2025-11-09".parse().unwrap(), zone);
        let of_almaty = computed("09", ("08T19:00:00", "09T19:00:00"));
        let of_utc = computed("09", ("09T00:00:00", "10T00:00:00"));
        let eighth_of_utc = computed("08", ("08T00:00:00", "09T00:00:00"));
        let stale = ComputedDay {
            state: "stale".to_owned(),
            stale_because: Some("it was a day of UTC".to_owned()),
            ..eighth_of_utc.clone()
        };
        let provisional = ComputedDay { state: "provisional".to_owned(), ..of_almaty.clone() };
        let without_figures = ComputedDay { events: 6, ..of_almaty.clone() };
        let never = "2025-11-09 was never computed as the day from 2025-11-08 19:00:00 to 2025-11-09 19:00:00 UTC";
        for (days, reason) in [
            (vec![], Some(never)),
            (vec![of_utc], Some(never)),
            (vec![of_almaty.clone()], None),
            (vec![eighth_of_utc, of_almaty.clone()], None),
            (vec![stale, of_almaty], Some("2025-11-08 is stale: it was a day of UTC")),
            (vec![provisional], Some("2025-11-09 is provisional")),
            (
                vec![without_figures],
                Some("daily_stats has 6 events of 2025-11-09, and 7 were counted"),
            ),
        ] {
            assert_eq!(why_not_final(&days, &[ninth]).as_deref(), reason);
        }
    }

    #[test]
    fn a_stretch_touches_the_days_from_its_first_moment_to_its_last() {
        let dates = |first: &str, last: &str, zone: &str| -> Vec<String> {
            let days = touched_days((time(first), time(last)), zone.parse().unwrap());
            days.iter().map(|day| day.date().format("%d").to_string()).collect()
        };
        assert_eq!(dates("08T18:45:00", "08T18:59:59", "Asia/Almaty"), ["08"]);
        assert_eq!(dates("08T19:00:00", "08T19:14:59", "Asia/Almaty"), ["09"]);
        assert_eq!(dates("08T00:00:00", "08T23:59:59", "Asia/Almaty"), ["08", "09"]);
        assert_eq!(dates("08T00:00:00", "09T23:59:59", "UTC"), ["08", "09"]);
    }
}
