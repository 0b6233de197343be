//! A table of cell towers: which region each belongs to, and where it stands.
//!
//! In: the text of a CSV file, an operator's own or one that `producer towers` printed. Out: a [`TowerTable`], or a
//! sentence that names line, column, value and what was expected. `docs/generator.md` describes the file.
//!
//! No IO: who has a file reads it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// The columns, in the order in which they are written. A file may have them in any order, and others besides.
pub const COLUMNS: [&str; 4] = ["tower", "region", "latitude", "longitude"];
/// The greatest tower that an event may name, as in the contract.
const TOWER_MAX: u32 = 2_147_483_647;
/// Kilometres of a degree of a great circle, of the earth as a sphere of radius 6,371 km.
const KM_PER_DEGREE: f64 = 6_371.0 * std::f64::consts::PI / 180.0;

/// One tower, with its region and its place on the globe.
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
        let mut reader = reader_of(text, true);
        let places =
            places_of::<4>(reader.headers().map_err(|error| BadTable(error.to_string()))?)?;
        let mut table = TowerTable::default();
        for row in reader.records() {
            let row = row.map_err(|error| BadTable(error.to_string()))?;
            let line = Line { row: &row, places: &places };
            let tower = Tower {
                id: line.id()?,
                region: line.region()?.to_owned(),
                latitude: line.degrees(2, 90.0)?,
                longitude: line.degrees(3, 180.0)?,
            };
            if table.towers.insert(tower.id, tower).is_some() {
                return Err(line.doubled());
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

    /// The tower that events name so; `None`: the table lacks it.
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

/// Regions of towers, from a table in which nothing else need be known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TowerRegions(HashMap<u32, String>);

impl TowerRegions {
    /// Reads a table like [`TowerTable`]'s, or one that has less: columns that are named otherwise, or not at all, are
    /// taken for tower and region in this order, and lines may differ in length.
    ///
    /// # Errors
    /// A value that doesn't fit, a tower that stands there twice, or no tower at all.
    pub fn parse(text: &str) -> Result<TowerRegions, BadTable> {
        let mut regions = TowerRegions::default();
        let mut places = [0, 1];
        for (index, row) in reader_of(text, false).records().enumerate() {
            let row = row.map_err(|error| BadTable(error.to_string()))?;
            if index == 0 && row.get(0).is_none_or(|cell| cell.parse::<i64>().is_err()) {
                places = places_of::<2>(&row).unwrap_or(places);
                continue;
            }
            let line = Line { row: &row, places: &places };
            if regions.0.insert(line.id()?, line.region()?.to_owned()).is_some() {
                return Err(line.doubled());
            }
        }
        if regions.0.is_empty() {
            return Err(BadTable(
                "no tower: expected a line for each, like 1234,Almaty".to_owned(),
            ));
        }
        Ok(regions)
    }

    /// The region of a tower.
    pub fn get(&self, id: u32) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
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

/// One line of a table, and where each of the first of [`COLUMNS`] stands in it.
struct Line<'r> {
    row: &'r csv::StringRecord,
    places: &'r [usize],
}

impl Line<'_> {
    fn field(&self, column: usize) -> &str {
        self.row.get(self.places[column]).unwrap_or("")
    }

    fn bad(&self, column: usize, expected: &str) -> BadTable {
        let (name, value) = (COLUMNS[column], self.field(column));
        let line = self.row.position().map_or(0, csv::Position::line);
        BadTable(format!("line {line}: {name}: `{value}`, expected {expected}"))
    }

    fn id(&self) -> Result<u32, BadTable> {
        let id = self.field(0).parse::<u32>().ok().filter(|id| *id <= TOWER_MAX);
        id.ok_or_else(|| self.bad(0, "a whole number from 0 to 2147483647"))
    }

    fn region(&self) -> Result<&str, BadTable> {
        let region = self.field(1);
        let fits = (1..=100).contains(&region.chars().count());
        if fits { Ok(region) } else { Err(self.bad(1, "1 to 100 characters")) }
    }

    fn degrees(&self, column: usize, most: f64) -> Result<f64, BadTable> {
        let degrees = self.field(column).parse::<f64>().ok().filter(|value| value.abs() <= most);
        degrees
            .ok_or_else(|| self.bad(column, &format!("degrees from -{most} to {most}, like 43.24")))
    }

    fn doubled(&self) -> BadTable {
        self.bad(0, "a tower that stands there once")
    }
}

/// Reads a text whose columns are separated by whatever separates most of its first line.
fn reader_of(text: &str, is_whole: bool) -> csv::Reader<&[u8]> {
    let text = text.trim_start_matches('\u{feff}');
    let first_line = text.lines().next().unwrap_or("");
    let count = |separator: &u8| first_line.bytes().filter(|byte| byte == separator).count();
    // Of several that are there as often, the last one here: the comma.
    let separator = b"\t;,".iter().max_by_key(|separator| count(separator)).unwrap_or(&b',');
    csv::ReaderBuilder::new()
        .delimiter(*separator)
        .trim(csv::Trim::All)
        .has_headers(is_whole)
        .flexible(!is_whole)
        .from_reader(text.as_bytes())
}

/// Where each of the first `N` of [`COLUMNS`] stands.
fn places_of<const N: usize>(headers: &csv::StringRecord) -> Result<[usize; N], BadTable> {
    let mut places = [0; N];
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
            "\u{feff}Longitude;vendor;TOWER;latitude;region\r\n76.89; x ;7; 43.24 ;Almaty\r\n";
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
    fn regions_alone_are_read_from_whatever_names_them() {
        for text in [
            "7,Almaty\n8,Osh\n",
            "tower;region\n7;Almaty;43.2;76.9\n\n8; Osh \n",
            "\u{feff}tower\tregion\r\n7\tAlmaty\r\n8\tOsh\r\n",
            "Region,latitude,Tower\nAlmaty,43.2,7\nOsh,40.5,8\n",
            "cell,where\n7,\"Almaty\"\n8,Osh\n",
        ] {
            let regions = TowerRegions::parse(text).unwrap();
            let found = [7, 8, 9].map(|id| regions.get(id));
            assert_eq!(found, [Some("Almaty"), Some("Osh"), None], "{text}");
        }
        for (text, part) in [
            ("1,A\n1,B\n", "line 2: tower: `1`, expected a tower that stands there once"),
            ("1,A\nx,B\n", "line 2: tower: `x`, expected a whole number"),
            ("-1,A\n", "line 1: tower: `-1`"),
            ("1\n", "line 1: region: ``"),
            ("tower,region\n", "no tower"),
            ("", "no tower"),
        ] {
            let problem = TowerRegions::parse(text).unwrap_err().to_string();
            assert!(problem.contains(part), "{text:?}: {problem}");
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
