//! Partitions that move between workers and processes while they are read.

use std::collections::BTreeSet;

use anyhow::Result;
use e2e::{Pipeline, Running, SLOW_READER, Scatter, WAIT_TIMEOUT};
use sandbox::wait_until;

use crate::instant;

const PARTITIONS: i32 = 6;

#[test]
fn partitions_move_between_workers_and_processes_and_nothing_is_lost_or_counted_twice() -> Result<()>
{
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let mut scatter = Scatter::new(31, PARTITIONS, instant("2025-11-08T00:00:00Z"));
    pipeline.topic.sender(&[])?.send(&scatter.take(20_000))?;
    // Keeps all partitions busy until the end; no key is in one place alone.
    let range = ["--from", "2025-11-09", "--to", "2026-03-01", "--seed", "3", "--rate", "2000"];
    let producer = pipeline.start("producer", &range)?;

    let first = start(&pipeline, &["--workers", "2"])?;
    wait_for_owners(&mut pipeline, &[(first.pid(), 0), (first.pid(), 1)])?;
    let second = start(&pipeline, &[])?;
    wait_for_owners(&mut pipeline, &[(first.pid(), 0), (first.pid(), 1), (second.pid(), 0)])?;

    second.terminate()?;
    second.end()?.expect(0)?;
    wait_for_owners(&mut pipeline, &[(first.pid(), 0), (first.pid(), 1)])?;
    pipeline.verify()?;

    let third = start(&pipeline, &["--workers", "2"])?;
    let all = [(first.pid(), 0), (first.pid(), 1), (third.pid(), 0), (third.pid(), 1)];
    wait_for_owners(&mut pipeline, &all)?;
    first.kill()?;
    wait_for_owners(&mut pipeline, &[(third.pid(), 0), (third.pid(), 1)])?;
    pipeline.verify()?;

    producer.terminate()?;
    let summary = producer.end()?.expect(0)?.log;
    assert!(summary.contains("failed=0 "), "{summary}");
    pipeline.wait_until_caught_up()?;
    third.terminate()?;
    third.end()?.expect(0)?;
    pipeline.expect_recomputed()?;
    Ok(())
}

/// Or the next one would wait for the end of its session, 6 s, before it reads. Each stop has a last flush, and
/// offsets that are committed with it.
#[test]
fn whoever_stops_has_left_the_group_when_it_ends() -> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let range = ["--from", "2025-11-09", "--to", "2026-03-01", "--seed", "3", "--rate", "1000"];
    let producer = pipeline.start("producer", &range)?;
    for stop in 0..3 {
        let before = pipeline.database.progress();
        let streamer = start(&pipeline, &["--workers", "2"])?;
        pipeline.wait_for_progress_from(before)?;
        streamer.terminate()?;
        streamer.end()?.expect(0)?;
        assert_eq!(pipeline.topic.group_members()?, 0, "stop {stop}");
    }
    producer.terminate()?;
    producer.end()?.expect(0)?;
    Ok(())
}

/// Four workers share the topic out in several rounds, of which the first line tells of the first. What a worker is
/// assigned while it leaves, it has never had: it must answer all the same.
#[test]
fn whoever_stops_while_partitions_are_shared_out_has_left_the_group_when_it_ends() -> Result<()> {
    let pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.drain()?;
    for stop in 0..5 {
        let streamer = start(&pipeline, &["--workers", "4"])?;
        wait_for_partitions(&streamer)?;
        streamer.terminate()?;
        let log = streamer.end()?.expect(0)?.log;
        assert!(!log.contains("did not close within"), "stop {stop}: {log}");
        assert_eq!(pipeline.topic.group_members()?, 0, "stop {stop}: {log}");
    }
    Ok(())
}

#[test]
fn a_member_that_joins_takes_its_share_and_the_rest_is_neither_given_up_nor_begun_anew()
-> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let first = start(&pipeline, &[])?;
    wait_for_owners(&mut pipeline, &[(first.pid(), 0)])?;
    assert_eq!(partitions_named(&first, "assigned").len(), 6, "each once");
    let second = start(&pipeline, &[])?;
    wait_for_owners(&mut pipeline, &[(first.pid(), 0), (second.pid(), 0)])?;

    let moved = partitions_named(&first, "revoked");
    assert_eq!(moved.len(), 3, "{moved:?}");
    assert_eq!(partitions_named(&second, "assigned"), moved);
    assert_eq!(partitions_named(&first, "assigned").len(), 6, "none of the others once more");
    for streamer in [first, second] {
        streamer.terminate()?;
        streamer.end()?.expect(0)?;
    }
    Ok(())
}

#[test]
fn two_processes_that_drain_one_topic_share_it_and_both_end() -> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.drain()?;
    let mut scatter = Scatter::new(32, PARTITIONS, instant("2025-11-08T00:00:00Z"));
    pipeline.topic.sender(&[])?.send(&scatter.take(20_000))?;
    // No flush is stored until both have partitions: so the first one can't be done before, and it
    // has to give partitions up with flushes of theirs under way.
    let locked = pipeline.database.hold("SELECT 1 FROM stream_progress FOR UPDATE")?;
    let first = start(&pipeline, &["--drain"])?;
    wait_for_partitions(&first)?;
    let second = start(&pipeline, &["--drain"])?;
    wait_for_partitions(&second)?;
    assert_eq!(pipeline.database.number("SELECT SUM(on_time)::bigint FROM stream_progress")?, 0);
    drop(locked);
    for streamer in [first, second] {
        streamer.end()?.expect(0)?;
    }
    pipeline.expect_recomputed()?;
    Ok(())
}

#[test]
fn a_process_that_was_taken_for_dead_counts_nothing_when_it_comes_back() -> Result<()> {
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    let mut scatter = Scatter::new(33, PARTITIONS, instant("2025-11-08T00:00:00Z"));
    pipeline.topic.sender(&[])?.send(&scatter.take(20_000))?;
    let range = ["--from", "2025-11-09", "--to", "2026-03-01", "--seed", "4", "--rate", "1000"];
    let producer = pipeline.start("producer", &range)?;
    let zombie = start(&pipeline, &[])?;
    wait_for_owners(&mut pipeline, &[(zombie.pid(), 0)])?;

    // Anywhere: while it reads, between two flushes, or inside one.
    zombie.freeze()?;
    let heir = start(&pipeline, &[])?;
    wait_for_owners(&mut pipeline, &[(heir.pid(), 0)])?;
    zombie.thaw()?;
    wait_for_owners(&mut pipeline, &[(heir.pid(), 0), (zombie.pid(), 0)])?;

    producer.terminate()?;
    producer.end()?.expect(0)?;
    pipeline.wait_until_caught_up()?;
    for streamer in [zombie, heir] {
        streamer.terminate()?;
        streamer.end()?.expect(0)?;
    }
    pipeline.expect_recomputed()?;
    Ok(())
}

/// The partitions of all log lines of this kind, sorted; one that was named twice stands there twice.
fn partitions_named(streamer: &Running, kind: &str) -> Vec<i32> {
    let log = streamer.log();
    let opening = format!("{kind} partitions=[");
    let mut named: Vec<i32> = log
        .split(&opening)
        .skip(1)
        .filter_map(|rest| rest.split_once(']'))
        .flat_map(|(list, _)| list.split(", ").filter_map(|id| id.parse().ok()))
        .collect();
    named.sort_unstable();
    named
}

/// Waits until the group has given the process at least one partition.
fn wait_for_partitions(streamer: &Running) -> Result<()> {
    wait_until("the process is assigned partitions", WAIT_TIMEOUT, || {
        let log = streamer.log();
        log.split("assigned partitions=[").skip(1).any(|list| !list.starts_with(']'))
    })
}

fn start(pipeline: &Pipeline, arguments: &[&str]) -> Result<Running> {
    let arguments = [&["--flush-interval", "100ms"], arguments].concat();
    // A member learns from a heartbeat that others have come or gone.
    let properties = format!("{SLOW_READER},heartbeat.interval.ms=200");
    pipeline.start_with("streamer", &arguments, &[("KAFKA_PROPERTIES", &properties)])
}

/// Waits until the partitions belong to exactly these (process, worker), as their last flushes say.
fn wait_for_owners(pipeline: &mut Pipeline, expected: &[(u32, u16)]) -> Result<()> {
    let expected: BTreeSet<(u32, u16)> = expected.iter().copied().collect();
    wait_until(&format!("the partitions belong to {expected:?}"), WAIT_TIMEOUT, || {
        let owners = pipeline.database.owners();
        owners.len() == PARTITIONS.unsigned_abs() as usize
            && owners.into_values().collect::<BTreeSet<_>>() == expected
    })
}
