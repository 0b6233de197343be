//! Finds out which partition, and which row of it, the database refuses: one bad value must not
//! block everybody's flushes.
//!
//! Values are checked when a record is decoded, so this is for what the database adds: a user's
//! trigger or constraint. Nothing is committed here.

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use windowing::{FlushPart, FlushProtocol, MergedRows};

use super::results::{NotStored, refused_row};
use super::statements::{WriterIdentity, store_parts};
use crate::StoreError;

/// The matching parts (indices) that are refused even alone, each with a reason that names the
/// SQLSTATE and the row. Where none is refused alone, their sum is: then all of them are named.
pub(crate) async fn find_refused(
    connection: &mut PgConnection,
    identity: &WriterIdentity,
    protocol: &FlushProtocol,
    joint: &NotStored,
) -> Result<Vec<(usize, String)>, StoreError> {
    let mut refused = Vec::new();
    for (index, part) in protocol.matching() {
        if let Some(NotStored { of, error }) = try_part(connection, identity, part).await? {
            let row = match of {
                Some(of) => {
                    let rows = MergedRows::of(std::iter::once(part));
                    refused_row(connection, &identity.topic, &rows, of).await?
                }
                None => "its position".to_owned(),
            };
            refused.push((index, describe(&error, &row)));
        }
    }
    if refused.is_empty() {
        let reason = describe(&joint.error, "a sum over several partitions");
        refused = protocol.matching().map(|(index, _)| (index, reason.clone())).collect();
    }
    Ok(refused)
}

/// Stores one part and rolls it back: what is refused, if anything is.
async fn try_part(
    connection: &mut PgConnection,
    identity: &WriterIdentity,
    part: &FlushPart,
) -> Result<Option<NotStored>, StoreError> {
    let mut transaction = connection.begin().await.map_err(StoreError::sql("beginning a trial"))?;
    let stored = store_parts(&mut transaction, identity, &[part]).await;
    transaction.rollback().await.map_err(StoreError::sql("ending a trial"))?;
    match stored {
        Ok(()) => Ok(None),
        Err(refused) if refused.error.is_refused_value() => Ok(Some(refused)),
        Err(NotStored { error, .. }) => Err(error),
    }
}

fn describe(error: &StoreError, row: &str) -> String {
    let state = error.sqlstate().unwrap_or_default();
    let message = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("the database refuses {row}: {state} {message}")
}
