//! The pure event-time core of the streamer: given records in the order of their partitions, it
//! says what to store and where to go on.
//!
//! In: [`Input`] values (a record, an assignment, a flush's report, a tick). Out: [`Effect`] values
//! that somebody else carries out. Nothing here does IO, reads a clock or draws a random number, so
//! the code that runs is the code that is simulated.
//!
//! Reading order: [`Window`] → [`FIGURES`] → [`Groups`] → [`Subscribers`] → [`Progress`] → `partition` →
//! [`FlushProtocol`] → [`Engine`] → `pace` → [`Timers`].
//!
//! Keeps I-1 (accounting), I-3 (determinism), I-4 (monotonicity), I-5 (exact sums), I-6 (bounds)
//! and I-7 (nothing silent); I-2 (atomicity) is kept by whoever carries out a flush.

mod bounds;
mod business_day;
mod continuity;
mod engine;
mod figures;
mod flush;
mod groups;
mod history;
mod moving;
mod names;
mod pace;
mod partition;
mod progress;
mod record;
mod replay;
pub mod results;
mod rewind;
mod subscribers;
#[cfg(test)]
mod testing;
mod timers;
mod window;

pub use bounds::{Bounds, Limit, Size};
pub use business_day::BusinessDay;
pub use continuity::{Doubt, Examination, FoundAt, GapPermission, GapPlan, LogBreak, ResumeAt};
pub use engine::{Effect, Engine, Input, Ownership, STALL_AFTER_MICROS};
pub use figures::{DayFigure, FIGURES, Figure, PerFigure, Totals};
pub use flush::{
    FlushAction, FlushAnswer, FlushBatch, FlushPart, FlushProtocol, FlushReport, LockedRow,
    PartOutcome, PartReport,
};
pub use groups::{GroupKey, Groups};
pub use history::{History, LogMark, PatternHistory};
pub use moving::{NoPlace, Place, PlaceSearch, SOUGHT_MAX, Sought, is_copy};
pub use partition::{PartitionState, fingerprint_of};
pub use progress::{
    AwaitedEnd, Counters, Fingerprint, LogEnds, Position, Progress, Rules, TimeSkew,
};
pub use record::{Content, DeadLetter, Header, Record, RecordTime};
pub use replay::Replay;
pub use results::{Delta, MergedRows, ResultKind, ResultName};
pub use rewind::{GapReason, PatternGap, RuleHoldings, needed_after};
pub use subscribers::{
    DayGroup, SketchError, StoredSketch, SubscriberSketch, SubscriberUnion, Subscribers,
};
pub use timers::{ALERT_FLUSH_EVERY, Due, Timers};
pub use window::{QUARTER_MICROS, WINDOW_MICROS, Window, quarter_of};
