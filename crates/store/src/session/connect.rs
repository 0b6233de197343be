//! Connections. Each is dedicated to one use and dropped on any error: no pool, so that a broken
//! or half-used session can't come back.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::session::address::{Address, Wanted};
use crate::{ServerError, StoreError, Target};

/// Opening a session may take this long. What listens there may be no PostgreSQL, or a wall that
/// swallows everything: then no answer ever comes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The least that each of several servers is given of it.
const CONNECT_TIMEOUT_OF_MANY: Duration = Duration::from_secs(2);

/// First and longest pause between two attempts of [`connect_within`].
const CONNECT_RETRY_FIRST: Duration = Duration::from_millis(100);
const CONNECT_RETRY_CAP: Duration = Duration::from_secs(2);

/// What a session is for; decides its server-side timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// The flush: short statements. What COMMIT waits for is [`SynchronousCommit`](crate::SynchronousCommit).
    Flush,
    /// Short work beside the flush: reading positions, carrying out permissions.
    Control,
    /// The batcher, migrations and operators' commands: statements that may run for long.
    Batch,
}

impl Session {
    /// Settings of its own, besides those of every session.
    pub(crate) fn own_options(self) -> &'static [(&'static str, &'static str)] {
        // A process stopped inside its transaction would hold its locks for ever:
        // idle_in_transaction_session_timeout frees them. tcp_user_timeout and
        // client_connection_check_interval end sessions whose client has gone.
        match self {
            Session::Flush => &[
                // Until the flusher is told otherwise.
                ("synchronous_commit", "off"),
                ("idle_in_transaction_session_timeout", "5s"),
                ("lock_timeout", "5s"),
                ("statement_timeout", "15s"),
                ("tcp_user_timeout", "10s"),
                ("client_connection_check_interval", "5s"),
            ],
            Session::Control => &[
                ("idle_in_transaction_session_timeout", "5s"),
                ("lock_timeout", "5s"),
                ("statement_timeout", "15s"),
            ],
            Session::Batch => &[
                // A limit that a role has for its users' queries is not meant for a night's run.
                ("lock_timeout", "0"),
                ("statement_timeout", "0"),
                ("idle_in_transaction_session_timeout", "60s"),
                ("tcp_user_timeout", "60s"),
                ("client_connection_check_interval", "5s"),
            ],
        }
    }
}

/// Settings that every session is given at its start, whatever role, database and server have.
const OPTIONS: [(&str, &str); 8] = [
    // Compiling a statement takes PostgreSQL half a second, longer than any of ours gains by it.
    ("jit", "off"),
    ("timezone", "UTC"),
    ("default_transaction_isolation", "read committed"),
    // A policy on a table of ours would hide rows without a word, and figures would lack them: a
    // statement that such a policy would bear upon fails instead.
    ("row_security", "off"),
    // A session may rest between two flushes for as long as it likes.
    ("idle_session_timeout", "0"),
    // Firewalls forget connections on which nothing goes for some minutes, as while a statement
    // runs for long: the server's probes keep them, and tell it of a client that has gone.
    ("tcp_keepalives_idle", "60"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "6"),
];

/// Opens one session, with the first server of the address that will do.
///
/// # Errors
/// [`StoreError::Address`]; [`StoreError::Connect`]; [`StoreError::NoServer`] when the address names
/// several and none will do; [`StoreError::Encoding`] when the database is not UTF-8.
pub async fn connect(database_url: &str, session: Session) -> Result<PgConnection, StoreError> {
    let address = Address::parse(database_url).map_err(StoreError::Address)?;
    match first_usable(&address, address.wanted, session).await {
        Err(StoreError::NoServer { .. }) if address.wanted == Wanted::PreferStandby => {
            first_usable(&address, Wanted::Any, session).await
        }
        result => result,
    }
}

/// Tries the servers one after another.
async fn first_usable(
    address: &Address,
    wanted: Wanted,
    session: Session,
) -> Result<PgConnection, StoreError> {
    let count = u32::try_from(address.servers.len()).unwrap_or(u32::MAX);
    // A server that has vanished must not use up the time of the one that has taken over.
    let timeout = (CONNECT_TIMEOUT / count).max(CONNECT_TIMEOUT_OF_MANY);
    let mut objections = Vec::new();
    for server in &address.servers {
        let target = Target::of(server);
        let objection = match connect_to(server, session, timeout).await {
            Ok((connection, found)) => match wanted.objection(found.is_standby, found.is_read_only)
            {
                None => return found.checked(connection, target),
                Some(objection) => objection.to_owned(),
            },
            // A wrong login is wrong everywhere; asking on might lock the account.
            Err(error) if address.servers.len() == 1 || is_login_refused(&error) => {
                return Err(StoreError::Connect { target, source: error.into() });
            }
            Err(error) => ServerError::from(error).to_string(),
        };
        objections.push(format!("{target}: {objection}"));
    }
    let target = address.target();
    Err(StoreError::NoServer { target, wanted: wanted.to_string(), found: objections.join("; ") })
}

/// Class 28 of SQLSTATE: invalid authorization.
fn is_login_refused(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|answer| answer.code());
    code.is_some_and(|code| code.starts_with("28"))
}

/// Opens a session with this server.
async fn connect_to(
    server: &PgConnectOptions,
    session: Session,
    timeout: Duration,
) -> Result<(PgConnection, Found), sqlx::Error> {
    let options = server
        .clone()
        .application_name("telecom-pipeline")
        // A connection pooler refuses what it does not know, so the session is set up afterwards.
        .extra_float_digits(None)
        .disable_statement_logging();
    let opening = async {
        let mut connection = PgConnection::connect_with(&options).await?;
        let found = set_up(&mut connection, session).await?;
        Ok((connection, found))
    };
    tokio::time::timeout(timeout, opening)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

/// What a server says of itself.
#[derive(sqlx::FromRow)]
struct Found {
    encoding: String,
    is_standby: bool,
    is_read_only: bool,
}

impl Found {
    fn checked(self, connection: PgConnection, target: Target) -> Result<PgConnection, StoreError> {
        match self.encoding.as_str() {
            "UTF8" => Ok(connection),
            _ => Err(StoreError::Encoding { target, found: self.encoding }),
        }
    }
}

/// Gives a new session its settings, and answers with what the server says of itself.
async fn set_up(connection: &mut PgConnection, session: Session) -> Result<Found, sqlx::Error> {
    let options = OPTIONS.iter().chain(session.own_options()).copied();
    let (names, values): (Vec<&str>, Vec<&str>) = options.unzip();
    sqlx::query_as(
        "SELECT current_setting('server_encoding') AS encoding,
                pg_is_in_recovery() AS is_standby,
                current_setting('transaction_read_only')::boolean AS is_read_only,
                COUNT(set_config(name, value, false))
         FROM unnest($1::text[], $2::text[]) AS settings (name, value)",
    )
    .bind(names)
    .bind(values)
    .fetch_one(connection)
    .await
}

/// The same for a program that starts: tries again for up to `wait` while that can help.
///
/// # Errors
/// Those of [`connect`], at the last attempt.
pub async fn connect_within(
    database_url: &str,
    session: Session,
    wait: Duration,
) -> Result<PgConnection, StoreError> {
    let deadline = Instant::now() + wait;
    let mut pause = CONNECT_RETRY_FIRST;
    loop {
        match connect(database_url, session).await {
            Err(error) if error.is_retryable() && Instant::now() < deadline => {
                tracing::debug!(%error, "no database yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(CONNECT_RETRY_CAP);
            }
            result => return result,
        }
    }
}
