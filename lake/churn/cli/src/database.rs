//! What the program asks of PostgreSQL beside models and scores: the ledger, completeness, and about how many subscribers there are.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use chrono::NaiveDate;
use chrono_tz::Tz;
use churn::period::DayCount;
use store::{BusinessDay, PgConnection};

/// The time zone whose midnights bound days.
///
/// # Errors
/// A failed statement.
pub(crate) async fn zone(connection: &mut PgConnection) -> Result<Tz> {
    let settings = store::load_settings(connection).await?;
    Ok(settings.map_or(Tz::UTC, |settings| settings.business_timezone))
}

/// Whether the last of the days is complete: that nothing on time is missing in the warehouse itself.
///
/// # Errors
/// It is not; a failed statement.
pub(crate) async fn ensure_complete(
    connection: &mut PgConnection,
    zone: Tz,
    as_of: NaiveDate,
) -> Result<()> {
    let day = as_of.pred_opt().context("the first day of the calendar")?;
    let state = store::day_state(connection, &BusinessDay::new(day, zone)).await?;
    ensure!(
        state.is_complete(),
        "{day} is not complete yet: events on time can still come; `batcher check {day}` says from where"
    );
    Ok(())
}

/// For each of the days of [from, to) that has rows: events in them, and in the ledger.
///
/// # Errors
/// A failed statement.
pub(crate) async fn counts(
    connection: &mut PgConnection,
    zone: Tz,
    (from, to): (NaiveDate, NaiveDate),
    rows: &BTreeMap<NaiveDate, u64>,
) -> Result<BTreeMap<NaiveDate, DayCount>> {
    let ledger: Vec<(NaiveDate, i64)> = sqlx::query_as(include_str!("queries/ledger.sql"))
        .bind(zone.name())
        .bind(BusinessDay::new(from, zone).start())
        .bind(BusinessDay::new(to, zone).start())
        .fetch_all(connection)
        .await
        .context("reading the ledger")?;
    let ledger: BTreeMap<NaiveDate, i64> = ledger.into_iter().collect();
    let count = |(day, rows): (&NaiveDate, &u64)| {
        let ledger = ledger.get(day).copied().unwrap_or(0);
        (*day, DayCount { rows: *rows, ledger: ledger.unsigned_abs() })
    };
    Ok(rows.iter().map(count).collect())
}

/// About how many subscribers there are, by the newest daily figures; 0: not known.
///
/// # Errors
/// A failed statement.
pub(crate) async fn subscribers(connection: &mut PgConnection) -> Result<u64> {
    let most: Option<i64> = sqlx::query_scalar(
        "SELECT MAX(distinct_subscribers) FROM daily_stats
         WHERE date >= (SELECT MAX(date) FROM daily_stats) - 7 AND region = 'ALL'",
    )
    .fetch_one(connection)
    .await
    .context("reading the number of subscribers")?;
    Ok(most.unwrap_or(0).unsigned_abs())
}
