//! Connections. Each is dedicated to one use and dropped on any error: no pool, so that a broken
//! or half-used session can't come back.

use std::str::FromStr;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use crate::{StoreError, Target};

/// Opening a session may take this long. What listens there may be no PostgreSQL, or a wall that
/// swallows everything: then no answer ever comes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// First and longest pause between two attempts of [`connect_within`].
const CONNECT_RETRY_FIRST: Duration = Duration::from_millis(100);
const CONNECT_RETRY_CAP: Duration = Duration::from_secs(2);

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
    /// Settings of its own, besides those of every session.
    fn own_options(self) -> &'static [(&'static str, &'static str)] {
        // A process stopped inside its transaction would hold its locks for ever:
        // idle_in_transaction_session_timeout frees them. tcp_user_timeout and
        // client_connection_check_interval end sessions whose client has gone.
        match self {
            Session::Flush => &[
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
const OPTIONS: [(&str, &str); 7] = [
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

/// Options of an address that the driver knows.
const KNOWN_OPTIONS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Reads an address. One that is mistyped so that a part of its password would be taken for a host,
/// a database or an option is refused: messages show these.
fn parse_address(database_url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| database_url.strip_prefix(scheme))
        .ok_or_else(|| sqlx::Error::Configuration("it does not begin with postgres://".into()))?;
    // The first of these ends user, password, host and port; in a password they are written %2F, …
    let is_at_expected = match (rest.find(['/', '?', '#']), rest.rfind('@')) {
        (Some(end), Some(at)) => at < end,
        _ => true,
    };
    if !is_at_expected {
        let problem =
            "after the first `/`, `?` or `#` comes an `@`: write them as %2F, %3F, %23, %40";
        return Err(sqlx::Error::Configuration(problem.into()));
    }
    let options = PgConnectOptions::from_str(&without_unknown_options(database_url))?;
    // An address of IPv6 stands in brackets in a URL alone; the driver would look for such a name.
    let literal = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Ok(match literal.map(str::to_owned) {
        Some(address) => options.host(&address),
        None => options,
    })
}

/// Leaves out what the driver does not know, and says so: the driver would log the values as well.
fn without_unknown_options(database_url: &str) -> String {
    let Some((address, options)) = database_url.split_once('?') else {
        return database_url.to_owned();
    };
    let is_known = |option: &&str| {
        let name = option.split('=').next().unwrap_or_default();
        let is_known = KNOWN_OPTIONS.contains(&name) || name.starts_with("options[");
        if !is_known {
            tracing::warn!("DATABASE_URL: the option `{name}` is not known here, and is ignored");
        }
        is_known
    };
    format!("{address}?{}", options.split('&').filter(is_known).collect::<Vec<_>>().join("&"))
}

/// Opens one session.
///
/// # Errors
/// [`StoreError::Address`], [`StoreError::Connect`], or [`StoreError::Encoding`] when the database
/// is not UTF-8.
pub async fn connect(database_url: &str, session: Session) -> Result<PgConnection, StoreError> {
    let options = parse_address(database_url)
        .map_err(StoreError::Address)?
        .application_name("telecom-pipeline")
        // A connection pooler refuses what it does not know, so the session is set up afterwards.
        .extra_float_digits(None)
        .disable_statement_logging();
    let target = Target::of(&options);
    let failed =
        |source: sqlx::Error| StoreError::Connect { target: target.clone(), source: source.into() };
    let opening = async {
        let mut connection = PgConnection::connect_with(&options).await?;
        let found = set_up(&mut connection, session).await?;
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

/// Gives a new session its settings, and answers with the encoding of the database.
async fn set_up(connection: &mut PgConnection, session: Session) -> Result<String, sqlx::Error> {
    let options = OPTIONS.iter().chain(session.own_options()).copied();
    let (names, values): (Vec<&str>, Vec<&str>) = options.unzip();
    let (encoding, _): (String, i64) = sqlx::query_as(
        "SELECT current_setting('server_encoding'), COUNT(set_config(name, value, false))
         FROM unnest($1::text[], $2::text[]) AS settings (name, value)",
    )
    .bind(names)
    .bind(values)
    .fetch_one(connection)
    .await?;
    Ok(encoding)
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
                tracing::debug!("no database yet: {error}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(CONNECT_RETRY_CAP);
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_the_driver_does_not_know_are_left_out() {
        for (options, expected) in [
            ("sslmode=require", "sslmode=require"),
            ("sslpassword=hunter2&sslmode=require&x", "sslmode=require"),
            ("options=-crole%3Dme", "options=-crole%3Dme"),
        ] {
            let url = |options: &str| format!("postgres://host/db?{options}");
            assert_eq!(without_unknown_options(&url(options)), url(expected));
        }
    }

    #[test]
    fn messages_name_the_place_that_is_connected_to() {
        for (url, place) in [
            ("postgres://me:x@host/db", "me@host:5432/db"),
            ("postgres://me:x@[::1]:6/db", "me@[::1]:6/db"),
            ("postgres://me:x@[fd00::1]/db", "me@[fd00::1]:5432/db"),
            ("postgres://me@%2Frun%2Fpg:6/db", "me@/run/pg/.s.PGSQL.6/db"),
            ("postgres:///db?host=/run/pg&user=me", "me@/run/pg/.s.PGSQL.5432/db"),
        ] {
            assert_eq!(Target::of(&parse_address(url).unwrap()).to_string(), place, "{url}");
        }
        assert_eq!(parse_address("postgres://me@[::1]/db").unwrap().get_host(), "::1");
    }

    #[test]
    fn an_address_whose_password_would_end_up_elsewhere_is_refused_without_showing_it() {
        for (url, is_usable) in [
            ("postgres://me:hunter2@host:5432/db", true),
            ("postgresql://me:hunter2@host/db?sslmode=require", true),
            ("postgres://host/db", true),
            ("postgres://me:hunter%2F2%40@host/db", true),
            ("postgres:me:hunter2@host/db", false),
            ("mysql://me:hunter2@host/db", false),
            ("me:hunter2@host/db", false),
            ("", false),
            ("postgres://me:1/hunter2@host/db", false),
            ("postgres://me:1?hunter2@host/db", false),
            ("postgres://me:1#hunter2@host/db", false),
            ("postgres://me:hunter2@host:port/db", false),
        ] {
            match parse_address(url) {
                Ok(_) => assert!(is_usable, "{url}"),
                Err(error) => {
                    assert!(!is_usable, "{url}: {error}");
                    let shown = format!("{error} {error:?}");
                    assert!(!shown.contains("hunter2"), "{shown}");
                }
            }
        }
    }
}
