//! Statements that name every figure, written once for all of them.
//!
//! In: SQL in which what stands in braces is meant for each of [`FIGURES`]. Out: the SQL. So a new figure needs no change in
//! a statement that sums, stores or compares figures.
//!
//! ```text
//! {SUM(<name>) AS <name>}            SUM(seconds) AS seconds, SUM(data_mb) AS data_mb, …
//! {rounded: shown_<name>}            the same for those alone that have a column which is rounded for users
//! <name>                             Figure::name, the column of the view minute_figures
//! <column>  <exact column>           the columns of real_time_metrics and late_metrics
//! <day column>                       the column of daily_stats
//! <in day units>                     the sum in the units of daily_stats, divided once
//! <$5>                               the first figure's parameter is $5, the next one's $6, …
//! ```

use std::sync::OnceLock;

use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Decode, Row, Type};
use windowing::{FIGURES, Figure, PerFigure};

/// A statement that is written for each figure.
#[derive(Debug)]
pub struct FigureSql {
    template: &'static str,
    text: OnceLock<String>,
}

impl FigureSql {
    /// A statement from SQL in which braces stand for each figure.
    pub const fn new(template: &'static str) -> Self {
        FigureSql { template, text: OnceLock::new() }
    }

    /// The SQL, written out when it is asked for the first time.
    pub fn text(&'static self) -> &'static str {
        self.text.get_or_init(|| written_out(self.template))
    }
}

/// Reads one column for each figure.
///
/// # Errors
/// A column that is missing, or of another type.
pub fn read_figures<'r, T>(
    row: &'r PgRow,
    column: impl Fn(&Figure) -> &'static str,
) -> Result<PerFigure<T>, sqlx::Error>
where
    T: Default + Decode<'r, Postgres> + Type<Postgres>,
{
    let mut values = PerFigure::<T>::default();
    for (value, figure) in values.iter_mut().zip(&FIGURES) {
        *value = row.try_get(column(figure))?;
    }
    Ok(values)
}

fn written_out(template: &str) -> String {
    let (mut sql, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        let (part, after) = after.split_once('}').unwrap_or((after, ""));
        sql.push_str(before);
        sql.push_str(&for_each_figure(part));
        rest = after;
    }
    sql + rest
}

fn for_each_figure(part: &str) -> String {
    let (only_rounded, part) = match part.strip_prefix("rounded: ") {
        Some(part) => (true, part),
        None => (false, part),
    };
    let figures =
        FIGURES.iter().enumerate().filter(|(_, figure)| !(only_rounded && figure.is_whole));
    let parts: Vec<String> =
        figures.map(|(index, figure)| for_figure(part, index, figure)).collect();
    parts.join(", ")
}

fn for_figure(part: &str, index: usize, figure: &Figure) -> String {
    let part = part
        .replace("<in day units>", &in_day_units(figure))
        .replace("<name>", figure.name)
        .replace("<column>", figure.column)
        .replace("<exact column>", figure.exact_column)
        .replace("<day column>", figure.day.column);
    let Some((before, after)) = part.split_once("<$") else { return part };
    let (first, after) = after.split_once('>').unwrap_or((after, ""));
    let first: usize = first.parse().unwrap_or_default();
    format!("{before}${}{after}", first + index)
}

/// Divided with 40 decimals: the double that it is converted to is then the one nearest to the exact quotient (I-5).
fn in_day_units(figure: &Figure) -> String {
    match figure.day.units {
        1 => figure.name.to_owned(),
        units => format!("({}::numeric(1000, 40) / {units})", figure.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_braces_is_written_for_each_figure() {
        for (template, expected) in [
            ("SELECT 1", "SELECT 1"),
            (
                "SELECT {SUM(<name>)} FROM t",
                "SELECT SUM(seconds), SUM(data_mb), SUM(amount) FROM t",
            ),
            (
                "{<column>}; {<exact column>}",
                "total_duration, total_data_mb, total_amount; total_duration, exact_data_mb, exact_amount",
            ),
            ("{rounded: shown_<name>}", "shown_data_mb, shown_amount"),
            ("{<day column>}", "total_duration_hours, total_data_tb, total_amount"),
            ("{<$5>::text[]}", "$5::text[], $6::text[], $7::text[]"),
            (
                "{<in day units>}",
                "(seconds::numeric(1000, 40) / 3600), (data_mb::numeric(1000, 40) / 1048576), amount",
            ),
        ] {
            assert_eq!(written_out(template), expected);
        }
    }
}
