//! What the detector counts of itself, and what it found. What is unusual is news of the pipeline, so it is named so: streamers and
//! detectors say the same of it, see `set_anomalies`.

use std::sync::{Arc, RwLock};

use anomaly::{Incident, Knowledge};
use program::seconds_since_1970 as now;
use program::{Gauge, IntCounter, IntCounterVec, Metric, Registry};

use super::passes::{DetectorProgress, Pass};

const OPEN_ANOMALIES: Metric = Metric::gauge(
    "pipeline_open_anomalies",
    &["region", "event_type", "measure", "direction"],
    "1: this region and type is unusual, high or low, in events, minutes, megabytes or tenge; region ALL is the whole country. The 100 worst.",
);
const ANOMALY_OBSERVED: Metric = Metric::gauge(
    "pipeline_open_anomaly_observed",
    &["region", "event_type"],
    "What came in the worst window of an open anomaly, in the unit of its measure.",
);
const ANOMALY_EXPECTED: Metric = Metric::gauge(
    "pipeline_open_anomaly_expected",
    &["region", "event_type"],
    "What was expected in that window.",
);
const ANOMALY_SINCE: Metric = Metric::gauge(
    "pipeline_open_anomaly_since_timestamp_seconds",
    &["region", "event_type"],
    "Start of the first unusual window of an open anomaly, in seconds since 1970.",
);
const DETECTION_BEHIND: Metric = Metric::gauge(
    "pipeline_detection_behind_seconds",
    &[],
    "How much of what is complete no detector has judged, in seconds; missing: none has ever run.",
);
const DETECTION_SERIES: Metric = Metric::gauge(
    "pipeline_detection_series",
    &["state"],
    "Regions and types in the last window: judged, small (too small to judge), or warming_up.",
);
const DETECTOR_PASSES: Metric = Metric::counter(
    "streamer_detector_passes_total",
    &["outcome"],
    "Passes of this process's detector: judged, busy (another was at work), nothing_complete, failed.",
);
const DETECTOR_WINDOWS: Metric = Metric::counter(
    "streamer_detector_windows_total",
    &[],
    "Windows of 5 minutes that this process's detector judged.",
);
const DETECTOR_LAST_PASS: Metric = Metric::gauge(
    "streamer_detector_last_pass_timestamp_seconds",
    &[],
    "When a pass of this process's detector last succeeded, in seconds since 1970; 0: none has.",
);

/// All of them, in the order of docs/metrics.md.
pub const METRICS: &[&Metric] = &[
    &OPEN_ANOMALIES,
    &ANOMALY_OBSERVED,
    &ANOMALY_EXPECTED,
    &ANOMALY_SINCE,
    &DETECTION_BEHIND,
    &DETECTION_SERIES,
    &DETECTOR_PASSES,
    &DETECTOR_WINDOWS,
    &DETECTOR_LAST_PASS,
];

/// Open incidents that are shown one by one at most: names of regions and types come from events.
pub(crate) const OPEN_SHOWN_MAX: i64 = 100;

/// What a detector counts.
#[derive(Clone)]
pub struct DetectorMetrics {
    pub(crate) registry: Registry,
    passes: IntCounterVec,
    windows: IntCounter,
    last_pass: Gauge,
    /// What the last pass found: a set of its own, so that an incident that is over leaves nothing.
    latest: Arc<RwLock<Option<Arc<Registry>>>>,
}

impl DetectorMetrics {
    /// All at 0.
    #[expect(clippy::new_without_default, reason = "zeros are no default of anything else")]
    pub fn new() -> Self {
        let registry = Registry::new();
        DetectorMetrics {
            passes: registry.counter(&DETECTOR_PASSES),
            windows: registry.counter(&DETECTOR_WINDOWS).with_label_values(&[] as &[&str]),
            last_pass: registry.gauge(&DETECTOR_LAST_PASS).with_label_values(&[] as &[&str]),
            latest: Arc::default(),
            registry,
        }
    }

    /// A pass has succeeded.
    pub(crate) fn passed(&self, pass: &Pass) {
        let outcome = match pass {
            Pass::Busy => "busy",
            Pass::NothingComplete => "nothing_complete",
            Pass::Judged(_) => "judged",
        };
        self.passes.with_label_values(&[outcome]).inc();
        self.last_pass.set(now());
        let Pass::Judged(report) = pass else { return };
        self.windows.inc_by(report.windows);
        let registry = Registry::new();
        let behind = report.complete_through - report.judged_through;
        set_open(&registry, &report.open);
        set_behind(&registry, behind.num_seconds());
        // A pass that judged nothing has counted no series.
        if report.windows > 0 {
            set_series(&registry, report.series.map(|count| count as f64));
        }
        if let Ok(mut latest) = self.latest.write() {
            *latest = Some(Arc::new(registry));
        }
    }

    /// A pass has failed.
    pub(crate) fn failed(&self) {
        self.passes.with_label_values(&["failed"]).inc();
    }

    /// When a pass last succeeded, in seconds since 1970.
    pub(crate) fn last_pass_at(&self) -> f64 {
        self.last_pass.get()
    }

    /// What the last pass found.
    pub(crate) fn latest(&self) -> Option<Arc<Registry>> {
        self.latest.read().ok()?.clone()
    }
}

/// What is unusual, by the database.
pub(crate) fn set_anomalies(registry: &Registry, open: &[Incident], progress: &DetectorProgress) {
    set_open(registry, open);
    if let Some(seconds) = progress.behind_seconds {
        set_behind(registry, seconds);
    }
    let DetectorProgress { series_judged, series_small, series_warming_up, .. } = *progress;
    set_series(registry, [series_judged, series_small, series_warming_up].map(f64::from));
}

fn set_open(registry: &Registry, open: &[Incident]) {
    let gauge = registry.gauge(&OPEN_ANOMALIES);
    let [observed, expected, since] =
        [&ANOMALY_OBSERVED, &ANOMALY_EXPECTED, &ANOMALY_SINCE].map(|of| registry.gauge(of));
    for incident in open.iter().take(OPEN_SHOWN_MAX as usize) {
        let series = &incident.series;
        let labels = [&*series.region, &*series.event_type];
        let [region, event_type] = labels;
        let (measure, direction) = (incident.measure.name(), incident.direction.name());
        gauge.with_label_values(&[region, event_type, measure, direction]).set(1.0);
        observed.with_label_values(&labels).set(incident.peak.observed as f64);
        expected.with_label_values(&labels).set(incident.peak.expected);
        since.with_label_values(&labels).set(incident.first.start().and_utc().timestamp() as f64);
    }
}

fn set_behind(registry: &Registry, seconds: i64) {
    let gauge = registry.gauge(&DETECTION_BEHIND);
    gauge.with_label_values(&[] as &[&str]).set(seconds.max(0) as f64);
}

fn set_series(registry: &Registry, counts: [f64; 3]) {
    let gauge = registry.gauge(&DETECTION_SERIES);
    for (kind, count) in Knowledge::ALL.into_iter().zip(counts) {
        gauge.with_label_values(&[kind.name()]).set(count);
    }
}
