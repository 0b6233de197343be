//! Brings the schema up to date, and does no DDL at all when it already is: a least-privilege role
//! must be able to start the programs.
//!
//! A schema that is newer than the program is usable while every later migration says so in
//! `schema_compatibility`; so releases N and N − 1 run beside each other.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnection;

use super::locks::with_short_lock_waits;
use super::replaced::{ReplacedTable, replaced_tables};
use super::tables::our_tables;
use crate::{ServerError, StoreError};

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// How the database's schema compares with this program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// The same, or a newer one on which this program may run.
    Current,
    /// An older version of ours.
    Behind,
    /// There is nothing of ours.
    Absent,
}

/// What the database holds.
#[derive(Debug)]
pub(super) enum Schema {
    /// Nothing, or our tables.
    Ours(SchemaState),
    /// Tables of the replaced system, and nothing else of our names.
    Replaced(Vec<&'static ReplacedTable>),
}

/// Compares the schema with this program's, by reading alone.
///
/// # Errors
/// [`StoreError::ReplacedSystem`] when the replaced system's tables are there,
/// [`StoreError::ForeignTables`] when tables of our names exist that we did not make,
/// [`StoreError::SchemaTooNew`], or a failed statement.
pub async fn schema_state(connection: &mut PgConnection) -> Result<SchemaState, StoreError> {
    match examine_schema(connection).await? {
        Schema::Ours(state) => Ok(state),
        Schema::Replaced(tables) => {
            let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
            Err(StoreError::ReplacedSystem(names.join(", ")))
        }
    }
}

/// The same, with the replaced system's tables as a finding.
pub(super) async fn examine_schema(connection: &mut PgConnection) -> Result<Schema, StoreError> {
    let reading = "reading the schema's version";
    // Our tables never exist without the history, so the tables are read first: another program
    // that migrates in between must not make them look foreign.
    let existing: Vec<String> = sqlx::query_scalar(include_str!("queries/existing_tables.sql"))
        .bind(our_tables())
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::sql(reading))?;
    let replaced = replaced_tables(connection).await?;
    let has_history: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&mut *connection)
            .await
            .map_err(StoreError::sql(reading))?;
    if has_history {
        return compare_history(connection).await.map(Schema::Ours);
    }
    let is_replaced = |name: &String| replaced.iter().any(|table| table.name == name);
    let foreign: Vec<String> = existing.into_iter().filter(|name| !is_replaced(name)).collect();
    // Ours may stand where this session does not look, and what belongs to them in the schema persons.
    if replaced.is_empty() && foreign.iter().all(|name| name.starts_with("persons.")) {
        ensure_nowhere_else(connection).await?;
    }
    if !foreign.is_empty() {
        return Err(StoreError::ForeignTables(foreign.join(", ")));
    }
    Ok(if replaced.is_empty() {
        Schema::Ours(SchemaState::Absent)
    } else {
        Schema::Replaced(replaced)
    })
}

/// Fails if our tables are in a schema that this session does not look into: a second set of them,
/// which counts the log anew while nothing counts in the first one, is nobody's wish.
async fn ensure_nowhere_else(connection: &mut PgConnection) -> Result<(), StoreError> {
    let elsewhere: Option<String> = sqlx::query_scalar(
        "SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relname = 'stream_progress' AND c.relkind = 'r' LIMIT 1",
    )
    .fetch_optional(connection)
    .await
    .map_err(StoreError::sql("looking for our tables in other schemas"))?;
    elsewhere.map_or(Ok(()), |schema| Err(StoreError::OtherSchema(schema)))
}

async fn compare_history(connection: &mut PgConnection) -> Result<SchemaState, StoreError> {
    let applied: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::sql("reading the schema's version"))?;
    let known: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    let later: Vec<i64> =
        applied.iter().copied().filter(|version| !known.contains(version)).collect();
    if !later.is_empty() {
        ensure_compatible(connection, &known, &later).await?;
    }
    let is_missing = |version: &i64| !applied.contains(version);
    Ok(if known.iter().any(is_missing) { SchemaState::Behind } else { SchemaState::Current })
}

/// Fails unless each of the later migrations permits programs that know no more than these.
async fn ensure_compatible(
    connection: &mut PgConnection,
    known: &[i64],
    later: &[i64],
) -> Result<(), StoreError> {
    let permitted: Vec<i64> = sqlx::query_scalar(
        "SELECT migration FROM schema_compatibility
         WHERE migration = ANY($1) AND oldest_program <= $2",
    )
    .bind(later)
    .bind(known.iter().max())
    .fetch_all(connection)
    .await
    .map_err(StoreError::sql("reading which programs may run on this schema"))?;
    match later.iter().find(|version| !permitted.contains(version)) {
        Some(refusing) => Err(StoreError::SchemaTooNew(*refusing)),
        None => Ok(()),
    }
}

/// Applies what is missing. Safe when several programs do it at once: sqlx holds an advisory lock.
/// Waits for a table that is in use, in short tries, so that others are not kept from it.
///
/// # Errors
/// Those of [`schema_state`], [`StoreError::Standby`] when the server only follows another one,
/// [`StoreError::TablesInUse`], and [`StoreError::NeedsMigration`] when the role may not change the
/// schema.
pub async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    if schema_state(connection).await? == SchemaState::Current {
        return Ok(());
    }
    let is_standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()")
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::sql("asking whether the server is a standby"))?;
    if is_standby {
        return Err(StoreError::Standby);
    }
    let failed = |error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            let source = ServerError::from(error);
            match source.sqlstate() {
                // No owner helps where nobody may write, or where there is no place for tables.
                Some("25006" | "3F000") => StoreError::Sql { doing: "changing the schema", source },
                _ => StoreError::NeedsMigration(Some(Box::new(source))),
            }
        }
        other => StoreError::NeedsMigration(Some(cause_of(other))),
    };
    with_short_lock_waits(connection, async |connection| {
        run_migrations(connection).await.map_err(failed)
    })
    .await?;
    tracing::info!("the database schema is up to date");
    Ok(())
}

/// What made a migration fail, without sqlx's words around it.
pub(super) fn cause_of(error: MigrateError) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            Box::new(ServerError::from(error))
        }
        other => Box::new(other),
    }
}

/// Applies what is missing, whatever the database holds besides.
pub(super) async fn run_migrations(connection: &mut PgConnection) -> Result<(), MigrateError> {
    MIGRATOR.run(connection).await
}

/// Fails unless the schema is current; changes nothing.
///
/// # Errors
/// Those of [`schema_state`], [`StoreError::NeedsMigration`] and [`StoreError::NotSetUp`].
pub async fn ensure_schema(connection: &mut PgConnection) -> Result<(), StoreError> {
    match schema_state(connection).await? {
        SchemaState::Current => Ok(()),
        SchemaState::Behind => Err(StoreError::NeedsMigration(None)),
        SchemaState::Absent => Err(StoreError::NotSetUp),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_table_that_a_migration_creates_is_one_of_ours() {
        let words: Vec<&str> = MIGRATOR
            .iter()
            .flat_map(|migration| migration.sql.as_str().split_whitespace())
            .collect();
        let created: BTreeSet<&str> = words
            .windows(3)
            .filter(|three| three[..2] == ["CREATE", "TABLE"])
            .map(|three| three[2])
            .collect();
        assert_eq!(created, our_tables().into_iter().collect());
    }

    #[test]
    fn every_migration_says_which_programs_may_run_on_its_schema() {
        const FIRST: i64 = 7;
        for migration in MIGRATOR.iter().filter(|migration| migration.version >= FIRST) {
            let says = format!(
                "INSERT INTO schema_compatibility (migration, oldest_program) VALUES ({}, ",
                migration.version
            );
            assert!(migration.sql.as_str().contains(&says), "{}: {says}…", migration.description);
        }
    }
}
