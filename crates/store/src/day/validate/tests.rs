//! A small day, right and with each kind of damage.

use super::*;

/// A row whose figures follow from a few whole numbers.
fn row(event_type: &str, region: &str, events: i64, seconds: i64, mb: f64) -> DailyRow {
    DailyRow {
        event_type: event_type.to_owned(),
        region: region.to_owned(),
        total_events: Some(events),
        figures: [seconds as f64 / 3600.0, mb / 1024.0 / 1024.0, 0.1 * events as f64],
        avg_duration_seconds: (events != 0).then(|| seconds as f64 / events as f64),
        distinct_subscribers: subscribers(event_type, region),
        avg_data_per_user_mb: subscribers(event_type, region).map(|number| mb / number as f64),
    }
}

/// What the sketches say of a row. Osh sent an SMS that no sketch covers.
fn subscribers(event_type: &str, region: &str) -> Option<i64> {
    match (event_type, region) {
        ("sms", "Osh" | ALL_REGIONS) => None,
        ("call", "Алматы") => Some(2),
        ("call", ALL_REGIONS) => Some(9),
        ("mms", _) => None,
        _ => Some(8),
    }
}

/// The same figures, added up from windows of our own.
fn recounted(events: i64, seconds: i64, mb: f64) -> Recounted {
    Recounted {
        events: events.into(),
        figures: [
            i128::from(seconds) * 1_000_000,
            (mb * 1e6).round() as i128,
            i128::from(events) * 100_000,
        ]
        .map(MixedSum::of_micros),
    }
}

/// Two types in three regions; the last two regions are equally busy.
fn day() -> (Vec<DailyRow>, Recount, Subscribers) {
    let mut rows = Vec::new();
    let mut counted = Recount::new();
    for (event_type, region, events, seconds, mb) in [
        ("call", "Алматы", 3, 100, 0.1),
        ("call", "Osh", 10, 200, 0.2),
        ("sms", "Aral", 12, 0, 0.3),
        ("sms", "Osh", 2, 0, 0.7),
    ] {
        rows.push(row(event_type, region, events, seconds, mb));
        let key = (event_type.to_owned(), region.to_owned());
        counted.insert(key, recounted(events, seconds, mb));
    }
    rows.push(row("call", ALL_REGIONS, 13, 300, 0.3));
    rows.push(row("sms", ALL_REGIONS, 14, 0, 1.0));
    rows.push(row(MOST_ACTIVE, "Aral", 12, 0, 0.3));
    let expected = rows_of(&counted).into_iter().map(|(event_type, region, _)| {
        let number = subscribers(&event_type, &region);
        ((event_type, region), number)
    });
    let expected = expected.collect();
    (rows, counted, expected)
}

#[test]
fn a_right_day_has_no_differences() {
    let (rows, counted, subscribers) = day();
    assert_eq!(compare(&rows, counted, &subscribers).listed(), []);
}

#[test]
fn each_figure_changed_by_hand_is_found() {
    // (figure that must be reported, what is done to the row)
    type Damage = fn(&mut DailyRow);
    let damages: [(&str, Damage); 11] = [
        ("total_events", |row| row.total_events = row.total_events.map(|n| n + 1)),
        ("total_events", |row| row.total_events = None),
        ("total_duration_hours", |row| row.figures[0] += 1e-6),
        ("total_data_tb", |row| row.figures[1] *= 1.0 + 1e-12),
        ("total_amount", |row| row.figures[2] = f64::NAN),
        ("avg_duration_seconds", |row| {
            row.avg_duration_seconds = row.avg_duration_seconds.map(|avg| avg * 1.001 + 1.0);
        }),
        ("avg_duration_seconds", |row| row.avg_duration_seconds = None),
        ("distinct_subscribers", |row| {
            row.distinct_subscribers = Some(row.distinct_subscribers.map_or(0, |n| n + 1));
        }),
        ("distinct_subscribers", |row| {
            // Both as if this row had not been covered; or the reverse.
            let unknown = row.distinct_subscribers.is_none();
            row.distinct_subscribers = unknown.then_some(1);
            row.avg_data_per_user_mb = unknown.then_some(row.figures[1] * 1024.0 * 1024.0);
        }),
        ("avg_data_per_user_mb", |row| {
            row.avg_data_per_user_mb =
                Some(row.avg_data_per_user_mb.map_or(0.0, |avg| avg * 1.001));
        }),
        ("avg_data_per_user_mb", |row| {
            // Nobody, and an average all the same.
            row.distinct_subscribers = Some(0);
            row.avg_data_per_user_mb = Some(0.0);
        }),
    ];
    let (rows, counted, subscribers) = day();
    for index in 0..rows.len() {
        for (what, damage) in damages {
            let mut damaged = rows.clone();
            damage(&mut damaged[index]);
            let found = compare(&damaged, counted.clone(), &subscribers);
            let whats: Vec<_> = found.listed().iter().map(|one| one.what.as_str()).collect();
            assert!(whats.contains(&what), "{:?} {what}: {whats:?}", rows[index]);
        }
    }
}

#[test]
fn a_missing_or_additional_row_is_found() {
    let (rows, counted, subscribers) = day();
    for index in 0..rows.len() {
        let mut without = rows.clone();
        let gone = without.remove(index);
        assert!(!compare(&without, counted.clone(), &subscribers).is_empty(), "without {gone:?}");
    }
    for additional in [
        row("mms", "Osh", 0, 0, 0.0),
        row("mms", ALL_REGIONS, 0, 0, 0.0),
        row(MOST_ACTIVE, "Osh", 12, 200, 0.9),
    ] {
        let mut with = rows.clone();
        with.push(additional.clone());
        assert!(!compare(&with, counted.clone(), &subscribers).is_empty(), "with {additional:?}");
    }
}

#[test]
fn a_tie_goes_to_the_first_region_by_code_point() {
    let (mut rows, counted, subscribers) = day();
    *rows.last_mut().unwrap() = row(MOST_ACTIVE, "Osh", 12, 200, 0.9);
    let found = compare(&rows, counted, &subscribers);
    let difference = &found.listed()[0];
    assert_eq!((difference.expected.as_str(), difference.found.as_str()), ("Aral", "Osh"));
    assert_eq!(found.total(), 1);
}

#[test]
fn a_row_inserted_without_a_name_is_found() {
    let (rows, mut counted, subscribers) = day();
    counted.insert(("NULL".to_owned(), "Osh".to_owned()), recounted(1, 0, 0.0));
    assert_eq!(compare(&rows, counted, &subscribers).listed()[0].place, "NULL, Osh");
}
