//! The rules of the truth, by hand; and the whole of it beside a recount of what was sent.

use serde_json::Value;

use super::*;
use crate::testing::{self, after_noon as seconds};
use crate::{Shard, schedule};

#[test]
fn a_window_is_late_when_the_watermark_has_reached_its_end() {
    // Every row: event times so far, event time, verdict; all in seconds after noon, sent long after.
    for (before, time, expected) in [
        (&[] as &[i64], -86_400, Verdict::OnTime),
        (&[179], 0, Verdict::OnTime),
        (&[179], -1, Verdict::Late),
        (&[180], 0, Verdict::Late),
        (&[180], 59, Verdict::Late),
        (&[180], 60, Verdict::OnTime),
        (&[180, 10], 60, Verdict::OnTime),
        (&[0, 180], 59, Verdict::Late),
    ] {
        let mut partition = Partition::default();
        for &time in before {
            partition.verdict_on(None, seconds(time), seconds(86_400));
        }
        assert_eq!(
            partition.verdict_on(None, seconds(time), seconds(86_400)),
            expected,
            "{time} after {before:?}"
        );
    }
}

#[test]
fn what_is_ahead_of_its_sending_is_dead_and_moves_no_watermark() {
    let mut partition = Partition::default();
    let future = Verdict::Dead(DeadReason::TimestampInFuture);
    assert_eq!(partition.verdict_on(None, seconds(301), seconds(0)), future);
    assert_eq!(partition.verdict_on(None, seconds(-600), seconds(0)), Verdict::OnTime);
    assert_eq!(partition.verdict_on(None, seconds(300), seconds(0)), Verdict::OnTime);
    assert_eq!(partition.verdict_on(None, seconds(-600), seconds(0)), Verdict::Late);
    let broken = Some(DeadReason::NotJson);
    assert_eq!(
        partition.verdict_on(broken, seconds(9_000), seconds(9_000)),
        Verdict::Dead(DeadReason::NotJson)
    );
    assert_eq!(partition.verdict_on(None, seconds(300), seconds(0)), Verdict::OnTime);
    assert_eq!((partition.on_time, partition.late, partition.dead), (3, 1, 2));
}

const FAULTS: &str = r#"
extends = "kazakhstan"
subscribers = 3_000
base_rate = 12
[faults]
late = { share = 0.02, seconds = [150, 3_600] }
out_of_order = { share = 0.05, seconds = [1, 90] }
duplicate = { share = 0.01, seconds = [0, 300] }
malformed = { share = 0.02 }
skewed_clocks = { share = 0.02, seconds = [-600, 200] }
silent_regions = [{ region = "Almaty", from = "2025-11-09T12:30:00Z", to = "2025-11-09T12:40:00Z" }]
silent_partitions = [{ partition = 2, from = "2025-11-09T12:50:00Z", to = "2025-11-09T13:00:00Z" }]
[[anomalies]]
name = "match"
region = "Astana"
event_type = "call"
from = "2025-11-09T13:00:00Z"
to = "2025-11-09T13:30:00Z"
magnitude = 8
[[anomalies]]
name = "outage"
region = "Shymkent"
from = "2025-11-09T13:10:00Z"
to = "2025-11-09T13:20:00Z"
magnitude = 0.1
"#;

fn draft(scenario: &str) -> Draft {
    testing::draft(scenario, 0..7_200, Shard::WHOLE)
}

/// A record's partition and payload.
type Record = (u32, Option<Vec<u8>>);

/// The truth's lines, and each record's partition and payload.
fn run(draft: &Draft) -> (Vec<Value>, Vec<Record>) {
    let mut out = Vec::new();
    let mut records = Vec::new();
    let mut truth = Truth::begin(&mut out, draft, 3, Tz::UTC).unwrap();
    let mut scheduled = schedule::Schedule::new(draft, 3);
    let mut payload = Vec::new();
    while let Some(record) = scheduled.next(&mut payload) {
        truth.observe(&record, scheduled.event(), seconds(86_400)).unwrap();
        records.push((record.partition, record.has_payload.then(|| payload.clone())));
    }
    truth.finish(&scheduled).unwrap();
    let text = String::from_utf8(out).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), records)
}

fn of_kind<'a>(lines: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["kind"] == kind)
}

/// (on time, late, dead) and events by (start, type, region, on time or late), from the payloads.
type Recount = ((u64, u64, u64), BTreeMap<(String, String, String, bool), u64>);

/// Reads the payloads as any reader would. `delay_seconds` is the rule that can be planted wrong.
fn recount(records: &[Record], delay_seconds: i64) -> Recount {
    let mut highest: BTreeMap<u32, i64> = BTreeMap::new();
    let (mut on_time, mut late, mut dead) = (0, 0, 0);
    let mut windows = BTreeMap::new();
    for (partition, payload) in records {
        let view = payload.as_deref().map(event_model::decode);
        let Some(Ok(view)) =
            view.filter(|view| !matches!(view, Ok(view) if view.event_time > seconds(90_000)))
        else {
            dead += 1;
            continue;
        };
        let time = view.event_time.micros();
        let end = (time / WINDOW_MICROS + 1) * WINDOW_MICROS;
        let before = highest.get(partition).copied();
        let is_late =
            before.is_some_and(|before| end <= before - delay_seconds * MICROS_PER_SECOND);
        highest.insert(*partition, before.map_or(time, |before| before.max(time)));
        if is_late {
            late += 1
        } else {
            on_time += 1
        }
        let start = EventTime::from_micros(end - WINDOW_MICROS).to_string();
        let key = (start, view.event_type.to_string(), view.region.to_string(), !is_late);
        *windows.entry(key).or_insert(0) += 1;
    }
    ((on_time, late, dead), windows)
}

fn told(lines: &[Value]) -> Recount {
    let end = of_kind(lines, "end").next().unwrap();
    let count = |field: &str| end[field].as_u64().unwrap();
    let mut windows = BTreeMap::new();
    for line in of_kind(lines, "window") {
        let text = |field: &str| line[field].as_str().unwrap().to_owned();
        for (field, is_on_time) in [("on_time", true), ("late", false)] {
            let events = line[field]["events"].as_u64().unwrap();
            let key = (text("start"), text("event_type"), text("region"), is_on_time);
            if events > 0 {
                assert!(windows.insert(key, events).is_none(), "a window stands there twice");
            }
        }
    }
    ((count("on_time"), count("late"), count("dead")), windows)
}

#[test]
fn the_truth_equals_a_recount_and_a_wrong_rule_does_not() {
    for scenario in [FAULTS.to_owned(), FAULTS.replace("kazakhstan", "lifelike")] {
        the_truth_of_equals_a_recount(&scenario);
    }
}

fn the_truth_of_equals_a_recount(scenario: &str) {
    let (lines, records) = run(&draft(scenario));
    let ((on_time, late, dead), _) = told(&lines);
    assert!(on_time > 50_000 && late > 500 && dead > 500, "{on_time}, {late}, {dead}");
    assert_eq!(recount(&records, 120), told(&lines));
    for wrong in [119, 60, 180] {
        assert_ne!(recount(&records, wrong).1, told(&lines).1, "{wrong} s is another rule");
    }
}

#[test]
fn every_kind_of_fault_and_anomaly_is_told_with_its_span() {
    let (lines, _) = run(&draft(FAULTS));
    let labels: std::collections::BTreeSet<&str> =
        of_kind(&lines, "fault").filter_map(|line| line["label"].as_str()).collect();
    assert_eq!(
        labels.into_iter().collect::<Vec<_>>(),
        [
            "duplicate",
            "late",
            "malformed",
            "out_of_order",
            "silent_partition",
            "silent_region",
            "skewed_clock",
        ]
    );
    for line in of_kind(&lines, "fault").chain(of_kind(&lines, "anomaly")) {
        let (from, to) = (line["from"].as_str().unwrap(), line["to"].as_str().unwrap());
        assert!(from < to || line["label"] == "duplicate" || from == to, "{line}");
        if line["withheld"].is_u64() {
            assert!(line["withheld"].as_u64().unwrap() > 100, "{line}");
        }
    }
    let anomalies: Vec<_> = of_kind(&lines, "anomaly").collect();
    assert_eq!(anomalies[0]["label"], "spike");
    assert!(anomalies[0]["added"].as_u64().unwrap() > 100, "{}", anomalies[0]);
    assert_eq!(anomalies[1]["label"], "drop");
    assert!(anomalies[1]["removed"].as_u64().unwrap() > 100, "{}", anomalies[1]);
    let reasons: std::collections::BTreeSet<&str> =
        of_kind(&lines, "dead").filter_map(|line| line["reason"].as_str()).collect();
    assert_eq!(reasons.len(), DeadReason::ALL.len(), "{reasons:?}");
}

#[test]
fn distinct_subscribers_are_counted_once_a_day() {
    let quiet = draft("extends = \"default\"\nsubscribers = 40\nbase_rate = 0.5");
    let (lines, records) = run(&quiet);
    let mut seen: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
    for (_, payload) in &records {
        let event: Value = serde_json::from_slice(payload.as_deref().unwrap()).unwrap();
        let text = |field: &str| event[field].as_str().unwrap().to_owned();
        for row in [
            format!("{} {}", text("event_type"), text("region")),
            format!("{} ALL", text("event_type")),
            "ALL ALL".to_owned(),
        ] {
            seen.entry(row).or_default().insert(text("subscriber_id"));
        }
    }
    let counted: BTreeMap<String, usize> =
        seen.into_iter().map(|(row, ids)| (row, ids.len())).collect();
    let told: BTreeMap<String, usize> = of_kind(&lines, "day")
        .map(|line| {
            assert_eq!(line["date"], "2025-11-09");
            let text = |field: &str| line[field].as_str().unwrap().to_owned();
            let row = format!("{} {}", text("event_type"), text("region"));
            (row, line["subscribers"].as_u64().unwrap() as usize)
        })
        .collect();
    assert_eq!(told, counted);
    assert!(told["ALL ALL"] > 30);
}

#[test]
fn faults_change_nothing_but_what_they_hit_and_spikes_only_add() {
    let ids = |scenario: &str| -> std::collections::BTreeSet<String> {
        let mut records = schedule::Schedule::new(&draft(scenario), 3);
        let mut payload = Vec::new();
        std::iter::from_fn(|| records.next(&mut payload).map(|_| records.event().event_id.clone()))
            .collect()
    };
    let base = "extends = \"kazakhstan\"\nsubscribers = 3_000\nbase_rate = 12\n";
    let clean = ids(base);
    for (fault, hits) in [
        ("[faults]\nmalformed = { share = 0.1 }", 0),
        ("[faults]\nskewed_clocks = { share = 0.5, seconds = [-60, 60] }", 0),
        ("[faults]\nduplicate = { share = 0.1, seconds = [0, 0] }", 0),
    ] {
        let faulty = ids(&format!("{base}{fault}"));
        assert_eq!(faulty.symmetric_difference(&clean).count(), hits, "{fault}");
    }
    let span = "from = \"2025-11-09T12:10:00Z\"\nto = \"2025-11-09T12:20:00Z\"";
    let spike = ids(&format!("{base}[[anomalies]]\nname = \"a\"\nmagnitude = 5\n{span}"));
    assert!(spike.is_superset(&clean) && spike.len() > clean.len() + 1_000, "{}", spike.len());
    let drop = ids(&format!("{base}[[anomalies]]\nname = \"a\"\nmagnitude = 0.2\n{span}"));
    assert!(drop.is_subset(&clean) && drop.len() + 1_000 < clean.len(), "{}", drop.len());
}
