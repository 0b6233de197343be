//! What one snapshot of the warehouse says: how far each partition is counted, and which records are dead.
//!
//! The snapshot ends before anything is read from Kafka: a read that takes long must not hold the database's
//! oldest transaction back.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use follower::{Counted, Follower, Key, Plan, Reached, Row, Versions};
use sqlx::Connection;
use store::{PgConnection, Session, connect_within};
use windowing::{Fingerprint, Position};

use crate::config::BothArgs;
use crate::table::Table;

/// A plan, with what its readings need to know.
pub(crate) struct Snapshot {
    pub(crate) rows: Vec<Row>,
    pub(crate) plan: Plan,
    /// Offsets of the dead letters of each task's range, in order.
    pub(crate) letters: BTreeMap<Key, Vec<i64>>,
    /// How far an event may be ahead of its record.
    pub(crate) max_future_skew_micros: i64,
}

/// Plans against a snapshot of the warehouse.
///
/// # Errors
/// The database can't be asked.
pub(crate) async fn look(
    connection: &mut PgConnection,
    topic: &str,
    plan: impl FnOnce(&[Row]) -> Plan,
) -> anyhow::Result<Snapshot> {
    let looked = look_at(connection, topic, plan).await;
    looked.context("asking the warehouse how far it has counted")
}

async fn look_at(
    connection: &mut PgConnection,
    topic: &str,
    plan: impl FnOnce(&[Row]) -> Plan,
) -> anyhow::Result<Snapshot> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .execute(&mut *transaction)
        .await?;
    let rows = rows_of(&mut transaction, topic).await?;
    let skew_ms: Option<i64> = sqlx::query_scalar("SELECT max_future_skew_ms FROM settings")
        .fetch_optional(&mut *transaction)
        .await?;
    let plan = plan(&rows);
    let mut letters = BTreeMap::new();
    for task in &plan.tasks {
        let offsets: Vec<i64> = sqlx::query_scalar(include_str!("queries/dead_letters.sql"))
            .bind(topic)
            .bind(task.key.generation)
            .bind(task.key.partition)
            .bind(task.from.position.offset())
            .bind(task.to.offset())
            .fetch_all(&mut *transaction)
            .await?;
        letters.insert(task.key, offsets);
    }
    transaction.commit().await?;
    let max_future_skew_micros = skew_ms.unwrap_or_default().saturating_mul(1_000);
    Ok(Snapshot { rows, plan, letters, max_future_skew_micros })
}

/// Connects to the warehouse.
pub(crate) async fn connect(both: &BothArgs) -> anyhow::Result<PgConnection> {
    let url = both.database.database_url.expose();
    Ok(connect_within(url, Session::Batch, both.wait).await?)
}

/// How far every generation of the topic is counted.
pub(crate) async fn rows_of(
    connection: &mut PgConnection,
    topic: &str,
) -> anyhow::Result<Vec<Row>> {
    let stored: Vec<Stored> = sqlx::query_as(include_str!("queries/progress.sql"))
        .bind(topic)
        .fetch_all(connection)
        .await?;
    stored.into_iter().map(Row::try_from).collect()
}

/// The names under which the lake keeps what it knows of these generations, and the positions of those after them: that
/// it has one which the warehouse does not know is how a restored database shows.
pub(crate) fn applications(topic: &str, rows: &[Row]) -> Vec<String> {
    let after = |key: Key| Key { generation: key.generation + 1, ..key };
    let mut names: BTreeSet<String> = BTreeSet::new();
    for row in rows {
        let [position, ..] = Reached::applications(topic, after(row.key));
        names.insert(position);
        names.extend(Reached::applications(topic, row.key));
    }
    names.into_iter().collect()
}

/// How many offsets the lake is behind the warehouse, all partitions together; says so where it is.
pub(crate) async fn behind(
    connection: &mut PgConnection,
    lake: &mut Table,
    topic: &str,
) -> anyhow::Result<i64> {
    let rows = rows_of(connection, topic).await?;
    let versions = lake.versions(applications(topic, &rows)).await?;
    let behind = rows.iter().map(|row| {
        let reached = Reached::read(versions, topic, row.key);
        let position = reached.map_or(row.first, |reached| reached.position);
        (row.next.offset() - position.offset()).max(0)
    });
    let behind = behind.sum();
    if behind > 0 {
        tracing::warn!(
            offsets = behind,
            "the lake is behind the warehouse: events of the day may be missing; `archiver status` says of which \
             partitions"
        );
    }
    Ok(behind)
}

/// Plans without anything set aside.
pub(crate) fn plain_plan(topic: &str, rows: &[Row], versions: &Versions) -> Plan {
    Follower::default().plan(topic, rows, versions)
}

#[derive(sqlx::FromRow)]
struct Stored {
    generation: i32,
    partition: i32,
    first_offset: i64,
    next_offset: i64,
    events: i64,
    dead: i64,
    witness_offset: Option<i64>,
    witness_timestamp_ms: Option<i64>,
    witness_crc: Option<i64>,
    origin_offset: Option<i64>,
    origin_timestamp_ms: Option<i64>,
    origin_crc: Option<i64>,
}

impl TryFrom<Stored> for Row {
    type Error = anyhow::Error;

    fn try_from(stored: Stored) -> anyhow::Result<Self> {
        let fingerprint = |offset: Option<i64>, timestamp_ms, crc: Option<i64>| {
            let Some((offset, crc)) = offset.zip(crc) else { return Ok(None) };
            let crc = u32::try_from(crc).context("a fingerprint's checksum is out of range")?;
            anyhow::Ok(Some(Fingerprint { offset, timestamp_ms, crc }))
        };
        Ok(Row {
            key: Key { partition: stored.partition, generation: stored.generation },
            first: Position::at(stored.first_offset),
            next: Position::at(stored.next_offset),
            counted: Counted { events: stored.events, dead: stored.dead },
            fingerprint: fingerprint(
                stored.witness_offset,
                stored.witness_timestamp_ms,
                stored.witness_crc,
            )?,
            origin: fingerprint(
                stored.origin_offset,
                stored.origin_timestamp_ms,
                stored.origin_crc,
            )?,
        })
    }
}
