//! Worlds small enough to be drawn in seconds, from parts of the scenario.

use std::sync::Arc;

use chrono::DateTime;
use event_model::{Event, EventTime};
use generator::curve::RateCurve;
use generator::scenario::Scenario;
use generator::{Draft, Generator, Shard};
use pseudonym::SubscriberKey;

/// `lifelike` with all its parts.
pub(crate) fn lifelike() -> Scenario {
    Scenario::built_in("lifelike")
}

/// The same with so many roles and frauds that a few thousand subscribers have some of each.
pub(crate) fn crowded(mut scenario: Scenario) -> Scenario {
    scenario.roles.iter_mut().for_each(|role| role.share = 0.001);
    scenario.frauds.iter_mut().for_each(|fraud| fraud.share = 0.001);
    scenario
}

/// A draft of a scenario shrunk to so many subscribers, its rate with it.
pub(crate) fn draft(mut scenario: Scenario, subscribers: u32, from: &str, to: &str) -> Draft {
    let at = |text: &str| EventTime::from(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
    scenario.base_rate *= f64::from(subscribers) / f64::from(scenario.subscribers);
    scenario.subscribers = subscribers;
    Draft {
        seed: 11,
        from: at(from),
        to: at(to),
        curve: RateCurve::Calendar { base_per_second: scenario.base_rate },
        shard: Shard::WHOLE,
        key: SubscriberKey::demo(),
        scenario: Arc::new(scenario),
    }
}

/// Two weeks without a holiday, from a Monday on in local time.
pub(crate) fn fortnight(scenario: Scenario, subscribers: u32) -> Vec<Event> {
    let draft = draft(scenario, subscribers, "2025-11-02T19:00:00Z", "2025-11-16T19:00:00Z");
    Generator::new(&draft).collect()
}
