//! The client's side of the assignment: which partitions librdkafka reads, and from where.
//!
//! Positions are passed inside the assignment; seeking afterwards races with the first fetch and
//! re-reads from somewhere else. A partition whose position is not known yet, or that is halted, is
//! assigned all the same (the group must see it taken), but paused; what comes of it is ignored.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use windowing::Position;

use crate::consumer::GroupConsumer;
use crate::records::{Polled, RecordQueue};

/// The partitions assigned to one worker's client.
pub(crate) struct Assignment {
    consumer: Arc<GroupConsumer>,
    topic: String,
    records: RecordQueue,
    /// Assigned, whether read or not.
    assigned: BTreeSet<i32>,
    /// Assigned and to be read.
    reading: BTreeSet<i32>,
}

impl Assignment {
    /// Nothing of this topic yet.
    pub(crate) fn new(consumer: Arc<GroupConsumer>, topic: String) -> anyhow::Result<Self> {
        let records = RecordQueue::new(Arc::clone(&consumer), &topic)?;
        let (assigned, reading) = Default::default();
        Ok(Assignment { consumer, topic, records, assigned, reading })
    }

    /// Hands over what came of the partitions: [`RecordQueue::serve`].
    pub(crate) fn serve<F>(&self, wait: Duration, take: F)
    where
        F: FnMut(Polled<'_>) -> ControlFlow<()>,
    {
        self.records.reattach();
        self.records.serve(wait, take);
    }

    /// Whether no partition is assigned.
    pub(crate) fn is_empty(&self) -> bool {
        self.assigned.is_empty()
    }

    /// Whether this partition is assigned.
    pub(crate) fn contains(&self, partition: i32) -> bool {
        self.assigned.contains(&partition)
    }

    /// Takes partitions over, in one call. Those in `positions` are read from there, unless
    /// everything is paused; the others are not read.
    pub(crate) fn take_over(
        &mut self,
        partitions: &[i32],
        positions: &[(i32, Position)],
        is_paused: bool,
    ) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        let mut held_back = Vec::new();
        for &partition in partitions {
            let position = positions.iter().find(|(id, _)| *id == partition);
            let offset = match position {
                Some((_, from)) => Offset::Offset(from.offset()),
                None => Offset::End,
            };
            list.add_partition_offset(&self.topic, partition, offset)?;
            self.records.attach(partition)?;
            self.assigned.insert(partition);
            if position.is_some() {
                self.reading.insert(partition);
            }
            if position.is_none() || is_paused {
                held_back.push(partition);
            }
        }
        self.consumer.incremental_assign(&list)?;
        // The client remembers a pause from a former assignment.
        let to_read: Vec<i32> =
            partitions.iter().copied().filter(|id| !held_back.contains(id)).collect();
        if !to_read.is_empty() {
            self.consumer.resume(&self.list(&to_read))?;
        }
        self.pause_these(&held_back)?;
        Ok(())
    }

    /// Reads an assigned partition from another position, with a new fetch.
    pub(crate) fn restart(
        &mut self,
        partition: i32,
        from: Position,
        is_paused: bool,
    ) -> anyhow::Result<()> {
        self.consumer.incremental_unassign(&self.list(&[partition]))?;
        self.assigned.remove(&partition);
        self.take_over(&[partition], &[(partition, from)], is_paused)
    }

    /// Stops reading one partition.
    pub(crate) fn hold_back(&mut self, partition: i32) -> KafkaResult<()> {
        self.reading.remove(&partition);
        if self.contains(partition) { self.pause_these(&[partition]) } else { Ok(()) }
    }

    /// Stops fetching of all partitions.
    pub(crate) fn pause(&self) -> KafkaResult<()> {
        let reading: Vec<i32> = self.reading.iter().copied().collect();
        self.pause_these(&reading)
    }

    /// Goes on fetching.
    pub(crate) fn resume(&self) -> KafkaResult<()> {
        let reading: Vec<i32> = self.reading.iter().copied().collect();
        if reading.is_empty() { Ok(()) } else { self.consumer.resume(&self.list(&reading)) }
    }

    pub(crate) fn give_up(&mut self, partitions: &[i32]) -> KafkaResult<()> {
        for partition in partitions {
            self.assigned.remove(partition);
            self.reading.remove(partition);
        }
        self.consumer.incremental_unassign(&self.list(partitions))?;
        partitions.iter().for_each(|&partition| self.records.detach(partition));
        Ok(())
    }

    fn pause_these(&self, partitions: &[i32]) -> KafkaResult<()> {
        if partitions.is_empty() { Ok(()) } else { self.consumer.pause(&self.list(partitions)) }
    }

    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for &partition in partitions {
            list.add_partition(&self.topic, partition);
        }
        list
    }
}
