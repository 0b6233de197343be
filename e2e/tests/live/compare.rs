//! `streamer compare` between the database of a site and one that counts a copy of its topic: a whole copy is equal, and
//! an event that the copy lacks, one that it has twice and a dead letter that it lacks are named.

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, DurationRound, TimeDelta};
use e2e::{Database, LoggedRecord, Pipeline, RawRecord, Scatter, Topic};
use serde_json::{Value, json};

use crate::instant;

const PARTITIONS: i32 = 3;
/// Of some 80 minutes.
const RECORDS: usize = 20_000;

/// A topic that holds these records with their own times, counted in a database of its own.
fn counted_copy(site: &Pipeline, records: &[LoggedRecord]) -> Result<Pipeline> {
    let name = sandbox::fresh_topic_name();
    let topic = Topic::create_for_copies(site.topic.bootstrap(), &name, PARTITIONS)?;
    let copies: Vec<RawRecord> = records
        .iter()
        .map(|record| RawRecord {
            partition: record.partition,
            payload: record.payload.clone(),
            time_ms: Some(record.time_ms),
            ..RawRecord::default()
        })
        .collect();
    topic.sender(&[])?.send(&copies)?;
    let copy = Pipeline { topic, database: Database::at(&sandbox::fresh_database()?)? };
    copy.drain()?;
    Ok(copy)
}

fn compare(site: &Pipeline, copy: &Pipeline, more: &[&str], exit: i32) -> Result<String> {
    let arguments = ["compare", "--topic", copy.topic.name(), "--with-topic", site.topic.name()];
    let variables = [("COMPARE_WITH", site.database.url())];
    let arguments = [&arguments, more].concat();
    Ok(copy.start_with("streamer", &arguments, &variables)?.end()?.expect(exit)?.output)
}

/// The start of the quarter of an hour that an event is in; `None` if it is none.
fn quarter_of(record: &LoggedRecord) -> Option<String> {
    let event: Value = serde_json::from_slice(record.payload.as_deref()?).ok()?;
    let time = DateTime::parse_from_rfc3339(event["timestamp"].as_str()?).ok()?.naive_utc();
    let start = time.duration_trunc(TimeDelta::minutes(15)).ok()?;
    Some(start.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

/// Where the first record stands, of a partition and behind some others, that is an event, or is none.
fn place(records: &[LoggedRecord], partition: i32, is_event: bool) -> Result<usize> {
    let is_it = |record: &LoggedRecord| {
        record.partition == partition
            && record.offset > 1_000
            && quarter_of(record).is_some() == is_event
    };
    records.iter().position(is_it).context("no such record")
}

#[test]
fn what_a_copy_of_a_topic_lacks_or_has_twice_is_named() -> Result<()> {
    let site = Pipeline::new(PARTITIONS)?;
    let records = Scatter::new(91, PARTITIONS, instant("2025-11-09T12:00:00Z")).take(RECORDS);
    site.topic.sender(&[])?.send(&records)?;
    site.drain()?;
    let mut records = site.topic.records()?;

    let whole = counted_copy(&site, &records)?;
    let said = compare(&site, &whole, &[], 0)?;
    ensure!(said.starts_with("equal: ") && said.contains("partitions 0, 1, 2;"), "{said}");
    let equal: Value = serde_json::from_str(&compare(&site, &whole, &["--json"], 0)?)?;
    let events = equal["events"]["theirs"].as_u64().unwrap_or_default();
    ensure!(
        events > 15_000 && equal["quarters"].as_u64() > Some(5),
        "hardly anything was compared: {equal}"
    );
    ensure!(equal["dead_letters"]["ours"].as_u64() > Some(100), "no dead letters: {equal}");

    let (left_out, doubled) = (place(&records, 0, true)?, place(&records, 1, true)?);
    let letter = place(&records, 2, false)?;
    let [left_out_at, doubled_at] = [left_out, doubled].map(|index| quarter_of(&records[index]));
    let twice = records[doubled].clone();
    let mut places = [(left_out, None), (doubled, Some(twice)), (letter, None)];
    // From the end, so that the others stay where they are.
    places.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
    for (index, twice) in places {
        match twice {
            Some(record) => records.insert(index, record),
            None => drop(records.remove(index)),
        }
    }
    let damaged = counted_copy(&site, &records)?;
    let found: Value = serde_json::from_str(&compare(&site, &damaged, &["--json"], 1)?)?;
    let listed = found["differences"].as_array().context("no list")?;
    // (what, quarter, partition, how many more the copy has)
    let mut named: Vec<(Value, Value, Value, i64)> = listed
        .iter()
        .map(|one| {
            let number = |name: &str| one[name].as_i64().unwrap_or_default();
            let more = number("ours") - number("theirs");
            (one["what"].clone(), one["quarter_start"].clone(), one["partition"].clone(), more)
        })
        .collect();
    named.sort_by_key(|(.., partition, _)| partition.as_i64());
    let expected = [
        (json!("quarter"), json!(left_out_at), json!(0), -1),
        (json!("quarter"), json!(doubled_at), json!(1), 1),
        (json!("dead_letters"), Value::Null, json!(2), -1),
    ];
    ensure!(named == expected, "{found}");
    let said = compare(&site, &damaged, &[], 1)?;
    ensure!(said.contains("1 skipped") && said.contains("1 doubled"), "{said}");
    Ok(())
}

#[test]
fn a_comparison_of_nothing_fails_and_says_why() -> Result<()> {
    let site = Pipeline::new(1)?;
    let records = Scatter::new(92, 1, instant("2025-11-09T12:00:00Z")).take(100);
    site.topic.sender(&[])?.send(&records)?;
    site.drain()?;
    let itself = ["compare", "--topic", site.topic.name()];
    let variables = [("COMPARE_WITH", site.database.url())];
    let ended = site.start_with("streamer", &itself, &variables)?.end()?.expect(1)?;
    ensure!(ended.log.contains("--with names this database itself"), "{}", ended.log);
    let copy = counted_copy(&site, &site.topic.records()?)?;
    let arguments = ["compare", "--topic", "nowhere", "--with-topic", site.topic.name()];
    let ended = copy.start_with("streamer", &arguments, &variables)?.end()?.expect(1)?;
    ensure!(ended.log.contains("this database knows no topic nowhere"), "{}", ended.log);
    Ok(())
}
