//! A mirror of the same name (IdentityReplicationPolicy): the topic's next generation is of the other cluster. And what a move
//! refuses, with both clusters alive and with the source said to be gone.

use anyhow::{Result, ensure};
use e2e::{Scatter, Topic};
use sandbox::wait_until;

use crate::moving::{
    Life, Pair, by_partition, copies_of, counted, expect_once, wait_until_counted,
};
use crate::{PARTITIONS, PATIENCE, TOPIC, noon};

const SAME_NAME: &str =
    "replication.policy.class = org.apache.kafka.connect.mirror.IdentityReplicationPolicy\n";
/// What a streamer says at the other cluster.
const OTHER_CLUSTER: &str = "where the same offsets are other records";
const GONE: [&str; 3] = ["--source-is-gone", "--reason", "a test"];

#[test]
fn a_topic_goes_on_under_its_name_as_its_next_generation_and_anything_but_its_copy_is_refused()
-> Result<()> {
    let mut pair = Pair::start(&sandbox::fresh_database()?, TOPIC, SAME_NAME)?;
    let mut scatter = Scatter::new(91, PARTITIONS, noon());
    let newer = make_others(&pair)?;
    let at_home = pair.streamer(&pair.home)?;
    pair.home.topic.sender(&[])?.send(&scatter.take(6_000))?;
    pair.start_mirror()?;
    pair.wait_for_copies(6_000)?;
    pair.kill_mirror()?;
    wait_until_counted(&mut pair.home.database, TOPIC, 6_000, &at_home)?;
    newer.sender(&[])?.send(&Scatter::new(93, PARTITIONS, noon()).take(600))?;

    // A streamer that comes too early writes nothing; home's own, which notes when it looked, does nothing meanwhile.
    at_home.freeze()?;
    let before = pair.positions()?;
    let said = pair.refused_streamer(&pair.hub)?;
    ensure!(said.contains(OTHER_CLUSTER), "{said}");
    expect_others_refused(&pair)?;
    ensure!(pair.positions()? == before, "what was refused has changed something");
    at_home.thaw()?;

    // A mirror that is behind is waited for: how far it is behind is said.
    let more = scatter.take(60);
    pair.home.topic.sender(&[])?.send(&more)?;
    wait_until_counted(&mut pair.home.database, TOPIC, 6_060, &at_home)?;
    let said = pair.move_there(&[])?.expect(1)?.log;
    for partition in 0..PARTITIONS {
        let missing = more.iter().filter(|record| record.partition == partition).count();
        let line = format!("of the last records before the position, {missing} are missing");
        ensure!(said.contains(&line), "partition {partition}: {line}\n{said}");
    }
    pair.start_mirror()?;
    pair.wait_for_copies(6_060)?;
    pair.move_once_possible(&["--dry-run"], &[])?;
    pair.move_once_possible(&[], &[])?;
    let generations = "SELECT COUNT(*) FROM current_progress WHERE generation = 1";
    ensure!(pair.home.database.number(generations)? == i64::from(PARTITIONS));

    // Home's streamer finds out when it has something to store, and ends.
    let taken_over = counted(&mut pair.home.database, TOPIC)?;
    pair.home.topic.sender(&[])?.send(&scatter.take(3_000))?;
    let mut at_home = at_home;
    wait_until("home's streamer ends", PATIENCE, || !at_home.is_alive())?;
    let ended = at_home.end()?.expect(1)?;
    ensure!(ended.log.contains(OTHER_CLUSTER), "{}", ended.log);
    let said = pair.refused_streamer(&pair.home)?;
    ensure!(said.contains(OTHER_CLUSTER), "{said}");
    ensure!(counted(&mut pair.home.database, TOPIC)? == taken_over, "home's log was counted on");
    let said = pair.move_there(&[])?.expect(1)?.log;
    ensure!(said.contains("already"), "{said}");
    pair.wait_for_copies(9_060)?;
    pair.kill_mirror()?;
    pair.hub.drain()?;

    let (home, hub) = (by_partition(&pair.home.topic)?, by_partition(&pair.hub.topic)?);
    let copies = copies_of(&home, &hub)?;
    ensure!(copies.values().sum::<usize>() == 9_060, "mirrored: {copies:?}");
    let lives = [Life::of(TOPIC, 0, &home), Life::of(TOPIC, 1, &hub)];
    expect_once(&mut pair.hub, &hub, &lives)?;
    println!("same name: 9060 records, 6060 of them counted at home, each once; 11 moves refused");
    Ok(())
}

/// Makes topics at the hub that are no copy. The one that is returned is to be written when all is counted.
fn make_others(pair: &Pair) -> Result<Topic> {
    let hub = pair.hub.topic.bootstrap();
    let other = |name, partitions| Topic::create_for_copies(hub, name, partitions);
    let strange = Scatter::new(92, PARTITIONS, noon()).take(600);
    other("older", PARTITIONS)?.sender(&[])?.send(&strange)?;
    other("narrow", PARTITIONS - 1)?;
    other("empty", PARTITIONS)?;
    Topic::create(hub, "stamped", PARTITIONS)?;
    other("newer", PARTITIONS)
}

/// Fails unless a move to any of these is refused.
fn expect_others_refused(pair: &Pair) -> Result<()> {
    for (topic, more, why) in [
        ("narrow", &[][..], "has no partitions [2]"),
        ("narrow", &GONE, "has no partitions [2]"),
        ("stamped", &[], "message.timestamp.type=LogAppendTime"),
        ("nowhere", &[], "there is no topic nowhere"),
        ("older", &[], "the copy has not come so far yet"),
        ("newer", &[], "does not stand in the copy"),
        ("empty", &[], "the copy has not come so far yet"),
        ("older", &GONE, "nothing shows that it is a copy"),
        ("newer", &GONE, "does not stand in the copy"),
        ("empty", &GONE, "nothing shows that it is a copy"),
    ] {
        let ended = pair.move_to(&["--to-topic", topic], more)?.expect(1)?;
        ensure!(ended.log.contains(why), "{topic} {more:?}: {why} is not said:\n{}", ended.log);
    }
    Ok(())
}
