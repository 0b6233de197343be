//! What traffic is unusual: from counts by region and event type to incidents. Values in, values out.
//!
//! ```text
//!   Counts ─► former windows ─► Baseline ─► judge ─► Judgement ─► Tracker ─► Incident
//!             (calendar)       (baseline)  (judge)              (incident)
//! ```
//!
//! Reading order: [`calendar`] (which windows are compared), [`statistics`] (the formulas and their
//! sources), [`baseline`] (what is usual), [`mod@judge`] (what is unusual), [`incident`] (what opens and
//! closes). docs/anomalies.md says how well it does.

pub mod baseline;
pub mod calendar;
pub mod counts;
pub mod incident;
pub mod judge;
pub mod statistics;

pub use calendar::{Calendar, DetectionWindow, HolidayPattern, WINDOW_MINUTES};
pub use counts::{Counts, NATIONWIDE, Series};
pub use incident::{Incident, Peak, Tracker};
pub use judge::{Direction, Judgement, Knowledge, judge_window};
