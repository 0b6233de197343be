//! Brings the schema up to date, and does no DDL at all when it already is: a least-privilege role
//! must be able to start the programs.

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

use crate::StoreError;

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// Names that a first migration would create; each must not exist before it.
const OUR_TABLES: [&str; 8] = [
    "gaps",
    "settings",
    "stream_progress",
    "real_time_metrics",
    "late_metrics",
    "dead_letters",
    "day_ledger",
    "daily_stats",
];

/// How the database's schema compares with this program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// The same.
    Current,
    /// Empty, or an older version of ours.
    Behind,
}

/// Compares the schema with this program's, by reading alone.
///
/// # Errors
/// [`StoreError::ForeignTables`] when tables of our names exist that we did not make,
/// [`StoreError::SchemaTooNew`], or a failed statement.
pub async fn schema_state(connection: &mut PgConnection) -> Result<SchemaState, StoreError> {
    let reading = "reading the schema's version";
    let has_history: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&mut *connection)
            .await
            .map_err(StoreError::sql(reading))?;
    if !has_history {
        let foreign: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL",
        )
        .bind(&OUR_TABLES[..])
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::sql(reading))?;
        if !foreign.is_empty() {
            return Err(StoreError::ForeignTables(foreign.join(", ")));
        }
        return Ok(SchemaState::Behind);
    }
    let applied: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::sql(reading))?;
    let known: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    if let Some(unknown) = applied.iter().find(|version| !known.contains(version)) {
        return Err(StoreError::SchemaTooNew(*unknown));
    }
    Ok(if applied == known { SchemaState::Current } else { SchemaState::Behind })
}

/// Applies what is missing. Safe when several programs do it at once: sqlx holds an advisory lock.
///
/// # Errors
/// Those of [`schema_state`], and [`StoreError::NeedsMigration`] when the role may not change the
/// schema.
pub async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    if schema_state(connection).await? == SchemaState::Current {
        return Ok(());
    }
    let failed = |error| StoreError::NeedsMigration(Some(Box::new(error)));
    MIGRATOR.run(&mut *connection).await.map_err(failed)?;
    tracing::info!("the database schema is up to date");
    Ok(())
}

/// Fails unless the schema is current; changes nothing.
///
/// # Errors
/// Those of [`schema_state`], and [`StoreError::NeedsMigration`].
pub async fn ensure_schema(connection: &mut PgConnection) -> Result<(), StoreError> {
    match schema_state(connection).await? {
        SchemaState::Current => Ok(()),
        SchemaState::Behind => Err(StoreError::NeedsMigration(None)),
    }
}
