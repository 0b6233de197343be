//! Losses that an operator accepts: the permission, and its carrying out by the worker that goes on.
//!
//! Keeps I-1: what was lost is counted as `gap`, in the transaction that moves the position over it.

use chrono::NaiveDateTime;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};
use windowing::{GapPlan, Progress};

use crate::{StoreError, WriterIdentity};

/// What an operator permits.
#[derive(Clone, Debug)]
pub struct GapRequest {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// `earliest`, `latest` or an offset; needed only when nothing tells where the log goes on.
    pub start_from: Option<String>,
    /// The operator's words.
    pub reason: String,
    /// Who it is.
    pub accepted_by: String,
}

/// One row of `gaps`.
#[derive(Clone, Debug, FromRow)]
pub struct AcceptedGap {
    /// Its number.
    pub id: i64,
    /// The topic.
    pub topic: String,
    /// The life of the topic that ended, or went on.
    pub generation: i32,
    /// The partition.
    pub partition: i32,
    /// The position for which it was given.
    pub position: i64,
    /// What had happened; `None`: not carried out yet.
    pub cause: Option<String>,
    /// First lost offset.
    pub from_offset: Option<i64>,
    /// The offset after the last lost one.
    pub to_offset: Option<i64>,
    /// Where reading went on.
    pub next_offset: Option<i64>,
    /// The operator's words.
    pub reason: String,
    /// Who gave it.
    pub accepted_by: String,
    /// When, UTC.
    pub accepted_at: NaiveDateTime,
    /// When it was carried out, UTC.
    pub carried_out_at: Option<NaiveDateTime>,
}

/// A partition that waits for an operator.
#[derive(Clone, Debug)]
pub struct HaltedPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Its position.
    pub next: i64,
    /// Why.
    pub reason: String,
}

/// All partitions that wait for an operator.
///
/// # Errors
/// A failed statement.
pub async fn halted_partitions(
    connection: &mut PgConnection,
) -> Result<Vec<HaltedPartition>, StoreError> {
    let rows: Vec<(String, i32, i64, String)> = sqlx::query_as(
        "SELECT topic, partition, next_offset, halted_reason FROM current_progress
         WHERE halted_reason IS NOT NULL ORDER BY topic, partition",
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading what is halted"))?;
    let to_row =
        |(topic, partition, next, reason)| HaltedPartition { topic, partition, next, reason };
    Ok(rows.into_iter().map(to_row).collect())
}

/// Stores a permission for a halted partition. Its worker carries it out, now or when it starts.
///
/// # Errors
/// [`StoreError::NotHalted`] when the partition does not wait for one, or a failed statement.
pub async fn accept_gap(
    connection: &mut PgConnection,
    request: &GapRequest,
) -> Result<(), StoreError> {
    let stored = sqlx::query(include_str!("queries/accept_gap.sql"))
        .bind(&request.topic)
        .bind(request.partition)
        .bind(&request.start_from)
        .bind(&request.reason)
        .bind(&request.accepted_by)
        .execute(connection)
        .await
        .map_err(StoreError::sql("storing the permission"))?;
    if stored.rows_affected() == 0 {
        return Err(StoreError::NotHalted {
            topic: request.topic.clone(),
            partition: request.partition,
        });
    }
    Ok(())
}

/// All permissions, those not carried out first.
///
/// # Errors
/// A failed statement.
pub async fn list_gaps(connection: &mut PgConnection) -> Result<Vec<AcceptedGap>, StoreError> {
    sqlx::query_as(
        "SELECT id, topic, generation, partition, position, cause, from_offset, to_offset,
                next_offset, reason, accepted_by, accepted_at, carried_out_at
         FROM gaps ORDER BY carried_out_at IS NOT NULL, id",
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading the gaps"))
}

/// Carries a permission out, in one transaction: the lost offsets become `gap`, and this generation
/// goes on after them, or is sealed and the next one opened. `false`: the row is another by now,
/// and nothing was done.
///
/// # Errors
/// A failed statement; nothing was stored then, or, if COMMIT's answer was lost, all of it. Either
/// way the row must be read again.
pub async fn carry_out_gap(
    connection: &mut PgConnection,
    identity: &WriterIdentity,
    partition: i32,
    stored: &Progress,
    plan: &GapPlan,
) -> Result<bool, StoreError> {
    let doing = "carrying out a permission";
    let mut transaction = connection.begin().await.map_err(StoreError::sql(doing))?;
    let reopened = plan.reopen_at;
    let sealed = sqlx::query(include_str!("queries/seal_generation.sql"))
        .bind(&identity.topic)
        .bind(stored.generation)
        .bind(partition)
        .bind(stored.next.offset())
        .bind(stored.epoch)
        .bind(plan.lost.1.offset())
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql(doing))?;
    if sealed.rows_affected() == 0 {
        transaction.rollback().await.map_err(StoreError::sql(doing))?;
        return Ok(false);
    }
    if let Some(first) = reopened {
        sqlx::query(include_str!("queries/open_generation.sql"))
            .bind(&identity.topic)
            .bind(stored.generation)
            .bind(partition)
            .bind(first.offset())
            .bind(&identity.group_id)
            .bind(&identity.owner)
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::sql(doing))?;
    }
    let carried_out = sqlx::query(
        "UPDATE gaps SET cause = $2, from_offset = $3, to_offset = $4, next_generation = $5,
                         next_offset = $6, carried_out_by = $7, carried_out_at = now()
         WHERE id = $1 AND position = $3 AND carried_out_at IS NULL",
    )
    .bind(plan.permission.id)
    .bind(plan.cause.code())
    .bind(plan.lost.0.offset())
    .bind(plan.lost.1.offset())
    .bind(stored.generation + i32::from(reopened.is_some()))
    .bind(reopened.unwrap_or(plan.lost.1).offset())
    .bind(&identity.owner)
    .execute(&mut *transaction)
    .await
    .map_err(StoreError::sql(doing))?;
    if carried_out.rows_affected() == 0 {
        transaction.rollback().await.map_err(StoreError::sql(doing))?;
        return Ok(false);
    }
    transaction.commit().await.map_err(StoreError::sql(doing))?;
    Ok(true)
}

/// Takes a topic, or one partition of it, out of every judgement about completeness. Whoever still
/// reads it is fenced. Returns how many partitions that were.
///
/// # Errors
/// A failed statement.
pub async fn retire(
    connection: &mut PgConnection,
    topic: &str,
    partition: Option<i32>,
) -> Result<u64, StoreError> {
    let retired = sqlx::query(include_str!("queries/retire.sql"))
        .bind(topic)
        .bind(partition)
        .execute(connection)
        .await
        .map_err(StoreError::sql("retiring"))?;
    Ok(retired.rows_affected())
}
