//! A day's statistics: computes the rows of one business day from the windows, and judges whether
//! that day can still change.
//!
//! In: a [`BusinessDay`]. Out: its rows in `daily_stats`, replaced in one transaction. Keeps I-5
//! (NUMERIC sums, one division at the end) and I-7 (a row that can't be added up stops the run and
//! is named, instead of being left out).

use std::fmt;
use std::time::Duration;

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};
use thiserror::Error;

use crate::{BusinessDay, StoreError};

/// First key of the advisory locks that hold a date; the second is the date. "dail" in ASCII.
const DATE_LOCK_SPACE: i32 = 0x6461_696c;
/// A transaction that the server could not serialise is tried at most this often.
const ATTEMPTS_MAX: u32 = 5;
/// A partition that had nothing left to read this long after a day's end has had its events: the
/// events of the day's last minutes were sent before.
const CAUGHT_UP_MARGIN: TimeDelta = TimeDelta::minutes(10);

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

/// Whether a day can still change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayState {
    /// Partitions that are being read: the highest generation of each, unless it is retired.
    pub partitions: usize,
    /// Those that may still bring events of the day.
    pub holding_back: Vec<PartitionState>,
}

/// How far one partition has come. `Display` says it in words.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct PartitionState {
    /// Topic.
    pub topic: String,
    /// Generation.
    pub generation: i32,
    /// Partition.
    pub partition: i32,
    /// Stored watermark, UTC.
    pub watermark: Option<NaiveDateTime>,
    /// When the broker was last seen to have nothing left, UTC.
    pub caught_up_at: Option<NaiveDateTime>,
    /// Why the partition waits for an operator.
    pub halted_reason: Option<String>,
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

impl DayState {
    /// Whether no event can be added to the day any more, by what the partitions have shown.
    pub fn is_complete(&self) -> bool {
        self.partitions > 0 && self.holding_back.is_empty()
    }

    fn judge(partitions: Vec<PartitionState>, day_end: NaiveDateTime) -> Self {
        let total = partitions.len();
        let holding_back =
            partitions.into_iter().filter(|partition| !partition.is_past(day_end)).collect();
        DayState { partitions: total, holding_back }
    }
}

impl PartitionState {
    /// Whether the partition can bring no more on-time event of a day that ends at `day_end`: the
    /// day's last window is closed, or nothing was left to read well after it.
    ///
    /// ```text
    /// watermark     ≥ end           the window that ends at `end` is closed
    /// caught_up_at  ≥ end + 10 min  whatever was sent in time had been read
    /// ```
    fn is_past(&self, day_end: NaiveDateTime) -> bool {
        self.watermark.is_some_and(|watermark| watermark >= day_end)
            || self.caught_up_at.is_some_and(|at| at >= day_end + CAUGHT_UP_MARGIN)
    }
}

impl fmt::Display for PartitionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Option<NaiveDateTime>| match time {
            Some(time) => format!("{time} UTC"),
            None => "not known yet".to_owned(),
        };
        write!(
            f,
            "{} partition {} (generation {}): watermark {}, last caught up {}",
            self.topic,
            self.partition,
            self.generation,
            time(self.watermark),
            time(self.caught_up_at),
        )?;
        match &self.halted_reason {
            Some(reason) => write!(f, "; halted: {reason}"),
            None => Ok(()),
        }
    }
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

/// Says whether the day can still change.
///
/// # Errors
/// A failed statement.
pub async fn day_state(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<DayState, StoreError> {
    let partitions = sqlx::query_as(include_str!("queries/daily_partitions.sql"))
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("reading the partitions' progress"))?;
    Ok(DayState::judge(partitions, day.end()))
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
    transaction.commit().await.map_err(StoreError::sql("committing the day's rows"))?;
    Ok(DayRun::Computed(ComputedDay { rows, windows, state }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(watermark: Option<&str>, caught_up_at: Option<&str>) -> PartitionState {
        let time = |text: &str| format!("2025-11-{text}").parse().unwrap();
        PartitionState {
            topic: "telecom_events".to_owned(),
            generation: 0,
            partition: 2,
            watermark: watermark.map(time),
            caught_up_at: caught_up_at.map(time),
            halted_reason: None,
        }
    }

    #[test]
    fn a_partition_is_past_a_day_by_its_watermark_or_by_having_caught_up_later() {
        let end = "2025-11-10T00:00:00".parse().unwrap();
        for (watermark, caught_up_at, expected) in [
            (None, None, false),
            (Some("09T23:59:59.999999"), None, false),
            (Some("10T00:00:00"), None, true),
            (None, Some("10T00:09:59.999999"), false),
            (None, Some("10T00:10:00"), true),
            (Some("09T12:00:00"), Some("10T00:10:00"), true),
            (Some("10T00:00:00"), Some("09T12:00:00"), true),
            (Some("09T12:00:00"), Some("10T00:05:00"), false),
        ] {
            let found = partition(watermark, caught_up_at).is_past(end);
            assert_eq!(found, expected, "{watermark:?} {caught_up_at:?}");
        }
    }

    #[test]
    fn a_day_is_complete_when_every_partition_is_past_it_and_there_is_one() {
        let end = "2025-11-10T00:00:00".parse().unwrap();
        let past = partition(Some("10T00:00:00"), None);
        let behind = partition(Some("09T00:00:00"), None);
        for (partitions, complete) in [
            (vec![], false),
            (vec![past.clone()], true),
            (vec![past.clone(), past.clone()], true),
            (vec![past, behind.clone()], false),
        ] {
            assert_eq!(DayState::judge(partitions.clone(), end).is_complete(), complete);
        }
        assert_eq!(DayState::judge(vec![behind.clone()], end).holding_back, [behind]);
    }
}
