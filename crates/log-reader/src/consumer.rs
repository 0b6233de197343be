//! What we ask of librdkafka as a member of a group: the settings on which invariants rest, and
//! rebalances as values.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, TopicPartitionList};

use crate::joining::remedy;

/// Memory for records fetched ahead, before decompression, for all partitions of a worker.
const FETCH_AHEAD_KBYTES: usize = 16 * 1024;
/// … of which each partition gets at least this much.
const FETCH_AHEAD_KBYTES_MIN: usize = 512;
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
                tracing::error!(%facility, said = %message, "librdkafka");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                tracing::warn!(%facility, said = %message, "librdkafka");
            }
            _ => tracing::debug!(%facility, said = %message, "librdkafka"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // What means something to the loop is given to it as well.
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::PartitionEOF) || code.and_then(remedy).is_some() {
            return;
        }
        tracing::warn!(%error, %reason, "Kafka");
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
            give_all_up(consumer);
            return;
        }
        let ids = partitions.elements().iter().map(|element| element.partition()).collect();
        let event = if is_assignment { Rebalance::Assigned(ids) } else { Rebalance::Revoked(ids) };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

/// Answers whatever rebalance waits for an answer, as a client does that wants no partition any more.
///
/// What is revoked is no guide to what can be given up: a client that was assigned partitions while it closed
/// has never taken them, and librdkafka refuses to give up a list of which one partition is not assigned. Then
/// the revocation has no answer, and the group is never left. Where no answer is due this changes no state.
pub(crate) fn give_all_up<C: ConsumerContext>(consumer: &BaseConsumer<C>) {
    let given_up = consumer
        .incremental_assign(&TopicPartitionList::new())
        .and_then(|()| consumer.incremental_unassign(&consumer.assignment()?));
    if let Err(error) = given_up {
        tracing::debug!(%error, "giving partitions up while closing");
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
