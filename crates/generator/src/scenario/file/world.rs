//! The form of the parts that make a world: see `scenario::world`.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct PairsFile {
    pub(in crate::scenario) other_networks: f64,
    pub(in crate::scenario) unanswered: f64,
    pub(in crate::scenario) initiative_sigma: f64,
    pub(in crate::scenario) call_again: f64,
    pub(in crate::scenario) message_again: f64,
    pub(in crate::scenario) favourite: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct RoleFile {
    pub(in crate::scenario) role: String,
    pub(in crate::scenario) share: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct FraudFile {
    pub(in crate::scenario) kind: String,
    pub(in crate::scenario) variant: String,
    pub(in crate::scenario) share: f64,
    pub(in crate::scenario) from: Option<String>,
    pub(in crate::scenario) to: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct WeatherFile {
    pub(in crate::scenario) cv: f64,
    pub(in crate::scenario) hours: f64,
    #[serde(default)]
    pub(in crate::scenario) daily_cv: f64,
    #[serde(default)]
    pub(in crate::scenario) campaigns_per_week: f64,
    pub(in crate::scenario) campaign_factors: Option<[f64; 2]>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct LivesFile {
    pub(in crate::scenario) leaving_per_month: f64,
    pub(in crate::scenario) abrupt: f64,
    pub(in crate::scenario) decay: f64,
    pub(in crate::scenario) second_sim: f64,
    pub(in crate::scenario) holidays_per_year: f64,
    pub(in crate::scenario) slumps_per_year: f64,
}
