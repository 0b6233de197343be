//! A flush whose former attempt is in doubt, on a real PostgreSQL: it waits for the backend that may
//! still commit, and then goes by what that has done (I-2).
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::time::Duration;

use common::batch;
use event_model::{EventTime, EventView};
use store::{Flusher, PgConnection, Session, WriterIdentity};
use windowing::{FlushBatch, PartOutcome};

/// More than enough to be seen waiting.
const DEADLINE: Duration = Duration::from_secs(30);

/// The same, where the record at offset 4 is an event.
fn batch_with_an_event() -> FlushBatch {
    let mut batch = batch();
    let part = &mut batch.parts[0];
    part.new.counters.skipped = 4;
    part.new.counters.on_time = 1;
    part.delta.on_time.add_event(&EventView {
        duration_seconds: 7,
        ..EventView::new("call", "Osh", EventTime::from_micros(0))
    });
    batch
}

async fn flush(url: String, batch: FlushBatch) -> PartOutcome {
    let [topic, group_id, owner] = ["t", "g", "host:1:0"].map(str::to_owned);
    let mut flusher =
        Flusher::new(url, WriterIdentity { topic, group_id, owner, cluster_id: None });
    flusher.flush(batch, Vec::new(), || false).await.parts.remove(0).outcome
}

async fn run(connection: &mut PgConnection, statements: &'static str) {
    sqlx::raw_sql(statements).execute(connection).await.unwrap();
}

async fn wait_until_somebody_waits(connection: &mut PgConnection) {
    let waiting = async {
        loop {
            let is_waiting: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock')",
            )
            .fetch_one(&mut *connection)
            .await
            .unwrap();
            if is_waiting {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("the flush waits for the old backend");
}

#[tokio::test]
async fn a_flush_waits_for_a_backend_that_may_still_commit_and_goes_by_what_it_did() {
    tokio::task::LocalSet::new().run_until(wait_for_the_old_backend()).await;
}

async fn wait_for_the_old_backend() {
    for (end, expected) in [("COMMIT", PartOutcome::Fenced), ("ROLLBACK", PartOutcome::Committed)] {
        let url = sandbox::fresh_database().unwrap();
        let mut old_backend = store::connect(&url, Session::Batch).await.unwrap();
        store::migrate(&mut old_backend).await.unwrap();
        let mut watcher = store::connect(&url, Session::Batch).await.unwrap();
        run(
            &mut old_backend,
            "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset)
             VALUES ('t', 0, 0, 0, 0)",
        )
        .await;
        let moving = "BEGIN; UPDATE stream_progress SET next_offset = 5, skipped = 5";
        run(&mut old_backend, moving).await;

        let flushing = tokio::task::spawn_local(flush(url, batch()));
        wait_until_somebody_waits(&mut watcher).await;
        run(&mut old_backend, end).await;
        assert_eq!(flushing.await.unwrap(), expected, "{end}");
    }
}

#[tokio::test]
async fn a_flush_that_no_waiting_cures_leaves_word_until_one_is_stored() {
    tokio::task::LocalSet::new().run_until(leave_word()).await;
}

async fn leave_word() {
    let url = sandbox::fresh_database().unwrap();
    let mut watcher = store::connect(&url, Session::Batch).await.unwrap();
    store::migrate(&mut watcher).await.unwrap();
    // As before the migration that gave the table an identity.
    run(
        &mut watcher,
        "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset)
         VALUES ('t', 0, 0, 0, 0);
         ALTER TABLE stream_progress REPLICA IDENTITY USING INDEX stream_progress_pkey;
         ALTER TABLE real_time_metrics REPLICA IDENTITY NOTHING;
         CREATE PUBLICATION everything FOR ALL TABLES",
    )
    .await;
    let flushing = tokio::task::spawn_local(flush(url, batch_with_an_event()));
    let noting = async {
        loop {
            if let (Some(reason), _) = word_left(&mut watcher).await {
                return reason;
            }
        }
    };
    let reason = tokio::time::timeout(DEADLINE, noting).await.expect("it leaves word");
    for part in ["storing into real_time_metrics", "REPLICA IDENTITY FULL", "real_time_metrics"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }

    run(&mut watcher, "ALTER TABLE real_time_metrics REPLICA IDENTITY FULL").await;
    assert_eq!(flushing.await.unwrap(), PartOutcome::Committed);
    assert_eq!(word_left(&mut watcher).await, (None, 1));
}

/// Why no flush of the only partition can be stored, and its events on time.
async fn word_left(connection: &mut PgConnection) -> (Option<String>, i64) {
    let row = "SELECT CASE WHEN flush_blocked_at >= updated_at THEN flush_blocked END, on_time
               FROM stream_progress";
    sqlx::query_as(row).fetch_one(connection).await.unwrap()
}
