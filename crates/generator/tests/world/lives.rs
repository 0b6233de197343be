//! Who leaves: that it is neither too easy nor hopeless to foresee, and that the truth and the events agree.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::NaiveDate;
use generator::scenario::Scenario;
use generator::schedule::Schedule;
use generator::truth::Truth;
use generator::{Draft, Generator};
use serde_json::Value;

use crate::draft::{draft, lifelike};

/// From a local midnight on.
const DAYS: i64 = 97;
const FIRST: (i32, u32, u32) = (2025, 9, 1);

/// On which days each subscriber had an event, a bit for each; and what the truth tells of lives.
struct Season {
    active: HashMap<String, u128>,
    told: Vec<Value>,
}

fn world() -> Draft {
    // Fewer events a day than in the scenario, so that three months are drawn in seconds.
    let lifelike = lifelike();
    let scenario = Scenario { base_rate: lifelike.base_rate / 2.0, weather: None, ..lifelike };
    draft(scenario, 3_000, "2025-08-31T19:00:00Z", "2025-12-06T19:00:00Z")
}

static SEASON: LazyLock<Season> = LazyLock::new(|| {
    let draft = world();
    let mut active: HashMap<String, u128> = HashMap::new();
    for event in Generator::new(&draft) {
        let micros = event.timestamp.timestamp_micros() - draft.from.micros();
        *active.entry(event.subscriber_id).or_default() |= 1 << micros.div_euclid(86_400_000_000);
    }
    let mut out = Vec::new();
    let truth = Truth::begin(&mut out, &draft, 1, chrono_tz::UTC).unwrap();
    truth.finish(&Schedule::new(&draft, 1)).unwrap();
    let lines = String::from_utf8(out).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    Season { active, told: lines.filter(|line| line["kind"] == "life").collect() }
});

/// Days since the season's first.
fn day(line: &Value, field: &str) -> Option<i64> {
    let date: NaiveDate = line[field].as_str()?.parse().unwrap();
    let first = NaiveDate::from_ymd_opt(FIRST.0, FIRST.1, FIRST.2).unwrap();
    Some((date - first).num_days())
}

fn days(active: u128, from: i64, to: i64) -> u128 {
    active >> from & ((1 << (to - from)) - 1)
}

/// How often a score puts somebody who leaves above somebody who does not; equal scores count half.
fn auc(mut scored: Vec<(f64, bool)>) -> f64 {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut positives, mut index) = (0.0, 0.0, 0);
    while index < scored.len() {
        let equal = scored[index..].iter().take_while(|other| other.0 == scored[index].0).count();
        let rank = index as f64 + (equal as f64 + 1.0) / 2.0;
        let hits = scored[index..index + equal].iter().filter(|(_, leaves)| *leaves).count() as f64;
        ranks += rank * hits;
        positives += hits;
        index += equal;
    }
    let negatives = scored.len() as f64 - positives;
    assert!(positives > 20.0 && negatives > 1_000.0, "{positives} leave, {negatives} stay");
    (ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives)
}

/// Somebody who is active in the week before a day, and whether they leave in the month after the next three days.
fn leaves_after(active: u128, day: i64) -> Option<bool> {
    if days(active, day - 7, day) == 0 {
        return None;
    }
    let is_last = |last: i64| active >> last & 1 == 1 && days(active, last + 1, last + 31) == 0;
    Some((day + 3..day + 33).any(is_last))
}

#[test]
fn who_leaves_can_be_foreseen_by_the_hidden_phase_and_not_by_the_last_event() {
    let mut phases: HashMap<&str, Vec<(i64, i64)>> = HashMap::new();
    for line in SEASON.told.iter().filter(|line| line["leaves"].is_string()) {
        let span = (day(line, "phase_from").unwrap(), day(line, "leaves").unwrap());
        phases.entry(line["subscriber_id"].as_str().unwrap()).or_default().push(span);
    }
    let (mut by_recency, mut by_phase) = (Vec::new(), Vec::new());
    for asked in [10, 22, 34] {
        for (subscriber, active) in &SEASON.active {
            let Some(leaves) = leaves_after(*active, asked) else { continue };
            let silent = days(*active, asked - 7, asked).leading_zeros();
            let mut own = phases.get(subscriber.as_str()).into_iter().flatten();
            let is_in_phase = own.any(|(from, to)| (*from..*to).contains(&asked));
            by_recency.push((f64::from(silent), leaves));
            by_phase.push((f64::from(u8::from(is_in_phase)), leaves));
        }
    }
    let leave = by_phase.iter().filter(|(_, leaves)| *leaves).count() as f64;
    let share = leave / by_phase.len() as f64;
    let (recency, phase) = (auc(by_recency), auc(by_phase));
    assert!((0.02..0.05).contains(&share), "{share} leave");
    assert!(recency <= 0.70, "recency alone: {recency}");
    assert!((0.78..=0.88).contains(&phase), "the hidden phase: {phase}");
}

#[test]
fn nobody_is_heard_of_between_his_leave_and_the_next_owner() {
    let mut kinds = std::collections::BTreeMap::new();
    let mut silent = 0;
    for line in &SEASON.told {
        *kinds.entry(line["life"].as_str().unwrap()).or_insert(0) += 1;
        let (Some(leaves), Some(next)) = (day(line, "leaves"), day(line, "next_owner")) else {
            continue;
        };
        let (from, to) = (leaves.clamp(0, DAYS), next.clamp(0, DAYS));
        let active = SEASON.active.get(line["subscriber_id"].as_str().unwrap()).copied();
        let heard = days(active.unwrap_or(0), from, to);
        // A call that began before midnight is recorded after it.
        assert!(heard & !1 == 0, "{line}: {heard:b}");
        silent += to - from;
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    assert!(kinds.values().all(|count| *count > 30) && silent > 10_000, "{kinds:?}, {silent}");
}

#[test]
fn honest_dips_recover() {
    let usual = |line: &&Value| line["recovers"].is_string();
    let (mut before, mut inside, mut after) = (0, 0, 0);
    for line in SEASON.told.iter().filter(usual).filter(|line| line["life"] == "holiday") {
        let (from, to) = (day(line, "phase_from").unwrap(), day(line, "recovers").unwrap());
        if from < 5 || to + 5 > DAYS {
            continue;
        }
        let active = SEASON.active.get(line["subscriber_id"].as_str().unwrap()).copied();
        let active = active.unwrap_or(0);
        before += days(active, from - 5, from).count_ones();
        inside += days(active, from, from + 5).count_ones();
        after += days(active, to, to + 5).count_ones();
    }
    // They begin next to nothing, and are still called.
    assert!(inside * 4 < before * 3, "{inside} of {before} days");
    assert!(after * 10 > before * 9, "{after} after, {before} before");
}
