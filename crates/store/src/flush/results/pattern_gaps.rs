//! Rows of `pattern_gaps`.

use event_model::EventTime;
use sqlx::postgres::PgConnection;
use windowing::PatternGap;
use windowing::results::{PatternGapRow, PatternGaps};

use super::Stored;
use crate::StoreError;

impl Stored for PatternGaps {
    const RIGHTS: &'static [&'static str] = &["INSERT"];

    async fn store<'a>(
        connection: &mut PgConnection,
        topic: &str,
        rows: &[Self::Row<'a>],
    ) -> Result<(), StoreError> {
        fn column<T>(rows: &[PatternGapRow<'_>], value: impl Fn(&PatternGap) -> T) -> Vec<T> {
            rows.iter().map(|row| value(row.gap)).collect()
        }
        let instant = |at: Option<EventTime>| at.and_then(EventTime::to_datetime);
        sqlx::query(include_str!("../queries/insert_pattern_gaps.sql"))
            .bind(topic)
            .bind(rows.iter().map(|row| row.generation).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.partition).collect::<Vec<_>>())
            .bind(column(rows, |gap| gap.from_offset))
            .bind(column(rows, |gap| gap.to_offset))
            .bind(column(rows, |gap| instant(gap.complete_after)))
            .bind(column(rows, |gap| instant(gap.blind_until)))
            .bind(column(rows, |gap| gap.reason.code()))
            .execute(connection)
            .await
            .map_err(StoreError::sql("storing into pattern_gaps"))?;
        Ok(())
    }

    fn name(row: &PatternGapRow<'_>) -> String {
        format!("partition {}, from offset {}", row.partition, row.gap.from_offset)
    }
}
