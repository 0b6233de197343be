//! What a worker costs, how it lives with a quiet table, and how it ends when it must not go on.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use sandbox::wait_until;
use serde_json::Value;

use crate::bench::{Bench, PATIENCE, RAW};
use crate::exchange::insert;
use crate::expect_no_number;

/// Rows whose way is measured, and the pause between two of them.
const ROWS: usize = 300;
const PAUSE: Duration = Duration::from_millis(70);
/// What a worker may hold.
const MEMORY_MIB_MAX: u64 = 512;

/// A reader of committed records of the raw topic, from their end on.
fn reader(bench: &Bench) -> Result<BaseConsumer> {
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bench.kafka.bootstrap())
        .set("group.id", "latency")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "10")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for (partition, span) in bench.raw.spans()? {
        assignment.add_partition_offset(RAW, partition, Offset::Offset(span.next))?;
    }
    reader.assign(&assignment)?;
    Ok(reader)
}

/// Milliseconds from the commit of each row until a reader has it, in order.
fn measure(bench: &mut Bench, first: usize) -> Result<Vec<u128>> {
    let reader = reader(bench)?;
    let (mut sent, mut took) = (BTreeMap::new(), Vec::new());
    let deadline = Instant::now() + PATIENCE;
    let mut next = first;
    let mut due = Instant::now();
    while took.len() < ROWS {
        ensure!(Instant::now() < deadline, "{} of {ROWS} rows came", took.len());
        if next < first + ROWS && Instant::now() >= due {
            let id = format!("row-{next}");
            insert(&mut bench.source, &[(next, id.clone())])?;
            sent.insert(id, Instant::now());
            (next, due) = (next + 1, Instant::now() + PAUSE);
        }
        let Some(message) = reader.poll(Duration::from_millis(5)) else { continue };
        let row: Value = serde_json::from_slice(message?.payload().context("no payload")?)?;
        if let Some(at) = row["uniqueid"].as_str().and_then(|id| sent.remove(id)) {
            took.push(at.elapsed().as_millis());
        }
    }
    took.sort_unstable();
    Ok(took)
}

#[test]
fn a_worker_is_small_lets_an_idle_log_go_and_never_sends_what_it_does_not_know() -> Result<()> {
    let mut bench = Bench::start()?;
    bench.start_reading()?;
    // The first rows make the topic.
    insert(&mut bench.source, &[(1, "row-1".to_owned())])?;
    bench.wait_for_raw()?;
    let took = measure(&mut bench, 2)?;
    let memory = bench.worker()?.peak_memory_mib();
    let share = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    writeln!(
        std::io::stderr(),
        "measured: row to topic, p50 {} ms, p95 {} ms, most {} ms; the worker's peak {memory:?} MiB",
        share(50),
        share(95),
        share(100)
    )?;
    if let Some(memory) = memory {
        ensure!(memory <= MEMORY_MIB_MAX, "the worker holds {memory} MiB");
    }
    a_quiet_table_does_not_hold_the_log(&mut bench)?;
    a_lost_slot_is_told(&mut bench)?;
    Ok(())
}

/// Others write, the exchange doesn't: heartbeats move the slot all the same.
fn a_quiet_table_does_not_hold_the_log(bench: &mut Bench) -> Result<()> {
    bench
        .source
        .execute("INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 5000)")?;
    let position = bench.source.number("SELECT (pg_current_wal_lsn() - '0/0')::bigint")?;
    let source = &mut bench.source;
    wait_until("the slot moves past what others wrote", PATIENCE, || {
        let confirmed = "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots";
        source.number(confirmed).is_ok_and(|confirmed| confirmed >= position)
    })
}

/// What was written while there was no slot is lost to the connector: it must not make one and go on as if nothing were.
fn a_lost_slot_is_told(bench: &mut Bench) -> Result<()> {
    bench.kill_worker()?;
    let source = &mut bench.source;
    wait_until("the slot is free", PATIENCE, || {
        source.execute("SELECT pg_drop_replication_slot('telecom_cdr')").is_ok()
    })?;
    insert(&mut bench.source, &[(400, "lost".to_owned())])?;
    bench.start_worker()?;
    wait_until("the connector fails", PATIENCE, || {
        let why = "there is no replication slot telecom_cdr: rows may have been missed";
        let told = "keep: connector asterisk-cdr has failed";
        bench.worker().is_ok_and(|worker| {
            let log = worker.log();
            log.contains(why) && log.contains(told)
        })
    })
    .with_context(|| bench.worker().map(|worker| worker.tail()).unwrap_or_default())?;
    let slots = bench.source.number("SELECT count(*) FROM pg_replication_slots")?;
    ensure!(slots == 0, "the connector has made a slot anew");
    // An operator accepts the loss: reading goes on behind it.
    bench.source.execute("SELECT pg_create_logical_replication_slot('telecom_cdr', 'pgoutput')")?;
    insert(&mut bench.source, &[(401, "row-401".to_owned())])?;
    wait_until("reading goes on", PATIENCE, || {
        bench.raw_rows().is_ok_and(|rows| rows.contains_key("row-401"))
    })?;
    ensure!(!bench.raw_rows()?.contains_key("lost"), "a row that nobody could read was read");
    Ok(())
}

#[test]
fn a_row_whose_number_stands_under_another_name_stops_the_connector() -> Result<()> {
    let mut bench = Bench::start()?;
    bench.start_reading()?;
    insert(&mut bench.source, &[(1, "row-1".to_owned())])?;
    bench.wait_for_raw()?;
    let programs = bench.start_pipeline()?;
    wait_until("the first row is counted", PATIENCE, || bench.accounted() == 1)?;
    // A column that nobody named stays behind.
    bench.source.execute("ALTER TABLE cdr ADD COLUMN peer text")?;
    bench.source.execute("ALTER TABLE cdr ALTER COLUMN peer SET DEFAULT '+77010000001'")?;
    bench.source.execute(
        "INSERT INTO cdr (calldate, src, uniqueid) VALUES (timestamp '2025-11-09 12:00:00', '+77010000001', 'wide')",
    )?;
    bench.wait_for_more(1)?;
    bench.source.execute("ALTER TABLE cdr RENAME COLUMN src TO caller")?;
    bench.source.execute(
        "INSERT INTO cdr (calldate, caller, uniqueid) VALUES (timestamp '2025-11-09 12:00:00', '+77010000001', 'renamed')",
    )?;
    wait_until("the connector fails", PATIENCE, || {
        bench.worker().is_ok_and(|worker| worker.log().contains("has no column src"))
    })?;
    drop(programs);
    let rows =
        BTreeMap::from([("row-1", 1), ("wide", 1)].map(|(id, count)| (id.to_owned(), count)));
    bench.expect_rows(&rows)?;
    expect_no_number(&bench, 10)
}
