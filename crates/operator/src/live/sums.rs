//! What the figures of some windows add up to, as users read them.

use serde::ser::{Serialize, SerializeMap, Serializer};
use sqlx::postgres::PgRow;
use sqlx::{Error, FromRow};
use store::{FIGURES, PerFigure, read_figures};

/// One sum for each figure, in its own unit. In JSON a field for each, whole numbers where the figure is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums(pub PerFigure<f64>);

impl FromRow<'_, PgRow> for Sums {
    fn from_row(row: &PgRow) -> Result<Self, Error> {
        read_figures(row, |figure| figure.name).map(Sums)
    }
}

impl Serialize for Sums {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(FIGURES.len()))?;
        for (figure, sum) in FIGURES.iter().zip(self.0) {
            if figure.is_whole {
                // A sum beyond 2⁵³ is rounded, and no day has one.
                fields.serialize_entry(figure.name, &(sum as i64))?;
            } else {
                fields.serialize_entry(figure.name, &sum)?;
            }
        }
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_figures_are_written_as_whole_numbers() {
        let text = serde_json::to_string(&Sums([360.0, 9.0, 12.5])).unwrap();
        assert_eq!(text, r#"{"seconds":360,"data_mb":9.0,"amount":12.5}"#);
    }
}
