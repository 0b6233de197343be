//! One test's topic: made, grown, cut, read back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication, TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use sandbox::wait_until;

use crate::program::WAIT_TIMEOUT;
use crate::{Sender, block_on};

/// One request to the broker waits at most this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A topic on some broker.
#[derive(Clone, Debug)]
pub struct Topic {
    bootstrap: String,
    name: String,
}

/// A stretch of one partition's offsets, half-open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first offset.
    pub first: i64,
    /// The offset after the last.
    pub next: i64,
}

/// One record as the broker keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRecord {
    pub partition: i32,
    pub offset: i64,
    /// When it was written, in milliseconds since 1970.
    pub time_ms: i64,
    pub payload: Option<Vec<u8>>,
}

impl Topic {
    /// How many members the consumer group has that [`crate::Pipeline`] gives its streamers.
    ///
    /// # Errors
    /// The broker's.
    pub fn group_members(&self) -> Result<usize> {
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.bootstrap).create()?;
        let list = client.fetch_group_list(Some(&self.name), REQUEST_TIMEOUT)?;
        Ok(list.groups().iter().map(|group| group.members().len()).sum())
    }

    /// Creates a topic whose records the broker stamps.
    ///
    /// # Errors
    /// The broker's.
    pub fn create(bootstrap: &str, name: &str, partitions: i32) -> Result<Topic> {
        let topic = Topic::at(bootstrap, name);
        topic.create_again(partitions)?;
        Ok(topic)
    }

    /// Creates a topic whose records keep the times that they are sent with, as copies of others do.
    ///
    /// # Errors
    /// The broker's.
    pub fn create_for_copies(bootstrap: &str, name: &str, partitions: i32) -> Result<Topic> {
        let topic = Topic::at(bootstrap, name);
        topic.create_with(partitions, "CreateTime")?;
        Ok(topic)
    }

    /// A topic that somebody else creates.
    pub fn at(bootstrap: &str, name: &str) -> Topic {
        Topic { bootstrap: bootstrap.to_owned(), name: name.to_owned() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// HOST:PORT of its broker.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Something that writes to it.
    ///
    /// # Errors
    /// The client refuses a property.
    pub fn sender(&self, properties: &[(&str, &str)]) -> Result<Sender> {
        Sender::new(&self.bootstrap, &self.name, properties)
    }

    /// Deletes it, and creates it with nothing inside.
    ///
    /// # Errors
    /// The broker's.
    pub fn recreate(&self, partitions: i32) -> Result<()> {
        self.administrate(async |admin, options| {
            let results = admin.delete_topics(&[&self.name], &options).await?;
            single(results)
        })?;
        // The broker deletes in the background; until then the name is taken.
        wait_until("the topic can be created again", WAIT_TIMEOUT, || {
            self.create_again(partitions).is_ok()
        })
    }

    /// Adds partitions, up to this number.
    ///
    /// # Errors
    /// The broker's.
    pub fn grow_to(&self, partitions: usize) -> Result<()> {
        self.administrate(async |admin, options| {
            let new = NewPartitions::new(&self.name, partitions);
            let results = admin.create_partitions(&[new], &options).await?;
            single(results)
        })
    }

    /// Deletes the records of a partition before this offset, as retention does.
    ///
    /// # Errors
    /// The broker's.
    pub fn delete_before(&self, partition: i32, offset: i64) -> Result<()> {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&self.name, partition, Offset::Offset(offset))?;
        self.administrate(async |admin, options| {
            let deleted = admin.delete_records(&offsets, &options).await?;
            deleted.elements().iter().try_for_each(|element| element.error())
        })
    }

    /// The oldest and the next offset of each partition.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn spans(&self) -> Result<BTreeMap<i32, Span>> {
        let consumer = self.consumer()?;
        let metadata = consumer.fetch_metadata(Some(&self.name), REQUEST_TIMEOUT)?;
        let topic = metadata.topics().first().context("no such topic")?;
        // A broker that has just started may not know its topics yet.
        ensure!(!topic.partitions().is_empty(), "{}: {:?}", self.name, topic.error());
        let mut spans = BTreeMap::new();
        for partition in topic.partitions() {
            let (first, next) =
                consumer.fetch_watermarks(&self.name, partition.id(), REQUEST_TIMEOUT)?;
            spans.insert(partition.id(), Span { first, next });
        }
        Ok(spans)
    }

    /// The sum of the ends of all partitions.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn end(&self) -> Result<i64> {
        Ok(self.spans()?.values().map(|span| span.next).sum())
    }

    /// All records that are there now, each partition's in its order.
    ///
    /// # Errors
    /// The broker does not answer.
    pub fn records(&self) -> Result<Vec<LoggedRecord>> {
        let consumer = self.consumer()?;
        let mut unread: BTreeSet<i32> = self.spans()?.into_keys().collect();
        let mut assignment = TopicPartitionList::new();
        for &partition in &unread {
            assignment.add_partition_offset(&self.name, partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        let mut records = Vec::new();
        while !unread.is_empty() {
            match consumer.poll(REQUEST_TIMEOUT).context("the broker does not answer")? {
                Ok(message) => records.push(LoggedRecord {
                    partition: message.partition(),
                    offset: message.offset(),
                    time_ms: message.timestamp().to_millis().context("a record without a time")?,
                    payload: message.payload().map(<[u8]>::to_vec),
                }),
                Err(KafkaError::PartitionEOF(partition)) => {
                    unread.remove(&partition);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(records)
    }

    /// Makes the broker refuse batches that are larger.
    ///
    /// # Errors
    /// The broker's.
    pub fn limit_batches(&self, bytes_max: usize) -> Result<()> {
        let limit = bytes_max.to_string();
        self.administrate(async |admin, options| {
            // What is not named here goes back to the broker's own.
            let config = AlterConfig::new(ResourceSpecifier::Topic(&self.name))
                .set("message.timestamp.type", "LogAppendTime")
                .set("max.message.bytes", &limit);
            let results = admin.alter_configs([&config], &options).await?;
            match results.into_iter().next() {
                Some(Err((_, code))) => Err(KafkaError::AdminOp(code)),
                _ => Ok(()),
            }
        })
    }

    fn create_again(&self, partitions: i32) -> Result<()> {
        self.create_with(partitions, "LogAppendTime")
    }

    /// Creates it so that its records have times of this kind.
    fn create_with(&self, partitions: i32, times: &str) -> Result<()> {
        self.administrate(async |admin, options| {
            let topic = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1))
                .set("message.timestamp.type", times);
            let results = admin.create_topics([&topic], &options).await?;
            single(results)
        })?;
        wait_until("the new topic can be read", WAIT_TIMEOUT, || {
            self.spans().is_ok_and(|spans| spans.len() == partitions.unsigned_abs() as usize)
        })
    }

    fn administrate(
        &self,
        ask: impl AsyncFnOnce(AdminClient<DefaultClientContext>, AdminOptions) -> Result<(), KafkaError>,
    ) -> Result<()> {
        let admin = self.config().create()?;
        let options = AdminOptions::new().operation_timeout(Some(REQUEST_TIMEOUT));
        block_on(async { ask(admin, options).await.context("the broker refuses") })
    }

    /// A reader that sees what the streamer sees: no control record, nothing that was aborted.
    fn consumer(&self) -> Result<BaseConsumer> {
        Ok(self
            .config()
            .set("group.id", "e2e-reader")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .create()?)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }
}

/// The answer to a request about one topic.
fn single(mut answers: Vec<TopicResult>) -> Result<(), KafkaError> {
    assert_eq!(answers.len(), 1, "one topic was asked about");
    answers.remove(0).map(drop).map_err(|(_, code)| KafkaError::AdminOp(code))
}
