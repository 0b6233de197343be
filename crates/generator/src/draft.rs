//! What has to be said before anything is drawn.

use std::sync::Arc;

use event_model::EventTime;
use pseudonym::SubscriberKey;

use crate::curve::RateCurve;
use crate::scenario::Scenario;
use crate::shard::Shard;

/// What decides which events there are.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What there is in the world, and how often.
    pub scenario: Arc<Scenario>,
    /// Every choice comes from it.
    pub seed: u64,
    /// The first time that may occur.
    pub from: EventTime,
    /// The first that may no longer occur.
    pub to: EventTime,
    /// How dense events are.
    pub curve: RateCurve,
    /// Which part of the subscribers this process draws.
    pub shard: Shard,
    /// The key of the pseudonyms.
    pub key: SubscriberKey,
}
