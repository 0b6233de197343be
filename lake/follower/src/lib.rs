//! What a follower of the warehouse decides: given how far the warehouse has counted and how far the lake has
//! come, it says what to read, whether what was read is what the warehouse counted, and what to commit.
//!
//! In: rows of the warehouse from one snapshot, the lake's versions from another, records in the order of their
//! partitions. Out: a [`Plan`], a judgement of each [`Reading`], the versions that a commit stores, or a [`Halt`].
//! Nothing here does IO or reads a clock, so the code that runs is the code that is simulated.
//!
//! ```text
//!   warehouse rows ─┐
//!                   ├─► Follower::plan ─► moves ───────────────────────────┐
//!   lake versions ──┘                 └─► Task ─► Reading ─ records ─► Reached ─► one commit
//!                                                    └─► Trouble ─► drop all, plan again without it
//! ```
//!
//! Reading order: `reached` (what the lake knows) → `plan` → `reading` → `halt` → `open_dates`.
//!
//! Keeps I-11: of every generation, the lake's rows are the events that the warehouse counted before the lake's
//! position, each once; what is missing was accepted by an operator and is named.

mod halt;
mod open_dates;
mod plan;
mod reached;
mod reading;

pub use halt::{Accepted, Halt, Passing, Resume, Trouble};
pub use open_dates::{OpenDates, Room};
pub use plan::{Follower, Plan, Row, Task};
pub use reached::{Counted, Key, Mark, Reached, Versions};
pub use reading::{Reading, Seen};
