//! Finds out which partition, and which row of it, the database refuses: one bad value must not
//! block everybody's flushes.
//!
//! Values are checked when a record is decoded, so this is for what the database adds: a user's
//! trigger or constraint. Nothing is committed here.

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use windowing::{FlushPart, FlushProtocol, GroupKey, MergedRows, Totals};

use crate::StoreError;
use crate::flush::{WriterIdentity, store_parts};
use crate::flush_rows::{GroupTable, upsert_groups};

/// The matching parts (indices) that are refused even alone, each with a reason that names the
/// SQLSTATE and the row. Where none is refused alone, their sum is: then all of them are named.
pub(crate) async fn find_refused(
    connection: &mut PgConnection,
    identity: &WriterIdentity,
    protocol: &FlushProtocol,
    joint_error: &StoreError,
) -> Result<Vec<(usize, String)>, StoreError> {
    let mut refused = Vec::new();
    for (index, part) in protocol.matching() {
        if let Err(error) = try_part(connection, identity, part).await? {
            let row = find_row(connection, part, &error).await?;
            refused.push((index, describe(&error, &row)));
        }
    }
    if refused.is_empty() {
        let reason = describe(joint_error, "a sum over several partitions");
        refused = protocol.matching().map(|(index, _)| (index, reason.clone())).collect();
    }
    Ok(refused)
}

/// What a trial found: the inner error is the server's refusal.
type Trial = Result<Result<(), StoreError>, StoreError>;

fn as_trial(result: Result<(), StoreError>) -> Trial {
    match result {
        Err(error) if !error.is_refused_value() => Err(error),
        refused_or_not => Ok(refused_or_not),
    }
}

async fn try_part(
    connection: &mut PgConnection,
    identity: &WriterIdentity,
    part: &FlushPart,
) -> Trial {
    let mut transaction = connection.begin().await.map_err(StoreError::sql("beginning a trial"))?;
    let result = store_parts(&mut transaction, identity, &[part]).await;
    transaction.rollback().await.map_err(StoreError::sql("ending a trial"))?;
    as_trial(result)
}

async fn try_rows(
    connection: &mut PgConnection,
    table: GroupTable,
    rows: &[(&GroupKey, Totals)],
) -> Trial {
    let mut transaction = connection.begin().await.map_err(StoreError::sql("beginning a trial"))?;
    let result = upsert_groups(&mut transaction, table, rows).await;
    transaction.rollback().await.map_err(StoreError::sql("ending a trial"))?;
    as_trial(result)
}

/// Names the first row that is refused, by halving.
async fn find_row(
    connection: &mut PgConnection,
    part: &FlushPart,
    error: &StoreError,
) -> Result<String, StoreError> {
    let rows = MergedRows::of(std::iter::once(part));
    let (table, mut suspects) = match error {
        StoreError::Sql { doing, .. } if *doing == GroupTable::OnTime.doing() => {
            (GroupTable::OnTime, rows.on_time.as_slice())
        }
        StoreError::Sql { doing, .. } if *doing == GroupTable::Late.doing() => {
            (GroupTable::Late, rows.late.as_slice())
        }
        StoreError::Sql { doing, .. } => return Ok(format!("what it got while {doing}")),
        _ => return Ok("a row".to_owned()),
    };
    while suspects.len() > 1 {
        let (first, second) = suspects.split_at(suspects.len() / 2);
        let is_in_first = try_rows(connection, table, first).await?.is_err();
        suspects = if is_in_first { first } else { second };
    }
    Ok(suspects.first().map_or_else(
        || table.name().to_owned(),
        |(key, _)| {
            format!("{} ({}, {}, {})", table.name(), key.window.start(), key.event_type, key.region)
        },
    ))
}

fn describe(error: &StoreError, row: &str) -> String {
    let state = error.sqlstate().unwrap_or_default();
    let message = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("the database refuses {row}: {state} {message}")
}
