//! What the two kinds of totals have in common.

use event_model::MICROS_PER_UNIT;
use sqlx::Type;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgConnection, PgHasArrayType, PgTypeInfo, Postgres};
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
        let sum = |(_, totals): &(&GroupKey, Totals)| Decimal { micros: (figure.micros)(totals) };
        query = query.bind(rows.iter().map(sum).collect::<Vec<_>>());
    }
    query.execute(connection).await.map_err(StoreError::sql(doing))?;
    Ok(())
}

/// A group, for an operator.
pub(super) fn name((key, _): &(&GroupKey, Totals)) -> String {
    format!("{}, {}, {}", key.window.start(), key.event_type, key.region)
}

/// Digits behind the point.
const DECIMALS: usize = 6;
const _: () = assert!(MICROS_PER_UNIT == 10_i64.pow(DECIMALS as u32));
/// The longest text: 39 digits, a sign and the point.
const TEXT_MAX: usize = 41;

/// Micro-units as the text of a decimal with six digits, for NUMERIC. It is written straight into the message: a text of its own for
/// each of three figures took a sixth of the writer's instructions.
#[derive(Clone, Copy)]
struct Decimal {
    micros: i128,
}

impl Decimal {
    /// Its text, at the end of `place`.
    fn text(self, place: &mut [u8; TEXT_MAX]) -> &[u8] {
        let mut start = place.len();
        let mut put = |byte: u8| {
            start -= 1;
            place[start] = byte;
        };
        let mut left = self.micros.unsigned_abs();
        for digit in 0.. {
            if digit == DECIMALS {
                put(b'.');
            }
            if digit > DECIMALS && left == 0 {
                break;
            }
            // Nearly always 64 bits are enough, and dividing those is a tenth of the work.
            let last = match u64::try_from(left) {
                Ok(few) => {
                    left = u128::from(few / 10);
                    few % 10
                }
                Err(_) => {
                    let last = left % 10;
                    left /= 10;
                    last as u64
                }
            };
            put(b'0' + last as u8);
        }
        if self.micros < 0 {
            put(b'-');
        }
        &place[start..]
    }
}

impl Encode<'_, Postgres> for Decimal {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.text(&mut [0; TEXT_MAX]));
        Ok(IsNull::No)
    }
}

impl Type<Postgres> for Decimal {
    fn type_info() -> PgTypeInfo {
        <&str as Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for Decimal {
    fn array_type_info() -> PgTypeInfo {
        <&str as PgHasArrayType>::array_type_info()
    }
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
            (999_999, "0.999999"),
            (1_000_000, "1.000000"),
            (10_000_000, "10.000000"),
            (-12_345_678_901, "-12345.678901"),
            (i128::from(u64::MAX), "18446744073709.551615"),
            (i128::from(u64::MAX) + 1, "18446744073709.551616"),
            (i128::from(i64::MAX) * 1_000_000, "9223372036854775807.000000"),
            (i128::MAX, "170141183460469231731687303715884.105727"),
            (i128::MIN, "-170141183460469231731687303715884.105728"),
        ] {
            let text = Decimal { micros: micro_units }.text(&mut [0; TEXT_MAX]).to_vec();
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}
