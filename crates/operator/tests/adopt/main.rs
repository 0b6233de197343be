//! The replaced system's tables on a real PostgreSQL: recognised, refused, adopted as a whole or not
//! at all.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod adopted;
mod afterwards;
mod support;
mod whole_or_not;
