//! Coming from the replaced system: its two tables are recognised, renamed and copied.
//!
//! In: a database that holds `real_time_metrics` and `daily_stats` (or one of them) as the replaced
//! system made them. Out: these tables as `…_legacy`, ours beside them with the same figures, and an
//! [`Adoption`] that says what was found. All of it is one transaction, so that a crash leaves
//! everything as it was. Nothing is deleted.
//!
//! Keeps I-1 and I-2: what is copied is not `own`, so it has no part in the accounting.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, FromRow};

use super::locks::with_short_lock_waits;
use super::migrate::{Schema, cause_of, examine_schema, migrate, run_migrations};
use super::replaced::{ReplacedTable, columns_of};
use crate::day::daily::{UNUSABLE_ROW, UnusableRow};
use crate::{ServerError, StoreError};

/// A report lists at most this many doubled keys (I-6); the rest are counted.
pub const DOUBLED_KEYS_LISTED_MAX: usize = 20;

/// Key of the advisory lock under which tables are adopted. "adopt" in ASCII.
const ADOPT_LOCK: i64 = 0x61_646f_7074;

/// What was adopted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adoption {
    /// The tables; empty: there was nothing to adopt.
    pub tables: Vec<AdoptedTable>,
    /// The first keys of `real_time_metrics` that have more than one row.
    pub doubled_keys: Vec<DoubledKey>,
    /// How many such keys there are.
    pub doubled_keys_total: i64,
    /// How many rows there are beyond one for each key.
    pub surplus_rows: i64,
    /// The first row that will stop the batcher.
    pub unusable_row: Option<UnusableRow>,
    /// Views that read the renamed tables from now on.
    pub views: Vec<String>,
}

/// One table of the replaced system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptedTable {
    /// Its name, which is now the name of ours.
    pub name: &'static str,
    /// What it is called now.
    pub legacy_name: &'static str,
    /// How many rows it had.
    pub rows: i64,
    /// Those that ours has now.
    pub copied: u64,
    /// Columns that ours does not have.
    pub columns_left: Vec<String>,
}

/// A key of `real_time_metrics` that has more than one row.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct DoubledKey {
    /// Start of the window, UTC.
    pub window_start: Option<NaiveDateTime>,
    /// The key's event type; `None`: NULL.
    pub event_type: Option<String>,
    /// The key's region; `None`: NULL.
    pub region: Option<String>,
    /// How many rows share the key, two at least.
    pub rows: i64,
    /// Whether they agree in all figures.
    pub agree: bool,
}

/// Brings the schema up to date, adopting the replaced system's tables if there are any. After an
/// error the connection has to be dropped.
///
/// # Errors
/// [`StoreError::ForeignTables`] when a `…_legacy` table exists already, [`StoreError::Adopting`]
/// when anything fails before COMMIT (nothing was changed then), or those of
/// [`migrate`](crate::migrate).
pub async fn adopt(connection: &mut PgConnection) -> Result<Adoption, StoreError> {
    let adoption =
        with_short_lock_waits(connection, async |connection| adopt_once(connection).await).await?;
    migrate(connection).await?;
    Ok(adoption)
}

/// One transaction.
async fn adopt_once(connection: &mut PgConnection) -> Result<Adoption, StoreError> {
    let mut transaction =
        connection.begin().await.map_err(StoreError::sql("beginning the adoption"))?;
    // A second program that adopts waits here, and then finds that there is nothing left to do.
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(ADOPT_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(failed("waiting for another adoption"))?;
    let adoption = match examine_schema(&mut transaction).await? {
        Schema::Replaced(tables) => adopt_tables(&mut transaction, &tables).await?,
        Schema::Ours(_) => Adoption::default(),
    };
    transaction.commit().await.map_err(StoreError::sql("committing the adoption"))?;
    Ok(adoption)
}

async fn adopt_tables(
    connection: &mut PgConnection,
    tables: &[&ReplacedTable],
) -> Result<Adoption, StoreError> {
    let mut adoption = Adoption::default();
    for table in tables {
        table.make_way(connection).await?;
    }
    // sqlx begins a transaction for each migration; inside ours they are savepoints.
    run_migrations(connection).await.map_err(|error| StoreError::Adopting {
        doing: "creating the new tables",
        source: cause_of(error),
    })?;
    for table in tables {
        adoption.tables.push(table.copy(connection).await?);
        adoption.views.extend(views_of(connection, table.legacy_name).await?);
    }
    if tables.iter().any(|table| table.name == "real_time_metrics") {
        adoption.look_at_windows(connection).await?;
    }
    for table in tables {
        table.copy_grants(connection).await?;
    }
    Ok(adoption)
}

impl ReplacedTable {
    /// Renames the table and what belongs to it.
    async fn make_way(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let renaming = "renaming the tables";
        let is_taken: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(self.legacy_name)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed(renaming))?;
        if is_taken {
            return Err(StoreError::ForeignTables(self.legacy_name.to_owned()));
        }
        let renames: Vec<String> = sqlx::query_scalar(include_str!("queries/adopt_renames.sql"))
            .bind(self.name)
            .bind(self.legacy_name)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed(renaming))?;
        let rename = format!("ALTER TABLE {} RENAME TO {}", self.name, self.legacy_name);
        run(connection, &rename, renaming).await?;
        for rename in renames {
            run(connection, &rename, renaming).await?;
        }
        Ok(())
    }

    async fn copy(&self, connection: &mut PgConnection) -> Result<AdoptedTable, StoreError> {
        let copying = "copying the rows";
        let copied = run(connection, self.copy, copying).await?;
        let count = format!("SELECT COUNT(*) FROM {}", self.legacy_name);
        let rows = sqlx::query_scalar(AssertSqlSafe(count))
            .fetch_one(&mut *connection)
            .await
            .map_err(failed(copying))?;
        let is_left = |name: &String| !self.columns.iter().any(|(known, _)| known == name);
        let columns = columns_of(connection, self.legacy_name).await?;
        Ok(AdoptedTable {
            name: self.name,
            legacy_name: self.legacy_name,
            rows,
            copied,
            columns_left: columns.into_iter().map(|(name, _)| name).filter(is_left).collect(),
        })
    }

    /// The rights that others had on the table.
    async fn copy_grants(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let granting = "granting the same rights on the new tables";
        let grants: Vec<String> = sqlx::query_scalar(include_str!("queries/adopt_grants.sql"))
            .bind(self.legacy_name)
            .bind(self.name)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed(granting))?;
        for grant in grants {
            run(connection, &grant, granting).await?;
        }
        Ok(())
    }
}

/// A doubled key, and the totals before LIMIT.
#[derive(FromRow)]
struct DoubledKeyRow {
    #[sqlx(flatten)]
    key: DoubledKey,
    keys: i64,
    surplus: i64,
}

impl Adoption {
    /// What an operator should know of the adopted windows.
    async fn look_at_windows(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let looking = "looking for doubled and unusable rows";
        let doubled: Vec<DoubledKeyRow> =
            sqlx::query_as(include_str!("queries/adopt_doubled_keys.sql"))
                .bind(DOUBLED_KEYS_LISTED_MAX as i64)
                .fetch_all(&mut *connection)
                .await
                .map_err(failed(looking))?;
        if let Some(first) = doubled.first() {
            (self.doubled_keys_total, self.surplus_rows) = (first.keys, first.surplus);
        }
        self.doubled_keys = doubled.into_iter().map(|row| row.key).collect();
        // Every moment that a row can have been given by mistake.
        let [start, end] = [-4700, 200_000].map(|year| {
            NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN)
        });
        self.unusable_row = sqlx::query_as(UNUSABLE_ROW.text())
            .bind(start)
            .bind(end)
            .fetch_optional(connection)
            .await
            .map_err(failed(looking))?;
        Ok(())
    }
}

async fn views_of(connection: &mut PgConnection, table: &str) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar(include_str!("queries/adopt_views.sql"))
        .bind(table)
        .fetch_all(connection)
        .await
        .map_err(failed("looking for views"))
}

/// Runs one statement, which is ours or was put together by the server with quoted names. Returns
/// how many rows it concerned.
async fn run(
    connection: &mut PgConnection,
    statement: &str,
    doing: &'static str,
) -> Result<u64, StoreError> {
    let done = sqlx::query(AssertSqlSafe(statement.to_owned()))
        .execute(connection)
        .await
        .map_err(failed(doing))?;
    Ok(done.rows_affected())
}

fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| StoreError::Adopting { doing, source: ServerError::from(error).into() }
}
