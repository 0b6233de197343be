//! Connections. Each is dedicated to one use and dropped on any error: no pool, so that a broken
//! or half-used session can't come back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::StoreError;

/// Opening a session may take this long. What listens there may be no PostgreSQL, or a wall that
/// swallows everything: then no answer ever comes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a session is for; decides its server-side timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// The flush: short statements, no wait for the disk at COMMIT. A flush lost by a crash of
    /// the server is lost together with its positions, so the records are read again.
    Flush,
    /// Short work beside the flush: reading positions, carrying out permissions.
    Control,
    /// The batcher, migrations and operators' commands: statements that may run for long.
    Batch,
}

impl Session {
    /// Settings that the server is given when the session starts.
    fn options(self) -> &'static [(&'static str, &'static str)] {
        // A process stopped inside its transaction would hold its locks for ever:
        // idle_in_transaction_session_timeout frees them. tcp_user_timeout and
        // client_connection_check_interval end sessions whose client has gone.
        match self {
            Session::Flush => &[
                ("timezone", "UTC"),
                ("default_transaction_isolation", "read committed"),
                ("synchronous_commit", "off"),
                ("idle_in_transaction_session_timeout", "5s"),
                ("lock_timeout", "5s"),
                ("statement_timeout", "15s"),
                ("tcp_user_timeout", "10s"),
                ("client_connection_check_interval", "5s"),
            ],
            Session::Control => &[
                ("timezone", "UTC"),
                ("default_transaction_isolation", "read committed"),
                ("idle_in_transaction_session_timeout", "5s"),
                ("lock_timeout", "5s"),
                ("statement_timeout", "15s"),
            ],
            Session::Batch => &[
                ("timezone", "UTC"),
                ("default_transaction_isolation", "read committed"),
                ("idle_in_transaction_session_timeout", "60s"),
                ("tcp_user_timeout", "60s"),
                ("client_connection_check_interval", "5s"),
            ],
        }
    }
}

/// User, host, port and database of a connection, for messages. Never the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Opens one session.
///
/// # Errors
/// [`StoreError::Address`], [`StoreError::Connect`], or [`StoreError::Encoding`] when the database
/// is not UTF-8.
pub async fn connect(database_url: &str, session: Session) -> Result<PgConnection, StoreError> {
    let options = PgConnectOptions::from_str(database_url)
        .map_err(StoreError::Address)?
        .application_name("telecom-pipeline")
        .options(session.options().iter().copied())
        .disable_statement_logging();
    let target = Target(format!(
        "{}@{}:{}/{}",
        options.get_username(),
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or("(default)"),
    ));
    let failed = |source| StoreError::Connect { target: target.clone(), source };
    let opening = async {
        let mut connection = PgConnection::connect_with(&options).await?;
        let found: String =
            sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut connection).await?;
        Ok((connection, found))
    };
    let (connection, found) = tokio::time::timeout(CONNECT_TIMEOUT, opening)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
        .map_err(failed)?;
    if found != "UTF8" {
        return Err(StoreError::Encoding { target, found });
    }
    Ok(connection)
}
