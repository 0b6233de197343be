//! `complete_through` of a real streamer: an empty partition comes on by being found empty, one that
//! is added starts where its topic is, and none goes on when nobody looks.

use anyhow::{Result, ensure};
use e2e::{Pipeline, WAIT_TIMEOUT};
use sandbox::wait_until;

use crate::{OFTEN, events};

/// A time of the database as a number that can be compared.
fn micros(pipeline: &mut Pipeline, query: &str) -> Result<i64> {
    pipeline
        .database
        .number(&format!("SELECT COALESCE((EXTRACT(EPOCH FROM ({query})) * 1000000)::bigint, 0)"))
}

#[test]
fn an_empty_partition_is_complete_to_ten_minutes_before_it_was_last_found_empty() -> Result<()> {
    let mut pipeline = Pipeline::new(2)?;
    pipeline.topic.sender(&[])?.send(&events(0, 1))?;
    let streamer = pipeline.start("streamer", OFTEN)?;
    let empty = "SELECT complete_through FROM stream_progress WHERE partition = 1";
    let mut last = 0;
    // First known, then later than that.
    for _ in 0..2 {
        wait_until("the empty partition comes on", WAIT_TIMEOUT, || {
            micros(&mut pipeline, empty).is_ok_and(|through| through > last)
        })?;
        last = micros(&mut pipeline, empty)?;
        let others = pipeline.database.number(
            "SELECT COUNT(*) FROM stream_progress
             WHERE complete_through IS DISTINCT FROM caught_up_at - INTERVAL '10 minutes'",
        )?;
        ensure!(others == 0, "not ten minutes before catching up: {others} partitions");
    }
    let watermarks = "SELECT COUNT(watermark) FROM stream_progress WHERE partition = 1";
    ensure!(pipeline.database.number(watermarks)? == 0, "it never had an event");

    // Nobody looks any more: the stored value stays, however much later it gets.
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    let before = micros(&mut pipeline, "SELECT complete_through FROM completeness")?;
    let checked = pipeline.run("batcher", &["check", "2999-12-31"])?.expect(75)?.output;
    ensure!(checked.contains("2 of 2 partitions"), "{checked}");
    ensure!(checked.contains("complete through"), "{checked}");
    ensure!(micros(&mut pipeline, "SELECT complete_through FROM completeness")? == before);
    pipeline.run("batcher", &["check", "2025-11-08"])?.expect(0)?;
    Ok(())
}

#[test]
fn a_partition_added_while_running_does_not_set_its_topic_back() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    let streamer = pipeline.start("streamer", OFTEN)?;
    let known = "SELECT complete_through FROM completeness";
    wait_until("the topic's completeness is known", WAIT_TIMEOUT, || {
        micros(&mut pipeline, known).is_ok_and(|through| through > 0)
    })?;
    let before = micros(&mut pipeline, known)?;
    pipeline.topic.grow_to(2)?;
    wait_until("the partition is taken up", WAIT_TIMEOUT, || {
        let after = micros(&mut pipeline, known).unwrap_or(before);
        assert!(after >= before, "{after} is before {before}");
        pipeline.database.number("SELECT COUNT(owner) FROM stream_progress").is_ok_and(|n| n == 2)
    })?;
    ensure!(micros(&mut pipeline, known)? >= before);

    // Taken out, it holds nothing back any more.
    let topic = pipeline.topic.name().to_owned();
    let retire = ["retire", "--topic", topic.as_str(), "--partition", "1"];
    pipeline.run("streamer", &retire)?.expect(0)?;
    let left = pipeline.database.number("SELECT COUNT(*) FROM current_progress")?;
    ensure!(left == 1, "{left} partitions are in service");
    ensure!(pipeline.database.number("SELECT held_back_by::bigint FROM completeness")? == 0);
    drop(streamer);
    Ok(())
}
