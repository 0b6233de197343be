//! Questions to the brokers: where logs end, which partitions there are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::Utc;
use event_model::EventTime;
use program::{SentOnTo, heard};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use windowing::{LogEnds, Position};

/// Stands for the id of a cluster whose brokers tell none: some that speak Kafka's protocol, or all where `api.version.request` is off.
pub const UNNAMED_CLUSTER: &str = "unnamed";
/// One question to a broker waits at most this long.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// … and at least this long, however little time is left.
pub(crate) const QUERY_TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// A client in no group, which only asks questions. A group member's own connection is no good for
/// that: an answer waits there behind a fetch that waits for records, up to half a second.
pub type QueryClient = BaseConsumer<Quiet>;

/// Logs nothing above DEBUG: the group's members say what is wrong with the brokers.
#[derive(Debug, Default)]
pub struct Quiet {
    sent_on_to: SentOnTo,
}

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        self.sent_on_to.hear(message);
        tracing::debug!(%facility, said = %message, "librdkafka, of questions");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, %reason, "Kafka, of questions");
    }
}

impl ConsumerContext for Quiet {}

/// Makes a client that only asks questions.
pub fn query_client(config: &ClientConfig) -> KafkaResult<QueryClient> {
    // Nobody polls it: statistics would pile up.
    config
        .clone()
        .set("statistics.interval.ms", "0")
        .set_log_level(RDKafkaLogLevel::Warning)
        .create_with_context(Quiet::default())
}

/// Asks the brokers about a topic: where its logs end, and which partitions it has.
pub struct Queries {
    /// Is told of what the group's members are shown.
    shown: QueryClient,
    /// Is told of all that was written, open transactions included: a broker tells a reader of committed
    /// records the last stable offset instead.
    written: QueryClient,
}

impl Queries {
    /// Makes the clients.
    pub fn new(config: &ClientConfig) -> KafkaResult<Self> {
        let mut of_all = config.clone();
        of_all.set("isolation.level", "read_uncommitted");
        Ok(Queries { shown: query_client(config)?, written: query_client(&of_all)? })
    }

    /// The ends of one partition's log. Blocks for at most twice `patience`; for a partition that has just been
    /// added, three times as long.
    pub fn log_ends(
        &self,
        topic: &str,
        partition: i32,
        patience: Duration,
    ) -> KafkaResult<LogEnds> {
        let asked_at = clock();
        let (low, stable) = watermarks(&self.shown, topic, partition, patience)?;
        let (_, high) = watermarks(&self.written, topic, partition, patience)?;
        Ok(told(low, stable, high, asked_at))
    }

    /// The ends of all of these partitions' logs, or the error of any of them. However many they are, five
    /// questions are asked, of which each broker that leads one of them answers three; each question waits for
    /// as long as `patience` says then.
    pub fn all_log_ends_within(
        &self,
        topic: &str,
        partitions: &[i32],
        patience: impl Fn() -> Duration,
    ) -> KafkaResult<Vec<(i32, LogEnds)>> {
        for client in [&self.shown, &self.written] {
            // A partition may have been added since, which a client does not notice by itself.
            client.fetch_metadata(Some(topic), patience())?;
        }
        let asked_at = clock();
        let low = offsets_at(&self.shown, topic, partitions, Offset::Beginning, patience())?;
        let stable = offsets_at(&self.shown, topic, partitions, Offset::End, patience())?;
        let high = offsets_at(&self.written, topic, partitions, Offset::End, patience())?;
        let ends =
            |id| Some((id, told(*low.get(&id)?, *stable.get(&id)?, *high.get(&id)?, asked_at)));
        partitions
            .iter()
            .map(|&id| {
                ends(id).ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownPartition))
            })
            .collect()
    }

    /// The same, before `deadline` but for the shortest patience.
    pub fn all_log_ends_before(
        &self,
        topic: &str,
        partitions: &[i32],
        deadline: Instant,
    ) -> KafkaResult<Vec<(i32, LogEnds)>> {
        self.all_log_ends_within(topic, partitions, || {
            let time_left = deadline.saturating_duration_since(Instant::now());
            time_left.clamp(QUERY_TIMEOUT_MIN, QUERY_TIMEOUT)
        })
    }

    /// The same. Blocks for at most 10 s.
    pub fn all_log_ends(
        &self,
        topic: &str,
        partitions: &[i32],
    ) -> KafkaResult<Vec<(i32, LogEnds)>> {
        self.all_log_ends_within(topic, partitions, || QUERY_TIMEOUT)
    }

    /// The id by which a cluster is told from another. Blocks until `deadline`, but for the shortest patience; `None`: no
    /// broker has told it by then, or brokers have told their topics and no id: they have none.
    pub fn cluster_id_before(&self, deadline: Instant) -> Option<String> {
        let time_left = deadline.saturating_duration_since(Instant::now());
        self.shown.client().fetch_cluster_id(time_left.clamp(QUERY_TIMEOUT_MIN, QUERY_TIMEOUT))
    }

    /// All partitions that the topic has now. Blocks for at most 2 s.
    pub fn partitions(&self, topic: &str) -> KafkaResult<Vec<i32>> {
        topic_partitions(&self.shown, topic)
    }

    /// Where a broker has sent the clients on to, and they did not come through.
    pub fn sent_on_to(&self) -> Option<String> {
        let [shown, written] = [&self.shown, &self.written];
        let of = |client: &QueryClient| heard(client, &client.context().sent_on_to);
        of(shown).or_else(|| of(written))
    }

    /// All topics, their partitions, and the brokers' addresses.
    pub fn metadata(&self, timeout: Duration) -> KafkaResult<Metadata> {
        // Asking for all topics, not for one, does not create it where that is automatic.
        self.shown.fetch_metadata(None, timeout)
    }
}

/// The ends as two clients were told them.
fn told(low: i64, stable: i64, high: i64, asked_at: EventTime) -> LogEnds {
    // The log may have been cut between the questions: then there was more to read.
    let high = Position::at(high.max(stable));
    LogEnds { low: Position::at(low), stable: Position::at(stable), high, asked_at }
}

/// Low and high end, as this client is told them.
fn watermarks(
    client: &QueryClient,
    topic: &str,
    partition: i32,
    patience: Duration,
) -> KafkaResult<(i64, i64)> {
    let asked = client.fetch_watermarks(topic, partition, patience);
    let code = asked.as_ref().err().and_then(KafkaError::rdkafka_error_code);
    if !matches!(
        code,
        Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopicOrPartition)
    ) {
        return asked;
    }
    // It was added since this client last looked at the topic, which it does not do by itself.
    client.fetch_metadata(Some(topic), patience)?;
    client.fetch_watermarks(topic, partition, patience)
}

/// The first or the last offset of each of these partitions, as this client is told them.
///
/// A question for offsets by time takes the two logical offsets as times, in Kafka's protocol as in the
/// client, and is put to each leader once for all of its partitions.
fn offsets_at(
    client: &QueryClient,
    topic: &str,
    partitions: &[i32],
    at: Offset,
    patience: Duration,
) -> KafkaResult<BTreeMap<i32, i64>> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for &id in partitions {
        asked.add_partition_offset(topic, id, at)?;
    }
    let answer = client.offsets_for_times(asked, patience)?;
    let mut offsets = BTreeMap::new();
    for element in answer.elements() {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert(element.partition(), offset);
        }
    }
    Ok(offsets)
}

/// Whether there is such a topic. Asking for all topics, not for this one, does not auto-create it.
/// Blocks for at most 2 s.
pub fn topic_exists(client: &QueryClient, topic: &str) -> KafkaResult<bool> {
    let metadata = client.fetch_metadata(None, QUERY_TIMEOUT)?;
    Ok(metadata.topics().iter().any(|found| found.name() == topic))
}

/// All partitions that the topic has now. Blocks for at most 2 s.
pub fn topic_partitions(client: &QueryClient, topic: &str) -> KafkaResult<Vec<i32>> {
    let metadata = client.fetch_metadata(Some(topic), QUERY_TIMEOUT)?;
    let of_topic = metadata.topics().iter().filter(|found| found.name() == topic);
    Ok(of_topic.flat_map(|found| found.partitions().iter().map(|p| p.id())).collect())
}

/// The wall clock.
pub fn clock() -> EventTime {
    EventTime::from(Utc::now())
}
