//! What commands answer: to programs one JSON object on one line, with the exit code that people get; a drain
//! what it has counted.

use anyhow::{Result, ensure};
use e2e::Pipeline;
use serde_json::{Value, json};

/// The object that a command of the streamer answers.
fn answer(pipeline: &Pipeline, command: &[&str], exit_code: i32) -> Result<Value> {
    let output = pipeline.run("streamer", command)?.expect(exit_code)?.output;
    ensure!(output.lines().count() == 1, "{command:?}: {output}");
    Ok(serde_json::from_str(&output)?)
}

#[test]
fn programs_are_answered_with_one_object() -> Result<()> {
    let mut pipeline = crate::with_events()?;
    pipeline.drain()?;
    let gaps = answer(&pipeline, &["gaps", "--json"], 0)?;
    ensure!(gaps == json!({"version": 1, "halted": [], "accepted": []}), "{gaps}");
    let set = ["settings", "set", "--watermark-delay", "90s", "--json"];
    let settings = answer(&pipeline, &set, 0)?;
    ensure!(settings["watermark_delay_ms"] == 90_000, "{settings}");
    ensure!(answer(&pipeline, &["settings", "show", "--json"], 0)? == settings);

    let holds = answer(&pipeline, &["verify", "--json"], 0)?;
    ensure!(holds["holds"] == true && holds["differences"] == json!([]), "{holds}");
    pipeline.database.execute("UPDATE real_time_metrics SET event_count = event_count + 1")?;
    let broken = answer(&pipeline, &["verify", "--json"], 1)?;
    ensure!(broken["holds"] == false, "{broken}");
    ensure!(broken["differences_total"].as_u64() >= Some(1), "{broken}");
    Ok(())
}

#[test]
fn a_drain_ends_with_what_it_has_counted() -> Result<()> {
    let pipeline = crate::with_events()?;
    for counted in [crate::EVENTS, 0] {
        let output = pipeline.run("streamer", &["--drain"])?.expect(0)?.output;
        let expected =
            format!("records counted: {counted} ({counted} on time, 0 late, 0 dead letters) in ");
        ensure!(output.starts_with(&expected) && output.lines().count() == 1, "{output}");
    }
    Ok(())
}
