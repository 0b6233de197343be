//! A mapping, rows, the program as a process, and what a topic holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::Value;

/// Whatever is waited for comes within this time, or the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const MAPPING: &str = r#"
name = "switch"
[input]
header = false
columns = ["n", "at", "src", "secs"]
[event]
type = "call"
[time]
zone = "UTC"
formats = ["%Y-%m-%d %H:%M:%S"]
end = "at"
[duration]
column = "secs"
[amount]
column = "n"
[subscriber]
column = "src"
[region]
fixed = "Almaty"
"#;

/// A folder with the mapping, a topic of events and a journal of its own.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) topic: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place =
            Place { folder: tempfile::tempdir().unwrap(), topic: sandbox::fresh_topic_name() };
        place.write("map.toml", MAPPING);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    /// `intake run` with these arguments, to be started.
    pub(crate) fn run(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intake"));
        command
            .arg("run")
            .arg(self.path("map.toml"))
            .args(["--kafka-topic", &self.topic, "--demo-key"])
            .args(["--journal", &format!("{}-journal", self.topic)])
            .args(["--name", &self.topic])
            .args(arguments)
            .env("KAFKA_BOOTSTRAP_SERVERS", sandbox::kafka_bootstrap().unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `intake status` of this place.
    pub(crate) fn status(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intake"));
        command
            .args(["status", "--kafka-topic", &self.topic, "--name", &self.topic])
            .args(["--journal", &format!("{}-journal", self.topic)])
            .args(arguments)
            .env("KAFKA_BOOTSTRAP_SERVERS", sandbox::kafka_bootstrap().unwrap());
        command.output().unwrap()
    }

    /// Runs it to its end.
    pub(crate) fn finish(&self, arguments: &[&str]) -> Output {
        self.run(arguments).output().unwrap()
    }

    /// What the topic of events holds, committed records alone.
    pub(crate) fn records(&self) -> Vec<Value> {
        let payloads = committed(&self.topic);
        payloads.iter().map(|payload| serde_json::from_slice(payload).unwrap()).collect()
    }

    /// Every row from 1 to `rows` is there once; those for which `is_bad` as dead letters.
    pub(crate) fn check_rows(&self, rows: u64, is_bad: impl Fn(u64) -> bool) {
        let records = self.records();
        let mut events: BTreeMap<u64, u32> = BTreeMap::new();
        let mut dead: BTreeMap<String, u32> = BTreeMap::new();
        for record in &records {
            match record["amount"].as_u64() {
                Some(n) => *events.entry(n).or_default() += 1,
                None => {
                    assert_eq!(record["not_mapped"], "time_unparsable", "{record}");
                    *dead.entry(record["event_id"].to_string()).or_default() += 1;
                }
            }
        }
        let twice: Vec<_> = events.iter().filter(|(_, count)| **count > 1).take(5).collect();
        assert!(twice.is_empty(), "rows that are there twice: {twice:?}");
        assert!(dead.values().all(|count| *count == 1), "dead letters that are there twice");
        let missing: Vec<u64> =
            (1..=rows).filter(|n| !is_bad(*n) && !events.contains_key(n)).take(5).collect();
        assert!(missing.is_empty(), "rows that are not there: {missing:?}");
        let bad = (1..=rows).filter(|n| is_bad(*n)).count();
        assert_eq!((records.len() as u64, dead.len()), (rows, bad), "records, dead letters");
    }
}

/// Every hundredth row can't be mapped.
pub(crate) fn is_bad(n: u64) -> bool {
    n.is_multiple_of(100)
}

/// Lines of rows.
pub(crate) fn rows(numbers: impl Iterator<Item = u64>) -> String {
    let mut text = String::new();
    for n in numbers {
        let at =
            if is_bad(n) { "never".to_owned() } else { format!("2025-11-09 12:{:02}:00", n % 60) };
        writeln!(text, "{n},{at},+7701{n:07},{}", n % 600).unwrap();
    }
    text
}

/// Where all of the topic's partitions end for a reader of all records.
pub(crate) fn written(topic: &str) -> i64 {
    let client: BaseConsumer =
        config().set("isolation.level", "read_uncommitted").create().unwrap();
    let Ok(metadata) = client.fetch_metadata(None, PATIENCE) else { return 0 };
    let found = metadata.topics().iter().filter(|found| found.name() == topic);
    found
        .flat_map(|found| found.partitions())
        .map(|partition| {
            client.fetch_watermarks(topic, partition.id(), PATIENCE).map_or(0, |(_, high)| high)
        })
        .sum()
}

/// Waits until more is written to the topic than `before`; kills the process then.
pub(crate) fn kill_after(child: &mut Child, topic: &str, before: i64) {
    let deadline = Instant::now() + PATIENCE;
    while written(topic) <= before {
        assert!(Instant::now() < deadline, "nothing is written to {topic}");
        assert!(child.try_wait().unwrap().is_none(), "it has ended before it could be killed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Waits until something is so.
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it has not come to pass within {PATIENCE:?}");
    }
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", sandbox::kafka_bootstrap().unwrap())
        .set("group.id", "the-test")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true");
    config
}

/// Payloads of all committed records of a topic.
pub(crate) fn committed(topic: &str) -> Vec<Vec<u8>> {
    let reader: BaseConsumer = config().set("isolation.level", "read_committed").create().unwrap();
    let metadata = reader.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let partitions: Vec<i32> =
        metadata.topics()[0].partitions().iter().map(|partition| partition.id()).collect();
    let mut assigned = TopicPartitionList::new();
    for partition in &partitions {
        assigned.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
    }
    reader.assign(&assigned).unwrap();
    let (mut payloads, mut ended) = (Vec::new(), 0);
    while ended < partitions.len() {
        match reader.poll(PATIENCE).expect("an answer") {
            Ok(message) => payloads.push(message.payload().unwrap_or_default().to_vec()),
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("{error}"),
        }
    }
    payloads
}

/// A topic with these records, over three partitions.
pub(crate) fn fill(topic: &str, payloads: impl Iterator<Item = String>) {
    let admin: AdminClient<DefaultClientContext> = config().create().unwrap();
    let new = NewTopic::new(topic, 3, TopicReplication::Fixed(1));
    let created = admin.create_topics([&new], &AdminOptions::new());
    let executor = program::executor().unwrap();
    // It may be there already.
    drop(executor.block_on(created).unwrap());
    let producer: BaseProducer = config().create().unwrap();
    for (index, payload) in payloads.enumerate() {
        let partition = (index % 3) as i32;
        let mut record: BaseRecord<'_, str, str> =
            BaseRecord::to(topic).partition(partition).payload(&payload);
        // A full queue gives the record back.
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(20));
            record = back;
        }
    }
    producer.flush(PATIENCE).unwrap();
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// How often a test kills.
pub(crate) fn kills() -> u64 {
    std::env::var("INTAKE_KILLS").map_or(5, |text| text.parse().unwrap())
}
