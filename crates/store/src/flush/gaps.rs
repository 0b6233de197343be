//! Losses that an operator accepts: the permission, and its carrying out by the worker that goes on.
//!
//! Keeps I-1: what was lost is counted as `gap`, in the transaction that moves the position over it.

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use windowing::{GapPlan, Progress};

use crate::{StoreError, WriterIdentity};

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
        .bind(&identity.cluster_id)
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
            .bind(&identity.cluster_id)
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
