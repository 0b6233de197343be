//! What the driver or the server says when something fails, in words for whoever reads a log.
//!
//! In: the driver's error. Out: the same, without the line of the server's own source that the driver
//! adds ("at line 647"), and with the cure where the answer is a connection pooler's.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

use sqlx::postgres::PgDatabaseError;

/// SQLSTATEs of a prepared statement that another client has made on the same server connection, or
/// that was made on another one: what happens behind a pooler that lends connections by transaction.
const LENT_BY_TRANSACTION: [&str; 2] = ["42P05", "26000"];

/// A failure of the server or of the way to it.
#[derive(Debug)]
pub struct ServerError(sqlx::Error);

impl ServerError {
    /// The five characters that say what kind of failure it is; `None`: it is not the server's answer.
    pub(crate) fn sqlstate(&self) -> Option<&str> {
        self.answer().map(PgDatabaseError::code)
    }

    /// The server's function that refused: its name is the same in every language.
    pub(crate) fn routine(&self) -> Option<&str> {
        self.answer()?.routine()
    }

    fn answer(&self) -> Option<&PgDatabaseError> {
        self.0.as_database_error()?.try_downcast_ref()
    }
}

impl From<sqlx::Error> for ServerError {
    fn from(error: sqlx::Error) -> Self {
        ServerError(error)
    }
}

impl Deref for ServerError {
    type Target = sqlx::Error;

    fn deref(&self) -> &sqlx::Error {
        &self.0
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(answer) = self.0.as_database_error() else { return self.0.fmt(f) };
        write!(f, "error returned from database: {}", answer.message())?;
        match pooler_cure(answer.code().as_deref(), answer.message()) {
            Some(cure) => write!(f, "; {cure}"),
            None => Ok(()),
        }
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            // Its message is in ours.
            sqlx::Error::Database(_) => None,
            other => other.source(),
        }
    }
}

/// What to do when this answer is a connection pooler's.
fn pooler_cure(code: Option<&str>, message: &str) -> Option<&'static str> {
    if message.contains("unsupported startup parameter") {
        return Some(
            "a connection pooler refuses it: leave it out of DATABASE_URL, or name it in \
             ignore_startup_parameters of pgbouncer.ini",
        );
    }
    LENT_BY_TRANSACTION.contains(&code?).then_some(
        "a connection pooler lends connections by transaction or statement: these programs need \
         pool_mode = session, or the server itself",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_a_pooler_are_recognised() {
        for (code, message, cure) in [
            (Some("08P01"), "unsupported startup parameter: options", Some("ignore_startup")),
            (Some("42P05"), "prepared statement \"sqlx_s_1\" already exists", Some("= session")),
            (Some("26000"), "prepared statement \"sqlx_s_1\" does not exist", Some("= session")),
            (Some("42601"), "syntax error", None),
            (None, "", None),
        ] {
            let found = pooler_cure(code, message);
            assert_eq!(found.is_some(), cure.is_some(), "{message}");
            assert!(found.unwrap_or_default().contains(cure.unwrap_or_default()), "{message}");
        }
    }
}
