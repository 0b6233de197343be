//! A row that the database refuses, of each kind of result, on a real PostgreSQL: the partition is
//! refused with a reason that names the table and the row, and nothing of it is stored.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use event_model::EventTime;
use sqlx::AssertSqlSafe;
use store::{FirstContact, Flusher, PgConnection, RESULT_TABLES, Session, WriterIdentity};
use windowing::{
    Bounds, Effect, Engine, FlushBatch, Input, LogEnds, PartOutcome, Position, Record, RecordTime,
    ResultName,
};

const TOPIC: &str = "t";
/// The first event fulfils it.
const RULES: &str = r#"
[[rules]]
name = "calls"
version = 1
mode = "live"
within = "1m"
conditions = [{ kind = "count", at_least = 1 }]
"#;

async fn execute(connection: &mut PgConnection, statements: String) {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.unwrap();
}

/// A flush that has several rows of every kind: events on time and late, of several regions,
/// quarters and subscribers, and records that are none.
async fn batch(connection: &mut PgConnection) -> FlushBatch {
    let ends = (Position::at(0), Position::at(20));
    store::ensure_partitions(
        connection,
        (TOPIC, None),
        &[(0, ends.0, ends.1)],
        FirstContact::Earliest,
        false,
    )
    .await
    .unwrap();
    store::agree_settings(connection, store::ExplicitSettings::default()).await.unwrap();
    sqlx::query("INSERT INTO rule_sets (rules, applied_by) VALUES ($1, 'a test')")
        .bind(RULES)
        .execute(&mut *connection)
        .await
        .unwrap();
    let stored = store::load_progress(connection, TOPIC, &[0]).await.unwrap().remove(0);
    let log =
        LogEnds { low: ends.0, stable: ends.1, high: ends.1, asked_at: EventTime::from_micros(0) };
    // Each event that is kept is one too many: so there is a gap as well.
    let mut engine = Engine::new(Bounds::default()).with_rule_bytes(1);
    let mut effects = Vec::new();
    engine.apply(Input::Assigned(&[0]), &mut effects);
    let progress = Box::new(stored.progress);
    let (rules, ownership, history) = (stored.rules, stored.ownership, Box::new(stored.history));
    let loaded = Input::Loaded { partition: 0, progress, rules, ownership, history, ends: log };
    engine.apply(loaded, &mut effects);
    let event = |region: &str, minute: usize| {
        format!(
            r#"{{"event_type":"call","region":"{region}","timestamp":"2025-11-09T10:{minute:02}:00Z","subscriber_id":"00c0ffee00c0ffee"}}"#
        )
    };
    let regions = ["Aktau", "Almaty", "Osh", "Semey"];
    let mut payloads: Vec<String> = Vec::new();
    for (index, region) in regions.iter().enumerate() {
        payloads.push(event(region, 15 * index));
    }
    // Their windows are closed by now.
    payloads.extend(regions.iter().map(|region| event(region, 1)));
    payloads.extend(["nothing", "[]", "{}"].map(str::to_owned));
    for (offset, payload) in payloads.iter().enumerate() {
        let record = Record {
            offset: offset as i64,
            time: RecordTime::Unknown,
            key: None,
            payload: Some(payload.as_bytes()),
            content: windowing::Content::Payload,
            headers: &Vec::new,
        };
        let now = EventTime::from_micros(1_800_000_000_000_000);
        engine.apply(Input::Record { partition: 0, record, now }, &mut effects);
    }
    engine.apply(Input::FlushDue, &mut effects);
    let flush = effects.into_iter().find_map(|effect| match effect {
        Effect::Flush(batch) => Some(batch),
        _ => None,
    });
    flush.unwrap()
}

/// The row that is refused, as a condition on the new row, and what names it.
fn refused_row(kind: ResultName) -> (&'static str, &'static str) {
    match kind {
        ResultName::OnTime => ("NEW.region = 'Osh'", "2025-11-09T10:30:00.000000Z, call, Osh"),
        ResultName::Late => ("NEW.region = 'Osh'", "2025-11-09T10:01:00.000000Z, call, Osh"),
        ResultName::Ledger => (
            "NEW.quarter_start = '2025-11-09 10:30'",
            "partition 0, quarter of an hour from 2025-11-09T10:30:00.000000Z",
        ),
        ResultName::Subscribed => ("NEW.region = 'Osh'", "2025-11-09, UTC, call, Osh"),
        ResultName::DeadLetters => ("NEW.\"offset\" = 9", "partition 0, offset 9"),
        ResultName::LogMarks => ("NEW.\"offset\" = 2", "partition 0, offset 2"),
        ResultName::PatternGaps => ("true", "partition 0, from offset 0"),
        ResultName::Alerts => (
            "NEW.rule = 'calls'",
            "partition 0, rule calls, bucket from 2025-11-09T10:00:00.000000Z",
        ),
    }
}

#[tokio::test]
async fn a_refused_row_of_any_kind_is_named_with_its_table() {
    assert_eq!(RESULT_TABLES.len(), ResultName::ALL.len());
    for kind in ResultName::ALL {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = store::connect(&url, Session::Batch).await.unwrap();
        store::migrate(&mut connection).await.unwrap();
        let (condition, name) = refused_row(*kind);
        let table = kind.table();
        execute(
            &mut connection,
            format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN IF {condition} THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
                 CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table}
                     FOR EACH ROW EXECUTE FUNCTION refuse()"
            ),
        )
        .await;
        let batch = batch(&mut connection).await;
        assert!(batch.parts[0].delta.row_count() > 10, "{batch:?}");
        let [topic, group_id, owner] = [TOPIC, "g", "host:1:0"].map(str::to_owned);
        let mut flusher =
            Flusher::new(url, WriterIdentity { topic, group_id, owner, cluster_id: None });
        let report = flusher.flush(batch, Vec::new(), || false).await;
        let PartOutcome::Refused(reason) = &report.parts[0].outcome else {
            panic!("{table}: {:?}", report.parts[0].outcome)
        };
        let expected = format!("the database refuses {table} ({name}): P0001 ");
        assert!(reason.starts_with(&expected), "{reason}\n{expected}");
        let (position, rows): (i64, i64) = sqlx::query_as(
            "SELECT next_offset, (SELECT COUNT(*) FROM real_time_metrics) FROM stream_progress",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!((position, rows), (0, 0), "{table}");
    }
}
