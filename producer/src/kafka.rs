//! Kafka as a sink: an idempotent producer whose every delivery report is counted.
//!
//! Keeps I-6 (boundedness): the client's queue is bounded, and a full one means "wait", never "fail".
//! Keeps I-7 (nothing silent): every event taken ends as delivered or failed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use program::{KafkaArgs, delivery_remedy};
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};

use crate::metrics::ProducerMetrics;
use crate::sink::{Offer, Sink, SinkError, Tally};
use crate::stop::Stop;

/// How long the client tries to deliver an event before it gives up, unless KAFKA_PROPERTIES says otherwise.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the events under way are waited for after a signal: below the 10 s that Docker grants.
const STOP_GRACE: Duration = Duration::from_secs(8);
/// How long the reports of events that were given up are waited for.
const PURGE_GRACE: Duration = Duration::from_secs(1);
/// Pause between two looks at how many events are still under way.
const REPORTS_PAUSE: Duration = Duration::from_millis(10);
/// Delivery reports are taken once for so many events.
const EVENTS_PER_POLL: u32 = 64;

/// Settings that KAFKA_PROPERTIES may change: bounds of the client's queue, and waiting a little so
/// that events travel together. acks=all follows from idempotence.
const DEFAULT_SETTINGS: [(&str, &str); 3] = [
    ("queue.buffering.max.messages", "50000"),
    ("queue.buffering.max.kbytes", "16384"),
    ("linger.ms", "5"),
];

/// Sends events to one topic.
pub(crate) struct KafkaSink {
    producer: BaseProducer<Reports>,
    topic: String,
    /// How long the client tries; 0: for ever.
    delivery_timeout: Duration,
    offers_until_poll: u32,
    taken: u64,
    metrics: ProducerMetrics,
}

impl KafkaSink {
    /// A client for the topic. Connects in the background.
    pub(crate) fn new(args: &KafkaArgs, metrics: ProducerMetrics) -> anyhow::Result<Self> {
        let mut config = args.client_config()?;
        if config.get("enable.idempotence").is_some_and(|value| value != "true") {
            bail!("KAFKA_PROPERTIES: `enable.idempotence` stays true: retries must not duplicate");
        }
        config.set("enable.idempotence", "true");
        for (key, value) in DEFAULT_SETTINGS {
            if config.get(key).is_none() {
                config.set(key, value);
            }
        }
        let given = config.get("message.timeout.ms").and_then(|millis| millis.parse().ok());
        let delivery_timeout = given.map_or(DELIVERY_TIMEOUT, Duration::from_millis);
        config.set("message.timeout.ms", delivery_timeout.as_millis().to_string());
        let producer = config
            .create_with_context(Reports::default())
            .context("the Kafka client refuses its settings; check KAFKA_PROPERTIES")?;
        let topic = args.kafka_topic.clone();
        let offers_until_poll = EVENTS_PER_POLL;
        Ok(KafkaSink { producer, topic, delivery_timeout, offers_until_poll, taken: 0, metrics })
    }

    fn report(&self) {
        let queued = self.producer.in_flight_count();
        self.metrics.report(self.taken, self.producer.context().tally(), queued);
    }

    /// Waits until every event has its report; says whether that came to pass.
    ///
    /// Polling does it better than the client's flush, which waits in steps of 100 ms.
    fn await_reports(&self, patience: Duration, stop: &Stop) -> bool {
        let mut deadline = Instant::now().checked_add(patience);
        let mut stopping = false;
        while self.producer.in_flight_count() > 0 {
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return false;
            }
            if !stopping && stop.is_requested() {
                stopping = true;
                let grace = now + STOP_GRACE;
                deadline = Some(deadline.map_or(grace, |deadline| deadline.min(grace)));
            }
            self.producer.poll(REPORTS_PAUSE);
            self.report();
        }
        true
    }
}

impl Sink for KafkaSink {
    fn offer(
        &mut self,
        key: &str,
        payload: Option<&[u8]>,
        partition: Option<i32>,
    ) -> Result<Offer, SinkError> {
        self.offers_until_poll -= 1;
        if self.offers_until_poll == 0 {
            self.idle()?;
        }
        let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(&self.topic).key(key);
        record.payload = payload;
        record.partition = partition;
        match self.producer.send(record) {
            Ok(()) => {
                self.taken += 1;
                Ok(Offer::Taken)
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Offer::Full),
            Err((error, _)) => {
                // An idempotent client that meets a permanent error takes no more, and says why only
                // when asked.
                let fatal = self.producer.client().fatal_error();
                let reason = fatal.map_or_else(|| error.to_string(), |(_, reason)| reason);
                Err(SinkError::Kafka(reason))
            }
        }
    }

    fn idle(&mut self) -> Result<(), SinkError> {
        self.offers_until_poll = EVENTS_PER_POLL;
        self.producer.poll(Duration::ZERO);
        self.report();
        Ok(())
    }

    fn finish(&mut self, stop: &Stop) -> Result<Tally, SinkError> {
        let patience = match self.delivery_timeout {
            Duration::ZERO => Duration::MAX,
            timeout => timeout + STOP_GRACE,
        };
        if !self.await_reports(patience, stop) {
            // What is given up gets a report too, as failed.
            self.producer.purge(PurgeConfig::default().queue().inflight());
            self.await_reports(PURGE_GRACE, stop);
        }
        Ok(self.producer.context().tally())
    }
}

/// Counts delivery reports.
#[derive(Default)]
struct Reports {
    delivered: AtomicU64,
    failed: AtomicU64,
}

impl Reports {
    fn tally(&self) -> Tally {
        Tally {
            delivered: self.delivered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        // The client goes on trying; what it can't deliver in the end is counted as failed.
        tracing::warn!(%error, %reason, "Kafka");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, report: &DeliveryResult<'_>, _opaque: ()) {
        match report {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                if self.failed.fetch_add(1, Ordering::Relaxed) == 0 {
                    let error = format!("{error}{}", delivery_remedy(error));
                    tracing::error!(%error, "an event was not delivered; others are only counted");
                }
            }
        }
    }
}
