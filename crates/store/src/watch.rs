//! Watches over a session that works for long: says who keeps it waiting, and ends the wait for an
//! answer that will never come.
//!
//! In: the session, and the work that uses it. Out: the work's result, or
//! [`StoreError::SessionLost`]. A client that waits for an answer hears nothing when the server has
//! been switched off, or when a firewall has forgotten the connection; so a second session asks.

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use sqlx::postgres::PgConnection;

use crate::{Session, StoreError, connect};

/// Work that lasts for less is not looked at. After it, one look follows the other at this distance.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// So many looks in a row that find nothing to tell the session alive by, and it is given up: an
/// answer may be on its way at the moment of a look.
const LOOKS_UNTIL_LOST: u32 = 4;

/// A session at the server.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct SessionId {
    pid: i32,
    /// Process ids come again; those of a moment don't. `None`: our role may not see it.
    backend_start: Option<DateTime<Utc>>,
}

/// Which session this is.
///
/// # Errors
/// A failed statement.
pub async fn session_id(connection: &mut PgConnection) -> Result<SessionId, StoreError> {
    let own = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    sqlx::query_as(own).fetch_one(connection).await.map_err(StoreError::sql("asking who we are"))
}

/// Does `work`, which waits for nothing but the answers of this session.
///
/// # Errors
/// Those of `work`, and [`StoreError::SessionLost`].
pub async fn watched<T, E: From<StoreError>>(
    database_url: &str,
    session: SessionId,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    watched_every(LOOK_EVERY, database_url, session, work).await
}

async fn watched_every<T, E: From<StoreError>>(
    pause: Duration,
    database_url: &str,
    session: SessionId,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::select! {
        biased;
        result = work => result,
        lost = watch(pause, database_url, session) => Err(lost.into()),
    }
}

/// Ends when the session is lost.
async fn watch(pause: Duration, database_url: &str, session: SessionId) -> StoreError {
    let started = Instant::now();
    let mut without_life = 0;
    while without_life < LOOKS_UNTIL_LOST {
        tokio::time::sleep(pause).await;
        match look(database_url, session).await {
            Ok(Some(seen)) if seen.is_at_work => {
                without_life = 0;
                if let Some(cause) = seen.waits_for() {
                    let seconds = started.elapsed().as_secs();
                    tracing::warn!(seconds, because = %cause, "the database has kept us waiting");
                }
            }
            // A server that answers, if only that it has no place for one more, is no reason.
            Err(error) if error.sqlstate().is_some() => {
                tracing::debug!(%error, "not looked at the session");
            }
            Ok(_) | Err(_) => without_life += 1,
        }
    }
    StoreError::SessionLost { pid: session.pid, waited: started.elapsed() }
}

/// What the server does for the session.
#[derive(Debug, FromRow)]
struct Seen {
    /// It carries out a statement of ours, or we may not see whether it does.
    is_at_work: bool,
    wait_event: Option<String>,
    blocking_pids: Vec<i32>,
}

impl Seen {
    fn waits_for(&self) -> Option<Cause<'_>> {
        match self.wait_event.as_deref() {
            Some("SyncRep") => Some(Cause::Standby),
            _ if !self.blocking_pids.is_empty() => Some(Cause::Lock(&self.blocking_pids)),
            _ => None,
        }
    }
}

enum Cause<'a> {
    Standby,
    Lock(&'a [i32]),
}

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Standby => f.write_str(
                "its COMMIT waits for a synchronous standby; bring that back, or take it out of \
                 synchronous_standby_names",
            ),
            Cause::Lock(pids) => write!(f, "a lock is held by another session, PID {pids:?}"),
        }
    }
}

async fn look(database_url: &str, session: SessionId) -> Result<Option<Seen>, StoreError> {
    let mut connection = connect(database_url, Session::Control).await?;
    sqlx::query_as(
        "SELECT COALESCE(state NOT LIKE 'idle%', TRUE) AS is_at_work, wait_event,
                pg_blocking_pids(pid) AS blocking_pids
         FROM pg_stat_activity WHERE pid = $1 AND backend_start IS NOT DISTINCT FROM $2",
    )
    .bind(session.pid)
    .bind(session.backend_start)
    .fetch_optional(&mut connection)
    .await
    .map_err(StoreError::sql("looking at the session"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
mod tests {
    use super::*;

    const OFTEN: Duration = Duration::from_millis(50);

    async fn session() -> (String, PgConnection, SessionId) {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = connect(&url, Session::Batch).await.unwrap();
        let id = session_id(&mut connection).await.unwrap();
        (url, connection, id)
    }

    #[tokio::test]
    async fn an_answer_that_never_comes_ends_the_wait() {
        let (url, mut connection, id) = session().await;
        // The session is there and does nothing: its answer has been lost on the way.
        let never = std::future::pending::<Result<(), StoreError>>();
        let error = watched_every(OFTEN, &url, id, never).await.unwrap_err();
        assert!(matches!(error, StoreError::SessionLost { pid, .. } if pid == id.pid), "{error}");
        // And the same when the server has ended it, and we were not told.
        sqlx::query("SELECT 1").execute(&mut connection).await.unwrap();
        drop(connection);
        let never = std::future::pending::<Result<(), StoreError>>();
        let error = watched_every(OFTEN, &url, id, never).await.unwrap_err();
        assert!(matches!(error, StoreError::SessionLost { .. }), "{error}");
    }

    /// A statement that takes longer than many looks.
    async fn work_for_long(connection: &mut PgConnection) -> Result<(), StoreError> {
        let slept = sqlx::query("SELECT pg_sleep(2)").execute(connection).await;
        slept.map(drop).map_err(StoreError::sql("sleeping"))
    }

    #[tokio::test]
    async fn a_statement_that_takes_long_is_waited_for() {
        let (url, mut connection, id) = session().await;
        watched_every(OFTEN, &url, id, work_for_long(&mut connection)).await.unwrap();
    }

    #[tokio::test]
    async fn a_session_that_may_not_be_looked_into_is_waited_for() {
        let (url, mut owner, id) = session().await;
        // The server keeps no account of what this session does.
        sqlx::query("SET track_activities = off").execute(&mut owner).await.unwrap();
        watched_every(OFTEN, &url, id, work_for_long(&mut owner)).await.unwrap();
        // Or the role that the user's sessions take on may not see those of the user.
        let user = format!("worker_of_{}", url.rsplit('/').next().unwrap());
        for statement in [
            format!("CREATE ROLE {user} LOGIN PASSWORD 'x'"),
            format!("CREATE ROLE {user}_role"),
            format!("GRANT {user}_role TO {user}"),
            format!("ALTER ROLE {user} SET role = {user}_role"),
        ] {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut owner).await.unwrap();
        }
        let url = url.replace("telecom_user:telecom_pass", &format!("{user}:x"));
        let mut connection = connect(&url, Session::Batch).await.unwrap();
        let id = session_id(&mut connection).await.unwrap();
        assert!(id.backend_start.is_none());
        watched_every(OFTEN, &url, id, work_for_long(&mut connection)).await.unwrap();
    }

    #[tokio::test]
    async fn what_keeps_a_session_waiting_is_told() {
        let (url, mut connection, id) = session().await;
        let mut other = connect(&url, Session::Batch).await.unwrap();
        let other_id = session_id(&mut other).await.unwrap();
        sqlx::query("SELECT pg_advisory_lock(1)").execute(&mut other).await.unwrap();
        let waiting = sqlx::query("SELECT pg_advisory_lock(1)").execute(&mut connection);
        let told = async {
            loop {
                let seen = look(&url, id).await.unwrap().unwrap();
                if let Some(cause) = seen.waits_for() {
                    return cause.to_string();
                }
            }
        };
        let told = tokio::select! {
            _ = waiting => panic!("the lock is held"),
            told = told => told,
        };
        assert!(told.contains(&other_id.pid.to_string()), "{told}");
    }
}
