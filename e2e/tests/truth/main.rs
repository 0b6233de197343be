//! The generator says what must come out, before anything has read what it sent: `producer --truth` →
//! Kafka → streamer → tables that equal it. And with one rule that differs, they must not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::{Database, Pipeline};
use serde_json::Value;
use sqlx::Row;

const PARTITIONS: i32 = 3;

/// Everything that the generator can do wrong on purpose.
const SCENARIO: &str = r#"
extends = "kazakhstan"
subscribers = 5_000
base_rate = 8
[faults]
late = { share = 0.03, seconds = [130, 3_600] }
out_of_order = { share = 0.05, seconds = [1, 100] }
duplicate = { share = 0.01, seconds = [0, 600] }
malformed = { share = 0.02 }
skewed_clocks = { share = 0.02, seconds = [-900, 240] }
silent_regions = [{ region = "Almaty", from = "2025-11-09T12:10:00Z", to = "2025-11-09T12:20:00Z" }]
silent_partitions = [{ partition = 1, from = "2025-11-09T12:30:00Z", to = "2025-11-09T12:40:00Z" }]
[[anomalies]]
name = "match"
region = "Astana"
event_type = "call"
from = "2025-11-09T12:45:00Z"
to = "2025-11-09T13:00:00Z"
magnitude = 6
[[anomalies]]
name = "outage"
region = "Shymkent"
from = "2025-11-09T12:50:00Z"
to = "2025-11-09T13:05:00Z"
magnitude = 0.1
"#;

/// The day of all events.
const DAY: &str = "2025-11-09";

/// Rows as text, by key as text.
type Rows = BTreeMap<String, String>;

/// "type region" → different subscribers of the day.
type Subscribers = BTreeMap<String, i64>;

/// What the generator says.
struct Truth {
    tables: Tables,
    subscribers: Subscribers,
}

/// The tables that are compared.
#[derive(Debug, PartialEq)]
struct Tables {
    on_time: Rows,
    late: Rows,
    dead: Rows,
    partitions: Rows,
}

/// Sends the scenario and returns what it must come to.
fn send(pipeline: &Pipeline) -> Result<Truth> {
    let folder = tempfile::tempdir()?;
    let (scenario, truth) = (folder.path().join("faulty.toml"), folder.path().join("truth.ndjson"));
    fs::write(&scenario, SCENARIO)?;
    let range = ["--seed", "3", "--from", "2025-11-09T12:00:00Z", "--to", "2025-11-09T13:30:00Z"];
    let mut arguments = range.to_vec();
    let text = |path: &Path| path.to_str().context("a path that is text").map(str::to_owned);
    let (scenario, truth_file) = (text(&scenario)?, text(&truth)?);
    arguments.extend(["--scenario", &scenario, "--truth", &truth_file]);
    pipeline.run("producer", &arguments)?.expect(0)?;
    read_truth(&fs::read_to_string(&truth)?)
}

fn read_truth(text: &str) -> Result<Truth> {
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(lines.last().is_some_and(|line| line["kind"] == "end"), "the truth has no end");
    let (mut on_time, mut late, mut partitions) = (Rows::new(), Rows::new(), Rows::new());
    let mut dead: BTreeMap<String, u64> = BTreeMap::new();
    let mut subscribers = Subscribers::new();
    for line in &lines {
        let text = |field: &str| line[field].as_str().unwrap_or_default();
        match text("kind") {
            "window" => {
                for (field, rows) in [("on_time", &mut on_time), ("late", &mut late)] {
                    let sums = &line[field];
                    if sums["events"] != 0 {
                        let key = [text("start"), text("event_type"), text("region")].join(" ");
                        let row = format!(
                            "{} events, {} s, {} MB, {} tenge",
                            sums["events"],
                            sums["seconds"],
                            sums["data_mb"].as_str().unwrap_or_default(),
                            sums["amount"]
                        );
                        rows.insert(key, row);
                    }
                }
            }
            "dead" => {
                *dead.entry(text("reason").to_owned()).or_default() +=
                    line["count"].as_u64().context("a count")?;
            }
            // daily_stats has no row over all types and all regions.
            "day" if text("event_type") != "ALL" => {
                ensure!(text("date") == DAY, "an event of another day: {line}");
                let key = [text("event_type"), text("region")].join(" ");
                subscribers.insert(key, line["subscribers"].as_i64().context("a number")?);
            }
            "partition" => {
                let row = format!(
                    "{} on time, {} late, {} dead, last event at {}",
                    line["on_time"],
                    line["late"],
                    line["dead"],
                    text("max_event_time")
                );
                partitions.insert(line["partition"].to_string(), row);
            }
            _ => {}
        }
    }
    let dead = dead.into_iter().map(|(reason, count)| (reason, count.to_string())).collect();
    Ok(Truth { tables: Tables { on_time, late, dead, partitions }, subscribers })
}

const INSTANT: &str = r#"'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"#;

fn read_tables(database: &mut Database) -> Result<Tables> {
    let metrics = |table: &str| {
        format!(
            "SELECT to_char(window_start, {INSTANT}) || ' ' || event_type || ' ' || region,
                    event_count || ' events, ' || total_duration || ' s, '
                    || round(exact_data_mb, 2) || ' MB, ' || round(exact_amount) || ' tenge'
             FROM {table}"
        )
    };
    let partitions = format!(
        "SELECT partition::text,
                on_time || ' on time, ' || late || ' late, ' || dead || ' dead, last event at '
                || to_char(max_event_time, {INSTANT})
         FROM stream_progress"
    );
    let dead = "SELECT reason, count(*)::text FROM dead_letters GROUP BY reason";
    Ok(Tables {
        on_time: rows(database, &metrics("real_time_metrics"))?,
        late: rows(database, &metrics("late_metrics"))?,
        dead: rows(database, dead)?,
        partitions: rows(database, &partitions)?,
    })
}

fn rows(database: &mut Database, query: &str) -> Result<Rows> {
    Ok(database.rows(query)?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What the day's statistics say. The truth has no line for the busiest region over all types.
fn read_subscribers(database: &mut Database) -> Result<BTreeMap<String, Option<i64>>> {
    let query = format!(
        "SELECT event_type || ' ' || region, distinct_subscribers FROM daily_stats
         WHERE date = '{DAY}' AND event_type <> 'most_active'"
    );
    Ok(database.rows(&query)?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// A sketch counts so many subscribers exactly; of more it has an estimate with this standard error,
/// as a share of their number.
const EXACT_UP_TO: i64 = 384;
const STANDARD_ERROR: f64 = 0.0163;

/// Whether an estimate is as good as docs/contract.md promises: exact while there are few, then
/// within five times its standard error, which only one estimate in two million exceeds.
fn is_estimate_of(subscribers: i64, estimate: i64) -> bool {
    let allowed = match subscribers {
        0..=EXACT_UP_TO => 0.0,
        many => 5.0 * STANDARD_ERROR * many as f64,
    };
    (estimate - subscribers).abs() as f64 <= allowed
}

/// The first few keys whose rows differ.
fn differences(expected: &Rows, found: &Rows) -> Vec<String> {
    let keys = expected.keys().chain(found.keys());
    let differ = keys
        .filter(|key| expected.get(*key) != found.get(*key))
        .map(|key| format!("{key}: expected {:?}, found {:?}", expected.get(key), found.get(key)));
    differ.take(10).collect()
}

#[test]
fn the_tables_equal_the_truth() -> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let Truth { tables: truth, subscribers } = send(&pipeline)?;
    assert!(truth.on_time.len() > 2_000 && truth.late.len() > 200, "{truth:?}");
    assert_eq!(truth.dead.len(), 20, "every reason of a dead letter: {:?}", truth.dead);
    pipeline.drain()?;
    let found = read_tables(&mut pipeline.database)?;
    for (name, expected, found) in [
        ("real_time_metrics", &truth.on_time, &found.on_time),
        ("late_metrics", &truth.late, &found.late),
        ("dead_letters", &truth.dead, &found.dead),
        ("stream_progress", &truth.partitions, &found.partitions),
    ] {
        let differences = differences(expected, found);
        assert!(differences.is_empty(), "{name}:\n{}", differences.join("\n"));
    }
    expect_subscribers(&mut pipeline, &subscribers)?;
    pipeline.verify()
}

/// Computes the day, and fails unless every row has the truth's subscribers.
fn expect_subscribers(pipeline: &mut Pipeline, expected: &Subscribers) -> Result<()> {
    pipeline.run("batcher", &[DAY])?.expect(0)?;
    let found = read_subscribers(&mut pipeline.database)?;
    assert!(found.keys().eq(expected.keys()), "{found:?} and {expected:?}");
    // Both sides of the boundary between exact and estimated are met.
    let few = expected.values().filter(|number| **number <= EXACT_UP_TO).count();
    assert!(few > 40 && expected.len() - few > 2, "{few} of {}: {expected:?}", expected.len());
    for (key, expected) in expected {
        let found = found[key];
        let agrees = found.is_some_and(|estimate| is_estimate_of(*expected, estimate));
        assert!(agrees, "{key}: {expected} subscribers, {found:?} found");
    }
    pipeline.run("batcher", &["validate", DAY])?.expect(0)?;
    Ok(())
}

#[test]
fn a_streamer_with_another_rule_disagrees_with_the_truth() -> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let Truth { tables: truth, .. } = send(&pipeline)?;
    // The truth closes windows two minutes after the highest event time.
    pipeline.run("streamer", &["--drain", "--watermark-delay", "110s"])?.expect(0)?;
    let found = read_tables(&mut pipeline.database)?;
    assert!(!differences(&truth.on_time, &found.on_time).is_empty());
    assert!(!differences(&truth.late, &found.late).is_empty());
    assert!(!differences(&truth.partitions, &found.partitions).is_empty());
    // What can't be used doesn't depend on it.
    assert_eq!(differences(&truth.dead, &found.dead), Vec::<String>::new());
    Ok(())
}
