//! A day's windows added up outside the database: the other way to a day's figures, which shares with the batcher
//! the view that says what a window holds, and neither statement nor arithmetic.
//!
//! In: a stretch of time. Out: exact sums for each (event_type, region): whole numbers for our own
//! rows; doubles for rows of others, with what is needed to bound their rounding errors.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{FromRow, Row};
use windowing::{FIGURES, PerFigure};

use crate::{BusinessDay, FigureSql, StoreError, read_figures};

static WINDOWS: FigureSql = FigureSql::new(include_str!("queries/validate_windows.sql"));

const COUNTING: &str = "counting the day's windows again";
/// Millionths in one unit.
const MICROS: i128 = event_model::MICROS_PER_UNIT as i128;
const MICRO_DIGITS: usize = 6;
/// PostgreSQL's conversion of a double to NUMERIC keeps 15 significant digits, so the batcher's own
/// term may differ by 5 × 10⁻¹⁵ of itself: 23 roundings.
const NUMERIC_CONVERSION_ROUNDINGS: u32 = 23;

/// (event_type, region) → what its windows hold. A name that is missing is the word NULL.
pub(crate) type Recount = BTreeMap<(String, String), Recounted>;

/// The sums of some windows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Recounted {
    pub(crate) events: i128,
    pub(crate) figures: PerFigure<MixedSum>,
}

/// A sum of our own exact figures and of others' doubles.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct MixedSum {
    own_micros: i128,
    foreign: f64,
    foreign_magnitude: f64,
    foreign_terms: u32,
}

impl MixedSum {
    /// A sum of our own figures.
    #[cfg(test)]
    pub(crate) fn of_micros(own_micros: i128) -> Self {
        MixedSum { own_micros, ..MixedSum::default() }
    }

    /// The sum, rounded.
    pub(crate) fn value(&self) -> f64 {
        self.own_micros as f64 / MICROS as f64 + self.foreign
    }

    /// The sum of all terms without their signs, rounded.
    pub(crate) fn magnitude(&self) -> f64 {
        (self.own_micros as f64 / MICROS as f64).abs() + self.foreign_magnitude
    }

    /// How many roundings may lie between [`MixedSum::value`] and the batcher's figure.
    pub(crate) fn roundings(&self) -> u32 {
        // The own sum's conversion and division, the last addition, and one for each double.
        let own = 3;
        match self.foreign_terms {
            0 => own,
            terms => terms.saturating_add(own + NUMERIC_CONVERSION_ROUNDINGS),
        }
    }

    fn add_own(&mut self, decimal: &str) -> Result<(), StoreError> {
        let micros = millionths(decimal)
            .ok_or_else(|| StoreError::BadValue(format!("{decimal} in a row with own")))?;
        self.own_micros += micros;
        Ok(())
    }

    fn add_foreign(&mut self, term: f64) {
        self.foreign += term;
        self.foreign_magnitude += term.abs();
        self.foreign_terms = self.foreign_terms.saturating_add(1);
    }
}

/// One window. Rows that someone else inserted may lack anything.
#[derive(Debug)]
struct WindowRow {
    event_type: Option<String>,
    region: Option<String>,
    events: Option<i64>,
    own: bool,
    /// As decimal text.
    exact: PerFigure<String>,
    /// What users read; `None` of whole figures, too.
    shown: PerFigure<Option<f64>>,
}

impl FromRow<'_, PgRow> for WindowRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let mut shown = PerFigure::default();
        for (value, figure) in shown.iter_mut().zip(&FIGURES).filter(|(_, figure)| !figure.is_whole)
        {
            *value = row.try_get(format!("shown_{}", figure.name).as_str())?;
        }
        Ok(WindowRow {
            event_type: row.try_get("event_type")?,
            region: row.try_get("region")?,
            events: row.try_get("events")?,
            own: row.try_get("own")?,
            exact: read_figures(row, |figure| figure.name)?,
            shown,
        })
    }
}

/// Adds the day's windows up, one by one as they come: memory grows with the keys alone.
pub(crate) async fn recount(
    connection: &mut PgConnection,
    day: &BusinessDay,
    include_late: bool,
) -> Result<Recount, StoreError> {
    let mut sums = Recount::new();
    let mut windows = sqlx::query_as::<_, WindowRow>(WINDOWS.text())
        .bind(day.start())
        .bind(day.end())
        .bind(include_late)
        .fetch(connection);
    while let Some(window) = windows.try_next().await.map_err(StoreError::sql(COUNTING))? {
        add(&mut sums, window)?;
    }
    Ok(sums)
}

fn add(sums: &mut Recount, window: WindowRow) -> Result<(), StoreError> {
    let named = |name: Option<String>| name.unwrap_or_else(|| "NULL".to_owned());
    let sums = sums.entry((named(window.event_type), named(window.region))).or_default();
    sums.events += i128::from(window.events.unwrap_or(0));
    let values = window.exact.iter().zip(window.shown);
    for ((sum, figure), (exact, shown)) in sums.figures.iter_mut().zip(&FIGURES).zip(values) {
        if window.own || figure.is_whole {
            sum.add_own(exact)?;
        } else {
            sum.add_foreign(shown.unwrap_or(0.0));
        }
    }
    Ok(())
}

/// A NUMERIC's text in millionths; `None` for what has more decimals, or is no number.
fn millionths(decimal: &str) -> Option<i128> {
    let (sign, magnitude) = match decimal.strip_prefix('-') {
        Some(magnitude) => (-1, magnitude),
        None => (1, decimal),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let fraction = fraction.trim_end_matches('0');
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || !is_digits(whole)
        || !is_digits(fraction)
        || fraction.len() > MICRO_DIGITS
    {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let micros: i128 = format!("{fraction:0<MICRO_DIGITS$}").parse().ok()?;
    Some(sign * whole.checked_mul(MICROS)?.checked_add(micros)?)
}

#[cfg(test)]
mod tests {
    use windowing::Figure;

    use super::*;

    #[test]
    fn a_decimal_is_read_in_millionths_or_not_at_all() {
        for (text, expected) in [
            ("0", Some(0)),
            ("12", Some(12_000_000)),
            ("12.5", Some(12_500_000)),
            ("0.000001", Some(1)),
            ("-1.000002", Some(-1_000_002)),
            ("3.0000000000", Some(3_000_000)),
            ("123456789012345678901.5", Some(123_456_789_012_345_678_901_500_000)),
            ("0.0000001", None),
            ("NaN", None),
            ("1e3", None),
            ("", None),
            (".5", None),
        ] {
            assert_eq!(millionths(text), expected, "{text}");
        }
    }

    fn window(own: bool, region: Option<&str>) -> WindowRow {
        WindowRow {
            event_type: Some("call".to_owned()),
            region: region.map(str::to_owned),
            events: Some(2),
            own,
            exact: ["7", "0.1", "500"].map(str::to_owned),
            shown: [None, Some(0.25), None],
        }
    }

    #[test]
    fn own_rows_count_exactly_rows_of_others_as_doubles_and_what_is_missing_as_nothing() {
        let mut sums = Recount::new();
        for row in [
            window(true, Some("Osh")),
            window(true, Some("Osh")),
            window(false, Some("Osh")),
            window(false, None),
        ] {
            add(&mut sums, row).unwrap();
        }
        let at = |region: &str| sums[&("call".to_owned(), region.to_owned())];
        let [seconds, data_mb, amount] = at("Osh").figures;
        // Seconds are whole numbers in anybody's row.
        assert_eq!((at("Osh").events, seconds.value(), seconds.roundings()), (6, 21.0, 3));
        assert_eq!((data_mb.value(), data_mb.roundings()), (0.45, 27));
        assert_eq!(amount.value(), 1000.0);
        assert_eq!((at("NULL").events, at("NULL").figures[Figure::DATA_MB].value()), (2, 0.25));
    }
}
