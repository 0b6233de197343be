//! An operator's own records into events of the contract.
//!
//! ```text
//!   file ─► content ─► rows ─► mapper ─► event, or not mapped ─► sink
//!             │          │        ▲
//!             │          │        └ mapping (TOML), sessions
//!             └ positions└ how far it was read
//! ```
//!
//! In: bytes, a [`Mapping`], what was written before. Out: events, rows that can't be mapped, and positions that belong
//! to them. Nothing here knows Kafka, reads a clock or opens a file: who calls does, so that a simulation can be the
//! caller too.
//!
//! Keeps I-5 (numbers are read into integers), I-6 (a row, a batch and what is remembered are bounded) and I-7: each row
//! is an event, left out for a reason that is counted, or a dead letter.

mod check;
mod counts;
mod decimal;
mod event;
mod fault;
mod feed;
mod form;
mod late;
mod mapper;
mod mapping;
mod mask;
mod moment;
mod not_mapped;
mod number;
mod positions;
mod profiles;
mod reader;
mod row;
mod sessions;

pub use check::{Check, SESSIONS_MAX};
pub use counts::{Counts, Note};
pub use event::MappedEvent;
pub use fault::Fault;
pub use feed::{
    BATCH_ROWS_MAX, Done, FeedError, Progress, Sink, Taking, Write, WriteKey, feed, session_writes,
    take_record, take_row,
};
pub use late::{DELAYS, Lateness};
pub use mapper::{Mapper, Outcome, REGION_ABROAD, REGION_UNKNOWN};
pub use mapping::{Mapping, MappingError};
pub use positions::{Known, Position, Standing, Track};
pub use profiles::{PROFILES, Profile};
pub use reader::{ROW_BYTES_MAX, RawRow, RowReader, places, places_of_topic};
pub use row::{Places, Row};
pub use sessions::{SessionChange, Sessions};
