//! Writes records of any shape to a topic.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

/// How long the broker may take to acknowledge.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a full queue gets before the next try.
const FULL_QUEUE_WAIT: Duration = Duration::from_millis(20);

/// A record to be written, every part of it as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRecord {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// When it was written, in milliseconds since 1970, for a topic that keeps what it is told; `None`: now.
    pub time_ms: Option<i64>,
}

/// Writes to one topic.
pub struct Sender {
    topic: String,
    producer: ThreadedProducer<Deliveries>,
    deliveries: Deliveries,
    sent: usize,
}

/// Counts what was acknowledged.
#[derive(Clone, Default)]
struct Deliveries(Arc<AtomicUsize>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl RawRecord {
    /// A record with nothing but a payload.
    pub fn of(partition: i32, payload: impl Into<Vec<u8>>) -> RawRecord {
        RawRecord { partition, payload: Some(payload.into()), ..RawRecord::default() }
    }
}

impl Sender {
    pub(crate) fn new(bootstrap: &str, topic: &str, properties: &[(&str, &str)]) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("linger.ms", "5");
        // A reader gets whole batches: small ones, or no reader could be slow.
        config.set("batch.size", "16384");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        let deliveries = Deliveries::default();
        let producer = config.create_with_context(deliveries.clone())?;
        Ok(Sender { topic: topic.to_owned(), producer, deliveries, sent: 0 })
    }

    /// Writes records, those of a partition in their order, and waits until all are there.
    ///
    /// # Errors
    /// One of them is not acknowledged.
    pub fn send(&mut self, records: &[RawRecord]) -> Result<()> {
        for record in records {
            self.enqueue(record)?;
        }
        self.producer.flush(FLUSH_TIMEOUT)?;
        let delivered = self.deliveries.0.load(Ordering::Relaxed);
        ensure!(delivered == self.sent, "{delivered} of {} records arrived", self.sent);
        Ok(())
    }

    /// Begins a transaction; the sender must have been given a `transactional.id`.
    ///
    /// # Errors
    /// The broker's.
    pub fn begin(&mut self) -> Result<()> {
        if self.sent == 0 {
            self.producer.init_transactions(FLUSH_TIMEOUT)?;
        }
        Ok(self.producer.begin_transaction()?)
    }

    /// Ends the transaction: what was sent in it counts.
    ///
    /// # Errors
    /// The broker's.
    pub fn commit(&mut self) -> Result<()> {
        Ok(self.producer.commit_transaction(FLUSH_TIMEOUT)?)
    }

    /// Ends the transaction: what was sent in it never was.
    ///
    /// # Errors
    /// The broker's.
    pub fn abort(&mut self) -> Result<()> {
        Ok(self.producer.abort_transaction(FLUSH_TIMEOUT)?)
    }

    fn enqueue(&mut self, record: &RawRecord) -> Result<()> {
        loop {
            let mut message = BaseRecord::to(&self.topic).partition(record.partition);
            message.key = record.key.as_deref();
            message.payload = record.payload.as_deref();
            message.timestamp = record.time_ms;
            if !record.headers.is_empty() {
                message.headers = Some(headers(record));
            }
            match self.producer.send::<[u8], [u8]>(message) {
                Ok(()) => {
                    self.sent += 1;
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(FULL_QUEUE_WAIT);
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}

fn headers(record: &RawRecord) -> OwnedHeaders {
    record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: value.as_deref() })
    })
}
