//! Rows of `day_ledger`.

use fail_point::fail_point;
use sqlx::postgres::PgConnection;
use windowing::results::{Ledger, LedgerRow};

use super::Stored;
use crate::StoreError;

impl Stored for Ledger {
    /// Adds the numbers of events to their partitions' quarters.
    async fn store<'a>(
        connection: &mut PgConnection,
        topic: &str,
        rows: &[Self::Row<'a>],
    ) -> Result<(), StoreError> {
        // Whatever counts an event has a row here, so every flush of events passes this point.
        fail_point("flush_upserted");
        sqlx::query(include_str!("../queries/upsert_ledger.sql"))
            .bind(topic)
            .bind(rows.iter().map(|row| row.generation).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.partition).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.quarter_start.to_datetime()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.on_time).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.late).collect::<Vec<_>>())
            .execute(connection)
            .await
            .map_err(StoreError::sql("storing into day_ledger"))?;
        Ok(())
    }

    fn name(row: &LedgerRow) -> String {
        format!("partition {}, quarter of an hour from {}", row.partition, row.quarter_start)
    }
}
