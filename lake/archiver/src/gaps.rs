//! `archiver accept-gap`: an operator's permission to go on without what is lost to the lake.
//!
//! It finds out itself what halts the partition, by reading it without writing, and carries the permission out by
//! one commit: there is no state in which it waits. What was accepted stays in the table `gaps`. Its row is
//! written first, and counts once the commit that moves the position names it: `gap/ID`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail, ensure};
use arrow_array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel::Action;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use follower::{Accepted, Halt, Key, Reached, Reading, Resume, Row, Trouble};
use uuid::Uuid;
use windowing::Position;

use crate::archive::begin;
use crate::config::AcceptGapArgs;
use crate::source::{Sink, Source};
use crate::store::{Name, address};
use crate::table::{APPEND, Committed, Table};
use crate::warehouse::{Snapshot, applications, connect, look, plain_plan, rows_of};
use crate::{rows, small};

pub(crate) async fn run(args: AcceptGapArgs) -> anyhow::Result<ExitCode> {
    let both = &args.both;
    let url = address(&both.lake.lake_url, Name::Events)?;
    let mut source = Source::new(both.kafka.client_config()?, both.kafka.kafka_topic.clone())?;
    let topic = source.topic().to_owned();
    let mut connection = connect(both).await?;
    let mut table = Table::open_or_create(&url, rows::layout()).await?;
    let known = rows_of(&mut connection, &topic).await?;
    let versions = table.versions(applications(&topic, &known)).await?.clone();
    let snapshot = look(&mut connection, &topic, |rows| {
        let of_partition: Vec<Row> =
            rows.iter().filter(|row| row.key.partition == args.partition).copied().collect();
        plain_plan(&topic, &of_partition, &versions)
    })
    .await?;
    drop(connection);
    let (key, halt) = find_halt(&mut source, &snapshot, args.partition).await?;
    let row = snapshot.rows.iter().find(|row| row.key == key).context("no such generation")?;
    let from = Reached::read(&versions, &topic, key).unwrap_or(Reached::beginning(row.first));
    let resume = match (halt, args.from.map(Position::at)) {
        (Halt::AnotherLog { .. }, Some(position)) => {
            let mark = source.mark_before(args.partition, position)?;
            Some(Resume { position, mark })
        }
        _ => None,
    };
    let accepted = halt.accepted(from, resume).with_context(|| {
        format!("{key}: {halt}: nothing tells where to go on: say it by --from OFFSET")
    })?;
    let forgotten = forgotten(&topic, key, &snapshot.rows, &mut table).await?;
    carry_out(&args, &table, key, &halt, &accepted, forgotten).await?;
    let (lost_from, lost_to) = accepted.lost;
    let lost = if lost_from < lost_to {
        format!("the offsets from {lost_from} to before {lost_to} are lost to the lake")
    } else {
        "no offset is lost to the lake".to_owned()
    };
    program::print(format!(
        "accepted: {key}: {lost}; it goes on at {}\n",
        accepted.reached.position
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Why the partition is halted.
async fn find_halt(
    source: &mut Source,
    snapshot: &Snapshot,
    partition: i32,
) -> anyhow::Result<(Key, Halt)> {
    if let Some(halted) = snapshot.plan.halts().next() {
        return Ok(halted);
    }
    let mut readings: BTreeMap<i32, Reading> = begin(source, snapshot)?;
    if !readings.is_empty() {
        source.read(&mut readings, Sink::Nowhere, &AtomicBool::new(false)).await?;
    }
    let Some(reading) = readings.get(&partition) else {
        bail!("partition {partition} is not halted: there is nothing to accept");
    };
    match reading.judge() {
        Err(Trouble::Halt(halt)) => Ok((reading.task().key, halt)),
        Err(Trouble::Passing(passing)) => bail!("partition {partition} is not halted: {passing}"),
        Ok(_) => bail!("partition {partition} is not halted: there is nothing to accept"),
    }
}

/// Versions by which the lake forgets later generations that the warehouse does not know: its database was
/// restored, and will give their numbers once more.
async fn forgotten(
    topic: &str,
    key: Key,
    rows: &[Row],
    table: &mut Table,
) -> anyhow::Result<Vec<(String, i64)>> {
    let mut forgotten = Vec::new();
    let mut later = Key { generation: key.generation + 1, ..key };
    while rows.iter().all(|row| row.key != later) {
        let versions = table.versions(Reached::applications(topic, later)).await?;
        if Reached::read(versions, topic, later).is_none() {
            break;
        }
        forgotten.extend(Reached::forget(topic, later));
        later.generation += 1;
    }
    Ok(forgotten)
}

async fn carry_out(
    args: &AcceptGapArgs,
    table: &Table,
    key: Key,
    halt: &Halt,
    accepted: &Accepted,
    forgotten: Vec<(String, i64)>,
) -> anyhow::Result<()> {
    let topic = &args.both.kafka.kafka_topic;
    let id = Uuid::new_v4().to_string();
    let gaps_url = address(&args.both.lake.lake_url, Name::Gaps)?;
    let gaps = Table::open_or_create(&gaps_url, small::layout(&schema())).await?;
    let row = row(args, &id, key, halt, accepted)?;
    let add = small::write_file(&gaps, &row).await?;
    let noted = gaps.commit(vec![Action::Add(add)], Vec::new(), append()).await?;
    ensure!(noted != Committed::Refused, "the permission could not be noted; try again");
    let mut versions: Vec<(String, i64)> = accepted.reached.write(topic, key).into();
    versions.extend(forgotten);
    versions.extend([(format!("gap/{id}"), 1), (APPEND.to_owned(), 1)]);
    match table.commit(Vec::new(), versions, append()).await? {
        Committed::As(_) => Ok(()),
        Committed::Refused => {
            bail!("the archiver has gone on meanwhile: look whether the partition is still halted")
        }
    }
}

fn append() -> DeltaOperation {
    DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None }
}

/// The columns of the table `gaps`.
pub(crate) fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let whole = |name| Field::new(name, DataType::Int32, false);
    let offset = |name| Field::new(name, DataType::Int64, false);
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        text("id"),
        text("topic"),
        whole("generation"),
        whole("partition"),
        text("cause"),
        offset("from_offset"),
        offset("to_offset"),
        offset("next_offset"),
        text("detail"),
        text("reason"),
        text("accepted_by"),
        Field::new("accepted_at", utc, false),
    ]))
}

fn row(
    args: &AcceptGapArgs,
    id: &str,
    key: Key,
    halt: &Halt,
    accepted: &Accepted,
) -> anyhow::Result<RecordBatch> {
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let whole = |number| Arc::new(Int32Array::from(vec![number])) as ArrayRef;
    let offset = |at: Position| Arc::new(Int64Array::from(vec![at.offset()])) as ArrayRef;
    let now = chrono::Utc::now().timestamp_micros();
    let columns = vec![
        text(id),
        text(&args.both.kafka.kafka_topic),
        whole(key.generation),
        whole(key.partition),
        text(halt.code()),
        offset(accepted.lost.0),
        offset(accepted.lost.1),
        offset(accepted.reached.position),
        text(&halt.to_string()),
        text(&args.reason),
        text(&args.by),
        Arc::new(TimestampMicrosecondArray::from(vec![now]).with_timezone("UTC")),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
