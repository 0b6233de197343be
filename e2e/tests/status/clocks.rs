//! A clock that is wrong: of the broker, whose records then lie behind their events, or of a sender.

use anyhow::{Result, ensure};
use chrono::{TimeDelta, Utc};
use e2e::{Pipeline, RawRecord, event};
use serde_json::json;

use crate::look;

#[test]
fn records_that_lie_behind_their_events_are_told_of_with_how_far() -> Result<()> {
    let pipeline = Pipeline::new(1)?;
    // An hour ahead of the broker's clock, by which the records are stamped.
    let ahead = Utc::now() + TimeDelta::hours(1);
    let payload = event("call", "Almaty", ahead, json!({"duration_seconds": 60}));
    pipeline.topic.sender(&[])?.send(&vec![RawRecord::of(0, payload); 200])?;

    let drained = pipeline.run("streamer", &["--drain"])?.expect(0)?;
    let said = "records were refused (timestamp_in_future): they lie ahead of the records' times or of this host's \
                clock; the clock of the broker, of a sender or of a streamer's host is wrong partition=0 refused=200 \
                records=200 max_ahead_seconds=3";
    ensure!(drained.log.matches(said).count() == 1, "{}", drained.log);

    let report = look(&pipeline, &[], "60s")?;
    ensure!(report["verdict"] == "refusing", "{report}");
    let partition = &report["partitions"][0];
    ensure!(partition["refused_lately"] == 200, "{report}");
    let max_ahead_ms = partition["max_ahead_ms"].as_i64().unwrap_or_default();
    ensure!((3_000_000..=3_600_000).contains(&max_ahead_ms), "{report}");
    Ok(())
}
