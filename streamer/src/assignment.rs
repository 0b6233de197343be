//! The client's side of the assignment: which partitions librdkafka reads, and from where.
//!
//! Positions are passed inside the assignment; seeking afterwards races with the first fetch and
//! re-reads from somewhere else. A partition whose position is not known yet, or that is halted, is
//! assigned all the same (the group must see it taken), but paused; what comes of it is ignored.

use std::collections::BTreeSet;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use windowing::Position;

use crate::consumer::GroupConsumer;

/// The partitions assigned to one worker's client.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    topic: String,
    /// Assigned, whether read or not.
    assigned: BTreeSet<i32>,
    /// Assigned and to be read.
    reading: BTreeSet<i32>,
}

impl Assignment {
    pub(crate) fn of_topic(topic: String) -> Self {
        Assignment { topic, ..Assignment::default() }
    }

    pub(crate) fn contains(&self, partition: i32) -> bool {
        self.assigned.contains(&partition)
    }

    /// Takes partitions over, in one call. Those in `positions` are read from there, unless
    /// everything is paused; the others are not read.
    pub(crate) fn take_over(
        &mut self,
        consumer: &GroupConsumer,
        partitions: &[i32],
        positions: &[(i32, Position)],
        is_paused: bool,
    ) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        let mut held_back = Vec::new();
        for &partition in partitions {
            let position = positions.iter().find(|(id, _)| *id == partition);
            let offset = match position {
                Some((_, from)) => Offset::Offset(from.offset()),
                None => Offset::End,
            };
            list.add_partition_offset(&self.topic, partition, offset)?;
            self.assigned.insert(partition);
            if position.is_some() {
                self.reading.insert(partition);
            }
            if position.is_none() || is_paused {
                held_back.push(partition);
            }
        }
        consumer.incremental_assign(&list)?;
        // The client remembers a pause from a former assignment.
        let to_read: Vec<i32> =
            partitions.iter().copied().filter(|id| !held_back.contains(id)).collect();
        if !to_read.is_empty() {
            consumer.resume(&self.list(&to_read))?;
        }
        self.pause_these(consumer, &held_back)
    }

    /// Reads an assigned partition from another position, with a new fetch.
    pub(crate) fn restart(
        &mut self,
        consumer: &GroupConsumer,
        partition: i32,
        from: Position,
        is_paused: bool,
    ) -> KafkaResult<()> {
        consumer.incremental_unassign(&self.list(&[partition]))?;
        self.assigned.remove(&partition);
        self.take_over(consumer, &[partition], &[(partition, from)], is_paused)
    }

    /// Stops reading one partition.
    pub(crate) fn hold_back(
        &mut self,
        consumer: &GroupConsumer,
        partition: i32,
    ) -> KafkaResult<()> {
        self.reading.remove(&partition);
        if self.contains(partition) { self.pause_these(consumer, &[partition]) } else { Ok(()) }
    }

    pub(crate) fn pause(&self, consumer: &GroupConsumer) -> KafkaResult<()> {
        let reading: Vec<i32> = self.reading.iter().copied().collect();
        self.pause_these(consumer, &reading)
    }

    pub(crate) fn resume(&self, consumer: &GroupConsumer) -> KafkaResult<()> {
        let reading: Vec<i32> = self.reading.iter().copied().collect();
        if reading.is_empty() { Ok(()) } else { consumer.resume(&self.list(&reading)) }
    }

    /// Gives partitions up.
    pub(crate) fn give_up(
        &mut self,
        consumer: &GroupConsumer,
        partitions: &[i32],
    ) -> KafkaResult<()> {
        for partition in partitions {
            self.assigned.remove(partition);
            self.reading.remove(partition);
        }
        consumer.incremental_unassign(&self.list(partitions))
    }

    fn pause_these(&self, consumer: &GroupConsumer, partitions: &[i32]) -> KafkaResult<()> {
        if partitions.is_empty() { Ok(()) } else { consumer.pause(&self.list(partitions)) }
    }

    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for &partition in partitions {
            list.add_partition(&self.topic, partition);
        }
        list
    }
}
