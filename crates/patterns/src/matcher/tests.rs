//! The matcher on hand-made events: each kind of rule, its edges, and what a gap keeps from being judged.

use super::*;
use crate::Towers;
use crate::hit::Measure;

const HOUR: i64 = 3_600_000_000;
const MINUTE: i64 = 60_000_000;
const NOON: i64 = 1_762_776_000_000_000;

fn rules(condition: &str) -> Arc<RuleSet> {
    let text = format!(
        "[[rules]]\nname = \"r\"\nversion = 1\nmode = \"live\"\nwithin = \"1h\"\nconditions = [{condition}]"
    );
    Arc::new(RuleSet::parse(&text, Towers::default()).unwrap())
}

fn call(time: i64) -> PatternEvent<'static> {
    PatternEvent {
        event_id: None,
        subscriber_id: "00000000000000aa",
        event_type: "call",
        event_subtype: Some("outgoing"),
        counterparty_id: None,
        cell_tower_id: None,
        time: EventTime::from_micros(time),
        duration_seconds: Some(60),
        amount_micro_tenge: None,
        data_micro_mb: None,
    }
}

fn at(micros: i64) -> Option<EventTime> {
    Some(EventTime::from_micros(micros))
}

fn hits_of(rules: &Arc<RuleSet>, times: &[i64]) -> Vec<Hit> {
    let mut matcher = Matcher::new(Arc::clone(rules), usize::MAX, vec![0], None);
    let mut hits = Vec::new();
    for (offset, time) in (0..).zip(times) {
        matcher.observe(offset, Some(&call(*time)), at(time - 2 * MINUTE), &mut hits);
    }
    hits
}

#[test]
fn an_event_leaves_the_window_when_it_is_exactly_as_old_as_the_window_is_long() {
    let two = rules(r#"{ kind = "count", at_least = 2 }"#);
    assert_eq!(hits_of(&two, &[NOON, NOON + HOUR]).len(), 0);
    assert_eq!(hits_of(&two, &[NOON, NOON + HOUR - 1]).len(), 1);
}

#[test]
fn a_hit_belongs_to_the_bucket_of_its_window_and_shows_what_it_rests_on() {
    let two = rules(r#"{ kind = "count", at_least = 2 }"#);
    let hits = hits_of(&two, &[NOON - 5 * MINUTE, NOON + MINUTE]);
    let measure = Measure { value: 2.0, threshold: 2.0, is_at_least: true };
    let evidence = Evidence {
        window_start: EventTime::from_micros(NOON + MINUTE - HOUR),
        window_end: EventTime::from_micros(NOON + MINUTE),
        measures: vec![measure],
        offsets: vec![0, 1],
    };
    let bucket = EventTime::from_micros(NOON);
    let expected = Hit { rule: 0, subscriber: "00000000000000aa".into(), bucket, evidence };
    assert_eq!(hits, [expected]);
}

#[test]
fn evidence_names_ten_events_at_most_and_they_are_the_last() {
    let many = rules(r#"{ kind = "count", at_least = 13 }"#);
    let times: Vec<i64> = (0..13).map(|minute| NOON + minute * MINUTE).collect();
    assert_eq!(hits_of(&many, &times)[0].evidence.offsets, (3..13).collect::<Vec<i64>>());
}

#[test]
fn before_its_offset_a_rule_only_remembers() {
    let two = rules(r#"{ kind = "count", at_least = 2 }"#);
    let mut matcher = Matcher::new(two, usize::MAX, vec![2], None);
    let mut hits = Vec::new();
    for offset in 0..3 {
        matcher.observe(offset, Some(&call(NOON + offset)), None, &mut hits);
        assert_eq!(hits.len(), usize::from(offset == 2), "{offset}");
    }
}

#[test]
fn what_no_window_can_hold_any_more_goes_once_it_is_stored_and_not_before() {
    let two = rules(r#"{ kind = "count", at_least = 2 }"#);
    let mut matcher = Matcher::new(two, usize::MAX, vec![0], None);
    let mut hits = Vec::new();
    matcher.observe(0, Some(&call(NOON)), at(NOON), &mut hits);
    // At this watermark an event of the minute before may yet come, and look back an hour.
    let last_needed = NOON + HOUR + MINUTE;
    matcher.observe(1, None, at(last_needed), &mut hits);
    assert_eq!(matcher.events(), 1);
    matcher.release(2, at(last_needed - 1));
    assert_eq!(matcher.events(), 1);
    matcher.release(2, at(last_needed));
    assert_eq!((matcher.events(), matcher.bytes()), (0, 0));
    // Now it can't go back to where that event was needed, and says so.
    assert!(!matcher.cut_back(1, at(NOON), &[1]));
    assert!(matcher.cut_back(2, at(last_needed), &[2]));
    assert_eq!(matcher.take_lost(), None);
}

/// An absence that was decided by a record that is read again is decided again; one that is stored is not.
#[test]
fn a_decided_absence_waits_again_when_its_record_is_cut_off() {
    let absent = rules(r#"{ kind = "absent", first = {}, then = { event_type = "sms" } }"#);
    let mut matcher = Matcher::new(absent, usize::MAX, vec![0], None);
    let mut hits = Vec::new();
    let known_at = at(NOON + HOUR + MINUTE);
    matcher.observe(0, Some(&call(NOON)), at(NOON), &mut hits);
    matcher.observe(1, None, at(NOON + HOUR + MINUTE - 1), &mut hits);
    assert_eq!(hits.len(), 0);
    matcher.observe(2, None, known_at, &mut hits);
    assert_eq!(hits.len(), 1);
    let bytes = matcher.bytes();
    assert!(matcher.cut_back(2, at(NOON + HOUR + MINUTE - 1), &[2]));
    assert_eq!(matcher.bytes(), bytes);
    matcher.observe(2, None, known_at, &mut hits);
    assert_eq!(hits.len(), 2);
    assert_eq!(hits[0], hits[1]);
    matcher.release(3, known_at);
    assert!(matcher.cut_back(3, known_at, &[3]));
    matcher.observe(3, None, known_at, &mut hits);
    assert_eq!(hits.len(), 2);
    let long_after = at(NOON + 9 * HOUR);
    matcher.release(4, long_after);
    assert_eq!(matcher.bytes(), 0);
}

#[test]
fn an_event_that_no_rule_asks_for_is_not_kept() {
    let sms = rules(r#"{ kind = "count", where = { event_type = "sms" }, at_least = 2 }"#);
    let mut matcher = Matcher::new(sms, usize::MAX, vec![0], None);
    matcher.observe(0, Some(&call(NOON)), None, &mut Vec::new());
    assert_eq!((matcher.events(), matcher.bytes()), (0, 0));
}
