//! Runs on days: who computed which day from what, and whether its rows are still what the windows
//! say.
//!
//! In: a run's beginning and end. Out: rows of `batch_runs`, and a [`DayRecord`] for each day that
//! was computed. Every statement here is a transaction of its own: a run's end is noted after its
//! COMMIT, so a run that was killed in between has no end, and its day counts as stale (I-7).

use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;

use crate::day::computed::ComputedDay;
use crate::{BusinessDay, StoreError};

/// What is known of a day that was computed, or may have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayRecord {
    /// The business day.
    pub date: NaiveDate,
    /// Whether its rows are right, and whether they will stay so.
    pub state: RecordState,
    /// When its rows were computed, UTC; `None`: the last run has no end.
    pub computed_at: Option<NaiveDateTime>,
    /// Late events are part of its figures.
    pub include_late: bool,
    /// Events of the day that the ledger has now; late ones only where they are part of the figures.
    pub version_now: i64,
    /// The same number when the day, as it is bounded now, was last computed as complete; `None`:
    /// it never was.
    pub final_version: Option<i64>,
    /// Minutes that it was computed from have expired: only a data lake can give it again.
    pub minutes_expired: bool,
    /// It was computed as the stretch of time that it is now.
    pub has_its_bounds: bool,
}

/// Whether a computed day's rows are what the windows say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// They are, and no on-time event is to be expected any more.
    Final,
    /// They are, and the day can still change.
    Provisional,
    /// They are not, or nobody knows; with the reason.
    Stale(String),
}

impl DayRecord {
    /// Why the day has to be computed again, if it has to.
    pub fn stale_because(&self) -> Option<&str> {
        match &self.state {
            RecordState::Stale(because) => Some(because),
            RecordState::Final | RecordState::Provisional => None,
        }
    }
}

/// Which days [`day_records`] is asked about.
#[derive(Clone, Copy, Debug)]
pub enum Dates {
    /// All that were ever computed.
    All,
    /// This date alone, if it was ever computed.
    One(NaiveDate),
}

/// What is known of days as days of `zone`, in order. Days that no run has computed are not in it.
///
/// # Errors
/// A failed statement, or a stored value that can't be used.
pub async fn day_records(
    connection: &mut PgConnection,
    dates: Dates,
    zone: Tz,
) -> Result<Vec<DayRecord>, StoreError> {
    let date = match dates {
        Dates::All => None,
        Dates::One(date) => Some(date),
    };
    let rows: Vec<StoredRecord> = sqlx::query_as(include_str!("queries/day_records.sql"))
        .bind(date)
        .bind(date)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("reading which days were computed"))?;
    rows.into_iter().map(|row| row.into_record(zone)).collect()
}

/// The same of one day; `None`: no run has computed it.
///
/// # Errors
/// Those of [`day_records`].
pub async fn day_record(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<Option<DayRecord>, StoreError> {
    Ok(day_records(connection, Dates::One(day.date()), day.zone()).await?.pop())
}

/// Remembers what the ledger sums up to of each day that was computed, so that whoever asks for the days' states
/// need not sum up those again to which nothing was added. Nothing rests on it but the time that this takes.
///
/// # Errors
/// A failed statement.
pub async fn remember_versions(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(include_str!("queries/remember_versions.sql"))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(StoreError::sql("remembering what the ledger sums up to"))
}

#[derive(Debug, FromRow)]
struct StoredRecord {
    date: NaiveDate,
    state: String,
    stale_because: Option<String>,
    computed_at: Option<NaiveDateTime>,
    include_late: bool,
    day_start: NaiveDateTime,
    day_end: NaiveDateTime,
    version_now: i64,
    final_version: Option<i64>,
    minutes_expired: bool,
}

impl StoredRecord {
    /// The view has compared versions and names of zones. What SQL can't know is where a day
    /// begins and ends by this program's tz database: that may have been corrected since.
    fn into_record(self, zone: Tz) -> Result<DayRecord, StoreError> {
        let day = BusinessDay::new(self.date, zone);
        let has_other_bounds = (day.start(), day.end()) != (self.day_start, self.day_end);
        let state = match (self.state.as_str(), self.stale_because) {
            ("stale", because) => RecordState::Stale(because.unwrap_or_default()),
            _ if has_other_bounds => {
                RecordState::Stale(format!("it was {} to {} UTC", self.day_start, self.day_end))
            }
            ("final", _) => RecordState::Final,
            ("provisional", _) => RecordState::Provisional,
            (other, _) => {
                return Err(StoreError::BadValue(format!("day_states.state = {other}")));
            }
        };
        Ok(DayRecord {
            date: self.date,
            state,
            computed_at: self.computed_at,
            include_late: self.include_late,
            version_now: self.version_now,
            // Of another stretch of time: no figure to compare with.
            final_version: self.final_version.filter(|_| !has_other_bounds),
            minutes_expired: self.minutes_expired,
            has_its_bounds: !has_other_bounds,
        })
    }
}

/// How a run ended, if it lived to tell.
pub(crate) enum RunEnd<'a> {
    /// The day's rows were replaced.
    Computed(&'a ComputedDay),
    /// There was no window; nothing was changed.
    NoData,
    /// It failed with this error; nothing was changed.
    Failed(String),
}

/// Notes that a run on a day begins; its id.
pub(crate) async fn start_run(
    connection: &mut PgConnection,
    day: &BusinessDay,
    include_late: bool,
    started_by: &str,
) -> Result<i64, StoreError> {
    sqlx::query_scalar(include_str!("queries/start_run.sql"))
        .bind(day.date())
        .bind(day.zone().name())
        .bind(day.start())
        .bind(day.end())
        .bind(include_late)
        .bind(started_by)
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql("noting that a run begins"))
}

/// Notes how it ended.
pub(crate) async fn finish_run(
    connection: &mut PgConnection,
    id: i64,
    end: RunEnd<'_>,
) -> Result<(), StoreError> {
    let (outcome, computed, error) = match end {
        RunEnd::Computed(computed) => ("computed", Some(computed), None),
        RunEnd::NoData => ("no_data", None, None),
        RunEnd::Failed(error) => ("failed", None, Some(error)),
    };
    sqlx::query(include_str!("queries/finish_run.sql"))
        .bind(id)
        .bind(outcome)
        .bind(computed.map(|day| day.rows))
        .bind(computed.map(|day| day.windows))
        .bind(computed.map(|day| day.version))
        .bind(computed.map(|day| !day.state.is_complete()))
        .bind(error)
        .execute(connection)
        .await
        .map_err(StoreError::sql("noting how a run ended"))?;
    Ok(())
}
