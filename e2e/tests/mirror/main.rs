//! Two sites that are one cluster each: what comes in at the north is mirrored to the hub by a real MirrorMaker 2, which is killed
//! again and again, and is counted in both. `make test-mirror`; TORTURE_MIRROR_KILLS=3 for fewer kills.
//!
//! ```text
//!   north: telecom_events ──► streamer ──► the north's database ◄─── compare ───┐
//!               │ MirrorMaker 2                                                 │
//!   hub:   north.telecom_events ──► streamer ──┐                                │
//!          telecom_events ────────► streamer ──┴─► the hub's database ──────────┘
//! ```
//!
//! And what becomes of the north's own counts when they go on at the hub, by `streamer move`: `planned`, `drill` (the site is
//! gone) and `same_name`; what these share is in `moving`.

mod drill;
mod load;
mod mirror_maker;
mod moving;
mod planned;
mod same_name;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use e2e::oracle::{Expected, Key, Sums, recompute};
use e2e::{
    Database, LoggedRecord, Pipeline, RawRecord, Running, Scatter, Topic, differences, volume,
};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use sandbox::{Kafka, KafkaMode, KafkaOptions, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use load::Load;
use mirror_maker::MirrorMaker;

/// Of the site, and of the hub's own.
const TOPIC: &str = "telecom_events";
/// What the north's topic is called at the hub.
const MIRROR: &str = "north.telecom_events";
const PARTITIONS: i32 = 3;
/// How long anything of MirrorMaker's may take on a busy machine: its group waits for the dead, its tasks for their slot.
const PATIENCE: Duration = Duration::from_secs(240);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

fn noon() -> DateTime<Utc> {
    "2025-11-09T12:00:00Z".parse().expect("an instant in this file")
}

/// Clusters of ids of their own: a site, and a hub that keeps the times of what it is sent, as Kafka does by default.
fn two_clusters() -> Result<(Kafka, Kafka)> {
    let options = KafkaOptions { mode: Some(KafkaMode::ZooKeeper), ..KafkaOptions::default() };
    let north = Kafka::start_with(&options)?;
    let hub = Kafka::start_with(&options.property("log.message.timestamp.type", "CreateTime"))?;
    Ok((north, hub))
}

/// Both clusters, MirrorMaker between them, and what counts.
struct Sites {
    // Programs end before the servers that they speak to.
    mirror: Option<MirrorMaker>,
    north: Pipeline,
    /// The mirrored topic, and the hub's own, in one database.
    mirrored: Pipeline,
    own: Pipeline,
    /// Asked for the ends of the mirror.
    ends: BaseConsumer,
    _north_kafka: Kafka,
    _hub_kafka: Kafka,
    folder: TempDir,
}

impl Sites {
    fn start() -> Result<Sites> {
        let (north_kafka, hub_kafka) = two_clusters()?;
        let north = Pipeline {
            topic: Topic::create(north_kafka.bootstrap(), TOPIC, PARTITIONS)?,
            database: Database::at(&sandbox::fresh_database()?)?,
        };
        let hub_url = sandbox::fresh_database()?;
        let at_hub = |topic| -> Result<Pipeline> {
            Ok(Pipeline { topic, database: Database::at(&hub_url)? })
        };
        let own = at_hub(Topic::create(hub_kafka.bootstrap(), TOPIC, PARTITIONS)?)?;
        let mirrored = at_hub(Topic::at(hub_kafka.bootstrap(), MIRROR))?;
        Ok(Sites {
            mirror: None,
            north,
            mirrored,
            own,
            ends: ClientConfig::new().set("bootstrap.servers", hub_kafka.bootstrap()).create()?,
            _north_kafka: north_kafka,
            _hub_kafka: hub_kafka,
            folder: tempfile::Builder::new().prefix("e2e-mirror-").tempdir()?,
        })
    }

    fn start_mirror(&mut self) -> Result<()> {
        let (north, hub) = (self.north.topic.bootstrap(), self.mirrored.topic.bootstrap());
        self.mirror = Some(MirrorMaker::start(north, hub, self.folder.path(), "")?);
        Ok(())
    }

    fn kill_mirror(&mut self) -> Result<()> {
        self.mirror.take().context("it does not run")?.kill()
    }

    fn tail(&self) -> String {
        self.mirror.as_ref().map_or(String::new(), MirrorMaker::tail)
    }

    /// The sum of the mirror's ends; 0 while it is not there.
    fn mirror_end(&self) -> i64 {
        let end = |partition| self.ends.fetch_watermarks(MIRROR, partition, REQUEST_TIMEOUT);
        (0..PARTITIONS).filter_map(|partition| Some(end(partition).ok()?.1)).sum()
    }

    /// Waits until so many more offsets of the mirror are taken.
    fn wait_for_more(&self, count: i64) -> Result<()> {
        let expected = self.mirror_end() + count;
        wait_until("records reach the hub", PATIENCE, || self.mirror_end() >= expected)
            .with_context(|| self.tail())
    }

    /// Waits until the mirror has all committed records of the north, or more.
    fn wait_until_mirrored(&mut self, sent: i64) -> Result<()> {
        let database = &mut self.mirrored.database;
        wait_until("all is counted at the hub", PATIENCE, || {
            accounted(database, MIRROR).is_ok_and(|counted| counted >= sent)
        })
        .with_context(|| self.tail())
    }

    /// Compares both databases, shows the answer, and returns it as programs get it.
    fn compare(&self, exit: i32) -> Result<Value> {
        let arguments = ["compare", "--topic", MIRROR, "--with-topic", TOPIC];
        let variables = [("COMPARE_WITH", self.north.database.url())];
        let ask = |more: &[&str]| -> Result<String> {
            let arguments = [&arguments[..], more].concat();
            let ended = self.mirrored.start_with("streamer", &arguments, &variables)?.end()?;
            Ok(ended.expect(exit)?.output)
        };
        writeln!(std::io::stderr(), "{}", ask(&[])?.trim_end())?;
        Ok(serde_json::from_str(&ask(&["--json"])?)?)
    }

    /// Sends records to the north, and returns how many of them are of this partition.
    fn send(&self, scatter: &mut Scatter, count: usize, partition: i32) -> Result<usize> {
        let records = scatter.take(count);
        self.north.topic.sender(&[])?.send(&records)?;
        Ok(records.iter().filter(|record| record.partition == partition).count())
    }
}

/// Records of a topic that were counted in any way.
fn accounted(database: &mut Database, topic: &str) -> Result<i64> {
    let sum = "SELECT COALESCE(SUM(on_time + late + dead), 0)::bigint FROM stream_progress";
    database.number(&format!("{sum} WHERE topic = '{topic}'"))
}

/// A streamer of this pipeline that flushes often.
fn streamer(pipeline: &Pipeline) -> Result<Running> {
    pipeline.start("streamer", &["--flush-interval", "200ms"])
}

fn stop(streamers: Vec<Running>) -> Result<()> {
    for mut streamer in streamers {
        ensure!(streamer.is_alive(), "nobody has restarted it:\n{}", streamer.log());
        streamer.terminate()?;
        streamer.end()?.expect(0)?;
    }
    Ok(())
}

/// What the log of a topic adds up to.
fn of_log(topic: &Topic) -> Result<Expected> {
    Ok(recompute(&topic.records()?, &topic.spans()?))
}

/// Sums of two topics that are counted in one database.
fn together(one: &BTreeMap<Key, Sums>, other: &BTreeMap<Key, Sums>) -> BTreeMap<Key, Sums> {
    let mut all = one.clone();
    for (key, sums) in other {
        all.entry(key.clone()).or_default().add(sums);
    }
    all
}

/// Fails unless the hub's tables hold of this topic what its log adds up to, and of both together their sums.
fn expect_counted(pipeline: &mut Pipeline, log: &Expected, other: &Expected) -> Result<()> {
    // Tables by topic are looked at through views of this topic's rows: the comparison knows no topics.
    let topic = pipeline.topic.name();
    let schema = if topic == MIRROR { "of_mirror" } else { "of_own" };
    let views = ["stream_progress", "day_ledger", "dead_letters"].map(|table| {
        format!(
            "CREATE VIEW {schema}.{table} AS SELECT * FROM public.{table} WHERE topic = '{topic}'"
        )
    });
    let make = format!("CREATE SCHEMA {schema}; {}", views.join("; "));
    pipeline.database.execute(&make)?;
    let url = pipeline.database.url();
    let separator = if url.contains('?') { '&' } else { '?' };
    let looking = format!("{url}{separator}options=-csearch_path%3D{schema}%2Cpublic");
    let expected = Expected {
        on_time: together(&log.on_time, &other.on_time),
        late: together(&log.late, &other.late),
        ..log.clone()
    };
    let found = differences(&mut Database::at(&looking)?, &expected)?;
    ensure!(found.is_empty(), "{topic} is not counted as its log says:\n{found}");
    Ok(())
}

#[test]
fn both_sites_count_each_record_once_whatever_is_killed() -> Result<()> {
    let mut sites = Sites::start()?;
    let north_streamer = streamer(&sites.north)?;
    let own_streamer = streamer(&sites.own)?;
    let own_records = Scatter::new(96, PARTITIONS, noon()).take(5_000);
    sites.own.topic.sender(&[])?.send(&own_records)?;
    let load = Load::start(sites.north.topic.clone(), Scatter::new(95, PARTITIONS, noon()));
    sites.start_mirror()?;
    // MirrorMaker makes the topic, not a streamer.
    sites.wait_for_more(100)?;
    let mirrored_streamer = streamer(&sites.mirrored)?;

    let (kills, began) = (volume("MIRROR_KILLS", 20, 20), Instant::now());
    for turn in 0..kills as i64 {
        // Never at the same moment.
        sites.wait_for_more(200 + turn * 37 % 150)?;
        sites.kill_mirror()?;
        sites.start_mirror()?;
        sites.wait_for_more(50)?;
    }
    let took = began.elapsed().as_secs_f64();
    let sent = load.stop()?;
    sites.wait_until_mirrored(sent)?;
    sites.kill_mirror()?;
    stop(vec![north_streamer, own_streamer, mirrored_streamer])?;
    // What the last transactions have left behind their records.
    for pipeline in [&sites.north, &sites.own, &sites.mirrored] {
        pipeline.drain()?;
    }

    // The logs: the mirror has what the north has, each record once, in its order and with its times.
    let [north, mirrored, own] =
        [&sites.north, &sites.mirrored, &sites.own].map(|pipeline| of_log(&pipeline.topic));
    let (north, mirrored, own) = (north?, mirrored?, own?);
    expect_same_records(&sites)?;
    let at_north = accounted(&mut sites.north.database, TOPIC)?;
    let at_hub = accounted(&mut sites.mirrored.database, MIRROR)?;
    ensure!(at_north == sent && at_hub == sent, "{sent} sent, {at_north} and {at_hub} counted");
    // The tables: what their logs add up to.
    sites.north.expect(&north)?;
    expect_counted(&mut sites.mirrored, &mirrored, &own)?;
    expect_counted(&mut sites.own, &own, &mirrored)?;
    sites.mirrored.verify()?;
    let compared = sites.compare(0)?;
    ensure!(compared["events"]["ours"].as_i64() > Some(sent / 2), "hardly anything was compared");
    let marks: i64 = mirrored.accounts.values().map(|account| account.skipped).sum();
    println!(
        "{kills} kills of MirrorMaker in {took:.0} s: {sent} records sent, each counted once at the north and at the hub; \
         {marks} marks of transactions in the mirror"
    );
    Ok(())
}

#[test]
fn what_a_mirror_has_passed_over_or_has_twice_is_named() -> Result<()> {
    let mut sites = Sites::start()?;
    let mut scatter = Scatter::new(97, PARTITIONS, noon());
    let north_streamer = streamer(&sites.north)?;
    sites.send(&mut scatter, 10_000, 0)?;
    sites.start_mirror()?;
    sites.wait_for_more(10_000)?;
    let mirrored_streamer = streamer(&sites.mirrored)?;
    sites.wait_until_mirrored(10_000)?;

    // Retention at the site is quicker than a mirror that is away: the site has counted what is deleted.
    sites.kill_mirror()?;
    let lost = sites.send(&mut scatter, 3_000, 0)?;
    sites.north.wait_until_caught_up()?;
    let end = sites.north.topic.spans()?.get(&0).context("no partition 0")?.next;
    sites.north.topic.delete_before(0, end)?;
    sites.start_mirror()?;
    sites.send(&mut scatter, 20_000, 0)?;
    sites.wait_until_mirrored(33_000 - lost as i64)?;
    sites.kill_mirror()?;
    // One record once more, as a mirror without exactly-once sends it.
    let records = sites.mirrored.topic.records()?;
    let is_event = |record: &&LoggedRecord| {
        record.partition == 1
            && record.payload.as_ref().is_some_and(|payload| payload.ends_with(b"}"))
    };
    let twice = records.iter().find(is_event).context("no event")?;
    let twice = RawRecord {
        partition: twice.partition,
        payload: twice.payload.clone(),
        time_ms: Some(twice.time_ms),
        ..RawRecord::default()
    };
    sites.mirrored.topic.sender(&[])?.send(&[twice])?;
    stop(vec![north_streamer, mirrored_streamer])?;
    sites.north.drain()?;
    sites.mirrored.drain()?;

    // Both count what their logs hold, and both logs are not the same.
    sites.north.verify()?;
    sites.mirrored.verify()?;
    let compared = sites.compare(1)?;
    let named = (compared["skipped"].as_u64(), compared["doubled"].as_u64());
    ensure!(
        lost > 500 && named == (Some(lost as u64), Some(1)),
        "{lost} lost, 1 doubled: {compared}"
    );
    let listed = compared["differences"].as_array().context("no list")?;
    let is_right = |one: &Value| match one["partition"].as_i64() {
        Some(0) => one["ours"].as_i64() < one["theirs"].as_i64(),
        Some(1) => one["late_alone"] == true && one["what"] == "quarter",
        _ => false,
    };
    ensure!(listed.iter().all(is_right), "{compared}");
    println!("{lost} records that retention took, and one that was sent twice: named");
    Ok(())
}

/// Times and payloads of each partition's records, in their order.
type Contents = BTreeMap<i32, Vec<(i64, Option<Vec<u8>>)>>;

/// Fails unless the mirror holds the north's committed records: payloads and times, in the order of each partition.
fn expect_same_records(sites: &Sites) -> Result<()> {
    let content = |topic: &Topic| -> Result<Contents> {
        let mut partitions = Contents::new();
        for record in topic.records()? {
            let of_partition = partitions.entry(record.partition).or_default();
            of_partition.push((record.time_ms, record.payload));
        }
        Ok(partitions)
    };
    let (north, mirror) = (content(&sites.north.topic)?, content(&sites.mirrored.topic)?);
    for (partition, records) in &north {
        let copies = mirror.get(partition).map_or(&[][..], Vec::as_slice);
        let first = records.iter().zip(copies).position(|(record, copy)| record != copy);
        ensure!(
            records == copies,
            "partition {partition}: {} records, {} in the mirror, the first other one is the {first:?}th",
            records.len(),
            copies.len()
        );
    }
    ensure!(north.len() == mirror.len(), "the mirror has more partitions");
    Ok(())
}
