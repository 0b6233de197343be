//! Reading positions, and making the rows of partitions met for the first time.

use chrono::NaiveDateTime;
use event_model::EventTime;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, FromRow, Row};
use windowing::{
    Counters, Fingerprint, GapPermission, History, Ownership, Position, Progress, ResumeAt, Rules,
    TimeSkew,
};

use super::history;
use crate::StoreError;
use crate::session::settings::FIRST_CONTACT_LOCK;

/// Where to begin on a topic that this database has never met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstContact {
    /// At the oldest record kept.
    Earliest,
    /// At the end: only what comes from now on.
    Latest,
}

/// One partition's stored row, and the rules read together with it.
#[derive(Clone, Debug)]
pub struct StoredPartition {
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// What its row of `stream_progress` says.
    pub progress: Progress,
    /// The settings that its events are judged by.
    pub rules: Rules,
    /// Its group, whether it is retired, and an operator's permission.
    pub ownership: Ownership,
    /// What is stored of what was read before.
    pub history: History,
}

/// Reads the current generation's rows of these partitions together with the settings, in one
/// SELECT, and then what is stored of what was read before. A partition without a row is missing from the answer.
///
/// # Errors
/// A failed statement, or a stored value that can't be used.
pub async fn load_progress(
    connection: &mut PgConnection,
    topic: &str,
    partitions: &[i32],
) -> Result<Vec<StoredPartition>, StoreError> {
    let rows = sqlx::query(include_str!("queries/load_progress.sql"))
        .bind(topic)
        .bind(partitions)
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::sql("reading the positions"))?;
    let mut stored = rows
        .iter()
        .map(stored_partition)
        .collect::<Result<Vec<StoredPartition>, sqlx::Error>>()
        .map_err(StoreError::sql("reading the positions"))?;
    let read: Vec<_> = stored.iter().map(|row| (row.partition, &row.progress)).collect();
    let histories = history::load(connection, topic, &read).await?;
    for (row, history) in stored.iter_mut().zip(histories) {
        row.history = history;
    }
    Ok(stored)
}

/// Makes rows for partitions that have none; never one that was there before, in whatever generation, or retired. On first
/// contact with a topic every partition begins at `start`; a partition that is added to a known topic begins at its
/// low end, so that nothing written to it before it was noticed is missed. `is_no_copy`: an operator says that what is new here
/// holds other events than what is counted already.
///
/// `ends` are (partition, low, high) of all partitions of the topic.
///
/// # Errors
/// [`StoreError::OtherCluster`] when the topic's rows are of another cluster; [`StoreError::PerhapsACopy`] when the topic is new
/// and rows of other topics are of another one; or a failed statement. Nothing was stored then.
pub async fn ensure_partitions(
    connection: &mut PgConnection,
    (topic, cluster_id): (&str, Option<&str>),
    ends: &[(i32, Position, Position)],
    start: FirstContact,
    is_no_copy: bool,
) -> Result<(), StoreError> {
    let doing = "making the rows of new partitions";
    let mut transaction = connection.begin().await.map_err(StoreError::sql(doing))?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(FIRST_CONTACT_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql(doing))?;
    let is_known: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM stream_progress WHERE topic = $1)")
            .bind(topic)
            .fetch_one(&mut *transaction)
            .await
            .map_err(StoreError::sql(doing))?;
    if is_known || !is_no_copy {
        expect_our_cluster(&mut transaction, (topic, cluster_id), is_known).await?;
    }
    let begins_at_high = start == FirstContact::Latest && !is_known;
    let (ids, firsts): (Vec<i32>, Vec<i64>) = ends
        .iter()
        .map(|(id, low, high)| (*id, if begins_at_high { high.offset() } else { low.offset() }))
        .unzip();
    sqlx::query(include_str!("queries/make_partitions.sql"))
        .bind(topic)
        .bind(ids)
        .bind(firsts)
        .bind(cluster_id)
        .bind(is_known)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql(doing))?;
    transaction.commit().await.map_err(StoreError::sql(doing))
}

/// Refuses a topic whose rows are of another cluster, and one without rows that may be a copy of a topic of another cluster.
async fn expect_our_cluster(
    connection: &mut PgConnection,
    (topic, cluster_id): (&str, Option<&str>),
    is_known: bool,
) -> Result<(), StoreError> {
    let other: Option<(String, Option<String>)> =
        sqlx::query_as(include_str!("queries/other_cluster.sql"))
            .bind(is_known.then_some(topic))
            .bind(cluster_id)
            .fetch_optional(connection)
            .await
            .map_err(StoreError::sql("reading which cluster the positions are of"))?;
    let Some((counted, theirs)) = other else { return Ok(()) };
    let theirs = theirs.unwrap_or_else(|| "not known yet".to_owned());
    let (topic, ours) = (topic.to_owned(), cluster_id.unwrap_or("not known").to_owned());
    Err(if is_known {
        StoreError::OtherCluster { topic, ours, theirs }
    } else {
        StoreError::PerhapsACopy { topic, ours, counted, theirs }
    })
}

/// Halts the rows of partitions that the topic does not have (any more): nobody is assigned them,
/// so nobody else would say so.
///
/// # Errors
/// A failed statement.
pub async fn halt_missing_partitions(
    connection: &mut PgConnection,
    (topic, cluster_id): (&str, Option<&str>),
    existing: &[i32],
) -> Result<(), StoreError> {
    let halted = sqlx::query(include_str!("queries/halt_missing_partitions.sql"))
        .bind(topic)
        .bind(existing)
        .bind(cluster_id)
        .execute(connection)
        .await
        .map_err(StoreError::sql("halting partitions that the topic does not have"))?;
    if halted.rows_affected() > 0 {
        tracing::error!(topic, "the topic has fewer partitions than before: see stream_progress");
    }
    Ok(())
}

/// Where one partition stands, for those who only look.
#[derive(Clone, Debug)]
pub struct StoredPosition {
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// The next offset to read.
    pub next: Position,
    /// Why it waits for an operator, if it does.
    pub halted_reason: Option<String>,
    /// When the row was last written, by the database's clock, UTC.
    pub updated_at: NaiveDateTime,
    /// The Kafka cluster whose log it is of, if anybody has said so.
    pub cluster_id: Option<String>,
    /// It is out of service: an operator has retired it, or its topic was moved.
    pub is_retired: bool,
}

/// Where every partition of a topic stands.
///
/// # Errors
/// A failed statement.
pub async fn stored_positions(
    connection: &mut PgConnection,
    topic: &str,
) -> Result<Vec<StoredPosition>, StoreError> {
    let doing = "reading the positions";
    let rows = sqlx::query(
        "SELECT DISTINCT ON (partition) partition, next_offset, halted_reason, updated_at, cluster_id,
                retired_at IS NOT NULL AS is_retired
         FROM stream_progress WHERE topic = $1
         ORDER BY partition, generation DESC",
    )
    .bind(topic)
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql(doing))?;
    rows.iter().map(stored_position).collect::<Result<_, _>>().map_err(StoreError::sql(doing))
}

fn stored_position(row: &PgRow) -> Result<StoredPosition, sqlx::Error> {
    Ok(StoredPosition {
        partition: row.try_get("partition")?,
        next: Position::at(row.try_get("next_offset")?),
        halted_reason: row.try_get("halted_reason")?,
        updated_at: row.try_get("updated_at")?,
        cluster_id: row.try_get("cluster_id")?,
        is_retired: row.try_get("is_retired")?,
    })
}

/// What became of a topic's records so far, in all its generations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromRow)]
pub struct CountedRecords {
    /// Events on time.
    pub on_time: i64,
    /// Number of late events.
    pub late: i64,
    /// Number of dead letters.
    pub dead: i64,
}

/// What became of a topic's records so far; zeros for a topic that was never met.
///
/// # Errors
/// A failed statement.
pub async fn counted_records(
    connection: &mut PgConnection,
    topic: &str,
) -> Result<CountedRecords, StoreError> {
    sqlx::query_as(
        "SELECT COALESCE(SUM(on_time), 0)::bigint AS on_time, COALESCE(SUM(late), 0)::bigint AS late,
                COALESCE(SUM(dead), 0)::bigint AS dead
         FROM stream_progress WHERE topic = $1",
    )
    .bind(topic)
    .fetch_one(connection)
    .await
    .map_err(StoreError::sql("reading what was counted"))
}

/// The database's clock, UTC.
///
/// # Errors
/// A failed statement.
pub async fn database_now(connection: &mut PgConnection) -> Result<NaiveDateTime, StoreError> {
    sqlx::query_scalar("SELECT clock_timestamp()::timestamp")
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql("reading the database's clock"))
}

fn stored_partition(row: &PgRow) -> Result<StoredPartition, sqlx::Error> {
    let instant = |column: &str| -> Result<Option<EventTime>, sqlx::Error> {
        Ok(row.try_get::<Option<NaiveDateTime>, _>(column)?.map(EventTime::from))
    };
    let rules = Rules {
        watermark_delay_micros: row.try_get::<i64, _>("watermark_delay_ms")?.saturating_mul(1_000),
        max_future_skew_micros: row.try_get::<i64, _>("max_future_skew_ms")?.saturating_mul(1_000),
        business_timezone: row
            .try_get::<String, _>("business_timezone")?
            .parse()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
    };
    let progress = Progress {
        generation: row.try_get("generation")?,
        first: Position::at(row.try_get("first_offset")?),
        next: Position::at(row.try_get("next_offset")?),
        epoch: row.try_get("epoch")?,
        watermark: instant("watermark")?,
        max_event_time: instant("max_event_time")?,
        counters: counters(row)?,
        fingerprint: fingerprint(row, "witness_offset", "witness_timestamp_ms", "witness_crc")?,
        origin: fingerprint(row, "origin_offset", "origin_timestamp_ms", "origin_crc")?,
        log_end_seen: row.try_get::<Option<i64>, _>("log_end_seen")?.map(Position::at),
        caught_up_at: instant("caught_up_at")?,
        halted_reason: row.try_get("halted_reason")?,
        skew: TimeSkew {
            max_ahead_ms: row.try_get("max_ahead_ms")?,
            max_behind_ms: row.try_get("max_behind_ms")?,
            sum_behind_ms: row
                .try_get::<String, _>("sum_behind_ms")?
                .parse()
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        },
        patterns_through: row.try_get::<Option<i64>, _>("patterns_through")?.map(Position::at),
    };
    let permission = match row.try_get::<Option<i64>, _>("permission_id")? {
        None => None,
        Some(id) => {
            let start_from: Option<String> = row.try_get("start_from")?;
            Some(GapPermission { id, start_from: start_from.as_deref().and_then(parse_resume_at) })
        }
    };
    let ownership = Ownership {
        permission,
        group_id: row.try_get("group_id")?,
        is_retired: row.try_get("is_retired")?,
        cluster_id: row.try_get("cluster_id")?,
        awaits_cluster: row.try_get("awaits_cluster")?,
    };
    let (partition, history) = (row.try_get("partition")?, History::default());
    Ok(StoredPartition { partition, progress, rules, ownership, history })
}

/// Reads `earliest`, `latest` or an offset.
pub fn parse_resume_at(text: &str) -> Option<ResumeAt> {
    match text {
        "earliest" => Some(ResumeAt::Earliest),
        "latest" => Some(ResumeAt::Latest),
        offset => offset.parse().ok().filter(|offset| *offset >= 0).map(ResumeAt::Offset),
    }
}

/// What became of the records.
pub(crate) fn counters(row: &PgRow) -> Result<Counters, sqlx::Error> {
    Ok(Counters {
        on_time: row.try_get("on_time")?,
        late: row.try_get("late")?,
        dead: row.try_get("dead")?,
        gap: row.try_get("gap")?,
        skipped: row.try_get("skipped")?,
    })
}

/// A remembered record, unless the columns are NULL.
pub(crate) fn fingerprint(
    row: &PgRow,
    offset: &str,
    timestamp_ms: &str,
    crc: &str,
) -> Result<Option<Fingerprint>, sqlx::Error> {
    let (Some(offset), Some(crc)) =
        (row.try_get::<Option<i64>, _>(offset)?, row.try_get::<Option<i64>, _>(crc)?)
    else {
        return Ok(None);
    };
    // The column is BIGINT because PostgreSQL has no unsigned 32-bit type.
    let crc = u32::try_from(crc).unwrap_or_default();
    Ok(Some(Fingerprint { offset, timestamp_ms: row.try_get(timestamp_ms)?, crc }))
}
