//! What these tests share: a database, a topic, the program.

use std::collections::BTreeMap;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection};
use store::Session;
use tokio::runtime::Runtime;

/// How long anything may take. Generous, for a busy machine: nothing is proved by it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(90);

/// Header names and values.
pub(crate) type TestHeaders = Vec<(String, Option<Vec<u8>>)>;

/// A database with the pipeline's tables, and a topic with two partitions.
pub(crate) struct Stage {
    pub(crate) database_url: String,
    pub(crate) bootstrap: String,
    pub(crate) topic: String,
    executor: Runtime,
    connection: PgConnection,
}

/// One record as it stands in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: TestHeaders,
}

pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails unless it ended with this exit code and said these texts.
    #[track_caller]
    pub(crate) fn expect(self, code: i32, said: &[&str]) -> Ended {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, code, "{all}");
        for text in said {
            assert!(all.contains(text), "it must say {text:?}: {all}");
        }
        self
    }
}

impl Found {
    /// The value of a header, as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }
}

impl Stage {
    pub(crate) fn new() -> Stage {
        let bootstrap = sandbox::kafka_bootstrap().unwrap().to_owned();
        let database_url = sandbox::fresh_database().unwrap();
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = executor.block_on(async {
            let mut connection = store::connect(&database_url, Session::Batch).await.unwrap();
            store::migrate(&mut connection).await.unwrap();
            connection
        });
        let topic = sandbox::fresh_topic_name();
        let stage = Stage { database_url, bootstrap, topic, executor, connection };
        stage.create_topic(&stage.topic);
        stage
    }

    pub(crate) fn create_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let topic = NewTopic::new(name, 2, TopicReplication::Fixed(1))
            .set("message.timestamp.type", "LogAppendTime");
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let results = self.executor.block_on(admin.create_topics([&topic], &options)).unwrap();
        results.into_iter().for_each(|result| drop(result.unwrap()));
        sandbox::wait_until("the topic can be read", TIMEOUT, || self.end_of(name) == Some(0))
            .unwrap();
    }

    /// Deletes the records of a partition before this offset, as retention does.
    pub(crate) fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        let deleting = admin.delete_records(&offsets, &AdminOptions::new());
        let deleted = self.executor.block_on(deleting).unwrap();
        deleted.elements().iter().for_each(|element| element.error().unwrap());
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    /// The program, with these arguments and no other setting than where its servers are.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_streamer"));
        command
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", &self.database_url)
            .env("KAFKA_BOOTSTRAP_SERVERS", &self.bootstrap)
            .env("KAFKA_TOPIC", &self.topic)
            .env("USER", "the operator")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn streamer(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).output().unwrap())
    }

    /// `streamer dead-letters …`
    pub(crate) fn letters(&self, arguments: &[&str]) -> Ended {
        self.streamer(&[&["dead-letters"], arguments].concat())
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Reads the topic to its end and stores everything.
    #[track_caller]
    pub(crate) fn drain(&self) {
        self.streamer(&["--drain", "--flush-interval", "100ms"]).expect(0, &[]);
    }

    pub(crate) fn execute(&mut self, statements: &str) {
        // Written by the tests.
        let sql = AssertSqlSafe(statements.to_owned());
        let Stage { executor, connection, .. } = self;
        executor.block_on(async { sqlx::raw_sql(sql).execute(connection).await }).unwrap();
    }

    pub(crate) fn rows(&mut self, query: &str) -> Vec<PgRow> {
        let sql = AssertSqlSafe(query.to_owned());
        let Stage { executor, connection, .. } = self;
        executor.block_on(async { sqlx::query(sql).fetch_all(connection).await }).unwrap()
    }

    pub(crate) fn number(&mut self, query: &str) -> i64 {
        sqlx::Row::get(&self.rows(query)[0], 0)
    }

    /// Another session, for a lock.
    pub(crate) fn with_other_session<T>(
        &self,
        locking: &'static str,
        act: impl FnOnce() -> T,
    ) -> T {
        let mut other = self.executor.block_on(PgConnection::connect(&self.database_url)).unwrap();
        self.executor.block_on(sqlx::raw_sql(locking).execute(&mut other)).unwrap();
        let acted = act();
        self.executor.block_on(other.close()).unwrap();
        acted
    }

    /// Stores letters of this topic as the flush does, at offsets 0, 1, … of partition 0.
    pub(crate) fn insert_letters(&mut self, payloads: &[&str]) {
        for (offset, payload) in payloads.iter().enumerate() {
            self.execute(&format!(
                "INSERT INTO dead_letters
                     (topic, generation, partition, \"offset\", reason, detail, key, payload)
                 VALUES ('{}', 0, 0, {offset}, 'not_json', 'a test', 'k{offset}', '{payload}')",
                self.topic
            ));
        }
    }

    /// The name of a letter of partition 0.
    pub(crate) fn letter(&self, offset: i64) -> String {
        format!("{}/0/0/{offset}", self.topic)
    }

    /// Writes records to partition 0 or 1 of a topic.
    pub(crate) fn send(&self, topic: &str, records: &[Found]) {
        let producer: BaseProducer = self.config().create().unwrap();
        for record in records {
            producer.send(base_record(topic, record)).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(TIMEOUT).unwrap();
    }

    /// The sum of the ends of both partitions; `None`: no such topic yet.
    fn end_of(&self, topic: &str) -> Option<i64> {
        let reader: BaseConsumer = self.config().create().unwrap();
        let ends = [0, 1].map(|partition| reader.fetch_watermarks(topic, partition, TIMEOUT));
        ends.into_iter().map(|ends| Some(ends.ok()?.1)).sum()
    }

    /// All committed records of a topic, by partition and offset.
    pub(crate) fn records(&self, topic: &str) -> BTreeMap<(i32, i64), Found> {
        let reader: BaseConsumer = self
            .config()
            .set("group.id", "test-reader")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let mut positions = TopicPartitionList::new();
        for partition in 0..2 {
            positions.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        reader.assign(&positions).unwrap();
        let (mut records, mut unread) = (BTreeMap::new(), 2);
        while unread > 0 {
            match reader.poll(TIMEOUT).expect("the broker answers") {
                Ok(message) => {
                    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
                    let found = Found {
                        partition: message.partition(),
                        key: message.key().map(<[u8]>::to_vec),
                        payload: message.payload().map(<[u8]>::to_vec),
                        headers: headers
                            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                            .collect(),
                    };
                    records.insert((message.partition(), message.offset()), found);
                }
                Err(KafkaError::PartitionEOF(_)) => unread -= 1,
                Err(error) => panic!("{error}"),
            }
        }
        records
    }

    /// How often each letter is in a topic, by what its header says.
    pub(crate) fn arrivals(&self, topic: &str) -> BTreeMap<String, usize> {
        let mut arrivals = BTreeMap::new();
        for record in self.records(topic).values() {
            if let Some(source) = record.header("dead-letter-source") {
                *arrivals.entry(source.to_owned()).or_default() += 1;
            }
        }
        arrivals
    }
}

/// A record to be sent, with every part given.
pub(crate) fn base_record<'a>(topic: &'a str, record: &'a Found) -> BaseRecord<'a, [u8], [u8]> {
    let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: value.as_deref() })
    });
    let mut base = BaseRecord::to(topic).partition(record.partition).headers(headers);
    base.key = record.key.as_deref();
    base.payload = record.payload.as_deref();
    base
}

/// A record with nothing but a payload.
pub(crate) fn plain(payload: &str) -> Found {
    let payload = Some(payload.as_bytes().to_vec());
    Found { partition: 0, key: None, payload, headers: Vec::new() }
}

/// A record as a replay sends it.
pub(crate) fn replayed(source: &str, attempt: i32) -> Found {
    let header = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
    let headers = vec![
        header("dead-letter-source", source.to_owned()),
        header("dead-letter-attempt", attempt.to_string()),
    ];
    Found { headers, ..plain("sent before the crash") }
}

pub(crate) fn ended(output: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code().expect("an exit code, not a signal"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
