//! A topic's positions, moved to another log of the same records: the old rows are sealed and the new ones opened, in one
//! transaction.
//!
//! In: where each partition goes on, as it was found out before. Out: moved, or not, because something was another by then.
//! Keeps I-1 (what will never come is counted as `gap`), I-4 (the watermark is carried over) and I-15: whoever goes on by the
//! old rows is fenced by their epochs.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};
use windowing::{Counters, Fingerprint, Place, Position};

use super::progress::{counters, fingerprint};
use crate::StoreError;
use crate::session::settings::FIRST_CONTACT_LOCK;

/// Others wait for the rows meanwhile. The last look at the new log is to take no longer.
pub const LAST_LOOK_MAX: Duration = Duration::from_secs(10);

/// The newest row of one partition of a topic that is to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovableRow {
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// Which life of it.
    pub generation: i32,
    /// Where that life began.
    pub first: Position,
    /// The next offset to read.
    pub next: Position,
    /// Rises when deltas made before must not be stored any more.
    pub epoch: i64,
    /// What became of the records of this life.
    pub counters: Counters,
    /// The last record read.
    pub fingerprint: Option<Fingerprint>,
    /// The first record that the log of this life had.
    pub origin: Option<Fingerprint>,
    /// Highest end of the log ever seen.
    pub log_end_seen: Option<Position>,
    /// The cluster whose log it is of.
    pub cluster_id: Option<String>,
    /// An operator has taken it out.
    pub is_retired: bool,
    /// Records of the partition that were counted in all of its lives.
    pub counted: i64,
}

impl MovableRow {
    /// Whether it is the partition's first life, from offset 0 on, of which nothing was counted or given up.
    pub fn is_untouched(&self) -> bool {
        self.generation == 0
            && self.first == Position::at(0)
            && self.counted == 0
            && self.counters.gap == 0
    }

    /// Whether a release may have written it last that knows of no clusters.
    fn may_be_older(&self) -> bool {
        !self.is_retired && self.cluster_id.is_none() && !self.is_untouched()
    }

    /// What is known to have been in the old log behind the position.
    pub fn unread(&self) -> i64 {
        self.log_end_seen.map_or(0, |end| (end.offset() - self.next.offset()).max(0))
    }
}

/// The newest row of each of a topic's partitions, by partition.
///
/// # Errors
/// A failed statement.
pub async fn movable_rows(
    connection: &mut PgConnection,
    topic: &str,
) -> Result<Vec<MovableRow>, StoreError> {
    let doing = "reading the positions that are to be moved";
    let rows = sqlx::query(include_str!("queries/movable_rows.sql"))
        .bind(topic)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql(doing))?;
    rows.iter().map(movable_row).collect::<Result<_, _>>().map_err(StoreError::sql(doing))
}

fn movable_row(row: &PgRow) -> Result<MovableRow, sqlx::Error> {
    Ok(MovableRow {
        partition: row.try_get("partition")?,
        generation: row.try_get("generation")?,
        first: Position::at(row.try_get("first_offset")?),
        next: Position::at(row.try_get("next_offset")?),
        epoch: row.try_get("epoch")?,
        counters: counters(row)?,
        fingerprint: fingerprint(row, "witness_offset", "witness_timestamp_ms", "witness_crc")?,
        origin: fingerprint(row, "origin_offset", "origin_timestamp_ms", "origin_crc")?,
        log_end_seen: row.try_get::<Option<i64>, _>("log_end_seen")?.map(Position::at),
        cluster_id: row.try_get("cluster_id")?,
        is_retired: row.try_get("is_retired")?,
        counted: row.try_get("counted")?,
    })
}

/// Where one partition goes on.
#[derive(Clone, Debug)]
pub struct MovedPartition {
    /// Kafka's number of the partition, the same in both logs.
    pub partition: i32,
    /// Its row as the place was found for it; `None`: the old topic has no such partition.
    pub row: Option<MovableRow>,
    /// Where it goes on.
    pub place: Place,
    /// The new log's end.
    pub log_end: Position,
    /// So many records that were counted are not in the new log, which ends before them; `None`: it does not, or that is not known.
    pub not_copied: Option<i64>,
}

impl MovedPartition {
    /// Up to so many records that the old log was seen to have behind the position will never come: the new one ends before. Only
    /// where the old log is gone; otherwise they are still to be copied. Of what is out of service nobody wants any.
    pub fn lost(&self) -> i64 {
        let in_service = self.row.as_ref().filter(|row| !row.is_retired);
        let unread = in_service.map_or(0, MovableRow::unread);
        (unread - self.place.records_after).max(0)
    }
}

/// What is to be moved, and by whom.
#[derive(Clone, Debug)]
pub struct Move {
    /// The topic as it was counted.
    pub topic: String,
    /// Its name from now on.
    pub to_topic: String,
    /// The cluster on which it is read from now on.
    pub to_cluster_id: String,
    /// What is not in the new log will never come into it.
    pub source_is_gone: bool,
    /// The operator's word that no streamer of a release that knows of no clusters runs any more.
    pub older_are_stopped: bool,
    /// All partitions, by number.
    pub partitions: Vec<MovedPartition>,
    /// The operator's words.
    pub reason: String,
    /// Who it is.
    pub by: String,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is moved.
    Done,
    /// A streamer has moved positions on since they were looked at; nothing was changed.
    RowsChanged,
    /// The last look has found the new log to be another than before; nothing was changed.
    LogChanged,
    /// The database has rows of the new topic; nothing was changed.
    TargetKnown,
    /// Rows say of no cluster that they are of it: a release has written them that knows of none, and one such may still run. It
    /// would go on at the old cluster by the positions of the new one. Nothing was changed.
    OlderMayRun,
}

/// The first migration whose programs know of clusters.
const KNOWS_CLUSTERS: i64 = 22;

/// Moves it, unless the rows or the new log are others by now. `look` says whether the log still is what it was; it is asked
/// while flushes of the topic wait.
///
/// # Errors
/// A failed statement, or a look that took too long. Nothing was stored then, or, if COMMIT's answer was lost, all of it.
pub async fn move_topic(
    connection: &mut PgConnection,
    order: &Move,
    look: impl AsyncFnOnce() -> bool,
) -> Result<Moved, StoreError> {
    let doing = "moving the positions";
    let mut transaction = connection.begin().await.map_err(StoreError::sql(doing))?;
    // A move that a failover forgets would be one that half of the house knows of.
    sqlx::raw_sql("SET LOCAL synchronous_commit = remote_apply")
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql(doing))?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(FIRST_CONTACT_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::sql(doing))?;
    let order = match lock(&mut transaction, order, look).await? {
        Ok(order) => &order.clone(),
        Err(refused) => {
            transaction.rollback().await.map_err(StoreError::sql(doing))?;
            return Ok(refused);
        }
    };
    seal(&mut transaction, order).await?;
    open(&mut transaction, order).await?;
    note_lost(&mut transaction, order).await?;
    if order.to_topic == order.topic {
        shut_out_older(&mut transaction).await?;
    }
    transaction.commit().await.map_err(StoreError::sql(doing))?;
    Ok(Moved::Done)
}

/// Locks the rows, in the order of a flush, and compares everything with what the places were found for. How far the old log
/// was seen to reach may be known better by now.
async fn lock(
    connection: &mut PgConnection,
    order: &Move,
    look: impl AsyncFnOnce() -> bool,
) -> Result<Result<Move, Moved>, StoreError> {
    let doing = "locking the positions that are to be moved";
    sqlx::query(
        "SELECT FROM stream_progress WHERE topic = $1 ORDER BY topic, generation, partition FOR UPDATE",
    )
    .bind(&order.topic)
    .execute(&mut *connection)
    .await
    .map_err(StoreError::sql(doing))?;
    let rows = movable_rows(connection, &order.topic).await?;
    let expected = order.partitions.iter().filter_map(|moved| moved.row.as_ref());
    let known = |row: &MovableRow| MovableRow { log_end_seen: None, ..row.clone() };
    if !rows.iter().map(known).eq(expected.map(known)) {
        return Ok(Err(Moved::RowsChanged));
    }
    let is_known: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM stream_progress WHERE topic = $1)")
            .bind(&order.to_topic)
            .fetch_one(connection)
            .await
            .map_err(StoreError::sql(doing))?;
    let keeps_its_name = order.to_topic == order.topic;
    if is_known && !keeps_its_name {
        return Ok(Err(Moved::TargetKnown));
    }
    if keeps_its_name && !order.older_are_stopped && rows.iter().any(MovableRow::may_be_older) {
        return Ok(Err(Moved::OlderMayRun));
    }
    let is_as_before = tokio::time::timeout(LAST_LOOK_MAX, look())
        .await
        .map_err(|_| StoreError::NoAnswer(LAST_LOOK_MAX))?;
    if !is_as_before {
        return Ok(Err(Moved::LogChanged));
    }
    let mut order = order.clone();
    for moved in &mut order.partitions {
        moved.row = rows.iter().find(|row| row.partition == moved.partition).cloned();
    }
    Ok(Ok(order))
}

/// Ends the old rows. Every epoch rises, so that nothing that was read before can be stored any more.
async fn seal(connection: &mut PgConnection, order: &Move) -> Result<(), StoreError> {
    let (lost, offsets): (Vec<i32>, Vec<i64>) =
        losses(order).map(|(moved, lost)| (moved.partition, lost)).unzip();
    sqlx::query(include_str!("queries/seal_moved.sql"))
        .bind(&order.topic)
        .bind(lost)
        .bind(offsets)
        .bind(order.to_topic != order.topic)
        .execute(connection)
        .await
        .map_err(StoreError::sql("sealing the positions that are moved"))?;
    Ok(())
}

/// Partitions that lose something, with how much.
fn losses(order: &Move) -> impl Iterator<Item = (&MovedPartition, i64)> {
    let lost = order.partitions.iter().map(|moved| (moved, moved.lost()));
    lost.filter(|(_, lost)| order.source_is_gone && *lost > 0)
}

async fn open(connection: &mut PgConnection, order: &Move) -> Result<(), StoreError> {
    fn column<T>(order: &Move, value: impl Fn(&MovedPartition) -> T) -> Vec<T> {
        order.partitions.iter().map(value).collect()
    }
    let fingerprint = |moved: &MovedPartition| moved.place.fingerprint;
    let origin = |moved: &MovedPartition| moved.place.origin;
    let crc = |one: Fingerprint| i64::from(one.crc);
    sqlx::query(include_str!("queries/open_moved.sql"))
        .bind(&order.topic)
        .bind(&order.to_topic)
        .bind(&order.to_cluster_id)
        .bind(column(order, |moved| moved.partition))
        .bind(column(order, |moved| moved.place.at.offset()))
        .bind(column(order, |moved| moved.log_end.offset()))
        .bind(column(order, |moved| fingerprint(moved).map(|one| one.offset)))
        .bind(column(order, |moved| fingerprint(moved).and_then(|one| one.timestamp_ms)))
        .bind(column(order, |moved| fingerprint(moved).map(crc)))
        .bind(column(order, |moved| origin(moved).map(|one| one.offset)))
        .bind(column(order, |moved| origin(moved).and_then(|one| one.timestamp_ms)))
        .bind(column(order, |moved| origin(moved).map(crc)))
        .execute(connection)
        .await
        .map_err(StoreError::sql("opening the positions to which is moved"))?;
    Ok(())
}

/// Programs that know of no clusters do not start any more: one that reads the old cluster would take the new positions for its own.
async fn shut_out_older(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE schema_compatibility SET oldest_program = $1 WHERE migration = $1 AND oldest_program < $1",
    )
    .bind(KNOWS_CLUSTERS)
    .execute(connection)
    .await
    .map_err(StoreError::sql("shutting out programs that know of no clusters"))?;
    Ok(())
}

/// A row of `gaps` for each partition that has lost something, or whose copy ends before what was counted.
async fn note_lost(connection: &mut PgConnection, order: &Move) -> Result<(), StoreError> {
    for moved in &order.partitions {
        let Some(row) = &moved.row else { continue };
        let lost = if order.source_is_gone { moved.lost() } else { 0 };
        let not_copied = moved.not_copied.filter(|count| *count > 0);
        if lost == 0 && not_copied.is_none() {
            continue;
        }
        let also = not_copied
            .map(|count| format!(" ({count} records that were counted are not in the copy)"));
        let is_same_topic = order.to_topic == order.topic;
        sqlx::query(include_str!("queries/note_moved.sql"))
            .bind(&order.topic)
            .bind(row.generation)
            .bind(row.partition)
            .bind(row.next.offset())
            .bind(row.log_end_seen.map_or(row.next, |end| end.max(row.next)).offset())
            .bind(if is_same_topic { row.generation + 1 } else { 0 })
            .bind(moved.place.at.offset())
            .bind(format!("{}{}", order.reason, also.unwrap_or_default()))
            .bind(&order.by)
            .bind(lost)
            .execute(&mut *connection)
            .await
            .map_err(StoreError::sql("writing down what will never come"))?;
    }
    Ok(())
}
