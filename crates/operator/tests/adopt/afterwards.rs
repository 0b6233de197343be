//! Life with adopted rows: the day's figures, users' queries, and the operator's page.

use std::time::Duration;

use store::{BusinessDay, Condition, DayRun, RunOptions};

use crate::support::{DAILY, Database, METRICS};

#[tokio::test]
async fn adopted_rows_are_part_of_the_days_figures_and_not_of_the_accounting() {
    let mut database = Database::with(&[METRICS, DAILY]).await;
    database.adopt().await;
    // One window of ours beside those, with its accounting.
    database
        .execute(
            "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset, on_time)
             VALUES ('t', 0, 0, 0, 5, 5);
             INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time)
             VALUES ('t', 0, 0, '2025-11-09 10:00', 5);
             INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
                 total_duration, total_data_mb, total_amount, exact_data_mb, exact_amount, own)
             VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 'Osh', 5, 10, 0, 0, 0, 0, true)",
        )
        .await;
    assert!(
        operator::verify::accounting::verify(&mut database.connection)
            .await
            .unwrap()
            .differences
            .is_empty()
    );

    let day = |date: &str| BusinessDay::new(date.parse().unwrap(), chrono_tz::UTC);
    let options = RunOptions {
        condition: Condition::Always,
        include_late: false,
        lock_wait: Duration::from_secs(60),
        started_by: "a test",
    };
    let run = store::compute_day(&mut database.connection, &day("2025-11-09"), options).await;
    let run = run.unwrap();
    assert!(matches!(run, DayRun::Computed(_)));
    let rows = database
        .lines(
            "SELECT event_type, region, total_events FROM daily_stats
             WHERE date = '2025-11-09' AND region <> 'ALL' ORDER BY event_type",
        )
        .await;
    // What was written twice is counted twice, as the replaced system did.
    let expected = ["call,Osh,11", "data_session,Osh,4", "most_active,Osh,15", "sms,Aral,5"];
    assert_eq!(rows, expected);
    // A day with a figure that is no number is refused by name, and its neighbours are not.
    let error = store::compute_day(&mut database.connection, &day("2025-11-12"), options)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("2025-11-12 10:00:00"), "{error}");
}

#[tokio::test]
async fn users_queries_answer_as_before() {
    let recent = "
        INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count,
            total_data_mb, region)
        SELECT t, t, 'call', 2, 2621.44, 'Osh'
        FROM unnest(ARRAY[date_trunc('day', now()::timestamp), now()::timestamp]) AS t";
    let mut database = Database::with(&["SET timezone = 'UTC'", METRICS, DAILY, recent]).await;
    let queries = [
        "SELECT event_type, COUNT(*) AS windows, SUM(event_count) AS total_events
         FROM real_time_metrics WHERE window_start >= TIMESTAMP '2025-11-09' - INTERVAL '1 hour'
         GROUP BY event_type ORDER BY event_type",
        "SELECT region, ROUND(SUM(total_data_mb)::numeric / 1024 / 1024, 4) AS data_tb
         FROM real_time_metrics WHERE DATE(window_start) = CURRENT_DATE GROUP BY region",
        "SELECT event_type, region, ROUND(total_data_tb::numeric, 4), ROUND(total_amount::numeric, 2)
         FROM daily_stats WHERE date = '2025-11-08' AND region != 'ALL'",
        "SELECT COUNT(*) FROM real_time_metrics",
    ];
    let mut before = Vec::new();
    for query in queries {
        before.push(database.lines(query).await);
    }
    database.adopt().await;
    for (query, expected) in queries.iter().zip(before) {
        assert!(!expected.is_empty(), "{query}");
        assert_eq!(database.lines(query).await, expected, "{query}");
    }
}

/// A statement of docs/operations.md, by how its comment begins.
fn statement_of_the_page(start: &str) -> &'static str {
    let page = include_str!("../../../../docs/operations.md");
    let from = page.find(&format!("-- {start}")).unwrap();
    page[from..].split("```").next().unwrap()
}

#[tokio::test]
async fn the_pages_statement_leaves_one_of_adopted_rows_that_agree() {
    let mut database = Database::with(&[METRICS]).await;
    database.adopt().await;
    database.execute(statement_of_the_page("doubled:")).await;
    let rows = database
        .lines(
            "SELECT event_type, event_count, processed_at::time FROM real_time_metrics
             WHERE window_start < '2025-11-12' ORDER BY 1, 2",
        )
        .await;
    assert_eq!(rows, ["call,3,10:04:00", "data_session,4,10:04:00", "sms,1,", "sms,2,10:05:00"]);
}

#[tokio::test]
async fn the_pages_statement_removes_what_every_partition_has_counted_again() {
    let adopted = "
        INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, region)
        SELECT start, start, 'call', 1, 'Osh'
        FROM unnest('{2025-11-20 09:59,2025-11-20 10:29,2025-11-20 10:30,2025-11-20 11:00}'::timestamp[])
             AS start;";
    let mut database = Database::with(&[METRICS, "DELETE FROM real_time_metrics", adopted]).await;
    database.adopt().await;
    let remove = statement_of_the_page("counted again:");
    let left = "SELECT to_char(window_start, 'HH24:MI'), own FROM real_time_metrics ORDER BY 1, 2";

    // Nothing was counted again: nothing goes.
    database.execute(remove).await;
    assert_eq!(database.lines(left).await.len(), 4);

    // The log of partition 1 begins later, in the quarter from 10:15 on.
    database
        .execute(
            "INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time)
             SELECT 't', 0, p, start, 1
             FROM (VALUES (0, TIMESTAMP '2025-11-20 09:45'), (0, '2025-11-20 11:00'),
                          (1, '2025-11-20 10:15'), (1, '2025-11-20 11:00')) AS l (p, start);
             INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
                 total_duration, total_data_mb, total_amount, exact_data_mb, exact_amount, own)
             VALUES ('2025-11-20 11:00', '2025-11-20 11:01', 'call', 'Osh', 2, 0, 0, 0, 0, 0, true)",
        )
        .await;
    database.execute(remove).await;
    assert_eq!(database.lines(left).await, ["09:59,f", "10:29,f", "11:00,t"]);
}
