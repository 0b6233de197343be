//! Home is gone: its broker and its primary are killed in one moment, under load. The standby is promoted, `streamer move` leads
//! to the mirror, and a streamer goes on there, by the commands of docs/second-site.md alone.
//!
//! The judge is home's own log, which is started again at the end to be read: of each partition what the standby had counted, or
//! what the mirror has, whichever is more; and behind that what senders have sent to the hub.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use e2e::{Database, Running, Scatter, url_of_both};
use sandbox::{Postgres, wait_until};

use crate::load::Load;
use crate::moving::{
    Life, Pair, Records, by_partition, copies_of, counted, expect_once, wait_until_counted,
};
use crate::{MIRROR, PARTITIONS, PATIENCE, TOPIC, noon};

const DATABASE: &str = "drill";
/// Until MirrorMaker's last transaction has been aborted.
const UNTIL_NOBODY_WRITES: [&str; 2] = ["a transaction is open in the copy", "the new log changes"];

#[test]
fn home_is_gone_and_every_mirrored_record_is_counted_once() -> Result<()> {
    drill(98, |_, _| Ok(()))
}

#[test]
fn home_is_gone_after_the_line_to_the_hub_was_cut_and_nothing_is_counted_twice() -> Result<()> {
    drill(94, |pair, at_home| {
        pair.kill_mirror()?;
        let so_far = counted(&mut pair.home.database, TOPIC)?.values().sum::<usize>();
        wait_until_counted(&mut pair.home.database, TOPIC, so_far + 1_000, at_home)
    })
}

/// The drill, after something that happens before home is gone.
#[expect(clippy::print_stdout, reason = "what the tests above have measured is theirs to say")]
fn drill(seed: u64, before: impl FnOnce(&mut Pair, &Running) -> Result<()>) -> Result<()> {
    let mut primary = Postgres::start()?;
    let url = primary.create_database(DATABASE)?;
    let standby = primary.standby()?;
    let mut pair = Pair::start(&url, MIRROR, "")?;
    pair.database_url = url_of_both(&url, &standby.url(DATABASE));
    let at_home = pair.streamer(&pair.home)?;
    let load = Load::start(pair.home.topic.clone(), Scatter::new(seed, PARTITIONS, noon()));
    pair.start_mirror()?;
    pair.wait_for_copies(3_000)?;
    wait_until_counted(&mut pair.home.database, TOPIC, 5_000, &at_home)?;
    before(&mut pair, &at_home)?;

    let gone = Instant::now();
    kill([pair.home_kafka.pid(), primary.pid()])?;
    pair.home_kafka.kill()?;
    primary.stop(true)?;
    // The runbook. Nobody tells home's streamer.
    pair.stop_mirror()?;
    standby.promote()?;
    pair.home.database = Database::at(&standby.url(DATABASE))?;
    pair.hub.database = Database::at(&standby.url(DATABASE))?;
    let ordered = ["--source-is-gone", "--reason", "a drill"];
    pair.move_once_possible(&[&ordered[..], &["--dry-run"]].concat(), &UNTIL_NOBODY_WRITES)?;
    let said = pair.move_once_possible(&ordered, &UNTIL_NOBODY_WRITES)?;
    let moved = gone.elapsed().as_secs_f64();
    let taken_over = counted(&mut pair.home.database, TOPIC)?;
    let mirrored = by_partition(&pair.hub.topic)?;
    let at_hub = pair.streamer(&pair.hub)?;
    // Senders are led to the hub, where their clocks go on.
    let acknowledged_so_far = load.acknowledged();
    let clock = noon() + TimeDelta::milliseconds(250 * acknowledged_so_far);
    pair.hub.topic.sender(&[])?.send(&Scatter::new(seed + 1, PARTITIONS, clock).take(5_000))?;
    wait_until_counted(&mut pair.hub.database, MIRROR, 1, &at_hub)?;
    let recovered = gone.elapsed().as_secs_f64();
    let acknowledged = load.give_up()?;

    // Home comes back with its streamer, which counts nothing any more.
    pair.home_kafka.restart()?;
    wait_until("home's streamer says that it is out of service", PATIENCE, || {
        at_home.count_in_log("the partition was retired by an operator") >= PARTITIONS as usize
    })
    .with_context(|| at_home.log())?;
    for streamer in [at_hub, at_home] {
        streamer.terminate()?;
        streamer.end()?.expect(0)?;
    }
    pair.hub.drain()?;
    ensure!(counted(&mut pair.home.database, TOPIC)? == taken_over, "home's log was counted on");

    println!("{}", said.trim_end());
    let (copied, known, of_home) = judge(&mut pair, &taken_over, &mirrored, &said)?;
    println!(
        "home was killed: moved after {moved:.1} s, RTO {recovered:.1} s to the first flush at the hub; of {acknowledged} records \
         that home had acknowledged, {copied} were mirrored, {} more were counted at home before, and RPO: {} of its log's \
         {of_home} are in neither; each of the others is counted once",
        known - copied,
        of_home - known
    );
    Ok(())
}

/// Fails unless all that is known of home is counted once, and what followed at the hub, and unless the rest is named. How many
/// records the mirror has, how many are in the mirror or were counted, how many are in home's log.
fn judge(
    pair: &mut Pair,
    taken_over: &BTreeMap<i32, usize>,
    mirrored: &Records,
    said: &str,
) -> Result<(usize, usize, usize)> {
    let (home, hub) = (by_partition(&pair.home.topic)?, by_partition(&pair.hub.topic)?);
    let copies = copies_of(&home, &hub)?;
    let is_whole =
        |partition| copies.get(partition) == mirrored.get(partition).map(Vec::len).as_ref();
    ensure!(copies.keys().all(is_whole), "the mirror had other records than home");
    let known: BTreeMap<i32, usize> = copies
        .iter()
        .map(|(partition, copies)| (*partition, *copies.max(&taken_over[partition])))
        .collect();
    let records: Records = home
        .iter()
        .map(|(partition, records)| {
            let followed = &hub[partition][copies[partition]..];
            (*partition, [&records[..known[partition]], followed].concat())
        })
        .collect();
    let number_at_hub = |partition, place: usize| match place.checked_sub(copies[&partition]) {
        Some(behind) => known[&partition] + behind,
        None => place,
    };
    let lives = [Life::of(TOPIC, 0, &home), Life::numbered(MIRROR, 0, &hub, number_at_hub)];
    expect_once(&mut pair.hub, &records, &lives)?;
    expect_named(pair, said, (&home, &known))?;
    for (partition, copies) in &copies {
        let missing = taken_over[partition].saturating_sub(*copies);
        let line = format!(
            "partition {partition}: the copy ends before what was counted: {missing} records"
        );
        ensure!(said.contains(&line) == (missing > 0), "not said: {line}\n{said}");
    }
    Ok((copies.values().sum(), known.values().sum(), home.values().map(Vec::len).sum()))
}

/// Fails unless as much as is gone is named, in the output and in `gaps`: what home's log was seen to have, and nobody counts.
fn expect_named(
    pair: &mut Pair,
    said: &str,
    (home, known): (&Records, &BTreeMap<i32, usize>),
) -> Result<()> {
    let rows = pair.home.database.rows(&format!(
        "SELECT p.partition, p.log_end_seen, p.gap, COALESCE(SUM(g.to_offset - g.from_offset), 0)::bigint \
         FROM stream_progress p LEFT JOIN gaps g USING (topic, generation, partition) \
         WHERE topic = '{TOPIC}' GROUP BY 1, 2, 3"
    ))?;
    for row in rows {
        let (partition, seen): (i32, i64) = (sqlx::Row::get(&row, 0), sqlx::Row::get(&row, 1));
        let (gap, noted): (i64, i64) = (sqlx::Row::get(&row, 2), sqlx::Row::get(&row, 3));
        let was_seen = home[&partition].iter().filter(|record| record.offset < seen).count();
        let lost = was_seen.saturating_sub(known[&partition]) as i64;
        let line = format!("partition {partition}: up to {gap} records behind the position");
        ensure!(gap == noted && gap >= lost, "{lost} lost, {gap} in the row, {noted} in gaps");
        ensure!(said.contains(&line) == (gap > 0), "not said: {line}\n{said}");
    }
    Ok(())
}

/// SIGKILL to all of them at once.
fn kill<const N: usize>(processes: [Option<u32>; N]) -> Result<()> {
    let mut command = Command::new("kill");
    command.args(["-s", "KILL"]);
    for process in processes {
        command.arg(process.context("it does not run")?.to_string());
    }
    ensure!(command.status()?.success(), "they can't be killed");
    Ok(())
}
