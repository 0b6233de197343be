//! What one look at the pipeline has found.

use std::sync::Arc;

use anomaly::Incident;
use program::Registry;

use super::cases::Cases;
use super::figures::LiveFigures;
use super::minutely::DayLook;
use crate::detect::passes::DetectorProgress;
use crate::status::Report;

/// One look at the pipeline.
pub(super) struct Snapshot {
    /// When, in seconds since 1970.
    pub(super) looked_at: f64,
    pub(super) report: Report,
    /// Sums of the tables, or why they are not known.
    pub(super) figures: Result<LiveFigures, String>,
    pub(super) rates: Option<Rates>,
    /// What is unusual; `None`: no detector has ever run, or its tables can't be read.
    pub(super) detection: Option<Detection>,
    /// The last 24 hours, as they were read within the last minute or so.
    pub(super) day: DayLook,
    /// Open fraud cases; `None`: there are no rules, or no right to see how many cases there are.
    pub(super) cases: Option<Arc<Cases>>,
    /// All of this as metrics.
    pub(super) registry: Registry,
}

/// What the detectors found.
pub(super) struct Detection {
    pub(super) progress: DetectorProgress,
    /// The worst first, `OPEN_SHOWN_MAX` at most.
    pub(super) open: Vec<Incident>,
}

/// Records per second, over the last minute or so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    pub(super) over_seconds: f64,
    /// By which the logs grew.
    pub(super) arriving_per_second: f64,
    /// By which the stored positions moved.
    pub(super) stored_per_second: f64,
}
