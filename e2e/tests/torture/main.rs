//! Faults in numbers, on real services: what is promised has to hold after each of them. `make test`
//! runs a few of each, `make torture` as many as docs/reliability.md says; TORTURE_NAME sets one number.
//!
//! Every kind of fault is a row of a table, with how often it was injected and how often it was seen to
//! have hit; one that was never seen fails. After it the tables are compared with an independent
//! recomputation of the whole log, and `streamer verify` must agree.

mod bounds;
mod deaths;
mod disk_full;
mod fail_points;
mod links;
mod members;
mod servers;
mod zombies;

use anyhow::Result;
use chrono::{DateTime, Utc};
use e2e::{Pipeline, Running, Scatter};

/// What every row says that was compared row by row.
const RECOMPUTED: &str = "all tables as recomputed from the log";

/// A client waits longer and longer before it tries a lost broker again, by default up to 10 s; and
/// learns from a heartbeat, every 2 s, that others have come or gone.
const QUICK: (&str, &str) =
    ("KAFKA_PROPERTIES", "reconnect.backoff.max.ms=500,heartbeat.interval.ms=200");

fn noon() -> DateTime<Utc> {
    "2025-11-09T12:00:00Z".parse().expect("an instant in this file")
}

/// Sends records that are always the same for the same seed.
fn send(pipeline: &Pipeline, partitions: i32, seed: u64, count: usize) -> Result<()> {
    let mut scatter = Scatter::new(seed, partitions, noon());
    pipeline.topic.sender(&[])?.send(&scatter.take(count))
}

/// Events at this rate until it is told to stop, by the real producer.
fn produce(pipeline: &Pipeline, rate: usize) -> Result<Running> {
    let rate = rate.to_string();
    let range = ["--from", "2025-11-10", "--to", "2026-11-10", "--seed", "5", "--rate", &rate];
    pipeline.start_with("producer", &range, &[QUICK])
}

/// Ends a program in an orderly way; returns its log.
fn stop(program: Running) -> Result<String> {
    program.terminate()?;
    Ok(program.end()?.expect(0)?.log)
}

/// Reads what is left with a streamer that nobody disturbs, and compares everything.
fn settle(pipeline: &mut Pipeline) -> Result<()> {
    pipeline.drain()?;
    pipeline.expect_recomputed()?;
    Ok(())
}
