//! What counting subscribers adds to a flush: bytes of sketches, bytes of write-ahead log, time.
//!
//! In: flushes of three events for each of 40 or 10,000 groups, which have met nobody else, or 1,000
//! others. Out: figures of the cheapest of several flushes: what a
//! checkpoint adds is not the flush's.
//! `target/debug/sandbox run -- cargo run --release -p store --example flush_bytes`.
#![allow(clippy::unwrap_used, reason = "a figure that can't be had is none")]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

#[path = "../tests/sketches/support.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod support;

use std::time::Instant;

use support::{Database, event, session};

const FLUSHES: u32 = 5;
/// Subscribers that each group meets in a flush.
const MET_IN_A_FLUSH: u32 = 3;
/// Beyond 384 a sketch has all its registers.
const MET_BEFORE: u32 = 1_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for groups in [40, 10_000] {
        for (name, met_before) in [("nobody", None), ("few", Some(0)), ("many", Some(MET_BEFORE))] {
            runtime.block_on(measure(groups, name, met_before));
        }
    }
}

async fn measure(groups: u32, name: &str, met_before: Option<u32>) {
    let mut database = Database::new(chrono_tz::UTC).await;
    let record = |group: u32, subscriber: Option<u32>| {
        let region = format!("R{group:05}");
        let nobody = || event(("data_session", &region), "2025-11-09T10:00:00", 1.5, (None, None));
        (0, subscriber.map_or_else(nobody, |number| session(&region, number)))
    };
    // In several flushes: a bound on memory ends each of them.
    for first in (0..met_before.unwrap_or(0)).step_by(500) {
        for first_group in (0..groups).step_by(1_000) {
            let some_groups = first_group..groups.min(first_group + 1_000);
            let met = |group| (first..first + 500).map(move |number| (group, number));
            let pairs = some_groups.flat_map(met);
            let records: Vec<_> = pairs.map(|(group, n)| record(group, Some(n))).collect();
            let batch = database.batch(&records).await;
            database.flush(batch).await;
        }
    }
    let mut cheapest = (i64::MAX, f64::INFINITY);
    for flush in 0..FLUSHES {
        let first = MET_BEFORE + flush * MET_IN_A_FLUSH;
        let met = |group| (first..first + MET_IN_A_FLUSH).map(move |number| (group, number));
        let known = |number| met_before.map(|_| number);
        let pairs = (0..groups).flat_map(met);
        let records: Vec<_> = pairs.map(|(group, number)| record(group, known(number))).collect();
        let batch = database.batch(&records).await;
        let log_before = log_position(&mut database).await;
        let started = Instant::now();
        database.flush(batch).await;
        let millis = started.elapsed().as_secs_f64() * 1e3;
        let logged = log_position(&mut database).await - log_before;
        cheapest = (cheapest.0.min(logged), cheapest.1.min(millis));
    }
    let sketches: Option<i64> =
        sqlx::query_scalar("SELECT SUM(octet_length(sketch)) FROM subscriber_sketches")
            .fetch_one(&mut database.connection)
            .await
            .unwrap();
    let (logged, millis) = cheapest;
    println!(
        "{groups:>6} groups, {name:>6} known: {:>9} bytes of sketches, {logged:>9} of log, {millis:7.1} ms",
        sketches.unwrap_or(0)
    );
}

async fn log_position(database: &mut Database) -> i64 {
    sqlx::query_scalar("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
        .fetch_one(&mut database.connection)
        .await
        .unwrap()
}
