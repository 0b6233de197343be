//! The scenario `lifelike` with as many frauds as are asked for, and who in it is what.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use chrono::{Days, NaiveDate, NaiveTime};
use event_model::EventTime;
use generator::curve::RateCurve;
use generator::scenario::{RoleOf, Scenario};
use generator::{Draft, Shard};
use pseudonym::SubscriberKey;

/// What is drawn of each seed.
pub(crate) struct World {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) roles: RoleOf,
    pub(crate) days: u32,
    from: EventTime,
    to: EventTime,
}

impl World {
    /// So many days with `share` of the scenario's frauds among so many thousand ordinary subscribers.
    pub(crate) fn new(
        from: NaiveDate,
        days: u32,
        share: f64,
        thousands: u32,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(share >= 0.0, "--base-rate: {share} is less than 0");
        let lifelike = Scenario::load("lifelike").map_err(|problem| anyhow!(problem))?;
        let (subscribers, factor) =
            (thousands * 1_000, f64::from(thousands * 1_000) / f64::from(lifelike.subscribers));
        let text = format!(
            "extends = \"lifelike\"\ndescription = \"scored\"\nsubscribers = {subscribers}\nbase_rate = {:?}\n",
            lifelike.base_rate * factor
        );
        let mut scenario = Scenario::parse("scored", &text).map_err(|problem| anyhow!(problem))?;
        scenario.frauds.iter_mut().for_each(|fraud| fraud.share *= share);
        let midnight = |day: NaiveDate| EventTime::from(day.and_time(NaiveTime::MIN).and_utc());
        let last = from.checked_add_days(Days::new(u64::from(days))).context("--days")?;
        Ok(World {
            roles: RoleOf::new(&scenario),
            scenario: Arc::new(scenario),
            days,
            from: midnight(from),
            to: midnight(last),
        })
    }

    pub(crate) fn draft(&self, seed: u64) -> Draft {
        Draft {
            scenario: Arc::clone(&self.scenario),
            seed,
            from: self.from,
            to: self.to,
            curve: RateCurve::Calendar { base_per_second: self.scenario.base_rate },
            shard: Shard::WHOLE,
            key: SubscriberKey::demo(),
        }
    }
}
