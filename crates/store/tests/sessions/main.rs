//! Sessions on a real PostgreSQL, by the ways that operators give them: IPv6, a socket, a connection
//! pooler, a standby, a database that nobody has set up yet, or for which somebody has set a lot.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod addresses;
mod first_steps;
mod hostile;
mod pooler;

use std::error::Error;

/// The error and its causes, as programs print them.
fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
