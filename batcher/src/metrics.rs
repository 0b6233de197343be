//! The batcher's metrics: what can be said of a run while it goes on.
//!
//! A run is over before anybody scrapes twice, so what is worth an alert is kept in the database, in
//! `batch_runs`, and the streamer, which is always there, exposes it (`pipeline_batch_…`,
//! `pipeline_stale_dates`). What is served here is for long runs: is one under way, since when, with
//! how much memory.

use program::{Metric, Registry};

const BUILD_INFO: Metric =
    Metric::gauge("batcher_build_info", &["version"], "Always 1; the version that runs.");
const STARTED: Metric = Metric::gauge(
    "batcher_run_started_timestamp_seconds",
    &[],
    "When this run began, in seconds since 1970.",
);

/// All of them, as docs/metrics.md lists them.
pub const METRICS: &[&Metric] = &[&BUILD_INFO, &STARTED];

/// The values of a run that begins at `started_at`, in seconds since 1970.
pub fn run_metrics(started_at: f64) -> Registry {
    let registry = Registry::with_process();
    let version = env!("CARGO_PKG_VERSION");
    registry.gauge(&BUILD_INFO).with_label_values(&[version]).set(1.0);
    registry.gauge(&STARTED).with_label_values(&[] as &[&str]).set(started_at);
    registry
}
