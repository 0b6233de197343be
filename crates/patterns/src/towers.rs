//! Where towers stand, and how far apart.

use hashbrown::HashMap;
use thiserror::Error;

/// Mean radius of the earth: (2a + b) / 3 of WGS 84 (Moritz, Geodetic Reference System 1980).
const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// A table of towers.
#[derive(Clone, Debug, Default)]
pub struct Towers(HashMap<u32, Place>);

/// A place as a vector of length 1 from the middle of the earth: distances then take no trigonometry but one arc sine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place([f64; 3]);

/// What is wrong with a table of towers.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}: {message}")]
pub struct TowersError {
    /// From 1.
    pub line: usize,
    /// Found and expected.
    pub message: String,
}

impl Towers {
    /// Reads CSV with a header line that names `tower`, `latitude` and `longitude` among its columns; latitudes and
    /// longitudes are degrees.
    ///
    /// # Errors
    /// A column that is missing, a value out of its bounds, a tower that stands twice.
    pub fn from_csv(text: &str) -> Result<Self, TowersError> {
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let error = |line, message: String| TowersError { line, message };
        let (_, header) =
            lines.next().ok_or_else(|| error(1, "an empty table of towers".to_owned()))?;
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        let column = |wanted: &str| {
            names.iter().position(|name| *name == wanted).ok_or_else(|| {
                error(1, format!("no column `{wanted}`; found {}", names.join(", ")))
            })
        };
        let columns = (column("tower")?, column("latitude")?, column("longitude")?);
        let mut towers = HashMap::new();
        for (number, line) in lines {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let field = |index: usize| fields.get(index).copied().unwrap_or_default();
            let degrees = |index: usize, most: f64| {
                let value = field(index).parse::<f64>().ok().filter(|value| value.abs() <= most);
                value.ok_or_else(|| {
                    let (name, found) = (names[index], field(index));
                    error(number, format!("{name} `{found}`: expected degrees, −{most} to {most}"))
                })
            };
            let tower: u32 = field(columns.0).parse().map_err(|_| {
                error(number, format!("tower `{}`: expected a whole number", field(columns.0)))
            })?;
            let place = Place::at(degrees(columns.1, 90.0)?, degrees(columns.2, 180.0)?);
            if towers.insert(tower, place).is_some() {
                return Err(error(number, format!("tower {tower} stands twice")));
            }
        }
        Ok(Towers(towers))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn place(&self, tower: u32) -> Option<Place> {
        self.0.get(&tower).copied()
    }
}

impl Place {
    fn at(latitude_degrees: f64, longitude_degrees: f64) -> Self {
        let (latitude, longitude) = (latitude_degrees.to_radians(), longitude_degrees.to_radians());
        let (sin, cos) = libm::sincos(latitude);
        Place([cos * libm::cos(longitude), cos * libm::sin(longitude), sin])
    }

    /// Along the great circle: twice the arc sine of half the chord.
    pub(crate) fn distance_km(self, other: Place) -> f64 {
        let squares = self.0.iter().zip(other.0).map(|(one, another)| {
            let difference = one - another;
            difference * difference
        });
        let half_chord = (squares.sum::<f64>().sqrt() / 2.0).min(1.0);
        2.0 * EARTH_RADIUS_KM * libm::asin(half_chord)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Almaty, Astana and the antipode of Almaty; distances by the haversine formula.
    #[test]
    fn distances_are_those_along_the_great_circle() {
        let text = "tower,region,latitude,longitude\n1,Almaty,43.238,76.946\n\n2,Astana,51.169,71.449\n3,far,-43.238,-103.054\n";
        let towers = Towers::from_csv(text).unwrap();
        let distance =
            |from, to| towers.place(from).unwrap().distance_km(towers.place(to).unwrap());
        assert!((distance(1, 2) - 974.098_29).abs() < 1e-4, "{}", distance(1, 2));
        assert!((distance(1, 3) - 20_015.1).abs() < 0.1, "{}", distance(1, 3));
        assert_eq!(distance(2, 2), 0.0);
        assert_eq!((towers.len(), towers.is_empty(), towers.place(4)), (3, false, None));
    }

    #[test]
    fn a_table_that_can_not_be_read_names_line_value_and_expectation() {
        let head = "tower,latitude,longitude\n";
        for (text, expected) in [
            ("", "line 1: an empty table of towers"),
            ("tower,lat,longitude\n", "line 1: no column `latitude`; found tower, lat, longitude"),
            ("1,91,0", "line 2: latitude `91`: expected degrees, −90 to 90"),
            ("1,9,", "line 2: longitude ``: expected degrees, −180 to 180"),
            ("1,NaN,0", "line 2: latitude `NaN`: expected degrees, −90 to 90"),
            ("-1,9,0", "line 2: tower `-1`: expected a whole number"),
            ("1,9,0\n1,9,0", "line 3: tower 1 stands twice"),
        ] {
            let whole = if text.starts_with("tower") || text.is_empty() {
                text.to_owned()
            } else {
                format!("{head}{text}")
            };
            assert_eq!(Towers::from_csv(&whole).unwrap_err().to_string(), expected);
        }
    }
}
