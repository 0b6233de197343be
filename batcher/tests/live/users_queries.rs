//! The queries that users of the replaced system have, word for word, on tables with data.

use sqlx::{AssertSqlSafe, Connection};

use crate::support::{Database, day};

/// Our windows at moments that SQL works out from its own clock. NOW() and CURRENT_DATE stand
/// still within a transaction, so the query that follows in it sees the same moment.
const WINDOWS_AROUND_NOW: &str = "
    INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
        total_duration, total_data_mb, total_amount, exact_data_mb, exact_amount, own)
    SELECT t, t + INTERVAL '1 minute', e, r, c, 60, mb, 0, mb, 0, true
    FROM (VALUES
        (NOW()::timestamp - INTERVAL '59 minutes 59 seconds', 'call', 'Osh',  2, 0),
        (NOW()::timestamp,                                    'call', 'Aral', 3, 0),
        (NOW()::timestamp - INTERVAL '60 minutes 1 second',   'call', 'Osh',  100, 0),
        (NOW()::timestamp - INTERVAL '5 minutes',             'sms',  'Osh',  7, 0),
        (CURRENT_DATE::timestamp - INTERVAL '1 minute',       'old',  'Osh',  1, 9999999),
        (CURRENT_DATE::timestamp,                             'data', 'Osh',  0, 1048576),
        (CURRENT_DATE::timestamp + INTERVAL '1 second',       'data', 'Aral', 0, 2621.44),
        (CURRENT_DATE::timestamp + INTERVAL '1 day',          'new',  'Osh',  1, 9999999)
    ) AS w(t, e, r, c, mb)";

#[tokio::test]
async fn the_last_hour_by_type() {
    let mut database = Database::new().await;
    let mut transaction = database.connection.begin().await.unwrap();
    sqlx::query(WINDOWS_AROUND_NOW).execute(&mut *transaction).await.unwrap();
    // SUM of BIGINT is NUMERIC, where the replaced system's INTEGER gave BIGINT: both print alike.
    let mut rows: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT event_type, windows, total_events::text FROM (
             SELECT event_type, COUNT(*) AS windows, SUM(event_count) AS total_events
             FROM real_time_metrics
             WHERE window_start >= NOW() - INTERVAL '1 hour'
             GROUP BY event_type
         ) AS query",
    )
    .fetch_all(&mut *transaction)
    .await
    .unwrap();
    // Whether these are within the hour depends on the time of day.
    rows.retain(|(event_type, _, _)| ["call", "sms"].contains(&event_type.as_str()));
    rows.sort();
    assert_eq!(
        rows,
        [("call".to_owned(), 2, "5".to_owned()), ("sms".to_owned(), 1, "7".to_owned())]
    );
}

#[tokio::test]
async fn todays_regions_by_data() {
    let mut database = Database::new().await;
    let mut transaction = database.connection.begin().await.unwrap();
    sqlx::query(WINDOWS_AROUND_NOW).execute(&mut *transaction).await.unwrap();
    let mut rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT region, data_tb::text FROM (
             SELECT region, ROUND(SUM(total_data_mb)::numeric / 1024 / 1024, 4) AS data_tb
             FROM real_time_metrics
             WHERE DATE(window_start) = CURRENT_DATE
             GROUP BY region
             ORDER BY data_tb DESC
         ) AS query",
    )
    .fetch_all(&mut *transaction)
    .await
    .unwrap();
    rows.sort();
    assert_eq!(
        rows,
        [("Aral".to_owned(), "0.0025".to_owned()), ("Osh".to_owned(), "1.0000".to_owned())]
    );
}

/// README's queries, in a session that has the time zone of an operator's machine.
#[tokio::test]
async fn the_queries_of_the_readme_do_not_depend_on_the_sessions_time_zone() {
    let readme = include_str!("../../../README.md");
    let query = |comment: &str| {
        let (_, rest) = readme.split_once(comment).unwrap();
        rest.split_once(';').unwrap().0.to_owned()
    };
    let mut database = Database::new().await;
    for zone in ["UTC", "Asia/Almaty", "America/Los_Angeles"] {
        let mut transaction = database.connection.begin().await.unwrap();
        sqlx::query(WINDOWS_AROUND_NOW).execute(&mut *transaction).await.unwrap();
        let set = AssertSqlSafe(format!("SET LOCAL TIME ZONE '{zone}'"));
        sqlx::query(set).execute(&mut *transaction).await.unwrap();
        let last_hour = format!(
            "SELECT event_type, windows, total_events::text FROM ({}) AS query
             WHERE event_type IN ('call', 'sms') ORDER BY event_type",
            query("-- the last hour, by type")
        );
        let rows: Vec<(String, i64, String)> =
            sqlx::query_as(AssertSqlSafe(last_hour)).fetch_all(&mut *transaction).await.unwrap();
        let row = |event_type: &str, windows, events: &str| {
            (event_type.to_owned(), windows, events.to_owned())
        };
        assert_eq!(rows, [row("call", 2, "5"), row("sms", 1, "7")], "{zone}");
        let today = format!(
            "SELECT region, data_tb::text FROM ({}) AS query ORDER BY region",
            query("-- today's top regions by data")
        );
        let rows: Vec<(String, String)> =
            sqlx::query_as(AssertSqlSafe(today)).fetch_all(&mut *transaction).await.unwrap();
        let row = |region: &str, tb: &str| (region.to_owned(), tb.to_owned());
        assert_eq!(rows, [row("Aral", "0.0025"), row("Osh", "1.0000")], "{zone}");
        transaction.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn a_days_figures_without_the_totals() {
    let mut database = Database::new().await;
    database
        .execute(
            "INSERT INTO real_time_metrics (window_start, window_end, event_type, region,
                 event_count, total_duration, exact_data_mb, exact_amount, own)
             VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 'Osh', 4, 10, 524288, 0.125, true)",
        )
        .await;
    database.compute(&day("2025-11-09", "UTC")).await;
    let rows: Vec<(String, String, i64, String, String)> = sqlx::query_as(
        "SELECT event_type, region, total_events, tb::text, amount::text FROM (
             SELECT event_type, region, total_events, ROUND(total_data_tb::numeric, 4) AS tb,
                    ROUND(total_amount::numeric, 2) AS amount
             FROM daily_stats WHERE date = '2025-11-09' AND region != 'ALL'
             ORDER BY event_type
         ) AS query",
    )
    .fetch_all(&mut database.connection)
    .await
    .unwrap();
    let row = |event_type: &str| {
        (event_type.to_owned(), "Osh".to_owned(), 4, "0.5000".to_owned(), "0.13".to_owned())
    };
    assert_eq!(rows, [row("call"), row("most_active")]);
}

#[tokio::test]
async fn the_number_of_windows() {
    let mut database = Database::new().await;
    database.execute(WINDOWS_AROUND_NOW).await;
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM real_time_metrics")
        .fetch_one(&mut database.connection)
        .await
        .unwrap();
    assert_eq!(count, 8);
}

#[tokio::test]
async fn a_session_that_says_nothing_about_time_zones_gets_utc() {
    // The driver of these tests always asks for UTC itself, so what psql gets is read from the
    // catalogue.
    let mut database = Database::new().await;
    let settings: Vec<String> = sqlx::query_scalar(
        "SELECT unnest(setconfig) FROM pg_db_role_setting
         WHERE setrole = 0 AND setdatabase =
             (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .fetch_all(&mut database.connection)
    .await
    .unwrap();
    assert!(settings.iter().any(|s| s.eq_ignore_ascii_case("timezone=UTC")), "{settings:?}");
}
