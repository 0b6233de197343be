//! The transaction that erases a person: the schema `persons` by its catalogue, dead letters, the record of it.
//!
//! Keeps I-9 (all or nothing) and I-1: no row of `dead_letters` goes.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use fail_point::fail_point;
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, FromRow};
use store::StoreError;

use super::identifier::Identifier;
use crate::dead_letters::letters::DeadLetterId;

const DOING: &str = "erasing";

/// Whom to erase, and what is kept of that.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who is erased; of a pseudonym a salted digest is kept, of anything else nothing.
    pub identifier: &'a Identifier,
    /// The operator's words, for the record.
    pub reason: &'a str,
    /// Who does it.
    pub by: &'a str,
}

/// What came of it.
#[derive(Debug)]
pub enum Erasing {
    /// It is done, or, in a dry run, was done and taken back.
    Done(Erasure),
    /// A replay of this letter was interrupted: it may have to be sent again. Nothing is changed.
    AmidReplay(DeadLetterId),
}

/// What was erased.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Its row in `erasures`.
    pub id: i64,
    /// Erasures of the same identifier before, with their times, UTC.
    pub before: Vec<(i64, NaiveDateTime)>,
    /// What became of each table of `persons`.
    pub persons: BTreeMap<String, RowsChanged>,
    /// Columns of `persons` that can't be searched, with their types.
    pub not_searched: Vec<String>,
    /// Letters that were emptied.
    pub dead_letters: u64,
    /// Sendings whose corrected payload was removed.
    pub replays: u64,
}

/// How many rows of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsChanged {
    /// Were about the person.
    pub deleted: u64,
    /// Named the person beside somebody else.
    pub changed: u64,
}

/// A table of `persons`, with what the catalogue makes of it.
#[derive(FromRow)]
struct Table {
    table_name: String,
    /// Deletes the rows about $1; `None`: it goes with another table's rows.
    delete: Option<String>,
    /// Puts $2 where $1, a pattern, is met; `None`: it has no column for that.
    replace: Option<String>,
    not_searched: Vec<String>,
}

/// The topics that this database counts, or has counted.
///
/// # Errors
/// A failed statement.
pub async fn counted_topics(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar("SELECT DISTINCT topic FROM current_progress ORDER BY topic")
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("reading which topics are counted"))
}

/// Erases a person in one transaction, which a dry run takes back. The caller holds the lock of replays, which is that of
/// erasures too.
///
/// # Errors
/// A failed statement: nothing was changed, or the answer to COMMIT was lost. Both are cured by doing it again.
pub async fn erase(
    connection: &mut PgConnection,
    request: &Request<'_>,
    is_dry_run: bool,
) -> Result<Erasing, StoreError> {
    let failed = || StoreError::sql(DOING);
    let mut transaction = connection.begin().await.map_err(failed())?;
    let erasing = carry_out(&mut transaction, request).await?;
    if is_dry_run || matches!(erasing, Erasing::AmidReplay(_)) {
        transaction.rollback().await.map_err(failed())?;
        return Ok(erasing);
    }
    fail_point("erase-before-commit");
    transaction.commit().await.map_err(failed())?;
    fail_point("erase-after-commit");
    Ok(erasing)
}

async fn carry_out(
    transaction: &mut PgConnection,
    request: &Request<'_>,
) -> Result<Erasing, StoreError> {
    let failed = || StoreError::sql(DOING);
    let mut erasure = Erasure {
        id: sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM erasures")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?,
        before: sqlx::query_as(
            "SELECT id, erased_at FROM erasures
             WHERE subject_digest = sha256(subject_salt || convert_to($1, 'UTF8')) ORDER BY id",
        )
        .bind(request.identifier.text())
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed())?,
        ..Erasure::default()
    };
    erase_from_persons(transaction, request.identifier, &mut erasure).await?;
    fail_point("erase-amid");
    if let Some(letter) = erase_from_letters(transaction, request.identifier, &mut erasure).await? {
        return Ok(Erasing::AmidReplay(letter));
    }
    record(transaction, request, &erasure).await?;
    Ok(Erasing::Done(erasure))
}

/// All rows about the person go first, in whichever table; then what others' rows say of them.
async fn erase_from_persons(
    transaction: &mut PgConnection,
    identifier: &Identifier,
    erasure: &mut Erasure,
) -> Result<(), StoreError> {
    let tables: Vec<Table> = sqlx::query_as(include_str!("queries/persons_statements.sql"))
        .fetch_all(&mut *transaction)
        .await
        .map_err(StoreError::sql("reading which tables name subscribers"))?;
    for table in &tables {
        let mut deleted = 0;
        if let Some(delete) = &table.delete {
            deleted = sqlx::query(AssertSqlSafe(delete.clone()))
                .bind(identifier.text())
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::sql(DOING))?
                .rows_affected();
        }
        erasure.persons.insert(table.table_name.clone(), RowsChanged { deleted, changed: 0 });
        erasure.not_searched.extend_from_slice(&table.not_searched);
    }
    let token = format!("erased-{}", erasure.id);
    for table in tables {
        let Some(replace) = table.replace else { continue };
        let changed = sqlx::query(AssertSqlSafe(replace))
            .bind(identifier.pattern())
            .bind(&token)
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::sql(DOING))?
            .rows_affected();
        erasure.persons.entry(table.table_name).or_default().changed = changed;
    }
    Ok(())
}

/// Empties the letters that hold the identifier, and those that were sent again with a payload that does. `Some`: a
/// letter among them of which nobody knows whether it has been sent again.
async fn erase_from_letters(
    transaction: &mut PgConnection,
    identifier: &Identifier,
    erasure: &mut Erasure,
) -> Result<Option<DeadLetterId>, StoreError> {
    let failed = || StoreError::sql(DOING);
    let forms = identifier.forms();
    erasure.dead_letters = sqlx::query(include_str!("queries/empty_letters.sql"))
        .bind(&forms)
        .bind(erasure.id)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?
        .rows_affected();
    // Before the payloads go: they are part of what is asked.
    let amid_replay = sqlx::query_as(include_str!("queries/amid_replay.sql"))
        .bind(&forms)
        .bind(erasure.id)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed())?;
    erasure.replays = sqlx::query(include_str!("queries/empty_replays.sql"))
        .bind(&forms)
        .bind(erasure.id)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?
        .rows_affected();
    Ok(amid_replay)
}

async fn record(
    transaction: &mut PgConnection,
    request: &Request<'_>,
    erasure: &Erasure,
) -> Result<(), StoreError> {
    let rows = |(table, rows): (&String, &RowsChanged)| {
        (table.clone(), json!({ "deleted": rows.deleted, "changed": rows.changed }))
    };
    let persons_rows: serde_json::Map<_, _> = erasure.persons.iter().map(rows).collect();
    sqlx::query(include_str!("queries/insert_erasure.sql"))
        .bind(erasure.id)
        .bind(request.by)
        .bind(request.reason)
        .bind(request.identifier.is_pseudonym().then(|| request.identifier.text()))
        .bind(serde_json::Value::Object(persons_rows))
        .bind(erasure.dead_letters as i64)
        .bind(erasure.replays as i64)
        .execute(transaction)
        .await
        .map_err(StoreError::sql(DOING))?;
    Ok(())
}
