//! The day: `distinct_subscribers` and `avg_data_per_user_mb` of every row, or NULL.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use store::{BusinessDay, DailyError, DayRun, Validation};

use crate::support::{Database, event};

const ZONE: chrono_tz::Tz = chrono_tz::Asia::Almaty;

fn day() -> BusinessDay {
    BusinessDay::new("2025-11-09".parse().unwrap(), ZONE)
}

async fn compute(database: &mut Database) -> Result<DayRun, DailyError> {
    let options = store::RunOptions {
        condition: store::Condition::Always,
        include_late: false,
        lock_wait: Duration::from_secs(60),
        started_by: "me",
    };
    store::compute_day(&mut database.connection, &day(), options).await
}

/// (event type, region) → distinct subscribers, average MB.
type Rows = BTreeMap<(String, String), (Option<i64>, Option<f64>)>;

async fn computed_rows(database: &mut Database) -> Rows {
    assert!(matches!(compute(database).await, Ok(DayRun::Computed(_))));
    let rows: Vec<(String, String, Option<i64>, Option<f64>)> = sqlx::query_as(
        "SELECT event_type, region, distinct_subscribers, avg_data_per_user_mb FROM daily_stats",
    )
    .fetch_all(&mut database.connection)
    .await
    .unwrap();
    rows.into_iter().map(|(event_type, region, n, avg)| ((event_type, region), (n, avg))).collect()
}

/// (event type, region, hundredths of a MB, subscriber) of the events of the day.
fn events() -> Vec<(&'static str, &'static str, i64, String)> {
    let mut events = Vec::new();
    for number in 0..240_i64 {
        let event_type = ["data_session", "call", "sms"][(number % 3) as usize];
        // Osh has the most events, and its subscribers are met in other regions, too.
        let region = ["Osh", "Osh", "Almaty", "Астана"][(number / 3 % 4) as usize];
        let hundredths = if event_type == "data_session" { 100 + number * 7 } else { 0 };
        events.push((event_type, region, hundredths, format!("subscriber {}", number % 37)));
    }
    events
}

/// The same rows by plain sets.
fn recounted() -> Rows {
    let mut sums: BTreeMap<(String, String), (i64, BTreeSet<String>)> = BTreeMap::new();
    for (event_type, region, hundredths, subscriber) in events() {
        for key in [(event_type, region), (event_type, "ALL"), ("most_active", "Osh")] {
            if key.0 == "most_active" && region != "Osh" {
                continue;
            }
            let (sum, met) = sums.entry((key.0.to_owned(), key.1.to_owned())).or_default();
            *sum += hundredths;
            met.insert(subscriber.clone());
        }
    }
    let figures = |(sum, met): (i64, BTreeSet<String>)| {
        let average = sum as f64 / 100.0 / met.len() as f64;
        (Some(i64::try_from(met.len()).unwrap()), Some(average))
    };
    sums.into_iter().map(|(key, sum)| (key, figures(sum))).collect()
}

async fn database_of_the_day() -> Database {
    let mut database = Database::new(ZONE).await;
    let record =
        |(number, (event_type, region, hundredths, subscriber)): (usize, (_, _, i64, String))| {
            let megabytes = hundredths as f64 / 100.0;
            let subscriber = (Some(subscriber.as_str()), None);
            let json = event((event_type, region), "2025-11-09T10:00:00", megabytes, subscriber);
            ((number % 3) as i32, json)
        };
    let records: Vec<(i32, String)> = events().into_iter().enumerate().map(record).collect();
    for flush in records.chunks(100) {
        database.stream(flush).await;
    }
    database
}

fn assert_close(found: &Rows, expected: &Rows) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, (subscribers, average)) in expected {
        let (found_subscribers, found_average) = found[key];
        assert_eq!(found_subscribers, *subscribers, "{key:?}");
        // The sum passes through two doubles on its way.
        let off = (found_average.unwrap() - average.unwrap()).abs();
        assert!(off <= 1e-12 * average.unwrap().abs(), "{key:?}: {found_average:?}");
    }
}

#[tokio::test]
async fn every_row_counts_each_subscriber_once_over_its_regions_and_types() {
    let mut database = database_of_the_day().await;
    assert_close(&computed_rows(&mut database).await, &recounted());
    // Again over its own rows.
    assert_close(&computed_rows(&mut database).await, &recounted());
}

#[tokio::test]
async fn a_row_whose_events_are_not_covered_exactly_stays_null() {
    let foreign = "INSERT INTO real_time_metrics (window_start, window_end, event_type, region,
                       event_count, total_duration, total_data_mb, total_amount)
                   VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 'Osh', 1, 0, 0, 0)";
    let row = |event_type: &str, region: &str| (event_type.to_owned(), region.to_owned());
    let osh_calls = vec![row("call", "ALL"), row("call", "Osh"), row("most_active", "Osh")];
    let almaty_sms = vec![row("sms", "ALL"), row("sms", "Almaty")];
    let all = recounted().into_keys().collect::<Vec<_>>();
    // (what is changed, rows that are NULL then)
    for (change, nulls) in [
        (foreign, osh_calls.clone()),
        (
            "DELETE FROM subscriber_sketches WHERE event_type = 'sms' AND region = 'Almaty'",
            almaty_sms,
        ),
        (
            "UPDATE subscriber_sketches SET events_by_subscriber_id = events_by_subscriber_id + 1
             WHERE event_type = 'call' AND region = 'Osh'",
            osh_calls.clone(),
        ),
        // One event more here, one less there: the type's sum is right, and its row still unknown.
        (
            "UPDATE subscriber_sketches SET events_by_subscriber_id = events_by_subscriber_id
                 + CASE region WHEN 'Osh' THEN 1 WHEN 'Almaty' THEN -1 ELSE 0 END
             WHERE event_type = 'call'",
            [osh_calls, vec![row("call", "Almaty")]].concat(),
        ),
        ("UPDATE subscriber_sketches SET business_timezone = 'UTC'", all.clone()),
        ("UPDATE subscriber_sketches SET business_day = '2025-11-08'", all),
    ] {
        let mut database = database_of_the_day().await;
        database.execute(change).await;
        let found = computed_rows(&mut database).await;
        let expected = recounted();
        for (key, figures) in found {
            let is_null = nulls.contains(&key);
            assert_eq!(figures.0, expected[&key].0.filter(|_| !is_null), "{change}: {key:?}");
            assert_eq!(figures.1.is_none(), is_null, "{change}: {key:?}");
        }
    }
}

/// What `validate` finds wrong with the day.
async fn differences(database: &mut Database) -> Vec<String> {
    match store::validate_day(&mut database.connection, &day()).await.unwrap() {
        Validation::Compared(differences) => {
            let listed = differences.listed().iter();
            listed.map(|one| format!("{}: {}", one.what, one.place)).collect()
        }
        other => panic!("not compared: {other:?}"),
    }
}

#[tokio::test]
async fn the_validation_merges_the_sketches_again() {
    let mut database = database_of_the_day().await;
    // (what somebody does to the computed day, the differences that it makes)
    for (change, expected) in [
        ("SELECT 1", vec![]),
        (
            "UPDATE daily_stats SET distinct_subscribers = distinct_subscribers + 1,
                 avg_data_per_user_mb = total_data_tb * 1048576 / (distinct_subscribers + 1)
             WHERE event_type = 'call'",
            vec![
                "distinct_subscribers: call, ALL",
                "distinct_subscribers: call, Almaty",
                "distinct_subscribers: call, Osh",
                "distinct_subscribers: call, Астана",
            ],
        ),
        (
            "UPDATE daily_stats SET distinct_subscribers = NULL, avg_data_per_user_mb = NULL
             WHERE event_type = 'most_active'",
            vec!["distinct_subscribers: most_active, Osh"],
        ),
        (
            "UPDATE daily_stats SET avg_data_per_user_mb = avg_data_per_user_mb * 1.000001
             WHERE event_type = 'data_session' AND region = 'Osh'",
            vec!["avg_data_per_user_mb: data_session, Osh"],
        ),
        // A count that is wrong calls no subscribers wrong.
        (
            "UPDATE daily_stats SET total_events = total_events + 1,
                 avg_duration_seconds = total_duration_hours * 3600 / (total_events + 1)
             WHERE event_type = 'sms' AND region = 'ALL'",
            vec!["total_events: sms, ALL"],
        ),
        // What is computed from the sketches that are left is NULL.
        (
            "DELETE FROM subscriber_sketches WHERE event_type = 'sms' AND region = 'Almaty'",
            vec!["distinct_subscribers: sms, ALL", "distinct_subscribers: sms, Almaty"],
        ),
    ] {
        computed_rows(&mut database).await;
        database.execute(change).await;
        assert_eq!(differences(&mut database).await, expected, "{change}");
    }
    computed_rows(&mut database).await;
    assert_eq!(differences(&mut database).await, Vec::<String>::new());
}

#[tokio::test]
async fn late_events_and_events_of_nobody_are_not_covered() {
    let mut database = Database::new(ZONE).await;
    let at = |time: &str, who| event(("call", "Osh"), time, 2.0, who);
    let a = (Some("a"), None);
    database.stream(&[0, 1, 2].map(|partition| (partition, at("2025-11-09T10:00:00", a)))).await;
    // Late by an hour, and not part of the day's rows.
    let later = at("2025-11-09T11:00:00", (Some("b"), None));
    database.stream(&[(0, later), (0, at("2025-11-09T10:00:00", (Some("c"), None)))]).await;
    let key = ("call".to_owned(), "Osh".to_owned());
    assert_eq!(computed_rows(&mut database).await[&key], (Some(2), Some(4.0)));

    let nobody = at("2025-11-09T11:00:00", (None, None));
    database.stream(&[(0, nobody)]).await;
    assert_eq!(computed_rows(&mut database).await[&key], (None, None));
}

#[tokio::test]
async fn subscribers_without_an_id_are_told_apart_by_msisdn() {
    let mut database = Database::new(ZONE).await;
    let at = |who| event(("call", "Osh"), "2025-11-09T10:00:00", 3.0, who);
    let records = [
        (0, at((None, Some("7701234****")))),
        (1, at((Some("7701234****"), Some("7705678****")))),
        (2, at((None, Some("7705678****")))),
    ];
    database.stream(&records).await;
    let rows = computed_rows(&mut database).await;
    assert_eq!(rows[&("call".to_owned(), "ALL".to_owned())], (Some(2), Some(4.5)));
}

#[tokio::test]
async fn a_damaged_sketch_is_an_error_that_names_its_row_and_daily_stats_stays() {
    let mut database = database_of_the_day().await;
    let before = computed_rows(&mut database).await;
    database
        .execute(
            "UPDATE subscriber_sketches SET sketch = set_byte(sketch, 20, get_byte(sketch, 20) # 16)
             WHERE event_type = 'call' AND region = 'Астана'",
        )
        .await;
    let error = compute(&mut database).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().contains("(2025-11-09, Asia/Almaty, call, Астана)"), "{error}");
    assert!(cause.contains("CRC-32"), "{cause}");
    database.execute("DELETE FROM subscriber_sketches WHERE region = 'Астана'").await;
    let after = computed_rows(&mut database).await;
    let is_astana = |key: &(String, String)| key.1 == "Астана" || key.1 == "ALL";
    for (key, figures) in before {
        let expected = if is_astana(&key) { (None, None) } else { figures };
        assert_eq!(after[&key], expected, "{key:?}");
    }
}

/// A day with a row of zero events, as somebody may insert: no subscribers, and no division by them.
#[tokio::test]
async fn a_row_without_events_has_no_subscribers_and_no_average() {
    let mut database = Database::new(ZONE).await;
    database
        .execute(
            "INSERT INTO real_time_metrics (window_start, window_end, event_type, region,
                 event_count, total_duration, total_data_mb, total_amount)
             VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 'Osh', 0, 0, 1, 0)",
        )
        .await;
    let rows = computed_rows(&mut database).await;
    assert!(rows.values().all(|figures| *figures == (Some(0), None)), "{rows:?}");
}
