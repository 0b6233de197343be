//! Is the pipeline healthy, and how far are its figures complete? `streamer status` in each state
//! that it names, and `complete_through` as a real streamer moves it.

mod clocks;
mod completeness;
mod transactions;
mod verdicts;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use e2e::{Pipeline, RawRecord, event};
use serde_json::{Value, json};

/// Flush often, so that a test has something to wait for.
const OFTEN: &[&str] = &["--flush-interval", "100ms"];

fn noon() -> DateTime<Utc> {
    "2025-11-09T12:00:00Z".parse().expect("an instant in this file")
}

/// Events of that day for one partition.
fn events(partition: i32, count: usize) -> Vec<RawRecord> {
    let payload = event("call", "Almaty", noon(), json!({"duration_seconds": 60}));
    vec![RawRecord::of(partition, payload); count]
}

/// What `streamer status --json` answers, once its exit code was found to be the one that it names.
/// Its patience is long, for a busy machine, and so is that with rows that nobody has written.
fn look(pipeline: &Pipeline, variables: &[(&str, &str)], wait: &str) -> Result<Value> {
    let arguments = ["status", "--json", "--stalled-after", "10m", "--wait", wait];
    let ended = pipeline.start_with("streamer", &arguments, variables)?.end()?;
    let report: Value = serde_json::from_str(&ended.output)
        .with_context(|| format!("not JSON: {}{}", ended.output, ended.log))?;
    let code = ended.code.map(i64::from);
    ensure!(code.is_some() && report["exit_code"].as_i64() == code, "{code:?}: {report}");
    Ok(report)
}
