//! The whole way from rows to probabilities, on people made up for it: promises C-1 and C-2, and every refusal that a training can give.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use chrono::{Days, NaiveDate};
use churn::day::Deeds;
use churn::gather::{Gatherer, Longest, Sample};
use churn::metrics::auc;
use churn::{Cohort, Refusal, Trained, features, train};

const SUBSCRIBERS: u64 = 6_000;
const DAYS: u64 = 123;

/// A row: the day's number, whose, what.
type Row = (u64, u64, Deeds);

/// A number that looks like chance and is a function of its arguments (splitmix64), in [0, 1).
fn unit(a: u64, b: u64, c: u64) -> f64 {
    let mut bits = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.rotate_left(24) ^ c.rotate_left(48);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        bits = (bits ^ bits >> 30).wrapping_mul(factor);
    }
    (bits ^ bits >> 31) as f64 / u64::MAX as f64
}

fn first() -> NaiveDate {
    "2025-01-01".parse().unwrap()
}

/// The day on which a training is asked for: all days are before it.
fn as_of() -> NaiveDate {
    first() + Days::new(DAYS)
}

/// One subscriber in 25 leaves between the days 63 and 93, and makes fewer calls for three weeks before.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for subscriber in 0..SUBSCRIBERS {
        let leaves =
            (unit(subscriber, 1, 0) < 0.04).then(|| 63 + (unit(subscriber, 2, 0) * 30.0) as u64);
        for day in 0..DAYS {
            if leaves.is_some_and(|leaves| day > leaves) {
                break;
            }
            let is_leaving = leaves.is_some_and(|leaves| day + 21 > leaves);
            let most = if is_leaving { 3.0 } else { 9.0 };
            let calls = (unit(subscriber, 3, day) * most) as u32;
            let sessions = (unit(subscriber, 4, day) * 7.0) as u32;
            if calls + sessions > 0 {
                rows.push((day, subscriber, Deeds { calls, sessions, ..Deeds::default() }));
            }
        }
    }
    rows.sort_by_key(|row| (row.0, row.1));
    rows
}

/// What is gathered for the question of day 60.
fn gathered(rows: &[Row]) -> Gatherer {
    let question = first() + Days::new(60);
    let mut gatherer = Gatherer::new(question, Longest::Days60, Sample::ALL, 0);
    for (day, subscriber, deeds) in rows {
        gatherer.add(first() + Days::new(*day), &format!("{subscriber:016x}"), deeds);
    }
    gatherer
}

fn trained(rows: &[Row]) -> Result<Trained, Refusal> {
    let mut cohort = Cohort::new(Longest::Days60);
    cohort.add(gathered(rows));
    train(&cohort)
}

/// The bytes of all features, by subscriber.
fn feature_bytes(rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (subscriber, person) in gathered(rows).into_population() {
        let mut values = Vec::new();
        features::append(&person, Longest::Days60, &mut values);
        bytes.extend(subscriber.bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    bytes
}

#[test]
fn scrambling_the_days_from_t_on_changes_no_byte_of_any_feature() {
    let rows = rows();
    let mut scrambled = rows.clone();
    let mut changed = 0;
    for (day, subscriber, deeds) in &mut scrambled {
        if *day >= 60 {
            *subscriber = (*subscriber * 31 + *day) % (2 * SUBSCRIBERS);
            deeds.calls = deeds.calls * 7 + 1;
            changed += 1;
        }
    }
    scrambled.retain(|(day, subscriber, _)| *day < 60 || subscriber % 5 > 0);
    assert!(changed > 100_000, "{changed}");
    let bytes = feature_bytes(&rows);
    assert!(bytes.len() > 1_000_000 && bytes == feature_bytes(&scrambled));
    // A row of the day before T does change something.
    let last = rows.iter().rposition(|(day, _, _)| *day == 59).unwrap();
    scrambled[..=last].last_mut().unwrap().2.calls += 1;
    assert_ne!(bytes, feature_bytes(&scrambled));
}

#[test]
fn the_same_days_in_any_order_give_the_same_bytes() {
    let rows = rows();
    let mut others = rows.clone();
    // Within a day in another order; that days come in order is promised to the gatherer.
    others
        .sort_by_key(|(day, subscriber, _)| (*day, subscriber.wrapping_mul(0x9e37_79b9) % 10_007));
    assert_ne!(rows, others);
    let bytes = |rows: &[Row]| serde_json::to_vec(&trained(rows).unwrap().model).unwrap();
    assert_eq!(bytes(&rows), bytes(&others));
}

#[test]
fn who_is_about_to_leave_is_told_from_the_others_and_probabilities_are_shares() {
    let trained = trained(&rows()).unwrap();
    let metrics = trained.metrics;
    assert!(metrics.positives >= 200 && metrics.population > 5_000, "{metrics:?}");
    assert!(metrics.auc > metrics.recency_auc + 0.08, "{metrics:?}");
    assert!(metrics.top_decile_lift > 2.0, "{metrics:?}");
    assert!(metrics.calibration_error < 0.015, "{metrics:?}");
    assert!((0.4..0.6).contains(&metrics.recency_auc), "{metrics:?}");
    let json = serde_json::to_string(&trained.model).unwrap();
    let read: churn::model::Model = serde_json::from_str(&json).unwrap();
    assert_eq!((read.longest(), &read), (Some(Longest::Days60), &trained.model));
}

#[test]
fn a_model_says_the_same_of_people_it_has_not_seen() {
    let rows = rows();
    let model = trained(&rows).unwrap().model;
    // The same world with other names, so that nobody is in the fold or the sample that they were in.
    let others: Vec<Row> =
        rows.iter().map(|(day, who, deeds)| (*day, who + 1_000_000, *deeds)).collect();
    let mut cohort = Cohort::new(Longest::Days60);
    cohort.add(gathered(&others));
    let told: Vec<f64> = (0..cohort.len()).map(|row| model.probability(cohort.row(row))).collect();
    assert!(auc(&told, &cohort.leaves).unwrap() > 0.58);
    let mean = told.iter().sum::<f64>() / told.len() as f64;
    let share = cohort.leaves.iter().filter(|leaves| **leaves).count() as f64 / told.len() as f64;
    assert!((mean - share).abs() < 0.003, "{mean} told, {share} left");
}

#[test]
fn fewer_than_200_who_left_are_refused_by_number() {
    let few: Vec<Row> = rows().into_iter().filter(|(_, who, _)| who.is_multiple_of(2)).collect();
    let refused = trained(&few).unwrap_err();
    assert!(
        matches!(refused, Refusal::TooFewPositives { positives: 50..200, least: 200, .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().starts_with("too few positives: "), "{refused}");
}

#[test]
fn the_outcome_of_a_question_is_known_on_the_day_of_the_training() {
    let candidates = churn::period::candidates(as_of());
    assert_eq!(candidates[0], first() + Days::new(60));
}
