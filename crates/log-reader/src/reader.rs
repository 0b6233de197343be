//! A topic, read as a member of a group by a program that keeps positions of its own: the one door to the
//! client.
//!
//! In: which partitions to read, and from where. Out: what becomes of the membership ([`Event`]), and what
//! comes of the partitions ([`Read`]), each partition's in its order. The caller's loop asks for both in turn:
//!
//! ```text
//!   events ──► Assigned ─► take_over (positions) ──► records ──► Record, End ─► the caller's positions
//!          └─► Revoked ──► give_up
//! ```
//!
//! Nothing happens behind the caller's back: a rebalance waits until it is answered by one of these calls,
//! and no position is ever read from the group, or guessed. Everything waits for a bounded time only.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use windowing::{Position, Record};

use crate::assignment::Assignment;
use crate::consumer::{GroupConsumer, Rebalance, group_consumer};
use crate::joining::Joining;
use crate::leaving::{ClosingGuard, leave};
use crate::queries::QUERY_TIMEOUT_MIN;
use crate::records::Polled;

/// Which group is joined, and what for.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The client's settings; those on which the order of reading rests are not the caller's to change.
    pub kafka: ClientConfig,
    /// The consumer group, `group.id`.
    pub group_id: String,
    /// Kafka's name of the one topic that is read.
    pub topic: String,
    /// How many partitions this member may have to read at most: its memory is shared among them.
    pub partitions_each: usize,
    /// For how long a group that refuses us, or a topic that we may not read, is put up with; `None`: for
    /// ever, because somebody may grant the right meanwhile.
    pub patience: Option<Duration>,
}

/// What has become of the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These partitions are ours now, besides those that we have: [`Reader::take_over`] answers.
    Assigned(Vec<i32>),
    /// These are to be given up: [`Reader::give_up`] answers.
    Revoked {
        /// Kafka's numbers of these partitions.
        partitions: Vec<i32>,
        /// Others may read them already: whatever is done about them comes too late.
        is_lost: bool,
    },
    /// Something is wrong.
    Trouble(Trouble),
}

/// What came of a partition.
pub enum Read<'a> {
    /// The partition's next record, in the order of offsets.
    Record {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// Borrowed from the client's memory.
        record: Record<'a>,
    },
    /// There is nothing more, for now.
    End {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// The offset that will be read next: behind control records, too, which are never shown.
        end: Position,
    },
    /// Something is wrong with it.
    Trouble(Trouble),
}

/// Something that is wrong, by what can be done about it; with the client's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A position lies outside its log. Of which partition the client does not say: look at the ends of all.
    OutsideLog(String),
    /// Records can't be read: they are damaged, or compressed in a way that the client does not know. It
    /// goes on behind them, and says of which partition in its log alone.
    UnreadableBatch(String),
    /// A broken connection or the like, which heals by itself.
    Passing(String),
}

impl Trouble {
    /// What an error of the client means.
    ///
    /// # Errors
    /// The client can't go on.
    fn of(error: KafkaError, detail: &str) -> anyhow::Result<Self> {
        let said = if detail.is_empty() { error.to_string() } else { format!("{error}: {detail}") };
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                Ok(Trouble::OutsideLog(said))
            }
            Some(
                RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::BadCompression
                | RDKafkaErrorCode::NotImplemented,
            ) => Ok(Trouble::UnreadableBatch(said)),
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                Err(error).context("the Kafka client can't go on")
            }
            _ => Ok(Trouble::Passing(said)),
        }
    }
}

/// One member of a group.
pub struct Reader {
    /// The first field: dropped before the client, also when its owner panics.
    closing: ClosingGuard,
    consumer: Arc<GroupConsumer>,
    assignment: Assignment,
    joining: Joining,
    topic: String,
}

impl Reader {
    /// Becomes a member; what the group assigns comes as an [`Event`].
    ///
    /// # Errors
    /// The client refuses its settings, or the topic's name can't be one.
    pub fn join(membership: Membership) -> anyhow::Result<Self> {
        let Membership { kafka, group_id, topic, partitions_each, patience } = membership;
        let consumer = group_consumer(kafka, &group_id, partitions_each)
            .context("the Kafka client refuses its settings; check KAFKA_PROPERTIES")?;
        let consumer = Arc::new(consumer);
        let reader = Reader {
            closing: ClosingGuard(Arc::clone(&consumer)),
            assignment: Assignment::new(Arc::clone(&consumer), topic.clone())?,
            joining: Joining::new(group_id, patience),
            consumer,
            topic,
        };
        let topic = reader.topic.as_str();
        reader.consumer.subscribe(&[topic]).with_context(|| format!("subscribing to {topic}"))?;
        Ok(reader)
    }

    /// Reads apart from any group: nobody assigns anything, and [`Reader::take_over`] takes what its caller
    /// chooses, also what others read. `name` stands where the client must be told a group's; no group of this
    /// name is joined or asked for. `partitions_each` as in [`Membership`].
    ///
    /// # Errors
    /// The client refuses its settings, or the topic's name can't be one.
    pub fn apart(
        kafka: ClientConfig,
        name: &str,
        topic: String,
        partitions_each: usize,
    ) -> anyhow::Result<Self> {
        let consumer = group_consumer(kafka, name, partitions_each)
            .context("the Kafka client refuses its settings; check KAFKA_PROPERTIES")?;
        let consumer = Arc::new(consumer);
        Ok(Reader {
            closing: ClosingGuard(Arc::clone(&consumer)),
            assignment: Assignment::new(Arc::clone(&consumer), topic.clone())?,
            joining: Joining::new(name.to_owned(), None),
            consumer,
            topic,
        })
    }

    /// What has become of the membership, in order. Waits at most `wait` for something to happen.
    ///
    /// # Errors
    /// The client can't go on, or we have been refused for longer than [`Membership::patience`].
    pub fn events(&mut self, wait: Duration) -> anyhow::Result<Vec<Event>> {
        let (is_member, now) = (!self.is_empty(), Instant::now());
        self.joining.note_membership(is_member, now);
        self.joining.check(now)?;
        let mut events = Vec::new();
        match self.consumer.poll(wait) {
            // Not from its partition's own queue, so its order is not known: what follows it may have
            // been read, and it would be taken for skipped (I-7). To begin again is exact.
            Some(Ok(stray)) => bail!(
                "the Kafka client delivered offset {} of partition {} outside its queue",
                stray.offset(),
                stray.partition()
            ),
            Some(Err(error)) if self.joining.takes(error.rdkafka_error_code(), Instant::now()) => {}
            Some(Err(error)) => events.push(Event::Trouble(Trouble::of(error, "")?)),
            None => {}
        }
        for rebalance in self.consumer.client().context().take() {
            events.push(match rebalance {
                Rebalance::Assigned(partitions) => {
                    self.joining.joined();
                    Event::Assigned(partitions)
                }
                Rebalance::Revoked(partitions) => {
                    Event::Revoked { partitions, is_lost: self.consumer.assignment_lost() }
                }
            });
        }
        Ok(events)
    }

    /// Hands over what the client has ready, until `take` says to break; waits at most `wait` for the first.
    /// What was not handed over comes first next time. Returns how many records there were.
    ///
    /// # Errors
    /// The client can't go on.
    pub fn records<F>(&mut self, wait: Duration, mut take: F) -> anyhow::Result<u64>
    where
        F: FnMut(Read<'_>) -> ControlFlow<()>,
    {
        let joining = &mut self.joining;
        let (mut records, mut failed) = (0, Ok(()));
        self.assignment.serve(wait, |polled| match polled {
            Polled::Record { partition, record } => {
                records += 1;
                take(Read::Record { partition, record })
            }
            Polled::End { partition, end } => {
                joining.has_read();
                take(Read::End { partition, end })
            }
            Polled::Error { error, .. }
                if joining.takes_of_reading(error.rdkafka_error_code(), Instant::now()) =>
            {
                ControlFlow::Continue(())
            }
            Polled::Error { error, detail } => match Trouble::of(error, detail) {
                Ok(trouble) => take(Read::Trouble(trouble)),
                Err(fatal) => {
                    failed = Err(fatal);
                    ControlFlow::Break(())
                }
            },
        });
        failed?;
        if records > 0 {
            self.joining.has_read();
        }
        Ok(records)
    }

    /// Whether no partition is assigned.
    pub fn is_empty(&self) -> bool {
        self.assignment.is_empty()
    }

    /// Whether this partition is assigned.
    pub fn contains(&self, partition: i32) -> bool {
        self.assignment.contains(partition)
    }

    /// Takes assigned partitions over, in one call. Those in `positions` are read from there, unless
    /// everything `is_paused`; the others are not read.
    ///
    /// # Errors
    /// The client refuses the assignment.
    pub fn take_over(
        &mut self,
        partitions: &[i32],
        positions: &[(i32, Position)],
        is_paused: bool,
    ) -> anyhow::Result<()> {
        self.assignment
            .take_over(partitions, positions, is_paused)
            .context("taking partitions over")
    }

    /// Reads a partition that was taken over from another position, with a new fetch.
    ///
    /// # Errors
    /// The client refuses the assignment.
    pub fn restart(
        &mut self,
        partition: i32,
        from: Position,
        is_paused: bool,
    ) -> anyhow::Result<()> {
        self.assignment
            .restart(partition, from, is_paused)
            .with_context(|| format!("reading partition {partition} from {from}"))
    }

    /// Stops reading one partition, which stays ours.
    ///
    /// # Errors
    /// The client refuses.
    pub fn hold_back(&mut self, partition: i32) -> anyhow::Result<()> {
        self.assignment
            .hold_back(partition)
            .with_context(|| format!("pausing partition {partition}"))
    }

    /// Stops reading all partitions, which stay ours.
    ///
    /// # Errors
    /// The client refuses.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.assignment.pause().context("pausing")
    }

    /// Goes on reading, but for what is held back.
    ///
    /// # Errors
    /// The client refuses.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.assignment.resume().context("resuming")
    }

    /// Gives partitions up that were taken over.
    ///
    /// # Errors
    /// The client refuses.
    pub fn give_up(&mut self, partitions: &[i32]) -> anyhow::Result<()> {
        self.assignment.give_up(partitions).context("giving partitions up")
    }

    /// For how long the group has refused us; `None`: it does not, as far as is known.
    pub fn refused_for(&self) -> Option<Duration> {
        self.joining.refused_for(Instant::now())
    }

    /// Writes positions where tools that show lag look for them; may live on another thread.
    pub fn committer(&self) -> Committer {
        Committer { consumer: Arc::clone(&self.consumer), topic: self.topic.clone() }
    }

    /// Leaves the group, so that it is told, within a bounded time. `is_released` says whether the committers
    /// have gone: the client is closed by whoever lets go last.
    pub fn leave(self, is_released: impl FnMut() -> bool + Send + 'static) {
        let Reader { closing, consumer, assignment, topic, .. } = self;
        drop(closing);
        leave(consumer, assignment, topic, is_released);
    }
}

/// Writes positions where tools that show lag look for them. Nothing here ever reads these.
pub struct Committer {
    consumer: Arc<GroupConsumer>,
    topic: String,
}

impl Committer {
    /// The cluster from which the group's member reads: of each connection that is made anew its client learns this before the first
    /// record. `None`: no broker has told it yet.
    pub fn cluster_id(&self) -> Option<String> {
        self.consumer.client().fetch_cluster_id(QUERY_TIMEOUT_MIN)
    }

    /// The next offsets to read, by partition. Nobody waits for the answer; what fails is a line at DEBUG.
    pub fn commit(&self, positions: impl IntoIterator<Item = (i32, Position)>) {
        let mut offsets = TopicPartitionList::new();
        for (partition, next) in positions {
            let offset = Offset::Offset(next.offset());
            if let Err(error) = offsets.add_partition_offset(&self.topic, partition, offset) {
                tracing::debug!(partition, %error, "group offset not committed");
            }
        }
        if offsets.count() == 0 {
            return;
        }
        if let Err(error) = self.consumer.commit(&offsets, CommitMode::Async) {
            tracing::debug!(%error, "group offsets not committed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_by_what_can_be_done_about_it() {
        use RDKafkaErrorCode::*;
        type Meaning = fn(String) -> Trouble;
        let meanings: [(RDKafkaErrorCode, Meaning); 7] = [
            (AutoOffsetReset, Trouble::OutsideLog),
            (OffsetOutOfRange, Trouble::OutsideLog),
            (BadMessage, Trouble::UnreadableBatch),
            (BadCompression, Trouble::UnreadableBatch),
            (NotImplemented, Trouble::UnreadableBatch),
            (BrokerTransportFailure, Trouble::Passing),
            (AllBrokersDown, Trouble::Passing),
        ];
        for (code, expected) in meanings {
            let error = KafkaError::MessageConsumption(code);
            let said = format!("{error}: of partition 3");
            assert_eq!(Trouble::of(error, "of partition 3").unwrap(), expected(said), "{code:?}");
        }
    }

    #[test]
    fn an_error_without_words_of_its_own_is_told_as_it_is_and_a_fatal_one_ends_the_reading() {
        let error = KafkaError::MessageConsumption(RDKafkaErrorCode::BrokerTransportFailure);
        let said = error.to_string();
        assert_eq!(Trouble::of(error, "").unwrap(), Trouble::Passing(said));
        let fatal = KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::Fatal);
        let error = Trouble::of(fatal, "").unwrap_err().to_string();
        assert_eq!(error, "the Kafka client can't go on");
    }
}
