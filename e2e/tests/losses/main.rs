//! Every way in which a log can stop being the one that was read, on a real Kafka: each is noticed,
//! named with what is lost, halts only its own partition, and goes on when an operator permits. And
//! the ways that only look like it, in which everything must stay quiet.

mod damaged;
mod log;
mod quiet;
mod truncated;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use e2e::{Pipeline, RawRecord, Running, Scatter, Tally, WAIT_TIMEOUT};
use sandbox::wait_until;

const PARTITIONS: i32 = 2;
/// Flush often, so that a test has something to wait for.
const OFTEN: &[&str] = &["--flush-interval", "100ms"];

fn noon() -> DateTime<Utc> {
    "2025-11-09T12:00:00Z".parse().expect("an instant in this file")
}

/// The same records for the same seed.
fn records(seed: u64, count: usize) -> Vec<RawRecord> {
    Scatter::new(seed, PARTITIONS, noon()).take(count)
}

/// A pipeline whose topic holds some records, all of them stored.
fn drained(seed: u64, count: usize) -> Result<Pipeline> {
    let pipeline = Pipeline::new(PARTITIONS)?;
    send(&pipeline, seed, count)?;
    pipeline.drain()?;
    Ok(pipeline)
}

fn send(pipeline: &Pipeline, seed: u64, count: usize) -> Result<()> {
    pipeline.topic.sender(&[])?.send(&records(seed, count))
}

/// Drains once more and expects that these partitions halt, each for a reason that holds this text,
/// and no others.
fn expect_halted(pipeline: &mut Pipeline, partitions: &[i32], reason: &str) -> Result<()> {
    pipeline.run("streamer", &["--drain"])?.expect(3)?;
    expect_reasons(pipeline, partitions, reason)?;
    pipeline.verify()
}

fn expect_reasons(pipeline: &mut Pipeline, partitions: &[i32], reason: &str) -> Result<()> {
    let halted = pipeline.database.halted()?;
    let ids: Vec<i32> = halted.keys().copied().collect();
    ensure!(ids == partitions, "halted: {halted:?}");
    ensure!(halted.values().all(|text| text.contains(reason)), "{reason:?} expected: {halted:?}");
    let listed = pipeline.run("streamer", &["gaps"])?.expect(0)?.output;
    ensure!(listed.contains(reason), "`streamer gaps` does not say it: {listed}");
    Ok(())
}

fn accept(pipeline: &Pipeline, partition: i32, more: &[&str]) -> Result<()> {
    let partition = partition.to_string();
    let topic = pipeline.topic.name();
    let mut arguments = vec!["accept-gap", "--topic", topic, "--partition", &partition];
    arguments.extend(["--reason", "a test", "--by", "tester"]);
    arguments.extend(more);
    pipeline.run("streamer", &arguments)?.expect(0)?;
    Ok(())
}

/// First offset, position and gap of each life, by partition and generation.
type Lives = BTreeMap<(i32, i32), (i64, i64, i64)>;

fn lives(pipeline: &mut Pipeline) -> Result<Lives> {
    use sqlx::Row;
    let rows = pipeline.database.rows(
        "SELECT partition, generation, first_offset, next_offset, gap FROM stream_progress",
    )?;
    let life = |row: &sqlx::postgres::PgRow| {
        ((row.get(0), row.get(1)), (row.get(2), row.get(3), row.get(4)))
    };
    Ok(rows.iter().map(life).collect())
}

/// Cause and lost range of each accepted gap, by partition.
fn gaps(pipeline: &mut Pipeline) -> Result<BTreeMap<i32, (String, i64, i64)>> {
    use sqlx::Row;
    let rows = pipeline.database.rows(
        "SELECT partition, cause, from_offset, to_offset FROM gaps
         WHERE carried_out_at IS NOT NULL AND accepted_by = 'tester' AND reason = 'a test'",
    )?;
    let gap = |row: &sqlx::postgres::PgRow| (row.get(0), (row.get(1), row.get(2), row.get(3)));
    Ok(rows.iter().map(gap).collect())
}

/// A row of the loss matrix, for a test that has seen it happen and what came of it.
fn matrix_row(loss: &str, held: &str) -> Result<()> {
    let mut tally = Tally::of(format!("log: {loss}"));
    tally.inject(1);
    tally.observe(1);
    tally.end(held)
}

/// All records that were ever counted in any way.
fn counted(pipeline: &mut Pipeline) -> Result<i64> {
    pipeline
        .database
        .number("SELECT COALESCE(SUM(on_time + late + dead), 0)::bigint FROM stream_progress")
}

fn end_of(pipeline: &Pipeline, partition: i32) -> Result<i64> {
    Ok(pipeline.topic.spans()?[&partition].next)
}

/// Waits until the stored rows of the current generation have reached the ends of the log.
fn wait_until_read(pipeline: &mut Pipeline, running: &mut Running) -> Result<()> {
    let ends: BTreeMap<i32, i64> =
        pipeline.topic.spans()?.into_iter().map(|(id, span)| (id, span.next)).collect();
    let waited = wait_until("all is stored", WAIT_TIMEOUT, || {
        use sqlx::Row;
        let rows = pipeline.database.rows(
            "SELECT partition, next_offset FROM current_progress WHERE halted_reason IS NULL",
        );
        rows.is_ok_and(|rows| {
            rows.iter().map(|row| (row.get(0), row.get(1))).collect::<BTreeMap<i32, i64>>() == ends
        })
    });
    ensure!(running.is_alive(), "the streamer has ended:\n{}", running.log());
    waited.with_context(|| running.log())
}
