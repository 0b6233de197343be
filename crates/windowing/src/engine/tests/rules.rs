//! What rules take of a worker: how many partitions stand still for them at a time, and what is remembered.

use std::sync::Arc;

use patterns::{RuleSet, Towers};

use super::*;
use crate::{Counters, History, LogMark, PatternHistory, fingerprint_of, quarter_of};

const CALLS: &str = r#"
[[rules]]
name = "calls"
version = 1
mode = "shadow"
within = "1h"
conditions = [{ kind = "count", where = { event_type = "call" }, at_least = 9 }]
"#;

fn payload_of(offset: i64) -> Vec<u8> {
    let time = at(offset, 0);
    format!(r#"{{"event_type":"call","region":"Almaty","timestamp":"{time}","subscriber_id":"a"}}"#)
        .into_bytes()
}

fn record_of(offset: i64, payload: &[u8]) -> Record<'_> {
    record(offset, RecordTime::LogAppend(at(offset, 0)), payload)
}

/// A partition with so many events read, all of which rules have to see again.
fn loaded(partition: i32, events: i64) -> Input<'static> {
    loaded_with(CALLS, partition, events)
}

fn loaded_with(rules: &str, partition: i32, events: i64) -> Input<'static> {
    let (last, payload) = (events - 1, payload_of(events - 1));
    let progress = Progress {
        next: Position::at(events),
        counters: Counters { on_time: events, ..Counters::default() },
        max_event_time: Some(at(last, 0)),
        watermark: Some(at(last - 2, 0)),
        fingerprint: Some(fingerprint_of(&record_of(last, &payload))),
        patterns_through: Some(Position::at(events)),
        ..stored_at(0)
    };
    let mark = LogMark {
        offset: 0,
        quarter_start: quarter_of(at(0, 0)),
        max_event_time: None,
        watermark: None,
        on_time: 0,
        late: 0,
        watermark_delay_micros: RULES.watermark_delay_micros,
    };
    let set = RuleSet::parse(rules, Towers::default()).expect("it is one");
    let patterns = PatternHistory {
        set: Arc::new(set),
        judged_from: vec![0],
        marks: vec![mark],
        dead: Vec::new(),
    };
    Input::Loaded {
        partition,
        progress: Box::new(progress),
        rules: RULES,
        ownership: Ownership::default(),
        history: Box::new(History { last_mark: Some(mark), patterns: Some(patterns) }),
        ends: ends(0, HIGH),
    }
}

#[test]
fn two_partitions_are_rewound_at_a_time_and_those_who_wait_count_as_well() {
    let mut bench = Bench::new(WIDE);
    bench.apply(Input::Assigned(&[0, 1, 2]));
    assert_eq!(bench.apply(loaded(0, 3)), ["read 0 from 0"]);
    assert_eq!(bench.apply(loaded(1, 3)), ["read 1 from 0"]);
    assert_eq!(bench.apply(loaded(2, 3)), NOTHING);
    assert_eq!(bench.engine.rule_holdings().rewinding, 3);
    let read = |bench: &mut Bench, offset| {
        let payload = payload_of(offset);
        let record = record_of(offset, &payload);
        bench.apply(Input::Record { partition: 0, record, now: at(0, 0) })
    };
    assert_eq!(read(&mut bench, 0), NOTHING);
    assert_eq!(bench.engine.rule_holdings().events, 1);
    assert_eq!(read(&mut bench, 1), NOTHING);
    assert_eq!(read(&mut bench, 2), ["load [2]"], "the fingerprint was met: the next one's turn");
    assert_eq!(bench.apply(loaded(2, 3)), ["read 2 from 0"]);
    let holdings = bench.engine.rule_holdings();
    assert_eq!((holdings.rewinding, holdings.events), (2, 3));
    // An event whose chunk is not full takes six words of 8 bytes, and its subscriber some.
    assert!((3 * 48..3 * 48 + 200).contains(&holdings.bytes), "{holdings:?}");
    assert_eq!(read(&mut bench, 3), NOTHING);
    assert_eq!(bench.engine.rule_holdings().events, 4);
    // What is kept to be cut back is remembered, too; with the partition it goes.
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:3→4 1:3→3 2:3→3"]);
    bench.finish(&PartOutcome::Fenced, &[]);
    assert_eq!(bench.engine.rule_holdings().events, 4);
    bench.apply(Input::Revoked(&[0, 1, 2]));
    assert_eq!(bench.engine.rule_holdings(), RuleHoldings::default());
}

#[test]
fn only_alerts_that_somebody_may_act_upon_are_in_a_hurry_and_only_until_they_are_handed_over() {
    let often = CALLS.replace("at_least = 9", "at_least = 1");
    let live = often.replace("shadow", "live");
    for (rules, is_in_a_hurry) in [(&often, false), (&live, true)] {
        let mut bench = Bench::new(WIDE);
        bench.apply(Input::Assigned(&[0]));
        bench.apply(loaded_with(rules, 0, 1));
        let read = |bench: &mut Bench, offset| {
            let payload = payload_of(offset);
            let record = record_of(offset, &payload);
            bench.apply(Input::Record { partition: 0, record, now: at(0, 0) })
        };
        read(&mut bench, 0);
        assert!(!bench.engine.holds_live_alerts(), "what is read again makes none");
        read(&mut bench, 1);
        assert_eq!(bench.engine.holds_live_alerts(), is_in_a_hurry, "{rules}");
        bench.apply(Input::FlushDue);
        assert!(!bench.engine.holds_live_alerts());
    }
}
