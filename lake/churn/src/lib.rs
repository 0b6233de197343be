//! Who will leave, asked while they can still be kept: features, labels, model and scores. Values in, values out: no IO, no clock.
//!
//! ```text
//!   subscriber-days ─► Gatherer ─► Person ─► features ─► Model ─► probability, reasons
//!                        │            └────► outcome (T and later: training only)
//!                        └─► Continuity: a key's epoch
//! ```
//!
//! T is the day of a question: the first day that is not known yet. Features are of days before T, outcomes of T and later.
//! Promise C-1: nothing that a feature is made of comes from T or later. C-2: who trains twice on the same days gets the same bytes.
//! C-3: a day whose rows don't sum to the ledger is never used.
//!
//! Reading order: [`outcome`] (what is asked), [`gather`] (what is kept of somebody), [`features`] (what is told to the
//! model), [`model`] (the forecast), [`metrics`] (what it is worth), [`period`] and [`Refusal`] (when there is none).

mod continuity;
pub mod day;
pub mod features;
pub mod gather;
pub mod metrics;
pub mod model;
pub mod outcome;
pub mod period;
pub mod reasons;
mod refusal;
mod train;

pub use continuity::Continuity;
pub use refusal::Refusal;
pub use train::{Cohort, Metrics, Trained, train};
