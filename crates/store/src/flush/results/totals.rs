//! What the two kinds of totals have in common.

use event_model::MICROS_PER_UNIT;
use sqlx::postgres::PgConnection;
use windowing::{FIGURES, GroupKey, Totals};

use crate::StoreError;

/// Adds the totals to their rows. `rows` are sorted by key, each key once.
pub(super) async fn upsert(
    connection: &mut PgConnection,
    statement: &'static str,
    doing: &'static str,
    rows: &[(&GroupKey, Totals)],
) -> Result<(), StoreError> {
    let mut query = sqlx::query(statement)
        .bind(rows.iter().map(|(key, _)| key.window.start().to_datetime()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| &*key.event_type).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| &*key.region).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, totals)| totals.events).collect::<Vec<_>>());
    for figure in &FIGURES {
        let sum = |(_, totals): &(&GroupKey, Totals)| decimal((figure.micros)(totals));
        query = query.bind(rows.iter().map(sum).collect::<Vec<_>>());
    }
    query.execute(connection).await.map_err(StoreError::sql(doing))?;
    Ok(())
}

/// A group, for an operator.
pub(super) fn name((key, _): &(&GroupKey, Totals)) -> String {
    format!("{}, {}, {}", key.window.start(), key.event_type, key.region)
}

/// Micro-units as a decimal with six digits, for NUMERIC.
fn decimal(micro_units: i128) -> String {
    let unit = i128::from(MICROS_PER_UNIT);
    let sign = if micro_units < 0 { "-" } else { "" };
    let (whole, fraction) = (micro_units.abs() / unit, micro_units.abs() % unit);
    format!("{sign}{whole}.{fraction:06}")
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
}
