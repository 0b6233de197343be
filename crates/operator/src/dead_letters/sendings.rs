//! The record of letters sent again, so that a crash neither loses nor repeats one.
//!
//! In and out: [`Sending`]s. A sending is stored, with the ends of the target's log, before its
//! letter goes to Kafka; it is finished once the letter is known to have arrived.
//!
//! ```text
//!   mark_replaying ──► (to Kafka) ──► finish_replaying
//!        │                  └ refused: delete_replaying
//!        └ a crash anywhere leaves it to interrupted_replays: search the target, then either end
//! ```

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{FromRow, Row};
use store::{REPLAY_LOCK, StoreError};

use super::letters::DeadLetterId;

/// How long the lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// Most interrupted sendings that are read at once: far more than a run has under way.
const INTERRUPTED_MAX: i64 = 100_000;

/// A letter on its way to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The record that became the letter.
    pub id: DeadLetterId,
    /// 1, 2, …; counted through letters that were replayed and died again.
    pub attempt: i32,
    /// The topic that it is sent to.
    pub target: String,
    /// (partition, end of its log) of the target before the letter was sent.
    pub target_ends: Vec<(i32, i64)>,
    /// Sent in place of the letter's own payload.
    pub corrected_payload: Option<Vec<u8>>,
}

/// Whether this session may replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayLock {
    /// It may, until it ends.
    Taken,
    /// Another session has the right: its process id at the server, unless it has just gone.
    HeldBy(Option<i32>),
}

/// Takes the right to replay, until the session ends. Waits a little: the server needs a moment to
/// notice that the session of a run that crashed has gone.
///
/// # Errors
/// A failed statement.
pub async fn lock_replays(connection: &mut PgConnection) -> Result<ReplayLock, StoreError> {
    let failed = || StoreError::sql("taking the lock of replays");
    let set_timeout = "SELECT set_config('lock_timeout', $1, false)";
    let wait = LOCK_WAIT.as_millis().to_string();
    sqlx::query(set_timeout).bind(wait).execute(&mut *connection).await.map_err(failed())?;
    let locked = sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(REPLAY_LOCK)
        .execute(&mut *connection)
        .await
        .map_err(failed());
    sqlx::query(set_timeout).bind("0").execute(&mut *connection).await.map_err(failed())?;
    match locked {
        Ok(_) => Ok(ReplayLock::Taken),
        Err(error) if error.sqlstate().as_deref() == Some("55P03") => {
            let holder = sqlx::query_scalar(include_str!("queries/replay_lock_holder.sql"))
                .bind(REPLAY_LOCK)
                .fetch_optional(connection)
                .await
                .map_err(failed())?;
            Ok(ReplayLock::HeldBy(holder))
        }
        Err(error) => Err(error),
    }
}

/// The name under which replays of this database speak to Kafka.
///
/// # Errors
/// A failed statement.
pub async fn replay_transactional_id(connection: &mut PgConnection) -> Result<String, StoreError> {
    sqlx::query_scalar("SELECT transactional_id FROM replay_identity")
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql("reading replay_identity"))
}

/// Stores, in one transaction, that these letters are about to be sent.
///
/// # Errors
/// A failed statement; nothing was stored then, or the answer was lost and no letter was sent.
pub async fn mark_replaying(
    connection: &mut PgConnection,
    sendings: &[Sending],
    replayed_by: &str,
) -> Result<(), StoreError> {
    sqlx::query(include_str!("queries/insert_replaying.sql"))
        .bind(replayed_by)
        .bind(column(sendings, |sending| sending.id.topic.as_str()))
        .bind(column(sendings, |sending| sending.id.generation))
        .bind(column(sendings, |sending| sending.id.partition))
        .bind(column(sendings, |sending| sending.id.offset))
        .bind(column(sendings, |sending| sending.attempt))
        .bind(column(sendings, |sending| sending.target.as_str()))
        .bind(column(sendings, |sending| json!(sending.target_ends)))
        .bind(column(sendings, |sending| sending.corrected_payload.as_deref()))
        .execute(connection)
        .await
        .map_err(StoreError::sql("marking letters as being replayed"))?;
    Ok(())
}

/// Stores that these letters have arrived.
///
/// # Errors
/// A failed statement.
pub async fn finish_replaying(
    connection: &mut PgConnection,
    sendings: &[Sending],
) -> Result<(), StoreError> {
    let sql = include_str!("queries/finish_replaying.sql");
    change(connection, sql, sendings, "marking letters as replayed").await
}

/// Removes the marks of letters that are known not to have arrived, and never will.
///
/// # Errors
/// A failed statement.
pub async fn delete_replaying(
    connection: &mut PgConnection,
    sendings: &[Sending],
) -> Result<(), StoreError> {
    let sql = include_str!("queries/delete_replaying.sql");
    change(connection, sql, sendings, "unmarking letters that were not sent").await
}

async fn change(
    connection: &mut PgConnection,
    sql: &'static str,
    sendings: &[Sending],
    doing: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(sql)
        .bind(column(sendings, |sending| sending.id.topic.as_str()))
        .bind(column(sendings, |sending| sending.id.generation))
        .bind(column(sendings, |sending| sending.id.partition))
        .bind(column(sendings, |sending| sending.id.offset))
        .bind(column(sendings, |sending| sending.attempt))
        .execute(connection)
        .await
        .map_err(StoreError::sql(doing))?;
    Ok(())
}

/// Sendings of a run that did not finish: nobody knows yet whether they arrived.
///
/// # Errors
/// A failed statement, or a stored value that no program of ours wrote.
pub async fn interrupted_replays(
    connection: &mut PgConnection,
) -> Result<Vec<Sending>, StoreError> {
    let doing = "reading interrupted replays";
    let rows = sqlx::query(
        "SELECT topic, generation, partition, \"offset\", attempt, target, target_ends,
                corrected_payload
         FROM dead_letter_replays WHERE state = 'replaying'
         ORDER BY topic, generation, partition, \"offset\", attempt
         LIMIT $1",
    )
    .bind(INTERRUPTED_MAX)
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql(doing))?;
    let sending = |row: &PgRow| -> Result<(Sending, Value), sqlx::Error> {
        let sending = Sending {
            id: DeadLetterId::from_row(row)?,
            attempt: row.try_get("attempt")?,
            target: row.try_get("target")?,
            target_ends: Vec::new(),
            corrected_payload: row.try_get("corrected_payload")?,
        };
        Ok((sending, row.try_get("target_ends")?))
    };
    let with_ends = |row: &PgRow| {
        let (mut sending, ends) = sending(row).map_err(StoreError::sql(doing))?;
        sending.target_ends = ends_of_json(&ends).ok_or_else(|| {
            StoreError::BadValue(format!("target_ends of {} = {ends}", sending.id))
        })?;
        Ok(sending)
    };
    rows.iter().map(with_ends).collect()
}

fn column<'a, T>(sendings: &'a [Sending], value: impl Fn(&'a Sending) -> T) -> Vec<T> {
    sendings.iter().map(value).collect()
}

/// Reads `[[partition, end], …]`.
fn ends_of_json(json: &Value) -> Option<Vec<(i32, i64)>> {
    let end = |pair: &Value| {
        let [partition, end] = &pair.as_array()?[..] else { return None };
        Some((i32::try_from(partition.as_i64()?).ok()?, end.as_i64()?))
    };
    json.as_array()?.iter().map(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_s_ends_are_read_as_they_were_written() {
        let ends = vec![(0, 0), (2, i64::MAX)];
        assert_eq!(ends_of_json(&json!(ends)), Some(ends));
        for other in [json!({"0": 1}), json!([[0]]), json!([[0, "1"]]), json!([[i64::MAX, 1]])] {
            assert_eq!(ends_of_json(&other), None, "{other}");
        }
    }
}
