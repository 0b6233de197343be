//! The generator: realistic telecom events, and what a pipeline must make of them. A pure function of
//! its [`Draft`]: it reads no clock and does no IO but that of the writer it is given.
//!
//! ```text
//!   seed ─► streams ─► generator ─► schedule ─► records, each with the time at which it is due
//!                          ▲          ▲ └──► truth
//!            scenario, curve,       faults
//!            people, places,
//!            balances: which
//!            events there are
//! ```
//!
//! Reading order: [`scenario`] (the figures), `random` (why every subscriber and second can be drawn
//! alone), [`curve`] and [`arrivals`] (when events happen, and to whom), [`acts`] (calls and messages with both
//! sides), `people`, `places`, `balance`
//! (who that is), [`generator`] (what happens), [`schedule`] (what goes wrong), [`truth`] (what a pipeline
//! must make of it).

pub mod acts;
pub mod arrivals;
mod attempt;
mod balance;
mod cast;
mod cast_days;
mod counts;
pub mod curve;
mod distribution;
mod draft;
#[cfg(test)]
mod fit;
pub mod generator;
pub mod instant;
mod lives;
mod malformed;
mod people;
mod permutation;
mod places;
mod random;
pub mod scenario;
pub mod schedule;
mod shard;
#[cfg(test)]
mod testing;
mod today;
pub mod towers;
pub mod truth;
mod weather;
mod world;

pub use crate::draft::Draft;
pub use crate::generator::Generator;
pub use crate::shard::Shard;
