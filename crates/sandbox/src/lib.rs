//! A throw-away Kafka and PostgreSQL for the demo and the tests, without Docker.
//!
//! [`Kafka`] and [`Postgres`] are real servers on loopback (or on [`HOST_VARIABLE`]), each on a free port and in a folder of
//! its own. They end with their guard, and also when the process that started them is killed. Tests
//! share one of each through [`kafka_bootstrap`] and [`fresh_database`]; a test that stops
//! servers starts its own.
//!
//! Blocking, so that any test can call it, also inside an async runtime.

mod cache;
mod host;
mod kafka;
mod postgres;
mod random;
mod server;
mod shared;
mod sql;

pub use host::HOST_VARIABLE;
pub use kafka::{KAFKA_MODE_VARIABLE, Kafka, KafkaCluster, KafkaListener, KafkaMode, KafkaOptions};
pub use postgres::{Postgres, PostgresOptions};
pub use random::{free_address, free_port};
pub use server::wait_until;
pub use shared::{
    KAFKA_VARIABLE, POSTGRES_VARIABLE, fresh_database, fresh_topic_name, kafka_bootstrap,
    postgres_url,
};
