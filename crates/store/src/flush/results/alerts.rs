//! Rows of `persons.alerts`.

use event_model::EventTime;
use patterns::Evidence;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use windowing::results::{AlertRow, Alerts};

use super::Stored;
use crate::StoreError;

const MICROS_PER_SECOND: i64 = 1_000_000;
/// Key of the advisory lock that is held while ids are given out. "alerts" in ASCII.
const ALERT_IDS_LOCK: i64 = 0x616c_6572_7473;

impl Stored for Alerts {
    async fn store<'a>(
        connection: &mut PgConnection,
        topic: &str,
        rows: &[Self::Row<'a>],
    ) -> Result<(), StoreError> {
        fn column<'a, T>(rows: &[AlertRow<'a>], value: impl Fn(&AlertRow<'a>) -> T) -> Vec<T> {
            rows.iter().map(value).collect()
        }
        fn evidence<'a>(row: &AlertRow<'a>) -> &'a Evidence {
            &row.alert.evidence
        }
        // Whoever follows the table by `id` would miss a row that is committed after one with a greater id. So
        // ids are given out one flush at a time: the next one gets its own when this one is committed.
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(ALERT_IDS_LOCK)
            .execute(&mut *connection)
            .await
            .map_err(StoreError::sql("waiting for the ids of alerts"))?;
        sqlx::query(include_str!("../queries/upsert_alerts.sql"))
            .bind(topic)
            .bind(column(rows, |row| row.generation))
            .bind(column(rows, |row| row.partition))
            .bind(column(rows, |row| row.rule))
            .bind(column(rows, |row| row.version))
            .bind(column(rows, |row| row.alert.mode.name()))
            .bind(column(rows, |row| row.subscriber))
            .bind(column(rows, |row| row.bucket.to_datetime()))
            .bind(column(rows, |row| row.alert.bucket_micros / MICROS_PER_SECOND))
            .bind(column(rows, |row| row.alert.hits))
            .bind(column(rows, |row| EventTime::to_datetime(evidence(row).window_start)))
            .bind(column(rows, |row| EventTime::to_datetime(evidence(row).window_end)))
            .bind(column(rows, |row| measures_as_json(evidence(row))))
            .bind(column(rows, |row| offsets_as_text(&evidence(row).offsets)))
            .execute(connection)
            .await
            .map_err(StoreError::sql("storing into persons.alerts"))?;
        Ok(())
    }

    /// Without the subscriber: the name of a row is logged.
    fn name(row: &AlertRow<'_>) -> String {
        format!("partition {}, rule {}, bucket from {}", row.partition, row.rule, row.bucket)
    }
}

/// `[[value, "at_least" or "at_most", threshold], …]`.
fn measures_as_json(evidence: &Evidence) -> Value {
    let one = |measure: &patterns::Measure| {
        let bound = if measure.is_at_least { "at_least" } else { "at_most" };
        json!([measure.value, bound, measure.threshold])
    };
    Value::Array(evidence.measures.iter().map(one).collect())
}

/// `{1,2}`.
fn offsets_as_text(offsets: &[i64]) -> String {
    let offsets: Vec<String> = offsets.iter().map(i64::to_string).collect();
    format!("{{{}}}", offsets.join(","))
}
