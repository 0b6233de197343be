//! The batcher on a real PostgreSQL: the library's functions and the program itself. One test
//! program, so that all of it shares one server.

mod cli;
mod completeness;
mod concurrency;
mod figures;
mod foreign_rows;
mod support;
mod users_queries;
mod validation;
