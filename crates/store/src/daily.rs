//! A day's statistics: computes the rows of one business day from the windows.
//!
//! In: a [`BusinessDay`]. Out: its rows in `daily_stats`, replaced in one transaction. Keeps I-5
//! (NUMERIC sums, one division at the end) and I-7 (a row that can't be added up stops the run and
//! is named, instead of being left out).

use std::fmt;
use std::time::Duration;

use chrono::{Datelike, NaiveDate, NaiveDateTime};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};
use thiserror::Error;

use crate::subscribers::fill_subscribers;
use crate::{BusinessDay, DayState, StoreError, day_state};

/// First key of the advisory locks that hold a date; the second is the date. "dail" in ASCII.
const DATE_LOCK_SPACE: i32 = 0x6461_696c;
/// A transaction that the server could not serialise is tried at most this often.
const ATTEMPTS_MAX: u32 = 5;

/// What came of computing a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DayRun {
    /// There is no window of that day; `daily_stats` was left as it was.
    NoData,
    /// The day's rows were replaced.
    Computed(ComputedDay),
}

/// A day whose rows were replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputedDay {
    /// Rows written.
    pub rows: i64,
    /// Rows of `real_time_metrics` that they were computed from.
    pub windows: i64,
    /// Whether the day could still change, judged in the same snapshot as the figures.
    pub state: DayState,
}

/// Why a day could not be computed.
#[derive(Debug, Error)]
pub enum DailyError {
    /// A row that can't be part of any sum.
    #[error(transparent)]
    UnusableRow(UnusableRow),
    /// Somebody else holds the date.
    #[error(
        "another run has been working on {date} for more than {waited:?}; \
         let it finish or end it, or wait longer with --lock-wait"
    )]
    Busy {
        /// The date.
        date: NaiveDate,
        /// How long we waited.
        waited: Duration,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A row of `real_time_metrics` that someone else inserted and that can't be used.
#[derive(Clone, Debug, PartialEq, Error, FromRow)]
pub struct UnusableRow {
    window_start: NaiveDateTime,
    event_type: Option<String>,
    region: Option<String>,
    total_data_mb: Option<f64>,
    total_amount: Option<f64>,
}

impl fmt::Display for UnusableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| match value {
            Some(value) => format!("'{value}'"),
            None => "NULL".to_owned(),
        };
        let non_finite = |value: Option<f64>| value.is_some_and(|value| !value.is_finite());
        let problem = if self.event_type.is_none() {
            "event_type is NULL"
        } else if self.region.is_none() {
            "region is NULL"
        } else if self.event_type.as_deref() == Some("most_active") {
            "event_type 'most_active' is reserved for daily_stats"
        } else if self.region.as_deref() == Some("ALL") {
            "region 'ALL' is reserved for daily_stats"
        } else if non_finite(self.total_data_mb) {
            "total_data_mb is NaN or infinite"
        } else {
            "total_amount is NaN or infinite"
        };
        write!(
            f,
            "real_time_metrics has a row that can't be part of the day's figures: window_start \
             {}, event_type {}, region {}: {problem}; correct the row or delete it",
            self.window_start,
            text(&self.event_type),
            text(&self.region),
        )
    }
}

/// Replaces the day's rows in `daily_stats`. Runs of one date wait for each other, at most
/// `lock_wait`; runs of different dates do not meet.
///
/// # Errors
/// [`DailyError`]; `daily_stats` is then as it was.
pub async fn compute_day(
    connection: &mut PgConnection,
    day: &BusinessDay,
    lock_wait: Duration,
) -> Result<DayRun, DailyError> {
    // A lock taken inside the transaction would come after its snapshot: the second of two runs
    // would then not see the rows of the first, and fail.
    lock_date(connection, day.date(), lock_wait).await?;
    let computed = compute_with_retries(connection, day).await;
    let unlocked = unlock_date(connection, day.date()).await;
    let run = computed?;
    unlocked?;
    Ok(run)
}

async fn lock_date(
    connection: &mut PgConnection,
    date: NaiveDate,
    wait: Duration,
) -> Result<(), DailyError> {
    let locking = "locking the date";
    // Zero would mean to wait for ever.
    let wait_millis = wait.as_millis().clamp(1, i32::MAX as u128);
    sqlx::query("SELECT set_config('lock_timeout', $1, false)")
        .bind(wait_millis.to_string())
        .execute(&mut *connection)
        .await
        .map_err(StoreError::sql(locking))?;
    let locked = sqlx::query("SELECT pg_advisory_lock($1, $2)")
        .bind(DATE_LOCK_SPACE)
        .bind(date.num_days_from_ce())
        .execute(connection)
        .await
        .map_err(StoreError::sql(locking));
    match locked {
        Ok(_) => Ok(()),
        Err(error) if error.sqlstate().as_deref() == Some("55P03") => {
            Err(DailyError::Busy { date, waited: wait })
        }
        Err(error) => Err(error.into()),
    }
}

async fn unlock_date(connection: &mut PgConnection, date: NaiveDate) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_unlock($1, $2)")
        .bind(DATE_LOCK_SPACE)
        .bind(date.num_days_from_ce())
        .execute(connection)
        .await
        .map_err(StoreError::sql("unlocking the date"))?;
    Ok(())
}

async fn compute_with_retries(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<DayRun, DailyError> {
    let mut attempt = 1;
    loop {
        match compute_once(connection, day).await {
            Err(DailyError::Store(error)) if attempt < ATTEMPTS_MAX && is_conflict(&error) => {
                tracing::warn!(
                    attempt,
                    "another session changed the same rows; once more: {error}"
                );
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// Whether a transaction failed only because another one was in its way.
fn is_conflict(error: &StoreError) -> bool {
    matches!(error.sqlstate().as_deref(), Some("40001" | "40P01"))
}

async fn compute_once(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<DayRun, DailyError> {
    let adding_up = "adding up the day's windows";
    // One snapshot for the windows and for the judgement whether more can come. Nothing that a
    // flush writes is written here, so a flush in between can't make this fail.
    let mut transaction = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ")
        .await
        .map_err(StoreError::sql("beginning the day's transaction"))?;
    let unusable: Option<UnusableRow> =
        sqlx::query_as(include_str!("queries/daily_unusable_row.sql"))
            .bind(day.start())
            .bind(day.end())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(StoreError::sql(adding_up))?;
    if let Some(row) = unusable {
        return Err(DailyError::UnusableRow(row));
    }
    let state = day_state(&mut transaction, day).await?;
    sqlx::query("DELETE FROM daily_stats WHERE date = $1")
        .bind(day.date())
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql("deleting the day's former rows"))?;
    let (rows, windows): (i64, i64) = sqlx::query_as(include_str!("queries/daily_insert.sql"))
        .bind(day.date())
        .bind(day.start())
        .bind(day.end())
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::sql(adding_up))?;
    if windows == 0 {
        transaction.rollback().await.map_err(StoreError::sql("leaving daily_stats as it was"))?;
        return Ok(DayRun::NoData);
    }
    let subscribers = fill_subscribers(&mut transaction, day).await?;
    transaction.commit().await.map_err(StoreError::sql("committing the day's rows"))?;
    subscribers.warn(day.date());
    Ok(DayRun::Computed(ComputedDay { rows, windows, state }))
}
