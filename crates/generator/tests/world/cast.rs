//! Roles and frauds: that each does what it is said to do, that the truth tells of it, and that simple rules can't tell
//! them apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use event_model::{Direction, Event, EventTime, EventType};
use generator::Draft;
use generator::scenario::{FraudKind, Role, Scenario, Towers};
use generator::schedule::Schedule;
use generator::truth::Truth;
use serde_json::Value;

use crate::draft::{crowded, draft, lifelike};

/// A week in which everything acts, from a Monday on in local time.
struct Week {
    events: Vec<Event>,
    /// Of the truth: kind, then subscriber, then line.
    told: BTreeMap<(String, String, String), Value>,
}

fn of(draft: &Draft) -> Week {
    let mut out = Vec::new();
    let mut truth = Truth::begin(&mut out, draft, 1, chrono_tz::UTC).unwrap();
    let mut schedule = Schedule::new(draft, 1);
    let mut payload = Vec::new();
    let mut events = Vec::new();
    while let Some(record) = schedule.next(&mut payload) {
        truth.observe(&record, schedule.event(), EventTime::END_ACCEPTED).unwrap();
        events.push(schedule.event().clone());
    }
    truth.finish(&schedule).unwrap();
    let lines = String::from_utf8(out).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or("").to_owned();
    let told = lines
        .filter(|line| line["kind"] == "fraud" || line["kind"] == "lookalike")
        .map(|line| {
            let label = text(&line, "fraud") + &text(&line, "role");
            ((text(&line, "kind"), label, text(&line, "subscriber_id")), line)
        })
        .collect();
    Week { events, told }
}

static WEEK: LazyLock<Week> = LazyLock::new(|| {
    of(&draft(crowded(lifelike()), 2_000, "2025-11-09T19:00:00Z", "2025-11-16T19:00:00Z"))
});

impl Week {
    fn subscribers(&self, kind: &str, label: &str) -> BTreeSet<&str> {
        let of_label = self.told.keys().filter(|key| key.0 == kind && key.1 == label);
        of_label.map(|key| key.2.as_str()).collect()
    }

    fn events_of(&self, subscriber: &str) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| event.subscriber_id == subscriber)
    }
}

/// Which events are meant.
type Which<'a> = &'a dyn Fn(&Event) -> bool;

fn is_call(event: &Event, direction: Direction) -> bool {
    event.event_type == EventType::Call && event.event_subtype == Some(direction)
}

#[test]
fn every_role_and_fraud_is_told_with_its_first_and_last_event() {
    let roles: BTreeSet<&str> = Role::ALL.iter().map(|(name, _)| *name).collect();
    let frauds: BTreeSet<&str> = FraudKind::ALL.iter().map(|(name, _)| *name).collect();
    let told = |kind: &str| -> BTreeSet<&str> {
        WEEK.told.keys().filter(|key| key.0 == kind).map(|key| key.1.as_str()).collect()
    };
    assert_eq!(told("lookalike"), roles);
    assert_eq!(told("fraud"), frauds);
    let variants = WEEK.told.values().filter_map(|line| line["variant"].as_str());
    assert_eq!(variants.collect::<BTreeSet<_>>(), BTreeSet::from(["plain", "quiet", "human_like"]));
    for ((kind, label, subscriber), line) in &WEEK.told {
        // Whose ordinary life is none: all events are of the fraud. Those of a look-alike are all theirs.
        let is_whole = kind == "lookalike" || line["variant"] == "plain" && label == "simbox";
        if is_whole {
            let events: Vec<&Event> = WEEK.events_of(subscriber).collect();
            assert_eq!(line["events"], events.len(), "{line}");
            let time = |event: &Event| EventTime::from(event.timestamp).to_string();
            assert_eq!(line["first"], time(events[0]), "{line}");
            assert_eq!(line["last"], time(events[events.len() - 1]), "{line}");
        }
    }
}

#[test]
fn each_kind_does_what_it_is_known_for() {
    let count = |subscriber: &str, is_meant: Which<'_>| {
        WEEK.events_of(subscriber).filter(|event| is_meant(event)).count()
    };
    let made = |event: &Event| is_call(event, Direction::Outgoing);
    let got = |event: &Event| is_call(event, Direction::Incoming);
    let written = |event: &Event| {
        event.event_type == EventType::Sms && event.event_subtype == Some(Direction::Outgoing)
    };
    let brief = |event: &Event| made(event) && event.duration_seconds < Some(6);
    let topped_up = |event: &Event| event.event_type == EventType::BalanceRecharge;
    let session = |event: &Event| event.event_type == EventType::DataSession;
    // Every row: line, label, which events, at least so many in a week.
    let rows: [(&str, &str, Which<'_>, usize); 13] = [
        ("lookalike", "call_centre", &made, 500),
        ("lookalike", "dialler", &written, 1_000),
        ("lookalike", "courier", &made, 250),
        ("lookalike", "taxi", &got, 120),
        ("lookalike", "shop", &got, 200),
        ("lookalike", "school", &written, 500),
        ("lookalike", "top_up_agent", &topped_up, 120),
        ("lookalike", "machine", &session, 500),
        ("fraud", "simbox", &made, 200),
        ("fraud", "sms_flood", &written, 300),
        ("fraud", "wangiri", &brief, 150),
        ("fraud", "recharge", &topped_up, 15),
        ("fraud", "clone", &made, 15),
    ];
    for (kind, label, is_meant, at_least) in rows {
        let subscribers = WEEK.subscribers(kind, label);
        assert!(!subscribers.is_empty(), "{label}");
        for subscriber in subscribers {
            let events = count(subscriber, is_meant);
            assert!(events >= at_least, "{label}: {events} in a week");
        }
    }
    let called_back: usize =
        WEEK.subscribers("fraud", "wangiri").into_iter().map(|who| count(who, &got)).sum();
    assert!(called_back > 20, "{called_back} called back");
}

#[test]
fn couriers_are_on_the_move_and_call_centres_at_one_tower() {
    let towers = |subscriber: &str| -> usize {
        let towers = WEEK.events_of(subscriber).filter_map(|event| event.cell_tower_id);
        towers.collect::<BTreeSet<u32>>().len()
    };
    for subscriber in WEEK.subscribers("lookalike", "call_centre") {
        assert_eq!(towers(subscriber), 1);
    }
    for role in ["courier", "taxi"] {
        for subscriber in WEEK.subscribers("lookalike", role) {
            assert!(towers(subscriber) >= 5, "{role}: {}", towers(subscriber));
        }
    }
    for subscriber in WEEK.subscribers("lookalike", "border") {
        assert_eq!(towers(subscriber), 2);
    }
}

#[test]
fn clones_are_where_their_subscriber_can_t_be() {
    for subscriber in WEEK.subscribers("fraud", "clone") {
        let regions: BTreeSet<&str> =
            WEEK.events_of(subscriber).map(|event| event.region.as_str()).collect();
        assert!(regions.len() >= 2, "{regions:?}");
    }
}

#[test]
fn nobody_is_in_two_calls_at_once_with_roles_and_frauds_either() {
    let mut calls: HashMap<&str, Vec<(i64, i64)>> = HashMap::new();
    for event in WEEK.events.iter().filter(|event| event.event_type == EventType::Call) {
        let end = event.timestamp.timestamp_micros();
        let start = end - i64::from(event.duration_seconds.unwrap()) * 1_000_000;
        calls.entry(&event.subscriber_id).or_default().push((start, end));
    }
    for (subscriber, mut calls) in calls {
        calls.sort_unstable();
        for pair in calls.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "{subscriber}: {pair:?}");
        }
    }
}

#[test]
fn many_callees_from_one_tower_are_no_proof_of_a_sim_box() {
    // The rule of thumb: of a day's outgoing calls at least 40 others, one tower. It finds frauds and honest people.
    #[derive(Default)]
    struct Day<'a> {
        others: BTreeSet<&'a str>,
        towers: BTreeSet<u32>,
    }
    let mut days: BTreeMap<(&str, i64), Day<'_>> = BTreeMap::new();
    for event in WEEK.events.iter().filter(|event| is_call(event, Direction::Outgoing)) {
        let day = event.timestamp.timestamp().div_euclid(86_400);
        let day = days.entry((&event.subscriber_id, day)).or_default();
        day.others.insert(event.counterparty_id.as_deref().unwrap());
        day.towers.extend(event.cell_tower_id);
    }
    let found: BTreeSet<&str> = days
        .iter()
        .filter(|(_, day)| day.others.len() >= 40 && day.towers.len() == 1)
        .map(|((subscriber, _), _)| *subscriber)
        .collect();
    let frauds: BTreeSet<&str> =
        WEEK.told.keys().filter(|key| key.0 == "fraud").map(|key| key.2.as_str()).collect();
    let honest = WEEK.subscribers("lookalike", "call_centre");
    assert!(found.intersection(&frauds).count() >= 3, "{}", found.len());
    assert!(found.intersection(&honest).count() >= 1, "{}", found.len());
}

#[test]
fn a_fraud_acts_in_its_span_only() {
    let text = "extends = \"lifelike\"\nsubscribers = 2_000\nbase_rate = 0.52\n[[frauds]]\n\
                kind = \"simbox\"\nvariant = \"plain\"\nshare = 0.001\n\
                from = \"2025-11-11T06:00:00Z\"\nto = \"2025-11-11T07:00:00Z\"";
    let scenario = Scenario::parse("span", text).unwrap();
    assert!(matches!(scenario.towers, Towers::Grids { .. }));
    let week = of(&draft(scenario, 2_000, "2025-11-11T05:00:00Z", "2025-11-11T12:00:00Z"));
    assert_eq!(week.subscribers("fraud", "simbox").len(), 2);
    for line in week.told.values().filter(|line| line["kind"] == "fraud") {
        assert!(line["first"].as_str() >= Some("2025-11-11T06:00"), "{line}");
        // What began in the span may end after it.
        assert!(line["last"].as_str() < Some("2025-11-11T08:00"), "{line}");
        assert!(line["events"].as_u64() >= Some(5), "{line}");
    }
}
