//! A day's statistics: computes the rows of one business day from the windows.
//!
//! In: a [`BusinessDay`], and for one whose minutes have expired a [`LakeDay`]. Out: its rows in `daily_stats`, replaced in one transaction, and the run's
//! row in `batch_runs`. Keeps I-5 (NUMERIC sums, one division at the end) and I-7 (a row that can't
//! be added up, or windows that are missing, stop the run and are named, instead of being left out).
//!
//! ```text
//! lock the date                     a session's lock: before the snapshot, and until the end
//! INSERT batch_runs                 the run has begun
//! BEGIN (REPEATABLE READ)           one snapshot for all that is read; nothing is written here that
//!   read version and completeness   a flush writes too
//!   DELETE, INSERT daily_stats
//! COMMIT
//! UPDATE batch_runs                 rows, version; killed before this, the day is stale
//! unlock the date
//! ```

mod error;
mod from_lake;

use std::time::Duration;

use chrono::{Datelike, NaiveDate};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

pub use self::error::{DailyError, UnusableRow};
pub use self::from_lake::ensure_expired;
use self::from_lake::ensure_whole;
use crate::day::batch_runs::{RunEnd, day_record, finish_run, start_run};
use crate::day::computed::ComputedDay;
use crate::day::lake::LakeDay;
use crate::day::subscribers::{Former, fill_subscribers, former_subscribers};
use crate::{BusinessDay, DayRecord, FigureSql, StoreError, day_state, expired_minutes};

pub(crate) static UNUSABLE_ROW: FigureSql =
    FigureSql::new(include_str!("queries/daily_unusable_row.sql"));
static OF_MINUTES: FigureSql = FigureSql::new(concat!(
    include_str!("queries/daily_of_minutes.sql"),
    include_str!("queries/daily_insert.sql")
));
static OF_LAKE: FigureSql = FigureSql::new(concat!(
    include_str!("queries/daily_of_lake.sql"),
    include_str!("queries/daily_insert.sql")
));

/// First key of the advisory locks that hold a date; the second is the date. "dail" in ASCII.
const DATE_LOCK_SPACE: i32 = 0x6461_696c;
/// A transaction that the server could not serialise is tried at most this often.
const ATTEMPTS_MAX: u32 = 5;
/// Memory that the server may use for each sort or hash of the day's statements (twice that for a
/// hash). Its default of 4 MB would put a day of 10,000 regions into temporary files.
const WORK_MEMORY: &str = "64MB";
/// What a failed COMMIT was doing. Without an answer from the server it may have succeeded.
const COMMITTING: &str = "committing the day's rows";
const ADDING_UP: &str = "adding up the day's windows";

/// How a day is to be computed.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions<'a> {
    /// Whether it is to be computed at all, judged while the date is held.
    pub condition: Condition,
    /// Add late events up too. A run [`Condition::IfStale`] does as the run before did.
    pub include_late: bool,
    /// How long to wait for another run on the same date.
    pub lock_wait: Duration,
    /// Who runs, for `batch_runs`.
    pub started_by: &'a str,
}

/// Which days are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Every day that is asked for, even if nothing has changed.
    Always,
    /// Not those whose rows are what this run would write.
    UnlessCurrent,
    /// Only those that were computed and are stale.
    IfStale,
}

/// What came of computing a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DayRun {
    /// There is no window of that day; `daily_stats` was left as it was.
    NoData {
        /// Events of that day that came late, and would be counted with [`RunOptions::include_late`].
        late_events: i64,
    },
    /// The condition did not hold; nothing was done.
    NotNeeded,
    /// The day's rows were replaced.
    Computed(ComputedDay),
}

/// Replaces the day's rows in `daily_stats`. Runs of one date wait for each other, at most
/// `lock_wait`; runs of different dates do not meet.
///
/// # Errors
/// [`DailyError`]; `daily_stats` is then as it was, unless the answer to COMMIT or what follows was
/// lost: then the day counts as stale.
pub async fn compute_day(
    connection: &mut PgConnection,
    day: &BusinessDay,
    options: RunOptions<'_>,
) -> Result<DayRun, DailyError> {
    compute_alone(connection, day, options, Source::Minutes).await
}

/// The same from a lake, late events included, for a day whose minutes have expired. Rows that others have inserted are added.
///
/// # Errors
/// Those of [`compute_day`]; minutes that have not expired, and a lake that has not exactly what was counted.
pub async fn compute_day_from_lake(
    connection: &mut PgConnection,
    day: &BusinessDay,
    options: RunOptions<'_>,
    lake: &LakeDay,
) -> Result<DayRun, DailyError> {
    let options = RunOptions { condition: Condition::Always, include_late: true, ..options };
    compute_alone(connection, day, options, Source::Lake(lake)).await
}

/// What a day's figures are made from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// Its windows of a minute, as long as they have not expired.
    Minutes,
    Lake(&'a LakeDay),
}

async fn compute_alone(
    connection: &mut PgConnection,
    day: &BusinessDay,
    options: RunOptions<'_>,
    source: Source<'_>,
) -> Result<DayRun, DailyError> {
    // A lock taken inside the transaction would come after its snapshot: the second of two runs
    // would then not see the rows of the first, and fail.
    lock_date(connection, day.date(), options.lock_wait).await?;
    let computed = compute_if_needed(connection, day, options, source).await;
    let unlocked = unlock_date(connection, day.date()).await;
    let run = computed?;
    unlocked?;
    Ok(run)
}

/// Judges the condition, and notes the run's beginning and end.
async fn compute_if_needed(
    connection: &mut PgConnection,
    day: &BusinessDay,
    options: RunOptions<'_>,
    source: Source<'_>,
) -> Result<DayRun, DailyError> {
    let before = day_record(connection, day).await?;
    let Some(include_late) = options.is_needed(before.as_ref()) else {
        return Ok(DayRun::NotNeeded);
    };
    let id = start_run(connection, day, include_late, options.started_by).await?;
    // What is known of a row's subscribers stays right while its events are the same, and a lake can't give it again.
    let keeps_subscribers = matches!(source, Source::Lake(_))
        && before
            .as_ref()
            .is_some_and(|before| before.has_its_bounds && before.computed_at.is_some());
    let how = How { source, include_late, keeps_subscribers };
    let mut run = compute_with_retries(connection, day, how).await;
    if let (Ok(DayRun::Computed(computed)), Some(before)) = (&mut run, before) {
        let is_comparable = before.include_late == include_late;
        let final_version = before.final_version.filter(|_| is_comparable);
        computed.changed_after_final = final_version.filter(|version| *version != computed.version);
    }
    match &run {
        Ok(DayRun::Computed(computed)) => {
            finish_run(connection, id, RunEnd::Computed(computed)).await?;
        }
        Ok(_) => finish_run(connection, id, RunEnd::NoData).await?,
        // What is not known is not noted: the run stays without an end.
        Err(error) if error.may_have_committed() => {}
        Err(error) => {
            let noted = finish_run(connection, id, RunEnd::Failed(error.with_causes())).await;
            if let Err(unnoted) = noted {
                tracing::warn!(error = %unnoted, "the run's end could not be noted");
            }
        }
    }
    run
}

impl RunOptions<'_> {
    /// Whether to compute a day of which `before` is known, and if so, whether with late events.
    fn is_needed(&self, before: Option<&DayRecord>) -> Option<bool> {
        let stale = before.filter(|record| record.stale_because().is_some());
        match self.condition {
            Condition::Always => Some(self.include_late),
            Condition::UnlessCurrent => {
                let is_same = |record: &DayRecord| record.include_late == self.include_late;
                let is_current = stale.is_none() && before.is_some_and(is_same);
                (!is_current).then_some(self.include_late)
            }
            Condition::IfStale => stale.map(|record| record.include_late),
        }
    }
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

/// What one attempt does.
#[derive(Clone, Copy)]
struct How<'a> {
    source: Source<'a>,
    include_late: bool,
    keeps_subscribers: bool,
}

async fn compute_with_retries(
    connection: &mut PgConnection,
    day: &BusinessDay,
    how: How<'_>,
) -> Result<DayRun, DailyError> {
    let mut attempt = 1;
    loop {
        match compute_once(connection, day, how).await {
            Err(DailyError::Store(error)) if attempt < ATTEMPTS_MAX && is_conflict(&error) => {
                tracing::warn!(
                    attempt,
                    %error,
                    "another session changed the same rows; once more"
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
    how: How<'_>,
) -> Result<DayRun, DailyError> {
    let How { source, include_late, keeps_subscribers } = how;
    // One snapshot for the windows, their version, and the judgement whether more can come.
    // Nothing that a flush writes is written here, so a flush in between can't make this fail.
    let mut transaction = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ")
        .await
        .map_err(StoreError::sql("beginning the day's transaction"))?;
    sqlx::query("SELECT set_config('work_mem', $1, true)")
        .bind(WORK_MEMORY)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql("setting the transaction's memory"))?;
    ensure_usable(&mut transaction, day, how).await?;
    let state = day_state(&mut transaction, day).await?;
    let version: i64 = sqlx::query_scalar(include_str!("queries/day_version.sql"))
        .bind(day.start())
        .bind(day.end())
        .bind(include_late)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::sql("reading the day's version"))?;
    let former = match keeps_subscribers {
        true => former_subscribers(&mut transaction, day.date()).await?,
        false => Former::new(),
    };
    sqlx::query("DELETE FROM daily_stats WHERE date = $1")
        .bind(day.date())
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql("deleting the day's former rows"))?;
    let (rows, windows, own_events) = insert_rows(&mut transaction, day, how).await?;
    if windows == 0 {
        let late_events = late_events(&mut transaction, day).await?;
        transaction.rollback().await.map_err(StoreError::sql("leaving daily_stats as it was"))?;
        return Ok(DayRun::NoData { late_events });
    }
    // Somebody may have deleted minutes, the ledger never is: a day computed from what is left of it
    // would take the place of a right one.
    if own_events < version {
        return Err(DailyError::WindowsMissing { date: day.date(), found: own_events, version });
    }
    let subscribers = fill_subscribers(&mut transaction, day, &former).await?;
    transaction.commit().await.map_err(StoreError::sql(COMMITTING))?;
    subscribers.warn(day.date());
    Ok(DayRun::Computed(ComputedDay {
        rows,
        windows,
        lake_sums: source.sums(),
        version,
        include_late,
        changed_after_final: None,
        state,
    }))
}

impl Source<'_> {
    fn sums(&self) -> Option<i64> {
        match self {
            Source::Minutes => None,
            Source::Lake(lake) => i64::try_from(lake.pairs.len()).ok(),
        }
    }
}

/// Makes sure that right figures can be made from what there is.
async fn ensure_usable(
    connection: &mut PgConnection,
    day: &BusinessDay,
    how: How<'_>,
) -> Result<(), DailyError> {
    match how.source {
        Source::Lake(lake) => ensure_whole(connection, day, lake).await?,
        Source::Minutes => {
            // What is left would take the place of right figures.
            let span = (day.start(), day.end());
            if let Some(expired) = expired_minutes(connection, span, how.include_late).await? {
                return Err(DailyError::MinutesExpired { date: day.date(), expired });
            }
        }
    }
    let unusable: Option<UnusableRow> = sqlx::query_as(UNUSABLE_ROW.text())
        .bind(day.start())
        .bind(day.end())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::sql(ADDING_UP))?;
    unusable.map_or(Ok(()), |row| Err(DailyError::UnusableRow(row)))
}

/// Writes the day's rows: how many, from how many windows or sums, with how many events of our own counting.
async fn insert_rows(
    connection: &mut PgConnection,
    day: &BusinessDay,
    how: How<'_>,
) -> Result<(i64, i64, i64), StoreError> {
    let query = match how.source {
        Source::Minutes => {
            let query = sqlx::query_as(OF_MINUTES.text()).bind(day.date()).bind(day.start());
            query.bind(day.end()).bind(how.include_late)
        }
        Source::Lake(lake) => {
            let columns = lake.columns();
            let query =
                sqlx::query_as(OF_LAKE.text()).bind(day.date()).bind(day.start()).bind(day.end());
            let query = query.bind(columns.event_types).bind(columns.regions).bind(columns.events);
            query.bind(columns.seconds).bind(columns.data_mb).bind(columns.amounts)
        }
    };
    query.fetch_one(connection).await.map_err(StoreError::sql(ADDING_UP))
}

async fn late_events(connection: &mut PgConnection, day: &BusinessDay) -> Result<i64, StoreError> {
    sqlx::query_scalar(
        "SELECT COALESCE(SUM(event_count), 0)::bigint FROM late_metrics
         WHERE window_start >= $1 AND window_start < $2",
    )
    .bind(day.start())
    .bind(day.end())
    .fetch_one(connection)
    .await
    .map_err(StoreError::sql("counting the day's late events"))
}
