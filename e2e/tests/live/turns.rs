//! Several streamers that are kept waiting for their turn to write: by a stranger who takes it again and again.

use anyhow::Result;
use e2e::{Database, Pipeline, Running, Scatter, WAIT_TIMEOUT};
use sandbox::wait_until;

use crate::instant;

const PARTITIONS: i32 = 6;
const STREAMERS: i64 = 3;
/// As a flush does, in a transaction of its own.
const TAKE_TURN: &str = "SELECT pg_advisory_xact_lock(1953854062)";
const ROUNDS: usize = 4;

/// From the second round on each of them has waited before, and asks for its turn before its batch is cut.
#[test]
fn streamers_that_wait_for_their_turn_count_every_record_once_and_stop_without_it() -> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let mut scatter = Scatter::new(71, PARTITIONS, instant("2025-11-08T00:00:00Z"));
    let mut sender = pipeline.topic.sender(&[])?;
    sender.send(&scatter.take(600))?;
    let streamers: Vec<Running> =
        (0..STREAMERS).map(|_| start(&pipeline)).collect::<Result<_>>()?;
    wait_until("each streamer owns partitions", WAIT_TIMEOUT, || {
        let owners = pipeline.database.owners();
        streamers.iter().all(|streamer| owners.values().any(|(pid, _)| *pid == streamer.pid()))
    })?;
    for _ in 0..ROUNDS {
        let held = pipeline.database.hold(TAKE_TURN)?;
        sender.send(&scatter.take(600))?;
        wait_until_waiting(&mut pipeline.database, STREAMERS)?;
        drop(held);
        pipeline.wait_until_caught_up()?;
    }
    // While the turn is somebody else's: what was read is stored all the same, before they end.
    let held = pipeline.database.hold(TAKE_TURN)?;
    sender.send(&scatter.take(600))?;
    wait_until_waiting(&mut pipeline.database, STREAMERS)?;
    for streamer in &streamers {
        streamer.terminate()?;
    }
    for streamer in streamers {
        let log = streamer.end()?.expect(0)?.log;
        for trouble in ["not stored", "no flush within", "did not stop within"] {
            assert!(!log.contains(trouble), "{trouble}: {log}");
        }
    }
    drop(held);
    pipeline.drain()?;
    pipeline.verify()?;
    pipeline.expect_recomputed()?;
    Ok(())
}

fn start(pipeline: &Pipeline) -> Result<Running> {
    pipeline.start("streamer", &["--flush-interval", "200ms"])
}

fn wait_until_waiting(database: &mut Database, sessions: i64) -> Result<()> {
    let waiting = "SELECT COUNT(*) FROM pg_locks
                   WHERE locktype = 'advisory' AND objid = 1953854062 AND NOT granted
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    wait_until("every streamer waits for its turn", WAIT_TIMEOUT, || {
        database.number(waiting).is_ok_and(|number| number == sessions)
    })
}
