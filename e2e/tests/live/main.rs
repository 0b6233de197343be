//! The three real programs on a real Kafka and a real PostgreSQL. Each test has a topic and a
//! database of its own; those that stop a server start one of their own, too.
//!
//! A test that disturbs a program also proves that the disturbance hit: positions moved before and
//! after it, both processes owned partitions, records were read during the outage.

mod bad_input;
mod compare;
mod crashes;
mod first_contact;
mod groups;
mod halts;
mod hourly_files;
mod listeners;
mod log_forms;
mod outages;
mod partitioned;
mod pipeline;
mod poison;
mod rebalances;
mod small_batches;
mod turns;

use chrono::{DateTime, Utc};

/// An instant that a test names.
fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant in RFC 3339")
}
