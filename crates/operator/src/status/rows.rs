//! Where every partition stands, all that is stored of it, for whoever asks whether the pipeline is
//! healthy.

use chrono::NaiveDateTime;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use store::{StoreError, database_now};

/// With fewer recent events nothing is said of their share.
const RECENT_EVENTS_MIN: f64 = 20.0;
/// Of this many of a partition's last offsets it is told how many were refused.
pub const RECENT_OFFSETS: i64 = 1_000;

/// SQLSTATE insufficient_privilege.
const NOT_PERMITTED: &str = "42501";

/// What the database says of the pipeline. All times are UTC.
#[derive(Clone, Debug)]
pub struct PipelineStatus {
    /// The database's clock, read after all else.
    pub now: NaiveDateTime,
    /// By topic and partition.
    pub partitions: Vec<PartitionStatus>,
    /// One for each topic of the database, by its name.
    pub topics: Vec<TopicCompleteness>,
}

/// The newest life of one partition.
#[derive(Clone, Debug, FromRow)]
pub struct PartitionStatus {
    /// Kafka's name of the topic.
    pub topic: String,
    /// Which life of the topic's partition, from 0.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// Whether an operator has taken it out.
    pub is_retired: bool,
    /// Host, process and worker that wrote the row last; `None`: nobody yet.
    pub owner: Option<String>,
    /// Their consumer group.
    pub group_id: Option<String>,
    /// The next offset to read.
    pub next_offset: i64,
    /// Events counted on time.
    pub on_time: i64,
    /// Events counted late.
    pub late: i64,
    /// Records kept as dead letters.
    pub dead: i64,
    /// Offsets accepted as lost.
    pub gap: i64,
    /// Offsets that never held a record for us.
    pub skipped: i64,
    /// How far event time has come, less the delay for stragglers, UTC; `None`: no event yet.
    pub watermark: Option<NaiveDateTime>,
    /// All on-time events before this have been counted: an estimate.
    pub complete_through: Option<NaiveDateTime>,
    /// When the broker was last seen to have nothing left.
    pub caught_up_at: Option<NaiveDateTime>,
    /// The last record read was written then, milliseconds since 1970; a producer may have said so.
    #[sqlx(rename = "witness_timestamp_ms")]
    pub last_record_ms: Option<i64>,
    /// What its newest events are like.
    #[sqlx(flatten)]
    pub recent: RecentEvents,
    /// Why it waits for an operator.
    pub halted_reason: Option<String>,
    /// Why no flush of it can be stored until somebody mends the database; `None`: they are stored.
    pub flush_blocked: Option<String>,
    /// When that was found last; it is found again every few seconds while somebody tries.
    pub flush_blocked_at: Option<NaiveDateTime>,
    /// When the row was last written.
    pub updated_at: NaiveDateTime,
    /// The furthest that an event was ahead of its record, milliseconds.
    pub max_ahead_ms: i64,
    /// The furthest that an event was behind its record, milliseconds.
    pub max_behind_ms: i64,
    /// How many of its last [`RECENT_OFFSETS`] records were refused because their events lie too far ahead
    /// of them; 0 also where we may not read dead letters.
    #[sqlx(default)]
    pub refused_lately: i64,
    /// By how much events were behind their records on average, milliseconds; `None`: no events.
    pub mean_behind_ms: Option<f64>,
}

/// Events of about the last quarter of an hour before a partition's last flush. The older one is, the
/// less it counts: e times less after 15 minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromRow)]
pub struct RecentEvents {
    /// How many events there were, on time and late.
    #[sqlx(rename = "recent_events")]
    pub events: f64,
    /// How many of them came late.
    #[sqlx(rename = "recent_late")]
    pub late: f64,
    /// How long they lasted, seconds.
    #[sqlx(rename = "recent_seconds")]
    pub seconds: f64,
    /// How long those lasted that came late, seconds.
    #[sqlx(rename = "recent_late_seconds")]
    pub late_seconds: f64,
    /// How much less all of these count now than at the last flush: 1 then, near 0 hours later.
    #[sqlx(rename = "recent_fade")]
    pub fade: f64,
}

impl RecentEvents {
    /// The share of late ones, of events or of their seconds, whichever is greater; `None`: there
    /// are too few to say.
    pub fn late_share(&self) -> Option<f64> {
        if self.events * self.fade < RECENT_EVENTS_MIN {
            return None;
        }
        let of_seconds = if self.seconds > 0.0 { self.late_seconds / self.seconds } else { 0.0 };
        Some(of_seconds.max(self.late / self.events))
    }
}

/// How far one topic's figures are complete.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct TopicCompleteness {
    /// Kafka's name of the topic.
    pub topic: String,
    /// All on-time events before this have been counted, UTC: an estimate.
    pub complete_through: Option<NaiveDateTime>,
    /// The partition that is furthest behind.
    pub held_back_by: i32,
}

/// Reads where everything stands.
///
/// # Errors
/// A failed statement.
pub async fn pipeline_status(connection: &mut PgConnection) -> Result<PipelineStatus, StoreError> {
    let doing = "reading where the partitions stand";
    let mut partitions: Vec<PartitionStatus> = sqlx::query_as(include_str!("queries/status.sql"))
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::sql(doing))?;
    let refused = refused_lately(connection).await?;
    for row in &mut partitions {
        let of_row =
            refused.iter().find(|found| (&found.0, found.1) == (&row.topic, row.partition));
        row.refused_lately = of_row.map_or(0, |found| found.2);
    }
    let topics = sqlx::query_as(
        "SELECT topic, complete_through, held_back_by FROM completeness ORDER BY topic",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(StoreError::sql(doing))?;
    Ok(PipelineStatus { now: database_now(connection).await?, partitions, topics })
}

/// (topic, partition, records) of the partitions of which any were refused lately.
async fn refused_lately(
    connection: &mut PgConnection,
) -> Result<Vec<(String, i32, i64)>, StoreError> {
    let counted = sqlx::query_as(include_str!("queries/refused_lately.sql"))
        .bind(RECENT_OFFSETS)
        .fetch_all(connection)
        .await;
    match counted {
        // Rights that were given before this was asked do not include it.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NOT_PERMITTED) => {
            Ok(Vec::new())
        }
        counted => counted.map_err(StoreError::sql("counting what was refused lately")),
    }
}
