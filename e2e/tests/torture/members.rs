//! Workers that come and go, and partitions that are added, while records are read.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use e2e::{Pipeline, Running, Tally, WAIT_TIMEOUT, volume};
use sandbox::wait_until;

use crate::{RECOMPUTED, produce, send, settle, stop};

const HEARTBEATS: (&str, &str) =
    ("KAFKA_PROPERTIES", "heartbeat.interval.ms=200,topic.metadata.refresh.interval.ms=500");

fn start(pipeline: &Pipeline) -> Result<Running> {
    pipeline.start_with("streamer", &["--flush-interval", "50ms"], &[HEARTBEATS])
}

fn wait_for_owners(pipeline: &mut Pipeline, members: &[Running]) -> Result<()> {
    let expected: BTreeSet<u32> = members.iter().map(Running::pid).collect();
    wait_until(&format!("the partitions belong to {expected:?}"), WAIT_TIMEOUT, || {
        let owners = pipeline.database.owners();
        owners.into_values().map(|(pid, _)| pid).collect::<BTreeSet<_>>() == expected
    })
}

#[test]
fn members_that_join_and_leave_neither_lose_nor_repeat_a_record() -> Result<()> {
    const MEMBERS_MAX: usize = 4;
    let changes = volume("JOINS_AND_LEAVES", 6, 50);
    let mut tally = Tally::of("group: 1 to 4 to 1 members, joins and leaves");
    let mut pipeline = Pipeline::new(6)?;
    let producer = produce(&pipeline, 300)?;
    let mut members = vec![start(&pipeline)?];
    wait_for_owners(&mut pipeline, &members)?;
    let mut grows = true;
    for _ in 0..changes {
        if grows {
            members.push(start(&pipeline)?);
        } else {
            // The eldest, so that all of them come and go.
            stop(members.remove(0))?;
        }
        tally.inject(1);
        wait_for_owners(&mut pipeline, &members)?;
        tally.observe(1);
        grows = if grows { members.len() < MEMBERS_MAX } else { members.len() == 1 };
    }
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    for member in members {
        stop(member)?;
    }
    settle(&mut pipeline)?;
    tally.end(RECOMPUTED)
}

#[test]
fn partitions_added_while_it_reads_are_read_from_their_first_record() -> Result<()> {
    let mut tally = Tally::of("topic: partitions added live, 3 to 12");
    let mut pipeline = Pipeline::new(3)?;
    send(&pipeline, 3, 91, 2_000)?;
    let mut streamer = start(&pipeline)?;
    for partitions in [6, 9, 12] {
        pipeline.topic.grow_to(partitions as usize)?;
        tally.inject(3);
        // At once, before anybody can have noticed the new ones.
        wait_until("the new partitions can be written", WAIT_TIMEOUT, || {
            pipeline.topic.spans().is_ok_and(|spans| spans.len() == partitions as usize)
        })?;
        send(&pipeline, partitions, 91 + partitions as u64, 2_000)?;
        pipeline.wait_until_caught_up()?;
        let positions = pipeline.database.positions();
        let read = (partitions - 3..partitions).filter(|id| positions.get(id) > Some(&0));
        tally.observe(read.count());
    }
    ensure!(streamer.is_alive(), "nobody has restarted it");
    stop(streamer)?;
    settle(&mut pipeline)?;
    tally.end(RECOMPUTED)
}
