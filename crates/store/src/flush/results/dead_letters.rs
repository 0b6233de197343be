//! Rows of `dead_letters`.

use event_model::EventTime;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use windowing::results::{DeadLetterRow, DeadLetters};
use windowing::{DeadLetter, Header};

use super::Stored;
use crate::StoreError;

impl Stored for DeadLetters {
    const RIGHTS: &'static [&'static str] = &["INSERT"];

    /// Keeps the records that can't be used.
    async fn store<'a>(
        connection: &mut PgConnection,
        topic: &str,
        rows: &[Self::Row<'a>],
    ) -> Result<(), StoreError> {
        fn column<'a, T>(
            rows: &[DeadLetterRow<'a>],
            value: impl Fn(&'a DeadLetter) -> T,
        ) -> Vec<T> {
            rows.iter().map(|row| value(row.letter)).collect()
        }
        sqlx::query(include_str!("../queries/insert_dead_letters.sql"))
            .bind(topic)
            .bind(rows.iter().map(|row| row.generation).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.partition).collect::<Vec<_>>())
            .bind(column(rows, |letter| letter.offset))
            .bind(column(rows, |letter| letter.reason))
            .bind(column(rows, |letter| without_nul(&letter.detail)))
            .bind(column(rows, |letter| {
                letter.record_time.filter(is_storable).and_then(EventTime::to_datetime)
            }))
            .bind(column(rows, |letter| letter.key.as_deref()))
            .bind(column(rows, |letter| letter.payload.as_deref()))
            .bind(column(rows, |letter| headers_as_json(&letter.headers)))
            .execute(connection)
            .await
            .map_err(StoreError::sql("storing into dead_letters"))?;
        Ok(())
    }

    fn name(row: &DeadLetterRow<'_>) -> String {
        format!("partition {}, offset {}", row.partition, row.letter.offset)
    }
}

/// PostgreSQL's text can't hold U+0000.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A producer may stamp a record with any 64-bit number; PostgreSQL's TIMESTAMP holds fewer.
fn is_storable(instant: &EventTime) -> bool {
    const YEAR_1: i64 = -62_135_596_800_000_000;
    const YEAR_10000: i64 = 253_402_300_800_000_000;
    (YEAR_1..YEAR_10000).contains(&instant.micros())
}

/// `[[name, value in hex or null], …]`; `None` when there are none.
fn headers_as_json(headers: &[Header]) -> Option<Value> {
    use std::fmt::Write as _;
    if headers.is_empty() {
        return None;
    }
    let hex = |bytes: &Vec<u8>| {
        bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String can't fail");
            text
        })
    };
    let pairs =
        headers.iter().map(|(name, value)| json!([without_nul(name), value.as_ref().map(hex)]));
    Some(Value::Array(pairs.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_names_and_bytes() {
        assert_eq!(headers_as_json(&[]), None);
        let headers = vec![("a".to_owned(), Some(vec![0x00, 0xff])), ("b".to_owned(), None)];
        assert_eq!(headers_as_json(&headers), Some(json!([["a", "00ff"], ["b", null]])));
    }
}
