//! Links to PostgreSQL and to Kafka that break, stall and crawl.

use anyhow::{Result, ensure};
use e2e::{Fault, FaultyLink, Pipeline, Tally, WAIT_TIMEOUT, volume};
use sandbox::{Kafka, KafkaListener, KafkaOptions, wait_until};

use crate::{QUICK, RECOMPUTED, produce, send, settle, stop};

const PARTITIONS: i32 = 3;
/// These end the connection.
const CUTS: [Fault; 5] =
    [Fault::RequestLost, Fault::RequestCut, Fault::AnswerLost, Fault::AnswerCut, Fault::Reset];
/// These only take time.
const DELAYS: [Fault; 2] = [Fault::Stall, Fault::Slow];
const FLUSH_ALWAYS: [&str; 2] = ["--flush-interval", "10ms"];

fn struck(link: &FaultyLink, faults: &[Fault]) -> usize {
    faults.iter().map(|fault| link.count(*fault)).sum()
}

#[test]
fn a_link_to_postgresql_that_breaks_around_commit_costs_and_repeats_nothing() -> Result<()> {
    let cuts = volume("COMMIT_CUTS", 10, 200);
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    // Past the first start: migrations are not tried again.
    pipeline.drain()?;
    let link = FaultyLink::at_commits(pipeline.database.url(), &CUTS)?;
    send(&pipeline, PARTITIONS, 71, 5_000)?;
    let producer = produce(&pipeline, 500)?;
    let variables = [("DATABASE_URL", link.url()), QUICK];
    let mut streamer = pipeline.start_with("streamer", &FLUSH_ALWAYS, &variables)?;
    wait_until("so many connections are cut", 4 * WAIT_TIMEOUT, || struck(&link, &CUTS) >= cuts)?;
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    ensure!(streamer.is_alive(), "nobody has restarted it");
    let log = stop(streamer)?;
    settle(&mut pipeline)?;

    let mut tally = Tally::of("PostgreSQL: connection cut around COMMIT");
    tally.inject(struck(&link, &CUTS));
    tally.observe(log.matches("committing a flush failed").count());
    for fault in CUTS {
        ensure!(link.count(fault) > 0, "{fault:?} has not struck");
    }
    tally.end(RECOMPUTED)
}

#[test]
fn a_link_to_postgresql_that_stalls_and_crawls_only_takes_time() -> Result<()> {
    let delays = volume("COMMIT_DELAYS", 4, 50);
    let mut pipeline = Pipeline::new(PARTITIONS)?;
    pipeline.drain()?;
    let link = FaultyLink::at_commits(pipeline.database.url(), &DELAYS)?;
    let producer = produce(&pipeline, 500)?;
    let variables = [("DATABASE_URL", link.url()), QUICK];
    let mut streamer = pipeline.start_with("streamer", &FLUSH_ALWAYS, &variables)?;
    let mut tally = Tally::of("PostgreSQL: COMMIT stalled or byte by byte");
    while struck(&link, &DELAYS) < delays {
        let (before, stored) = (struck(&link, &DELAYS), pipeline.database.progress());
        wait_until("a COMMIT is delayed", WAIT_TIMEOUT, || struck(&link, &DELAYS) > before)?;
        pipeline.wait_for_progress_from(stored)?;
        let struck_since = struck(&link, &DELAYS) - before;
        tally.inject(struck_since);
        tally.observe(struck_since);
    }
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    ensure!(streamer.is_alive(), "nobody has restarted it");
    stop(streamer)?;
    settle(&mut pipeline)?;
    tally.end(RECOMPUTED)
}

#[test]
fn a_link_to_kafka_that_breaks_stalls_and_crawls_costs_and_repeats_nothing() -> Result<()> {
    let faults = volume("KAFKA_LINK_FAULTS", 12, 100);
    let all = [CUTS.as_slice(), &DELAYS].concat();
    let behind = sandbox::free_address()?;
    let link = FaultyLink::at_requests(&behind, 12, &all)?;
    let kafka = Kafka::start_with(&KafkaOptions::default().listener(KafkaListener {
        name: "FAULTY".to_owned(),
        protocol: "PLAINTEXT".to_owned(),
        address: behind,
        advertised: link.address().to_owned(),
    }))?;
    let mut pipeline = Pipeline::on(kafka.bootstrap(), &sandbox::fresh_database()?, PARTITIONS)?;
    pipeline.drain()?;
    send(&pipeline, PARTITIONS, 72, 5_000)?;
    let producer = produce(&pipeline, 500)?;
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", link.address()), QUICK_AND_OFTEN];
    let arguments = ["--flush-interval", "50ms"];
    let mut streamer = pipeline.start_with("streamer", &arguments, &variables)?;
    let mut stored = 0;
    wait_until("so many requests are struck", 4 * WAIT_TIMEOUT, || {
        stored = pipeline.database.progress();
        struck(&link, &all) >= faults
    })?;
    pipeline.wait_for_progress_from(stored)?;
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    ensure!(streamer.is_alive(), "nobody has restarted it");
    let (cuts, delays) = (struck(&link, &CUTS), struck(&link, &DELAYS));
    let connections = link.connections();
    stop(streamer)?;
    settle(&mut pipeline)?;

    let mut tally = Tally::of("Kafka: connection cut, client connects again");
    tally.inject(cuts);
    tally.observe(connections.min(cuts));
    tally.end(RECOMPUTED)?;
    let mut tally = Tally::of("Kafka: request stalled or byte by byte");
    tally.inject(delays);
    tally.observe(delays);
    tally.end(RECOMPUTED)
}

/// Small fetches: many requests, so that many can be struck.
const QUICK_AND_OFTEN: (&str, &str) = (
    "KAFKA_PROPERTIES",
    "reconnect.backoff.max.ms=200,reconnect.backoff.ms=20,heartbeat.interval.ms=200,\
     fetch.wait.max.ms=50",
);
