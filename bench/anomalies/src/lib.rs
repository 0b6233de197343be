//! Scores the anomaly detector on traffic of which everything is known.
//!
//! ```text
//!   seed ─► labels: where spikes and drops are ─┐
//!     └───► world: the generator's counts ──────┴─► run: incidents ─► score ─► report, plot
//! ```
//!
//! The counts are those of the producer's own events, so people travel, sleep and celebrate in them. What
//! a detector must find is in the scenario that they are drawn from. Two rivals get the same counts:
//! see [`rivals`]. [`series`] and [`inject`] try the detector on counts that somebody measured, [`amounts`] on
//! faults that no count shows.

#![allow(missing_docs, reason = "a program: no other crate reads its interface")]

pub mod amounts;
pub mod full;
pub mod inject;
pub mod labels;
pub mod plot;
pub mod report;
pub mod rivals;
pub mod run;
pub mod score;
pub mod series;
pub mod weather;
pub mod world;
