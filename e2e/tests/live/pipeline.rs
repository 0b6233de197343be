//! Producer → Kafka → streamer → PostgreSQL → batcher: the tables are what a recomputation says.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use e2e::oracle::{Expected, Key, Sums, recompute_day};
use e2e::{Pipeline, RawRecord, Scatter, daily_rows, event};
use serde_json::json;

use crate::instant;

/// Three days of events with fixed seed, in the middle of them a disorderly lot: events out of
/// order, late ones, unusable ones; at the end some from the future.
fn fill(pipeline: &Pipeline) -> Result<()> {
    let produce = |from: &str, to: &str| -> Result<()> {
        let density = ["--seed", "1", "--base-rate", "0.25"];
        let arguments = ["--from", from, "--to", to].into_iter().chain(density);
        let ended = pipeline.run("producer", &arguments.collect::<Vec<_>>())?.expect(0)?;
        assert!(ended.log.contains("failed=0 "), "{}", ended.log);
        Ok(())
    };
    produce("2025-11-07", "2025-11-08T12:00:00Z")?;
    let mut sender = pipeline.topic.sender(&[])?;
    sender.send(&Scatter::new(7, 3, instant("2025-11-08T11:50:00Z")).take(5_000))?;
    sender.send(&around_the_watermark())?;
    produce("2025-11-08T12:30:00Z", "2025-11-10")?;
    sender.send(&future(Utc::now()))
}

/// The first one takes the watermark to the end of a window exactly: one microsecond before that
/// end an event is late, at it on time.
fn around_the_watermark() -> Vec<RawRecord> {
    ["12:25:00", "12:22:59.999999", "12:23:00"]
        .map(|time| {
            let at = instant(&format!("2025-11-08T{time}Z"));
            RawRecord::of(2, event("sms", "Watermark", at, json!({})))
        })
        .to_vec()
}

/// Around the bound of the future guard, with room for the time that the test takes. What comes
/// after an accepted one in its partition is late.
fn future(now: DateTime<Utc>) -> Vec<RawRecord> {
    let at = |partition, ahead: TimeDelta| {
        RawRecord::of(partition, event("sms", "Almaty", now + ahead, json!({})))
    };
    vec![
        at(0, TimeDelta::minutes(10)),
        at(0, TimeDelta::minutes(4)),
        at(0, TimeDelta::days(-3)),
        at(1, TimeDelta::days(20_000)),
        at(1, TimeDelta::hours(1)),
    ]
}

#[test]
fn tables_and_daily_statistics_equal_a_recomputation_from_the_log() -> Result<()> {
    let mut pipeline = Pipeline::new(3)?;
    fill(&pipeline)?;
    pipeline.drain()?;
    let expected = pipeline.expect_recomputed()?;
    for (what, count) in [
        ("on time", expected.accounts.values().map(|account| account.on_time).sum::<i64>()),
        ("late", expected.accounts.values().map(|account| account.late).sum()),
        ("dead", expected.accounts.values().map(|account| account.dead).sum()),
    ] {
        assert!(count > 0, "the log must hold some that are {what}");
    }
    let at_the_watermark = |sums: &BTreeMap<Key, Sums>| {
        sums.keys().filter(|(_, _, region)| region == "Watermark").count()
    };
    let both = [&expected.on_time, &expected.late].map(at_the_watermark);
    assert_eq!(both, [2, 1], "windows on time and late");
    for date in ["2025-11-07", "2025-11-08", "2025-11-09"] {
        expect_day(&mut pipeline, date, &expected)?;
    }
    assert_eq!(pipeline.run("batcher", &["2025-11-06"])?.code, Some(4));

    // A second run finds nothing to do, and changes nothing.
    pipeline.drain()?;
    pipeline.expect(&expected)
}

fn expect_day(pipeline: &mut Pipeline, date: &str, expected: &Expected) -> Result<()> {
    pipeline.run("batcher", &[date])?.expect(0)?;
    let day: NaiveDate = date.parse()?;
    let computed = daily_rows(&mut pipeline.database, day)?;
    let recomputed = recompute_day(&expected.on_time, day);
    assert!(recomputed.len() > 40, "a day of all types and regions");
    assert_eq!(computed, recomputed, "daily_stats of {date}");
    pipeline.run("batcher", &["validate", date])?.expect(0)?;
    Ok(())
}

#[test]
fn a_day_is_computed_while_it_is_being_written() -> Result<()> {
    let mut pipeline = Pipeline::new(3)?;
    let range = ["--from", "2025-11-09", "--to", "2025-11-10", "--seed", "2", "--rate", "3000"];
    let producer = pipeline.start("producer", &range)?;
    let streamer = pipeline.start("streamer", &["--flush-interval", "20ms"])?;
    pipeline.wait_for_progress_from(0)?;
    for _ in 0..10 {
        let before = pipeline.database.progress();
        pipeline.run("batcher", &["2025-11-09"])?.expect(0)?;
        pipeline.wait_for_progress_from(before)?;
    }
    for program in [producer, streamer] {
        program.terminate()?;
        program.end()?.expect(0)?;
    }
    pipeline.drain()?;
    let expected = pipeline.expect_recomputed()?;
    expect_day(&mut pipeline, "2025-11-09", &expected)
}
