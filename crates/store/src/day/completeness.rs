//! Whether a day can still change, and which partition is the reason.
//!
//! In: a [`BusinessDay`]. Out: a [`DayState`], from `complete_through` as the flushes stored it. No
//! clock is read here: a partition that nobody looks at stays where it was.

use std::fmt;

use chrono::NaiveDateTime;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;

use crate::{BusinessDay, StoreError};

/// Whether a day can still change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayState {
    /// Partitions in service: the newest generation of each, unless it is retired.
    pub partitions: usize,
    /// Those that may still bring on-time events of the day, the furthest behind first.
    pub holding_back: Vec<PartitionCompleteness>,
}

/// How far one partition has come. `Display` says it in words, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct PartitionCompleteness {
    /// Kafka's name of the topic.
    pub topic: String,
    /// Which life of the topic's partition, from 0.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// All on-time events before this have been counted, UTC; an estimate that never goes back.
    pub complete_through: Option<NaiveDateTime>,
    /// Stored watermark, UTC.
    pub watermark: Option<NaiveDateTime>,
    /// When the broker was last seen to have nothing left, UTC.
    pub caught_up_at: Option<NaiveDateTime>,
    /// Why the partition waits for an operator.
    pub halted_reason: Option<String>,
    /// The process that wrote the row last; `None`: no streamer has read the partition.
    pub owner: Option<String>,
    /// When the row was last written, UTC.
    pub updated_at: NaiveDateTime,
}

impl DayState {
    /// Whether no on-time event of the day is to be expected any more.
    pub fn is_complete(&self) -> bool {
        self.partitions > 0 && self.holding_back.is_empty()
    }

    fn of(partitions: Vec<PartitionCompleteness>, day_end: NaiveDateTime) -> Self {
        let total = partitions.len();
        let holding_back =
            partitions.into_iter().filter(|partition| !partition.is_past(day_end)).collect();
        DayState { partitions: total, holding_back }
    }
}

impl PartitionCompleteness {
    fn is_past(&self, day_end: NaiveDateTime) -> bool {
        self.complete_through.is_some_and(|through| through >= day_end)
    }
}

impl fmt::Display for PartitionCompleteness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Option<NaiveDateTime>| match time {
            Some(time) => format!("{time} UTC"),
            None => "not known yet".to_owned(),
        };
        let PartitionCompleteness { topic, generation, partition, owner, halted_reason, .. } = self;
        write!(
            f,
            "{topic} partition {partition} (generation {generation}): complete through {}: ",
            time(self.complete_through),
        )?;
        match (halted_reason, owner) {
            (Some(reason), _) => write!(f, "halted: {reason}"),
            (None, None) => f.write_str("no streamer has read it yet"),
            (None, Some(owner)) => write!(
                f,
                "watermark {}, last caught up {}, last written {} UTC by {owner}",
                time(self.watermark),
                time(self.caught_up_at),
                self.updated_at.format("%Y-%m-%d %H:%M:%S"),
            ),
        }
    }
}

/// Says whether the day can still change.
///
/// # Errors
/// A failed statement.
pub async fn day_state(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<DayState, StoreError> {
    let partitions = sqlx::query_as(include_str!("queries/daily_partitions.sql"))
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("reading the partitions' progress"))?;
    Ok(DayState::of(partitions, day.end()))
}

/// Whether the database is new and has no trace of any event: neither counted nor refused nor lost.
///
/// # Errors
/// A failed statement.
pub async fn is_empty(connection: &mut PgConnection) -> Result<bool, StoreError> {
    sqlx::query_scalar(include_str!("queries/is_empty.sql"))
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql("looking for events"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(complete_through: Option<&str>) -> PartitionCompleteness {
        let time = |text: &str| format!("2025-11-{text}").parse().unwrap();
        PartitionCompleteness {
            topic: "telecom_events".to_owned(),
            generation: 0,
            partition: 2,
            complete_through: complete_through.map(time),
            watermark: Some(time("09T12:00:00")),
            caught_up_at: None,
            halted_reason: None,
            owner: Some("host:7:0".to_owned()),
            updated_at: time("10T00:01:02.345678"),
        }
    }

    #[test]
    fn a_day_is_complete_when_every_partition_is_complete_through_its_end_and_there_is_one() {
        let end = "2025-11-10T00:00:00".parse().unwrap();
        let past = partition(Some("10T00:00:00"));
        let behind = partition(Some("09T23:59:59.999999"));
        let unknown = partition(None);
        for (partitions, holding_back) in [
            (vec![], None),
            (vec![past.clone()], Some(vec![])),
            (vec![past.clone(), past.clone()], Some(vec![])),
            (vec![behind.clone(), past.clone()], Some(vec![behind.clone()])),
            (vec![unknown.clone(), past], Some(vec![unknown])),
        ] {
            let state = DayState::of(partitions, end);
            assert_eq!(state.is_complete(), holding_back == Some(vec![]));
            assert_eq!(state.holding_back, holding_back.unwrap_or_default());
        }
    }

    #[test]
    fn a_partition_says_why_it_is_where_it_is() {
        let start = "telecom_events partition 2 (generation 0): complete through ";
        let read = partition(Some("09T12:00:00"));
        let unread = PartitionCompleteness { owner: None, ..partition(None) };
        let halted =
            PartitionCompleteness { halted_reason: Some("lost".to_owned()), ..read.clone() };
        for (partition, expected) in [
            (
                read,
                "2025-11-09 12:00:00 UTC: watermark 2025-11-09 12:00:00 UTC, last caught up not \
                 known yet, last written 2025-11-10 00:01:02 UTC by host:7:0",
            ),
            (unread, "not known yet: no streamer has read it yet"),
            (halted, "2025-11-09 12:00:00 UTC: halted: lost"),
        ] {
            assert_eq!(partition.to_string(), format!("{start}{expected}"));
        }
    }
}
