//! Rows that are in no sum: dead letters, their sendings, and the tables of the schema `persons`. Many in one transaction.

use sqlx::postgres::PgConnection;

use super::{Expired, Pass, Step, in_one_snapshot};
use crate::StoreError;

/// Held for the session by the only replay or erasure that may run: letters must not be emptied under its hands. "replay" in ASCII.
pub const REPLAY_LOCK: i64 = 0x7265_706c_6179;
/// So many rows, or cases, go in one transaction.
const BATCH: i64 = 1_000;

/// Takes what had ended before $1, $2 of them at most, or, if $3, counts it; it answers how many they were.
pub(super) struct Statement {
    sql: &'static str,
    /// $4: in the table that goes first, what had ended by then counts as gone; NULL: nothing does.
    goes_behind: bool,
}

pub(super) const DEAD_LETTERS: Statement =
    Statement { sql: include_str!("queries/expire_dead_letters.sql"), goes_behind: false };
pub(super) const REPLAYS: Statement =
    Statement { sql: include_str!("queries/expire_replays.sql"), goes_behind: true };
pub(super) const ALERTS: Statement =
    Statement { sql: include_str!("queries/expire_alerts.sql"), goes_behind: false };
pub(super) const VERDICTS: Statement =
    Statement { sql: include_str!("queries/expire_verdicts.sql"), goes_behind: true };
pub(super) const ALLOWLIST: Statement =
    Statement { sql: include_str!("queries/expire_allowlist.sql"), goes_behind: false };
pub(super) const CHURN_SCORES: Statement =
    Statement { sql: include_str!("queries/expire_churn_scores.sql"), goes_behind: false };

/// Takes what is old enough, until nothing is left.
pub(super) async fn expire(
    connection: &mut PgConnection,
    statement: Statement,
    pass: Pass,
) -> Result<Expired, StoreError> {
    let mut expired = Expired::default();
    let limit = (!pass.is_dry).then_some(BATCH);
    loop {
        let step = async |transaction: &mut PgConnection| {
            let mut query =
                sqlx::query_scalar(statement.sql).bind(pass.before).bind(limit).bind(pass.is_dry);
            if statement.goes_behind {
                query = query.bind(pass.gone_before);
            }
            let rows: i64 = query
                .fetch_one(transaction)
                .await
                .map_err(StoreError::sql("deleting what has expired"))?;
            Ok(Step::Commit(rows.unsigned_abs()))
        };
        match in_one_snapshot(connection, step).await? {
            Some(rows) => {
                expired.rows += rows;
                if rows == 0 || pass.is_dry {
                    return Ok(expired);
                }
            }
            None => {
                expired.keep("some of it is in use".to_owned());
                return Ok(expired);
            }
        }
    }
}

/// The same, of what a replay or an erasure works on.
pub(super) async fn expire_unless_replayed(
    connection: &mut PgConnection,
    statement: Statement,
    pass: Pass,
) -> Result<Expired, StoreError> {
    let failed = || StoreError::sql("taking the lock of replays");
    let is_alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(REPLAY_LOCK)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed())?;
    let mut expired = Expired::default();
    if !is_alone {
        expired.keep("a replay or an erasure is running".to_owned());
        return Ok(expired);
    }
    expired = expire(connection, statement, pass).await?;
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(REPLAY_LOCK)
        .execute(connection)
        .await
        .map_err(failed())?;
    Ok(expired)
}
