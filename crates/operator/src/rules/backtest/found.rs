//! What a backtest has found: alerts as a streamer would have stored them, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::ensure;
use event_model::EventTime;
use patterns::{Evidence, Hit, RuleSet};

/// More alerts than these are no finding, and would not fit into memory (I-6).
const ALERTS_MAX: usize = 500_000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AlertKey {
    /// Index into the set's rules.
    pub(super) rule: usize,
    pub(super) subscriber: Box<str>,
    pub(super) bucket: EventTime,
    pub(super) partition: i32,
}

#[derive(Clone, Debug)]
pub(super) struct FoundAlert {
    pub(super) generation: i32,
    pub(super) hits: i64,
    /// Of the first hit.
    pub(super) first: Evidence,
    /// What the first condition measured at most, at any hit; `None`: the rule measures nothing.
    pub(super) highest: Option<f64>,
}

pub(super) struct Found {
    set: Arc<RuleSet>,
    pub(super) alerts: BTreeMap<AlertKey, FoundAlert>,
}

impl Found {
    pub(super) fn new(set: Arc<RuleSet>) -> Self {
        Found { set, alerts: BTreeMap::new() }
    }

    /// # Errors
    /// There are too many.
    pub(super) fn add(
        &mut self,
        (partition, generation): (i32, i32),
        hit: Hit,
    ) -> anyhow::Result<()> {
        let Hit { rule, subscriber, bucket, evidence } = hit;
        ensure!(
            self.alerts.len() < ALERTS_MAX,
            "more than {ALERTS_MAX} alerts, the last by rule {}: ask for more in that rule, or judge less time",
            self.set.rules()[rule].name
        );
        let measured = evidence.measures.first().map(|measure| measure.value);
        let key = AlertKey { rule, subscriber, bucket, partition };
        let alert = self.alerts.entry(key).or_insert_with(|| FoundAlert {
            generation,
            hits: 0,
            first: evidence,
            highest: measured,
        });
        alert.hits += 1;
        alert.highest = match (alert.highest, measured) {
            (Some(former), Some(new)) => Some(former.max(new)),
            (former, _) => former,
        };
        Ok(())
    }

    /// Takes back what was found in a log that turned out to be another.
    pub(super) fn forget(&mut self, partition: i32) {
        self.alerts.retain(|key, _| key.partition != partition);
    }

    /// A rule's alerts.
    pub(super) fn of_rule(&self, rule: usize) -> impl Iterator<Item = (&AlertKey, &FoundAlert)> {
        self.alerts.iter().filter(move |(key, _)| key.rule == rule)
    }
}
