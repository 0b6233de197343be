//! What a program's metrics are called, what they mean, and how they become Prometheus's text.
//!
//! A program has one table of [`Metric`]s, in its `metrics.rs`. From that table come the names and
//! help texts that are scraped, and its section of docs/metrics.md; so the page can't say anything else.

mod page;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, HistogramOpts, Opts, TextEncoder};

pub use self::page::check_metrics_page;
/// Handles of single values, and of one for each combination of label values.
pub use prometheus::{Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec};

/// One metric of a program.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name; the unit, or `total`, comes last.
    pub name: &'static str,
    /// Whether it only rises, goes up and down, or counts in buckets.
    pub kind: MetricKind,
    /// Names of its labels. Their values are few: never a subscriber; of what events say, regions and types
    /// alone, and of these a bounded number.
    pub labels: &'static [&'static str],
    /// What it means, with the unit. One sentence.
    pub help: &'static str,
}

/// What may be done with a metric's value.
#[derive(Clone, Copy, Debug)]
pub enum MetricKind {
    /// Only rises while the program runs.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl Metric {
    /// A value that only rises; `name` ends in `_total`.
    pub const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Metric { name, kind: MetricKind::Counter, labels, help }
    }

    /// A value that goes up and down.
    pub const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Metric { name, kind: MetricKind::Gauge, labels, help }
    }

    /// Values counted in `buckets`, given by their upper bounds in rising order.
    pub const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        buckets: &'static [f64],
        help: &'static str,
    ) -> Self {
        Metric { name, kind: MetricKind::Histogram(buckets), labels, help }
    }

    fn kind_name(&self) -> &'static str {
        match self.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram(_) => "histogram",
        }
    }
}

/// A set of metrics with their values.
#[derive(Clone, Debug, Default)]
pub struct Registry(prometheus::Registry);

impl Registry {
    /// An empty set.
    pub fn new() -> Self {
        Registry::default()
    }

    /// A set that has what the operating system says of this process (Linux only): processor time,
    /// memory, open files, start time, threads.
    pub fn with_process() -> Self {
        let registry = Registry::default();
        registry.register(ProcessCollector::for_self());
        registry
    }

    /// A counter for each combination of label values.
    pub fn counter(&self, metric: &Metric) -> IntCounterVec {
        let counter = IntCounterVec::new(options(metric), metric.labels);
        let counter = counter.expect("names in a table of metrics are well formed");
        self.register(counter.clone());
        counter
    }

    /// A gauge for each combination of label values.
    pub fn gauge(&self, metric: &Metric) -> GaugeVec {
        let gauge = GaugeVec::new(options(metric), metric.labels);
        let gauge = gauge.expect("names in a table of metrics are well formed");
        self.register(gauge.clone());
        gauge
    }

    /// A histogram for each combination of label values.
    pub fn histogram(&self, metric: &Metric) -> HistogramVec {
        let MetricKind::Histogram(buckets) = metric.kind else {
            unreachable!("{} is declared as a {}", metric.name, metric.kind_name())
        };
        let options = HistogramOpts::from(options(metric)).buckets(buckets.to_vec());
        let histogram = HistogramVec::new(options, metric.labels)
            .expect("names in a table of metrics are well formed");
        self.register(histogram.clone());
        histogram
    }

    fn register(&self, collector: impl Collector + 'static) {
        self.0.register(Box::new(collector)).expect("a table of metrics names each only once");
    }
}

fn options(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

/// The values of these sets, whose names must differ, in Prometheus's text format.
pub fn metrics_text(registries: &[&Registry]) -> Vec<u8> {
    let mut text = Vec::new();
    for registry in registries {
        TextEncoder::new()
            .encode(&registry.0.gather(), &mut text)
            .expect("a Vec takes any text, and only metrics with values are gathered");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Metric = Metric::counter("x_sent_total", &["worker"], "Events sent.");
    const AGE: Metric = Metric::gauge("x_age_seconds", &[], "How old it is, in seconds.");

    #[test]
    fn a_metric_is_scraped_with_the_help_and_kind_of_the_table() {
        let registry = Registry::new();
        registry.counter(&SENT).with_label_values(&["0"]).inc_by(3);
        registry.gauge(&AGE).with_label_values(&[] as &[&str]).set(0.5);
        let text = String::from_utf8(metrics_text(&[&registry])).unwrap();
        assert_eq!(
            text,
            "# HELP x_age_seconds How old it is, in seconds.\n# TYPE x_age_seconds gauge\nx_age_seconds 0.5\n\
             # HELP x_sent_total Events sent.\n# TYPE x_sent_total counter\nx_sent_total{worker=\"0\"} 3\n"
        );
    }
}
