//! `rules backtest` over a log that a streamer has counted: what it finds is what the streamer stored, or what a naive recount finds.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, NaiveDateTime};
use e2e::{Pipeline, RawRecord};
use serde_json::Value;

use super::recount::{self, AlertKey, Found};
use super::{Busy, PARTITIONS, apply, rules, rules_file, stored_alerts};

const RECORDS: usize = 9_000;
const BEFORE: &str = "2025-11-08";

#[test]
fn a_backtest_finds_what_a_streamer_has_stored_and_stores_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.run("streamer", &["migrate"])?.expect(0)?;
    let first = rules_file(1, folder.path())?.to_string_lossy().into_owned();
    // Nothing was counted yet.
    let nothing = pipeline.run("streamer", &["rules", "backtest", &first, "--from", BEFORE])?;
    ensure!(nothing.expect(1)?.log.contains("a backtest judges what a streamer has counted"));
    apply(&pipeline, 1, folder.path())?;
    let mut records = Busy::new(23).take(RECORDS);
    for place in (0..RECORDS).step_by(301) {
        records.insert(place, RawRecord::of(0, "no event"));
    }
    pipeline.topic.sender(&[])?.send(&records)?;
    pipeline.drain()?;
    let stored = stored_alerts(&mut pipeline)?;
    ensure!(stored.len() > 100, "{} alerts are few", stored.len());

    let found = backtest(&pipeline, &[&first, "--from", BEFORE])?;
    expect_same(&found, &stored)?;
    // A file that was never on, over a part of the time that begins and ends within buckets.
    let second = rules_file(2, folder.path())?.to_string_lossy().into_owned();
    let (from, to) = ("2025-11-09T00:50:30Z", "2025-11-09T01:20:10Z");
    let found = backtest(&pipeline, &[&second, "--from", from, "--to", to])?;
    let moments = moment(from)?..moment(to)?;
    let log = pipeline.topic.records()?;
    let mut expected = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let all = 0..i64::MAX;
        expected.extend(recount::recount(&log, partition, &rules(2), all, &moments));
    }
    ensure!(expected.len() > 10, "{} alerts are few", expected.len());
    expect_same(&found, &expected)?;

    let told =
        pipeline.run("streamer", &["rules", "backtest", &first, "--from", BEFORE])?.expect(0)?;
    for part in ["nothing is stored", "calls", "at least 6", "µs an event"] {
        ensure!(told.output.contains(part), "no {part:?} in\n{}", told.output);
    }
    ensure!(stored_alerts(&mut pipeline)? == stored, "a backtest has changed alerts");

    expect_losses_told(&mut pipeline, &first, &stored)
}

/// A log that has lost its first records, and one that is not what was counted.
fn expect_losses_told(
    pipeline: &mut Pipeline,
    file: &str,
    stored: &BTreeMap<AlertKey, Found>,
) -> Result<()> {
    pipeline.topic.delete_before(1, 500)?;
    let found = backtest(pipeline, &[file, "--from", BEFORE])?;
    ensure!(found.len() < stored.len());
    for (key, alert) in &found {
        let whole = stored.get(key).with_context(|| format!("made up: {key:?}"))?;
        ensure!(alert.hits <= whole.hits, "{key:?}: {alert:?} and {whole:?}");
        ensure!(key.0 == 1 || alert == whole, "{key:?}: {alert:?} and {whole:?}");
    }
    let told =
        pipeline.run("streamer", &["rules", "backtest", file, "--from", BEFORE])?.expect(0)?;
    ensure!(told.output.contains("something may have been missed until"), "{}", told.output);

    pipeline.database.execute(
        r#"UPDATE log_marks SET on_time = on_time + 1 WHERE partition = 2 AND "offset" > 0"#,
    )?;
    let told =
        pipeline.run("streamer", &["rules", "backtest", file, "--from", BEFORE])?.expect(1)?;
    ensure!(told.output.contains("the log does not hold what was counted"), "{}", told.output);
    let told =
        pipeline.run("streamer", &["rules", "backtest", file, "--from", BEFORE, "--json"])?;
    let found = alerts_of(&told.expect(1)?.output)?;
    ensure!(!found.is_empty() && found.keys().all(|key| key.0 != 2), "judged all the same");
    Ok(())
}

fn backtest(pipeline: &Pipeline, arguments: &[&str]) -> Result<BTreeMap<AlertKey, Found>> {
    let arguments = [&["rules", "backtest", "--json"][..], arguments].concat();
    alerts_of(&pipeline.run("streamer", &arguments)?.expect(0)?.output)
}

fn expect_same(
    found: &BTreeMap<AlertKey, Found>,
    expected: &BTreeMap<AlertKey, Found>,
) -> Result<()> {
    for (key, alert) in found {
        ensure!(expected.get(key) == Some(alert), "{key:?}: {alert:?} and {:?}", expected.get(key));
    }
    let missing = expected.keys().find(|key| !found.contains_key(key));
    ensure!(missing.is_none(), "missing: {missing:?}");
    Ok(())
}

fn alerts_of(lines: &str) -> Result<BTreeMap<AlertKey, Found>> {
    lines.lines().map(alert_of).collect()
}

fn alert_of(line: &str) -> Result<(AlertKey, Found)> {
    let fields: Value = serde_json::from_str(line)?;
    let number = |name: &str| fields[name].as_i64().with_context(|| format!("{name} of {line}"));
    let text = |name: &str| fields[name].as_str().with_context(|| format!("{name} of {line}"));
    let key = (
        i32::try_from(number("partition")?)?,
        text("rule")?.to_owned(),
        i32::try_from(number("version")?)?,
        text("subscriber_id")?.to_owned(),
        moment(text("bucket_start")?)?,
    );
    let offsets = fields["offsets"].as_array().context("offsets")?;
    let found = Found {
        hits: number("hits")?,
        window: (moment(text("window_start")?)?, moment(text("window_end")?)?),
        value: fields["measures"][0][0].as_f64().context("a measure")? as i64,
        offsets: offsets.iter().filter_map(Value::as_i64).collect(),
    };
    Ok((key, found))
}

fn moment(text: &str) -> Result<NaiveDateTime> {
    Ok(DateTime::parse_from_rfc3339(text)?.naive_utc())
}
