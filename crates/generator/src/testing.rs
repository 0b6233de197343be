//! What the tests of several modules share: a noon, and runs that begin about then.

use std::ops::Range;
use std::sync::Arc;

use event_model::{EventTime, MICROS_PER_SECOND};
use pseudonym::SubscriberKey;

use crate::Shard;
use crate::curve::RateCurve;
use crate::draft::Draft;
use crate::scenario::Scenario;

/// 2025-11-09T12:00:00Z.
pub(crate) const NOON: EventTime = EventTime::from_millis(1_762_689_600_000);

pub(crate) fn after_noon(seconds: i64) -> EventTime {
    NOON.plus_micros(seconds * MICROS_PER_SECOND)
}

/// A run over these seconds after noon, of the scenario that this text describes.
pub(crate) fn draft(scenario: &str, seconds: Range<i64>, shard: Shard) -> Draft {
    let scenario = Scenario::parse("faulty", scenario).unwrap();
    Draft {
        seed: 5,
        from: after_noon(seconds.start),
        to: after_noon(seconds.end),
        curve: RateCurve::Calendar { base_per_second: scenario.base_rate },
        shard,
        key: SubscriberKey::demo(),
        scenario: Arc::new(scenario),
    }
}
