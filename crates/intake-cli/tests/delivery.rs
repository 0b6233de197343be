//! A run against the mock broker of librdkafka: what becomes of rows, and what a second run does. That broker knows no
//! aborted transaction and keeps no offsets of one; kills and raw topics are for the tests on a real one.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use intake_cli::{Cli, carry_out};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);
const MAPPING: &str = r#"
name = "switch"
[input]
header = false
columns = ["n", "at", "src"]
[event]
type = "call"
[time]
zone = "UTC"
formats = ["%Y-%m-%d %H:%M:%S"]
end = "at"
[amount]
column = "n"
[subscriber]
column = "src"
[region]
fixed = "Almaty"
"#;

struct Place {
    broker: MockCluster<'static, DefaultProducerContext>,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let broker = MockCluster::new(1).unwrap();
        broker.create_topic("events", 3, 1).unwrap();
        broker.create_topic("journal", 1, 1).unwrap();
        broker.create_topic("raw", 3, 1).unwrap();
        let place = Place { broker, folder: tempfile::tempdir().unwrap() };
        std::fs::write(place.path("map.toml"), MAPPING).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `intake run`, in this process.
    fn run(&self, arguments: &[&str]) -> ExitCode {
        let (map, servers) = (self.path("map.toml"), self.broker.bootstrap_servers());
        let map = map.to_str().unwrap();
        let line = ["intake", "run", map, "--kafka-bootstrap-servers", &servers]
            .into_iter()
            .chain(["--kafka-topic", "events", "--journal", "journal", "--demo-key"])
            .chain(arguments.iter().copied());
        let cli = Cli::try_parse_from(line).unwrap();
        program::executor().unwrap().block_on(carry_out(cli, pending())).unwrap()
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.broker.bootstrap_servers())
            .set("group.id", "the-test")
            .set("enable.partition.eof", "true");
        config
    }

    /// Keys and payloads of the events' topic.
    fn records(&self) -> Vec<(Option<String>, Value)> {
        let reader: BaseConsumer = self.config().create().unwrap();
        let mut assigned = TopicPartitionList::new();
        for partition in 0..3 {
            assigned.add_partition_offset("events", partition, Offset::Beginning).unwrap();
        }
        reader.assign(&assigned).unwrap();
        let (mut records, mut ended) = (Vec::new(), 0);
        while ended < 3 {
            match reader.poll(PATIENCE).expect("an answer") {
                Ok(message) => {
                    let key = message.key().map(|key| String::from_utf8(key.to_vec()).unwrap());
                    records
                        .push((key, serde_json::from_slice(message.payload().unwrap()).unwrap()));
                }
                Err(KafkaError::PartitionEOF(_)) => ended += 1,
                Err(error) => panic!("{error}"),
            }
        }
        records
    }

    /// Each row once; row 7 of ten is a dead letter, without a key and without a number.
    fn check(&self, rows: u64) {
        let mut seen = BTreeMap::new();
        let mut dead = 0;
        for (key, record) in self.records() {
            match record["amount"].as_u64() {
                Some(n) => {
                    assert_eq!(key.as_deref(), record["subscriber_id"].as_str(), "{record}");
                    *seen.entry(n).or_insert(0) += 1;
                }
                None => {
                    assert_eq!(
                        (key, record["not_mapped"].as_str()),
                        (None, Some("time_unparsable"))
                    );
                    assert!(!record.to_string().contains("7701000"), "{record}");
                    dead += 1;
                }
            }
        }
        assert!(seen.values().all(|count| *count == 1), "twice: {seen:?}");
        assert_eq!((seen.len() as u64, dead), (rows - rows / 10, rows / 10));
    }
}

fn rows(count: u64) -> String {
    let mut text = String::new();
    for n in 0..count {
        let at = if n % 10 == 7 { "never" } else { "2025-11-09 12:00:00" };
        writeln!(text, "{},{at},+7701{:07}", n + 1, n % 50).unwrap();
    }
    text
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn rows_of_a_file_are_sent_once_and_what_is_appended_is_sent_by_the_next_run() {
    let place = Place::new();
    let path = place.path("cdr.csv");
    let name = path.to_str().unwrap();
    write(&path, &rows(30));
    // Several transactions.
    assert_eq!(place.run(&[name, "--batch-rows", "7"]), ExitCode::SUCCESS);
    place.check(30);
    assert_eq!(place.run(&[name]), ExitCode::SUCCESS);
    place.check(30);
    write(&path, &rows(50));
    assert_eq!(place.run(&[name]), ExitCode::SUCCESS);
    place.check(50);
    assert_eq!(place.run(&[name, "--dry-run", "--again"]), ExitCode::SUCCESS);
    place.check(50);
}

#[test]
fn what_may_not_be_read_fails_the_run_and_the_other_files_are_read() {
    let place = Place::new();
    let (a, b, c) = (place.path("a.csv"), place.path("b.csv"), place.path("c.csv"));
    write(&a, &rows(20));
    assert_eq!(place.run(&[a.to_str().unwrap()]), ExitCode::SUCCESS);
    // The same beginning, and then something else; and gzip that is torn.
    write(&b, &rows(20).replace("12:00:00,+77010000005", "12:00:01,+77010000005"));
    std::fs::write(&c, [0x1f, 0x8b, 8, 0]).unwrap();
    let d = place.path("d.csv");
    write(&d, &rows(30).lines().skip(20).map(|line| format!("{line}\n")).collect::<String>());
    let names = [&b, &c, &d].map(|path| path.to_str().unwrap());
    assert_eq!(place.run(&names), ExitCode::FAILURE);
    place.check(30);
}
