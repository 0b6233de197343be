//! Unusual traffic, from the generator's spike to the page: events of three former weeks and of a Monday
//! with a spike and a silence go through Kafka and the streamer; the detector opens, follows and closes one
//! incident for each, whatever kills it on the way.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::{Ended, Pipeline, WAIT_TIMEOUT, WITH_FAIL_POINTS};
use sandbox::wait_until;
use serde_json::Value;
use sqlx::Row;

use super::browser::Browser;
use super::{SERVED, get, served_at, wait_for_sample};

/// The spike is 4×, the silence total. 14:30 in Almaty, an hour of the usual rate.
const SCENARIO: &str = r#"
extends = "default"
base_rate = 4.0
subscribers = 2000
regions = [
    { name = "Almaty", weight = 3 }, { name = "Astana", weight = 2 }, { name = "Shymkent", weight = 1 },
]
[[anomalies]]
name = "final"
region = "Astana"
event_type = "call"
from = "2025-12-01T09:30:00Z"
to = "2025-12-01T10:10:00Z"
magnitude = 4
[[anomalies]]
name = "outage"
region = "Shymkent"
event_type = "data_session"
from = "2025-12-01T09:30:00Z"
to = "2025-12-01T10:00:00Z"
magnitude = 0
"#;
/// Three former Mondays, and the one that is judged.
const DAYS: [&str; 4] = ["2025-11-10", "2025-11-17", "2025-11-24", "2025-12-01"];
/// Where the detector can be ended.
const POINTS: [&str; 3] =
    ["detect-before-the-rows:abort", "detect-before-commit:abort", "detect-after-commit:abort"];

/// A pipeline that has counted all of it, and has never looked for anything unusual.
fn counted(folder: &Path) -> Result<Pipeline> {
    let pipeline = Pipeline::new(2)?;
    let scenario = folder.join("scenario.toml");
    std::fs::write(&scenario, SCENARIO)?;
    let scenario = scenario.to_str().context("a path of text")?;
    for day in DAYS {
        let (from, to) = (format!("{day}T07:00:00Z"), format!("{day}T14:00:00Z"));
        let range = ["--seed", "5", "--from", &from, "--to", &to];
        pipeline.run("producer", &[&["--scenario", scenario][..], &range].concat())?.expect(0)?;
    }
    pipeline.drain()?;
    Ok(pipeline)
}

/// Lets the detector believe that no more comes before this moment of that Monday.
fn complete_through(pipeline: &mut Pipeline, time: &str) -> Result<()> {
    let sql = format!("UPDATE stream_progress SET complete_through = '2025-12-01 {time}'");
    pipeline.database.execute(&sql)
}

fn detect_once(pipeline: &Pipeline) -> Result<Ended> {
    pipeline.run("streamer", &["detect", "--once"])?.expect(0)
}

/// All incidents: what names them, from when to when, whether they go on.
fn incidents(pipeline: &mut Pipeline) -> Result<Vec<String>> {
    let rows = pipeline.database.rows(
        "SELECT concat_ws(' ', region, event_type, direction, first_window::time, opened_at::time, last_window::time,
                          closed_at::time, state, peak_observed, round(peak_expected::numeric, 6), calm_windows)
         FROM anomalies ORDER BY region, event_type, first_window",
    )?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Region, type, direction and state alone.
fn summary(pipeline: &mut Pipeline) -> Result<Vec<String>> {
    let rows = pipeline.database.rows(
        "SELECT concat_ws(' ', region, event_type, direction, state) FROM anomalies
         ORDER BY region, event_type, first_window",
    )?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[test]
fn a_spike_and_a_silence_are_each_one_incident_that_opens_goes_on_and_closes() -> Result<()> {
    let folder = super::tools::folder()?;
    let mut pipeline = counted(folder.path())?;
    complete_through(&mut pipeline, "09:30:59")?;
    let quiet = detect_once(&pipeline)?;
    ensure!(quiet.output.contains("nothing is unusual"), "{}", quiet.output);
    ensure!(summary(&mut pipeline)?.is_empty(), "{:?}", incidents(&mut pipeline)?);

    complete_through(&mut pipeline, "09:40")?;
    let opened = detect_once(&pipeline)?;
    ensure!(opened.output.contains("Astana"), "{}", opened.output);
    let both_open = ["Astana call high open", "Shymkent data_session low open"];
    ensure!(summary(&mut pipeline)? == both_open, "{:?}", incidents(&mut pipeline)?);
    // The worst count is what SQL sums up in one of its two windows.
    let is_counted = pipeline.database.number(
        "SELECT COUNT(*) FROM anomalies
         WHERE region = 'Astana' AND peak_observed IN (
             SELECT SUM(event_count) FROM real_time_metrics
             WHERE region = 'Astana' AND event_type = 'call'
               AND window_start >= '2025-12-01 09:30' AND window_start < '2025-12-01 09:40'
             GROUP BY date_bin('5 minutes', window_start, '2025-12-01'))",
    )?;
    ensure!(is_counted == 1, "{:?}", incidents(&mut pipeline)?);
    expect_shown(&mut pipeline)?;

    // The streamer that served the page has found nothing left to read: that was now, not that Monday.
    complete_through(&mut pipeline, "10:05")?;
    detect_once(&pipeline)?;
    ensure!(summary(&mut pipeline)? == both_open, "{:?}", incidents(&mut pipeline)?);
    complete_through(&mut pipeline, "13:30")?;
    detect_once(&pipeline)?;
    let both_closed = ["Astana call high closed", "Shymkent data_session low closed"];
    ensure!(summary(&mut pipeline)? == both_closed, "{:?}", incidents(&mut pipeline)?);
    let spans = pipeline.database.rows(
        "SELECT first_window::time::text, opened_at::time::text, last_window::time::text FROM anomalies ORDER BY region",
    )?;
    for (row, last) in spans.iter().zip(["10:05:00", "09:55:00"]) {
        let found: [String; 3] = [0, 1, 2].map(|column| row.get(column));
        ensure!(found == ["09:30:00", "09:40:00", last], "{found:?}");
    }
    Ok(())
}

/// Metrics of a detector and of a streamer, and the streamer's page.
fn expect_shown(pipeline: &mut Pipeline) -> Result<()> {
    let sample = |region, of, direction| {
        format!(
            "pipeline_open_anomalies{{direction=\"{direction}\",event_type=\"{of}\",measure=\"events\",region=\"{region}\"}}"
        )
    };
    let both = [sample("Astana", "call", "high"), sample("Shymkent", "data_session", "low")];
    let detector = pipeline.start("streamer", &["detect", "--metrics-addr", "127.0.0.1:0"])?;
    let address = served_at(&detector)?;
    for sample in &both {
        wait_for_sample(&address, sample, 1.0)?;
    }
    let (status, _) = get(&format!("{address}/readyz"))?;
    ensure!(status == 200);
    detector.terminate()?;
    detector.end()?.expect(0)?;

    let streamer = pipeline.start("streamer", SERVED)?;
    let address = served_at(&streamer)?;
    for sample in &both {
        wait_for_sample(&address, sample, 1.0)?;
    }
    let (_, live) = get(&format!("{address}/live.json"))?;
    let live: Value = serde_json::from_str(&live)?;
    ensure!(live["detection"]["open"].as_array().map(Vec::len) == Some(2), "{}", live["detection"]);
    let browser = Browser::open(1100, 1000, "light")?;
    browser.go_to(&address)?;
    browser.wait_for(
        "both incidents are shown",
        "return document.querySelectorAll('#anomalies li').length === 2",
    )?;
    let shown = browser.text("anomalies")?;
    ensure!(shown.contains("Astana, call: unusually high since 2025-12-01 09:30 UTC"), "{shown}");
    let known = browser.text("detection")?;
    ensure!(known.starts_with("Judged through 2025-12-01 09:40 UTC: "), "{known}");
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    Ok(())
}

#[test]
fn a_detector_that_is_killed_anywhere_goes_on_where_the_rows_are() -> Result<()> {
    let folder = super::tools::folder()?;
    let mut pipeline = counted(folder.path())?;
    let moments = ["09:00", "09:40", "10:00", "11:00"];
    for moment in moments {
        complete_through(&mut pipeline, moment)?;
        detect_once(&pipeline)?;
    }
    let expected = incidents(&mut pipeline)?;
    ensure!(expected.len() == 2, "{expected:?}");

    pipeline.database.execute(
        "DELETE FROM anomalies; DELETE FROM detector_progress; DELETE FROM detector_notes",
    )?;
    for moment in moments {
        complete_through(&mut pipeline, moment)?;
        for point in POINTS {
            let with = [("FAIL_POINT", point)];
            let killed =
                pipeline.start_with(WITH_FAIL_POINTS, &["detect", "--once"], &with)?.end()?;
            // After a pass that was committed there may be nothing left to be killed at but that.
            ensure!(killed.code.is_none(), "{moment} {point}: {:?} {}", killed.code, killed.log);
        }
        detect_once(&pipeline)?;
    }
    ensure!(incidents(&mut pipeline)? == expected, "{:?}", incidents(&mut pipeline)?);

    // Two that run on, killed with SIGKILL in turns while moments pass.
    pipeline.database.execute(
        "DELETE FROM anomalies; DELETE FROM detector_progress; DELETE FROM detector_notes",
    )?;
    for moment in moments {
        complete_through(&mut pipeline, moment)?;
        let flags = ["detect", "--detect-interval", "100ms"];
        let first = pipeline.start("streamer", &flags)?;
        let second = pipeline.start("streamer", &flags)?;
        first.kill()?;
        let judged = format!(
            "SELECT COUNT(*) FROM detector_progress WHERE judged_through = '2025-12-01 {moment}'"
        );
        wait_until("the other one has judged it", WAIT_TIMEOUT, || {
            pipeline.database.number(&judged).is_ok_and(|rows| rows == 1)
        })?;
        second.kill()?;
    }
    ensure!(incidents(&mut pipeline)? == expected, "{:?}", incidents(&mut pipeline)?);
    Ok(())
}

/// Takes the lock of a pass: `DETECTOR_LOCK` in crates/store.
const BE_ANOTHER_DETECTOR: &str = "SELECT pg_advisory_xact_lock(110386907276148)";

#[test]
fn a_detector_that_finds_another_one_at_work_still_stops_when_it_is_asked_to() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    pipeline.drain()?;
    let _other = pipeline.database.hold(BE_ANOTHER_DETECTOR)?;
    // Neither pass has taken place; only the one that was to be made once has failed for that.
    for (flags, code) in [(&["detect", "--once", "--wait", "1h"][..], 1), (&["detect"], 0)] {
        let detector = pipeline.start("streamer", flags)?;
        wait_until("it is connected", WAIT_TIMEOUT, || {
            let sessions = "SELECT COUNT(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'telecom-pipeline'";
            pipeline.database.number(sessions).is_ok_and(|count| count > 0)
        })?;
        detector.terminate()?;
        let ended = detector.end()?.expect(code)?;
        ensure!(ended.log.contains("stopping signal=SIGTERM"), "{}", ended.log);
    }
    Ok(())
}
