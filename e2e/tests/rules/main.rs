//! Rules on real services: whatever happens to the streamers, the alerts are those of a naive recount of the log, no hit twice, none missing
//! (I-10), and whoever follows them gets each one.

mod backtest;
mod follower;
mod recount;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use e2e::{Pipeline, RawRecord, SLOW_READER, Tally, WAIT_TIMEOUT, event, volume};
use sandbox::wait_until;
use serde_json::json;
use sqlx::Row;

use follower::Follower;
use recount::{AlertKey, Found, Kind, Rule};

const PARTITIONS: i32 = 3;
/// What waits for the first life, and what is added for each: about as much as a life reads.
const FIRST_RECORDS: usize = 6_000;
const RECORDS_A_LIFE: usize = 900;
const SUBSCRIBERS: u64 = 24;

/// A set of rules, as a file and for the recount.
fn rules(version: i32) -> Vec<Rule> {
    let calls = 5 + i64::from(version);
    vec![
        Rule {
            name: "calls",
            version,
            within_seconds: 300,
            bucket_seconds: 3_600,
            kind: Kind::Calls,
            at_least: calls,
        },
        Rule {
            name: "people",
            version,
            within_seconds: 600,
            bucket_seconds: 900,
            kind: Kind::PeopleWrittenTo,
            at_least: 4,
        },
        Rule {
            name: "back",
            version,
            within_seconds: 300,
            bucket_seconds: 600,
            kind: Kind::CalledBack,
            at_least: 1,
        },
    ]
}

fn rules_file(version: i32, folder: &std::path::Path) -> Result<PathBuf> {
    let text = format!(
        r#"
[[rules]]
name = "calls"
version = {version}
mode = "live"
within = "5m"
bucket = "1h"
conditions = [{{ kind = "count", where = {{ event_type = "call" }}, at_least = {} }}]

[[rules]]
name = "people"
version = {version}
mode = "live"
within = "10m"
bucket = "15m"
conditions = [{{ kind = "distinct", of = "counterparty_id", where = {{ event_type = "sms", event_subtype = "outgoing" }}, at_least = 4 }}]

[[rules]]
name = "back"
version = {version}
mode = "shadow"
within = "5m"
bucket = "10m"
conditions = [{{ kind = "sequence", same_counterparty = true, first = {{ event_type = "call", event_subtype = "incoming", duration_at_most = 3 }}, then = {{ event_type = "call", event_subtype = "outgoing" }} }}]
"#,
        5 + version
    );
    let path = folder.join(format!("rules-{version}.toml"));
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Events of a few people who are busy: out of order, some late, some twice with the same `event_id`, some of nobody.
struct Busy {
    dice: Dice,
    clock: DateTime<Utc>,
}

impl Busy {
    fn new(seed: u64) -> Busy {
        Busy { dice: Dice(seed), clock: "2025-11-09T00:00:00Z".parse().expect("an instant") }
    }

    fn take(&mut self, count: usize) -> Vec<RawRecord> {
        (0..count).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> RawRecord {
        let dice = &mut self.dice;
        self.clock += TimeDelta::milliseconds(dice.below(1_500) as i64);
        let behind = if dice.below(8) == 0 { dice.below(300_000) } else { dice.below(20_000) };
        let who = dice.below(SUBSCRIBERS);
        let kind = ["call", "call", "sms", "data_session"][dice.below(4) as usize];
        let direction = ["incoming", "outgoing"][dice.below(2) as usize];
        let more = json!({
            "subscriber_id": (who > 0).then(|| format!("{who:016x}")),
            "counterparty_id": format!("{:016x}", 1_000 + dice.below(9)),
            "event_subtype": (kind != "data_session").then_some(direction),
            "duration_seconds": dice.below(8),
            "event_id": (dice.below(3) > 0).then(|| format!("e{}", dice.below(60))),
        });
        let time = self.clock - TimeDelta::milliseconds(behind as i64);
        let payload = event(kind, "Almaty", time, more);
        RawRecord::of((who % PARTITIONS.unsigned_abs() as u64) as i32, payload)
    }
}

/// From where on each set was put on, by version and partition.
fn spans(pipeline: &mut Pipeline) -> Result<BTreeMap<(i32, i32), i64>> {
    let rows = pipeline.database.rows(
        "SELECT DISTINCT version, partition, from_offset FROM rule_spans ORDER BY version, partition",
    )?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

fn stored_alerts(pipeline: &mut Pipeline) -> Result<BTreeMap<AlertKey, Found>> {
    let rows = pipeline.database.rows(
        "SELECT partition, rule, version, subscriber_id, bucket_start, hits, window_start, window_end,
                (measures -> 0 ->> 0)::float8, offsets FROM persons.alerts",
    )?;
    let alert = |row: &sqlx::postgres::PgRow| {
        let key = (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
        let found = Found {
            hits: row.get(5),
            window: (row.get(6), row.get(7)),
            value: row.get::<f64, _>(8) as i64,
            offsets: row.get(9),
        };
        (key, found)
    };
    Ok(rows.iter().map(alert).collect())
}

/// Fails unless the alerts are those of the recount.
fn expect_recounted(pipeline: &mut Pipeline, versions: &[i32]) -> Result<usize> {
    let records = pipeline.topic.records()?;
    let began = spans(pipeline)?;
    let always = NaiveDateTime::MIN..NaiveDateTime::MAX;
    let mut expected = BTreeMap::new();
    for (place, &version) in versions.iter().enumerate() {
        let from = |partition| began.get(&(version, partition)).copied().unwrap_or(0);
        let to = |partition| match versions.get(place + 1) {
            Some(next) => began.get(&(*next, partition)).copied().unwrap_or(0),
            None => i64::MAX,
        };
        for partition in 0..PARTITIONS {
            let judged = from(partition)..to(partition);
            expected.extend(recount::recount(
                &records,
                partition,
                &rules(version),
                judged,
                &always,
            ));
        }
    }
    let stored = stored_alerts(pipeline)?;
    for (key, found) in &stored {
        ensure!(expected.contains_key(key), "made up: {key:?} {found:?}");
    }
    for (key, found) in &expected {
        ensure!(
            stored.get(key) == Some(found),
            "{key:?}: {:?} instead of {found:?}",
            stored.get(key)
        );
    }
    let gaps = pipeline.database.number("SELECT count(*) FROM pattern_gaps")?;
    ensure!(gaps == 0, "{gaps} gaps");
    Ok(expected.len())
}

/// Puts a set on.
fn apply(pipeline: &Pipeline, version: i32, folder: &std::path::Path) -> Result<()> {
    let file = rules_file(version, folder)?;
    let file = file.to_string_lossy();
    pipeline.run("streamer", &["rules", "apply", &file])?.expect(0)?;
    Ok(())
}

#[test]
fn killed_again_and_again_no_alert_is_made_twice_and_none_is_missing() -> Result<()> {
    let mut tally = Tally::of("streamer with rules: kill -9, one change of the rules");
    let kills = volume("RULES_KILLS", 8, 50);
    let folder = tempfile::tempdir()?;
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.run("streamer", &["migrate"])?.expect(0)?;
    apply(&pipeline, 1, folder.path())?;
    let (mut busy, mut sender) = (Busy::new(11), pipeline.topic.sender(&[])?);
    sender.send(&busy.take(FIRST_RECORDS))?;
    let follower = Follower::start(pipeline.database.url());
    for life in 0..kills {
        sender.send(&busy.take(RECORDS_A_LIFE))?;
        let before = pipeline.database.progress();
        if life == kills / 2 {
            apply(&pipeline, 2, folder.path())?;
        }
        let group = format!("{}-{life}", pipeline.topic.name());
        let variables = [("KAFKA_GROUP_ID", group.as_str()), ("KAFKA_PROPERTIES", SLOW_READER)];
        let streamer =
            pipeline.start_with("streamer", &["--flush-interval", "20ms"], &variables)?;
        pipeline.wait_for_progress_from(before)?;
        tally.inject(1);
        streamer.kill()?;
        // It died in the middle of its work, not after it.
        let is_hit = pipeline.database.progress() < pipeline.topic.end()?;
        tally.observe(usize::from(is_hit));
    }
    ensure!(
        tally.observed() > kills / 2,
        "{} of {kills} lives died before they had read the whole backlog: too few",
        tally.observed()
    );
    pipeline.drain()?;
    pipeline.expect_recomputed()?;
    let alerts = expect_recounted(&mut pipeline, &[1, 2])?;
    ensure!(alerts > 100, "{alerts} alerts are few");
    let ids = pipeline.database.rows("SELECT id FROM persons.alerts ORDER BY id")?;
    let ids: Vec<i64> = ids.iter().map(|row| row.get(0)).collect();
    ensure!(follower.stop_after(&ids)? == ids, "the follower missed some");
    tally.end(&format!("{alerts} alerts recomputed, each followed once"))
}

/// How long a flush may be put off: whatever is stored in this test is stored earlier.
const FLUSHES_NEVER: &[&str] = &["--flush-interval", "1h"];

#[test]
fn an_alert_that_somebody_may_act_upon_does_not_wait_for_the_next_flush() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.run("streamer", &["migrate"])?.expect(0)?;
    apply(&pipeline, 1, folder.path())?;
    let streamer = pipeline.start("streamer", FLUSHES_NEVER)?;
    pipeline.topic.sender(&[])?.send(&Busy::new(5).take(FIRST_RECORDS))?;
    let live = "SELECT count(*) FROM persons.alerts WHERE mode = 'live'";
    wait_until("an alert is stored", WAIT_TIMEOUT, || {
        pipeline.database.number(live).unwrap_or_default() > 0
    })?;
    streamer.kill()
}
