//! The rules that are scored, and which kind of fraud each of them is meant to find.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use generator::scenario::FraudKind;
use generator::towers::places;
use patterns::{RuleSet, Towers};
use towers::{Tower, TowerTable};

use crate::world::World;

/// Names of rules begin with one of these; what none of them begins is not scored.
const KINDS: [(&str, FraudKind); 5] = [
    ("sim_box", FraudKind::Simbox),
    ("sms_flood", FraudKind::SmsFlood),
    ("wangiri_caller", FraudKind::Wangiri),
    ("clone", FraudKind::Clone),
    ("recharge_velocity", FraudKind::Recharge),
];

pub(crate) struct ScoredRules {
    pub(crate) set: Arc<RuleSet>,
    /// By rule: what it is to find.
    pub(crate) kinds: Vec<Option<FraudKind>>,
}

impl ScoredRules {
    /// Reads them, with the towers of this world.
    pub(crate) fn parse(text: &str, world: &World) -> anyhow::Result<Self> {
        let places = places(&world.scenario).context("the scenario's towers stand nowhere")?;
        let table: TowerTable = places
            .into_iter()
            .map(|place| Tower {
                id: place.id,
                region: place.region.to_owned(),
                latitude: place.latitude,
                longitude: place.longitude,
            })
            .collect();
        let set = RuleSet::parse(text, Towers::from(&table)).map_err(|error| anyhow!(error))?;
        let kind_of = |name: &str| {
            KINDS.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, kind)| *kind)
        };
        let kinds = set.rules().iter().map(|rule| kind_of(&rule.name)).collect();
        Ok(ScoredRules { set: Arc::new(set), kinds })
    }
}
