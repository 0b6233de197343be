//! Both servers, and how programs are told where they are.

use std::thread;

use anyhow::{Result, anyhow};
use sandbox::{KAFKA_VARIABLE, Kafka, POSTGRES_VARIABLE, Postgres};

/// A Kafka and a PostgreSQL.
pub(crate) struct Pair {
    pub(crate) kafka: Kafka,
    pub(crate) postgres: Postgres,
}

impl Pair {
    /// Starts both at the same time: each waits mostly for itself.
    pub(crate) fn start() -> Result<Pair> {
        thread::scope(|scope| {
            let kafka = scope.spawn(Kafka::start);
            let postgres = Postgres::start();
            let kafka = kafka.join().map_err(|_| anyhow!("starting Kafka panicked"))?;
            Ok(Pair { kafka: kafka?, postgres: postgres? })
        })
    }

    /// The address of the database that the programs use.
    pub(crate) fn database_url(&self) -> String {
        self.postgres.url("telecom_db")
    }

    /// What producer, streamer and batcher read.
    pub(crate) fn program_variables(&self) -> [(&'static str, String); 2] {
        [
            ("KAFKA_BOOTSTRAP_SERVERS", self.kafka.bootstrap().to_owned()),
            ("DATABASE_URL", self.database_url()),
        ]
    }

    /// What this workspace's tests read.
    pub(crate) fn test_variables(&self) -> [(&'static str, String); 2] {
        [
            (KAFKA_VARIABLE, self.kafka.bootstrap().to_owned()),
            (POSTGRES_VARIABLE, self.postgres.url("postgres")),
        ]
    }
}
