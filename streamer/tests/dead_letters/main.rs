//! `streamer dead-letters`, `streamer erase` and `streamer late`: the real program on a real Kafka and PostgreSQL, each
//! test with a database and topics of its own.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod crashes;
mod erase;
mod late;
mod look;
mod masking;
mod replay;
mod support;
