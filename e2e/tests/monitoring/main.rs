//! What an operator sees: metrics, the streamer's own page, alerts and dashboards, each with the real
//! tools. Prometheus and Alertmanager are Debian's (`.ci/prometheus` fetches them), the browser is a
//! headless Chromium with its chromedriver. A tool that is missing fails the test and says so.

mod alerting;
mod anomalies;
mod browser;
mod dashboards;
mod page;
mod page_day;
mod scrape;
mod tools;

use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use e2e::{Pipeline, RawRecord, Running, WAIT_TIMEOUT, event};
use sandbox::wait_until;
use serde_json::json;

/// Flush often, so that a test has something to wait for, and serve on a free port.
const SERVED: &[&str] = &["--flush-interval", "200ms", "--metrics-addr", "127.0.0.1:0"];
/// A server on this host answers within this time, or not at all.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Who makes all calls of [`traffic`], and a rule that this meets: 64 calls, so 25 hits.
const CALLER: &str = "00000000000000aa";
const RULE: &str = r#"
[[rules]]
name = "many_calls"
version = 1
mode = "live"
within = "1h"
conditions = [{ kind = "count", where = { event_type = "call" }, at_least = 40 }]
"#;

/// A client that takes every status for an answer.
fn client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(ANSWER_TIMEOUT))
        .build()
        .new_agent()
}

/// What is answered at this address: status and body.
fn get(url: &str) -> Result<(u16, String)> {
    let mut answer = client().get(url).call().with_context(|| url.to_owned())?;
    let body = answer.body_mut().read_to_string()?;
    Ok((answer.status().as_u16(), body))
}

/// Where a program serves its metrics: `http://127.0.0.1:PORT`. Its log says so.
fn served_at(program: &Running) -> Result<String> {
    let mark = "metrics are served url=";
    program.wait_for_log(mark)?;
    let log = program.log();
    let (_, rest) = log.split_once(mark).context("just seen")?;
    let (address, _) = rest.split_once("/metrics").context("the address ends so")?;
    Ok(address.to_owned())
}

/// Waits until a scrape has this sample: its name and labels as printed, and its value.
fn wait_for_sample(address: &str, sample: &str, value: f64) -> Result<()> {
    let mut last = String::new();
    wait_until(&format!("{sample} {value}"), WAIT_TIMEOUT, || {
        last = get(&format!("{address}/metrics")).map(|(_, text)| text).unwrap_or_default();
        sample_value(&last, sample) == Some(value)
    })
    .with_context(|| last)
}

fn sample_value(text: &str, sample: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
    line.parse().ok()
}

/// What the tests here count: on time, late and dead records in two partitions. All that is on time
/// happened at one instant, so that it belongs to one day whenever the test runs.
struct Traffic {
    at: DateTime<Utc>,
    records: Vec<RawRecord>,
    on_time: i64,
    late: i64,
    dead: i64,
}

/// Events of this instant, a late one and two dead ones.
fn traffic(now: DateTime<Utc>) -> Traffic {
    let mut records = Vec::new();
    for (region, event_type, count) in [
        ("Almaty", "call", 41),
        ("Almaty", "data_session", 7),
        ("Astana", "call", 23),
        ("Шымкент <b>", "sms", 5),
    ] {
        let mut more = json!({"duration_seconds": 60, "data_mb": 0.5, "amount": 2});
        if event_type == "call" {
            more["subscriber_id"] = json!(CALLER);
        }
        let payload = event(event_type, region, now, more);
        records.extend(vec![RawRecord::of(0, payload); count]);
    }
    let on_time = records.len() as i64;
    let at = now - chrono::TimeDelta::minutes(30);
    records.push(RawRecord::of(0, event("call", "Almaty", at, json!({}))));
    records.push(RawRecord::of(1, "not json"));
    records.push(RawRecord::of(1, "[]"));
    Traffic { at: now, records, on_time, late: 1, dead: 2 }
}

/// A pipeline whose streamer has counted such traffic by a rule, which was blind once, and serves it; with where it does.
fn served_pipeline() -> Result<(Pipeline, Traffic, Running, String)> {
    let mut pipeline = Pipeline::new(2)?;
    let folder = tempfile::tempdir()?;
    let rules = folder.path().join("rules.toml");
    std::fs::write(&rules, RULE)?;
    pipeline.run("streamer", &["migrate"])?.expect(0)?;
    pipeline.run("streamer", &["rules", "apply", &rules.to_string_lossy()])?.expect(0)?;
    pipeline.database.execute(
        "INSERT INTO pattern_gaps (topic, generation, partition, from_offset, reason)
         VALUES ('another', 0, 0, 7, 'retention')",
    )?;
    let traffic = traffic(Utc::now());
    pipeline.topic.sender(&[])?.send(&traffic.records)?;
    // Some of these are stopped and started again at the same address: an ephemeral port may have gone by then.
    let listen = sandbox::free_address()?;
    let flags = ["--flush-interval", "200ms", "--metrics-addr", &listen];
    let streamer = pipeline.start("streamer", &flags)?;
    let address = served_at(&streamer)?;
    pipeline.wait_until_caught_up()?;
    Ok((pipeline, traffic, streamer, address))
}
