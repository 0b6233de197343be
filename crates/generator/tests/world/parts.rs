//! Whatever is switched on, the world repeats: ranges and shards join, and a part that is off changes no event of the
//! others.

use std::collections::BTreeSet;

use event_model::{Event, EventType};
use generator::scenario::Scenario;
use generator::{Draft, Generator, Shard};

use crate::draft::{crowded, draft, lifelike};

const SUBSCRIBERS: u32 = 2_000;

fn hours(scenario: Scenario) -> Draft {
    draft(scenario, SUBSCRIBERS, "2025-11-11T05:20:00Z", "2025-11-11T09:40:00Z")
}

fn lines(events: impl Iterator<Item = Event>) -> Vec<String> {
    let line = |event: Event| {
        let mut line = Vec::new();
        event.encode(&mut line);
        String::from_utf8(line).unwrap()
    };
    events.map(line).collect()
}

fn of(draft: &Draft) -> Vec<String> {
    lines(Generator::new(draft))
}

#[test]
fn ranges_that_meet_give_together_the_events_of_the_whole() {
    let whole = hours(crowded(lifelike()));
    let expected = of(&whole);
    assert!(expected.len() > 5_000, "{}", expected.len());
    // Far into a slot, at the beginning of one, and shortly before the end.
    for minutes in [17, 40, 100, 259] {
        let middle = whole.from.plus_micros(minutes * 60_000_000);
        let mut parts = of(&Draft { to: middle, ..whole.clone() });
        parts.extend(of(&Draft { from: middle, ..whole.clone() }));
        assert!(
            parts == expected,
            "cut after {minutes} min: {} of {}",
            parts.len(),
            expected.len()
        );
    }
}

#[test]
fn shards_draw_together_what_one_draws_alone() {
    let whole = hours(crowded(lifelike()));
    let mut expected = of(&whole);
    let shards = (0..3).map(|index| Shard { index, of: 3 });
    let mut union: Vec<String> =
        shards.flat_map(|shard| of(&Draft { shard, ..whole.clone() })).collect();
    union.sort();
    expected.sort();
    assert!(union == expected, "{} of {}", union.len(), expected.len());
}

#[test]
fn every_event_has_an_id_of_its_own_and_times_ascend() {
    let events: Vec<Event> = Generator::new(&hours(crowded(lifelike()))).collect();
    assert!(events.is_sorted_by_key(|event| event.timestamp));
    let ids: BTreeSet<&String> = events.iter().map(|event| &event.event_id).collect();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn pairs_change_neither_sessions_nor_top_ups() {
    let others = |scenario: Scenario| -> Vec<String> {
        let is_other = |event: &Event| {
            matches!(event.event_type, EventType::DataSession | EventType::BalanceRecharge)
        };
        lines(Generator::new(&hours(scenario)).filter(is_other))
    };
    let with = others(lifelike());
    let without = others(Scenario { pairs: None, ..lifelike() });
    assert!(with.len() > 3_000, "{}", with.len());
    assert!(with == without, "{} and {}", with.len(), without.len());
}

/// Every event of a world that lacks later parts is one of the whole world's.
fn assert_part_of(fewer: &[String], all: &[String]) {
    let all: BTreeSet<&String> = all.iter().collect();
    let missing = fewer.iter().filter(|event| !all.contains(event)).count();
    assert_eq!(missing, 0, "of {}", fewer.len());
    assert!(all.len() > fewer.len());
}

#[test]
fn frauds_change_no_event_of_others_and_roles_none_of_ordinary_people() {
    let whole = crowded(lifelike());
    let honest = Scenario { frauds: Vec::new(), ..whole.clone() };
    let ordinary = Scenario { roles: Vec::new(), ..honest.clone() };
    let (whole, honest, ordinary) = (of(&hours(whole)), of(&hours(honest)), of(&hours(ordinary)));
    assert_part_of(&honest, &whole);
    assert_part_of(&ordinary, &honest);
    let only_frauds = of(&hours(Scenario { roles: Vec::new(), ..crowded(lifelike()) }));
    assert_part_of(&ordinary, &only_frauds);
    // Without roles some calls of frauds find a line free that a role's call had taken.
    let whole: BTreeSet<&String> = whole.iter().collect();
    let changed = only_frauds.iter().filter(|event| !whole.contains(event)).count();
    assert!(changed * 500 < only_frauds.len(), "{changed} of {}", only_frauds.len());
}

/// Nobody with a role or a fraud, whose calls are cut short by those of others.
fn ordinary() -> Scenario {
    Scenario { roles: Vec::new(), frauds: Vec::new(), ..lifelike() }
}

#[test]
fn lives_only_take_events_away_or_leave_calls_unanswered() {
    let ids = |scenario: Scenario| -> BTreeSet<(String, String)> {
        let key = |event: Event| (event.subscriber_id, event.event_id);
        Generator::new(&hours(scenario))
            .filter(|event| event.event_type == EventType::DataSession)
            .map(key)
            .collect()
    };
    let with = ids(ordinary());
    let without = ids(Scenario { lives: None, ..ordinary() });
    assert!(with.is_subset(&without));
    let left = with.len() as f64 / without.len() as f64;
    assert!((0.6..0.95).contains(&left), "{left}");
    // Of calls, those between two who are there as usual stay as they are.
    let with = of(&hours(ordinary()));
    let without: BTreeSet<String> =
        of(&hours(Scenario { lives: None, ..ordinary() })).into_iter().collect();
    let same = with.iter().filter(|event| without.contains(*event)).count();
    let unanswered = with.iter().filter(|event| !without.contains(*event));
    assert!(unanswered.clone().all(|event| event.contains("\"duration_seconds\":0,")));
    assert!(same * 10 > with.len() * 9, "{same} of {}", with.len());
}

#[test]
fn where_nobody_could_talk_so_much_there_are_no_pairs() {
    let mut dense = hours(lifelike());
    dense.curve = generator::curve::RateCurve::Flat { per_second: 11.0 * dense.scenario.base_rate };
    dense.to = dense.from.plus_micros(60_000_000);
    let mut bare = dense.clone();
    bare.scenario =
        std::sync::Arc::new(Scenario { pairs: None, ..Scenario::clone(&dense.scenario) });
    assert!(of(&dense) == of(&bare));
}
