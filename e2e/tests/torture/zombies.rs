//! Processes that are taken for dead, and come back: stopped anywhere, and inside a transaction.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use e2e::{Pipeline, Running, Tally, WAIT_TIMEOUT, WITH_FAIL_POINTS, volume};
use sandbox::{Kafka, KafkaOptions, wait_until};

use crate::{RECOMPUTED, produce, settle, stop};

const PARTITIONS: i32 = 3;

/// A dead member is missed after 1.5 s, not after 6, and the broker permits it.
const QUICK_MEMBERS: (&str, &str) =
    ("KAFKA_PROPERTIES", "session.timeout.ms=1500,heartbeat.interval.ms=200");
const QUICK_BROKER: (&str, &str) = ("group.min.session.timeout.ms", "1000");

fn start(pipeline: &Pipeline, program: &str, order: Option<&str>) -> Result<Running> {
    let mut variables = vec![QUICK_MEMBERS];
    variables.extend(order.map(|order| ("FAIL_POINT", order)));
    pipeline.start_with(program, &["--flush-interval", "50ms"], &variables)
}

/// Waits until every partition was last stored by one of these, and each of them has stored one.
fn wait_for_owners(pipeline: &mut Pipeline, owners: &[&Running]) -> Result<()> {
    let expected: BTreeSet<u32> = owners.iter().map(|owner| owner.pid()).collect();
    wait_until(&format!("the partitions belong to {expected:?}"), WAIT_TIMEOUT, || {
        let found = pipeline.database.owners();
        found.len() == PARTITIONS.unsigned_abs() as usize
            && found.into_values().map(|(pid, _)| pid).collect::<BTreeSet<_>>() == expected
    })
}

#[test]
fn a_process_stopped_anywhere_stores_nothing_when_it_comes_back() -> Result<()> {
    let mut tally = Tally::of("streamer: SIGSTOP, replaced, SIGCONT");
    let kafka = quick_kafka()?;
    let mut pipeline = Pipeline::on(kafka.bootstrap(), &sandbox::fresh_database()?, PARTITIONS)?;
    let producer = produce(&pipeline, 300)?;
    let mut zombie = start(&pipeline, "streamer", None)?;
    for _ in 0..volume("ZOMBIES", 2, 30) {
        wait_for_owners(&mut pipeline, &[&zombie])?;
        zombie.freeze()?;
        tally.inject(1);
        let heir = start(&pipeline, "streamer", None)?;
        wait_for_owners(&mut pipeline, &[&heir])?;
        ensure!(zombie.is_frozen(), "it was stopped all the time");
        tally.observe(1);
        zombie.thaw()?;
        // It has seen that its partitions are gone, and was given some anew.
        wait_for_owners(&mut pipeline, &[&heir, &zombie])?;
        stop(zombie)?;
        pipeline.verify()?;
        zombie = heir;
    }
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    stop(zombie)?;
    settle(&mut pipeline)?;
    tally.end(RECOMPUTED)
}

/// A session of the streamer that waits for it inside a transaction.
const INSIDE_A_TRANSACTION: &str = "SELECT COUNT(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'telecom-pipeline'
      AND state = 'idle in transaction'";

#[test]
fn a_process_stopped_inside_its_transaction_holds_nobody_up_and_stores_nothing() -> Result<()> {
    let mut tally = Tally::of("streamer: SIGSTOP inside its transaction, replaced, SIGCONT");
    let kafka = quick_kafka()?;
    let mut pipeline = Pipeline::on(kafka.bootstrap(), &sandbox::fresh_database()?, PARTITIONS)?;
    pipeline.drain()?;
    let producer = produce(&pipeline, 300)?;
    let points = ["flush_locked", "flush_upserted", "flush_before_commit"];
    for round in 0..volume("ZOMBIES_IN_TRANSACTION", 2, 20) {
        let order = format!("{}:stop:{}", points[round % points.len()], 5 + round);
        let zombie = start(&pipeline, WITH_FAIL_POINTS, Some(&order))?;
        wait_until("it stops inside its transaction", WAIT_TIMEOUT, || zombie.is_frozen())?;
        tally.inject(1);
        // The server ends the session after 5 s: on a busy machine it may have gone before we look.
        tally.observe(usize::from(pipeline.database.number(INSIDE_A_TRANSACTION)? > 0));
        let heir = start(&pipeline, "streamer", None)?;
        wait_for_owners(&mut pipeline, &[&heir])?;
        ensure!(zombie.is_frozen(), "it was stopped all the time");
        zombie.thaw()?;
        wait_for_owners(&mut pipeline, &[&heir, &zombie])?;
        stop(zombie)?;
        stop(heir)?;
        pipeline.verify()?;
    }
    stop(producer)?;
    settle(&mut pipeline)?;
    tally.end(RECOMPUTED)
}

fn quick_kafka() -> Result<Kafka> {
    Kafka::start_with(&KafkaOptions::default().property(QUICK_BROKER.0, QUICK_BROKER.1))
}
