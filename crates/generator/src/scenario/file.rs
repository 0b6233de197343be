//! The form of a scenario file, before anything is checked but names and kinds of values.
//!
//! In: TOML. Out: a [`ScenarioFile`]. A file may begin with `extends = "default"`: it then holds only
//! what differs. Tables are merged key by key; any other value, a list too, replaces the one below.

mod world;

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use self::world::{FraudFile, LivesFile, PairsFile, RoleFile, WeatherFile};
use super::built_in_text;

/// The key that names the scenario below.
const EXTENDS: &str = "extends";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScenarioFile {
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) world: u32,
    pub(super) time_zone: String,
    pub(super) base_rate: f64,
    pub(super) subscribers: u32,
    pub(super) activity: Option<ActivityFile>,
    pub(super) profiles: BTreeMap<String, ProfileFile>,
    pub(super) data_session: TypeFile,
    pub(super) call: TypeFile,
    pub(super) sms: TypeFile,
    pub(super) balance_recharge: TypeFile,
    pub(super) towers: Option<TowersFile>,
    pub(super) movement: Option<MovementFile>,
    pub(super) regions: Vec<RegionFile>,
    pub(super) prefixes: BTreeMap<String, f64>,
    pub(super) contacts: Option<ContactsFile>,
    pub(super) pairs: Option<PairsFile>,
    #[serde(default)]
    pub(super) roles: Vec<RoleFile>,
    #[serde(default)]
    pub(super) frauds: Vec<FraudFile>,
    pub(super) weather: Option<WeatherFile>,
    pub(super) lives: Option<LivesFile>,
    pub(super) spending: Option<SpendingFile>,
    #[serde(default)]
    pub(super) holidays: Vec<HolidayFile>,
    #[serde(default)]
    pub(super) peaks: Vec<PeakFile>,
    #[serde(default)]
    pub(super) faults: FaultsFile,
    #[serde(default)]
    pub(super) anomalies: Vec<AnomalyFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivityFile {
    pub(super) sigma: f64,
    pub(super) at_most: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileFile {
    pub(super) every_day: Option<[f64; 24]>,
    pub(super) weekday: Option<[f64; 24]>,
    pub(super) saturday: Option<[f64; 24]>,
    pub(super) sunday: Option<[f64; 24]>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypeFile {
    #[serde(default)]
    pub(super) weight: f64,
    pub(super) profile: String,
    pub(super) duration_seconds: Option<DistributionFile>,
    pub(super) volume_mb: Option<DistributionFile>,
    #[serde(default)]
    pub(super) tenge: Vec<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum DistributionFile {
    Uniform([u32; 2]),
    LogNormal(LogNormalFile),
    LogLogistic(LogLogisticFile),
    LogNormalMixture(MixtureFile),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogNormalFile {
    pub(super) median: f64,
    pub(super) sigma: f64,
    pub(super) at_most: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogLogisticFile {
    pub(super) median: f64,
    pub(super) shape: f64,
    #[serde(default)]
    pub(super) user_sigma: f64,
    pub(super) at_most: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MixtureFile {
    pub(super) parts: Vec<PartFile>,
    pub(super) at_most: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartFile {
    pub(super) share: f64,
    pub(super) median: f64,
    pub(super) sigma: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TowersFile {
    pub(super) ids: [u32; 2],
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MovementFile {
    pub(super) employed_share: f64,
    pub(super) commute_km: f64,
    pub(super) outing_share: f64,
    pub(super) journeys_per_year: f64,
    pub(super) journey_days: [u32; 2],
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegionFile {
    pub(super) name: String,
    pub(super) weight: f64,
    pub(super) grid: Option<GridFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GridFile {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) first_tower: u32,
    pub(super) columns: u32,
    pub(super) rows: u32,
    pub(super) spacing_km: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactsFile {
    pub(super) inside_region: u32,
    pub(super) outside_region: u32,
    pub(super) share: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpendingFile {
    pub(super) tenge_per_day: f64,
    pub(super) daily_spread: f64,
    pub(super) steps: Vec<StepFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepFile {
    pub(super) tenge: u32,
    pub(super) weight: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HolidayFile {
    pub(super) name: String,
    pub(super) dates: Vec<String>,
    pub(super) like: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeakFile {
    pub(super) name: String,
    pub(super) date: String,
    pub(super) hours: [u32; 2],
    pub(super) data_session: Option<f64>,
    pub(super) call: Option<f64>,
    pub(super) sms: Option<f64>,
    pub(super) balance_recharge: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultsFile {
    pub(super) late: Option<DelayFile>,
    pub(super) out_of_order: Option<DelayFile>,
    pub(super) duplicate: Option<DelayFile>,
    pub(super) malformed: Option<MalformedFile>,
    pub(super) skewed_clocks: Option<SkewFile>,
    #[serde(default)]
    pub(super) silent_regions: Vec<SilentRegionFile>,
    #[serde(default)]
    pub(super) silent_partitions: Vec<SilentPartitionFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DelayFile {
    pub(super) share: f64,
    pub(super) seconds: [u32; 2],
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MalformedFile {
    pub(super) share: f64,
    pub(super) reasons: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SkewFile {
    pub(super) share: f64,
    pub(super) seconds: [i32; 2],
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SilentRegionFile {
    pub(super) region: String,
    pub(super) from: String,
    pub(super) to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SilentPartitionFile {
    pub(super) partition: u32,
    pub(super) from: String,
    pub(super) to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnomalyFile {
    pub(super) name: String,
    pub(super) label: Option<String>,
    pub(super) region: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) magnitude: f64,
}

/// Reads a file, with what it extends.
pub(super) fn parse(text: &str) -> Result<ScenarioFile, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    if !table.contains_key(EXTENDS) {
        // Read from the text, so that an error shows the line.
        return toml::from_str(text).map_err(|error| error.to_string());
    }
    whole(table)?.try_into().map_err(|error: toml::de::Error| error.to_string())
}

/// A table with all that it extends: a built-in scenario may extend another in its turn.
fn whole(mut table: Table) -> Result<Table, String> {
    let Some(below) = table.remove(EXTENDS) else { return Ok(table) };
    let text = below.as_str().and_then(built_in_text).ok_or_else(|| {
        format!("extends: {below:?} is no built-in scenario; a file extends one of those only")
    })?;
    let mut merged = whole(text.parse().expect("tests read every built-in scenario"))?;
    merge(&mut merged, table);
    Ok(merged)
}

fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}
