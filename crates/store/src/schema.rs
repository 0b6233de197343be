//! The schema: its migrations, and the way here from the replaced system's tables.
//!
//! Knows the tables of all the others (`flush`, `day`), so none of them knows this one.

pub(crate) mod adopt;
mod locks;
pub(crate) mod migrate;
mod replaced;
mod tables;
