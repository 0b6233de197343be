//! Waiting for tables that are in use, without keeping others from them.
//!
//! A change of the schema needs a table for itself. While it waits for a reader to end, everybody
//! who comes later waits behind it. So it waits for a moment only, gives up, lets the others pass,
//! says who holds the table, and tries again.

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, Instant};

use sqlx::FromRow;
use sqlx::postgres::PgConnection;

use super::tables::our_tables;
use crate::{ServerError, StoreError};

/// How long one try waits for a lock, and with it everybody behind it (PostgreSQL's notation).
const SET_LOCK_TIMEOUT: &str = "SET lock_timeout = '500ms'";
/// Between two tries, for those who waited behind.
const PAUSE: Duration = Duration::from_secs(2);
/// So long it is tried. Who holds a table for longer has to be asked, or ended.
const PATIENCE: Duration = Duration::from_secs(120);
/// Lock not available: `lock_timeout` has passed.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Does `work`, which changes the schema, again and again until it gets its locks.
///
/// # Errors
/// [`StoreError::TablesInUse`] after two minutes, and those of `work`.
pub(super) async fn with_short_lock_waits<T>(
    connection: &mut PgConnection,
    work: impl AsyncFn(&mut PgConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        run(connection, SET_LOCK_TIMEOUT).await?;
        match work(connection).await {
            Err(error) if is_lock_timeout(&error) => {}
            Ok(done) => {
                // As a session for long work has it, whatever its role has.
                run(connection, "SET lock_timeout = 0").await?;
                return Ok(done);
            }
            failed => return failed,
        }
        // The migrations' own lock outlives a failure.
        run(connection, "SELECT pg_advisory_unlock_all()").await?;
        let holders = Holders(holders(connection).await?);
        if Instant::now() >= deadline {
            return Err(StoreError::TablesInUse { waited: PATIENCE, holders: holders.to_string() });
        }
        tracing::warn!(retry_in = ?PAUSE, because = %holders, "the schema can't be changed yet");
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_lock_timeout(error: &StoreError) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        let server_error = error.downcast_ref::<ServerError>();
        let database_error = server_error.and_then(|error| error.as_database_error());
        if database_error.and_then(|error| error.code()).as_deref() == Some(LOCK_NOT_AVAILABLE) {
            return true;
        }
        cause = error.source();
    }
    false
}

async fn run(connection: &mut PgConnection, statement: &'static str) -> Result<(), StoreError> {
    let done = sqlx::query(statement).execute(connection).await;
    done.map(|_| ()).map_err(StoreError::sql("preparing a change of the schema"))
}

/// A session that holds one of our tables.
#[derive(FromRow)]
struct Holder {
    table_name: String,
    pid: i32,
    user_name: Option<String>,
    application: Option<String>,
    /// How long its transaction has lasted; `None`: our role may not see that.
    seconds: Option<i64>,
}

struct Holders(Vec<Holder>);

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("another program was changing it, or using a table for a moment");
        }
        for (index, holder) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} is used by session {}", holder.table_name, holder.pid)?;
            write!(f, " of {}", holder.user_name.as_deref().unwrap_or("an unknown user"))?;
            if let Some(application) = holder.application.as_ref().filter(|name| !name.is_empty()) {
                write!(f, " ({application})")?;
            }
            if let Some(seconds) = holder.seconds {
                write!(f, ", whose transaction has lasted for {seconds} s")?;
            }
        }
        Ok(())
    }
}

async fn holders(connection: &mut PgConnection) -> Result<Vec<Holder>, StoreError> {
    sqlx::query_as(include_str!("queries/table_holders.sql"))
        .bind(our_tables())
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("asking who uses the tables"))
}
