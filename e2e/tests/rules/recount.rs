//! The alerts that a log must lead to, for three kinds of rules, by the letter of docs/rules.md: each event is looked at with all
//! that came before it. It shares no code with the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use e2e::LoggedRecord;
use serde_json::Value;

const WATERMARK_DELAY: TimeDelta = TimeDelta::minutes(2);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Calls, in whichever direction.
    Calls,
    /// Different people that messages were sent to.
    PeopleWrittenTo,
    /// Calls to somebody whose call of at most 3 s came before.
    CalledBack,
}

pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) version: i32,
    pub(crate) within_seconds: i64,
    pub(crate) bucket_seconds: i64,
    pub(crate) kind: Kind,
    pub(crate) at_least: i64,
}

/// Partition, rule, version, subscriber, bucket.
pub(crate) type AlertKey = (i32, String, i32, String, NaiveDateTime);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) hits: i64,
    /// The rest is the first hit's.
    pub(crate) window: (NaiveDateTime, NaiveDateTime),
    pub(crate) value: i64,
    pub(crate) offsets: Vec<i64>,
}

/// An event that counts.
struct Event {
    offset: i64,
    time: NaiveDateTime,
    event_type: String,
    subtype: Option<String>,
    seconds: i64,
    id: Option<String>,
    subscriber: String,
    counterparty: Option<String>,
}

/// The alerts of a partition by hits of these offsets, at these moments.
pub(crate) fn recount(
    records: &[LoggedRecord],
    partition: i32,
    rules: &[Rule],
    judged: Range<i64>,
    moments: &Range<NaiveDateTime>,
) -> BTreeMap<AlertKey, Found> {
    let events = on_time(records, partition);
    let mut alerts: BTreeMap<AlertKey, Found> = BTreeMap::new();
    for (place, newest) in events.iter().enumerate().filter(|(_, e)| judged.contains(&e.offset)) {
        let theirs: Vec<&Event> =
            events[..=place].iter().filter(|e| e.subscriber == newest.subscriber).collect();
        for rule in rules.iter().filter(|rule| looks_for(rule.kind, newest)) {
            let Some((moment, found)) = hit(rule, newest, &theirs) else { continue };
            if !moments.contains(&moment) {
                continue;
            }
            let second = moment.and_utc().timestamp();
            let bucket = second - second.rem_euclid(rule.bucket_seconds);
            let bucket = DateTime::from_timestamp(bucket, 0).expect("a time").naive_utc();
            let name = rule.name.to_owned();
            let key = (partition, name, rule.version, newest.subscriber.clone(), bucket);
            alerts.entry(key).and_modify(|alert| alert.hits += 1).or_insert(found);
        }
    }
    alerts
}

/// The first moment at which the rule holds with the newest event.
fn hit(rule: &Rule, newest: &Event, theirs: &[&Event]) -> Option<(NaiveDateTime, Found)> {
    let within = TimeDelta::seconds(rule.within_seconds);
    let counted = theirs.iter().filter(|event| looks_for(rule.kind, event));
    let moments: BTreeSet<NaiveDateTime> = counted.map(|event| event.time).collect();
    for moment in moments.range(newest.time..newest.time + within) {
        // In the order of their coming.
        let mut ids = BTreeSet::new();
        let mut window: Vec<&Event> = theirs
            .iter()
            .copied()
            .filter(|event| {
                moment.signed_duration_since(event.time) < within && event.time <= *moment
            })
            .filter(|event| looks_for(rule.kind, event))
            .filter(|event| event.id.as_ref().is_none_or(|id| ids.insert(id.clone())))
            .collect();
        window.sort_by_key(|event| (event.time, event.offset));
        let value = value(rule.kind, &window);
        let counts = window.iter().any(|event| event.offset == newest.offset);
        if counts && value >= rule.at_least {
            let last = window[window.len().saturating_sub(10)..].iter();
            let found = Found {
                hits: 1,
                window: (*moment - within, *moment),
                value,
                offsets: last.map(|event| event.offset).collect(),
            };
            return Some((*moment, found));
        }
    }
    None
}

fn looks_for(kind: Kind, event: &Event) -> bool {
    let is_call = event.event_type == "call";
    let is_out = event.subtype.as_deref() == Some("outgoing");
    match kind {
        Kind::Calls => is_call,
        Kind::PeopleWrittenTo => event.event_type == "sms" && is_out,
        Kind::CalledBack => (is_call && is_out) || is_missed(event),
    }
}

fn is_missed(event: &Event) -> bool {
    event.event_type == "call" && event.subtype.as_deref() == Some("incoming") && event.seconds <= 3
}

fn value(kind: Kind, window: &[&Event]) -> i64 {
    let number = match kind {
        Kind::Calls => window.len(),
        Kind::PeopleWrittenTo => window
            .iter()
            .filter_map(|event| event.counterparty.as_deref())
            .collect::<BTreeSet<_>>()
            .len(),
        Kind::CalledBack => {
            let has_first = |then: &&&Event| {
                let is_first = |first: &&Event| {
                    is_missed(first)
                        && first.time < then.time
                        && first.counterparty.is_some()
                        && first.counterparty == then.counterparty
                };
                then.subtype.as_deref() == Some("outgoing") && window.iter().any(is_first)
            };
            window.iter().filter(has_first).count()
        }
    };
    number as i64
}

/// The partition's events that are on time and somebody's, in the order of their offsets.
fn on_time(records: &[LoggedRecord], partition: i32) -> Vec<Event> {
    let mut highest: Option<NaiveDateTime> = None;
    let mut events = Vec::new();
    for record in records.iter().filter(|record| record.partition == partition) {
        let payload = record.payload.as_deref().expect("each has one");
        let Ok(fields) = serde_json::from_slice::<Value>(payload) else { continue };
        let text = |name: &str| fields[name].as_str().map(str::to_owned);
        let time = text("timestamp").expect("each has one");
        let time = DateTime::parse_from_rfc3339(&time).expect("a time").naive_utc();
        let minute = time.and_utc().timestamp().div_euclid(60) + 1;
        let minute_end = DateTime::from_timestamp(minute * 60, 0).expect("a time").naive_utc();
        let is_late = highest.is_some_and(|highest| minute_end <= highest - WATERMARK_DELAY);
        highest = highest.max(Some(time));
        let Some(subscriber) = text("subscriber_id").filter(|_| !is_late) else { continue };
        events.push(Event {
            offset: record.offset,
            time,
            event_type: text("event_type").expect("each has one"),
            subtype: text("event_subtype"),
            seconds: fields["duration_seconds"].as_i64().unwrap_or_default(),
            id: text("event_id"),
            subscriber,
            counterparty: text("counterparty_id"),
        });
    }
    events
}
