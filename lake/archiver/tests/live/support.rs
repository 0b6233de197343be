//! What the live tests need: a topic and a database, records whose fate is known, the programs as processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use program::ThreadExecutor;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use sqlx::Connection;

use crate::servers::{self, TIMEOUT, create_database, fresh_name, wait_until};

/// The day of all events.
pub(crate) const DAY: &str = "2025-11-09";
pub(crate) const DAY_AFTER: &str = "2025-11-10";
/// So many subscribers there are.
pub(crate) const SUBSCRIBERS: usize = 50;

/// What is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Records {
    pub(crate) events: usize,
    /// No event.
    pub(crate) dead: usize,
    /// Too far ahead of its record.
    pub(crate) future: usize,
    /// Of hours that are long over.
    pub(crate) late: usize,
    /// The events are sent in so many transactions, besides as many that are aborted.
    pub(crate) transactions: usize,
    pub(crate) aborted: usize,
}

/// A topic, a database, and the programs of the pipeline.
pub(crate) struct Scene {
    kafka: ClientConfig,
    topic: String,
    database: String,
    partitions: i32,
    sent: AtomicUsize,
}

pub(crate) fn subscriber(number: usize) -> String {
    format!("{:016x}", 0xabc0_0000_0000_u64 + (number % SUBSCRIBERS) as u64)
}

pub(crate) fn programs() -> PathBuf {
    let named = std::env::var_os("TELECOM_PROGRAMS").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug"))
}

impl Scene {
    pub(crate) fn new(partitions: i32) -> Self {
        let mut kafka = ClientConfig::new();
        kafka.set("bootstrap.servers", servers::kafka());
        let database = fresh_name();
        create_database(&database, None);
        let scene = Scene {
            kafka,
            topic: fresh_name(),
            database: servers::address_of(&database),
            partitions,
            sent: AtomicUsize::new(0),
        };
        scene.make_topic();
        scene
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.kafka.create().unwrap()
    }

    fn make_topic(&self) {
        let new = NewTopic::new(&self.topic, self.partitions, TopicReplication::Fixed(1))
            .set("message.timestamp.type", "LogAppendTime");
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let admin = self.admin();
        let made = || {
            let creating = admin.create_topics([&new], &options);
            let made = ThreadExecutor::new().unwrap().block_on(creating).unwrap();
            made.into_iter().all(|one| one.is_ok())
        };
        // A topic that is being deleted is not gone at once.
        wait_until("the topic is there", made);
        let queries = log_reader::Queries::new(&self.kafka).unwrap();
        let ids: Vec<i32> = (0..self.partitions).collect();
        let has_logs = || queries.all_log_ends(&self.topic, &ids).is_ok();
        wait_until("the topic can be read", has_logs);
    }

    pub(crate) fn make_topic_again(&self) {
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let admin = self.admin();
        let deleting = admin.delete_topics(&[&self.topic], &options);
        ThreadExecutor::new().unwrap().block_on(deleting).unwrap();
        self.make_topic();
    }

    pub(crate) fn delete_records(&self, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(before)).unwrap();
        let admin = self.admin();
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        let deleting = admin.delete_records(&list, &options);
        ThreadExecutor::new().unwrap().block_on(deleting).unwrap();
    }

    /// Sends records, in an order in which each meets the fate that it is meant for.
    pub(crate) fn send(&self, records: &Records) {
        let mut config = self.kafka.clone();
        config.set("linger.ms", "5");
        if records.transactions > 0 {
            config.set("transactional.id", format!("{}-sender", self.topic));
        }
        let producer: BaseProducer = config.create().unwrap();
        if records.transactions > 0 {
            producer.init_transactions(TIMEOUT).unwrap();
            for _ in 0..records.transactions {
                producer.begin_transaction().unwrap();
                self.send_events(&producer, records.events / records.transactions);
                producer.commit_transaction(TIMEOUT).unwrap();
                producer.begin_transaction().unwrap();
                self.send_events(&producer, records.aborted / records.transactions);
                producer.flush(TIMEOUT).unwrap();
                producer.abort_transaction(TIMEOUT).unwrap();
            }
            return;
        }
        let share = records.events / 2;
        self.send_events(&producer, share);
        for number in 0..records.dead {
            self.put(&producer, format!("{{\"event_type\":\"call\",\"n\":{number}").as_bytes());
        }
        let future = chrono::Utc::now() + chrono::Duration::days(2);
        for number in 0..records.future {
            let at = future.format("%Y-%m-%dT%H:%M:%SZ").to_string();
            self.put(&producer, self.event(number, &at).as_bytes());
        }
        for number in 0..records.late {
            let at = format!("{DAY}T01:{:02}:{:02}Z", number % 60, number % 7);
            self.put(&producer, self.event(number, &at).as_bytes());
        }
        self.send_events(&producer, records.events - share);
        producer.flush(TIMEOUT).unwrap();
    }

    /// Sends payloads in their order; gives how many.
    pub(crate) fn send_payloads(&self, payloads: &[String]) -> u64 {
        let mut config = self.kafka.clone();
        let producer: BaseProducer = config.set("linger.ms", "5").create().unwrap();
        for payload in payloads {
            self.sent.fetch_add(1, Ordering::Relaxed);
            self.put(&producer, payload.as_bytes());
        }
        producer.flush(TIMEOUT).unwrap();
        payloads.len() as u64
    }

    /// Sends events to one partition alone.
    pub(crate) fn send_to(&self, partition: i32, count: usize) {
        let producer: BaseProducer = self.kafka.create().unwrap();
        for number in 0..count {
            let payload = self.event(number, &format!("{DAY}T13:00:00Z"));
            let record: BaseRecord<'_, [u8], [u8]> =
                BaseRecord::to(&self.topic).partition(partition).payload(payload.as_bytes());
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(TIMEOUT).unwrap();
    }

    fn send_events(&self, producer: &BaseProducer, count: usize) {
        for _ in 0..count {
            let number = self.sent.fetch_add(1, Ordering::Relaxed);
            let second = 43_200 + number / 40 % 36_000;
            let (hour, minute) = (second / 3_600, second / 60 % 60);
            let at = format!("{DAY}T{hour:02}:{minute:02}:{:02}.123456Z", second % 60);
            self.put(producer, self.event(number, &at).as_bytes());
        }
    }

    fn event(&self, number: usize, at: &str) -> String {
        let (subscriber, other) = (subscriber(number * 7), subscriber(number * 11 + 3));
        let region = ["Almaty", "Astana", "Osh"][number % 3];
        match number % 4 {
            0 => format!(
                r#"{{"event_id":"{number:032x}","event_type":"call","event_subtype":"incoming","region":"{region}","timestamp":"{at}","duration_seconds":{},"subscriber_id":"{subscriber}","counterparty_id":"{other}","cell_tower_id":{}}}"#,
                number % 600,
                1_000 + number % 90
            ),
            1 if number % 60 == 1 => {
                format!(
                    r#"{{"event_type":"data_session","region":"{region}","timestamp":"{at}","data_mb":1}}"#
                )
            }
            1 => format!(
                r#"{{"event_type":"data_session","region":"{region}","timestamp":"{at}","data_mb":{}.{:02},"duration_seconds":60,"subscriber_id":"{subscriber}","imei":"35-{number}","x":[1,null]}}"#,
                number % 500,
                number % 100
            ),
            2 => format!(
                r#"{{"event_type":"sms","region":"{region}","timestamp":"{at}","subscriber_id":"{subscriber}","counterparty_id":"{other}"}}"#
            ),
            _ => format!(
                r#"{{"event_type":"balance_recharge","region":"{region}","timestamp":"{at}","amount":{},"subscriber_id":"{subscriber}"}}"#,
                500 + number % 5
            ),
        }
    }

    fn put(&self, producer: &BaseProducer, payload: &[u8]) {
        let partition = i32::try_from(payload.len() + self.sent.load(Ordering::Relaxed)).unwrap()
            % self.partitions;
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&self.topic).partition(partition).payload(payload);
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(20));
            record = back;
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        self.environment(&mut command);
        command
    }

    pub(crate) fn environment(&self, command: &mut Command) {
        command
            .env("KAFKA_BOOTSTRAP_SERVERS", servers::kafka())
            .env("KAFKA_TOPIC", &self.topic)
            .env("KAFKA_GROUP_ID", format!("{}-streamer", self.topic))
            .env("DATABASE_URL", &self.database)
            .env("RUST_LOG", "warn");
    }

    fn succeed(mut command: Command) {
        let ended = command.output().unwrap();
        assert!(ended.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&ended.stderr));
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    pub(crate) fn drain_streamer(&self) {
        let mut command = self.command("streamer");
        command.args(["run", "--drain"]);
        Self::succeed(command);
    }

    /// Lets a streamer find out that the log is another one, and permits it to go on.
    pub(crate) fn accept_gap_of_streamer(&self) {
        let mut command = self.command("streamer");
        let ended = command.args(["run", "--drain"]).output().unwrap();
        assert_eq!(ended.status.code(), Some(3), "{}", String::from_utf8_lossy(&ended.stderr));
        let mut command = self.command("streamer");
        command.args([
            "accept-gap",
            "--topic",
            &self.topic,
            "--partition",
            "0",
            "--reason",
            "test",
        ]);
        Self::succeed(command);
    }

    pub(crate) fn batcher(&self, arguments: &[&str]) {
        let mut command = self.command("batcher");
        command.args(arguments);
        Self::succeed(command);
    }

    pub(crate) fn sql(&self, statement: &'static str) {
        self.query(async |connection| {
            sqlx::query(statement).execute(connection).await.unwrap();
        });
    }

    fn query<T>(&self, ask: impl AsyncFnOnce(&mut sqlx::PgConnection) -> T) -> T {
        ThreadExecutor::new().unwrap().block_on(async {
            let mut connection = sqlx::PgConnection::connect(&self.database).await.unwrap();
            ask(&mut connection).await
        })
    }

    /// What the warehouse has counted, on time and late.
    pub(crate) fn counted(&self) -> i64 {
        self.query(async |connection| {
            sqlx::query_scalar("SELECT COALESCE(SUM(on_time + late), 0)::bigint FROM day_ledger")
                .fetch_one(connection)
                .await
                .unwrap()
        })
    }

    /// The rows of daily_stats as `archiver day` prints them.
    pub(crate) fn daily_stats(&self, day: &'static str) -> Vec<Vec<String>> {
        type Row = (String, String, i64, f64, f64, f64, f64);
        let rows: Vec<Row> = self.query(async |connection| {
            sqlx::query_as(
                "SELECT event_type, region, total_events, total_duration_hours, total_data_tb,
                        total_amount, avg_duration_seconds
                 FROM daily_stats WHERE date = $1::date",
            )
            .bind(day.parse::<chrono::NaiveDate>().unwrap())
            .fetch_all(connection)
            .await
            .unwrap()
        });
        assert!(!rows.is_empty());
        let mut rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|(event_type, region, events, hours, terabytes, tenge, average)| {
                let figures = [hours, terabytes, tenge, average].map(|figure| figure.to_string());
                [vec![event_type, region, events.to_string()], figures.to_vec()].concat()
            })
            .collect();
        rows.sort();
        rows
    }

    /// A copy of the database as it is now.
    pub(crate) fn backup(&self) -> String {
        let (_, name) = self.database.rsplit_once('/').unwrap();
        let copy = fresh_name();
        create_database(&copy, Some(name));
        servers::address_of(&copy)
    }

    pub(crate) fn restore(&mut self, backup: String) {
        self.database = backup;
    }
}

/// Ends a process as a crash does.
pub(crate) fn kill(process: &mut Child) {
    process.kill().unwrap();
    process.wait().unwrap();
}

pub(crate) fn send_signal(process: &Child, signal: &str) {
    let sent =
        Command::new("kill").arg(format!("-{signal}")).arg(process.id().to_string()).status();
    assert!(sent.unwrap().success());
}
