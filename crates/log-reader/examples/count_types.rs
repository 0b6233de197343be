//! Counts a topic's records by event type, from the beginning to the ends that its logs have now.
//!
//! ```text
//! cargo run -p log-reader --example count_types -- localhost:9092 telecom_events
//! ```
//!
//! A whole second program that reads the topic. Its positions are its own: here in memory, shared by all its
//! members. A program that stores results keeps each partition's position beside them, in one transaction.
//! Nothing is read from the group, and no other group is disturbed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use log_reader::{Event, Membership, Queries, Read, Reader, Trouble};
use rdkafka::ClientConfig;
use windowing::{Position, Record};

/// How long is waited for something to happen, before it is looked whether all is done.
const WAIT: Duration = Duration::from_millis(100);

/// What was counted, by all members together.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Records, by the event's type.
    pub(crate) types: BTreeMap<String, u64>,
    /// Records that are no event.
    pub(crate) unreadable: u64,
    /// The next offset to count, by partition.
    pub(crate) next: BTreeMap<i32, Position>,
}

impl Counted {
    /// Counts a record, unless that was done: after a restart, some come again.
    fn take(&mut self, partition: i32, record: &Record<'_>) {
        if self.next.get(&partition).is_some_and(|next| Position::at(record.offset) < *next) {
            return;
        }
        match record.payload.map(event_model::decode) {
            Some(Ok(event)) => *self.types.entry(event.event_type.into_owned()).or_default() += 1,
            Some(Err(_)) | None => self.unreadable += 1,
        }
        self.next.insert(partition, Position::after(record.offset));
    }
}

/// A count that one or more members of a group work at.
pub(crate) struct Count {
    /// Where each partition's log is counted to.
    pub(crate) ends: BTreeMap<i32, Position>,
    counted: Mutex<Counted>,
}

impl Count {
    /// Asks where the logs begin and end now.
    pub(crate) fn begin(kafka: &ClientConfig, topic: &str) -> anyhow::Result<Self> {
        let queries = Queries::new(kafka)?;
        let partitions = queries.partitions(topic).context("asking for the partitions")?;
        let logs = queries.all_log_ends(topic, &partitions).context("asking for the logs' ends")?;
        let next = logs.iter().map(|(partition, log)| (*partition, log.low)).collect();
        let ends = logs.iter().map(|(partition, log)| (*partition, log.stable)).collect();
        Ok(Count { ends, counted: Mutex::new(Counted { next, ..Counted::default() }) })
    }

    /// What was counted so far.
    pub(crate) fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_done(&self) -> bool {
        let counted = self.counted();
        self.ends.iter().all(|(partition, end)| counted.next[partition] >= *end)
    }

    /// Counts as one member of the group until all is counted, whoever counts it. `taken` is told of each share
    /// of the partitions that this member has taken over.
    pub(crate) fn work(
        &self,
        membership: Membership,
        mut taken: impl FnMut(&[i32]),
    ) -> anyhow::Result<()> {
        let mut reader = Reader::join(membership)?;
        while !self.is_done() {
            let wait = if reader.is_empty() { WAIT } else { Duration::ZERO };
            for event in reader.events(wait)? {
                match event {
                    Event::Assigned(ids) => {
                        let next = self.counted().next.clone();
                        let from = ids.iter().filter_map(|id| Some((*id, *next.get(id)?)));
                        reader.take_over(&ids, &from.collect::<Vec<_>>(), false)?;
                        taken(&ids);
                    }
                    // Each record was counted as it came, so there is nothing to store first.
                    Event::Revoked { partitions, .. } => reader.give_up(&partitions)?,
                    Event::Trouble(trouble) => tell(trouble)?,
                }
            }
            let mut told = Ok(());
            let wait = if reader.is_empty() { Duration::ZERO } else { WAIT };
            reader.records(wait, |read| {
                match read {
                    Read::Record { partition, record } => self.counted().take(partition, &record),
                    // Behind what is never shown: marks of transactions, and what was taken back.
                    Read::End { partition, end } => {
                        self.counted().next.insert(partition, end);
                    }
                    Read::Trouble(trouble) => told = tell(trouble),
                }
                if told.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            told?;
        }
        reader.leave(|| true);
        Ok(())
    }
}

fn tell(trouble: Trouble) -> anyhow::Result<()> {
    match trouble {
        Trouble::Passing(said) => eprintln!("Kafka: {said}"),
        Trouble::OutsideLog(said) | Trouble::UnreadableBatch(said) => {
            bail!("can't be read: {said}")
        }
    }
    Ok(())
}

#[allow(dead_code, reason = "the test that includes this file has a main of its own")]
fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [servers, topic] = arguments.as_slice() else { bail!("usage: count_types SERVERS TOPIC") };
    let mut kafka = ClientConfig::new();
    kafka.set("bootstrap.servers", servers);
    let count = Count::begin(&kafka, topic)?;
    let (topic, group_id) = (topic.clone(), "count-types".to_owned());
    let partitions_each = count.ends.len();
    count.work(Membership { kafka, group_id, topic, partitions_each, patience: None }, |_| {})?;
    let counted = count.counted();
    for (event_type, events) in &counted.types {
        println!("{events:>12}  {event_type}");
    }
    println!("{:>12}  (no event)", counted.unreadable);
    Ok(())
}
