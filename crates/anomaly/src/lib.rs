//! What traffic is unusual: from counts by region and event type to incidents. Values in, values out.
//!
//! ```text
//!   Counts ─► former windows ─► Baseline ─► judge ─► Judgement ─► Tracker ─► Incident
//!             (calendar)       (baseline)  (judge)     │        (incident)
//!                                             ▲        ▼
//!                                             └── Memory (memory)
//! ```
//!
//! Reading order: [`detector`] (what uses it all), [`calendar`] (which windows are compared), [`measure`] (what
//! of them), [`statistics`] and [`learning`] (the formulas and their sources), [`baseline`] (what is usual),
//! [`memory`] (what was learned of a series), [`mod@judge`] (what is unusual), [`judgement`] (what is said of
//! it), [`incident`] (what opens and closes). docs/anomalies.md says how well it does.

pub mod baseline;
pub mod calendar;
pub mod counts;
pub mod detector;
mod factor;
pub mod incident;
pub mod judge;
pub mod judgement;
mod known;
pub mod learning;
pub mod measure;
pub mod memory;
pub mod statistics;

pub use calendar::{Calendar, DetectionWindow, HolidayPattern, WINDOW_MINUTES};
pub use counts::{Counts, NATIONWIDE, Series};
pub use detector::{Detector, Notes, Outcome};
pub use incident::{Incident, Moved, Peak, Tracker};
pub use judge::Budget;
pub use judgement::{Direction, Judgement, Knowledge};
pub use measure::{Figures, Measure};
