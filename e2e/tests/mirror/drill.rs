//! NOT RUN YET: waits for `streamer move` (branch move); its arguments are those of the task's text. Compiled by nobody so far.
//!
//! Home is gone: its broker and its primary are killed in one moment. The standby is promoted, `streamer move` leads to the
//! mirror, and a streamer goes on there. Every event that was mirrored is counted once.
//!
//! The judge is home's own log, which is started again at the end to be read: of each partition what the standby had counted,
//! or what the mirror has, whichever is more.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use e2e::oracle::recompute;
use e2e::{Database, LoggedRecord, Pipeline, Running, Scatter, Topic};
use sandbox::{Kafka, KafkaMode, KafkaOptions, Postgres, wait_until};
use tempfile::TempDir;

use crate::load::Load;
use crate::mirror_maker::MirrorMaker;
use crate::{MIRROR, PARTITIONS, PATIENCE, TOPIC, noon};

const DATABASE: &str = "drill";

/// A streamer that finds whichever server can be written to.
fn streamer(pipeline: &Pipeline, both: &str) -> Result<Running> {
    pipeline.start_with("streamer", &["--flush-interval", "200ms"], &[("DATABASE_URL", both)])
}

/// Records of a topic by partition, in their order.
fn by_partition(topic: &Topic) -> Result<BTreeMap<i32, Vec<LoggedRecord>>> {
    let mut partitions: BTreeMap<i32, Vec<_>> = BTreeMap::new();
    for record in topic.records()? {
        partitions.entry(record.partition).or_default().push(record);
    }
    Ok(partitions)
}

/// How many records of each partition were counted in any way.
fn counted(database: &mut Database, topic: &str) -> Result<BTreeMap<i32, i64>> {
    (0..PARTITIONS)
        .map(|partition| {
            let sum = "SELECT COALESCE(SUM(on_time + late + dead), 0)::bigint FROM stream_progress";
            let of = format!("{sum} WHERE topic = '{topic}' AND partition = {partition}");
            Ok((partition, database.number(&of)?))
        })
        .collect()
}

#[test]
fn home_is_gone_and_every_mirrored_event_is_counted_once() -> Result<()> {
    let options = KafkaOptions { mode: Some(KafkaMode::ZooKeeper), ..KafkaOptions::default() };
    let mut home = Kafka::start_with(&options)?;
    let hub = Kafka::start_with(&options.property("log.message.timestamp.type", "CreateTime"))?;
    let mut primary = Postgres::start()?;
    let url = primary.create_database(DATABASE)?;
    let mut standby = primary.standby()?;
    let standby_url = standby.url(DATABASE);
    let place = |url: &str| url.split(['@', '/']).nth(3).map(str::to_owned).unwrap_or_default();
    let both = url.replace(&place(&url), &format!("{},{}", place(&url), place(&standby_url)))
        + "?target_session_attrs=read-write";
    let folder = TempDir::new()?;
    let at_home = Pipeline {
        topic: Topic::create(home.bootstrap(), TOPIC, PARTITIONS)?,
        database: Database::at(&url)?,
    };
    let mut at_hub = Pipeline {
        topic: Topic::at(hub.bootstrap(), MIRROR),
        database: Database::at(&standby_url)?,
    };
    let home_streamer = streamer(&at_home, &both)?;
    let mirror = MirrorMaker::start(home.bootstrap(), hub.bootstrap(), folder.path())?;
    let load = Load::start(at_home.topic.clone(), Scatter::new(98, PARTITIONS, noon()));
    // Some thousand events are counted, and some have come to the hub.
    let at_standby = &mut at_hub.database;
    wait_until("events are counted at home", PATIENCE, || {
        counted(at_standby, TOPIC).is_ok_and(|counted| counted.values().all(|count| *count > 3_000))
    })
    .with_context(|| home_streamer.log())?;
    wait_until("the mirror is filled", PATIENCE, || {
        at_hub.topic.end().is_ok_and(|end| end > 3_000)
    })
    .with_context(|| mirror.tail())?;

    let gone = Instant::now();
    home.kill()?;
    primary.stop(true)?;
    home_streamer.kill()?;
    drop(load);

    // The runbook.
    standby.promote()?;
    mirror.kill()?;
    let move_there = [
        &["move", "--topic", TOPIC, "--to", hub.bootstrap(), "--to-topic", MIRROR][..],
        &["--source-is-gone", "--reason", "a drill"],
    ]
    .concat();
    // A transaction of MirrorMaker's may be open: it is refused until that is over.
    let mut moved = None;
    wait_until("the move is done", PATIENCE, || {
        let run = at_hub.start_with("streamer", &move_there, &[("DATABASE_URL", both.as_str())]);
        let ended = run.and_then(Running::end);
        let is_done = ended.as_ref().is_ok_and(|ended| ended.code == Some(0));
        moved = Some(ended);
        is_done
    })
    .with_context(|| format!("{moved:?}"))?;
    let said = moved.context("never tried")??.output;
    let taken_over = counted(&mut at_hub.database, TOPIC)?;
    let hub_streamer = streamer(&at_hub, &both)?;
    let database = &mut at_hub.database;
    wait_until("a flush at the hub is stored", PATIENCE, || {
        let written = format!(
            "SELECT count(*) FROM stream_progress WHERE topic = '{MIRROR}' AND caught_up_at IS NOT NULL"
        );
        database.number(&written).is_ok_and(|count| count == i64::from(PARTITIONS))
    })
    .with_context(|| hub_streamer.log())?;
    let recovered = gone.elapsed();
    hub_streamer.terminate()?;
    hub_streamer.end()?.expect(0)?;
    at_hub.run("streamer", &["--drain"])?.expect(0)?;

    home.restart()?;
    let (sent, mirrored) = (by_partition(&at_home.topic)?, by_partition(&at_hub.topic)?);
    let (mut expected_of, mut lost) = (Vec::new(), 0);
    for (partition, records) in &sent {
        let copies = mirrored.get(partition).map_or(0, Vec::len);
        let known = copies.max(taken_over[partition].unsigned_abs() as usize);
        ensure!(known <= records.len(), "partition {partition}: more than was sent");
        expected_of.extend_from_slice(&records[..known]);
        lost += records.len() - known;
    }
    let expected = recompute(&expected_of, &at_home.topic.spans()?);
    let [on_time, late] = [&expected.on_time, &expected.late]
        .map(|sums| sums.values().map(|sums| sums.events).sum::<i64>());
    let dead = expected.dead.len() as i64;
    let database = &mut at_hub.database;
    let sums =
        "SELECT SUM(on_time)::bigint, SUM(late)::bigint, SUM(dead)::bigint FROM stream_progress";
    let row = database.rows(sums)?;
    let row = row.first().context("no row")?;
    let found: (i64, i64, i64) = {
        use sqlx::Row as _;
        (row.get(0), row.get(1), row.get(2))
    };
    ensure!(found == (on_time, late, dead), "{found:?}, not {:?}\n{said}", (on_time, late, dead));
    at_hub.verify()?;
    println!("{}", said.trim_end());
    println!(
        "home was killed; RTO {:.1} s to the first flush at the hub; RPO {lost} of {} records that home had acknowledged \
         are neither in the mirror nor counted; {} records counted, each once",
        recovered.as_secs_f64(),
        sent.values().map(Vec::len).sum::<usize>(),
        on_time + late + dead
    );
    Ok(())
}
