//! The program on a real Kafka: each row once, through kills.
//!
//! `INTAKE_KILLS` says how often it is killed in each of the two tests: 5 unless given, 50 is the full number.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod files;
mod kills;
mod raw;
mod support;
