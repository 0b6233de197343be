//! Rows of `log_marks`.

use event_model::EventTime;
use sqlx::postgres::PgConnection;
use windowing::LogMark;
use windowing::results::{LogMarkRow, LogMarks};

use super::Stored;
use crate::StoreError;

impl Stored for LogMarks {
    const RIGHTS: &'static [&'static str] = &["SELECT", "INSERT"];

    async fn store<'a>(
        connection: &mut PgConnection,
        topic: &str,
        rows: &[Self::Row<'a>],
    ) -> Result<(), StoreError> {
        fn column<T>(rows: &[LogMarkRow<'_>], value: impl Fn(&LogMark) -> T) -> Vec<T> {
            rows.iter().map(|row| value(row.mark)).collect()
        }
        let instant = |at: Option<EventTime>| at.and_then(EventTime::to_datetime);
        sqlx::query(include_str!("../queries/insert_log_marks.sql"))
            .bind(topic)
            .bind(rows.iter().map(|row| row.generation).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.partition).collect::<Vec<_>>())
            .bind(column(rows, |mark| mark.offset))
            .bind(column(rows, |mark| instant(Some(mark.quarter_start))))
            .bind(column(rows, |mark| instant(mark.max_event_time)))
            .bind(column(rows, |mark| instant(mark.watermark)))
            .bind(column(rows, |mark| mark.on_time))
            .bind(column(rows, |mark| mark.late))
            .bind(column(rows, |mark| mark.watermark_delay_micros))
            .execute(connection)
            .await
            .map_err(StoreError::sql("storing into log_marks"))?;
        Ok(())
    }

    fn name(row: &LogMarkRow<'_>) -> String {
        format!("partition {}, offset {}", row.partition, row.mark.offset)
    }
}
