//! What the generator draws: the scenario's figures, and that they repeat.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use std::sync::Arc;

use chrono::{DateTime, Timelike};
use event_model::{Event, EventTime, EventType, decode};
use generator::Shard;
use generator::curve::RateCurve;
use generator::scenario::{Scenario, TYPES};
use generator::{Draft, Generator};
use pseudonym::SubscriberKey;

fn at(instant: &str) -> EventTime {
    EventTime::from(DateTime::parse_from_rfc3339(instant).unwrap().to_utc())
}

fn draft(seed: u64, from: &str, to: &str) -> Draft {
    let scenario = Arc::new(Scenario::built_in("default"));
    Draft {
        seed,
        from: at(from),
        to: at(to),
        curve: RateCurve::Calendar { base_per_second: scenario.base_rate },
        shard: Shard::WHOLE,
        key: SubscriberKey::demo(),
        scenario,
    }
}

/// A whole day of the default scenario.
fn day(seed: u64) -> Vec<Event> {
    Generator::new(&draft(seed, "2025-11-09T00:00:00Z", "2025-11-10T00:00:00Z")).collect()
}

fn lines(events: impl Iterator<Item = Event>) -> Vec<String> {
    events
        .map(|event| {
            let mut line = Vec::new();
            event.encode(&mut line);
            String::from_utf8(line).unwrap()
        })
        .collect()
}

#[test]
fn the_same_seed_draws_these_very_bytes_on_every_machine() {
    for (scenario, from, expected) in [
        ("default", "2025-11-09T00:00:00Z", include_str!("data/seed-1-from-2025-11-09.ndjson")),
        (
            "kazakhstan",
            "2025-11-09T12:00:00Z",
            include_str!("data/kazakhstan-seed-1-from-2025-11-09T12.ndjson"),
        ),
    ] {
        let scenario = Arc::new(Scenario::built_in(scenario));
        let curve = RateCurve::Calendar { base_per_second: scenario.base_rate };
        let draft = Draft { scenario, curve, ..draft(1, from, "2025-11-10T00:00:00Z") };
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(lines(Generator::new(&draft).take(expected.len())), expected);
    }
}

#[test]
fn another_seed_draws_other_events() {
    let range = ("2025-11-09T00:00:00Z", "2025-11-09T00:10:00Z");
    let ids = |seed| -> HashSet<String> {
        Generator::new(&draft(seed, range.0, range.1)).map(|event| event.event_id).collect()
    };
    assert!(ids(1).is_disjoint(&ids(2)));
}

#[test]
fn ranges_that_meet_give_together_the_events_of_the_whole() {
    let (from, to) = ("2025-11-09T12:59:00Z", "2025-11-09T13:01:00Z");
    let whole = lines(Generator::new(&draft(5, from, to)));
    // In the middle of a second, between two seconds, and exactly on an event.
    let on_an_event = Generator::new(&draft(5, from, to)).nth(100).unwrap().timestamp.to_rfc3339();
    for middle in ["2025-11-09T12:59:30.4567Z", "2025-11-09T13:00:00Z", on_an_event.as_str()] {
        let mut parts = lines(Generator::new(&draft(5, from, middle)));
        parts.extend(lines(Generator::new(&draft(5, middle, to))));
        assert_eq!(parts, whole, "cut at {middle}");
    }
}

#[test]
fn event_times_ascend_in_a_half_open_range() {
    let first_of_all = Generator::new(&draft(5, "2025-11-09T12:00:00Z", "2025-11-09T12:01:00Z"))
        .map(|event| event.timestamp)
        .collect::<Vec<_>>();
    assert!(first_of_all.is_sorted());
    let (from, to) = (first_of_all[10].to_rfc3339(), first_of_all[20].to_rfc3339());
    let part: Vec<_> = Generator::new(&draft(5, &from, &to)).map(|event| event.timestamp).collect();
    assert_eq!(part, first_of_all[10..20]);
}

#[test]
fn a_day_has_about_182_880_events_with_the_shares_of_the_scenario() {
    let scenario = Scenario::built_in("default");
    for seed in [1, 2] {
        let events = day(seed);
        let total = events.len() as f64;
        assert!((total / 182_880.0 - 1.0).abs() < 0.01, "{total}");

        let mut of_type: HashMap<EventType, f64> = HashMap::new();
        let mut of_region: HashMap<&str, f64> = HashMap::new();
        for event in &events {
            *of_type.entry(event.event_type).or_default() += 1.0;
            *of_region.entry(&event.region).or_default() += 1.0;
        }
        for event_type in TYPES {
            let share = of_type[&event_type] / total;
            let expected = scenario.model(event_type).weight / 100.0;
            assert!((share - expected).abs() < 0.005, "{event_type:?}: {share}");
        }
        assert_eq!(of_region.len(), scenario.regions.len());
        for region in &scenario.regions {
            let share = of_region[region.name.as_str()] / total;
            assert!((share - region.weight / 100.0).abs() < 0.005, "{}: {share}", region.name);
        }
    }
}

#[test]
fn the_scenario_s_weights_are_percentages() {
    let scenario = Scenario::built_in("default");
    assert_eq!(scenario.types.iter().map(|model| model.weight).sum::<f64>(), 100.0);
    assert_eq!(scenario.regions.iter().map(|region| region.weight).sum::<f64>(), 100.0);
}

#[test]
fn the_day_s_events_follow_the_hours_of_almaty() {
    let scenario = Scenario::built_in("default");
    let mut of_hour = [0.0; 24];
    for event in day(1) {
        of_hour[event.timestamp.with_timezone(&scenario.zone).hour() as usize] += 1.0;
    }
    let factors = scenario.model(EventType::Call).week[0];
    for (hour, (count, factor)) in of_hour.iter().zip(factors).enumerate() {
        let expected = 7_200.0 * factor;
        assert!((count / expected - 1.0).abs() < 0.05, "hour {hour}: {count} of {expected}");
    }
}

#[test]
fn shards_send_together_what_one_sends_alone() {
    let range = ("2025-11-09T12:50:00Z", "2025-11-09T13:10:00Z");
    let mut whole = lines(Generator::new(&draft(5, range.0, range.1)));
    for of in [2, 5] {
        let mut union = Vec::new();
        for index in 0..of {
            let shard = Shard { index, of };
            let part = lines(Generator::new(&Draft { shard, ..draft(5, range.0, range.1) }));
            assert!(part.len() > whole.len() / of as usize / 2, "shard {index} has its share");
            union.extend(part);
        }
        union.sort();
        whole.sort();
        assert_eq!(union, whole);
    }
}

/// Least and greatest value of a field over those events that have it.
fn span(events: &[Event], field: impl Fn(&Event) -> Option<u32>) -> Option<(u32, u32)> {
    let values: BTreeSet<u32> = events.iter().filter_map(field).collect();
    Some((*values.first()?, *values.last()?))
}

#[test]
fn every_field_keeps_its_range_and_is_null_where_it_does_not_apply() {
    let mut of_type: BTreeMap<&str, Vec<Event>> = BTreeMap::new();
    for event in day(1) {
        let name = match event.event_type {
            EventType::DataSession => "data_session",
            EventType::Call => "call",
            EventType::Sms => "sms",
            EventType::BalanceRecharge => "balance_recharge",
        };
        of_type.entry(name).or_default().push(event);
    }
    // Every row: type, seconds, hundredths of a megabyte, tenge, tower, whether it has another side.
    // A day is long enough for both ends of every range to occur, but not for those of the volume.
    let tower = Some((1_000, 9_999));
    for (name, seconds, amount, tower, other_side) in [
        ("data_session", Some((60, 7_200)), None, tower, false),
        ("call", Some((10, 600)), None, tower, true),
        ("sms", None, None, tower, true),
        ("balance_recharge", None, Some((500, 10_000)), None, false),
    ] {
        let events = &of_type[name];
        let count = events.len();
        let having = |has: fn(&Event) -> bool| events.iter().filter(|event| has(event)).count();
        let all_or_none = |all: bool| if all { count } else { 0 };
        assert_eq!(span(events, |event| event.duration_seconds), seconds, "{name}");
        assert_eq!(span(events, |event| event.amount), amount, "{name}");
        assert_eq!(span(events, |event| event.cell_tower_id), tower, "{name}");
        for (present, expected) in [
            (having(|event| event.duration_seconds.is_some()), seconds.is_some()),
            (having(|event| event.amount.is_some()), amount.is_some()),
            (having(|event| event.cell_tower_id.is_some()), tower.is_some()),
            (having(|event| event.data_hundredths_mb.is_some()), name == "data_session"),
            (having(|event| event.event_subtype.is_some()), other_side),
            (having(|event| event.counterparty_id.is_some()), other_side),
        ] {
            assert_eq!(present, all_or_none(expected), "{name}");
        }
    }
    let volumes = span(&of_type["data_session"], |event| event.data_hundredths_mb).unwrap();
    assert!((100..110).contains(&volumes.0) && (49_990..=50_000).contains(&volumes.1));
    let amounts: BTreeSet<_> =
        of_type["balance_recharge"].iter().filter_map(|event| event.amount).collect();
    assert_eq!(amounts, BTreeSet::from([500, 1_000, 2_000, 3_000, 5_000, 10_000]));
}

#[test]
fn every_event_is_one_that_readers_accept_under_a_uuid_of_its_own() {
    let events = day(3);
    let mut ids = HashSet::new();
    let mut line = Vec::new();
    for event in &events {
        assert!(ids.insert(&event.event_id), "{} twice", event.event_id);
        let groups: Vec<usize> = event.event_id.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!(&event.event_id[14..15], "4", "not a random UUID: {}", event.event_id);
        line.clear();
        event.encode(&mut line);
        let view = decode(&line).unwrap();
        assert_eq!(view.event_time, EventTime::from(event.timestamp));
        assert_eq!(view.region, event.region);
    }
}

#[test]
fn subscribers_recur_and_never_call_themselves() {
    let mut masks: HashMap<String, String> = HashMap::new();
    let (mut first_seen, mut recurred) = (0, 0);
    for event in day(1) {
        assert_ne!(Some(&event.subscriber_id), event.counterparty_id.as_ref());
        match masks.get(&event.subscriber_id) {
            Some(mask) => {
                recurred += 1;
                assert_eq!(mask, &event.msisdn, "one pseudonym, two numbers");
            }
            None => {
                first_seen += 1;
                masks.insert(event.subscriber_id, event.msisdn);
            }
        }
    }
    assert!(first_seen <= 100_000);
    assert!(recurred > 50_000, "only {recurred}");
}

#[test]
fn the_key_changes_pseudonyms_and_nothing_else() {
    let mut draft = draft(1, "2025-11-09T00:00:00Z", "2025-11-09T00:10:00Z");
    let with_demo_key: Vec<Event> = Generator::new(&draft).collect();
    draft.key = SubscriberKey::from_hex(&"5e".repeat(32), 0).unwrap();
    let with_other_key: Vec<Event> = Generator::new(&draft).collect();
    assert_eq!(with_demo_key.len(), with_other_key.len());
    for (demo, other) in with_demo_key.into_iter().zip(with_other_key) {
        assert_ne!(demo.subscriber_id, other.subscriber_id);
        let pseudonyms = (other.subscriber_id.clone(), other.counterparty_id.clone());
        let (subscriber_id, counterparty_id) = pseudonyms;
        assert_eq!(Event { subscriber_id, counterparty_id, ..demo }, other);
    }
}
