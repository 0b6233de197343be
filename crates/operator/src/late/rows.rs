//! How much came too late: sums of `late_metrics` by event type and region, and by business day.
//!
//! In: a stretch of event time. Out: [`LateSummary`]. Keeps I-5: sums stay whole numbers of
//! millionths.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use store::{ExpiredMinutes, FIGURES, FigureSql, PerFigure, StoreError, read_figures};

static BY_KEY: FigureSql = FigureSql::new(include_str!("queries/late_by_key.sql"));
static BY_QUARTER: FigureSql = FigureSql::new(include_str!("queries/late_by_quarter.sql"));

const SUMMING_UP: &str = "summing up late events";

/// Sums of late events, and how many events of the same kind were on time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LateSums {
    /// Number of late events.
    pub events: i64,
    /// Their figures, 10⁻⁶ of each one's unit.
    pub micros: PerFigure<i128>,
    /// Events of our own counting that were on time.
    pub on_time_events: i64,
}

/// Late events of a stretch of time. Keys and days without any are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LateSummary {
    /// By event type and region, most first.
    pub by_key: Vec<((String, String), LateSums)>,
    /// By business day.
    pub by_day: BTreeMap<NaiveDate, LateSums>,
    /// The sum over all keys and days.
    pub total: LateSums,
    /// Minutes that have expired: their events, late and on time, are in none of the sums.
    pub expired: Option<ExpiredMinutes>,
}

impl LateSums {
    /// Late events among all, 0 to 1.
    pub fn share(&self) -> f64 {
        let all = self.events + self.on_time_events;
        if all == 0 { 0.0 } else { self.events as f64 / all as f64 }
    }

    fn add(&mut self, other: &LateSums) {
        self.events += other.events;
        for (sum, term) in self.micros.iter_mut().zip(other.micros) {
            *sum += term;
        }
        self.on_time_events += other.on_time_events;
    }
}

/// Sums up late events of windows in [since, until); `None` is no bound. Days are those of `zone`.
///
/// # Errors
/// A failed statement, or a sum that is no number.
pub async fn late_summary(
    connection: &mut PgConnection,
    since: Option<NaiveDateTime>,
    until: Option<NaiveDateTime>,
    zone: Tz,
) -> Result<LateSummary, StoreError> {
    let mut summary = LateSummary::default();
    for row in rows(connection, BY_KEY.text(), since, until).await? {
        let read = |column| row.try_get(column).map_err(StoreError::sql(SUMMING_UP));
        summary.by_key.push(((read("event_type")?, read("region")?), sums(&row)?));
    }
    for row in rows(connection, BY_QUARTER.text(), since, until).await? {
        let quarter: NaiveDateTime = row.try_get("quarter").map_err(StoreError::sql(SUMMING_UP))?;
        let sums = sums(&row)?;
        summary.total.add(&sums);
        let day = zone.from_utc_datetime(&quarter).date_naive();
        summary.by_day.entry(day).or_default().add(&sums);
    }
    summary.by_day.retain(|_, sums| sums.events > 0);
    // No event is outside of these.
    let [first, last] = [2000, 2100].map(|year| {
        NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN)
    });
    let span = (since.unwrap_or(first).max(first), until.unwrap_or(last).min(last));
    summary.expired = store::expired_minutes(connection, span, true).await?;
    Ok(summary)
}

async fn rows(
    connection: &mut PgConnection,
    sql: &'static str,
    since: Option<NaiveDateTime>,
    until: Option<NaiveDateTime>,
) -> Result<Vec<PgRow>, StoreError> {
    sqlx::query(sql)
        .bind(since)
        .bind(until)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql(SUMMING_UP))
}

fn sums(row: &PgRow) -> Result<LateSums, StoreError> {
    let number = |column| row.try_get(column).map_err(StoreError::sql(SUMMING_UP));
    let texts: PerFigure<String> =
        read_figures(row, |figure| figure.name).map_err(StoreError::sql(SUMMING_UP))?;
    let mut micros = PerFigure::default();
    for ((sum, text), figure) in micros.iter_mut().zip(texts).zip(&FIGURES) {
        let bad_value = |_| StoreError::BadValue(format!("{} = {text} millionths", figure.name));
        *sum = text.parse().map_err(bad_value)?;
    }
    Ok(LateSums { events: number("events")?, micros, on_time_events: number("on_time_events")? })
}
