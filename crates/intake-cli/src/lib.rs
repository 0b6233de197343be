//! The program `intake`: files and raw topics into the topic of events, exactly once.
//!
//! ```text
//!   folder ─► files ─┐                          ┌─► topic of events
//!                    ├─► intake::feed ─► sender ─┤   one Kafka transaction
//!   raw topic ───────┘                          └─► journal: positions, sessions; or offsets of the raw topic
//! ```
//!
//! Reading order: `config` (what can be asked for), `session` (a run) and `life` (a life of the sender, from its journal on), `files` and
//! `raw` (the two sources), `sender` (transactions), `journal` (what is known of former lives).
//!
//! A life begins with `init_transactions`: whoever used the name before is fenced, and what it had under way is done with.
//! Only then is the journal read, to its end and committed records alone. After any failure the life ends and the next one
//! begins in the same way; nothing that was known before is trusted.

#![allow(missing_docs, reason = "a program: no other crate reads its interface")]

mod config;
mod files;
mod inspect;
mod journal;
mod life;
mod metrics;
mod raw;
mod sender;
mod session;

use std::process::ExitCode;

pub use crate::config::Cli;
use crate::config::Command;
pub use crate::metrics::METRICS;

/// Does what the command line asks for, until it is done or `shutdown` completes.
///
/// # Errors
/// What was tried, with the way out.
pub async fn carry_out(cli: Cli, shutdown: impl Future<Output = ()>) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Check(args) => inspect::check(&args),
        Command::Profile(args) => inspect::profile(&args),
        Command::Pseudonym(args) => inspect::pseudonyms(&args),
        Command::Status(args) => inspect::status(&args).await,
        Command::Run(args) => session::run(*args, shutdown).await,
    }
}
