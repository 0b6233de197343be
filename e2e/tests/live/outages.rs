//! Servers that go away and come back: the streamer stays, waits, and goes on by itself.

use anyhow::Result;
use e2e::{Fault, FaultyLink, Pipeline, RawRecord, Running, Scatter, WAIT_TIMEOUT};
use sandbox::{Kafka, Postgres, wait_until};

use crate::instant;

const PARTITIONS: i32 = 3;
/// A client waits longer and longer before it tries a lost broker again, by default up to 10 s.
const SOON_BACK: (&str, &str) = ("KAFKA_PROPERTIES", "reconnect.backoff.max.ms=500");
/// So many dead letters fill the memory that may be held while no flush is stored, twice over.
const MORE_THAN_IS_HELD: usize = 25_000;
const PAUSED: &str = "reading pauses";
const RESUMED: &str = "reading goes on";

/// Events at 1,000 a second until it is told to stop, by the real producer.
fn produce_on(pipeline: &Pipeline) -> Result<Running> {
    let range = ["--from", "2025-11-10", "--to", "2026-11-10", "--seed", "5", "--rate", "1000"];
    pipeline.start_with("producer", &range, &[SOON_BACK])
}

fn stream(pipeline: &Pipeline) -> Result<Running> {
    pipeline.start_with("streamer", &["--flush-interval", "100ms"], &[SOON_BACK])
}

fn stop(program: Running) -> Result<String> {
    program.terminate()?;
    Ok(program.end()?.expect(0)?.log)
}

/// Sends what fills the streamer's memory; that it pauses then shows that it has been reading.
fn fill_memory(pipeline: &Pipeline, streamer: &Running) -> Result<()> {
    let unusable: Vec<RawRecord> = vec![RawRecord::of(0, "x"); MORE_THAN_IS_HELD];
    pipeline.topic.sender(&[])?.send(&unusable)?;
    streamer.wait_for_log(PAUSED)
}

fn backlog(pipeline: &Pipeline) -> Result<()> {
    let mut scatter = Scatter::new(51, PARTITIONS, instant("2025-11-09T00:00:00Z"));
    pipeline.topic.sender(&[])?.send(&scatter.take(10_000))
}

#[test]
fn while_postgresql_is_away_it_reads_until_memory_is_full_and_then_waits() -> Result<()> {
    let mut postgres = Postgres::start()?;
    let url = postgres.create_database("outage")?;
    let mut pipeline = Pipeline::on(sandbox::kafka_bootstrap()?, &url, PARTITIONS)?;
    backlog(&pipeline)?;
    let mut streamer = stream(&pipeline)?;
    pipeline.wait_for_progress_from(0)?;
    let producer = produce_on(&pipeline)?;
    pipeline.wait_for_progress_from(10_000)?;

    postgres.stop(true)?;
    let read_before = pipeline.topic.end()?;
    streamer.wait_for_log("flush not stored")?;
    fill_memory(&pipeline, &streamer)?;
    assert!(streamer.is_alive());
    assert!(pipeline.topic.end()? > read_before + MORE_THAN_IS_HELD as i64, "producing goes on");
    postgres.restart()?;
    streamer.wait_for_log(RESUMED)?;
    pipeline.wait_for_progress_from(read_before)?;
    pipeline.verify()?;

    let summary = stop(producer)?;
    assert!(summary.contains("failed=0 "), "{summary}");
    pipeline.wait_until_caught_up()?;
    assert!(streamer.is_alive(), "nobody has restarted it");

    stop(streamer)?;
    pipeline.expect_recomputed()?;
    Ok(())
}

#[test]
fn asked_to_stop_while_postgresql_is_away_it_ends_and_loses_nothing() -> Result<()> {
    let mut postgres = Postgres::start()?;
    let url = postgres.create_database("outage")?;
    let mut pipeline = Pipeline::on(sandbox::kafka_bootstrap()?, &url, PARTITIONS)?;
    backlog(&pipeline)?;
    let streamer = stream(&pipeline)?;
    pipeline.wait_until_caught_up()?;
    postgres.stop(true)?;
    fill_memory(&pipeline, &streamer)?;
    let log = stop(streamer)?;
    assert!(log.contains("no flush within"), "it has tried until the end: {log}");

    postgres.restart()?;
    // A crash of the server may even take back flushes; each is taken back whole.
    assert!(pipeline.database.progress() <= 10_000, "nothing was stored meanwhile");
    pipeline.verify()?;
    pipeline.drain()?;
    pipeline.expect_recomputed()?;
    Ok(())
}

#[test]
fn the_batcher_waits_for_a_postgresql_that_restarts() -> Result<()> {
    let mut postgres = Postgres::start()?;
    let url = postgres.create_database("restart")?;
    let pipeline = Pipeline::on(sandbox::kafka_bootstrap()?, &url, PARTITIONS)?;
    pipeline.drain()?;
    postgres.stop(true)?;
    let batcher =
        pipeline.start_with("batcher", &["2025-11-09"], &[("RUST_LOG", "store=debug")])?;
    batcher.wait_for_log("no database yet")?;
    postgres.restart()?;
    // There is no data for that day; to find that out it has to be connected.
    batcher.end()?.expect(4)?;
    Ok(())
}

#[test]
fn when_kafka_or_both_servers_crash_it_goes_on_by_itself() -> Result<()> {
    let (mut kafka, mut postgres) = (Kafka::start()?, Postgres::start()?);
    let url = postgres.create_database("outage")?;
    let mut pipeline = Pipeline::on(kafka.bootstrap(), &url, PARTITIONS)?;
    backlog(&pipeline)?;
    let mut streamer = stream(&pipeline)?;
    let mut producer = produce_on(&pipeline)?;
    pipeline.wait_for_progress_from(10_000)?;

    kafka.kill()?;
    kafka.restart()?;
    pipeline.expect_going_on()?;

    kafka.kill()?;
    postgres.stop(true)?;
    postgres.restart()?;
    kafka.restart()?;
    pipeline.expect_going_on()?;

    assert!(producer.is_alive() && streamer.is_alive(), "nobody has restarted them");
    let summary = stop(producer)?;
    assert!(summary.contains("failed=0 "), "{summary}");
    pipeline.wait_until_caught_up()?;
    stop(streamer)?;
    pipeline.expect_recomputed()?;
    Ok(())
}

/// To the client both look the same: no answer came.
const LOST: [Fault; 2] = [Fault::RequestLost, Fault::AnswerLost];

#[test]
fn a_commit_whose_answer_is_lost_is_neither_repeated_nor_forgotten() -> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let link = FaultyLink::at_commits(pipeline.database.url(), &LOST)?;
    let variables = [("DATABASE_URL", link.url()), SOON_BACK];
    // Past the first start: migrations are not tried again.
    pipeline.drain()?;
    backlog(&pipeline)?;
    let producer = produce_on(&pipeline)?;
    let flush_always = ["--flush-interval", "10ms"];
    let mut streamer = pipeline.start_with("streamer", &flush_always, &variables)?;
    wait_until("ten COMMITs and ten answers are lost", WAIT_TIMEOUT, || {
        LOST.iter().all(|fault| link.count(*fault) >= 10)
    })?;
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    assert!(streamer.is_alive(), "nobody has restarted it");
    stop(streamer)?;
    pipeline.expect_recomputed()?;
    Ok(())
}

/// As an administrator does it. Answers how many sessions there were.
const END_ALL_SESSIONS: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'telecom-pipeline'";

#[test]
fn sessions_ended_in_the_middle_of_flushes_neither_lose_nor_repeat_one() -> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    backlog(&pipeline)?;
    let producer = produce_on(&pipeline)?;
    // Nearly always inside a flush.
    let flush_always = ["--flush-interval", "10ms"];
    let mut streamer = pipeline.start_with("streamer", &flush_always, &[SOON_BACK])?;
    for _ in 0..30 {
        let before = pipeline.database.progress();
        pipeline.wait_for_progress_from(before)?;
        wait_until("a session is ended", WAIT_TIMEOUT, || {
            pipeline.database.number(END_ALL_SESSIONS).is_ok_and(|ended| ended > 0)
        })?;
    }
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    assert!(streamer.is_alive(), "nobody has restarted it");
    let log = stop(streamer)?;
    assert!(log.contains("flush not stored"), "some flush was hit: {log}");
    pipeline.expect_recomputed()?;
    Ok(())
}
