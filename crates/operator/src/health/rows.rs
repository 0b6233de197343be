//! When each partition was last written, by the database's own clock: for whoever asks whether a
//! streamer is alive.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use store::StoreError;

/// The last write of one partition's row.
#[derive(Clone, Debug)]
pub struct LastWrite {
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// Who wrote it: host, process and worker, joined by colons; `None`: nobody has flushed yet.
    pub owner: Option<String>,
    /// How long ago.
    pub age: Duration,
    /// Records that the log had beyond the position then.
    pub records_behind: i64,
    /// Whether it waits for an operator.
    pub is_halted: bool,
}

/// The last write of every partition of a topic that is not retired.
///
/// # Errors
/// A failed statement.
pub async fn last_writes(
    connection: &mut PgConnection,
    topic: &str,
) -> Result<Vec<LastWrite>, StoreError> {
    let rows: Vec<(i32, Option<String>, f64, i64, bool)> = sqlx::query_as(
        "SELECT DISTINCT ON (partition) partition, owner,
                GREATEST(0, EXTRACT(EPOCH FROM clock_timestamp()::timestamp - updated_at))::float8,
                GREATEST(0, COALESCE(log_end_seen - next_offset, 0)), halted_reason IS NOT NULL
         FROM stream_progress WHERE topic = $1 AND retired_at IS NULL
         ORDER BY partition, generation DESC",
    )
    .bind(topic)
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading the last writes"))?;
    Ok(rows
        .into_iter()
        .map(|(partition, owner, age_seconds, records_behind, is_halted)| LastWrite {
            partition,
            owner,
            age: Duration::from_secs_f64(age_seconds),
            records_behind,
            is_halted,
        })
        .collect())
}
