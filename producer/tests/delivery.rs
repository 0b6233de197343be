//! Delivery, against the mock broker of librdkafka: what is sent arrives, under its key, and what
//! does not arrive is an error. The end-to-end tests use a real broker.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::future::pending;
use std::time::{Duration, SystemTime};

use generator::Generator;
use producer::{Config, run};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

const TOPIC: &str = "events";
const PARTITIONS: i32 = 3;
const COUNT: usize = 5_000;

fn broker() -> MockCluster<'static, DefaultProducerContext> {
    let broker = MockCluster::new(1).unwrap();
    broker.create_topic(TOPIC, PARTITIONS, 1).unwrap();
    broker
}

fn config(broker: &MockCluster<'_, DefaultProducerContext>, more: &[&str]) -> Config {
    let servers = broker.bootstrap_servers();
    let count = COUNT.to_string();
    let arguments = ["producer", "--kafka-bootstrap-servers", &servers, "--kafka-topic", TOPIC]
        .into_iter()
        .chain(["--from", "2025-11-09", "--to", "2025-11-10", "--seed", "1", "--count", &count])
        .chain(more.iter().copied());
    Config::from_args(arguments).unwrap()
}

/// A record in the topic.
struct Arrived {
    partition: i32,
    key: String,
    payload: Vec<u8>,
    timestamp_ms: i64,
}

/// Every record in the topic.
fn records(broker: &MockCluster<'_, DefaultProducerContext>) -> Vec<Arrived> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap_servers())
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut positions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        positions.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&positions).unwrap();
    let total: i64 = (0..PARTITIONS)
        .map(|partition| {
            consumer.fetch_watermarks(TOPIC, partition, Duration::from_secs(10)).unwrap().1
        })
        .sum();
    (0..total)
        .map(|_| {
            let record = consumer.poll(Duration::from_secs(10)).expect("a record").unwrap();
            Arrived {
                partition: record.partition(),
                key: String::from_utf8(record.key().unwrap().to_vec()).unwrap(),
                payload: record.payload().unwrap().to_vec(),
                timestamp_ms: record.timestamp().to_millis().unwrap(),
            }
        })
        .collect()
}

#[tokio::test]
async fn keyed_by_region_the_same_events_arrive_and_each_region_is_in_one_partition() {
    let by_region = broker();
    run(config(&by_region, &["--key", "region"]), pending::<()>()).await.unwrap();
    let by_subscriber = broker();
    run(config(&by_subscriber, &[]), pending::<()>()).await.unwrap();
    let payloads = |records: &[Arrived]| {
        let mut payloads: Vec<Vec<u8>> = records.iter().map(|one| one.payload.clone()).collect();
        payloads.sort_unstable();
        payloads
    };
    let (arrived, usual) = (records(&by_region), records(&by_subscriber));
    assert_eq!(payloads(&arrived), payloads(&usual));
    let mut partition_of = std::collections::BTreeMap::new();
    for Arrived { partition, key, payload, .. } in &arrived {
        let needle = format!(r#""region":"{key}""#);
        assert!(String::from_utf8_lossy(payload).contains(&needle), "{needle}");
        assert_eq!(partition_of.entry(key).or_insert(partition), &partition, "{key}");
    }
    assert_eq!(partition_of.len(), 10, "regions of the scenario");
}

#[tokio::test]
async fn every_event_arrives_once_under_its_subscriber_s_key_stamped_when_it_was_sent() {
    let broker = broker();
    // A queue this short is full all the time.
    let config = config(&broker, &["--kafka-properties", "queue.buffering.max.messages=100"]);
    let plan = config.plan(event_model::EventTime::MIN_ACCEPTED, 0).unwrap();
    let millis_now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;

    let before = millis_now();
    let summary = run(config, pending::<()>()).await.unwrap();
    let after = millis_now();

    let count = COUNT as u64;
    assert_eq!((summary.sent, summary.delivered, summary.failed), (count, count, 0));
    let mut expected: Vec<(String, Vec<u8>)> = Generator::new(&plan.draft)
        .take(COUNT)
        .map(|event| {
            let mut payload = Vec::new();
            event.encode(&mut payload);
            (event.subscriber_id, payload)
        })
        .collect();
    let records = records(&broker);
    for record in &records {
        assert!((before..=after).contains(&record.timestamp_ms));
        // Where faults and truth take the client to send it, left to itself.
        let expected = crc32fast::hash(record.key.as_bytes()) % PARTITIONS.unsigned_abs();
        assert_eq!(record.partition.unsigned_abs(), expected, "{}", record.key);
    }
    let mut arrived: Vec<_> =
        records.into_iter().map(|record| (record.key, record.payload)).collect();
    arrived.sort();
    expected.sort();
    assert!(arrived == expected, "{} records of {} events", arrived.len(), expected.len());
}

#[tokio::test]
async fn an_event_that_is_not_delivered_is_a_failure() {
    let broker = broker();
    broker.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 1],
    );
    let error = run(config(&broker, &[]), pending::<()>()).await.unwrap_err().to_string();
    assert!(error.contains("were not delivered"), "{error}");
}

#[tokio::test]
async fn guarantees_can_t_be_switched_off() {
    let broker = broker();
    for (property, named) in [
        ("enable.idempotence=false", "enable.idempotence"),
        ("acks=1", "acks"),
        ("no.such.setting=1", "no.such.setting"),
    ] {
        let config = config(&broker, &["--kafka-properties", property]);
        let error = format!("{:#}", run(config, pending::<()>()).await.unwrap_err());
        assert!(error.contains(named), "{property}: {error}");
    }
}

#[tokio::test]
async fn a_silent_partition_that_the_topic_does_not_have_ends_the_run_before_the_first_event() {
    let broker = broker();
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("silent.toml");
    let silence = format!(
        "extends = \"default\"\n[[faults.silent_partitions]]\npartition = {PARTITIONS}\n\
         from = \"2025-11-09\"\nto = \"2025-11-10\""
    );
    std::fs::write(&scenario, silence).unwrap();
    let config = config(&broker, &["--scenario", scenario.to_str().unwrap()]);
    let error = run(config, pending::<()>()).await.unwrap_err().to_string();
    for part in ["silent_partitions[0].partition: 3", "less than 3", "topic events"] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
    assert!(records(&broker).is_empty());
}

#[tokio::test]
async fn a_shutdown_before_the_first_event_is_no_failure() {
    let broker = broker();
    let summary = run(config(&broker, &[]), async {}).await.unwrap();
    assert_eq!(summary.sent, 0);
}
