//! Whose turn it is to write, on a real PostgreSQL: flushes wait for it in a queue, and go ahead without it
//! when there is no time to wait, or when it does not come.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::batch;
use store::{Flusher, PgConnection, Session, WriterIdentity};
use windowing::{FlushBatch, FlushReport, PartOutcome};

/// More than enough to be seen waiting, and for a turn to be missed.
const DEADLINE: Duration = Duration::from_secs(90);
/// As every flush does.
const TAKE_TURN: &str = "BEGIN; SELECT pg_advisory_xact_lock(1953854062)";

/// A database with partition 0 of topic `t` at offset 0, and two sessions that are not ours.
async fn prepared() -> (String, PgConnection, PgConnection) {
    let url = sandbox::fresh_database().unwrap();
    let mut stranger = store::connect(&url, Session::Batch).await.unwrap();
    store::migrate(&mut stranger).await.unwrap();
    run(
        &mut stranger,
        "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset)
         VALUES ('t', 0, 0, 0, 0)",
    )
    .await;
    // Of a role for its users' queries, so that it may stay inside its transaction.
    run(&mut stranger, "SET idle_in_transaction_session_timeout = 0").await;
    let watcher = store::connect(&url, Session::Batch).await.unwrap();
    (url, stranger, watcher)
}

fn flusher(url: &str) -> Flusher {
    let [topic, group_id, owner] = ["t", "g", "host:1:0"].map(str::to_owned);
    Flusher::new(url.to_owned(), WriterIdentity { topic, group_id, owner, cluster_id: None })
}

async fn run(connection: &mut PgConnection, statements: &'static str) {
    sqlx::raw_sql(statements).execute(connection).await.unwrap();
}

/// Whether so many sessions wait for the turn, as soon as they do.
async fn until_waiting(watcher: &mut PgConnection, sessions: i64) {
    let looking = async {
        loop {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM pg_locks
                 WHERE locktype = 'advisory' AND NOT granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
            .fetch_one(&mut *watcher)
            .await
            .unwrap();
            if waiting == sessions {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, looking).await.expect("so many sessions wait");
}

async fn can_take_turn(watcher: &mut PgConnection) -> bool {
    sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(1953854062)")
        .fetch_one(watcher)
        .await
        .unwrap()
}

fn outcome(report: &FlushReport) -> &PartOutcome {
    &report.parts[0].outcome
}

#[tokio::test]
async fn a_flush_waits_for_its_turn_and_says_for_how_long() {
    let (url, mut stranger, mut watcher) = prepared().await;
    run(&mut stranger, TAKE_TURN).await;
    let mut flusher = flusher(&url);
    let (report, ()) = tokio::join!(flusher.flush(batch(), Vec::new(), || false), async {
        until_waiting(&mut watcher, 1).await;
        run(&mut stranger, "COMMIT").await;
    });
    assert_eq!(*outcome(&report), PartOutcome::Committed);
    assert!(report.waited > Duration::ZERO);
    assert_eq!(flusher.failed_attempts().load(Ordering::Relaxed), 0);
    assert!(can_take_turn(&mut watcher).await, "it ends with its transaction");
}

#[tokio::test]
async fn a_turn_that_was_taken_before_there_is_a_batch_is_the_flush_s_or_is_given_back() {
    let (url, _, mut watcher) = prepared().await;
    let mut flusher = flusher(&url);
    flusher.take_turn().await;
    assert!(flusher.has_begun());
    assert!(!can_take_turn(&mut watcher).await);
    flusher.give_turn_back().await;
    assert!(can_take_turn(&mut watcher).await);

    flusher.take_turn().await;
    let report = flusher.flush(FlushBatch::default(), Vec::new(), || false).await;
    assert!(report.parts.is_empty());
    assert!(can_take_turn(&mut watcher).await, "there was nothing to store");

    flusher.take_turn().await;
    let report = flusher.flush(batch(), Vec::new(), || false).await;
    assert_eq!(*outcome(&report), PartOutcome::Committed);
    assert!(can_take_turn(&mut watcher).await);
    assert_eq!(flusher.failed_attempts().load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn in_haste_a_flush_does_not_wait_for_a_turn_that_somebody_holds() {
    let (url, mut stranger, mut watcher) = prepared().await;
    run(&mut stranger, TAKE_TURN).await;
    let mut flusher = flusher(&url);
    let haste = flusher.haste();
    let (report, ()) = tokio::join!(flusher.flush(batch(), Vec::new(), || false), async {
        until_waiting(&mut watcher, 1).await;
        haste.set(true);
    });
    assert_eq!(*outcome(&report), PartOutcome::Committed);
    // The place in the queue goes with the session that had it.
    run(&mut stranger, "COMMIT").await;
    until_waiting(&mut watcher, 0).await;
    assert_eq!(flusher.missed_turns().load(Ordering::Relaxed), 0);
    assert_eq!(flusher.failed_attempts().load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_turn_that_does_not_come_is_not_waited_for_for_ever() {
    let (url, mut stranger, _) = prepared().await;
    run(&mut stranger, TAKE_TURN).await;
    let mut flusher = flusher(&url);
    let flushing = flusher.flush(batch(), Vec::new(), || false);
    let report = tokio::time::timeout(DEADLINE, flushing).await.expect("it goes ahead");
    assert_eq!(*outcome(&report), PartOutcome::Committed);
    assert_eq!(flusher.missed_turns().load(Ordering::Relaxed), 1);
    assert_eq!(flusher.failed_attempts().load(Ordering::Relaxed), 0, "that is no failure");
}

#[tokio::test]
async fn who_holds_the_turn_and_stops_is_sent_away_and_the_next_one_writes() {
    let (url, _, _) = prepared().await;
    let (mut stopped, mut next) = (flusher(&url), flusher(&url));
    stopped.take_turn().await;
    let report = next.flush(batch(), Vec::new(), || false).await;
    assert_eq!(*outcome(&report), PartOutcome::Committed);
    assert!(report.waited > Duration::ZERO);
    assert_eq!(next.missed_turns().load(Ordering::Relaxed), 0);
    // It finds out, tries again, and is told that the position is another.
    let report = stopped.flush(batch(), Vec::new(), || false).await;
    assert_eq!(*outcome(&report), PartOutcome::Fenced);
    assert_eq!(stopped.failed_attempts().load(Ordering::Relaxed), 1);
}
