//! Rows of `real_time_metrics`.

use sqlx::postgres::PgConnection;
use windowing::results::OnTime;
use windowing::{GroupKey, Totals};

use super::{Stored, totals};
use crate::{FigureSql, StoreError};

static UPSERT: FigureSql = FigureSql::new(include_str!("../queries/upsert_metrics.sql"));

impl Stored for OnTime {
    async fn store<'a>(
        connection: &mut PgConnection,
        _topic: &str,
        rows: &[Self::Row<'a>],
    ) -> Result<(), StoreError> {
        totals::upsert(connection, UPSERT.text(), "storing into real_time_metrics", rows).await
    }

    fn name(row: &(&GroupKey, Totals)) -> String {
        totals::name(row)
    }
}
