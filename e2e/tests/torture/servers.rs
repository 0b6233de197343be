//! PostgreSQL and Kafka that crash, and a PostgreSQL that comes back older than it was.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use e2e::{Pipeline, Running, Tally, WAIT_TIMEOUT, volume};
use sandbox::{Kafka, Postgres, wait_until};

use crate::{QUICK, RECOMPUTED, produce, send, settle, stop};

const PARTITIONS: i32 = 3;

fn start(pipeline: &Pipeline) -> Result<Running> {
    pipeline.start_with("streamer", &["--flush-interval", "20ms"], &[QUICK])
}

/// The flush's session asks for COMMITs that don't wait for the disk; this makes them wait.
const SYNCHRONOUS: &str = "
    CREATE FUNCTION wait_for_the_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM set_config('synchronous_commit', 'on', true); RETURN NULL; END $$;
    CREATE TRIGGER wait_for_the_disk BEFORE UPDATE ON stream_progress
        FOR EACH STATEMENT EXECUTE FUNCTION wait_for_the_disk()";
const NOT_SYNCHRONOUS: &str = "
    DROP TRIGGER wait_for_the_disk ON stream_progress; DROP FUNCTION wait_for_the_disk";

#[test]
fn postgresql_crashes_take_whole_flushes_or_nothing() -> Result<()> {
    let stops = volume("POSTGRES_STOPS", 2, 30);
    let mut postgres = Postgres::start()?;
    let url = postgres.create_database("crash")?;
    let mut pipeline = Pipeline::on(sandbox::kafka_bootstrap()?, &url, PARTITIONS)?;
    send(&pipeline, PARTITIONS, 101, 5_000)?;
    pipeline.drain()?;
    let producer = produce(&pipeline, 300)?;
    let mut streamer = start(&pipeline)?;
    for (setting, statements) in [("off", ""), ("on", SYNCHRONOUS)] {
        pipeline.database.execute(statements)?;
        let mut tally =
            Tally::of(format!("PostgreSQL: immediate stop, synchronous_commit {setting}"));
        let mut taken_back = 0;
        for _ in 0..stops.div_ceil(2) {
            let before = pipeline.database.progress();
            pipeline.wait_for_progress_from(before)?;
            let failures = streamer.count_in_log("flush not stored");
            let stored = pipeline.database.progress();
            postgres.stop(true)?;
            tally.inject(1);
            wait_until("a flush fails", WAIT_TIMEOUT, || {
                streamer.count_in_log("flush not stored") > failures
            })?;
            tally.observe(1);
            postgres.restart()?;
            taken_back += usize::from(pipeline.database.progress() < stored);
            pipeline.wait_for_progress_from(stored)?;
            pipeline.verify()?;
        }
        ensure!(streamer.is_alive(), "nobody has restarted it");
        ensure!(setting == "off" || taken_back == 0, "what was waited for is on the disk");
        tally.end(&format!("{RECOMPUTED}; {taken_back} crashes took flushes back, whole"))?;
    }
    pipeline.database.execute(NOT_SYNCHRONOUS)?;
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    stop(streamer)?;
    settle(&mut pipeline)
}

#[test]
fn a_postgresql_put_back_to_an_older_copy_is_counted_up_again() -> Result<()> {
    let mut tally = Tally::of("PostgreSQL: data folder put back to an older copy");
    let mut postgres = Postgres::start()?;
    let url = postgres.create_database("restore")?;
    let mut pipeline = Pipeline::on(sandbox::kafka_bootstrap()?, &url, PARTITIONS)?;
    send(&pipeline, PARTITIONS, 102, 5_000)?;
    pipeline.drain()?;
    let producer = produce(&pipeline, 300)?;
    let mut streamer = start(&pipeline)?;
    let data = postgres.data_dir();
    let copy = data.with_file_name("older");
    for _ in 0..volume("RESTORES", 1, 10) {
        postgres.stop(false)?;
        copy_folder(&data, &copy)?;
        postgres.restart()?;
        // What comes after the copy, and is lost to the database.
        let copied = pipeline.database.progress();
        pipeline.wait_for_progress_from(copied + 100)?;
        let lost = pipeline.database.progress();

        postgres.stop(true)?;
        // So that the older position can be seen before it moves on.
        streamer.freeze()?;
        fs::remove_dir_all(&data)?;
        fs::rename(&copy, &data)?;
        postgres.restart()?;
        tally.inject(1);
        tally.observe(usize::from(pipeline.database.progress() < lost));
        streamer.thaw()?;
        pipeline.wait_for_progress_from(lost)?;
        pipeline.verify()?;
    }
    ensure!(streamer.is_alive(), "nobody has restarted it");
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    stop(streamer)?;
    settle(&mut pipeline)?;
    tally.end(RECOMPUTED)
}

#[test]
fn a_kafka_that_is_killed_and_started_again_is_read_on() -> Result<()> {
    let mut tally = Tally::of("Kafka: kill -9 and restart");
    let mut kafka = Kafka::start()?;
    let database = sandbox::fresh_database()?;
    let mut pipeline = Pipeline::on(kafka.bootstrap(), &database, PARTITIONS)?;
    send(&pipeline, PARTITIONS, 103, 5_000)?;
    pipeline.drain()?;
    let mut producer = produce(&pipeline, 300)?;
    let mut streamer = start(&pipeline)?;
    for _ in 0..volume("KAFKA_KILLS", 1, 15) {
        let before = pipeline.database.progress();
        pipeline.wait_for_progress_from(before)?;
        let noticed = streamer.count_in_log("Kafka error=");
        kafka.kill()?;
        tally.inject(1);
        wait_until("the streamer's client notices", WAIT_TIMEOUT, || {
            streamer.count_in_log("Kafka error=") > noticed
        })?;
        tally.observe(1);
        kafka.restart()?;
        pipeline.expect_going_on()?;
    }
    ensure!(streamer.is_alive() && producer.is_alive(), "nobody has restarted them");
    let summary = stop(producer)?;
    ensure!(summary.contains("failed=0 "), "{summary}");
    pipeline.wait_until_caught_up()?;
    stop(streamer)?;
    settle(&mut pipeline)?;
    tally.end(RECOMPUTED)
}

/// A copy with owners and rights; the standard library keeps neither.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let copied = Command::new("cp").arg("-a").args([from, to]).status()?;
    ensure!(copied.success(), "{} can't be copied", from.display());
    Ok(())
}
