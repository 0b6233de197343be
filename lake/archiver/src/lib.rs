//! Keeps every event in a Delta table, exactly once, as a follower of the warehouse.
//!
//! No consumer group, and no state of its own: the table's log holds the positions, and one commit moves them
//! together with the files. What is decided stands in the crate `follower`, which is simulated; here it is
//! carried out.
//!
//! ```text
//!   table ── versions ─┐
//!                      ├─► follower ─► tasks ─► Kafka ─► rows ─► files ─┐
//!   PostgreSQL ─ rows ─┘                                               └─► one commit, or all is dropped
//! ```
//!
//! Reading order: `config` → `archive` (a round, and the loop around it) → `warehouse`, `source`, `table`,
//! `rows`, `files` → the commands.

#![allow(missing_docs, reason = "a program: no other crate reads its interface")]

mod archive;
mod compact;
mod config;
mod dates;
mod day;
mod erase;
mod erasures;
mod files;
mod gaps;
mod patience;
mod read;
mod reconcile;
mod rewrite;
mod rows;
mod small;
mod source;
mod standby;
mod status;
mod store;
mod subscribers;
mod table;
mod totals;
mod vacuum;
mod warehouse;

use std::process::ExitCode;

pub use config::Cli;
use config::Command;

/// Carries a command out.
///
/// # Errors
/// It failed, with the cause.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    store::register();
    match cli.command {
        Command::Run(args) => archive::run(*args).await,
        Command::Status(args) => status::run(args).await,
        Command::AcceptGap(args) => gaps::run(args).await,
        Command::Reconcile(args) => reconcile::run(args).await,
        Command::Day(args) => day::run(args).await,
        Command::Subscribers(args) => subscribers::run(args).await,
        Command::Compact(args) => compact::run(args).await,
        Command::Vacuum(args) => vacuum::run(args).await,
        Command::Erase(args) => erase::run(args).await,
    }
}
