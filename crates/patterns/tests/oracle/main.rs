//! The detector beside a naive program that was written from `docs/rules.md`: random rules over random logs, out of order, with late events and
//! duplicates, uninterrupted and with everything that may happen to a worker between two records.
//!
//! `PATTERN_SEEDS=100000 PATTERN_FIRST_SEED=1` runs other seeds.

mod cases;
mod naive;

use std::collections::BTreeMap;
use std::sync::Arc;

use cases::{Case, Dice};
use event_model::EventTime;
use naive::{Found, Key};
use patterns::{Hit, Matcher, RuleSet, Towers};
use towers::TowerTable;

const SEEDS: u64 = 400;
const MINUTE: i64 = 60_000_000;

/// Runs each seed; a failing one names itself.
fn for_each_seed(check: impl Fn(&Case, &mut Dice) -> usize) {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let first = number("PATTERN_FIRST_SEED", 1);
    let mut hits = 0;
    for seed in first..first + number("PATTERN_SEEDS", SEEDS) {
        let case = Case::draw(seed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            check(&case, &mut Dice::new(seed ^ 0x5eed))
        }));
        match outcome {
            Ok(found) => hits += found,
            Err(_) => panic!("seed {seed}, with the rules\n{}", case.rules_text()),
        }
    }
    assert!(hits > 0, "no rule ever held: nothing was compared");
}

fn rule_set(case: &Case) -> Arc<RuleSet> {
    let towers = Towers::from(&TowerTable::parse(cases::TOWERS).expect("a good table"));
    let set = RuleSet::parse(&case.rules_text(), towers);
    Arc::new(set.unwrap_or_else(|error| panic!("{error}\n{}", case.rules_text())))
}

fn matcher(set: &Arc<RuleSet>, bytes_max: usize, from: i64, after: Option<EventTime>) -> Matcher {
    Matcher::new(Arc::clone(set), bytes_max, vec![from; set.rules().len()], after)
}

/// Shows the record at this offset.
fn observe(matcher: &mut Matcher, case: &Case, offset: i64) -> Vec<(Key, Hit)> {
    let record = &case.records[usize::try_from(offset).expect("≥ 0")];
    let mut hits = Vec::new();
    let event = record.is_on_time.then(|| record.event.as_pattern_event());
    matcher.observe(offset, event.as_ref(), record.watermark_after(), &mut hits);
    let keyed = hits.into_iter().map(|hit| {
        let key = Key {
            offset,
            rule: hit.rule,
            subscriber: hit.subscriber.to_string(),
            // Several of one absence may be decided by one record.
            first: hit.evidence.measures.is_empty().then(|| hit.evidence.offsets[0]),
        };
        (key, hit)
    });
    keyed.collect()
}

fn assert_same(found: &BTreeMap<Key, Hit>, expected: &BTreeMap<Key, Found>) {
    for key in found.keys().chain(expected.keys()) {
        match (found.get(key), expected.get(key)) {
            (Some(hit), Some(expected)) => assert_hit(key, hit, expected),
            (hit, expected) => panic!("{key:?}: found {hit:?}\nexpected {expected:?}"),
        }
    }
}

fn assert_hit(key: &Key, hit: &Hit, expected: &Found) {
    let evidence = &hit.evidence;
    let window = [evidence.window_start.micros(), evidence.window_end.micros()];
    assert_eq!(window, expected.window, "{key:?}");
    assert_eq!(hit.bucket.micros(), expected.bucket, "{key:?}");
    assert_eq!(evidence.offsets, expected.offsets, "{key:?}");
    assert_eq!(evidence.measures.len(), expected.values.len(), "{key:?}");
    for (measure, value) in evidence.measures.iter().zip(&expected.values) {
        let off = (measure.value - value).abs();
        assert!(off <= value.abs() * 1e-6, "{key:?}: {measure:?}, expected {value}");
    }
}

#[test]
fn an_uninterrupted_run_finds_what_the_page_says() {
    for_each_seed(|case, _| {
        let mut matcher = matcher(&rule_set(case), usize::MAX, 0, None);
        let mut found = BTreeMap::new();
        for offset in 0..case.end() {
            found.extend(observe(&mut matcher, case, offset));
            assert_eq!(matcher.take_lost(), None);
        }
        let expected = naive::recount(case);
        assert_same(&found, &expected);
        expected.len()
    });
}

/// Records that are read and lost again, matchers that are built anew from an earlier place, cut back, and let go of what is stored: the
/// same hits, with the same evidence.
#[test]
fn whatever_happens_between_two_records_the_hits_are_the_same() {
    for_each_seed(|case, dice| {
        let set = rule_set(case);
        let mut run = matcher(&set, usize::MAX, 0, None);
        // What a database would hold: the position, and the hits before it.
        let (mut stored, mut found) = (0, BTreeMap::new());
        let mut unstored = BTreeMap::new();
        let mut next = 0;
        while next < case.end() {
            unstored.extend(observe(&mut run, case, next));
            next += 1;
            match dice.below(20) {
                0 | 1 => {
                    stored = next;
                    found.append(&mut unstored);
                    if dice.below(3) > 0 {
                        run.release(stored, case.watermark_at(stored));
                    }
                }
                2 => {
                    unstored.clear();
                    run = rebuilt(case, &set, stored);
                    next = stored;
                }
                3 => {
                    unstored.clear();
                    let judged_from = vec![stored; set.rules().len()];
                    assert!(run.cut_back(stored, case.watermark_at(stored), &judged_from));
                    next = stored;
                }
                _ => {}
            }
        }
        found.append(&mut unstored);
        let expected = naive::recount(case);
        assert_same(&found, &expected);
        expected.len()
    });
}

/// From the last place from which on every event stands that windows from `position` on can hold.
fn rebuilt(case: &Case, set: &Arc<RuleSet>, position: i64) -> Matcher {
    let needed_after = case
        .watermark_at(position)
        .map(|watermark| watermark.micros() - MINUTE - set.lookback_micros());
    let is_early_enough = |offset: &i64| {
        case.highest_before(*offset)
            .is_none_or(|highest| needed_after.is_some_and(|needed| highest <= needed))
    };
    let from = (0..=position).rev().find(is_early_enough).expect("the beginning is");
    let after = case.highest_before(from).map(EventTime::from_micros);
    let mut matcher = matcher(set, usize::MAX, position, after);
    for offset in from..position {
        assert!(observe(&mut matcher, case, offset).is_empty(), "nothing is found twice");
    }
    matcher
}

/// With too little memory nothing wrong is found, and what is told to be judged in full is.
#[test]
fn at_the_bound_the_oldest_go_and_only_windows_that_are_whole_are_judged() {
    let blind = std::cell::Cell::new(0);
    for_each_seed(|case, dice| {
        let bytes_max = 500 + dice.below(4_000) as usize;
        let mut matcher = matcher(&rule_set(case), bytes_max, 0, None);
        let expected = naive::recount(case);
        let mut complete_after = i64::MIN;
        for offset in 0..case.end() {
            let found = observe(&mut matcher, case, offset);
            let lost = matcher.take_lost();
            assert!(matcher.bytes() <= bytes_max + 2_000, "{} bytes", matcher.bytes());
            let of_record = expected.iter().filter(|(key, _)| key.offset == offset);
            for (key, expected) in of_record {
                let hit = found.iter().find(|(other, _)| other == key);
                let looked_back = if key.first.is_some() {
                    2 * expected.window[0] - expected.window[1]
                } else {
                    expected.window[0]
                };
                match hit {
                    Some((_, hit)) if hit.evidence.window_start.micros() == expected.window[0] => {
                        assert_hit(key, hit, expected);
                    }
                    // A later moment may be whole where the first one is not.
                    _ => assert!(looked_back < complete_after, "{key:?} is not found"),
                }
            }
            for (key, _) in &found {
                assert!(expected.contains_key(key), "{key:?} is made up");
            }
            if let Some(lost) = lost {
                assert_eq!(lost.from_offset, offset);
                assert!(lost.complete_after.micros() >= complete_after);
                complete_after = lost.complete_after.micros();
            }
        }
        if complete_after > i64::MIN {
            blind.set(blind.get() + 1);
        }
        expected.len()
    });
    assert!(blind.get() > 0, "the bound was never reached");
}
