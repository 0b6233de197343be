//! One test's pipeline: a topic and a database of its own, and the programs between them.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use sandbox::wait_until;

use crate::oracle::{self, Expected};
use crate::{Database, Ended, Running, Span, Stream, Topic, WAIT_TIMEOUT, differences};

/// KAFKA_PROPERTIES of a streamer that reads some thousand records a second, so that a test
/// has the time to disturb it.
pub const SLOW_READER: &str = "queued.min.messages=100,queued.max.messages.kbytes=16,\
                               fetch.max.bytes=16384,max.partition.fetch.bytes=16384,\
                               message.max.bytes=16384,fetch.queue.backoff.ms=20";

/// A topic, a database, and where they are.
#[derive(Debug)]
pub struct Pipeline {
    /// The topic of events.
    pub topic: Topic,
    pub database: Database,
}

impl Pipeline {
    /// A topic with this many partitions and an empty database, on the servers that tests share.
    ///
    /// # Errors
    /// A server can't be started, or refuses.
    pub fn new(partitions: i32) -> Result<Pipeline> {
        Pipeline::on(sandbox::kafka_bootstrap()?, &sandbox::fresh_database()?, partitions)
    }

    /// The same on other servers; the database must be empty.
    ///
    /// # Errors
    /// A server refuses.
    pub fn on(bootstrap: &str, database_url: &str, partitions: i32) -> Result<Pipeline> {
        Ok(Pipeline {
            topic: Topic::create(bootstrap, &sandbox::fresh_topic_name(), partitions)?,
            database: Database::at(database_url)?,
        })
    }

    /// Starts a program against this topic and database.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Result<Running> {
        self.start_with(program, arguments, &[])
    }

    /// The same with more variables, which win over the pipeline's own.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start_with(
        &self,
        program: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Running> {
        let mut all = self.variables().to_vec();
        all.extend(variables);
        Running::start(program, arguments, &all)
    }

    /// The same with standard output and standard error that may take nothing.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start_with_streams(
        &self,
        program: &str,
        arguments: &[&str],
        output: Stream,
        log: Stream,
    ) -> Result<Running> {
        Running::start_with_streams(program, arguments, &self.variables(), output, log)
    }

    /// What tells a program where topic and database are.
    fn variables(&self) -> [(&str, &str); 4] {
        [
            ("KAFKA_BOOTSTRAP_SERVERS", self.topic.bootstrap()),
            ("KAFKA_TOPIC", self.topic.name()),
            // A group of the test's own: the groups of one broker must not meet.
            ("KAFKA_GROUP_ID", self.topic.name()),
            ("DATABASE_URL", self.database.url()),
        ]
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// It can't be started, or does not end.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Ended> {
        self.start(program, arguments)?.end()
    }

    /// Reads and stores all that the topic holds, and fails unless that succeeds.
    ///
    /// # Errors
    /// Another exit code than 0.
    pub fn drain(&self) -> Result<()> {
        self.run("streamer", &["--drain"])?.expect(0)?;
        Ok(())
    }

    /// Runs `streamer verify`, and fails unless the accounting holds.
    ///
    /// # Errors
    /// The differences.
    pub fn verify(&self) -> Result<()> {
        self.run("streamer", &["verify"])?.expect(0)?;
        Ok(())
    }

    /// Waits until the stored positions have moved on from this sum of theirs.
    ///
    /// # Errors
    /// They don't.
    pub fn wait_for_progress_from(&mut self, before: i64) -> Result<()> {
        let database = &mut self.database;
        wait_until("a flush is stored", WAIT_TIMEOUT, || database.progress() > before)
    }

    /// Waits, after a server has come back, until records that were written from now on are stored; fails
    /// if a partition is halted or the accounting does not hold.
    ///
    /// # Errors
    /// They are not stored, or one of these.
    pub fn expect_going_on(&mut self) -> Result<()> {
        let mut end = 0;
        wait_until("the broker knows the topic", WAIT_TIMEOUT, || {
            end = self.topic.end().unwrap_or_default();
            end > 0
        })?;
        self.wait_for_progress_from(end)?;
        let halted = self.database.halted()?;
        ensure!(halted.is_empty(), "halted: {halted:?}");
        self.verify()
    }

    /// Waits until every partition is stored up to the end that its log has now.
    ///
    /// # Errors
    /// They don't get there.
    pub fn wait_until_caught_up(&mut self) -> Result<()> {
        let spans = self.topic.spans()?;
        let ends: BTreeMap<i32, i64> =
            spans.into_iter().map(|(partition, span)| (partition, span.next)).collect();
        let database = &mut self.database;
        wait_until("all is stored", WAIT_TIMEOUT, || database.positions() == ends)
    }

    /// Fails unless all tables hold exactly what the whole log adds up to, and `streamer verify`
    /// agrees. Returns what was expected.
    ///
    /// # Errors
    /// The differences, row by row.
    pub fn expect_recomputed(&mut self) -> Result<Expected> {
        let spans = self.topic.spans()?;
        self.expect_recomputed_over(&spans)
    }

    /// The same for these offsets of the log.
    ///
    /// # Errors
    /// The differences, row by row.
    pub fn expect_recomputed_over(&mut self, spans: &BTreeMap<i32, Span>) -> Result<Expected> {
        let expected = oracle::recompute(&self.topic.records()?, spans);
        self.expect(&expected)?;
        Ok(expected)
    }

    /// Fails unless all tables hold exactly this.
    ///
    /// # Errors
    /// The differences, row by row.
    pub fn expect(&mut self, expected: &Expected) -> Result<()> {
        let differences = differences(&mut self.database, expected)?;
        ensure!(differences.is_empty(), "the tables are not what was recomputed:\n{differences}");
        self.verify()
    }

    /// First offset and position of each partition, as stored.
    ///
    /// # Errors
    /// The query fails.
    pub fn stored_spans(&mut self) -> Result<BTreeMap<i32, Span>> {
        use sqlx::Row;
        let rows = self
            .database
            .rows("SELECT partition, first_offset, next_offset FROM stream_progress")?;
        let span = |row: &sqlx::postgres::PgRow| Span { first: row.get(1), next: row.get(2) };
        Ok(rows.iter().map(|row| (row.get(0), span(row))).collect())
    }
}
