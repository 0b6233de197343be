//! A raw topic as a source: each record a row, and the offsets in the transaction of the events.
//!
//! The partitions are assigned by hand, all of them to one reader: a second intake of the same name fences the first one,
//! so that offsets have one owner without a group's rebalances. With each offset goes what was read last, so that a topic
//! that was made anew is recognised.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Context;
use intake::{Counts, Places, Sink, places_of_topic, session_writes, take_record};
use log_reader::{QueryClient, Quiet, query_client, topic_exists, topic_partitions};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::life::{Life, LifeEnd, RunResult, Work};
use crate::sender::{ReadUpTo, transactional_id};

/// One question to a broker waits at most this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A row waits so long for others to share its transaction.
const BATCH_WAIT: Duration = Duration::from_millis(200);
/// So often is looked how far the topic's end is, and whether it has more partitions.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The last record that was read of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    offset: i64,
    timestamp_ms: i64,
    crc: u32,
}

impl Fingerprint {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let mut digest = crc32fast::Hasher::new();
        for part in [message.key(), message.payload()] {
            let part = part.unwrap_or_default();
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let timestamp_ms = message.timestamp().to_millis().unwrap_or(-1);
        Fingerprint { offset: message.offset(), timestamp_ms, crc: digest.finalize() }
    }

    fn text(self) -> String {
        format!("{}:{}:{}", self.offset, self.timestamp_ms, self.crc)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let fingerprint = Fingerprint {
            offset: parts.next()?.parse().ok()?,
            timestamp_ms: parts.next()?.parse().ok()?,
            crc: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(fingerprint)
    }
}

/// Where a partition goes on, and what must stand before.
struct Start {
    offset: i64,
    fingerprint: Option<Fingerprint>,
}

/// The raw topic while a life reads it.
struct RawTopic<'a> {
    topic: &'a str,
    reader: BaseConsumer<Quiet>,
    ends: QueryClient,
    group: ConsumerGroupMetadata,
    partitions: Vec<i32>,
    /// What must be met first.
    expected: BTreeMap<i32, Fingerprint>,
    /// What was read last, of partitions that have moved since the last commit.
    moved: BTreeMap<i32, Fingerprint>,
    /// Partitions whose end was met.
    ended: BTreeSet<i32>,
    looked_at: Instant,
}

/// Reads the topic to its end; with `--follow` until it is time to stop.
pub(crate) fn read(
    work: &Work<'_, '_>,
    topic: &str,
    life: &mut Life,
    result: &mut RunResult,
) -> Result<(), LifeEnd> {
    let places = places_of_topic(work.mapper.mapping())
        .map_err(|problem| LifeEnd::Hopeless(anyhow::Error::msg(problem)))?;
    let mut raw = RawTopic::open(work, topic)?;
    let mut batch = Counts::default();
    let mut first_at: Option<Instant> = None;
    loop {
        let is_full = batch.rows() >= work.args.batch_rows as u64;
        let is_due = first_at.is_some_and(|at| at.elapsed() >= BATCH_WAIT);
        let is_over = raw.is_read() && !work.args.follow;
        if !raw.moved.is_empty() && (is_full || is_due || is_over || work.is_stopped()) {
            raw.commit(life)?;
            let batch = std::mem::take(&mut batch);
            life.sender.committed(&batch);
            result.counts.add(&batch);
            work.metrics.sessions(life.progress.sessions.len());
            first_at = None;
        }
        if is_over || work.is_stopped() {
            return Ok(());
        }
        raw.look(work)?;
        if raw.poll(work, &places, life, &mut batch)? {
            first_at.get_or_insert_with(Instant::now);
        }
    }
}

impl<'a> RawTopic<'a> {
    fn open(work: &Work<'_, '_>, topic: &'a str) -> Result<Self, LifeEnd> {
        let mut config = work.args.kafka.client_config().map_err(anyhow::Error::from)?;
        config.set("isolation.level", "read_uncommitted");
        let ends = query_client(&config).context("the Kafka client refuses its settings")?;
        config
            .set("group.id", transactional_id(work.name))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("check.crcs", "true")
            .set("isolation.level", "read_committed");
        let reader: BaseConsumer<Quiet> = config
            .create_with_context(Quiet::default())
            .context("the Kafka client refuses its settings")?;
        if !topic_exists(&ends, topic).with_context(|| format!("cannot look for topic {topic}"))? {
            let error = anyhow::anyhow!(
                "topic {topic}, of --from-topic, does not exist; create it, or name another one"
            );
            return Err(LifeEnd::Hopeless(error));
        }
        let mut partitions =
            topic_partitions(&ends, topic).context("cannot read the topic's partitions")?;
        partitions.sort_unstable();
        let group = reader.group_metadata().context("the Kafka client knows no group")?;
        let mut raw = RawTopic {
            topic,
            reader,
            ends,
            group,
            partitions,
            expected: BTreeMap::new(),
            moved: BTreeMap::new(),
            ended: BTreeSet::new(),
            looked_at: Instant::now(),
        };
        raw.assign(work)?;
        Ok(raw)
    }

    /// Begins where the last transaction ended, or at the oldest record.
    fn assign(&mut self, work: &Work<'_, '_>) -> Result<(), LifeEnd> {
        let mut asked = TopicPartitionList::new();
        for partition in &self.partitions {
            asked.add_partition(self.topic, *partition);
        }
        let committed =
            self.reader.committed_offsets(asked, REQUEST_TIMEOUT).with_context(|| {
                format!("cannot read the offsets of group {}", transactional_id(work.name))
            })?;
        let mut assigned = TopicPartitionList::new();
        for element in committed.elements() {
            element.error().map_err(anyhow::Error::from)?;
            let partition = element.partition();
            let stored = match element.offset() {
                Offset::Offset(offset) => Some((offset, Fingerprint::read(element.metadata()))),
                _ => None,
            };
            let start = self.start(work, partition, stored)?;
            if let Some(fingerprint) = start.fingerprint {
                self.expected.insert(partition, fingerprint);
            }
            assigned
                .add_partition_offset(self.topic, partition, Offset::Offset(start.offset))
                .map_err(anyhow::Error::from)?;
        }
        self.reader.assign(&assigned).map_err(anyhow::Error::from)?;
        Ok(())
    }

    /// Where a partition goes on. What was deleted before it was read is never passed over in silence.
    fn start(
        &self,
        work: &Work<'_, '_>,
        partition: i32,
        stored: Option<(i64, Option<Fingerprint>)>,
    ) -> Result<Start, LifeEnd> {
        let topic = self.topic;
        let (low, high) = self
            .ends
            .fetch_watermarks(topic, partition, REQUEST_TIMEOUT)
            .with_context(|| format!("cannot read the ends of {topic} partition {partition}"))?;
        let oldest = Start { offset: low, fingerprint: None };
        let Some((offset, fingerprint)) = stored else { return Ok(oldest) };
        let problem = if offset > high {
            format!("it ends at {high}: was it made anew?")
        } else if offset < low {
            format!(
                "its oldest record is {low}: {} records were deleted before they were read",
                low - offset
            )
        } else {
            // The last record is read again, to recognise the log, if it is still there.
            let again = fingerprint.filter(|fingerprint| fingerprint.offset >= low);
            let offset = again.map_or(offset, |fingerprint| fingerprint.offset);
            return Ok(Start { offset, fingerprint: again });
        };
        if work.args.accept_gap {
            tracing::warn!(
                %topic,
                partition,
                read_up_to = offset,
                %problem,
                oldest = low,
                "going on at the oldest record, as --accept-gap permits"
            );
            return Ok(oldest);
        }
        Err(LifeEnd::Hopeless(anyhow::anyhow!(
            "{topic} partition {partition} was read up to {offset}, and {problem}; --accept-gap goes on at {low}"
        )))
    }

    /// Takes what comes next. `true`: a record was taken.
    fn poll(
        &mut self,
        work: &Work<'_, '_>,
        places: &Places,
        life: &mut Life,
        batch: &mut Counts,
    ) -> Result<bool, LifeEnd> {
        let message = match self.reader.poll(BATCH_WAIT) {
            None => return Ok(false),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.ended.insert(partition);
                return Ok(false);
            }
            Some(Err(error)) => {
                let error = anyhow::Error::new(error);
                return Err(LifeEnd::Failed(
                    error.context(format!("cannot read topic {}", self.topic)),
                ));
            }
            Some(Ok(message)) => message,
        };
        let (partition, found) = (message.partition(), Fingerprint::of(&message));
        if let Some(expected) = self.expected.remove(&partition)
            && expected.offset == found.offset
        {
            if expected == found {
                return Ok(false);
            }
            if !work.args.accept_gap {
                return Err(LifeEnd::Hopeless(anyhow::anyhow!(
                    "{} partition {partition} has another record at offset {} than was read there: the topic was made \
                     anew; --accept-gap reads on from that offset, or give --name another name to read all of it",
                    self.topic,
                    found.offset
                )));
            }
        }
        let place = format!("{}/{partition}/{}", self.topic, found.offset);
        let Life { sender, progress } = life;
        take_record(
            work.mapper,
            message.payload(),
            places,
            &place,
            progress,
            batch,
            |key, payload| sender.send(key, payload),
        )?;
        self.moved.insert(partition, found);
        Ok(true)
    }

    /// Ends the transaction with how far the topic was read.
    fn commit(&mut self, life: &mut Life) -> Result<(), LifeEnd> {
        let mut offsets = TopicPartitionList::new();
        for (partition, read) in &self.moved {
            let mut element = offsets.add_partition(self.topic, *partition);
            element.set_offset(Offset::Offset(read.offset + 1)).map_err(anyhow::Error::from)?;
            element.set_metadata(read.text());
        }
        let writes = session_writes(&mut life.progress.sessions);
        let read = ReadUpTo { offsets: &offsets, group: &self.group };
        life.sender.commit_with(&writes, Some(read))?;
        self.moved.clear();
        Ok(())
    }

    /// Whether the end of every partition was met.
    fn is_read(&self) -> bool {
        self.ended.len() == self.partitions.len()
    }

    /// Now and then looks at the topic: how far its ends are, and whether it has more partitions.
    fn look(&mut self, work: &Work<'_, '_>) -> Result<(), LifeEnd> {
        if self.looked_at.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked_at = Instant::now();
        let position = self.reader.position().map_err(anyhow::Error::from)?;
        let mut lag = 0;
        for element in position.elements() {
            let ends = self.ends.fetch_watermarks(self.topic, element.partition(), REQUEST_TIMEOUT);
            // A broker that does not answer is noticed by reading.
            if let (Offset::Offset(next), Ok((_, high))) = (element.offset(), ends) {
                lag += (high - next).max(0);
            }
        }
        work.metrics.lag(lag);
        let partitions = topic_partitions(&self.ends, self.topic).map(|found| found.len());
        let has_more = partitions.is_ok_and(|count| count > self.partitions.len());
        // Only with nothing under way: what is read by then is read again otherwise.
        if has_more && self.moved.is_empty() {
            tracing::info!(topic = %self.topic, "the topic has more partitions; reading them too");
            return Err(LifeEnd::Again);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_was_written() {
        let fingerprint = Fingerprint { offset: 12, timestamp_ms: 1_762_698_645_000, crc: 7 };
        assert_eq!(Fingerprint::read(&fingerprint.text()), Some(fingerprint));
        for text in ["", "1:2", "1:2:3:4", "a:b:c"] {
            assert_eq!(Fingerprint::read(text), None, "{text}");
        }
    }
}
