//! Servers of one test: a broker, the exchange's database and the warehouse, a worker between them, and the pipeline behind.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Database, Pipeline, Running, Topic};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use sandbox::{Kafka, KafkaOptions, Postgres, PostgresOptions, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use crate::exchange::{TABLE, insert};
use crate::worker::{Worker, repository};

/// The first rows, that were there before the slot.
pub(crate) const HISTORY: usize = 3;
pub(crate) const RAW: &str = "pbx.public.cdr";
/// Made up, like the numbers.
pub(crate) const KEY: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
pub(crate) const PASSWORD: &str = "secret-of-the-exchange";
/// How long anything of Connect's may take, on a busy machine: its groups wait for the dead, its tasks for their slot.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const PARTITIONS: i32 = 3;

pub(crate) struct Bench {
    // Programs end before the servers that they speak to.
    worker: Option<Worker>,
    pub(crate) source: Database,
    pub(crate) pipeline: Pipeline,
    pub(crate) raw: Topic,
    ends: BaseConsumer,
    variables: Vec<(String, String)>,
    pub(crate) kafka: Kafka,
    _postgres: Postgres,
    pub(crate) folder: TempDir,
}

impl Bench {
    /// The servers, the exchange's table with rows from before, and what connect/source.sql makes; no worker.
    pub(crate) fn start() -> Result<Bench> {
        let history: Vec<_> =
            (0..HISTORY).map(|index| (index, format!("history-{index}"))).collect();
        let kafka = Kafka::start_with(&KafkaOptions::default().kraft())?;
        let settings = [("wal_level", "logical"), ("max_slot_wal_keep_size", "1GB")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let postgres = Postgres::start_with(&PostgresOptions { settings, ..Default::default() })?;
        let source_url = postgres.create_database("pbx")?;
        let pipeline =
            Pipeline::on(kafka.bootstrap(), &postgres.create_database("warehouse")?, PARTITIONS)?;
        let mut source = Database::at(&source_url)?;
        source.execute(TABLE)?;
        insert(&mut source, &history)?;
        // One by one, as psql does: a slot can't be made in a transaction that has written.
        let statements = std::fs::read_to_string(repository().join("connect/source.sql"))?;
        for statement in statements.split_inclusive(";\n") {
            source.execute(statement)?;
        }
        source.execute(&format!("ALTER ROLE cdr_reader PASSWORD '{PASSWORD}'"))?;
        let port = source.number("SELECT inet_server_port()::bigint")?.to_string();
        let variables = [
            ("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap()),
            ("CDR_HOST", "127.0.0.1"),
            ("CDR_PORT", port.as_str()),
            ("CDR_USER", "cdr_reader"),
            ("CDR_PASSWORD", PASSWORD),
            ("CDR_DATABASE", "pbx"),
            ("SUBSCRIBER_KEY", KEY),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let ends = ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create()?;
        Ok(Bench {
            worker: None,
            source,
            pipeline,
            raw: Topic::at(kafka.bootstrap(), RAW),
            ends,
            variables,
            kafka,
            _postgres: postgres,
            folder: tempfile::Builder::new().prefix("e2e-connect-").tempdir()?,
        })
    }

    /// Starts a worker, unless one runs.
    pub(crate) fn start_worker(&mut self) -> Result<()> {
        let log = self.folder.path().join("worker.log");
        self.worker = Some(Worker::start(&self.variables, &log)?);
        Ok(())
    }

    /// Starts a worker and waits until it reads the database's log: what is written from now on is read.
    pub(crate) fn start_reading(&mut self) -> Result<()> {
        self.start_worker()?;
        let source = &mut self.source;
        wait_until("the worker reads the log", PATIENCE, || {
            let active = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'telecom_cdr' AND active";
            source.number(active).is_ok_and(|count| count == 1)
        })
        .with_context(|| self.worker.as_ref().map_or(String::new(), Worker::tail))
    }

    pub(crate) fn kill_worker(&mut self) -> Result<()> {
        self.worker.take().context("no worker")?.kill()
    }

    pub(crate) fn worker(&self) -> Result<&Worker> {
        self.worker.as_ref().context("no worker")
    }

    /// The sum of the raw topic's ends; `None` while there is none, or nobody answers.
    fn raw_end(&self) -> Option<i64> {
        let end = |partition| self.ends.fetch_watermarks(RAW, partition, REQUEST_TIMEOUT);
        (0..PARTITIONS).map(|partition| Some(end(partition).ok()?.1)).sum()
    }

    /// Waits until the raw topic is there.
    pub(crate) fn wait_for_raw(&self) -> Result<()> {
        wait_until("the raw topic has a row", PATIENCE, || {
            self.raw_end().is_some_and(|end| end > 0)
        })
        .with_context(|| self.worker.as_ref().map_or(String::new(), Worker::tail))
    }

    /// Waits until so many more offsets of the raw topic are taken; a dead transaction's marks take a few.
    pub(crate) fn wait_for_more(&self, count: i64) -> Result<()> {
        let mut before = None;
        wait_until("the broker answers", PATIENCE, || {
            before = self.raw_end();
            before.is_some()
        })?;
        let expected = before.unwrap_or_default() + count;
        wait_until("rows reach the raw topic", PATIENCE, || {
            self.raw_end().is_some_and(|end| end >= expected)
        })
        .with_context(|| self.worker.as_ref().map_or(String::new(), Worker::tail))
    }

    /// The programs behind the raw topic, intake first.
    pub(crate) fn start_pipeline(&self) -> Result<[Running; 2]> {
        let streamer = self.pipeline.start("streamer", &["--flush-interval", "500ms"])?;
        Ok([self.start_intake()?, streamer])
    }

    /// intake, which has no key.
    fn start_intake(&self) -> Result<Running> {
        let profile = e2e::run("intake", &["profile", "asterisk-connect"], &[])?.expect(0)?;
        let map = self.folder.path().join("map.toml");
        std::fs::write(&map, profile.output)?;
        let map = map.to_string_lossy().into_owned();
        self.pipeline.start("intake", &["run", &map, "--from-topic", RAW, "--follow"])
    }

    /// Starts intake again if it is over, as Compose does: an outage that lasts longer than a transaction may can end it.
    pub(crate) fn keep_intake(&self, intake: &mut Running) -> Result<()> {
        if !intake.is_alive() {
            let ended = std::mem::replace(intake, self.start_intake()?).end()?;
            ensure!(ended.log.contains("this one was away for longer"), "{}", ended.log);
        }
        Ok(())
    }

    /// How many records the streamer has accounted for.
    pub(crate) fn accounted(&mut self) -> i64 {
        let sum = "SELECT COALESCE(sum(on_time + late + dead), 0)::bigint FROM stream_progress";
        self.pipeline.database.number(sum).unwrap_or_default()
    }

    /// How often each row is in the raw topic, of what is committed.
    pub(crate) fn raw_rows(&self) -> Result<BTreeMap<String, usize>> {
        let mut rows = BTreeMap::new();
        for record in self.raw.records()? {
            let row: Value = serde_json::from_slice(&record.payload.unwrap_or_default())?;
            let id = row["uniqueid"].as_str().with_context(|| format!("no id: {row}"))?;
            *rows.entry(id.to_owned()).or_default() += 1;
        }
        Ok(rows)
    }

    /// Fails unless each of these rows is in the raw topic once, and nothing else is.
    pub(crate) fn expect_rows(&self, expected: &BTreeMap<String, usize>) -> Result<()> {
        let found = self.raw_rows()?;
        let missing = expected.keys().filter(|id| !found.contains_key(*id)).count();
        let twice = found.values().filter(|count| **count > 1).count();
        let others: Vec<&String> = found.keys().filter(|id| !expected.contains_key(*id)).collect();
        ensure!(
            found == *expected,
            "of {} rows {missing} are missing and {twice} are there twice; beside them: {others:?}",
            expected.len()
        );
        Ok(())
    }
}
