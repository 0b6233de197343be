//! Where towers stand, and how far apart: the table of crate `towers`, in the form in which speeds cost least.

use hashbrown::HashMap;
use towers::TowerTable;

/// Mean radius of the earth: (2a + b) / 3 of WGS 84 (Moritz, Geodetic Reference System 1980).
const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// A table of towers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Towers(HashMap<u32, Place>);

/// A place as a vector of length 1 from the middle of the earth: distances then take no trigonometry but one arc sine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place([f64; 3]);

impl From<&TowerTable> for Towers {
    fn from(table: &TowerTable) -> Self {
        let place = |tower: &towers::Tower| Place::at(tower.latitude, tower.longitude);
        Towers(table.iter().map(|tower| (tower.id, place(tower))).collect())
    }
}

impl Towers {
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
        let text = "tower,region,latitude,longitude\n1,Almaty,43.238,76.946\n2,Astana,51.169,71.449\n3,far,-43.238,-103.054\n";
        let towers = Towers::from(&TowerTable::parse(text).unwrap());
        let distance =
            |from, to| towers.place(from).unwrap().distance_km(towers.place(to).unwrap());
        assert!((distance(1, 2) - 974.098_29).abs() < 1e-4, "{}", distance(1, 2));
        assert!((distance(1, 3) - 20_015.1).abs() < 0.1, "{}", distance(1, 3));
        assert_eq!(distance(2, 2), 0.0);
        assert_eq!((towers.len(), towers.is_empty(), towers.place(4)), (3, false, None));
    }
}
