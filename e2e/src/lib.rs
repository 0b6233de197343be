//! What the live tests need: the three real programs as processes, a real Kafka and PostgreSQL
//! around them, and a plain recomputation of what their tables must hold.
//!
//! ```text
//!   records ─► topic ─► streamer ─► tables ─┐
//!                └────► oracle ───► rows ───┴─► the same, to the last digit?
//! ```
//!
//! Reading order: [`Pipeline`] (a topic, a database and the programs between them) → [`Running`] (a
//! program) → [`oracle`] (what must come out) → `tables` (what came out). The oracle shares no
//! code with the programs. Everything blocks, so a test reads from top to bottom.

#![allow(missing_docs, reason = "for these tests: no other crate reads its interface")]

mod binaries;
mod database;
mod events;
mod faulty_link;
pub mod oracle;
mod pipeline;
mod produce_request;
mod program;
mod send;
mod tables;
mod tally;
mod topic;

pub use binaries::{WITH_FAIL_POINTS, binary};
pub use database::{Database, Held, url_of_both};
pub use events::{Scatter, event};
pub use faulty_link::{Fault, FaultyLink};
pub use pipeline::{Pipeline, SLOW_READER};
pub use produce_request::send_with_raw_header;
pub use program::{END_TIMEOUT, Ended, Running, Stream, WAIT_TIMEOUT, run};
pub use send::{RawRecord, Sender};
pub use tables::{Differences, daily_rows, differences};
pub use tally::{Tally, volume};
pub use topic::{LoggedRecord, Span, Topic};

use std::future::Future;

use anyhow::Result;

/// Runs a future of a client library to its end.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
