//! The shared language of the pipeline: what an event is, how it looks as JSON, and the exact
//! numbers and times made from it.
//!
//! In: bytes of one Kafka record. Out: an [`EventView`] that borrows from them, or a [`Dead`] that
//! says why the record can't be used. Nothing here does IO, reads a clock or draws a random number.
//!
//! Keeps I-5 (exact sums): numbers are read from their decimal text into integers, never through
//! floating point.

mod chunk;
mod dead;
mod decimal;
mod decode;
mod encode;
mod event;
mod field;
mod frame;
mod mask;
mod object;
mod reader;
mod span;
mod text;
mod time;
mod unfamiliar;
mod unit_mixup;

pub use dead::{Dead, DeadReason, visible};
pub use decode::{EventView, WholeEvent, decode, decode_whole};
pub use event::{Direction, Event, EventType};
pub use frame::needs_schema;
pub use mask::{mask_payload, mask_text};
pub use text::LazyText;
pub use time::{EventTime, MICROS_PER_SECOND};

/// Micro-units (10⁻⁶) in one unit: megabytes and tenge are counted in these.
pub const MICROS_PER_UNIT: i64 = 1_000_000;
