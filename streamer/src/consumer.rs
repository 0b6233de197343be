//! What we ask of librdkafka: the settings on which invariants rest, rebalances as values, and the
//! ends of the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use event_model::EventTime;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, TopicPartitionList};
use runtime::{SentOnTo, heard};
use windowing::{LogEnds, Position};

use crate::joining::remedy;

/// Memory for records fetched ahead, before decompression, for all partitions of a worker.
const FETCH_AHEAD_KBYTES: usize = 16 * 1024;
/// … of which each partition gets at least this much.
const FETCH_AHEAD_KBYTES_MIN: usize = 512;
/// One question to a broker waits at most this long.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// … and at least this long, however little time is left.
const QUERY_TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// Settings on which an invariant rests. KAFKA_PROPERTIES can't change these.
const FIXED: [(&str, &str); 6] = [
    // Positions come from the database alone; nothing else may move them.
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    // `earliest` would count twice, `latest` would lose: an unreadable position must be an error.
    ("auto.offset.reset", "error"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    // Being caught up includes control records, which are never shown.
    ("enable.partition.eof", "true"),
    // Its JSON is sometimes malformed, and nothing here reads it.
    ("statistics.interval.ms", "0"),
];

/// Settings that KAFKA_PROPERTIES may change.
const DEFAULTS: [(&str, &str); 10] = [
    ("session.timeout.ms", "6000"),
    ("heartbeat.interval.ms", "2000"),
    ("max.poll.interval.ms", "300000"),
    ("topic.metadata.refresh.interval.ms", "5000"),
    ("check.crcs", "true"),
    ("queued.min.messages", "20000"),
    // Records are taken away by the batch: with the client's own 1 s, or 50 ms, the worker waits for more.
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.max.bytes", "8388608"),
    // What one answer brings of a partition is decompressed at once, whatever else is held: at a ratio
    // of 100 the client's own 1 MiB would become 100 MiB, of each partition.
    ("max.partition.fetch.bytes", "262144"),
    // A compressed batch that is larger than this once it is decompressed can't be read.
    ("receive.message.max.bytes", "100000000"),
];

/// A member of the consumer group.
pub(crate) type GroupConsumer = BaseConsumer<RebalanceMailbox>;

/// A client in no group, which only asks questions. A group member's own connection is no good for
/// that: an answer waits there behind a fetch that waits for records, up to half a second.
pub(crate) type QueryClient = BaseConsumer<Quiet>;

/// Logs nothing above DEBUG: the group's members say what is wrong with the brokers.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    sent_on_to: SentOnTo,
}

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        self.sent_on_to.hear(message);
        tracing::debug!("librdkafka (queries): {facility}: {message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("Kafka (queries): {error}: {reason}");
    }
}

impl ConsumerContext for Quiet {}

/// Makes a client that only asks questions.
pub(crate) fn query_client(config: &ClientConfig) -> KafkaResult<QueryClient> {
    // Nobody polls it: statistics would pile up.
    config
        .clone()
        .set("statistics.interval.ms", "0")
        .set_log_level(RDKafkaLogLevel::Warning)
        .create_with_context(Quiet::default())
}

/// Asks the brokers about a topic: where its logs end, and which partitions it has.
pub(crate) struct Queries {
    /// Is told of what the group's members are shown.
    shown: QueryClient,
    /// Is told of all that was written, open transactions included: a broker tells a reader of committed
    /// records the last stable offset instead.
    written: QueryClient,
}

impl Queries {
    /// Makes the clients.
    pub(crate) fn new(config: &ClientConfig) -> KafkaResult<Self> {
        let mut of_all = config.clone();
        of_all.set("isolation.level", "read_uncommitted");
        Ok(Queries { shown: query_client(config)?, written: query_client(&of_all)? })
    }

    /// The ends of one partition's log; each of two questions waits for as long as `patience` says then.
    pub(crate) fn log_ends_within(
        &self,
        topic: &str,
        partition: i32,
        patience: impl Fn() -> Duration,
    ) -> KafkaResult<LogEnds> {
        let asked_at = clock();
        let (low, stable) = watermarks(&self.shown, topic, partition, &patience)?;
        let (_, high) = watermarks(&self.written, topic, partition, &patience)?;
        // The log may have been cut between the questions: then there was more to read.
        let high = Position::at(high.max(stable));
        Ok(LogEnds { low: Position::at(low), stable: Position::at(stable), high, asked_at })
    }

    /// The same for each of these partitions, before `deadline` but for the shortest patience.
    pub(crate) fn all_log_ends_before(
        &self,
        topic: &str,
        partitions: &[i32],
        deadline: Instant,
    ) -> KafkaResult<Vec<(i32, LogEnds)>> {
        let patience = || {
            let time_left = deadline.saturating_duration_since(Instant::now());
            time_left.clamp(QUERY_TIMEOUT_MIN, QUERY_TIMEOUT)
        };
        let ends = |&id| Ok((id, self.log_ends_within(topic, id, patience)?));
        partitions.iter().map(ends).collect()
    }

    /// The same. Blocks for at most twice [`QUERY_TIMEOUT`].
    pub(crate) fn log_ends(&self, topic: &str, partition: i32) -> KafkaResult<LogEnds> {
        self.log_ends_within(topic, partition, || QUERY_TIMEOUT)
    }

    /// The ends of each of these partitions' logs. Blocks.
    pub(crate) fn all_log_ends(
        &self,
        topic: &str,
        partitions: &[i32],
    ) -> KafkaResult<Vec<(i32, LogEnds)>> {
        partitions.iter().map(|&id| self.log_ends(topic, id).map(|ends| (id, ends))).collect()
    }

    /// All partitions that the topic has now. Blocks for at most [`QUERY_TIMEOUT`].
    pub(crate) fn partitions(&self, topic: &str) -> KafkaResult<Vec<i32>> {
        topic_partitions(&self.shown, topic)
    }

    /// Where a broker has sent the clients on to, and they did not come through.
    pub(crate) fn sent_on_to(&self) -> Option<String> {
        let [shown, written] = [&self.shown, &self.written];
        let of = |client: &QueryClient| heard(client, &client.context().sent_on_to);
        of(shown).or_else(|| of(written))
    }

    /// All topics, their partitions, and the brokers' addresses.
    pub(crate) fn metadata(&self, timeout: Duration) -> KafkaResult<Metadata> {
        // Asking for all topics, not for one, does not create it where that is automatic.
        self.shown.fetch_metadata(None, timeout)
    }
}

/// Low and high end, as this client is told them.
fn watermarks(
    client: &QueryClient,
    topic: &str,
    partition: i32,
    patience: impl Fn() -> Duration,
) -> KafkaResult<(i64, i64)> {
    let asked = client.fetch_watermarks(topic, partition, patience());
    let code = asked.as_ref().err().and_then(KafkaError::rdkafka_error_code);
    if !matches!(
        code,
        Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopicOrPartition)
    ) {
        return asked;
    }
    // It was added since this client last looked at the topic, which it does not do by itself.
    client.fetch_metadata(Some(topic), patience())?;
    client.fetch_watermarks(topic, partition, patience())
}

/// A change of the group's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rebalance {
    /// These partitions are ours now, besides those that we have.
    Assigned(Vec<i32>),
    /// These are to be given up.
    Revoked(Vec<i32>),
}

/// Receives rebalances during `poll` and keeps them until the loop has time for them, right after.
///
/// librdkafka waits for the answer (assign or unassign), which may come later from the same thread;
/// so the loop handles a rebalance like any other input, and no state is shared with a callback.
#[derive(Debug, Default)]
pub(crate) struct RebalanceMailbox {
    events: Mutex<Vec<Rebalance>>,
    is_closing: AtomicBool,
}

impl RebalanceMailbox {
    /// What came since the last call, in order.
    pub(crate) fn take(&self) -> Vec<Rebalance> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on nobody takes: rebalances are answered at once.
    pub(crate) fn start_closing(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }
}

impl ClientContext for RebalanceMailbox {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // librdkafka repeats broken connections endlessly at ERROR, and heals them itself.
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!("librdkafka: {facility}: {message}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                tracing::warn!("librdkafka: {facility}: {message}");
            }
            _ => tracing::debug!("librdkafka: {facility}: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // What means something to the loop is given to it as well.
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::PartitionEOF) || code.and_then(remedy).is_some() {
            return;
        }
        tracing::warn!("Kafka: {error}: {reason}");
    }
}

impl ConsumerContext for RebalanceMailbox {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let is_assignment = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.is_closing.load(Ordering::Relaxed) {
            let answered = if is_assignment {
                consumer.incremental_assign(&TopicPartitionList::new())
            } else {
                consumer.incremental_unassign(partitions)
            };
            if let Err(error) = answered {
                tracing::debug!("giving partitions up while closing: {error}");
            }
            return;
        }
        let ids = partitions.elements().iter().map(|element| element.partition()).collect();
        let event = if is_assignment { Rebalance::Assigned(ids) } else { Rebalance::Revoked(ids) };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

/// Makes a member of the group. `partitions` is how many it may have to read at most.
pub(crate) fn group_consumer(
    mut config: ClientConfig,
    group_id: &str,
    partitions: usize,
) -> KafkaResult<GroupConsumer> {
    let fetch_ahead = (FETCH_AHEAD_KBYTES / partitions.max(1)).max(FETCH_AHEAD_KBYTES_MIN);
    for (key, value) in DEFAULTS {
        if config.get(key).is_none() {
            config.set(key, value);
        }
    }
    if config.get("queued.max.messages.kbytes").is_none() {
        config.set("queued.max.messages.kbytes", fetch_ahead.to_string());
    }
    for (key, value) in FIXED {
        config.set(key, value);
    }
    config.set("group.id", group_id).set_log_level(RDKafkaLogLevel::Warning);
    config.create_with_context(RebalanceMailbox::default())
}

/// Whether there is such a topic. Asking for all topics, not for this one, does not auto-create it.
/// Blocks for at most [`QUERY_TIMEOUT`].
pub(crate) fn topic_exists(client: &QueryClient, topic: &str) -> KafkaResult<bool> {
    let metadata = client.fetch_metadata(None, QUERY_TIMEOUT)?;
    Ok(metadata.topics().iter().any(|found| found.name() == topic))
}

/// All partitions that the topic has now. Blocks for at most [`QUERY_TIMEOUT`].
pub(crate) fn topic_partitions(client: &QueryClient, topic: &str) -> KafkaResult<Vec<i32>> {
    let metadata = client.fetch_metadata(Some(topic), QUERY_TIMEOUT)?;
    let of_topic = metadata.topics().iter().filter(|found| found.name() == topic);
    Ok(of_topic.flat_map(|found| found.partitions().iter().map(|p| p.id())).collect())
}

/// The wall clock.
pub(crate) fn clock() -> EventTime {
    EventTime::from(Utc::now())
}
