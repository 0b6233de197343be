//! Looks into a log that is in doubt: what stands at the offset of a record that we remember?

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use event_model::EventTime;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message, Offset, Timestamp, TopicPartitionList};
use windowing::{Fingerprint, FoundAt, LogEnds, Record, RecordTime, fingerprint_of};

/// Reading one record may take this long.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// A client needs a group's name to be told what to read; it never joins this one.
const NO_GROUP: &str = "telecom-streamer-examination";

/// What stands at `remembered`'s offset.
pub fn look_at(
    kafka: &ClientConfig,
    topic: &str,
    partition: i32,
    remembered: Option<Fingerprint>,
    ends: &LogEnds,
) -> anyhow::Result<FoundAt> {
    let Some(remembered) = remembered else { return Ok(FoundAt::Removed) };
    if remembered.offset < ends.low.offset() {
        return Ok(FoundAt::Removed);
    }
    // It was shown to us, and what is not shown yet was not.
    if remembered.offset >= ends.stable.offset() {
        return Ok(FoundAt::Absent);
    }
    let reader: BaseConsumer = kafka
        .clone()
        .set("group.id", NO_GROUP)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .create()?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, partition, Offset::Offset(remembered.offset))?;
    reader.assign(&from)?;
    let deadline = Instant::now() + LOOK_TIMEOUT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match reader.poll(left) {
            Some(Ok(message)) if message.offset() > remembered.offset => {
                return Ok(FoundAt::Absent);
            }
            Some(Ok(message)) => {
                let is_same = fingerprint_of(&record_of(&message)) == remembered;
                return Ok(if is_same { FoundAt::Same } else { FoundAt::Different });
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(FoundAt::Absent),
            Some(Err(error)) if error.rdkafka_error_code().is_none() => return Err(error.into()),
            Some(Err(_)) | None if Instant::now() < deadline => {}
            _ => anyhow::bail!(
                "{topic} [{partition}] offset {} could not be read within {LOOK_TIMEOUT:?}",
                remembered.offset
            ),
        }
    }
}

/// How long a topic keeps its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// After so long a record may be deleted; `None`: never by its age.
    pub keeps: Option<Duration>,
    /// A record is deleted with the file that it stands in, whose records are so far apart at most.
    pub segment: Duration,
}

/// Asks how long a topic keeps its records.
///
/// # Errors
/// The broker does not answer, refuses, or has no such topic.
pub async fn retention(kafka: &ClientConfig, topic: &str) -> anyhow::Result<Retention> {
    let settings = settings_of(kafka, topic).await?;
    let milliseconds = |name: &str| -> anyhow::Result<Option<Duration>> {
        let value = settings.get(name).with_context(|| format!("{topic} has no {name}"))?;
        let number: i64 = value.parse().with_context(|| format!("{topic} has {name}={value}"))?;
        // Negative: without end.
        Ok(u64::try_from(number).ok().map(Duration::from_millis))
    };
    let deletes = settings.get("cleanup.policy").is_none_or(|policy| policy.contains("delete"));
    let keeps = milliseconds("retention.ms")?.filter(|_| deletes);
    Ok(Retention { keeps, segment: milliseconds("segment.ms")?.unwrap_or(Duration::MAX) })
}

/// Whether the topic is compacted.
pub async fn is_compacted(kafka: &ClientConfig, topic: &str) -> anyhow::Result<bool> {
    let settings = settings_of(kafka, topic).await?;
    Ok(settings.get("cleanup.policy").is_some_and(|policy| policy.contains("compact")))
}

/// Whether the brokers give each record the time of its coming, and not its sender's.
pub async fn is_stamped_by_broker(kafka: &ClientConfig, topic: &str) -> anyhow::Result<bool> {
    let settings = settings_of(kafka, topic).await?;
    Ok(settings.get("message.timestamp.type").is_some_and(|kind| kind == "LogAppendTime"))
}

/// The topic's configuration, with the broker's defaults.
async fn settings_of(
    kafka: &ClientConfig,
    topic: &str,
) -> anyhow::Result<BTreeMap<String, String>> {
    let admin: AdminClient<DefaultClientContext> = kafka.create()?;
    let options = AdminOptions::new().request_timeout(Some(LOOK_TIMEOUT));
    let described = admin
        .describe_configs(&[ResourceSpecifier::Topic(topic)], &options)
        .await
        .with_context(|| format!("reading the configuration of {topic}"))?;
    let resources: Vec<_> = described
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|code| anyhow::anyhow!("the configuration of {topic} can't be read: {code}"))?;
    let entries = resources.into_iter().flat_map(|resource| resource.entries);
    Ok(entries.filter_map(|entry| Some((entry.name, entry.value?))).collect())
}

/// The record, without its headers, which are no part of a fingerprint.
pub(crate) fn record_of<'a>(message: &'a BorrowedMessage<'_>) -> Record<'a> {
    let time = match message.timestamp() {
        Timestamp::LogAppendTime(ms) => RecordTime::LogAppend(EventTime::from_millis(ms)),
        Timestamp::CreateTime(ms) => RecordTime::Create(EventTime::from_millis(ms)),
        Timestamp::NotAvailable => RecordTime::Unknown,
    };
    Record {
        offset: message.offset(),
        time,
        key: message.key(),
        payload: message.payload(),
        content: windowing::Content::Payload,
        headers: &Vec::new,
    }
}
