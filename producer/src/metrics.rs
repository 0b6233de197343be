//! The producer's metrics: their names, units and help, and how the sink reports.
//!
//! The sink reports each time it takes delivery reports, every 64 events and while it waits; nothing
//! is touched for a single event. The rate is `rate(producer_events_delivered_total[1m])`.

use program::{Gauge, IntCounter, Metric, Registry};

use crate::sink::Tally;

const NONE: &[&str] = &[];

const BUILD_INFO: Metric =
    Metric::gauge("producer_build_info", &["version"], "Always 1; the version that runs.");
const SENT: Metric =
    Metric::counter("producer_events_sent_total", NONE, "Events handed to the Kafka client.");
const DELIVERED: Metric =
    Metric::counter("producer_events_delivered_total", NONE, "Events that a broker acknowledged.");
const FAILED: Metric =
    Metric::counter("producer_events_failed_total", NONE, "Events that were given up.");
const QUEUED: Metric = Metric::gauge(
    "producer_queue_events",
    NONE,
    "Events that wait in the client or are under way; at most 50,000 unless KAFKA_PROPERTIES says otherwise.",
);

/// All of them, as docs/metrics.md lists them.
pub const METRICS: &[&Metric] = &[&BUILD_INFO, &SENT, &DELIVERED, &FAILED, &QUEUED];

/// The process's values.
#[derive(Clone, Debug)]
pub(crate) struct ProducerMetrics {
    pub(crate) registry: Registry,
    sent: IntCounter,
    delivered: IntCounter,
    failed: IntCounter,
    queued: Gauge,
}

impl ProducerMetrics {
    /// All at 0.
    pub(crate) fn new() -> Self {
        let registry = Registry::with_process();
        let version = env!("CARGO_PKG_VERSION");
        registry.gauge(&BUILD_INFO).with_label_values(&[version]).set(1.0);
        let counter = |metric| registry.counter(metric).with_label_values(NONE);
        let (sent, delivered, failed) = (counter(&SENT), counter(&DELIVERED), counter(&FAILED));
        let queued = registry.gauge(&QUEUED).with_label_values(NONE);
        ProducerMetrics { registry, sent, delivered, failed, queued }
    }

    /// What became of all events taken so far, and how many are under way.
    pub(crate) fn report(&self, taken: u64, tally: Tally, queued: i32) {
        for (counter, total) in
            [(&self.sent, taken), (&self.delivered, tally.delivered), (&self.failed, tally.failed)]
        {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
        self.queued.set(f64::from(queued));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_reported_as_often_as_one_likes() {
        let metrics = ProducerMetrics::new();
        for (taken, delivered, failed, queued) in [(64, 10, 0, 54), (64, 10, 0, 54), (70, 66, 4, 0)]
        {
            metrics.report(taken, Tally { delivered, failed }, queued);
            let got = (metrics.sent.get(), metrics.delivered.get(), metrics.failed.get());
            assert_eq!(got, (taken, delivered, failed));
            assert_eq!(metrics.queued.get(), f64::from(queued));
        }
    }
}
