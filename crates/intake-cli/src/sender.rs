//! Records into Kafka, by transactions: all of a batch, with the positions behind it, or nothing.
//!
//! Introducing ourselves under a transactional id ends what a former life has under way, and refuses it from then on. So
//! there is one sender of a name at a time, whatever was taken for dead.
//!
//! Keeps I-6: the client's queue is bounded, and a full one means "wait".

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use intake::{Counts, Sink, Write};
use program::{KafkaArgs, delivery_remedy, duration_text, repeated};
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::journal;
use crate::metrics::IntakeMetrics;

/// A broker aborts a transaction of ours that lasts longer; so long nobody reads on behind a life that was killed.
const TRANSACTION_TIMEOUT_MS: &str = "10000";
/// … and a record that is not delivered by then fails; must be below the former.
const DELIVERY_TIMEOUT_MS: &str = "9000";
/// One request about a transaction waits at most this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a full queue gets before the next try.
const FULL_QUEUE_WAIT: Duration = Duration::from_millis(20);
/// Delivery reports are taken once for so many records.
const RECORDS_PER_POLL: u32 = 256;
/// Settings that KAFKA_PROPERTIES may change.
const DEFAULT_SETTINGS: [(&str, &str); 4] = [
    ("queue.buffering.max.messages", "50000"),
    ("queue.buffering.max.kbytes", "16384"),
    ("linger.ms", "5"),
    ("compression.type", "lz4"),
];

/// Why a life of the sender is over.
#[derive(Debug)]
pub(crate) struct SenderError {
    /// What was tried, and why it failed.
    pub(crate) error: anyhow::Error,
    /// Another process has taken the name over.
    pub(crate) is_fenced: bool,
}

/// Sends records and what belongs to them.
pub(crate) struct Sender {
    producer: BaseProducer<Reports>,
    topic: String,
    journal: String,
    name: String,
    is_open: bool,
    records_until_poll: u32,
    /// Set by whoever wants us to stop, between two batches.
    stop: std::sync::Arc<AtomicBool>,
    metrics: IntakeMetrics,
}

/// Where the sender sends to, and under which name.
pub(crate) struct Route<'a> {
    pub(crate) kafka: &'a KafkaArgs,
    pub(crate) journal: &'a str,
    pub(crate) name: &'a str,
}

/// Which topic a record is for.
#[derive(Clone, Copy)]
enum Target {
    Events,
    Journal,
}

/// Offsets of the raw topic that belong to a transaction.
pub(crate) struct ReadUpTo<'a> {
    pub(crate) offsets: &'a TopicPartitionList,
    pub(crate) group: &'a ConsumerGroupMetadata,
}

impl Sender {
    /// Introduces itself; fences whoever used the name before. Blocks.
    ///
    /// # Errors
    /// No broker opens transactions for us within `wait`.
    pub(crate) fn open(
        route: &Route<'_>,
        wait: Duration,
        stop: std::sync::Arc<AtomicBool>,
        metrics: IntakeMetrics,
    ) -> anyhow::Result<Sender> {
        let mut config = route.kafka.client_config()?;
        for (key, value) in DEFAULT_SETTINGS {
            if config.get(key).is_none() {
                config.set(key, value);
            }
        }
        let id = transactional_id(route.name);
        config
            .set("enable.idempotence", "true")
            .set("transactional.id", &id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
            .set("message.timeout.ms", DELIVERY_TIMEOUT_MS)
            .set_log_level(RDKafkaLogLevel::Warning);
        let producer: BaseProducer<Reports> = config
            .create_with_context(Reports)
            .context("the Kafka client refuses its settings; check KAFKA_PROPERTIES")?;
        repeated(|| producer.init_transactions(wait)).with_context(|| {
            format!(
                "no broker at {} opens transactions for {id} within {}; is Kafka running, may we use that \
                 transactional id, and do as many brokers run as the broker setting \
                 transaction.state.log.replication.factor asks for?",
                route.kafka.kafka_bootstrap_servers,
                duration_text(wait)
            )
        })?;
        Ok(Sender {
            producer,
            topic: route.kafka.kafka_topic.clone(),
            journal: route.journal.to_owned(),
            name: route.name.to_owned(),
            is_open: false,
            records_until_poll: RECORDS_PER_POLL,
            stop,
            metrics,
        })
    }

    fn begin(&mut self) -> Result<(), SenderError> {
        if !self.is_open {
            let begun = self.producer.begin_transaction();
            begun.map_err(|error| self.refused("begin a Kafka transaction", error))?;
            self.is_open = true;
        }
        Ok(())
    }

    fn enqueue(
        &mut self,
        to: Target,
        key: Option<&str>,
        payload: Option<&[u8]>,
    ) -> Result<(), SenderError> {
        self.records_until_poll -= 1;
        if self.records_until_poll == 0 {
            self.records_until_poll = RECORDS_PER_POLL;
            self.producer.poll(Duration::ZERO);
        }
        loop {
            let topic = match to {
                Target::Events => &self.topic,
                Target::Journal => &self.journal,
            };
            let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic);
            (record.key, record.payload) = (key, payload);
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(FULL_QUEUE_WAIT);
                }
                Err((error, _)) => return Err(self.refused("send a record", error)),
            }
        }
    }

    /// Ends the transaction with parts of the progress and offsets of the raw topic.
    pub(crate) fn commit_with(
        &mut self,
        writes: &[Write],
        read: Option<ReadUpTo<'_>>,
    ) -> Result<(), SenderError> {
        self.begin()?;
        for write in writes {
            let key = journal::key_text(&self.name, &write.key);
            let value = write.value.as_deref().map(str::as_bytes);
            self.enqueue(Target::Journal, Some(&key), value)?;
        }
        if let Some(ReadUpTo { offsets, group }) = read {
            repeated(|| self.producer.send_offsets_to_transaction(offsets, group, REQUEST_TIMEOUT))
                .map_err(|error| self.refused("send offsets to the Kafka transaction", error))?;
        }
        repeated(|| self.producer.commit_transaction(REQUEST_TIMEOUT))
            .map_err(|error| self.refused("commit the Kafka transaction", error))?;
        self.is_open = false;
        Ok(())
    }

    /// An error in words; the client's own reason where it has one.
    fn refused(&self, what: &str, error: KafkaError) -> SenderError {
        let fatal = self.producer.client().fatal_error();
        let mut said = said(what, error);
        if let Some((code, reason)) = fatal {
            said.is_fenced |= is_fence(code);
            said.error = said.error.context(reason);
        }
        said
    }
}

impl Sink for Sender {
    type Error = SenderError;

    fn send(&mut self, key: &str, payload: &[u8]) -> Result<(), SenderError> {
        self.begin()?;
        self.enqueue(Target::Events, Some(key).filter(|key| !key.is_empty()), Some(payload))
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), SenderError> {
        self.commit_with(writes, None)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn committed(&mut self, batch: &Counts) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.metrics.committed(batch, now.as_secs_f64());
    }
}

/// The name under which a sender's transactions are known to the brokers.
pub(crate) fn transactional_id(name: &str) -> String {
    format!("intake-{name}")
}

fn said(what: &str, error: KafkaError) -> SenderError {
    let is_fenced = match &error {
        KafkaError::Transaction(error) => is_fence(error.code()),
        other => other.rdkafka_error_code().is_some_and(is_fence),
    };
    let remedy = delivery_remedy(&error);
    SenderError {
        error: anyhow::Error::new(error).context(format!("cannot {what}{remedy}")),
        is_fenced,
    }
}

fn is_fence(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::ProducerFenced
            | RDKafkaErrorCode::InvalidProducerEpoch
    )
}

/// What is not delivered fails its transaction; it is said once more here, with what cures it.
#[derive(Debug)]
struct Reports;

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, %reason, "Kafka");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = report {
            let is_purged = error.rdkafka_error_code().is_some_and(|code| {
                matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
            });
            if !is_purged {
                let error = format!("{error}{}", delivery_remedy(error));
                tracing::warn!(%error, "a record was not delivered");
            }
        }
    }
}
