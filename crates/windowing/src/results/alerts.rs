//! Rules that held: rows of `persons.alerts`. An alert is one rule's hits of one subscriber in one bucket.

use event_model::EventTime;
use indexmap::IndexMap;
use patterns::{Evidence, Mode, Rule};

use super::{Counted, CountedEvent, Delta, PartResults, ResultKind};
use crate::bounds::{Limit, Size};

/// Rules that held.
#[derive(Debug)]
pub struct Alerts;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct AlertKey {
    subscriber: Box<str>,
    rule: Box<str>,
    version: i32,
    bucket: EventTime,
}

/// What a flush adds to an alert.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Events at which the rule held, in this bucket.
    pub hits: i64,
    /// Whether somebody is to act upon it.
    pub mode: Mode,
    /// Length of the bucket, µs.
    pub bucket_micros: i64,
    /// Of the first hit: it becomes the alert's if there is none yet.
    pub evidence: Evidence,
}

/// What a flush adds to one row of `persons.alerts`.
#[derive(Clone, Copy, Debug)]
pub struct AlertRow<'a> {
    /// Which life of the topic.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// The subscriber's pseudonym.
    pub subscriber: &'a str,
    /// The rule's name.
    pub rule: &'a str,
    /// The rule's version, from 1.
    pub version: i32,
    /// The bucket's start.
    pub bucket: EventTime,
    /// What is added.
    pub alert: &'a Alert,
}

/// Alerts of one partition since its last flush.
#[derive(Clone, Debug, Default)]
pub struct HeldAlerts {
    alerts: IndexMap<AlertKey, Alert>,
    has_live: bool,
}

impl HeldAlerts {
    /// The rule's name, its mode and how many hits, of each.
    pub fn hits(&self) -> impl Iterator<Item = (&str, Mode, i64)> {
        self.alerts.iter().map(|(key, alert)| (&*key.rule, alert.mode, alert.hits))
    }

    /// Whether somebody may act upon one of them.
    pub fn has_live(&self) -> bool {
        self.has_live
    }
}

impl ResultKind for Alerts {
    const TABLE: &'static str = "persons.alerts";
    type Held = HeldAlerts;
    type Row<'a> = AlertRow<'a>;

    fn rows<'a>(parts: &[PartResults<'a>]) -> Vec<AlertRow<'a>> {
        let of_part = |part: &PartResults<'a>| {
            let PartResults { generation, partition, delta } = *part;
            delta.alerts.alerts.iter().map(move |(key, alert)| AlertRow {
                generation,
                partition,
                subscriber: &key.subscriber,
                rule: &key.rule,
                version: key.version,
                bucket: key.bucket,
                alert,
            })
        };
        let mut rows: Vec<AlertRow<'a>> = parts.iter().flat_map(of_part).collect();
        // No two parts have a row in common; the order is only for those who wait for one another.
        rows.sort_by_key(|row| {
            let AlertRow { generation, partition, subscriber, rule, version, bucket, .. } = *row;
            (generation, partition, subscriber, rule, version, bucket)
        });
        rows
    }

    fn row_count(delta: &Delta) -> usize {
        delta.alerts.alerts.len()
    }
}

impl Counted for Alerts {
    const LIMIT: Limit = Limit::Alerts;

    #[inline]
    fn on_time(held: &mut HeldAlerts, event: &mut CountedEvent<'_>) -> Size {
        let Some(set) = event.set.filter(|_| !event.hits.is_empty()) else { return Size::NONE };
        let mut size = Size::NONE;
        for hit in event.hits {
            let rule: &Rule = &set.rules()[hit.rule];
            let key = AlertKey {
                subscriber: hit.subscriber.clone(),
                rule: rule.name.as_str().into(),
                version: rule.version,
                bucket: hit.bucket,
            };
            let alert = held.alerts.entry(key).or_insert_with(|| {
                size.items += 1;
                size.bytes += size_of::<(AlertKey, Alert)>() + hit.subscriber.len();
                Alert {
                    hits: 0,
                    mode: rule.mode,
                    bucket_micros: rule.bucket_micros,
                    evidence: hit.evidence.clone(),
                }
            });
            alert.hits += 1;
            held.has_live |= rule.mode == Mode::Live;
        }
        size
    }
}
