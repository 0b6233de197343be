//! What a replay asks of Kafka: carry letters, all of a batch or none, and tell whether letters of
//! an interrupted run have arrived. Blocks.
//!
//! Letters travel in Kafka transactions under one name for each database. Introducing ourselves
//! under it ends what a former run has under way: its open transaction is aborted, and it is
//! refused from then on, should it come back. So whatever a search finds, or does not, stays so.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use log_reader::{QueryClient, Quiet, query_client, topic_exists, topic_partitions};
use program::{delivery_remedy, repeated};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::letters::DeadLetterHeader;
use super::plan::{ATTEMPT_HEADER, SOURCE_HEADER};

/// One question to a broker, a transaction's end included, waits at most this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A broker aborts a transaction of ours that lasts longer.
const TRANSACTION_TIMEOUT_MS: &str = "60000";
/// … and a letter that is not delivered by then fails; must be below the former.
const DELIVERY_TIMEOUT_MS: &str = "45000";
/// Letters are as large as their source's broker allows; the target's broker is to judge them.
const MESSAGE_BYTES_MAX: &str = "67108864";
/// How long others' open transactions in a target may hold a search up.
const OPEN_TRANSACTIONS_WAIT: Duration = Duration::from_secs(90);
/// Pause between two looks at whether they have ended.
const OPEN_TRANSACTIONS_PAUSE: Duration = Duration::from_millis(100);
/// How long a full queue gets before the next try.
const FULL_QUEUE_WAIT: Duration = Duration::from_millis(20);

/// A letter ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReplayRecord {
    /// The topic that it goes to.
    pub(super) topic: String,
    /// The partition, unless its key decides.
    pub(super) partition: Option<i32>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Option<Vec<u8>>,
    /// The record's own headers.
    pub(super) headers: Vec<DeadLetterHeader>,
    /// What a search recognises it by.
    pub(super) id: ReplayId,
}

/// What a search recognises a letter by: the letter, and which of its sendings it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReplayId {
    /// topic/generation/partition/offset of the letter.
    pub(super) source: String,
    pub(super) attempt: i32,
}

/// A batch that did not get through.
#[derive(Debug)]
pub(super) struct NotSent {
    pub(super) error: anyhow::Error,
    /// Whether it may have arrived nevertheless.
    pub(super) is_in_doubt: bool,
}

/// What a search of a topic found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    /// The letters that are there.
    pub(super) found: HashSet<ReplayId>,
    /// Whether the log was whole from where the search had to begin: what was not found is not there.
    pub(super) is_whole: bool,
}

/// Carries letters to Kafka.
pub(super) struct ReplaySender {
    config: ClientConfig,
    producer: BaseProducer<Reports>,
    /// Sees the log up to its end, others' open transactions included.
    queries: QueryClient,
}

impl ReplaySender {
    /// Introduces itself under `transactional_id`; fences whoever used that name before.
    pub(super) fn open(
        config: ClientConfig,
        transactional_id: &str,
    ) -> anyhow::Result<ReplaySender> {
        let refused = "the Kafka client refuses its settings; check KAFKA_PROPERTIES";
        let mut for_producer = config.clone();
        for_producer
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
            .set("message.timeout.ms", DELIVERY_TIMEOUT_MS)
            .set("enable.idempotence", "true")
            .set_log_level(RDKafkaLogLevel::Warning);
        if config.get("message.max.bytes").is_none() {
            for_producer.set("message.max.bytes", MESSAGE_BYTES_MAX);
        }
        let producer: BaseProducer<Reports> =
            for_producer.create_with_context(Reports::default()).context(refused)?;
        let mut for_queries = config.clone();
        for_queries.set("isolation.level", "read_uncommitted");
        let queries = query_client(&for_queries).context(refused)?;
        repeated(|| producer.init_transactions(REQUEST_TIMEOUT)).with_context(|| {
            format!(
                "no broker at {} opens transactions for {transactional_id}; is Kafka running, may we \
                 use that transactional id, and do as many brokers run as the broker setting \
                 transaction.state.log.replication.factor asks for?",
                config.get("bootstrap.servers").unwrap_or_default()
            )
        })?;
        Ok(ReplaySender { config, producer, queries })
    }

    /// Where the log of each of the topic's partitions ends.
    pub(super) fn ends(&self, topic: &str) -> anyhow::Result<BTreeMap<i32, i64>> {
        let Some(partitions) = self.partitions(topic)? else {
            bail!("topic {topic} does not exist; create it, or name another one with --to");
        };
        partitions
            .into_iter()
            .map(|partition| Ok((partition, self.bounds(topic, partition)?.1)))
            .collect()
    }

    /// Sends all of these, or none.
    pub(super) fn carry(&self, records: &[ReplayRecord]) -> Result<(), NotSent> {
        let carried = self.try_to_carry(records);
        let Err(error) = carried else { return Ok(()) };
        match repeated(|| self.producer.abort_transaction(REQUEST_TIMEOUT)) {
            Ok(()) => Err(NotSent { error, is_in_doubt: false }),
            Err(abort) => {
                tracing::debug!(error = %abort, "the transaction can't be aborted");
                Err(NotSent { error, is_in_doubt: true })
            }
        }
    }

    fn try_to_carry(&self, records: &[ReplayRecord]) -> anyhow::Result<()> {
        let reports = self.producer.context();
        reports.reset();
        self.producer.begin_transaction().context("cannot begin a Kafka transaction")?;
        for record in records {
            self.enqueue(record)
                .with_context(|| format!("Kafka does not take {}", record.id.source))?;
        }
        self.producer.flush(REQUEST_TIMEOUT).context("Kafka does not acknowledge")?;
        let delivered = reports.delivered.load(Ordering::Relaxed);
        ensure!(delivered == records.len(), "{delivered} of {} were delivered", records.len());
        repeated(|| self.producer.commit_transaction(REQUEST_TIMEOUT))
            .context("cannot commit the Kafka transaction")
    }

    fn enqueue(&self, record: &ReplayRecord) -> Result<(), KafkaError> {
        loop {
            let mut sent: BaseRecord<'_, [u8], [u8]> =
                BaseRecord::to(&record.topic).headers(headers_of(record));
            sent.partition = record.partition;
            sent.key = record.key.as_deref();
            sent.payload = record.payload.as_deref();
            match self.producer.send(sent) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(FULL_QUEUE_WAIT);
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Looks for letters in a topic, from these ends on.
    pub(super) fn find(
        &self,
        topic: &str,
        ends: &BTreeMap<i32, i64>,
        wanted: &HashSet<ReplayId>,
    ) -> anyhow::Result<Search> {
        let Some(partitions) = self.partitions(topic)? else { return Ok(Search::default()) };
        let mut config = self.config.clone();
        // Positions are given by hand; the group only has to have a name.
        config
            .set("group.id", "dead-letter-replay")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed");
        let reader: BaseConsumer<Quiet> = config.create_with_context(Quiet::default())?;
        let mut search = Search {
            found: HashSet::new(),
            is_whole: ends.keys().all(|partition| partitions.contains(partition)),
        };
        let mut unread = TopicPartitionList::new();
        for partition in partitions {
            let (low, high) = self.bounds(topic, partition)?;
            // A partition added since began at 0.
            let from = ends.get(&partition).copied().unwrap_or(0);
            let is_whole = low <= from && from <= high;
            search.is_whole &= is_whole;
            // In another log than the one marked, a letter may stand anywhere.
            let from = if is_whole { from } else { low };
            if from < high {
                await_committed(&reader, topic, partition, high)?;
                unread.add_partition_offset(topic, partition, Offset::Offset(from))?;
            }
        }
        read_ids(&reader, &unread, wanted, &mut search.found)?;
        Ok(search)
    }

    /// The oldest and the next offset.
    fn bounds(&self, topic: &str, partition: i32) -> anyhow::Result<(i64, i64)> {
        self.queries
            .fetch_watermarks(topic, partition, REQUEST_TIMEOUT)
            .with_context(|| format!("cannot read the ends of {topic} partition {partition}"))
    }

    /// The topic's partitions; `None` when there is no such topic. Never creates it.
    fn partitions(&self, topic: &str) -> anyhow::Result<Option<Vec<i32>>> {
        let asking = || format!("cannot read the metadata of topic {topic}");
        if !topic_exists(&self.queries, topic).with_context(asking)? {
            return Ok(None);
        }
        Ok(Some(topic_partitions(&self.queries, topic).with_context(asking)?))
    }
}

/// Waits until every transaction that began before `high` has ended: until then a reader of
/// committed records sees nothing behind it.
fn await_committed(
    reader: &BaseConsumer<Quiet>,
    topic: &str,
    partition: i32,
    high: i64,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + OPEN_TRANSACTIONS_WAIT;
    let mut has_waited = false;
    loop {
        let (_, stable) = reader.fetch_watermarks(topic, partition, REQUEST_TIMEOUT)?;
        if stable >= high {
            return Ok(());
        }
        if !has_waited {
            tracing::info!(topic, partition, "waiting for another producer's open transaction");
            has_waited = true;
        }
        ensure!(
            Instant::now() < deadline,
            "{topic} partition {partition} can't be searched: another producer's transaction has \
             been open at offset {stable} for more than {OPEN_TRANSACTIONS_WAIT:?}"
        );
        std::thread::sleep(OPEN_TRANSACTIONS_PAUSE);
    }
}

/// Reads to the ends of these partitions, or until all that is wanted was found.
fn read_ids(
    reader: &BaseConsumer<Quiet>,
    partitions: &TopicPartitionList,
    wanted: &HashSet<ReplayId>,
    found: &mut HashSet<ReplayId>,
) -> anyhow::Result<()> {
    let mut unread: HashSet<i32> =
        partitions.elements().iter().map(|element| element.partition()).collect();
    reader.assign(partitions)?;
    while !unread.is_empty() && found.len() < wanted.len() {
        match reader.poll(REQUEST_TIMEOUT) {
            None => bail!("no broker has answered for {REQUEST_TIMEOUT:?}"),
            Some(Ok(message)) => found.extend(id_of(&message).filter(|id| wanted.contains(id))),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unread.remove(&partition);
            }
            Some(Err(error)) => return Err(error).context("cannot search the topic"),
        }
    }
    Ok(())
}

fn id_of(message: &BorrowedMessage<'_>) -> Option<ReplayId> {
    let headers = message.headers()?;
    let text = |name: &str| {
        let header = headers.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok()
    };
    let (source, attempt) = (text(SOURCE_HEADER)?, text(ATTEMPT_HEADER)?);
    Some(ReplayId { source: source.to_owned(), attempt: attempt.parse().ok()? })
}

/// The record's own headers, then ours; ours of a former sending are replaced.
fn headers_of(record: &ReplayRecord) -> OwnedHeaders {
    let own = record
        .headers
        .iter()
        .filter(|(name, _)| name != SOURCE_HEADER && name != ATTEMPT_HEADER)
        .fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_deref() })
        });
    let attempt = record.id.attempt.to_string();
    own.insert(Header { key: SOURCE_HEADER, value: Some(&record.id.source) })
        .insert(Header { key: ATTEMPT_HEADER, value: Some(&attempt) })
}

/// Counts delivery reports.
#[derive(Debug, Default)]
struct Reports {
    delivered: AtomicUsize,
}

impl Reports {
    fn reset(&self) {
        self.delivered.store(0, Ordering::Relaxed);
    }
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        // The client goes on trying; what it can't deliver in the end fails the transaction.
        tracing::warn!(%error, %reason, "Kafka");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, (): ()) {
        match report {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                let error = format!("{error}{}", delivery_remedy(error));
                tracing::warn!(%error, "a letter was not delivered");
            }
        }
    }
}
