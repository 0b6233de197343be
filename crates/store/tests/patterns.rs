//! Rules on a real PostgreSQL: alerts and marks are stored with the position, a worker that starts again builds what the rules
//! knew from the log, and what a program without rules moved over is written down.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use event_model::EventTime;
use sqlx::AssertSqlSafe;
use store::{FirstContact, Flusher, PgConnection, Session, WriterIdentity};
use windowing::{
    Bounds, Effect, Engine, Input, LogEnds, PartOutcome, Position, Record, RecordTime,
};

const TOPIC: &str = "t";
const NOW: EventTime = EventTime::from_micros(1_800_000_000_000_000);
const ENDS: LogEnds = LogEnds {
    low: Position::at(0),
    stable: Position::at(100),
    high: Position::at(100),
    asked_at: NOW,
};
const RULES: &str = r#"
[[rules]]
name = "calls"
version = 3
mode = "live"
within = "10m"
bucket = "1d"
conditions = [{ kind = "count", where = { event_type = "call" }, at_least = 2 }]
"#;

/// A worker on a database of its own; the log is what it was shown so far.
struct Worker {
    url: String,
    connection: PgConnection,
    engine: Engine,
    log: Vec<String>,
}

impl Worker {
    async fn new() -> Self {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = store::connect(&url, Session::Batch).await.unwrap();
        store::migrate(&mut connection).await.unwrap();
        store::agree_settings(&mut connection, store::ExplicitSettings::default()).await.unwrap();
        let ends = [(0, ENDS.low, ENDS.high)];
        store::ensure_partitions(
            &mut connection,
            (TOPIC, None),
            &ends,
            FirstContact::Earliest,
            false,
        )
        .await
        .unwrap();
        let engine = Engine::new(Bounds::default());
        Worker { url, connection, engine, log: Vec::new() }
    }

    async fn execute(&mut self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut self.connection).await.unwrap();
    }

    async fn put_rules_on(&mut self, rules: &str, from_offset: i64) {
        self.execute(&format!(
            "INSERT INTO rule_sets (rules, applied_by) VALUES ($r${rules}$r$, 'a test');
             INSERT INTO rule_spans SELECT max(id), 'calls', 3, '{TOPIC}', 0, 0, {from_offset} FROM rule_sets;
             UPDATE stream_progress SET epoch = epoch + 1, patterns_through = next_offset"
        ))
        .await;
    }

    /// Starts anew. Returns from where the log is read.
    async fn start(&mut self) -> i64 {
        self.engine = Engine::new(Bounds::default());
        let mut effects = Vec::new();
        self.engine.apply(Input::Assigned(&[0]), &mut effects);
        let row = store::load_progress(&mut self.connection, TOPIC, &[0]).await.unwrap().remove(0);
        let loaded = Input::Loaded {
            partition: 0,
            progress: Box::new(row.progress),
            rules: row.rules,
            ownership: row.ownership,
            history: Box::new(row.history),
            ends: ENDS,
        };
        self.engine.apply(loaded, &mut effects);
        let from = effects.iter().find_map(|effect| match effect {
            Effect::Read { from, .. } => Some(from.offset()),
            _ => None,
        });
        from.unwrap()
    }

    /// Reads the log from there on, and what is new, and flushes.
    async fn read(&mut self, from: i64, new: &[(&str, &str)]) {
        self.log.extend(new.iter().map(|(event_type, time)| {
            format!(
                r#"{{"event_type":"{event_type}","region":"Osh","timestamp":"2025-11-09T{time}Z",
                    "subscriber_id":"00c0ffee00c0ffee"}}"#
            )
        }));
        let mut effects = Vec::new();
        for (offset, payload) in (0..).zip(&self.log).filter(|(offset, _)| *offset >= from) {
            let record = Record {
                offset,
                time: RecordTime::LogAppend(NOW),
                key: None,
                payload: Some(payload.as_bytes()),
                content: windowing::Content::Payload,
                headers: &Vec::new,
            };
            self.engine.apply(Input::Record { partition: 0, record, now: NOW }, &mut effects);
        }
        self.engine.apply(Input::FlushDue, &mut effects);
        let batch = effects.into_iter().find_map(|effect| match effect {
            Effect::Flush(batch) => Some(batch),
            _ => None,
        });
        let [topic, group_id, owner] = [TOPIC, "g", "host:1:0"].map(str::to_owned);
        let identity = WriterIdentity { topic, group_id, owner, cluster_id: None };
        let mut flusher = Flusher::new(self.url.clone(), identity);
        let report = flusher.flush(batch.unwrap(), Vec::new(), || false).await;
        assert_eq!(report.parts[0].outcome, PartOutcome::Committed);
        self.engine.apply(Input::Flushed { report, now: NOW }, &mut Vec::new());
    }

    /// Rule, version, mode, subscriber, hits, measures and offsets of the alerts.
    async fn alerts(&mut self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT concat_ws(' ', rule, version, mode, subscriber_id, bucket_start, bucket_seconds, hits,
                              window_start, window_end, measures, offsets) FROM persons.alerts ORDER BY id",
        )
        .fetch_all(&mut self.connection)
        .await
        .unwrap()
    }

    async fn gaps(&mut self) -> Vec<(i64, Option<i64>, String)> {
        sqlx::query_as("SELECT from_offset, to_offset, reason FROM pattern_gaps ORDER BY id")
            .fetch_all(&mut self.connection)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_worker_that_starts_again_finds_what_one_that_went_on_would_have_found() {
    let mut worker = Worker::new().await;
    worker.put_rules_on(RULES, 0).await;
    assert_eq!(worker.start().await, 0);
    worker.read(0, &[("call", "10:00:00"), ("sms", "10:01:00"), ("call", "10:16:00")]).await;
    assert_eq!(worker.alerts().await, [""; 0]);
    // The first event and the first one of the next quarter.
    let marks: Vec<(i64, Option<i64>, i64)> = sqlx::query_as(
        r#"SELECT "offset", extract(minute FROM max_event_time)::bigint, on_time FROM log_marks ORDER BY 1"#,
    )
    .fetch_all(&mut worker.connection)
    .await
    .unwrap();
    assert_eq!(marks, [(0, None, 0), (2, Some(1), 2)]);

    // Behind the watermark of 10:14 an event of 10:13 may come, and look back to 10:03.
    assert_eq!(worker.start().await, 2);
    worker.read(2, &[("call", "10:17:00")]).await;
    let first = "calls 3 live 00c0ffee00c0ffee 2025-11-09 00:00:00 86400 1 2025-11-09 10:07:00 \
                 2025-11-09 10:17:00 [[2.0, \"at_least\", 2.0]] {2,3}";
    assert_eq!(worker.alerts().await, [first]);

    // Later hits add; the evidence stays.
    assert_eq!(worker.start().await, 2);
    worker.read(2, &[("call", "10:18:00"), ("sms", "10:19:00")]).await;
    assert_eq!(worker.alerts().await, [first.replace(" 1 2025", " 2 2025")]);
    assert!(worker.gaps().await.is_empty());
    let through: (i64, Option<i64>) =
        sqlx::query_as("SELECT next_offset, patterns_through FROM stream_progress")
            .fetch_one(&mut worker.connection)
            .await
            .unwrap();
    assert_eq!(through, (6, Some(6)));
}

#[tokio::test]
async fn what_a_program_without_rules_moved_over_is_written_down_by_the_next_owner() {
    let mut worker = Worker::new().await;
    worker.put_rules_on(RULES, 0).await;
    let from = worker.start().await;
    worker.read(from, &[("call", "10:00:00")]).await;
    // As a release that knows no rules does it.
    worker.execute("UPDATE rule_sets SET rules = NULL").await;
    let from = worker.start().await;
    worker.read(from, &[("call", "10:01:00"), ("call", "10:02:00")]).await;
    assert_eq!(worker.alerts().await, [""; 0]);
    worker.execute(&format!("UPDATE rule_sets SET rules = $r${RULES}$r$")).await;
    let from = worker.start().await;
    worker.read(from, &[("call", "10:03:00")]).await;
    assert_eq!(worker.gaps().await, [(1, Some(3), "not_judged".to_owned())]);
    // Those that nobody judged count in the windows of those that come.
    let alerts = worker.alerts().await;
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0].ends_with("[[4.0, \"at_least\", 2.0]] {0,1,2,3}"), "{}", alerts[0]);
}

#[tokio::test]
async fn a_rule_makes_hits_from_where_it_began_and_remembers_what_was_before() {
    let mut worker = Worker::new().await;
    let from = worker.start().await;
    worker.read(from, &[("call", "10:00:00"), ("call", "10:01:00")]).await;
    worker.put_rules_on(RULES, 2).await;
    assert_eq!(worker.start().await, 0);
    worker.read(0, &[("call", "10:02:00")]).await;
    let alerts = worker.alerts().await;
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0].ends_with("[[3.0, \"at_least\", 2.0]] {0,1,2}"), "{}", alerts[0]);
    assert!(worker.gaps().await.is_empty());
}
