//! A topic is moved to a copy, on a real PostgreSQL: whoever read the old log is fenced, what was late stays late, and what will
//! never come is named.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use common::batch;
use store::{
    Flusher, Move, Moved, MovedPartition, PgConnection, Session, WriterIdentity, movable_rows,
    move_topic,
};
use windowing::{Fingerprint, PartOutcome, Place, Position};

const RECORD: Fingerprint = Fingerprint { offset: 41, timestamp_ms: Some(7), crc: 9 };

/// Topic `t`: partition 0 at offset 0, whose log was seen to reach to 10; partition 1, which an operator has taken out.
async fn prepared() -> (String, PgConnection) {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = store::connect(&url, Session::Batch).await.unwrap();
    store::migrate(&mut connection).await.unwrap();
    store::agree_settings(&mut connection, store::ExplicitSettings::default()).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset, cluster_id, log_end_seen,
                                      watermark, max_event_time, complete_through, retired_at)
         VALUES ('t', 0, 0, 0, 0, 'north', 10, '2025-11-09 10:00', '2025-11-09 10:02', '2025-11-09 09:50', NULL),
                ('t', 0, 1, 0, 0, 'north', NULL, NULL, NULL, NULL, '2025-01-01')",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    (url, connection)
}

async fn order(connection: &mut PgConnection, to_topic: &str, source_is_gone: bool) -> Move {
    let rows = movable_rows(connection, "t").await.unwrap();
    let moved = |partition: i32| MovedPartition {
        partition,
        row: rows.iter().find(|row| row.partition == partition).cloned(),
        place: Place {
            at: Position::at(42),
            fingerprint: Some(RECORD),
            origin: None,
            is_behind: false,
            records_after: 3,
        },
        log_end: Position::at(50),
        not_copied: None,
    };
    Move {
        topic: "t".to_owned(),
        to_topic: to_topic.to_owned(),
        to_cluster_id: "hub".to_owned(),
        source_is_gone,
        older_are_stopped: false,
        // The copy has one partition more.
        partitions: (0..3).map(moved).collect(),
        reason: "burnt down".to_owned(),
        by: "alice".to_owned(),
    }
}

async fn flush(url: &str, cluster: &str) -> PartOutcome {
    let [topic, group_id, owner, cluster] = ["t", "g", "host:1:0", cluster].map(str::to_owned);
    let identity = WriterIdentity { topic, group_id, owner, cluster_id: Some(cluster) };
    let mut flusher = Flusher::new(url.to_owned(), identity);
    flusher.flush(batch(), Vec::new(), || false).await.parts[0].outcome.clone()
}

/// Topic, generation, partition, position, gap, cluster, whether it is retired, and the watermark.
async fn rows(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT format('%s %s/%s at %s gap %s of %s%s late before %s', topic, generation, partition, next_offset, gap, cluster_id,
                       CASE WHEN retired_at IS NOT NULL THEN ' retired' END, to_char(watermark, 'HH24:MI'))
         FROM stream_progress ORDER BY topic, generation, partition",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

async fn assert_accounted(connection: &mut PgConnection) {
    let off: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM accounting WHERE unaccounted <> 0")
        .fetch_one(connection)
        .await
        .unwrap();
    assert_eq!(off, 0, "I-1");
}

#[tokio::test]
async fn a_topic_that_keeps_its_name_begins_its_next_life_and_whoever_read_the_old_log_is_fenced() {
    let (url, mut connection) = prepared().await;
    let order = order(&mut connection, "t", false).await;
    assert_eq!(move_topic(&mut connection, &order, async || true).await.unwrap(), Moved::Done);
    assert_eq!(
        rows(&mut connection).await,
        [
            "t 0/0 at 0 gap 0 of north late before 10:00",
            "t 0/1 at 0 gap 0 of north retired late before ",
            "t 0/2 at 42 gap 0 of hub late before ",
            "t 1/0 at 42 gap 0 of hub late before 10:00",
            "t 1/1 at 42 gap 0 of hub retired late before ",
        ]
    );
    assert_accounted(&mut connection).await;
    assert_eq!(flush(&url, "north").await, PartOutcome::Fenced);
    let loaded = store::load_progress(&mut connection, "t", &[0]).await.unwrap();
    assert_eq!(loaded[0].progress.fingerprint, Some(RECORD));
    assert_eq!(loaded[0].progress.log_end_seen, Some(Position::at(50)));
    // A partition that is added there is of the new cluster.
    let ends: Vec<_> = (0..4).map(|id| (id, Position::at(0), Position::at(0))).collect();
    let named = ("t", Some("hub"));
    store::ensure_partitions(&mut connection, named, &ends, store::FirstContact::Earliest, false)
        .await
        .unwrap();
    assert!(
        rows(&mut connection).await.contains(&"t 0/3 at 0 gap 0 of hub late before ".to_owned())
    );
}

#[tokio::test]
async fn a_topic_that_gets_another_name_is_out_of_service_under_the_old_one_and_what_is_lost_is_named()
 {
    let (url, mut connection) = prepared().await;
    let order = order(&mut connection, "north.t", true).await;
    assert_eq!(move_topic(&mut connection, &order, async || true).await.unwrap(), Moved::Done);
    assert_eq!(
        rows(&mut connection).await,
        [
            "north.t 0/0 at 42 gap 0 of hub late before 10:00",
            "north.t 0/1 at 42 gap 0 of hub retired late before ",
            "north.t 0/2 at 42 gap 0 of hub late before ",
            "t 0/0 at 7 gap 7 of north retired late before 10:00",
            "t 0/1 at 0 gap 0 of north retired late before ",
        ]
    );
    assert_accounted(&mut connection).await;
    assert_eq!(flush(&url, "north").await, PartOutcome::Fenced);
    let gaps: Vec<(String, i64, i64, String)> =
        sqlx::query_as("SELECT cause, from_offset, to_offset, reason FROM gaps")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    // Of ten behind the position, three are in the copy.
    assert_eq!(gaps, [("moved".to_owned(), 3, 10, "burnt down".to_owned())]);
}

#[tokio::test]
async fn nothing_is_moved_if_the_rows_or_the_log_are_others_by_now() {
    let (_, mut connection) = prepared().await;
    let order = order(&mut connection, "north.t", false).await;
    let before = rows(&mut connection).await;
    assert_eq!(
        move_topic(&mut connection, &order, async || false).await.unwrap(),
        Moved::LogChanged
    );
    assert_eq!(rows(&mut connection).await, before);
    for (change, back) in [
        ("epoch = epoch + 1", "epoch = epoch - 1"),
        ("generation = 1", "generation = 0"),
        ("retired_at = now()", "retired_at = NULL"),
        ("next_offset = 1, skipped = 1", "next_offset = 0, skipped = 0"),
        ("on_time = 1", "on_time = 0"),
        ("witness_offset = 1, witness_crc = 1", "witness_offset = NULL, witness_crc = NULL"),
    ] {
        let set = |change: &str| format!("UPDATE stream_progress SET {change} WHERE partition = 0");
        sqlx::raw_sql(sqlx::AssertSqlSafe(set(change))).execute(&mut connection).await.unwrap();
        let moved = move_topic(&mut connection, &order, async || true).await.unwrap();
        assert_eq!(moved, Moved::RowsChanged, "{change}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(set(back))).execute(&mut connection).await.unwrap();
    }
    sqlx::raw_sql(
        "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset) VALUES ('north.t', 0, 0, 0, 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    assert_eq!(
        move_topic(&mut connection, &order, async || true).await.unwrap(),
        Moved::TargetKnown
    );
}

/// Puts something behind `t`'s row of partition 0.
async fn change(connection: &mut PgConnection, change: &str) {
    let statement =
        format!("UPDATE stream_progress SET {change} WHERE topic = 't' AND partition = 0");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(connection).await.unwrap();
}

#[tokio::test]
async fn a_move_whose_answer_was_lost_is_not_done_again_and_nothing_else_in_between_is_moved_over()
{
    let (_, mut connection) = prepared().await;
    let first = order(&mut connection, "t", false).await;
    assert_eq!(move_topic(&mut connection, &first, async || true).await.unwrap(), Moved::Done);
    let moved = rows(&mut connection).await;
    // Everything but the generation is as it was.
    change(&mut connection, "epoch = 0").await;
    assert_eq!(
        move_topic(&mut connection, &first, async || true).await.unwrap(),
        Moved::RowsChanged
    );
    let (_, mut connection) = prepared().await;
    let first = order(&mut connection, "north.t", false).await;
    assert_eq!(move_topic(&mut connection, &first, async || true).await.unwrap(), Moved::Done);
    let again = move_topic(&mut connection, &first, async || true).await.unwrap();
    assert!(matches!(again, Moved::RowsChanged | Moved::TargetKnown), "{again:?}");
    assert_eq!(moved.len(), 5);
}

#[tokio::test]
async fn where_the_name_stays_releases_that_know_no_clusters_are_shut_out() {
    let (_, mut connection) = prepared().await;
    let oldest = async |connection: &mut PgConnection| -> i64 {
        sqlx::query_scalar("SELECT oldest_program FROM schema_compatibility WHERE migration = 22")
            .fetch_one(connection)
            .await
            .unwrap()
    };
    let before = oldest(&mut connection).await;
    assert!(before < 22);
    // One may still run.
    change(&mut connection, "cluster_id = NULL, on_time = 1, next_offset = 1").await;
    let mut same_name = order(&mut connection, "t", false).await;
    assert_eq!(
        move_topic(&mut connection, &same_name, async || true).await.unwrap(),
        Moved::OlderMayRun
    );
    assert_eq!(oldest(&mut connection).await, before);
    same_name.older_are_stopped = true;
    assert_eq!(move_topic(&mut connection, &same_name, async || true).await.unwrap(), Moved::Done);
    assert_eq!(oldest(&mut connection).await, 22);

    // Under another name its rows are out of service for every release.
    let (_, mut connection) = prepared().await;
    change(&mut connection, "cluster_id = NULL, on_time = 1, next_offset = 1").await;
    let other_name = order(&mut connection, "north.t", false).await;
    assert_eq!(move_topic(&mut connection, &other_name, async || true).await.unwrap(), Moved::Done);
    assert_eq!(oldest(&mut connection).await, before);
}

#[tokio::test]
async fn what_was_counted_and_is_not_in_the_copy_is_written_down() {
    let (_, mut connection) = prepared().await;
    let mut order = order(&mut connection, "north.t", true).await;
    order.partitions[0].place.records_after = 10;
    order.partitions[0].not_copied = Some(4);
    assert_eq!(move_topic(&mut connection, &order, async || true).await.unwrap(), Moved::Done);
    let gaps: Vec<(i64, i64, String)> =
        sqlx::query_as("SELECT from_offset, to_offset, reason FROM gaps")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let reason = "burnt down (4 records that were counted are not in the copy)".to_owned();
    assert_eq!(gaps, [(10, 10, reason)], "nothing is lost that was not counted");
}
