//! The live figures: sums of the newest windows, of the day that they belong to, and what the night's
//! run has left, as a plain look at the tables would say.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use operator::live::Sums;
use operator::live::figures::LiveFigures;
use sqlx::AssertSqlSafe;
use store::{ExplicitSettings, PgConnection, Session};

/// A migrated database whose business days are Almaty's: they begin at 19:00 UTC.
async fn database() -> PgConnection {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = store::connect(&url, Session::Batch).await.unwrap();
    store::migrate(&mut connection).await.unwrap();
    let zone = ExplicitSettings {
        business_timezone: Some(chrono_tz::Asia::Almaty),
        ..ExplicitSettings::default()
    };
    store::agree_settings(&mut connection, zone).await.unwrap();
    connection
}

async fn execute(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.unwrap();
}

/// Windows of minutes of 9 November 2025, UTC, with these counts; 60 seconds, 1.5 MB, 2 tenge each.
async fn insert(connection: &mut PgConnection, table: &str, rows: &[(&str, &str, &str, i64)]) {
    for (minute, event_type, region, events) in rows {
        let start = format!("TIMESTAMP '2025-11-09 {minute}'");
        execute(
            connection,
            &format!(
                "INSERT INTO {table} (window_start, window_end, event_type, event_count, total_duration,
                     total_data_mb, total_amount, region, exact_data_mb, exact_amount)
                 VALUES ({start}, {start} + INTERVAL '1 minute', '{event_type}', {events}, 60, 1.5, 2,
                     '{region}', 1.5, 2)"
            ),
        )
        .await;
    }
}

async fn look(connection: &mut PgConnection) -> LiveFigures {
    operator::live::figures::live_figures(connection).await.unwrap()
}

#[tokio::test]
async fn an_empty_database_has_figures_too() {
    let mut connection = database().await;
    let figures = look(&mut connection).await;
    assert_eq!(figures.newest_window, None);
    assert!(figures.cells.is_empty() && figures.minutes.is_empty() && figures.day.is_none());
    let yesterday = operator::live::figures::yesterday(&mut connection).await.unwrap();
    assert_eq!((yesterday.events, yesterday.is_computed), (0, false));
    // Nothing has run; a database without the table of runs says nothing at all.
    let batch =
        operator::live::figures::batch_state(&mut connection).await.unwrap().unwrap_or_default();
    assert_eq!((batch.last_run_at, batch.last_success_at, batch.stale_days), (None, None, 0));
}

#[tokio::test]
async fn the_newest_windows_and_their_business_day_are_summed_up() {
    let mut connection = database().await;
    insert(
        &mut connection,
        "real_time_metrics",
        &[
            ("18:59", "call", "Almaty", 1_000), // the day before, in Almaty
            ("19:00", "call", "Almaty", 100),
            ("20:20", "call", "Almaty", 7), // 10 minutes before the newest: just not among the cells
            ("20:21", "call", "Almaty", 1),
            ("20:30", "call", "Almaty", 2),
            ("20:30", "sms", "Almaty", 9),
            ("20:30", "sms", "Astana", 9),
        ],
    )
    .await;
    insert(
        &mut connection,
        "late_metrics",
        &[("18:59", "call", "Almaty", 50), ("19:00", "call", "Almaty", 5)],
    )
    .await;
    // A row of somebody else's counts, and one without figures does not.
    execute(
        &mut connection,
        "INSERT INTO real_time_metrics (window_start, event_type, region, event_count)
         VALUES ('2025-11-09 20:29', 'call', 'Astana', 3), ('2025-11-09 20:28', NULL, NULL, NULL)",
    )
    .await;
    let figures = look(&mut connection).await;
    assert_eq!(figures.newest_window, Some("2025-11-09T20:30:00".parse().unwrap()));
    let cells: Vec<_> = figures
        .cells
        .iter()
        .map(|cell| (cell.region.as_str(), cell.event_type.as_str(), cell.events))
        .collect();
    let expected =
        [("Almaty", "sms", 9), ("Astana", "sms", 9), ("Almaty", "call", 3), ("Astana", "call", 3)];
    assert_eq!(cells, expected);
    let minutes: Vec<_> = figures
        .minutes
        .iter()
        .map(|minute| (minute.window_start.format("%H:%M").to_string(), minute.events))
        .collect();
    let minute = |at: &str, events| (at.to_owned(), events);
    assert_eq!(
        minutes,
        [minute("20:20", 7), minute("20:21", 1), minute("20:29", 3), minute("20:30", 20)]
    );
    let day = figures.day.unwrap();
    assert_eq!(day.day.date().to_string(), "2025-11-10");
    assert_eq!((day.sums.events, day.sums.late_events), (131, 5));
    assert_eq!(day.sums.figures, Sums([360.0, 9.0, 12.0]));
}

#[tokio::test]
async fn yesterday_is_the_last_business_day_that_has_ended() {
    let mut connection = database().await;
    let day = store::BusinessDay::yesterday(chrono::Utc::now(), chrono_tz::Asia::Almaty);
    let (start, end, date) = (day.start(), day.end(), day.date());
    execute(
        &mut connection,
        &format!(
            "INSERT INTO day_ledger VALUES
                 ('t', 0, 0, TIMESTAMP '{start}' - INTERVAL '15 minutes', 1000, 0), ('t', 0, 0, '{start}', 3, 1),
                 ('t', 0, 1, TIMESTAMP '{end}' - INTERVAL '15 minutes', 4, 1), ('t', 0, 0, '{end}', 500, 0)"
        ),
    )
    .await;
    let yesterday = operator::live::figures::yesterday(&mut connection).await.unwrap();
    assert_eq!((yesterday.events, yesterday.is_computed), (7, false));
    assert!((0..=86_400).contains(&yesterday.ended_seconds_ago), "{yesterday:?}");
    execute(
        &mut connection,
        &format!(
            "INSERT INTO daily_stats (date, event_type, region) VALUES ('{date}', 'call', 'ALL')"
        ),
    )
    .await;
    let yesterday = operator::live::figures::yesterday(&mut connection).await.unwrap();
    assert!(yesterday.is_computed);
}
