//! `validate` on a computed day, and after each kind of damage.

use chrono::TimeDelta;
use store::{BusinessDay, Differences, Validation};

use crate::support::{Database, day, windows};

async fn differences(database: &mut Database, day: &BusinessDay) -> Differences {
    match store::validate_day(&mut database.connection, day).await.unwrap() {
        Validation::Compared(differences) => differences,
        other => panic!("not compared: {other:?}"),
    }
}

#[tokio::test]
async fn a_computed_day_is_valid_and_each_change_by_hand_is_found() {
    let mut database = Database::new().await;
    let day = day("2025-11-09", "Asia/Almaty");
    let around = TimeDelta::hours(3);
    let windows = windows(day.start() - around, day.end() + around, TimeDelta::minutes(10));
    database.insert_windows(&windows).await;
    assert_eq!(
        store::validate_day(&mut database.connection, &day).await.unwrap(),
        Validation::NoRows
    );

    // (what somebody does, the differences it makes)
    for (change, expected) in [
        ("SELECT 1", vec![]),
        (
            "UPDATE daily_stats SET total_events = total_events + 1
             WHERE event_type = 'call' AND region = 'ALL'",
            vec!["total_events: call, ALL"],
        ),
        (
            "UPDATE daily_stats SET total_amount = total_amount + 0.01
             WHERE event_type = 'call' AND region = 'ALL'",
            vec!["total_amount: call, ALL"],
        ),
        (
            "UPDATE daily_stats SET total_data_tb = NULL WHERE event_type = 'most_active'",
            vec!["total_data_tb: most_active, "],
        ),
        // No sketch covers these windows: numbers that somebody made up.
        (
            "UPDATE daily_stats SET distinct_subscribers = 7 WHERE event_type = 'most_active'",
            vec!["distinct_subscribers: most_active, ", "avg_data_per_user_mb: most_active, "],
        ),
        (
            "UPDATE daily_stats SET avg_data_per_user_mb = 0 WHERE region = 'Алматы'",
            vec!["avg_data_per_user_mb: call, Алматы"],
        ),
        (
            "UPDATE daily_stats SET region = 'Nowhere' WHERE event_type = 'most_active'",
            vec!["region with the most events: most_active"],
        ),
        (
            "DELETE FROM daily_stats WHERE event_type = 'call' AND region = 'Алматы'",
            vec!["row of daily_stats: call, Алматы", "total_events: call, ALL"],
        ),
        (
            "INSERT INTO daily_stats VALUES ('2025-11-09', 'mms', 'Osh', 0, 0, 0, 0, NULL, NULL)",
            vec!["row of daily_stats: mms, Osh", "row of daily_stats: mms, ALL"],
        ),
        (
            "UPDATE real_time_metrics SET event_count = event_count + 1
             WHERE window_start = '2025-11-08 19:00' AND event_type = 'call' AND region = 'Almaty'",
            vec!["total_events: call, Almaty"],
        ),
        (
            "INSERT INTO real_time_metrics (window_start, event_type, event_count)
             VALUES ('2025-11-09 18:59', 'call', 1)",
            vec!["row of daily_stats: call, NULL"],
        ),
        // Just outside the day.
        (
            "UPDATE real_time_metrics SET event_count = 0 WHERE window_start < '2025-11-08 19:00'",
            vec![],
        ),
        (
            "UPDATE real_time_metrics SET event_count = 0 WHERE window_start >= '2025-11-09 19:00'",
            vec![],
        ),
    ] {
        database.execute("DELETE FROM real_time_metrics WHERE region IS NULL").await;
        database.compute(&day).await;
        database.execute(change).await;

        let found = differences(&mut database, &day).await;
        let found: Vec<_> = found
            .listed()
            .iter()
            .map(|difference| format!("{}: {}", difference.what, difference.place))
            .collect();
        assert_eq!(found.is_empty(), expected.is_empty(), "{change}: {found:?}");
        for place in expected {
            assert!(found.iter().any(|found| found.starts_with(place)), "{change}: {found:?}");
        }
    }
}

#[tokio::test]
async fn a_day_with_ten_thousand_regions_is_valid_within_rounding() {
    let mut database = Database::new().await;
    database
        .execute(
            "INSERT INTO real_time_metrics (window_start, window_end, event_type, region,
                 event_count, total_duration, exact_data_mb, exact_amount, own)
             SELECT '2025-11-09 12:00', '2025-11-09 12:01', 'call', 'region ' || n,
                    n % 7, n % 1000, n * 0.000001 + (n % 3) * 1000000, n * 0.1, true
             FROM generate_series(1, 10000) AS n",
        )
        .await;
    let day = day("2025-11-09", "UTC");
    assert_eq!(database.compute(&day).await, 10_002);
    let found = differences(&mut database, &day).await;
    assert_eq!(found.listed(), []);
}
