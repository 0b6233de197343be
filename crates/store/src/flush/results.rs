//! The database's half of each kind of result: how its rows are stored, and which of them is refused.
//!
//! Walks the list of `windowing`: a kind without its half here does not compile.

mod alerts;
mod dead_letters;
mod late;
mod ledger;
mod log_marks;
mod on_time;
mod pattern_gaps;
mod subscribed;
mod totals;

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use windowing::{MergedRows, ResultKind, ResultName};

pub(crate) use self::subscribed::SketchRow;
use crate::StoreError;

/// A kind of result in the database.
pub(crate) trait Stored: ResultKind {
    /// What the streamer's role has to be granted on the table (deploy/roles.sql).
    const RIGHTS: &'static [&'static str] = &["SELECT", "INSERT", "UPDATE"];

    /// Stores rows, of which there is one at least, in their order.
    async fn store<'a>(
        connection: &mut PgConnection,
        topic: &str,
        rows: &[Self::Row<'a>],
    ) -> Result<(), StoreError>;

    /// A row's key, for an operator.
    fn name(row: &Self::Row<'_>) -> String;
}

/// What could not be stored, and why.
pub(crate) struct NotStored {
    /// `None`: the positions.
    pub(crate) of: Option<ResultName>,
    pub(crate) error: StoreError,
}

macro_rules! walk {
    ($($field:ident: $kind:ident),+) => {
        /// The tables of all kinds, each with what the streamer's role has to be granted on it.
        pub const RESULT_TABLES: &[(&str, &[&str])] = &[$((
            <windowing::results::$kind as ResultKind>::TABLE,
            <windowing::results::$kind as Stored>::RIGHTS,
        )),+];

        /// Stores all rows, kind by kind.
        pub(crate) async fn store_rows(
            connection: &mut PgConnection,
            topic: &str,
            rows: &MergedRows<'_>,
        ) -> Result<(), NotStored> {
            $(if !rows.$field.is_empty() {
                <windowing::results::$kind as Stored>::store(&mut *connection, topic, &rows.$field)
                    .await
                    .map_err(|error| NotStored { of: Some(ResultName::$kind), error })?;
            })+
            Ok(())
        }

        /// Names the first row of this kind that is refused.
        pub(crate) async fn refused_row(
            connection: &mut PgConnection,
            topic: &str,
            rows: &MergedRows<'_>,
            of: ResultName,
        ) -> Result<String, StoreError> {
            match of {
                $(ResultName::$kind => {
                    halve::<windowing::results::$kind>(connection, topic, &rows.$field).await
                })+
            }
        }
    };
}

windowing::for_each_result!(walk);

/// Finds it by halving.
async fn halve<K: Stored>(
    connection: &mut PgConnection,
    topic: &str,
    rows: &[K::Row<'_>],
) -> Result<String, StoreError> {
    let mut suspects = rows;
    while suspects.len() > 1 {
        let (first, second) = suspects.split_at(suspects.len() / 2);
        suspects = if are_refused::<K>(connection, topic, first).await? { first } else { second };
    }
    Ok(match suspects.first() {
        Some(row) => format!("{} ({})", K::TABLE, K::name(row)),
        None => K::TABLE.to_owned(),
    })
}

/// Tries them in a transaction that is rolled back.
async fn are_refused<K: Stored>(
    connection: &mut PgConnection,
    topic: &str,
    rows: &[K::Row<'_>],
) -> Result<bool, StoreError> {
    let mut transaction = connection.begin().await.map_err(StoreError::sql("beginning a trial"))?;
    let stored = K::store(&mut transaction, topic, rows).await;
    transaction.rollback().await.map_err(StoreError::sql("ending a trial"))?;
    match stored {
        Ok(()) => Ok(false),
        Err(error) if error.is_refused_value() => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What deploy/roles.sql grants the streamer on a table.
    fn granted(table: &str) -> Vec<String> {
        let statements = include_str!("../../../../deploy/roles.sql").split(';');
        let grants = statements.filter_map(|statement| {
            let (rights, rest) = statement.split_once("GRANT ")?.1.split_once(" ON ")?;
            let (tables, role) = rest.split_once(" TO ")?;
            let is_it = role.trim() == "pipeline_streamer"
                && tables.split(',').any(|name| name.trim() == table);
            is_it.then(|| rights.split(',').map(|right| right.trim().to_owned()))
        });
        grants.flatten().collect()
    }

    #[test]
    fn the_streamer_s_role_has_the_rights_that_each_kind_needs() {
        for (table, rights) in RESULT_TABLES {
            let granted = granted(table);
            for right in *rights {
                assert!(
                    granted.iter().any(|one| one == right),
                    "deploy/roles.sql: {right} ON {table}: {granted:?}"
                );
            }
        }
    }
}
