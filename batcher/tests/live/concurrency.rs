//! Runs that meet other runs, other writers and flushes.

use std::time::Duration;

use crate::support::{
    Database, OPTIONS, WindowRow, compute, day, recompute, somebody_waits, windows,
};
use chrono::TimeDelta;
use store::{DailyError, DayRun, PgConnection, RunOptions};

/// Starts a transaction that stops every run on 2025-11-09 right after its snapshot: the run has
/// to wait for a row of that date.
async fn hold_a_row(connection: &mut PgConnection, change: &'static str) {
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
    let held = sqlx::query(change).execute(connection).await.unwrap();
    assert!(held.rows_affected() > 0, "there must be a row to wait for");
}

const DATE: &str = "2025-11-09";

async fn database_with_a_computed_day() -> (Database, Vec<WindowRow>) {
    let mut database = Database::new().await;
    let day = day(DATE, "UTC");
    let windows = windows(day.start(), day.end(), TimeDelta::hours(1));
    database.flush(&windows).await;
    database.compute(&day).await;
    (database, windows)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_runs_of_one_date_all_succeed() {
    let (mut database, windows) = database_with_a_computed_day().await;
    let mut runs = Vec::new();
    for _ in 0..8 {
        let mut connection = database.connect().await;
        runs.push(tokio::spawn(async move {
            for _ in 0..5 {
                compute(&mut connection, &day(DATE, "UTC")).await.unwrap();
            }
        }));
    }
    for run in runs {
        run.await.unwrap();
    }
    let expected = recompute(&windows, DATE, chrono_tz::Tz::UTC);
    assert_eq!(database.daily_rows(DATE).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_runs_of_different_dates_do_not_disturb_each_other() {
    let mut database = Database::new().await;
    let dates = ["2025-11-07", "2025-11-08", "2025-11-09", "2025-11-10"];
    let [first, .., last] = dates.map(|date| day(date, "UTC"));
    let windows = windows(first.start(), last.end(), TimeDelta::minutes(20));
    database.flush(&windows).await;
    let mut runs = Vec::new();
    for date in dates.into_iter().chain(dates) {
        let mut connection = database.connect().await;
        runs.push(tokio::spawn(async move {
            for _ in 0..5 {
                compute(&mut connection, &day(date, "UTC")).await.unwrap();
            }
        }));
    }
    for run in runs {
        run.await.unwrap();
    }
    for date in dates {
        let expected = recompute(&windows, date, chrono_tz::Tz::UTC);
        assert_eq!(database.daily_rows(date).await, expected);
        assert_eq!(database.state(date).await, Some(("provisional".to_owned(), None)));
    }
}

#[tokio::test]
async fn a_date_is_held_while_it_is_computed_and_other_dates_are_free() {
    let (mut database, windows) = database_with_a_computed_day().await;
    let mut holder = database.connect().await;
    hold_a_row(&mut holder, "DELETE FROM daily_stats WHERE date = '2025-11-09'").await;
    let mut first_connection = database.connect().await;
    let first =
        tokio::spawn(async move { compute(&mut first_connection, &day(DATE, "UTC")).await });
    somebody_waits(&mut database.connection).await;

    let mut second = database.connect().await;
    let options = RunOptions { lock_wait: Duration::from_millis(50), ..OPTIONS };
    let refused = store::compute_day(&mut second, &day(DATE, "UTC"), options).await.unwrap_err();
    assert!(matches!(refused, DailyError::Busy { .. }), "{refused:?}");
    assert!(refused.to_string().contains("2025-11-09"), "{refused}");
    let other = compute(&mut second, &day("2025-11-08", "UTC")).await.unwrap();
    assert_eq!(other, DayRun::NoData { late_events: 0 });

    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    first.await.unwrap().unwrap();
    // The date is free again.
    compute(&mut second, &day(DATE, "UTC")).await.unwrap();
    let expected = recompute(&windows, DATE, chrono_tz::Tz::UTC);
    assert_eq!(database.daily_rows(DATE).await, expected);
}

#[tokio::test]
async fn a_run_whose_rows_another_session_changed_starts_again() {
    let (mut database, windows) = database_with_a_computed_day().await;
    let mut holder = database.connect().await;
    hold_a_row(&mut holder, "UPDATE daily_stats SET total_events = 7 WHERE date = '2025-11-09'")
        .await;
    let mut connection = database.connect().await;
    let run = tokio::spawn(async move { compute(&mut connection, &day(DATE, "UTC")).await });
    somebody_waits(&mut database.connection).await;
    // The run's snapshot does not have this change: the server refuses its DELETE with 40001.
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    run.await.unwrap().unwrap();
    let expected = recompute(&windows, DATE, chrono_tz::Tz::UTC);
    assert_eq!(database.daily_rows(DATE).await, expected);
}

#[tokio::test]
async fn a_flush_that_commits_during_a_run_neither_stops_it_nor_gets_in_by_halves() {
    let (mut database, windows) = database_with_a_computed_day().await;
    let mut holder = database.connect().await;
    hold_a_row(&mut holder, "UPDATE daily_stats SET total_events = 7 WHERE date = '2025-11-09'")
        .await;
    let mut connection = database.connect().await;
    let run = tokio::spawn(async move { compute(&mut connection, &day(DATE, "UTC")).await });
    somebody_waits(&mut database.connection).await;
    database
        .execute(
            "UPDATE real_time_metrics SET event_count = event_count + 1000;
             UPDATE day_ledger SET on_time = on_time + 12000;
             INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset,
                 complete_through) VALUES ('t', 0, 0, 0, 0, '2025-11-11')",
        )
        .await;
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();

    let DayRun::Computed(computed) = run.await.unwrap().unwrap() else { panic!("no data") };

    let expected = recompute(&windows, DATE, chrono_tz::Tz::UTC);
    assert_eq!(database.daily_rows(DATE).await, expected);
    // Judged by the same snapshot: the flush that made the day complete is not in the figures …
    assert!(!computed.state.is_complete());
    let events: i64 = windows.iter().map(|window| window.events).sum();
    assert_eq!(computed.version, events);
    // … so that the day is stale as soon as it is computed.
    let because = format!("it counted {events} events, now there are {}", events + 24 * 12_000);
    let stale = Some(("stale".to_owned(), Some(because)));
    assert_eq!(database.state(DATE).await, stale);
}
