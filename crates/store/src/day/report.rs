//! A computed day on one page: its totals beside other days', its busiest regions and hour.
//!
//! In: a [`BusinessDay`]. Out: a [`DayReport`], read in one snapshot: rows of `daily_stats` as they
//! are, and the hours from the windows. Changes nothing.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike};
use chrono_tz::Tz;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, FromRow, Row};
use windowing::{FIGURES, Figure, PerFigure};

use crate::day::batch_runs::day_record;
use crate::{
    BusinessDay, DayRecord, ExpiredMinutes, FigureSql, StoreError, expired_minutes, read_figures,
};

static REGIONS: FigureSql = FigureSql::new(include_str!("queries/report_regions.sql"));
static TOTALS: FigureSql = FigureSql::new(include_str!("queries/report_totals.sql"));

/// A report names at most this many regions.
pub const REPORT_REGIONS_MAX: i64 = 10;
const REPORTING: &str = "reading the day's report";

/// A computed day.
#[derive(Clone, Debug, PartialEq)]
pub struct DayReport {
    /// What is known of its computation; `None`: no run of ours has noted it.
    pub record: Option<DayRecord>,
    /// What its rows of `daily_stats` come to.
    pub day: DayTotals,
    /// Those of the day before; `None`: not computed.
    pub day_before: Option<DayTotals>,
    /// Those of the same weekday a week before; `None`: not computed.
    pub same_weekday: Option<DayTotals>,
    /// The regions with most events, most first.
    pub top_regions: Vec<(String, FigureSums)>,
    /// The hour with most events, the first of equals; `None`: there is no window, or some have expired.
    pub busiest_hour: Option<BusyHour>,
    /// Minutes of the day that have expired.
    pub expired: Option<ExpiredMinutes>,
    /// Late events of the day.
    pub late_events: i64,
}

/// A day's figures over all types and by type.
#[derive(Clone, Debug, PartialEq)]
pub struct DayTotals {
    /// The business day.
    pub date: NaiveDate,
    /// All types together.
    pub all: FigureSums,
    /// By event type, most events first.
    pub by_type: Vec<(String, FigureSums)>,
}

/// Sums of rows of `daily_stats`, in its units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FigureSums {
    /// Number of events, late ones left out unless the day was computed with them.
    pub events: i64,
    /// Sums and averages, in the units of `daily_stats`.
    pub figures: PerFigure<f64>,
}

impl FromRow<'_, PgRow> for FigureSums {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let figures = read_figures(row, |figure| figure.day.column)?;
        Ok(FigureSums { events: row.try_get("events")?, figures })
    }
}

/// An hour by the clocks of the business time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusyHour {
    /// When it begins, by those clocks.
    pub start: NaiveDateTime,
    /// How far they were ahead of UTC: an hour that happens twice has two.
    pub offset_seconds: i32,
    /// Events on time that it holds.
    pub events: i64,
}

/// Reads the report of a day; `None`: `daily_stats` has no row of that date.
///
/// # Errors
/// A failed statement.
pub async fn day_report(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<Option<DayReport>, StoreError> {
    let failed = StoreError::sql;
    let mut transaction = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(failed(REPORTING))?;
    let ago = |days| day.date().checked_sub_days(Days::new(days)).unwrap_or(NaiveDate::MIN);
    let (before, weekday) = (ago(1), ago(7));
    let mut totals = totals(&mut transaction, &[day.date(), before, weekday]).await?;
    let Some(today) = totals.remove(&day.date()) else { return Ok(None) };
    let record = day_record(&mut transaction, day).await?;
    let include_late = record.as_ref().is_some_and(|record| record.include_late);
    let regions: Vec<RegionRow> = sqlx::query_as(REGIONS.text())
        .bind(day.date())
        .bind(REPORT_REGIONS_MAX)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed(REPORTING))?;
    let quarters: Vec<(NaiveDateTime, i64)> =
        sqlx::query_as(include_str!("queries/report_quarters.sql"))
            .bind(day.start())
            .bind(day.end())
            .bind(include_late)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed(REPORTING))?;
    let span = (day.start(), day.end());
    let expired = expired_minutes(&mut transaction, span, include_late).await?;
    let late_events: i64 = sqlx::query_scalar(
        "SELECT COALESCE(SUM(late), 0)::bigint FROM day_ledger
         WHERE quarter_start >= $1 AND quarter_start < $2",
    )
    .bind(day.start())
    .bind(day.end())
    .fetch_one(&mut *transaction)
    .await
    .map_err(failed(REPORTING))?;
    transaction.commit().await.map_err(failed(REPORTING))?;
    Ok(Some(DayReport {
        record,
        day: today,
        day_before: totals.remove(&before),
        same_weekday: totals.remove(&weekday),
        top_regions: regions.into_iter().map(|row| (row.region, row.figures)).collect(),
        // Of what is left another hour may be the busiest.
        busiest_hour: busiest_hour(&quarters, day.zone()).filter(|_| expired.is_none()),
        expired,
        late_events,
    }))
}

#[derive(Debug, FromRow)]
struct RegionRow {
    region: String,
    #[sqlx(flatten)]
    figures: FigureSums,
}

#[derive(Debug, FromRow)]
struct TypeRow {
    date: NaiveDate,
    event_type: String,
    #[sqlx(flatten)]
    figures: FigureSums,
}

async fn totals(
    connection: &mut PgConnection,
    dates: &[NaiveDate],
) -> Result<BTreeMap<NaiveDate, DayTotals>, StoreError> {
    let rows: Vec<TypeRow> = sqlx::query_as(TOTALS.text())
        .bind(dates)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql(REPORTING))?;
    let mut totals = BTreeMap::new();
    for TypeRow { date, event_type, figures } in rows {
        let empty = DayTotals { date, all: FigureSums::default(), by_type: Vec::new() };
        let day = totals.entry(date).or_insert(empty);
        day.all.add(&figures);
        day.by_type.push((event_type, figures));
    }
    Ok(totals)
}

impl FigureSums {
    /// Seconds per event; `None` without events.
    pub fn avg_duration_seconds(&self) -> Option<f64> {
        let seconds = self.figures[Figure::SECONDS] * f64::from(FIGURES[Figure::SECONDS].day.units);
        (self.events != 0).then(|| seconds / self.events as f64)
    }

    fn add(&mut self, other: &FigureSums) {
        self.events += other.events;
        for (sum, term) in self.figures.iter_mut().zip(other.figures) {
            *sum += term;
        }
    }
}

/// Quarters fall into the hours of local clocks; where clocks change, an hour may have fewer of
/// them, or happen twice.
fn busiest_hour(quarters: &[(NaiveDateTime, i64)], zone: Tz) -> Option<BusyHour> {
    let mut hours: Vec<BusyHour> = Vec::new();
    for (quarter, events) in quarters {
        let local = zone.from_utc_datetime(quarter);
        let offset_seconds = local.offset().fix().local_minus_utc();
        let start = local.naive_local().date().and_hms_opt(local.hour(), 0, 0)?;
        match hours.last_mut() {
            Some(hour) if (hour.start, hour.offset_seconds) == (start, offset_seconds) => {
                hour.events += events;
            }
            _ => hours.push(BusyHour { start, offset_seconds, events: *events }),
        }
    }
    // Of equals `max_by_key` takes the last.
    hours.into_iter().rev().max_by_key(|hour| hour.events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_hour_is_one_of_local_clocks_and_the_first_of_equals() {
        // (zone, quarters, start by local clocks, offset in minutes, events)
        for (zone, quarters, start, offset, events) in [
            ("UTC", &[("2025-11-09T10:00:00", 1), ("2025-11-09T11:45:00", 1)][..], "10:00", 0, 1),
            (
                "Asia/Kolkata",
                // 10:00 to 11:00 there is 04:30 to 05:30 UTC.
                &[
                    ("2025-11-09T04:15:00", 5),
                    ("2025-11-09T04:30:00", 3),
                    ("2025-11-09T05:15:00", 4),
                    ("2025-11-09T05:30:00", 6),
                ],
                "10:00",
                330,
                7,
            ),
            (
                // 23:00 happens twice in Almaty on 2024-02-29, at UTC+6 and then at UTC+5.
                "Asia/Almaty",
                &[("2024-02-29T17:00:00", 5), ("2024-02-29T18:00:00", 6)],
                "23:00",
                300,
                6,
            ),
        ] {
            let quarters: Vec<_> =
                quarters.iter().map(|(quarter, n)| (quarter.parse().unwrap(), *n)).collect();
            let hour = busiest_hour(&quarters, zone.parse().unwrap()).unwrap();
            assert_eq!(hour.start.format("%H:%M").to_string(), start, "{zone}");
            assert_eq!((hour.offset_seconds, hour.events), (offset * 60, events), "{zone}");
        }
        assert_eq!(busiest_hour(&[], Tz::UTC), None);
    }
}
