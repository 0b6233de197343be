//! `complete_through`, and the views `completeness` and `closed_windows`, on a real PostgreSQL: what
//! moves them and what holds them back.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use chrono::NaiveDateTime;
use event_model::EventTime;
use operator::gaps::rows::retire;
use sqlx::AssertSqlSafe;
use store::{FirstContact, Flusher, PgConnection, Session, WriterIdentity, ensure_partitions};
use windowing::{Delta, FlushBatch, FlushPart, LogEnds, PartOutcome, Position, Progress};

/// A database with the pipeline's tables.
struct Database {
    url: String,
    connection: PgConnection,
}

impl Database {
    async fn new() -> Self {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = store::connect(&url, Session::Batch).await.unwrap();
        store::migrate(&mut connection).await.unwrap();
        Database { url, connection }
    }

    /// Runs statements that a test puts together from its own table.
    async fn execute(&mut self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut self.connection).await.unwrap();
    }

    /// The only value that a query answers.
    async fn value(&mut self, query: &str) -> Option<NaiveDateTime> {
        let query = AssertSqlSafe(query.to_owned());
        sqlx::query_scalar(query).fetch_one(&mut self.connection).await.unwrap()
    }

    /// Topic `t` and which partition holds it back; `None`: the database has no such topic.
    async fn completeness(&mut self) -> Option<(Option<String>, i32)> {
        sqlx::query_as(
            "SELECT complete_through::text, held_back_by FROM completeness WHERE topic = 't'",
        )
        .fetch_optional(&mut self.connection)
        .await
        .unwrap()
    }

    /// Each partition of topic `t`: generation, partition, complete_through.
    async fn insert_progress(&mut self, rows: &[(i32, i32, &str)]) {
        self.execute("TRUNCATE stream_progress").await;
        for (generation, partition, through) in rows {
            let insert = format!(
                "INSERT INTO stream_progress (topic, generation, partition, first_offset,
                     next_offset, complete_through)
                 VALUES ('t', {generation}, {partition}, 0, 0, {through})"
            );
            self.execute(&insert).await;
        }
    }
}

fn time(text: &str) -> NaiveDateTime {
    format!("2025-11-09T{text}").parse().unwrap()
}

/// Partition 0 of topic `t` as a streamer flushes it, having read to offset 5 of its log.
async fn flush(database: &Database, stored: &Progress, watermark: Option<&str>, ends: LogEnds) {
    let mut new = stored.clone();
    new.next = Position::at(5);
    new.counters.skipped = 5;
    new.watermark = stored.watermark.max(watermark.map(time).map(EventTime::from));
    let part = FlushPart {
        partition: 0,
        incarnation: 1,
        stored: stored.clone(),
        new,
        delta: Delta::default(),
        log_is_known: true,
        log_is_verified: true,
        awaited: None,
        is_news: true,
    };
    let identity = WriterIdentity {
        topic: "t".to_owned(),
        group_id: "g".to_owned(),
        owner: "host:1:0".to_owned(),
        cluster_id: None,
    };
    let mut flusher = Flusher::new(database.url.clone(), identity);
    let report = flusher.flush(FlushBatch { parts: vec![part] }, vec![(0, ends)], || false).await;
    assert_eq!(report.parts[0].outcome, PartOutcome::Committed);
}

#[tokio::test]
async fn a_flush_moves_it_to_the_watermark_or_ten_minutes_before_catching_up_and_never_back() {
    let mut database = Database::new().await;
    // (stored value, watermark, when the broker had nothing left, expected).
    for (stored, watermark, caught_up_at, expected) in [
        ("NULL", None, None, None),
        ("NULL", Some("11:00:00"), None, Some("11:00:00")),
        // A partition that never had a record comes on by having nothing left.
        ("NULL", None, Some("12:00:00"), Some("11:50:00")),
        ("NULL", Some("11:49:59"), Some("12:00:00"), Some("11:50:00")),
        ("NULL", Some("11:50:01"), Some("12:00:00"), Some("11:50:01")),
        ("'2025-11-09 13:00'", Some("11:50:01"), Some("12:00:00"), Some("13:00:00")),
        ("'2025-11-09 11:00'", Some("11:50:01"), Some("12:00:00"), Some("11:50:01")),
    ] {
        database.insert_progress(&[(0, 0, stored)]).await;
        // A log that goes on behind the position was not caught up with.
        let high = if caught_up_at.is_some() { 5 } else { 6 };
        let ends = LogEnds {
            low: Position::at(0),
            stable: Position::at(high),
            high: Position::at(high),
            asked_at: EventTime::from(time(caught_up_at.unwrap_or("12:00:00"))),
        };
        flush(&database, &Progress::starting_at(Position::at(0)), watermark, ends).await;
        let found = database.value("SELECT complete_through FROM stream_progress").await;
        let case = format!("{stored} {watermark:?} {caught_up_at:?}");
        assert_eq!(found, expected.map(time), "{case}");
    }
}

#[tokio::test]
async fn a_topic_is_as_complete_as_its_partition_that_is_furthest_behind() {
    let mut database = Database::new().await;
    let (early, late) = ("'2025-11-09 10:00'", "'2025-11-09 11:00'");
    let through = |text: &str| Some(format!("2025-11-09 {text}:00:00"));
    for (rows, expected) in [
        (vec![], None),
        (vec![(0, 0, late)], Some((through("11"), 0))),
        (vec![(0, 0, late), (0, 1, early), (0, 2, late)], Some((through("10"), 1))),
        // One that never had a record and was never caught up with says nothing yet.
        (vec![(0, 0, early), (0, 1, "NULL")], Some((None, 1))),
        // Former lives wait for nobody.
        (vec![(0, 0, early), (1, 0, late)], Some((through("11"), 0))),
        (vec![(0, 0, late), (1, 0, "NULL")], Some((None, 0))),
    ] {
        database.insert_progress(&rows).await;
        assert_eq!(database.completeness().await, expected, "{rows:?}");
    }
}

#[tokio::test]
async fn a_retired_partition_holds_nothing_back_and_its_former_life_does_not_come_back() {
    let mut database = Database::new().await;
    let (early, late) = ("'2025-11-09 10:00'", "'2025-11-09 11:00'");
    database.insert_progress(&[(0, 0, late), (0, 1, "NULL"), (1, 1, early)]).await;
    assert_eq!(retire(&mut database.connection, "t", Some(1)).await.unwrap(), 2);
    let alone = Some((Some("2025-11-09 11:00:00".to_owned()), 0));
    assert_eq!(database.completeness().await, alone);
    retire(&mut database.connection, "t", None).await.unwrap();
    assert_eq!(database.completeness().await, None);
}

#[tokio::test]
async fn a_partition_added_later_starts_where_its_topic_is() {
    let mut database = Database::new().await;
    let ends: Vec<_> = (0..3).map(|id| (id, Position::at(0), Position::at(0))).collect();
    let (early, late) = ("'2025-11-09 10:00'", "'2025-11-09 11:00'");
    for (rows, expected) in [
        (vec![(0, 0, early), (0, 1, late)], Some(time("10:00:00"))),
        (vec![(0, 0, "NULL"), (0, 1, late)], None),
        (vec![(0, 0, early), (1, 0, late), (0, 1, late)], Some(time("11:00:00"))),
        // The first contact with a topic: nothing is known of any partition.
        (vec![], None),
    ] {
        database.insert_progress(&rows).await;
        // What another topic has come to says nothing.
        let other = "INSERT INTO stream_progress (topic, generation, partition, first_offset,
                         next_offset, complete_through) VALUES ('u', 0, 0, 0, 0, '2030-01-01')";
        database.execute(other).await;
        ensure_partitions(
            &mut database.connection,
            ("t", None),
            &ends,
            FirstContact::Earliest,
            false,
        )
        .await
        .unwrap();
        let added = "SELECT complete_through FROM stream_progress
                     WHERE topic = 't' AND partition = 2";
        assert_eq!(database.value(added).await, expected, "{rows:?}");
    }
}

#[tokio::test]
async fn a_window_is_closed_when_every_partitions_watermark_has_passed_its_end() {
    let mut database = Database::new().await;
    database
        .execute(
            "INSERT INTO real_time_metrics (window_start, window_end, event_type, region,
                 event_count, total_duration, own)
             SELECT t::timestamp, t::timestamp + INTERVAL '1 minute', 'call', 'Osh', 1, 0, own
             FROM (VALUES ('2025-11-09 10:00', true), ('2025-11-09 10:01', true),
                          ('2025-11-09 10:02', true), ('2025-11-09 09:00', false)) AS w (t, own)",
        )
        .await;
    // Rows: topic, generation, partition, watermark, complete_through, retired_at.
    // Expected: the start of the last closed window, and how many there are. The foreign row at
    // 09:00 is never one: nobody knows what may still be added to it.
    let far = "'2030-01-01'";
    let row = |key: &str, watermark: &str, retired: &str| {
        format!("({key}, 0, 0, {watermark}, {far}, {retired})")
    };
    let open = |key: &str, watermark: &str| row(key, watermark, "NULL");
    for (rows, closed) in [
        (vec![], 0),
        (vec![open("'t', 0, 0", "'2025-11-09 10:00:59.999999'")], 0),
        (vec![open("'t', 0, 0", "'2025-11-09 10:01'")], 1),
        (vec![open("'t', 0, 0", "'2025-11-09 10:02:30'")], 2),
        (vec![open("'t', 0, 0", far)], 3),
        // The partition that is furthest behind decides, whichever topic it is of.
        (vec![open("'t', 0, 0", far), open("'t', 0, 1", "'2025-11-09 10:01'")], 1),
        (vec![open("'t', 0, 0", far), open("'u', 0, 0", "'2025-11-09 10:02'")], 2),
        // Without a watermark any event is on time, however long nothing has come.
        (vec![open("'t', 0, 0", far), open("'t', 0, 1", "NULL")], 0),
        // The current life counts; a retired one does not.
        (vec![open("'t', 0, 0", "NULL"), open("'t', 1, 0", far)], 3),
        (vec![open("'t', 0, 0", far), open("'t', 1, 0", "NULL")], 0),
        (vec![open("'t', 0, 0", far), row("'t', 0, 1", "NULL", "now()")], 3),
    ] {
        database.execute("TRUNCATE stream_progress").await;
        for row in &rows {
            let insert = format!(
                "INSERT INTO stream_progress (topic, generation, partition, first_offset,
                     next_offset, watermark, complete_through, retired_at) VALUES {row}"
            );
            database.execute(&insert).await;
        }
        let found: (i64, Option<NaiveDateTime>) =
            sqlx::query_as("SELECT COUNT(*), MAX(window_start) FROM closed_windows")
                .fetch_one(&mut database.connection)
                .await
                .unwrap();
        let last = [None, Some("10:00:00"), Some("10:01:00"), Some("10:02:00")][closed];
        assert_eq!(found, (closed as i64, last.map(time)), "{rows:?}");
    }
}
