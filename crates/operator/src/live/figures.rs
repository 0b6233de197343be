//! What the tables say right now, in a few sums: for the streamer's own page and its metrics.
//!
//! In: a session. Out: [`LiveFigures`], from one snapshot of the database. "Now" is where the events
//! are: the newest window, which on a backfill lies in the past.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};
use store::{BusinessDay, FigureSql, Settings, StoreError, load_settings};

use super::sums::Sums;

/// The cells by region and type cover so many minutes, the newest one included.
pub const CELL_MINUTES: i64 = 10;
/// The minutes one by one cover so many.
pub const TREND_MINUTES: i64 = 60;
/// More cells than these are not read: names of regions and types come from events.
pub const CELLS_MAX: i64 = 400;

static DAY: FigureSql = FigureSql::new(include_str!("queries/live_day.sql"));

const DOING: &str = "reading the live figures";

/// Sums of the newest windows and of the day that they belong to. All times are UTC.
#[derive(Clone, Debug)]
pub struct LiveFigures {
    /// The database's clock.
    pub now: NaiveDateTime,
    /// The settings; those of a first start where none are stored yet.
    pub settings: Settings,
    /// The start of the newest window; `None`: there is none yet, and everything else is empty.
    pub newest_window: Option<NaiveDateTime>,
    /// Events of the newest [`CELL_MINUTES`], by region and type; the most first.
    pub cells: Vec<LiveCell>,
    /// Events of the newest [`TREND_MINUTES`] that have any, oldest first.
    pub minutes: Vec<LiveMinute>,
    /// The business day of the newest window.
    pub day: Option<LiveDay>,
}

/// One region and type.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct LiveCell {
    /// As events name it, 1–100 characters.
    pub region: String,
    /// As events name it, 1–50 characters.
    pub event_type: String,
    /// Events on time.
    pub events: i64,
}

/// Events of all regions and types in one minute of event time.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct LiveMinute {
    /// The minute's first instant, UTC.
    pub window_start: NaiveDateTime,
    /// Events on time.
    pub events: i64,
}

/// A day so far.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveDay {
    /// Its date and time zone.
    pub day: BusinessDay,
    /// What its events have come to until now.
    pub sums: DaySums,
}

/// What a day's events come to, all regions and types together.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromRow)]
pub struct DaySums {
    /// Events on time.
    pub events: i64,
    /// What these come to, in the units of `real_time_metrics`.
    #[sqlx(flatten)]
    pub figures: Sums,
    /// Events that came too late for their minutes, in no other figure here.
    pub late_events: i64,
}

/// Whether the night's run has done its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromRow)]
pub struct Yesterday {
    /// Events of the day that were counted on time.
    pub events: i64,
    /// Whether `daily_stats` has rows of it.
    pub is_computed: bool,
    /// How long ago it ended, seconds.
    pub ended_seconds_ago: i64,
}

/// What is known of the batcher's runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromRow)]
pub struct BatchState {
    /// When the last run began.
    pub last_run_at: Option<NaiveDateTime>,
    /// When the last run that computed a day ended.
    pub last_success_at: Option<NaiveDateTime>,
    /// Days whose events changed after they were computed.
    pub stale_days: i64,
}

/// Reads the figures.
///
/// # Errors
/// A failed statement.
pub async fn live_figures(connection: &mut PgConnection) -> Result<LiveFigures, StoreError> {
    let mut snapshot = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(StoreError::sql(DOING))?;
    let settings = load_settings(&mut snapshot).await?.unwrap_or_default();
    let now = store::database_now(&mut snapshot).await?;
    let newest_window: Option<NaiveDateTime> =
        sqlx::query_scalar("SELECT MAX(window_start) FROM real_time_metrics")
            .fetch_one(&mut *snapshot)
            .await
            .map_err(StoreError::sql(DOING))?;
    let (mut cells, mut minutes, mut day) = (Vec::new(), Vec::new(), None);
    if let Some(newest) = newest_window {
        cells = sqlx::query_as(include_str!("queries/live_cells.sql"))
            .bind(newest - TimeDelta::minutes(CELL_MINUTES))
            .bind(CELLS_MAX)
            .fetch_all(&mut *snapshot)
            .await
            .map_err(StoreError::sql(DOING))?;
        minutes = sqlx::query_as(include_str!("queries/live_minutes.sql"))
            .bind(newest - TimeDelta::minutes(TREND_MINUTES))
            .fetch_all(&mut *snapshot)
            .await
            .map_err(StoreError::sql(DOING))?;
        let of_newest = day_of(newest.and_utc(), &settings);
        let sums = sqlx::query_as(DAY.text())
            .bind(of_newest.start())
            .bind(of_newest.end())
            .fetch_one(&mut *snapshot)
            .await
            .map_err(StoreError::sql(DOING))?;
        day = Some(LiveDay { day: of_newest, sums });
    }
    snapshot.commit().await.map_err(StoreError::sql(DOING))?;
    Ok(LiveFigures { now, settings, newest_window, cells, minutes, day })
}

fn day_of(instant: DateTime<Utc>, settings: &Settings) -> BusinessDay {
    let zone = settings.business_timezone;
    BusinessDay::new(instant.with_timezone(&zone).date_naive(), zone)
}

/// The last business day that has ended by the database's clock.
///
/// # Errors
/// A failed statement.
pub async fn yesterday(connection: &mut PgConnection) -> Result<Yesterday, StoreError> {
    let settings = load_settings(connection).await?.unwrap_or_default();
    let now = store::database_now(connection).await?;
    let day = BusinessDay::yesterday(Utc.from_utc_datetime(&now), settings.business_timezone);
    sqlx::query_as(include_str!("queries/live_yesterday.sql"))
        .bind(day.start())
        .bind(day.end())
        .bind(day.date())
        .bind((now - day.end()).num_seconds())
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql(DOING))
}

/// What is known of the batcher's runs; `None` where the database does not keep them. Sums up every day
/// that has changed since the batcher ran, so it is not for every few seconds.
///
/// # Errors
/// A failed statement.
pub async fn batch_state(connection: &mut PgConnection) -> Result<Option<BatchState>, StoreError> {
    let is_kept: bool = sqlx::query_scalar(
        "SELECT to_regclass('batch_runs') IS NOT NULL AND to_regclass('day_states') IS NOT NULL",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(StoreError::sql(DOING))?;
    if !is_kept {
        return Ok(None);
    }
    sqlx::query_as(include_str!("queries/live_batch.sql"))
        .fetch_one(connection)
        .await
        .map(Some)
        .map_err(StoreError::sql(DOING))
}
