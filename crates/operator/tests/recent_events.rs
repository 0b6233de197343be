//! What `streamer status` is told of a partition's newest events, on a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use event_model::{EventTime, EventView};
use operator::status::rows::RecentEvents;
use store::{Flusher, PgConnection, Session, WriterIdentity};
use windowing::{Delta, FlushBatch, FlushPart, PartOutcome, Position, Progress};

struct Pipeline {
    connection: PgConnection,
    flusher: Flusher,
    stored: Progress,
}

impl Pipeline {
    async fn new() -> Self {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = store::connect(&url, Session::Batch).await.unwrap();
        store::migrate(&mut connection).await.unwrap();
        let [topic, group_id, owner] = ["t", "g", "host:1:0"].map(str::to_owned);
        let flusher =
            Flusher::new(url, WriterIdentity { topic, group_id, owner, cluster_id: None });
        let mut pipeline =
            Pipeline { connection, flusher, stored: Progress::starting_at(Position::at(0)) };
        let row =
            "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset)
                   VALUES ('t', 0, 0, 0, 0)";
        pipeline.execute(row).await;
        pipeline
    }

    async fn execute(&mut self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&mut self.connection).await.unwrap();
    }

    /// Flushes one call of 7 seconds.
    async fn count(&mut self, is_late: bool) {
        let mut new = self.stored.clone();
        let mut delta = Delta::default();
        new.next = Position::at(new.next.offset() + 1);
        let (counter, groups) = if is_late {
            (&mut new.counters.late, &mut delta.late)
        } else {
            (&mut new.counters.on_time, &mut delta.on_time)
        };
        *counter += 1;
        groups.add_event(&EventView {
            duration_seconds: 7,
            ..EventView::new("call", "Osh", EventTime::from_micros(0))
        });
        let part = FlushPart {
            partition: 0,
            incarnation: 1,
            stored: self.stored.clone(),
            new: new.clone(),
            delta,
            log_is_known: true,
            log_is_verified: true,
            awaited: None,
            is_news: true,
        };
        let batch = FlushBatch { parts: vec![part] };
        let report = self.flusher.flush(batch, Vec::new(), || false).await;
        assert_eq!(report.parts[0].outcome, PartOutcome::Committed);
        self.stored = new;
    }

    async fn recent(&mut self) -> RecentEvents {
        operator::status::rows::pipeline_status(&mut self.connection).await.unwrap().partitions[0]
            .recent
    }
}

#[tokio::test]
async fn recent_events_count_less_the_older_they_are() {
    let mut pipeline = Pipeline::new().await;
    pipeline.count(false).await;
    pipeline.count(true).await;
    let now = pipeline.recent().await;
    assert!(now.events > 1.9 && now.events <= 2.0 && now.late == 1.0, "{now:?}");
    assert!(now.seconds > 13.3 && now.seconds <= 14.0 && now.late_seconds == 7.0, "{now:?}");

    // A quarter of an hour later 1 / e of it is left, for the reader and for the next flush.
    let past = "UPDATE stream_progress SET recent_at = recent_at - INTERVAL '15 minutes'";
    pipeline.execute(past).await;
    let faded = (-1.0_f64).exp();
    assert!((pipeline.recent().await.fade - faded).abs() < 0.03);
    pipeline.count(false).await;
    let later = pipeline.recent().await;
    assert!((later.late - faded).abs() < 0.03, "{later:?}");
    assert!((later.events - (1.0 + 2.0 * faded)).abs() < 0.06, "{later:?}");
}

/// They are estimates beside the results: whatever they have become must not stop these.
#[tokio::test]
async fn no_recent_figure_stops_a_flush() {
    let mut pipeline = Pipeline::new().await;
    for values in [
        "UPDATE stream_progress SET recent_late = 1e-300, recent_seconds = 5e-324, recent_at = '1970-01-01'",
        "UPDATE stream_progress SET recent_at = '2100-01-01'",
        "UPDATE stream_progress SET recent_events = 1e300, recent_at = '2000-01-01'",
    ] {
        pipeline.execute(values).await;
        pipeline.count(true).await;
        pipeline.recent().await;
    }
}
