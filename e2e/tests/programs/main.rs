//! The programs as a shell, a terminal or a container runtime treats them: streams that are full or
//! gone, few files, filters of the log; and as the first page says.

mod answers;
mod few_files;
mod first_page;
mod log_filter;
mod recipes;
mod streams;

use anyhow::Result;
use chrono::{DateTime, Utc};
use e2e::{Pipeline, event};
use serde_json::json;

/// The day of the events that these tests send.
const DAY: &str = "2025-11-09";
const EVENTS: usize = 20;

/// A topic that holds events of one day, and an empty database.
fn with_events() -> Result<Pipeline> {
    let noon: DateTime<Utc> = "2025-11-09T12:00:00Z".parse()?;
    let pipeline = Pipeline::new(1)?;
    let record = e2e::RawRecord::of(0, event("call", "Almaty", noon, json!({})));
    pipeline.topic.sender(&[])?.send(&vec![record; EVENTS])?;
    Ok(pipeline)
}

/// The same, stored and computed.
fn with_a_computed_day() -> Result<Pipeline> {
    let pipeline = with_events()?;
    pipeline.drain()?;
    pipeline.run("batcher", &[DAY])?.expect(0)?;
    Ok(pipeline)
}
