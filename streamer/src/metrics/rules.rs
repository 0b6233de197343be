//! The handles by which a worker and its writer report what rules do, and what they take. No subscriber is ever a label.

use std::collections::BTreeMap;

use program::{Gauge, IntCounter, IntCounterVec, Registry, seconds_since_1970 as now};
use windowing::{Delta, FlushPart, RuleHoldings};

use super::{
    ALERT_HITS, ALERTS_WRITTEN, REWINDING, REWINDING_SINCE, RULE_EVENTS, RULE_EVENTS_HELD,
    RULE_MEMORY,
};

/// One worker's values.
#[derive(Clone, Debug)]
pub(super) struct RuleMetrics {
    judged: IntCounter,
    alerts: IntCounterVec,
    hits: IntCounterVec,
    rewinding: Gauge,
    rewinding_since: Gauge,
    events_held: Gauge,
    memory: Gauge,
}

/// What one part of a flush would store of rules, noted before it begins.
pub(super) struct OutgoingRules {
    /// Events on time that rules have judged.
    judged: i64,
    /// Alerts and their hits, by the rule's name and mode: at most 64 rules are on at a time.
    alerts: BTreeMap<(String, &'static str), (u64, u64)>,
}

impl RuleMetrics {
    /// Those of so many workers, all at 0.
    pub(super) fn of_workers(registry: &Registry, workers: u16) -> Vec<RuleMetrics> {
        let (judged, alerts, hits) = (
            registry.counter(&RULE_EVENTS),
            registry.counter(&ALERTS_WRITTEN),
            registry.counter(&ALERT_HITS),
        );
        let [rewinding, rewinding_since, events_held, memory] =
            [&REWINDING, &REWINDING_SINCE, &RULE_EVENTS_HELD, &RULE_MEMORY]
                .map(|metric| registry.gauge(metric));
        let of_worker = |index: u16| {
            let label = &[index.to_string()];
            RuleMetrics {
                judged: judged.with_label_values(label),
                alerts: alerts.clone(),
                hits: hits.clone(),
                rewinding: rewinding.with_label_values(label),
                rewinding_since: rewinding_since.with_label_values(label),
                events_held: events_held.with_label_values(label),
                memory: memory.with_label_values(label),
            }
        };
        (0..workers).map(of_worker).collect()
    }

    /// The worker's loop has come round.
    pub(super) fn came_round(&self, holdings: &RuleHoldings) {
        let was_rewinding = self.rewinding.get() > 0.0;
        self.rewinding.set(holdings.rewinding as f64);
        match holdings.rewinding {
            0 => self.rewinding_since.set(0.0),
            _ if !was_rewinding => self.rewinding_since.set(now()),
            _ => {}
        }
        self.events_held.set(holdings.events as f64);
        self.memory.set(holdings.bytes as f64);
    }

    /// A part was stored.
    pub(super) fn stored(&self, outgoing: OutgoingRules) {
        self.judged.inc_by(u64::try_from(outgoing.judged).unwrap_or_default());
        for ((rule, mode), (alerts, hits)) in outgoing.alerts {
            self.alerts.with_label_values(&[rule.as_str(), mode]).inc_by(alerts);
            self.hits.with_label_values(&[rule.as_str(), mode]).inc_by(hits);
        }
    }
}

#[cfg(test)]
impl RuleMetrics {
    pub(super) fn events_judged(&self) -> u64 {
        self.judged.get()
    }
}

impl OutgoingRules {
    pub(super) fn of(part: &FlushPart) -> Self {
        let FlushPart { stored, new, delta, .. } = part;
        let is_judged = new.patterns_through == Some(new.next);
        let judged = if is_judged { new.counters.on_time - stored.counters.on_time } else { 0 };
        OutgoingRules { judged, alerts: by_rule(delta) }
    }
}

fn by_rule(delta: &Delta) -> BTreeMap<(String, &'static str), (u64, u64)> {
    let mut sums: BTreeMap<(String, &'static str), (u64, u64)> = BTreeMap::new();
    for (rule, mode, hits) in delta.alerts.hits() {
        let (alerts, sum) = sums.entry((rule.to_owned(), mode.name())).or_default();
        *alerts += 1;
        *sum += u64::try_from(hits).unwrap_or_default();
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_rewinding_began_does_not_move_until_it_is_over() {
        let registry = Registry::new();
        let metrics = RuleMetrics::of_workers(&registry, 1).remove(0);
        let came_round = |rewinding| {
            metrics.came_round(&RuleHoldings { rewinding, events: 3, bytes: 120 });
            metrics.rewinding_since.get()
        };
        assert_eq!(came_round(0), 0.0);
        let began = came_round(2);
        assert!(began > 0.0);
        // One is done and another one has begun: it still goes on.
        assert_eq!((came_round(1), came_round(2)), (began, began));
        assert_eq!((came_round(0), metrics.rewinding.get()), (0.0, 0.0));
        assert!(came_round(1) >= began);
        assert_eq!((metrics.events_held.get(), metrics.memory.get()), (3.0, 120.0));
    }
}
