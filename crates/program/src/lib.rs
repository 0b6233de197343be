//! What the three programs share: arguments, telemetry, shutdown; with feature `kafka` the Kafka
//! client's settings, with `metrics` what `--metrics-addr` serves.
//!
//! Nothing here knows an event or a window.

mod args;
mod clock;
mod command_line;
mod host;
#[cfg(feature = "metrics")]
mod http;
#[cfg(feature = "kafka")]
mod kafka;
mod log_filter;
#[cfg(feature = "metrics")]
mod metrics;
mod output;
mod program;
mod shutdown;
mod table;
mod telemetry;

pub use args::{DatabaseArgs, LogArgs, LogFormat, Secret, duration_text, parse_duration};
pub use clock::seconds_since_1970;
pub use command_line::check_examples;
pub use host::host_name;
#[cfg(feature = "metrics")]
pub use http::{MetricsArgs, Reply, Serving, serve, serve_metrics};
#[cfg(feature = "kafka")]
pub use kafka::{
    FoundTopic, KafkaArgs, KafkaPropertyError, SentOnTo, TopicError, delivery_remedy, ensure_topic,
    heard, repeated,
};
#[cfg(feature = "metrics")]
pub use metrics::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, Metric, MetricKind,
    Registry, check_metrics_page, metrics_text,
};
pub use output::{Reader, StandardOutput, print};
pub use program::{ThreadExecutor, end_with, ensure_files, executor, run_program};
pub use shutdown::shutdown_requested;
pub use table::{Align, Table, row_of, table};
pub use telemetry::{chain, note, report, report_failure};
