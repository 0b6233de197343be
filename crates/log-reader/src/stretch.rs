//! Reads stretches of a log for whoever compares two logs: what stands before a position, and what follows a time. Only
//! fingerprints are given out.
//!
//! Keeps I-6: each wait for a record is bounded, and memory does not grow with the stretch.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use windowing::{Fingerprint, LogEnds, Position, fingerprint_of};

use crate::examine::record_of;
use crate::{QUERY_TIMEOUT, QueryClient, Quiet};

/// Nothing comes for so long, although the stretch goes on: given up.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// A client needs a group's name to be told what to read; it never joins this one.
const NO_GROUP: &str = "telecom-streamer-stretch";
/// What is looked for is looked for so many offsets before the position at first, and four times as far each time.
const FIRST_STEP_BACK: i64 = 400;

/// Reads logs of one cluster, partition after partition.
pub struct Stretches {
    client: QueryClient,
    topic: String,
}

impl Stretches {
    /// Makes the client.
    ///
    /// # Errors
    /// The client refuses its settings.
    pub fn new(kafka: &ClientConfig, topic: &str) -> anyhow::Result<Self> {
        let client = kafka
            .clone()
            .set("group.id", NO_GROUP)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            // At a log's end the broker would wait for more, half a second each time.
            .set("fetch.wait.max.ms", "10")
            // The end of a log is no error to tell people of; others come out of `poll`.
            .create_with_context(Quiet::default())?;
        Ok(Stretches { client, topic: topic.to_owned() })
    }

    /// Shows all records that readers may see from `from` on and before `to`, in their order.
    ///
    /// # Errors
    /// The log can't be read, or nothing comes of it any more.
    pub fn show(
        &self,
        partition: i32,
        (from, to): (Position, Position),
        mut show: impl FnMut(Fingerprint),
    ) -> anyhow::Result<()> {
        if from >= to {
            return Ok(());
        }
        let mut assigned = TopicPartitionList::new();
        assigned.add_partition_offset(&self.topic, partition, Offset::Offset(from.offset()))?;
        self.client.assign(&assigned)?;
        let mut silent_since = Instant::now();
        loop {
            match self.client.poll(SILENCE_MAX) {
                Some(Ok(message)) if message.offset() >= to.offset() => return Ok(()),
                Some(Ok(message)) => {
                    show(fingerprint_of(&record_of(&message)));
                    silent_since = Instant::now();
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) if error.rdkafka_error_code().is_none() => {
                    return Err(error).with_context(|| self.unreadable(partition));
                }
                Some(Err(error)) if !passes(&error) => {
                    return Err(error).with_context(|| self.unreadable(partition));
                }
                Some(Err(_)) | None if silent_since.elapsed() < SILENCE_MAX => {}
                Some(Err(error)) => return Err(error).with_context(|| self.unreadable(partition)),
                None => anyhow::bail!(self.unreadable(partition)),
            }
        }
    }

    fn unreadable(&self, partition: i32) -> String {
        format!("no records of {} [{partition}] come", self.topic)
    }

    /// The last records before a position, at most so many, oldest first.
    ///
    /// # Errors
    /// As [`Stretches::show`].
    pub fn last_before(
        &self,
        partition: i32,
        position: Position,
        ends: &LogEnds,
        count: usize,
    ) -> anyhow::Result<Vec<Fingerprint>> {
        let mut step = FIRST_STEP_BACK;
        loop {
            let from = Position::at((position.offset() - step).max(ends.low.offset()));
            let mut last = VecDeque::new();
            self.show(partition, (from, position), |record| {
                if last.len() == count {
                    last.pop_front();
                }
                last.push_back(record);
            })?;
            // Marks of transactions and what was aborted take offsets as well.
            if last.len() == count || from == ends.low {
                return Ok(last.into());
            }
            step = step.saturating_mul(4);
        }
    }

    /// The first record that the log has before this position.
    ///
    /// # Errors
    /// As [`Stretches::show`].
    pub fn first_before(
        &self,
        partition: i32,
        position: Position,
        ends: &LogEnds,
    ) -> anyhow::Result<Option<Fingerprint>> {
        let (mut first, mut from, mut step) = (None, ends.low, FIRST_STEP_BACK);
        while first.is_none() && from < position {
            let to = Position::at(from.offset() + step).min(position);
            self.show(partition, (from, to), |record| {
                first.get_or_insert(record);
            })?;
            (from, step) = (to, step.saturating_mul(4));
        }
        Ok(first)
    }

    /// Where the first record stands that was written at this time or later; the end, if there is none.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn at_time(&self, partition: i32, millis: i64, ends: &LogEnds) -> anyhow::Result<Position> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(&self.topic, partition, Offset::Offset(millis))?;
        let answer = self.client.offsets_for_times(asked, QUERY_TIMEOUT)?;
        let found = answer.elements().first().map(|element| (element.error(), element.offset()));
        match found {
            Some((Err(error), _)) => Err(error.into()),
            Some((_, Offset::Offset(offset))) => {
                Ok(Position::at(offset).clamp(ends.low, ends.stable))
            }
            _ => Ok(ends.stable),
        }
    }
}

/// Whether it is the way to the brokers. What can't be read must not be passed over.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
    let code = error.rdkafka_error_code();
    matches!(code, Some(AllBrokersDown | BrokerTransportFailure | OperationTimedOut | Resolve))
}
