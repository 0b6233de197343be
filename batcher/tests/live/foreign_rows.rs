//! Rows that someone else inserted with the contract's columns alone are part of the day; those
//! that can't be are refused by name.

use crate::support::{Database, compute, day, windows};
use chrono::TimeDelta;

#[tokio::test]
async fn foreign_rows_are_summed_and_their_nulls_add_nothing() {
    let mut database = Database::new().await;
    let day = day("2025-11-09", "UTC");
    // One key that the streamer writes too, twice, and one that only the others have.
    database
        .execute(
            "INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count,
                 total_duration, total_data_mb, total_amount, region, processed_at)
             VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 2, 30, 0.1, 0.2, 'Osh', now()),
                    ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 3, 30, 0.2, 0.1, 'Osh', now()),
                    ('2025-11-09 10:00', NULL, 'call', NULL, NULL, NULL, NULL, 'Osh', NULL),
                    ('2025-11-09 23:59', NULL, 'mms', NULL, NULL, NULL, NULL, 'Osh', NULL);
             INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count,
                 total_duration, total_data_mb, total_amount, region, exact_data_mb, exact_amount, own)
             VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 5, 40, 0, 0, 'Osh', 1.3, 1.4, true)",
        )
        .await;

    database.compute(&day).await;

    let rows = database.daily_rows("2025-11-09").await;
    let row = |event_type: &str, region: &str| &rows[&(event_type.to_owned(), region.to_owned())];
    for (event_type, region) in [("call", "Osh"), ("call", "ALL"), ("most_active", "Osh")] {
        let found = row(event_type, region);
        assert_eq!(found.events, 10, "{event_type} {region}");
        assert_eq!(found.hours, 100.0 / 3600.0, "{event_type} {region}");
        // Our row's NUMERIC counts, not its DOUBLE: 1.3 + 0.1 + 0.2.
        assert_eq!(found.data_tb, 1.6 / 1048576.0, "{event_type} {region}");
        assert_eq!(found.amount, 1.7, "{event_type} {region}");
        assert_eq!(found.avg_seconds, 10.0, "{event_type} {region}");
    }
    // No events: an average of nothing is NULL.
    assert_eq!(row("mms", "Osh").events, 0);
    assert!(row("mms", "Osh").avg_seconds.is_nan());
    assert_eq!(rows.len(), 5);
}

#[tokio::test]
async fn a_row_that_cannot_be_added_up_is_named_and_nothing_changes() {
    let mut database = Database::new().await;
    let day = day("2025-11-09", "UTC");
    database.insert_windows(&windows(day.start(), day.end(), TimeDelta::hours(6))).await;
    database.compute(&day).await;
    let before = database.daily_rows("2025-11-09").await;

    for (values, expected) in [
        ("'call', 'Osh', 'NaN', 0", "total_data_mb is NaN or infinite"),
        ("'call', 'Osh', 'Infinity', 0", "total_data_mb is NaN or infinite"),
        ("'call', 'Osh', 0, '-Infinity'", "total_amount is NaN or infinite"),
        ("'call', 'Osh', NULL, 'NaN'", "total_amount is NaN or infinite"),
        ("NULL, 'Osh', 0, 0", "event_type is NULL"),
        ("'call', NULL, 0, 0", "region is NULL"),
        ("'call', 'ALL', 0, 0", "region 'ALL' is reserved for daily_stats"),
        ("'most_active', 'Osh', 0, 0", "event_type 'most_active' is reserved for daily_stats"),
    ] {
        let insert = format!(
            "DELETE FROM real_time_metrics WHERE NOT own;
             INSERT INTO real_time_metrics
                 (window_start, event_type, region, total_data_mb, total_amount)
             VALUES ('2025-11-09 23:59', {values})"
        );
        database.execute_text(insert).await;

        let error = compute(&mut database.connection, &day).await.unwrap_err().to_string();

        assert!(error.contains(expected), "{values}: {error}");
        assert!(error.contains("window_start 2025-11-09 23:59:00"), "{values}: {error}");
        assert_eq!(database.daily_rows("2025-11-09").await, before, "{values}");
        // The session is usable again, and another day's run does not meet the row.
        let other = crate::support::day("2025-11-08", "UTC");
        assert_eq!(
            compute(&mut database.connection, &other).await.unwrap(),
            store::DayRun::NoData { late_events: 0 }
        );
    }
}
