//! Where a scenario's towers stand.
//!
//! In: a scenario. Out: each tower with its region and its place, for whoever has to know how far two of them are apart.

use crate::scenario::{Scenario, Towers};

/// One tower of a scenario, with its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TowerPlace<'a> {
    /// As events name it.
    pub id: u32,
    /// As events name it.
    pub region: &'a str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// All towers, by region; `None`: in this scenario a tower stands nowhere in particular.
pub fn places(scenario: &Scenario) -> Option<Vec<TowerPlace<'_>>> {
    let Towers::Grids { grids, .. } = &scenario.towers else { return None };
    let of_grid = |(region, grid): (_, &crate::scenario::Grid)| {
        let grid = *grid;
        let region: &crate::scenario::Region = region;
        (0..grid.columns * grid.rows).map(move |cell| {
            let (latitude, longitude) = grid.location(cell);
            TowerPlace { id: grid.first_tower + cell, region: &region.name, latitude, longitude }
        })
    };
    Some(scenario.regions.iter().zip(grids).flat_map(of_grid).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tower_of_kazakhstan_has_a_place_and_those_of_default_have_none() {
        let scenario = Scenario::built_in("kazakhstan");
        let places = places(&scenario).unwrap();
        let Towers::Grids { grids, .. } = &scenario.towers else { panic!("no grids") };
        let expected: u32 = grids.iter().map(|grid| grid.columns * grid.rows).sum();
        assert_eq!(places.len() as u32, expected);
        let ids: std::collections::BTreeSet<u32> = places.iter().map(|place| place.id).collect();
        assert_eq!(ids.len(), places.len());
        // The middle of Almaty's 31 columns and between its 16th and 17th row.
        let first = places[0];
        assert_eq!((first.id, first.region), (1_000, "Almaty"));
        assert!((first.latitude - (43.24 - 15.5 / 111.19)).abs() < 1e-9, "{first:?}");
        let width = 111.19 * (43.24_f64).to_radians().cos();
        assert!((first.longitude - (76.89 - 15.0 / width)).abs() < 1e-9, "{first:?}");
        assert_eq!(super::places(&Scenario::built_in("default")), None);
    }
}
