//! The batcher on a real PostgreSQL: the library's functions and the program itself. One test
//! program, so that all of it shares one server.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod backfill;
mod cli;
mod completeness;
mod concurrency;
mod figures;
mod foreign_rows;
mod from_lake;
mod kills;
mod late;
mod lifecycle;
mod report;
mod stale;
mod states;
mod support;
mod users_queries;
mod validation;
