//! Distinct subscribers on a real PostgreSQL: what flushes merge into `subscriber_sketches`, and what
//! a day's rows get from there.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod days;
mod flushes;
mod support;
