//! A table of cell towers: which region each belongs to, and where it stands.
//!
//! In: the text of a CSV file, an operator's own or one that `producer towers` printed. Out: a [`TowerTable`], or a
//! sentence that names line, column, value and what was expected. `docs/generator.md` describes the file.
//!
//! No IO: who has a file reads it.

use std::collections::BTreeMap;
use std::fmt;

/// The columns, in the order in which they are written. A file may have them in any order, and others besides.
pub const COLUMNS: [&str; 4] = ["tower", "region", "latitude", "longitude"];
/// The greatest tower that an event may name, as in the contract.
const TOWER_MAX: u32 = 2_147_483_647;
/// Kilometres of a degree of a great circle, of the earth as a sphere of radius 6,371 km.
const KM_PER_DEGREE: f64 = 6_371.0 * std::f64::consts::PI / 180.0;

/// A tower.
#[derive(Clone, Debug, PartialEq)]
pub struct Tower {
    /// As events name it in `cell_tower_id`.
    pub id: u32,
    /// As events name it.
    pub region: String,
    /// Degrees north, −90 to 90.
    pub latitude: f64,
    /// Degrees east, −180 to 180.
    pub longitude: f64,
}

/// Towers by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TowerTable {
    towers: BTreeMap<u32, Tower>,
}

/// Why a text is no table of towers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTable(String);

impl fmt::Display for BadTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadTable {}

impl TowerTable {
    /// Reads a table.
    ///
    /// # Errors
    /// A column that is missing, a value that doesn't fit, a tower that stands there twice, or no tower at all.
    pub fn parse(text: &str) -> Result<TowerTable, BadTable> {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let places =
            places_of_columns(reader.headers().map_err(|error| BadTable(error.to_string()))?)?;
        let mut table = TowerTable::default();
        for row in reader.records() {
            let row = row.map_err(|error| BadTable(error.to_string()))?;
            let line = row.position().map_or(0, csv::Position::line);
            let field = |column: usize| row.get(places[column]).unwrap_or("");
            let bad = |column: usize, expected: &str| {
                let (name, value) = (COLUMNS[column], field(column));
                BadTable(format!("line {line}: {name}: `{value}`, expected {expected}"))
            };
            let degrees = |column: usize, most: f64| {
                let value = field(column).parse::<f64>().ok().filter(|value| value.abs() <= most);
                value.ok_or_else(|| {
                    bad(column, &format!("degrees from -{most} to {most}, like 43.24"))
                })
            };
            let id = field(0).parse::<u32>().ok().filter(|id| *id <= TOWER_MAX);
            let tower = Tower {
                id: id.ok_or_else(|| bad(0, "a whole number from 0 to 2147483647"))?,
                region: field(1).to_owned(),
                latitude: degrees(2, 90.0)?,
                longitude: degrees(3, 180.0)?,
            };
            if !(1..=100).contains(&tower.region.chars().count()) {
                return Err(bad(1, "1 to 100 characters"));
            }
            if table.towers.insert(tower.id, tower).is_some() {
                return Err(bad(0, "a tower that stands there once"));
            }
        }
        if table.towers.is_empty() {
            return Err(BadTable(
                "no tower: expected a line for each below the names of columns".to_owned(),
            ));
        }
        Ok(table)
    }

    /// The table as a file: names of columns, then a line for each tower, by id. Degrees have six decimals: 11 cm.
    pub fn to_csv(&self) -> String {
        let mut text = COLUMNS.join(",");
        text.push('\n');
        for Tower { id, region, latitude, longitude } in self.towers.values() {
            let needs_quotes = region.contains(['"', ',', '\n', '\r']);
            let region = if needs_quotes {
                format!("\"{}\"", region.replace('"', "\"\""))
            } else {
                region.clone()
            };
            text.push_str(&format!("{id},{region},{latitude:.6},{longitude:.6}\n"));
        }
        text
    }

    /// A tower by its id.
    pub fn get(&self, id: u32) -> Option<&Tower> {
        self.towers.get(&id)
    }

    /// All towers, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Tower> {
        self.towers.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.towers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.towers.is_empty()
    }
}

impl FromIterator<Tower> for TowerTable {
    /// Of several towers with the same id the last stays.
    fn from_iter<T: IntoIterator<Item = Tower>>(towers: T) -> Self {
        TowerTable { towers: towers.into_iter().map(|tower| (tower.id, tower)).collect() }
    }
}

impl Tower {
    /// Kilometres between two towers along a great circle, by the haversine formula (Sinnott, Sky and Telescope 68,
    /// 1984, 158).
    pub fn km_to(&self, other: &Tower) -> f64 {
        let half_sine = |degrees: f64| libm::sin(degrees.to_radians() / 2.0);
        let north = half_sine(other.latitude - self.latitude);
        let east = half_sine(other.longitude - self.longitude);
        let cosines =
            libm::cos(self.latitude.to_radians()) * libm::cos(other.latitude.to_radians());
        let haversine = north * north + cosines * east * east;
        2.0 * libm::asin(libm::sqrt(haversine.min(1.0))).to_degrees() * KM_PER_DEGREE
    }
}

/// Where each of [`COLUMNS`] stands.
fn places_of_columns(headers: &csv::StringRecord) -> Result<[usize; 4], BadTable> {
    let mut places = [0; 4];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = headers.iter().position(|name| name.eq_ignore_ascii_case(column));
        *place = found.ok_or_else(|| {
            let given: Vec<&str> = headers.iter().collect();
            let expected = COLUMNS.join(", ");
            BadTable(format!("line 1: no column `{column}` among {given:?}, expected {expected}"))
        })?;
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "tower,region,latitude,longitude\n\
                         7,Almaty,43.240000,76.890000\n\
                         9,\"Here, \"\"there\"\"\",-0.500000,-179.900000\n";

    #[test]
    fn what_is_written_is_read_back() {
        let table = TowerTable::parse(TABLE).unwrap();
        assert_eq!(table.len(), 2);
        assert_eq!(table.get(9).unwrap().region, "Here, \"there\"");
        assert_eq!(table.to_csv(), TABLE);
    }

    #[test]
    fn columns_come_in_any_order_among_others_with_a_byte_order_mark_and_windows_lines() {
        let text =
            "\u{feff}Longitude,vendor,TOWER,latitude,region\r\n76.89, x ,7, 43.24 ,Almaty\r\n";
        let table = TowerTable::parse(text).unwrap();
        let expected =
            Tower { id: 7, region: "Almaty".to_owned(), latitude: 43.24, longitude: 76.89 };
        assert_eq!(table.iter().collect::<Vec<_>>(), [&expected]);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line() {
        let row = |row: &str| format!("tower,region,latitude,longitude\n1,A,0,0\n{row}\n");
        // Every row: text, parts of the complaint.
        for (text, parts) in [
            (
                "tower,region,latitude\n".to_owned(),
                &["line 1", "`longitude`", "tower, region"] as &[_],
            ),
            ("tower,region,latitude,longitude\n".to_owned(), &["no tower"]),
            (row("x,A,1,1"), &["line 3", "tower: `x`", "whole number"]),
            (row("2147483648,A,1,1"), &["line 3", "2147483648"]),
            (row("2,,1,1"), &["line 3", "region: ``", "1 to 100"]),
            (row("2,A,91,1"), &["line 3", "latitude: `91`", "-90 to 90"]),
            (row("2,A,1,NaN"), &["line 3", "longitude: `NaN`"]),
            (row("2,A,\"43,24\",1"), &["line 3", "latitude: `43,24`", "43.24"]),
            (row("1,A,1,1"), &["line 3", "tower: `1`", "once"]),
            (row("2,A,1"), &["line: 3", "3 fields"]),
        ] {
            let problem = TowerTable::parse(&text).expect_err(&text).to_string();
            for part in parts {
                assert!(problem.contains(part), "{text}: no {part:?} in {problem}");
            }
        }
    }

    #[test]
    fn distances_are_those_of_great_circles() {
        let at = |latitude, longitude| Tower { id: 0, region: String::new(), latitude, longitude };
        // Almaty and Astana are 970 km from each other; a degree at the equator is 111.19 km; halfway round.
        for (one, other, km, within) in [
            (at(43.24, 76.89), at(51.17, 71.45), 970.0, 5.0),
            (at(0.0, 0.0), at(0.0, 1.0), 111.19, 0.01),
            (at(0.0, 179.5), at(0.0, -179.5), 111.19, 0.01),
            (at(10.0, 20.0), at(-10.0, -160.0), 20_015.1, 0.1),
            (at(10.0, 20.0), at(10.0, 20.0), 0.0, 1e-9),
        ] {
            let found = one.km_to(&other);
            assert!((found - km).abs() <= within, "{found} km, not {km}");
        }
    }
}
