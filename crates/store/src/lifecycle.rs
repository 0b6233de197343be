//! Expiry: what is older than an operator keeps it is deleted, and what the accounting needs of it stays.
//!
//! In: which table, and for how long it is kept. Out: [`Expired`]. Keeps I-1: a quarter of an hour of minutes goes in the transaction
//! that records its sums; a dead letter is emptied, and its row stays. Every step is a transaction of its own, so whatever ends the
//! program leaves whole steps, and the next run goes on with the others (docs/decisions/0017-expiry-by-the-quarter.md).
//!
//! ```text
//! BEGIN (REPEATABLE READ)     one snapshot for what is judged and what is deleted: a row that was changed since fails the
//!   is the day final?         step, one that was added since is not seen, and stays
//!   DELETE, INSERT expired_quarters
//!   ledger = what has expired?
//! COMMIT
//! ```

mod days;
pub(crate) mod expired;
mod minutes;
pub(crate) mod rows;
mod sketches;

use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::{StoreError, database_now};

/// Held for the session by the only expiry that may run. "expire" in ASCII.
const LIFECYCLE_LOCK: i64 = 0x6578_7069_7265;
/// A step waits so long for a row that a flush or another program holds, and is tried again. Shorter than a server's
/// deadlock_timeout (1 s): were two to wait for each other, it is always expiry that gives way.
const ROW_WAIT: &str = "200ms";
/// So often a step is tried before it is left to the next run.
const ATTEMPTS_MAX: u32 = 5;
/// So many reasons why something was kept are told; the others are counted.
pub const KEPT_LISTED_MAX: usize = 10;

/// A table whose rows can expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiring {
    /// `real_time_metrics`, our rows.
    Minutes,
    /// `late_metrics`.
    Late,
    /// `subscriber_sketches`: behind their minutes.
    Sketches,
    /// `dead_letters`: emptied.
    DeadLetters,
    /// `dead_letter_replays`: behind their letters.
    Replays,
    /// `persons.alerts`, by the case.
    Alerts,
    /// `persons.verdicts`: behind their alerts.
    Verdicts,
    /// `persons.allowlist`, what has ended.
    Allowlist,
    /// `persons.churn_scores`.
    ChurnScores,
}

impl Expiring {
    /// All, each behind what it has to outlive.
    pub const ALL: [Expiring; 9] = [
        Expiring::Minutes,
        Expiring::Late,
        Expiring::Sketches,
        Expiring::DeadLetters,
        Expiring::Replays,
        Expiring::Alerts,
        Expiring::Verdicts,
        Expiring::Allowlist,
        Expiring::ChurnScores,
    ];

    /// What has to go before it does.
    fn goes_behind(self) -> Option<Expiring> {
        match self {
            Expiring::Sketches => Some(Expiring::Minutes),
            Expiring::Replays => Some(Expiring::DeadLetters),
            Expiring::Verdicts => Some(Expiring::Alerts),
            _ => None,
        }
    }

    /// The table's name.
    pub fn table(self) -> &'static str {
        match self {
            Expiring::Minutes => "real_time_metrics",
            Expiring::Late => "late_metrics",
            Expiring::Sketches => "subscriber_sketches",
            Expiring::DeadLetters => "dead_letters",
            Expiring::Replays => "dead_letter_replays",
            Expiring::Alerts => "persons.alerts",
            Expiring::Verdicts => "persons.verdicts",
            Expiring::Allowlist => "persons.allowlist",
            Expiring::ChurnScores => "persons.churn_scores",
        }
    }
}

/// For how long an operator keeps what; nothing at first, so nothing expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention([Option<Duration>; Expiring::ALL.len()]);

impl Retention {
    /// Keeps this table's rows for so long; `None`: for ever.
    pub fn set(&mut self, what: Expiring, keep: Option<Duration>) {
        self.0[what as usize] = keep;
    }

    /// For how long; `None`: for ever.
    pub fn of(&self, what: Expiring) -> Option<Duration> {
        self.0[what as usize]
    }

    /// The moment before which a table's rows are old enough; `None`: none ever is.
    fn before(&self, what: Expiring, now: NaiveDateTime) -> Option<NaiveDateTime> {
        let keep = TimeDelta::from_std(self.of(what)?).ok()?;
        now.checked_sub_signed(keep)
    }
}

/// What went, or would go, and what was kept although it is old enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Rows deleted or emptied; with a dry run, those that would be.
    pub rows: u64,
    /// Their quarters of an hour; 0 for tables that don't go by them.
    pub quarters: u64,
    /// Beginning of the first of these and end of the last, UTC.
    pub span: Option<(NaiveDateTime, NaiveDateTime)>,
    /// Why something was kept, [`KEPT_LISTED_MAX`] reasons at most.
    pub kept: Vec<String>,
    /// How many more there are.
    pub kept_unlisted: u64,
    /// Quarters that stay because their minutes do not add up to the ledger: the accounting is broken there.
    pub broken_quarters: u64,
}

impl Expired {
    fn keep(&mut self, because: String) {
        if self.kept.len() < KEPT_LISTED_MAX {
            self.kept.push(because);
        } else {
            self.kept_unlisted += 1;
        }
    }
}

/// How one table is gone through.
#[derive(Clone, Copy, Debug)]
struct Pass {
    /// The business time zone.
    zone: Tz,
    /// What had ended by then is old enough, UTC.
    before: NaiveDateTime,
    /// Nothing is changed.
    is_dry: bool,
    /// Of a dry pass: what had ended by then would be gone from the table that has to go first.
    gone_before: Option<NaiveDateTime>,
}

/// Whether this session may delete: the only one, until it ends.
///
/// # Errors
/// A failed statement.
pub async fn lock_lifecycle(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let failed = || StoreError::sql("taking the lock of expiry");
    sqlx::query("SELECT set_config('lock_timeout', $1, false)")
        .bind(ROW_WAIT)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(LIFECYCLE_LOCK)
        .fetch_one(connection)
        .await
        .map_err(failed())
}

/// Deletes what has been in the table for longer than it is kept, or, if `is_dry`, only says what that would be. Days are those of
/// `zone`. [`lock_lifecycle`] comes first.
///
/// # Errors
/// A failed statement; the steps before it are committed.
pub async fn expire(
    connection: &mut PgConnection,
    what: Expiring,
    retention: &Retention,
    zone: Tz,
    is_dry: bool,
) -> Result<Expired, StoreError> {
    let now = database_now(connection).await?;
    let Some(before) = retention.before(what, now) else { return Ok(Expired::default()) };
    let first = what.goes_behind().filter(|_| is_dry);
    let gone_before = first.and_then(|first| retention.before(first, now));
    let pass = Pass { zone, before, is_dry, gone_before };
    match what {
        Expiring::Minutes => minutes::expire(connection, &minutes::ON_TIME, pass).await,
        Expiring::Late => minutes::expire(connection, &minutes::LATE, pass).await,
        Expiring::Sketches => sketches::expire(connection, pass).await,
        Expiring::DeadLetters => {
            rows::expire_unless_replayed(connection, rows::DEAD_LETTERS, pass).await
        }
        Expiring::Replays => rows::expire_unless_replayed(connection, rows::REPLAYS, pass).await,
        Expiring::Alerts => rows::expire(connection, rows::ALERTS, pass).await,
        Expiring::Verdicts => rows::expire(connection, rows::VERDICTS, pass).await,
        Expiring::Allowlist => rows::expire(connection, rows::ALLOWLIST, pass).await,
        Expiring::ChurnScores => rows::expire(connection, rows::CHURN_SCORES, pass).await,
    }
}

/// What came of a step.
enum Step<T> {
    /// It is done, and to be committed.
    Commit(T),
    /// It has found a reason to change nothing.
    Leave(T),
}

/// Carries a step out in a transaction of its own, once more where another session was in its way. `None`: it still is.
async fn in_one_snapshot<T>(
    connection: &mut PgConnection,
    step: impl AsyncFn(&mut PgConnection) -> Result<Step<T>, StoreError>,
) -> Result<Option<T>, StoreError> {
    for _ in 0..ATTEMPTS_MAX {
        match try_once(connection, &step).await {
            Err(error) if is_in_the_way(&error) => {}
            outcome => return outcome.map(Some),
        }
    }
    Ok(None)
}

async fn try_once<T>(
    connection: &mut PgConnection,
    step: &impl AsyncFn(&mut PgConnection) -> Result<Step<T>, StoreError>,
) -> Result<T, StoreError> {
    let mut transaction = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ")
        .await
        .map_err(StoreError::sql("beginning to expire"))?;
    match step(&mut transaction).await? {
        Step::Commit(outcome) => {
            transaction.commit().await.map_err(StoreError::sql("committing what has expired"))?;
            Ok(outcome)
        }
        Step::Leave(outcome) => {
            transaction.rollback().await.map_err(StoreError::sql("leaving what is kept"))?;
            Ok(outcome)
        }
    }
}

/// Whether a step failed only because another session holds or has changed the same rows.
fn is_in_the_way(error: &StoreError) -> bool {
    matches!(error.sqlstate().as_deref(), Some("40001" | "40P01" | "55P03"))
}
