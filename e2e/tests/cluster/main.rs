//! A Kafka cluster of three brokers: whoever leads a partition dies, again and again; brokers are replaced one after the
//! other; and a replica that lacks acknowledged records takes over.
//!
//! What Kafka promises to keep (acks=all, two replicas in sync) is counted exactly. What it lost is never passed over:
//! the partition halts and says so (I-7).

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use e2e::{Pipeline, Running, Scatter, Topic, WAIT_TIMEOUT};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use sandbox::{KafkaCluster, wait_until};

const BROKERS: usize = 3;
const KILLS: usize = 20;
const PARTITIONS: i32 = 3;
/// What a sender does who wants each record to be there once.
const CAREFUL: &[(&str, &str)] = &[("acks", "all"), ("enable.idempotence", "true")];
/// What one does who takes the leader's word for it.
const CARELESS: &[(&str, &str)] = &[("acks", "1")];

fn noon() -> DateTime<Utc> {
    "2025-11-09T12:00:00Z".parse().expect("an instant in this file")
}

/// A cluster, and a pipeline on a topic that it replicates.
struct House {
    cluster: KafkaCluster,
    pipeline: Pipeline,
    scatter: Scatter,
    sent: i64,
}

/// Who holds a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    leader: usize,
    replicas: Vec<usize>,
    in_sync: usize,
}

impl House {
    fn start(
        seed: u64,
        partitions: i32,
        replicas: i32,
        settings: &[(&str, &str)],
    ) -> Result<House> {
        let cluster = KafkaCluster::start(BROKERS)?;
        let bootstrap = cluster.bootstrap();
        let name = sandbox::fresh_topic_name();
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &bootstrap).create()?;
        let topic = settings.iter().fold(
            NewTopic::new(&name, partitions, TopicReplication::Fixed(replicas))
                .set("message.timestamp.type", "LogAppendTime"),
            |topic, (key, value)| topic.set(key, value),
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let made = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new()))?;
        ensure!(made.iter().all(Result::is_ok), "the topic was not made: {made:?}");
        let database = e2e::Database::at(&sandbox::fresh_database()?)?;
        let pipeline = Pipeline { topic: Topic::at(&bootstrap, &name), database };
        let house =
            House { cluster, pipeline, scatter: Scatter::new(seed, partitions, noon()), sent: 0 };
        house.wait_until_all_in_sync()?;
        Ok(house)
    }

    fn streamer(&self) -> Result<Running> {
        self.pipeline.start("streamer", &["--flush-interval", "100ms"])
    }

    fn send(&mut self, count: usize, how: &[(&str, &str)]) -> Result<()> {
        let records = self.scatter.take(count);
        self.pipeline.topic.sender(how)?.send(&records)?;
        self.sent += count as i64;
        Ok(())
    }

    /// Who holds each partition, as the brokers that are there say; a partition without a leader is none.
    fn places(&self) -> Result<Vec<Place>> {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.pipeline.topic.bootstrap())
            .create()?;
        let metadata = client.fetch_metadata(Some(self.pipeline.topic.name()), WAIT_TIMEOUT)?;
        let topic = metadata.topics().first().context("no such topic")?;
        topic
            .partitions()
            .iter()
            .map(|partition| {
                let leader = usize::try_from(partition.leader()).context("no leader")?;
                let replicas = partition.replicas().iter().map(|id| id.unsigned_abs() as usize);
                Ok(Place { leader, replicas: replicas.collect(), in_sync: partition.isr().len() })
            })
            .collect()
    }

    fn wait_until_all_in_sync(&self) -> Result<()> {
        wait_until("all replicas are in sync", WAIT_TIMEOUT, || {
            self.places().is_ok_and(|places| {
                !places.is_empty()
                    && places.iter().all(|place| place.in_sync == place.replicas.len())
            })
        })
    }

    fn leader(&self) -> Result<usize> {
        Ok(self.places()?.first().context("no partition")?.leader)
    }

    /// Waits until all that was sent is stored, and is what an independent recount of the log says.
    fn expect_exact(&mut self, streamer: Running) -> Result<()> {
        let end = self.pipeline.topic.end()?;
        ensure!(
            end == self.sent,
            "Kafka holds {end} of {} records: the senders were careful",
            self.sent
        );
        self.pipeline.wait_until_caught_up().with_context(|| streamer.log())?;
        streamer.terminate()?;
        streamer.end()?.expect(0)?;
        self.pipeline.expect_recomputed()?;
        Ok(())
    }
}

#[test]
fn every_record_is_counted_once_while_the_leader_is_killed_again_and_again() -> Result<()> {
    let mut house = House::start(81, PARTITIONS, 3, &[("min.insync.replicas", "2")])?;
    let streamer = house.streamer()?;
    let began = Instant::now();
    for kill in 1..=KILLS {
        house.send(1_000, CAREFUL)?;
        let before = house.pipeline.database.progress();
        let leader = house.leader()?;
        house.cluster.kill(leader)?;
        // By whoever leads now.
        house.send(1_000, CAREFUL)?;
        house.pipeline.wait_for_progress_from(before).with_context(|| streamer.log())?;
        let now = house.leader()?;
        ensure!(now != leader, "kill {kill}: broker {leader} was killed and still leads");
        house.cluster.start_again(leader)?;
        house.wait_until_all_in_sync()?;
    }
    println!("{KILLS} kills of the leader in {:.0} s", began.elapsed().as_secs_f64());
    house.expect_exact(streamer)
}

#[test]
fn every_record_is_counted_once_while_the_brokers_are_replaced_one_after_the_other() -> Result<()> {
    let mut house = House::start(82, PARTITIONS, 3, &[("min.insync.replicas", "2")])?;
    let streamer = house.streamer()?;
    for id in 0..BROKERS {
        house.send(1_000, CAREFUL)?;
        let before = house.pipeline.database.progress();
        house.cluster.stop(id)?;
        house.send(1_000, CAREFUL)?;
        house.pipeline.wait_for_progress_from(before).with_context(|| streamer.log())?;
        house.cluster.start_again(id)?;
        house.wait_until_all_in_sync()?;
    }
    house.expect_exact(streamer)
}

/// Counts records that only the leader has and has acknowledged; the leader, and the replica that lacks them and is down.
fn count_what_only_the_leader_has(house: &mut House, streamer: &Running) -> Result<(usize, usize)> {
    let place = house.places()?.remove(0);
    let other = place.replicas.iter().copied().find(|id| *id != place.leader);
    let follower = other.context("one replica only")?;
    house.cluster.kill(follower)?;
    wait_until("the follower is out of sync", WAIT_TIMEOUT, || {
        house.places().is_ok_and(|places| places.iter().all(|place| place.in_sync == 1))
    })?;
    house.send(500, CARELESS)?;
    wait_until_read(house, streamer)?;
    Ok((place.leader, follower))
}

/// The leader dies, and the replica that lacks what it had takes over.
fn exchange(house: &mut House, leader: usize, follower: usize) -> Result<()> {
    house.cluster.kill(leader)?;
    house.cluster.start_again(follower)?;
    wait_until("the follower leads", WAIT_TIMEOUT, || {
        house.leader().is_ok_and(|now| now == follower)
    })
}

/// Waits until the newest life of the one partition is read up to the end of the log.
fn wait_until_read(house: &mut House, streamer: &Running) -> Result<()> {
    let end = house.pipeline.topic.end()?;
    let query =
        "SELECT COALESCE(MAX(next_offset), -1) FROM current_progress WHERE halted_reason IS NULL";
    let database = &mut house.pipeline.database;
    wait_until("all is stored", WAIT_TIMEOUT, || database.number(query).is_ok_and(|at| at == end))
        .with_context(|| streamer.log())
}

fn expect_truncated(house: &mut House) -> Result<()> {
    let halted = house.pipeline.database.halted()?;
    ensure!(!halted.is_empty(), "no partition is halted");
    ensure!(halted.values().all(|why| why.contains("the log was truncated")), "{halted:?}");
    let listed = house.pipeline.run("streamer", &["gaps"])?.expect(0)?.output;
    ensure!(listed.contains("the log was truncated"), "`streamer gaps` does not say it: {listed}");
    house.pipeline.verify()
}

fn accept(house: &House) -> Result<()> {
    let topic = house.pipeline.topic.name();
    let place = ["--topic", topic, "--partition", "0"];
    let who = ["--reason", "a test", "--by", "tester"];
    let command = [&["accept-gap"][..], &place, &who].concat();
    house.pipeline.run("streamer", &command)?.expect(0)?;
    Ok(())
}

/// Records that were counted in any way, in all lives.
fn counted(house: &mut House) -> Result<i64> {
    let query = "SELECT SUM(on_time + late + dead)::bigint FROM stream_progress";
    house.pipeline.database.number(query)
}

#[test]
fn what_only_a_dead_leader_had_halts_the_partition_and_nothing_is_counted_twice() -> Result<()> {
    let unclean = [("min.insync.replicas", "1"), ("unclean.leader.election.enable", "true")];
    let mut house = House::start(83, 1, 2, &unclean)?;
    let streamer = house.streamer()?;
    house.send(2_000, CAREFUL)?;
    let (leader, follower) = count_what_only_the_leader_has(&mut house, &streamer)?;

    // The log ends before the position, and a streamer is reading it.
    exchange(&mut house, leader, follower)?;
    let end = house.pipeline.topic.end()?;
    ensure!(end == 2_000, "nothing was lost: the log ends at {end}");
    wait_until("the partition halts", WAIT_TIMEOUT, || {
        house.pipeline.database.halted().is_ok_and(|halted| !halted.is_empty())
    })
    .with_context(|| streamer.log())?;
    expect_truncated(&mut house)?;
    accept(&house)?;
    // Reading goes on at the cut as long as the log has not grown beyond the position.
    wait_until("the streamer has carried out the permission", WAIT_TIMEOUT, || {
        house.pipeline.database.halted().is_ok_and(|halted| halted.is_empty())
    })
    .with_context(|| streamer.log())?;
    house.send(1_000, CARELESS)?;
    wait_until_read(&mut house, &streamer)?;
    let events = counted(&mut house)?;
    ensure!(events == 3_500, "2,000, the 500 that are lost now, and 1,000 are not {events}");
    house.cluster.start_again(leader)?;
    house.wait_until_all_in_sync()?;

    // The same while nobody reads, and the log grows beyond the position: another record stands there.
    let (leader, follower) = count_what_only_the_leader_has(&mut house, &streamer)?;
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    exchange(&mut house, leader, follower)?;
    house.send(2_000, CARELESS)?;
    let end = house.pipeline.topic.end()?;
    ensure!(end == 5_000, "nothing was lost: the log ends at {end}");
    house.pipeline.run("streamer", &["--drain"])?.expect(3)?;
    expect_truncated(&mut house)?;
    accept(&house)?;
    house.pipeline.drain()?;
    // Reading goes on at the position, never before it: what stands at the offsets that were counted is not counted.
    let events = counted(&mut house)?;
    ensure!(events == 4_000 + 1_500, "500 more, and 2,000 without the first 500, are not {events}");
    house.pipeline.verify()
}
