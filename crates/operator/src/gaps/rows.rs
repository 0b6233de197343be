//! Rows of `gaps`, and of partitions that wait: what `gaps`, `accept-gap` and `retire` ask of the database.

use chrono::NaiveDateTime;
use sqlx::FromRow;
use store::{PgConnection, StoreError};

/// What an operator permits.
#[derive(Clone, Debug)]
pub struct GapRequest {
    /// Kafka's name of the topic.
    pub topic: String,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// `earliest`, `latest` or an offset; needed only when nothing tells where the log goes on.
    pub start_from: Option<String>,
    /// The operator's words.
    pub reason: String,
    /// The operator's name, for the record.
    pub accepted_by: String,
    /// That records are counted a second time is wanted.
    pub count_again: bool,
}

/// One row of `gaps`.
#[derive(Clone, Debug, FromRow)]
pub struct AcceptedGap {
    /// Its number in the table, in the order of permission.
    pub id: i64,
    /// Kafka's name of the topic.
    pub topic: String,
    /// The life of the topic that ended, or went on.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
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
    /// Kafka's name of the topic.
    pub topic: String,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// The next offset to read, once it goes on.
    pub next: i64,
    /// What halted it, with what is lost and the way on.
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
/// [`StoreError::NotHalted`] when the partition does not wait for one; [`StoreError::MayCountAgain`] when what it would go on with
/// may have been counted before, and the request does not say that this is wanted; or a failed statement.
pub async fn accept_gap(
    connection: &mut PgConnection,
    request: &GapRequest,
) -> Result<(), StoreError> {
    if !request.count_again {
        expect_nothing_again(connection, request).await?;
    }
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

/// Refuses what may count records a second time: they may be copies, as long as nobody knows on which cluster the topic was counted;
/// or they are still in the log behind the place that is asked for.
async fn expect_nothing_again(
    connection: &mut PgConnection,
    request: &GapRequest,
) -> Result<(), StoreError> {
    let records: Option<i64> = sqlx::query_scalar(include_str!("queries/may_count_again.sql"))
        .bind(&request.topic)
        .bind(request.partition)
        .bind(&request.start_from)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::sql("reading what may be counted again"))?;
    match records {
        Some(records) if records > 0 => Err(StoreError::MayCountAgain {
            topic: request.topic.clone(),
            partition: request.partition,
            records,
        }),
        _ => Ok(()),
    }
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
