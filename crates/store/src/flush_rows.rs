//! The rows of one flush, each kind in one statement over arrays.

use event_model::{EventTime, MICROS_PER_UNIT};
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use windowing::{DeadLetter, FlushPart, GroupKey, Header, MergedRows, Totals};

use crate::StoreError;

/// A table of totals by (window, event type, region).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupTable {
    OnTime,
    Late,
}

impl GroupTable {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            GroupTable::OnTime => "real_time_metrics",
            GroupTable::Late => "late_metrics",
        }
    }

    const fn upsert(self) -> &'static str {
        match self {
            GroupTable::OnTime => include_str!("queries/upsert_metrics.sql"),
            GroupTable::Late => include_str!("queries/upsert_late.sql"),
        }
    }

    /// What a failed upsert says it was doing.
    pub(crate) const fn doing(self) -> &'static str {
        match self {
            GroupTable::OnTime => "storing into real_time_metrics",
            GroupTable::Late => "storing into late_metrics",
        }
    }
}

/// Adds the totals to their rows. `rows` are sorted by key, each key once.
pub(crate) async fn upsert_groups(
    connection: &mut PgConnection,
    table: GroupTable,
    rows: &[(&GroupKey, Totals)],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(table.upsert())
        .bind(rows.iter().map(|(key, _)| key.window.start().to_datetime()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| &*key.event_type).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| &*key.region).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, totals)| totals.events).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, totals)| totals.duration_seconds).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, totals)| decimal(totals.data_micro_mb)).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, totals)| decimal(totals.amount_micro_tenge)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(StoreError::sql(table.doing()))?;
    Ok(())
}

/// Adds the numbers of events to their partitions' quarters.
pub(crate) async fn upsert_ledger(
    connection: &mut PgConnection,
    topic: &str,
    rows: &MergedRows<'_>,
) -> Result<(), StoreError> {
    if rows.ledger.is_empty() {
        return Ok(());
    }
    let ledger = &rows.ledger;
    sqlx::query(include_str!("queries/upsert_ledger.sql"))
        .bind(topic)
        .bind(ledger.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind(ledger.iter().map(|row| row.1).collect::<Vec<_>>())
        .bind(ledger.iter().map(|row| row.2.to_datetime()).collect::<Vec<_>>())
        .bind(ledger.iter().map(|row| row.3).collect::<Vec<_>>())
        .bind(ledger.iter().map(|row| row.4).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(StoreError::sql("storing into day_ledger"))?;
    Ok(())
}

/// Keeps the records that can't be used.
pub(crate) async fn insert_dead_letters(
    connection: &mut PgConnection,
    topic: &str,
    parts: &[&FlushPart],
) -> Result<(), StoreError> {
    let letters: Vec<(&FlushPart, &DeadLetter)> = parts
        .iter()
        .flat_map(|part| part.delta.dead_letters.iter().map(move |letter| (*part, letter)))
        .collect();
    if letters.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(
        letters: &[(&'a FlushPart, &'a DeadLetter)],
        value: impl Fn(&'a DeadLetter) -> T,
    ) -> Vec<T> {
        letters.iter().map(|(_, letter)| value(letter)).collect()
    }
    sqlx::query(include_str!("queries/insert_dead_letters.sql"))
        .bind(topic)
        .bind(letters.iter().map(|(part, _)| part.new.generation).collect::<Vec<_>>())
        .bind(letters.iter().map(|(part, _)| part.partition).collect::<Vec<_>>())
        .bind(column(&letters, |letter| letter.offset))
        .bind(column(&letters, |letter| letter.reason))
        .bind(column(&letters, |letter| without_nul(&letter.detail)))
        .bind(column(&letters, |letter| {
            letter.record_time.filter(is_storable).and_then(EventTime::to_datetime)
        }))
        .bind(column(&letters, |letter| letter.key.as_deref()))
        .bind(column(&letters, |letter| letter.payload.as_deref()))
        .bind(column(&letters, |letter| headers_as_json(&letter.headers)))
        .execute(connection)
        .await
        .map_err(StoreError::sql("storing into dead_letters"))?;
    Ok(())
}

/// Micro-units as a decimal with six digits, for NUMERIC.
fn decimal(micro_units: i128) -> String {
    let unit = i128::from(MICROS_PER_UNIT);
    let sign = if micro_units < 0 { "-" } else { "" };
    let (whole, fraction) = (micro_units.abs() / unit, micro_units.abs() % unit);
    format!("{sign}{whole}.{fraction:06}")
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
    fn micro_units_become_exact_decimals() {
        for (micro_units, expected) in [
            (0, "0.000000"),
            (1, "0.000001"),
            (1_500_000, "1.500000"),
            (-1, "-0.000001"),
            (i128::from(i64::MAX) * 1_000_000, "9223372036854775807.000000"),
        ] {
            assert_eq!(decimal(micro_units), expected);
        }
    }

    #[test]
    fn headers_keep_their_order_names_and_bytes() {
        assert_eq!(headers_as_json(&[]), None);
        let headers = vec![("a".to_owned(), Some(vec![0x00, 0xff])), ("b".to_owned(), None)];
        assert_eq!(headers_as_json(&headers), Some(json!([["a", "00ff"], ["b", null]])));
    }
}
