//! The turn to write: one for a database, taken as the first thing in a flush's transaction.
//!
//! Flushes touch the same sorted rows. Those that meet in row locks wake each other up row by row, and time out when many
//! wait; those that wait for a turn do it in one queue, before they hold anything. Nothing rests on it but
//! speed: a program of an older release has no turns, and a flush that has waited too long, or has no time to wait, goes
//! ahead without.

use std::time::{Duration, Instant};

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use tokio::sync::watch;

use crate::StoreError;

/// Tells those who wait for a turn that there is no time to wait, from another thread.
#[derive(Clone, Debug)]
pub struct Haste(watch::Sender<bool>);

impl Default for Haste {
    fn default() -> Self {
        Haste(watch::Sender::new(false))
    }
}

impl Haste {
    /// From now on nobody waits for a turn, or everybody does again.
    pub fn set(&self, is_on: bool) {
        self.0.send_replace(is_on);
    }

    pub(super) fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    async fn comes(&self) {
        // It fails only when no sender is left, and this is one.
        self.0.subscribe().wait_for(|is_on| *is_on).await.ok();
    }
}

/// How a flush's transaction was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// In its turn, for which it was waited so long.
    InTurn(Duration),
    /// Not at all: the turn was waited for so long in vain, or until there was no time. The connection is
    /// of no use any more.
    NotInTurn(Duration),
    /// Not at all, and nothing was asked: there is no time.
    NotAsked,
}

/// Begins a transaction in its turn.
pub(super) async fn begin_in_turn(
    connection: &mut PgConnection,
    haste: &Haste,
) -> Result<Begun, StoreError> {
    if haste.is_on() {
        return Ok(Begun::NotAsked);
    }
    let asked_at = Instant::now();
    let statements = sqlx::raw_sql(include_str!("queries/begin_in_turn.sql"));
    let asking = statements.fetch_all(connection);
    let answer = tokio::select! {
        answer = asking => answer,
        () = haste.comes() => return Ok(Begun::NotInTurn(asked_at.elapsed())),
    };
    let waited_seconds = |rows: Vec<PgRow>| match rows.last() {
        Some(row) => row.try_get::<f64, _>("waited_seconds"),
        None => Err(sqlx::Error::RowNotFound),
    };
    match answer.and_then(waited_seconds) {
        // A clock that was set back makes of a wait less than nothing.
        Ok(seconds) => Ok(Begun::InTurn(Duration::try_from_secs_f64(seconds).unwrap_or_default())),
        Err(error) => match StoreError::sql("waiting for the turn to write")(error) {
            error if error.is_lock_timeout() => Ok(Begun::NotInTurn(asked_at.elapsed())),
            error => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::Session;

    #[test]
    fn after_the_wait_the_session_s_own_timeouts_hold_again() {
        let statements = include_str!("queries/begin_in_turn.sql");
        let (_, afterwards) = statements.split_once("pg_advisory_xact_lock").expect("it is there");
        for (name, value) in Session::Flush.own_options() {
            if matches!(*name, "lock_timeout" | "statement_timeout") {
                let setting = format!("SET LOCAL {name} = '{value}';");
                assert!(afterwards.contains(&setting), "{setting}");
            }
        }
        assert_eq!(afterwards.matches("SET LOCAL").count(), 2);
    }
}
