//! `producer towers`: where towers stand, as a table that other programs read.
//!
//! In: a scenario, or the file of an operator's own table. Out: text, or a sentence that says what is wrong.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, anyhow};
use generator::scenario::Scenario;
use generator::towers::{TowerPlace, places};
use towers::{Tower, TowerTable};

use crate::config::TowersArgs;

/// What `producer towers` prints.
///
/// # Errors
/// A scenario that can't be used, one whose towers stand nowhere, a file that can't be read or is no table.
pub fn text(arguments: &TowersArgs) -> anyhow::Result<String> {
    match &arguments.check {
        Some(file) => checked(file),
        None => table(&arguments.scenario),
    }
}

fn table(name: &str) -> anyhow::Result<String> {
    let scenario = Scenario::load(name).map_err(anyhow::Error::msg)?;
    let places = places(&scenario).ok_or_else(|| {
        anyhow!(
            "scenario {name} draws any tower for any region, so none of them stands anywhere; give one \
             with [movement] and grids, like kazakhstan"
        )
    })?;
    let tower = |place: TowerPlace<'_>| Tower {
        id: place.id,
        region: place.region.to_owned(),
        latitude: place.latitude,
        longitude: place.longitude,
    };
    Ok(places.into_iter().map(tower).collect::<TowerTable>().to_csv())
}

fn checked(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the table of towers {shown} can't be read"))?;
    let table =
        TowerTable::parse(&text).with_context(|| format!("{shown} is no table of towers"))?;
    let regions: BTreeSet<&str> = table.iter().map(|tower| tower.region.as_str()).collect();
    Ok(format!("{shown}: {} towers in {} regions\n", table.len(), regions.len()))
}
