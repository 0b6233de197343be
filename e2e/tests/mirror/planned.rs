//! A planned move: both clusters are alive, records go on coming in at home and are mirrored, and the database that has counted
//! home's topic goes on in the mirror. Nobody tells home's streamer.

use anyhow::{Context, Result, ensure};
use e2e::{Ended, Running, Scatter};
use sandbox::wait_until;

use crate::load::Load;
use crate::moving::{
    Life, Pair, by_partition, copies_of, counted, expect_once, wait_until_counted,
};
use crate::{MIRROR, PARTITIONS, PATIENCE, TOPIC, noon};

/// What a streamer says whose topic goes on under another name.
const RETIRED: &str = "the partition was retired by an operator";

#[test]
fn a_move_under_load_counts_each_mirrored_record_once_although_homes_streamer_was_left_alone()
-> Result<()> {
    let mut pair = Pair::start(&sandbox::fresh_database()?, MIRROR, "")?;
    let at_home = pair.streamer(&pair.home)?;
    let load = Load::start(pair.home.topic.clone(), Scatter::new(90, PARTITIONS, noon()));
    pair.start_mirror()?;
    wait_until_counted(&mut pair.home.database, TOPIC, 3_000, &at_home)?;
    pair.wait_for_copies(1_000)?;

    // Before the move nobody counts the mirror into this database.
    let said = pair.refused_streamer(&pair.hub)?;
    ensure!(said.contains("each event would be counted a second time"), "{said}");
    ensure!(counted(&mut pair.hub.database, MIRROR)?.is_empty(), "rows of the mirror were made");

    // Home's streamer holds what it has not stored yet, and moves no position.
    at_home.freeze()?;
    let before = pair.positions()?;
    pair.move_once_possible(&["--dry-run"], &["the copy has not come so far yet"])?;
    ensure!(pair.positions()? == before, "a dry run has changed something");
    let said = pair.move_once_possible(&[], &["the copy has not come so far yet"])?;
    ensure!(said.contains("moved: telecom_events goes on as north.telecom_events"), "{said}");
    let taken_over = counted(&mut pair.home.database, TOPIC)?;
    let at_hub = pair.streamer(&pair.hub)?;
    wait_until_counted(&mut pair.hub.database, MIRROR, 1_000, &at_hub)?;
    at_home.thaw()?;
    expect_out_of_service(&at_home)?;
    at_home.terminate()?;
    at_home.end()?.expect(0)?;
    let Ended { log, .. } = pair.move_there(&[])?.expect(1)?;
    ensure!(log.contains("is counted on cluster") && log.contains("already"), "{log}");
    let again = pair.streamer(&pair.home)?;
    expect_out_of_service(&again)?;
    wait_until_counted(&mut pair.hub.database, MIRROR, 4_000, &at_hub)?;
    let sent = load.stop()? as usize;
    pair.wait_for_copies(sent)?;
    pair.kill_mirror()?;
    for streamer in [at_hub, again] {
        streamer.terminate()?;
        streamer.end()?.expect(0)?;
    }
    pair.hub.drain()?;

    ensure!(counted(&mut pair.home.database, TOPIC)? == taken_over, "home's log was counted on");
    let (home, hub) = (by_partition(&pair.home.topic)?, by_partition(&pair.hub.topic)?);
    let copies = copies_of(&home, &hub)?;
    ensure!(copies.values().sum::<usize>() == sent, "{sent} sent, mirrored: {copies:?}");
    let lives = [Life::of(TOPIC, 0, &home), Life::of(MIRROR, 0, &hub)];
    let expected = expect_once(&mut pair.hub, &hub, &lives)?;
    let late = "SELECT MIN(late) FROM stream_progress";
    ensure!(pair.hub.database.number(late)? > 0, "nothing was late on one side: it shows little");
    println!(
        "planned: {sent} records sent, {} counted at home and the others at the hub, each once, {} of them late",
        taken_over.values().sum::<usize>(),
        expected.late.values().map(|sums| sums.events).sum::<i64>()
    );
    Ok(())
}

/// Waits until a streamer of home's says that it counts no partition any more.
fn expect_out_of_service(streamer: &Running) -> Result<()> {
    wait_until("home's streamer says that it is out of service", PATIENCE, || {
        streamer.count_in_log(RETIRED) >= PARTITIONS as usize
    })
    .with_context(|| streamer.log())
}
