//! A database, a topic of three partitions, and flushes of the real engine over made-up records.

use std::cell::Cell;

use event_model::EventTime;
use sqlx::AssertSqlSafe;
use store::{
    ExplicitSettings, FirstContact, Flusher, PgConnection, Session, StoredPartition, WriterIdentity,
};
use windowing::{
    Bounds, Effect, Engine, FlushBatch, Input, Limit, LogEnds, PartOutcome, Position, Record,
    RecordTime, Size,
};

const TOPIC: &str = "t";
pub(crate) const PARTITIONS: [i32; 3] = [0, 1, 2];

pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) connection: PgConnection,
}

/// Key, events by subscriber_id, by msisdn, sketch: a row of `subscriber_sketches`.
pub(crate) type SketchRow = (String, i64, i64, Vec<u8>);

impl Database {
    /// A database whose days are those of `zone`.
    pub(crate) async fn new(zone: chrono_tz::Tz) -> Self {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = store::connect(&url, Session::Batch).await.unwrap();
        store::migrate(&mut connection).await.unwrap();
        let settings =
            ExplicitSettings { business_timezone: Some(zone), ..ExplicitSettings::default() };
        store::agree_settings(&mut connection, settings).await.unwrap();
        let zero = Position::at(0);
        let ends = PARTITIONS.map(|partition| (partition, zero, zero));
        store::ensure_partitions(
            &mut connection,
            (TOPIC, None),
            &ends,
            FirstContact::Earliest,
            false,
        )
        .await
        .unwrap();
        Database { url, connection }
    }

    /// Runs statements of the tests themselves.
    pub(crate) async fn execute(&mut self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut self.connection).await.unwrap();
    }

    /// What a worker that reads these records after the stored positions would flush.
    pub(crate) async fn batch(&mut self, records: &[(i32, String)]) -> FlushBatch {
        let rows = store::load_progress(&mut self.connection, TOPIC, &PARTITIONS).await.unwrap();
        let mut engine =
            Engine::new(Bounds::default().with(Limit::Groups, Size::items(usize::MAX)))
                .vouched_for(true);
        let mut effects = Vec::new();
        engine.apply(Input::Assigned(&PARTITIONS), &mut effects);
        let mut offsets = [0; PARTITIONS.len()];
        for row in rows {
            let StoredPartition { partition, progress, rules, ownership, history } = row;
            offsets[usize::try_from(partition).unwrap()] = progress.next.offset();
            // Retention has removed the fingerprint: reading begins at once.
            let ends = LogEnds {
                low: progress.next,
                stable: Position::at(i64::MAX),
                high: Position::at(i64::MAX),
                asked_at: EventTime::from_micros(0),
            };
            let (progress, history) = (Box::new(progress), Box::new(history));
            let loaded = Input::Loaded { partition, progress, rules, ownership, history, ends };
            engine.apply(loaded, &mut effects);
        }
        for (partition, payload) in records {
            let offset = &mut offsets[usize::try_from(*partition).unwrap()];
            let record = Record {
                offset: *offset,
                time: RecordTime::Unknown,
                key: None,
                payload: Some(payload.as_bytes()),
                content: windowing::Content::Payload,
                headers: &Vec::new,
            };
            *offset += 1;
            let now = EventTime::END_ACCEPTED;
            engine.apply(Input::Record { partition: *partition, record, now }, &mut effects);
        }
        engine.apply(Input::FlushDue, &mut effects);
        let flush = effects.into_iter().find_map(|effect| match effect {
            Effect::Flush(batch) => Some(batch),
            _ => None,
        });
        flush.unwrap()
    }

    /// Tries a flush once; how each partition came out.
    pub(crate) async fn flush(&self, batch: FlushBatch) -> Vec<PartOutcome> {
        let attempts = Cell::new(0);
        let give_up = || attempts.replace(attempts.get() + 1) > 0;
        let report = self.flusher().flush(batch, Vec::new(), give_up).await;
        report.parts.into_iter().map(|part| part.outcome).collect()
    }

    pub(crate) fn flusher(&self) -> Flusher {
        let identity = WriterIdentity {
            topic: TOPIC.to_owned(),
            group_id: "g".to_owned(),
            owner: "o".to_owned(),
            cluster_id: None,
        };
        Flusher::new(self.url.clone(), identity)
    }

    /// Reads these records and flushes them.
    pub(crate) async fn stream(&mut self, records: &[(i32, String)]) {
        let batch = self.batch(records).await;
        assert_eq!(self.flush(batch).await, [const { PartOutcome::Committed }; 3]);
    }

    /// All rows, by key.
    pub(crate) async fn sketches(&mut self) -> Vec<SketchRow> {
        sqlx::query_as(
            "SELECT concat_ws(' ', business_day, business_timezone, event_type, region),
                    events_by_subscriber_id, events_by_msisdn, sketch
             FROM subscriber_sketches ORDER BY 1",
        )
        .fetch_all(&mut self.connection)
        .await
        .unwrap()
    }
}

/// An event's JSON: what it is of, when, how many MB, and whose.
pub(crate) fn event(
    (event_type, region): (&str, &str),
    time: &str,
    megabytes: f64,
    (subscriber_id, msisdn): (Option<&str>, Option<&str>),
) -> String {
    let text = |name: Option<&str>| name.map_or("null".to_owned(), |name| format!("\"{name}\""));
    format!(
        r#"{{"event_type":"{event_type}","region":"{region}","timestamp":"{time}Z",
            "data_mb":{megabytes},"subscriber_id":{},"msisdn":{}}}"#,
        text(subscriber_id),
        text(msisdn)
    )
}

/// A session of the subscriber of this number.
pub(crate) fn session(region: &str, subscriber: u32) -> String {
    let subscriber = format!("{subscriber:016x}");
    event(("data_session", region), "2025-11-09T10:00:00", 1.5, (Some(&subscriber), None))
}
