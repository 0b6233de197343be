//! A consumer group that can't be joined, for reasons that no waiting cures: said once with the cure, an
//! end for `--drain`, and a service that goes on by itself once the reason is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Pipeline, Scatter, WAIT_TIMEOUT};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use sandbox::{Kafka, KafkaOptions, wait_until};

use crate::instant;

const REFUSED: &str = "can't be joined";

fn drain_briefly(pipeline: &Pipeline, variables: &[(&str, &str)]) -> Result<e2e::Ended> {
    pipeline.start_with("streamer", &["--drain", "--wait", "2s"], variables)?.end()
}

#[test]
fn a_broker_that_demands_longer_sessions_is_named_with_the_setting_that_helps() -> Result<()> {
    let options = KafkaOptions::default().property("group.min.session.timeout.ms", "30000");
    let kafka = Kafka::start_with(&options)?;
    let mut pipeline = Pipeline::on(kafka.bootstrap(), &sandbox::fresh_database()?, 1)?;
    let mut scatter = Scatter::new(7, 1, instant("2025-11-09T10:00:00Z"));
    pipeline.topic.sender(&[])?.send(&scatter.take(10))?;

    let ended = drain_briefly(&pipeline, &[])?.expect(1)?;
    let cure = "KAFKA_PROPERTIES=session.timeout.ms=30000";
    ensure!(ended.log.contains("could not be joined within 2s"), "{}", ended.log);
    // When it was refused, and at the end.
    ensure!(ended.log.matches(cure).count() == 2, "{}", ended.log);
    ensure!(ended.log.matches(REFUSED).count() == 1, "{}", ended.log);
    ensure!(!ended.log.contains("WARN"), "{}", ended.log);

    let cured = [("KAFKA_PROPERTIES", "session.timeout.ms=30000")];
    drain_briefly(&pipeline, &cured)?.expect(0)?;
    pipeline.expect_recomputed()?;
    Ok(())
}

#[test]
fn a_stranger_in_the_group_is_named_and_when_it_has_gone_the_streamer_goes_on() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    let mut scatter = Scatter::new(8, 1, instant("2025-11-09T10:00:00Z"));
    pipeline.topic.sender(&[])?.send(&scatter.take(10))?;
    let stranger: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", pipeline.topic.bootstrap())
        .set("group.id", pipeline.topic.name())
        .set("partition.assignment.strategy", "range")
        .create()?;
    stranger.subscribe(&[pipeline.topic.name()])?;
    let has_left = AtomicBool::new(false);
    let streamer = std::thread::scope(|scope| {
        let polling = scope.spawn(|| {
            while !has_left.load(Ordering::Relaxed) {
                drop(stranger.poll(Duration::from_millis(20)));
            }
            stranger.unsubscribe();
        });
        let has_joined = || stranger.assignment().is_ok_and(|list| list.count() == 1);
        let refused = beside_a_stranger(&pipeline, has_joined);
        has_left.store(true, Ordering::Relaxed);
        polling.join().expect("the stranger does not panic");
        refused
    })?;
    pipeline.wait_until_caught_up()?;
    ensure!(streamer.count_in_log("has been joined") == 1, "{}", streamer.log());
    ensure!(streamer.count_in_log(REFUSED) == 1, "{}", streamer.log());
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    pipeline.expect_recomputed()?;
    Ok(())
}

/// A drain that fails, and a streamer that waits.
fn beside_a_stranger(pipeline: &Pipeline, has_joined: impl Fn() -> bool) -> Result<e2e::Running> {
    wait_until("the stranger is a member", WAIT_TIMEOUT, has_joined)?;
    let ended = drain_briefly(pipeline, &[])?.expect(1)?;
    let cure = "give the streamer a KAFKA_GROUP_ID of its own";
    ensure!(ended.log.contains(cure), "{}", ended.log);
    ensure!(!ended.log.contains("WARN"), "{}", ended.log);
    let streamer = pipeline.start("streamer", &["--flush-interval", "100ms"])?;
    streamer.wait_for_log(REFUSED)?;
    Ok(streamer)
}
