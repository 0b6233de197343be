//! More of everything than fits: memory stays within a bound, and work goes on by itself.

use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{Pipeline, RawRecord, Running, Tally, WAIT_TIMEOUT, volume};
use sandbox::{Postgres, wait_until};

use crate::{QUICK, RECOMPUTED, produce, send, settle, stop};

const PARTITIONS: i32 = 3;
/// What a streamer with one worker may hold at most, whatever comes. docs/reliability.md says it.
const MEMORY_MAX_MIB: u64 = 256;
/// … with records that compress 300:1: what one answer brings of each partition, 256 KiB, is
/// decompressed at once.
const MEMORY_MAX_COMPRESSED_MIB: u64 = 512;
/// Records of 1 KB that fill one batch of 15 MB for each partition.
const LARGE_BATCHES: usize = 45_000;
/// Records sent at a time.
const BLOCK: usize = 50_000;
/// The biggest backlog of a test takes this long to be read on a busy machine.
const LONG: Duration = Duration::from_secs(3_600);

/// Fails if a program has held more than it may; returns what it held.
fn expect_bounded(streamer: &Running, max_mib: u64) -> Result<String> {
    let Some(peak) = streamer.peak_memory_mib() else {
        return Ok("memory not measured on this system".to_owned());
    };
    ensure!(peak <= max_mib, "{peak} MiB held, {max_mib} at most");
    Ok(format!("at most {peak} MiB of memory, {max_mib} permitted"))
}

/// Sends so many records, the one of each number as `payload` writes it.
fn send_many(
    pipeline: &Pipeline,
    count: usize,
    properties: &[(&str, &str)],
    payload: impl Fn(usize, &mut String),
) -> Result<()> {
    let mut sender = pipeline.topic.sender(properties)?;
    let mut text = String::new();
    for first in (0..count).step_by(BLOCK) {
        let mut block = Vec::with_capacity(BLOCK);
        for number in first..count.min(first + BLOCK) {
            text.clear();
            payload(number, &mut text);
            block.push(RawRecord::of(number as i32 % PARTITIONS, text.as_bytes()));
        }
        sender.send(&block)?;
    }
    Ok(())
}

/// An event of one second's duration; the minute and the region are the caller's.
fn write_event(text: &mut String, minute: usize, region: &str, padding: &str) {
    let (hour, minute) = (minute / 60 % 24, minute % 60);
    // Writing to a String does not fail.
    write!(
        text,
        "{{\"event_id\":\"{padding}\",\"event_type\":\"call\",\"region\":\"{region}\",\
         \"duration_seconds\":1,\"timestamp\":\"2025-11-09T{hour:02}:{minute:02}:30Z\"}}"
    )
    .ok();
}

/// Reads until every position is at its end; returns what the streamer held.
fn read_all(pipeline: &mut Pipeline, max_mib: u64) -> Result<String> {
    let arguments = ["--flush-interval", "5s"];
    let mut streamer = pipeline.start_with("streamer", &arguments, &[QUICK])?;
    let end = pipeline.topic.end()?;
    let began = Instant::now();
    wait_until("all is stored", LONG, || {
        pipeline.database.progress() == end || !streamer.is_alive()
    })?;
    ensure!(streamer.is_alive(), "it ended:\n{}", streamer.log());
    let held = expect_bounded(&streamer, max_mib)?;
    stop(streamer)?;
    Ok(format!("{held}, {} s", began.elapsed().as_secs()))
}

/// All events are counted, none late: they came in the order of their minutes.
fn expect_counted(pipeline: &mut Pipeline, count: usize) -> Result<()> {
    let expected = count as i64;
    for column in ["event_count", "total_duration"] {
        let sum = format!("SELECT SUM({column})::bigint FROM real_time_metrics");
        ensure!(pipeline.database.number(&sum)? == expected, "{column}: {expected} expected");
    }
    pipeline.verify()
}

#[test]
fn a_long_backlog_is_read_in_bounded_memory() -> Result<()> {
    let count = volume("BACKLOG", 200_000, 10_000_000);
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.drain()?;
    let regions = ["Almaty", "Astana", "Shymkent", "Karaganda", "Aktobe", "Taraz", "Semey"];
    // A day of minutes, one after another.
    let minute = |number: usize| number * 24 * 60 / count;
    let padding = "3f0c5c5e-8f2b-4a0e-9a5f-6b0f2f4f7a11";
    send_many(&pipeline, count, &[("batch.size", "1000000")], |number, text| {
        write_event(text, minute(number), regions[number % regions.len()], padding);
    })?;
    let held = read_all(&mut pipeline, MEMORY_MAX_MIB)?;
    expect_counted(&mut pipeline, count)?;
    end("bounds: records of a backlog", count, &held)
}

#[test]
fn batches_that_are_small_only_while_compressed_are_read_in_bounded_memory() -> Result<()> {
    let count = volume("COMPRESSED", 60_000, 1_000_000);
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.drain()?;
    // 1 KB each, nearly all of it the same, in the largest batches that a sender makes by default …
    let properties =
        [("compression.type", "zstd"), ("batch.size", "1000000"), ("linger.ms", "100")];
    let padding = "x".repeat(900);
    send_many(&pipeline, count, &properties, |_, text| {
        write_event(text, 600, "Almaty", &padding);
    })?;
    // … and a few that are larger than all that is fetched at a time, once they are decompressed.
    let large = [
        ("compression.type", "zstd"),
        ("batch.size", "20000000"),
        ("message.max.bytes", "20000000"),
        ("batch.num.messages", "1000000"),
        ("linger.ms", "1000"),
    ];
    send_many(&pipeline, LARGE_BATCHES, &large, |_, text| {
        write_event(text, 600, "Almaty", &padding);
    })?;
    let held = read_all(&mut pipeline, MEMORY_MAX_COMPRESSED_MIB)?;
    expect_counted(&mut pipeline, count + LARGE_BATCHES)?;
    end("bounds: records of 1 KB in zstd batches", count, &held)
}

#[test]
fn more_groups_than_fit_into_a_flush_are_stored_in_bounded_memory() -> Result<()> {
    let count = volume("GROUPS", 60_000, 100_000);
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.drain()?;
    send_many(&pipeline, count, &[], |number, text| {
        write_event(text, 600, &format!("region {number}"), "");
    })?;
    let held = read_all(&mut pipeline, MEMORY_MAX_MIB)?;
    expect_counted(&mut pipeline, count)?;
    let rows = pipeline.database.number("SELECT COUNT(*) FROM real_time_metrics")?;
    ensure!(rows == count as i64, "{rows} groups");
    end("bounds: groups in one minute", count, &held)
}

#[test]
fn more_dead_letters_than_fit_into_a_flush_are_kept_in_bounded_memory() -> Result<()> {
    let count = volume("DEAD_LETTERS", 30_000, 1_000_000);
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.drain()?;
    send_many(&pipeline, count, &[], |number, text| {
        write!(text, "no event: number {number}").ok();
    })?;
    let held = read_all(&mut pipeline, MEMORY_MAX_MIB)?;
    let rows = pipeline.database.number("SELECT COUNT(*) FROM dead_letters")?;
    ensure!(rows == count as i64, "{rows} dead letters");
    pipeline.verify()?;
    end("bounds: dead letters", count, &held)
}

#[test]
fn while_postgresql_is_away_for_long_memory_stays_bounded_and_it_goes_on_by_itself() -> Result<()> {
    let away_seconds = volume("AWAY_SECONDS", 8, 300);
    let mut postgres = Postgres::start()?;
    let url = postgres.create_database("away")?;
    let mut pipeline = Pipeline::on(sandbox::kafka_bootstrap()?, &url, PARTITIONS)?;
    send(&pipeline, PARTITIONS, 111, 5_000)?;
    pipeline.drain()?;
    let producer = produce(&pipeline, 1_000)?;
    let arguments = ["--flush-interval", "200ms"];
    let mut streamer = pipeline.start_with("streamer", &arguments, &[QUICK])?;
    let before = pipeline.database.progress();
    pipeline.wait_for_progress_from(before)?;
    postgres.stop(true)?;
    // The time itself is what is tested.
    thread::sleep(Duration::from_secs(away_seconds as u64));
    ensure!(streamer.is_alive(), "it waits");
    let failures = streamer.count_in_log("flush not stored");
    let end_while_away = pipeline.topic.end()?;
    postgres.restart()?;
    pipeline.wait_for_progress_from(end_while_away)?;
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    let held = expect_bounded(&streamer, MEMORY_MAX_MIB)?;
    stop(streamer)?;
    settle(&mut pipeline)?;
    let mut tally = Tally::of(format!("bounds: database away for {away_seconds} s"));
    tally.inject(1);
    tally.observe(usize::from(failures > 0));
    tally.end(&format!("{failures} attempts failed, {held}, {RECOMPUTED}"))
}

/// A statement of more than 1,000 new rows takes for ever, and none may take more than two seconds.
const SLOW_DATABASE: &str = "
    CREATE FUNCTION take_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT COUNT(*) FROM new_rows) > 1000 THEN PERFORM pg_sleep(3600); END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER take_for_ever AFTER INSERT ON real_time_metrics
        REFERENCING NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION take_for_ever();
    CREATE FUNCTION have_no_time() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM set_config('statement_timeout', '2000', true); RETURN NULL; END $$;
    CREATE TRIGGER have_no_time BEFORE UPDATE ON stream_progress
        FOR EACH STATEMENT EXECUTE FUNCTION have_no_time()";

#[test]
fn a_flush_that_takes_too_long_is_divided_until_it_does_not() -> Result<()> {
    let count = volume("SLOW_GROUPS", 5_000, 100_000);
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.drain()?;
    pipeline.database.execute(SLOW_DATABASE)?;
    send_many(&pipeline, count, &[], |number, text| {
        write_event(text, 600, &format!("region {number}"), "");
    })?;
    let arguments = ["--flush-interval", "1s"];
    let mut streamer = pipeline.start_with("streamer", &arguments, &[QUICK])?;
    let end = pipeline.topic.end()?;
    wait_until("all is stored", 8 * WAIT_TIMEOUT, || pipeline.database.progress() == end)
        .with_context(|| streamer.log())?;
    ensure!(streamer.is_alive(), "nobody has restarted it");
    let log = stop(streamer)?;
    settle(&mut pipeline)?;
    let mut tally = Tally::of("bounds: flush cancelled by a statement timeout");
    tally.inject(log.matches("storing into real_time_metrics failed").count());
    tally.observe(log.matches("too much for one flush").count());
    tally.end(&format!("less was flushed at a time, {RECOMPUTED}"))
}

fn end(fault: &str, count: usize, held: &str) -> Result<()> {
    let mut tally = Tally::of(fault);
    tally.inject(count);
    tally.observe(count);
    tally.end(held)
}
