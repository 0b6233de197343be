//! `batcher --stale`: which days it computes again, and that it misses none.

use std::process::Stdio;

use chrono::TimeDelta;

use crate::support::{
    Database, batcher, check, command, day, hold, recompute, release, somebody_waits, windows,
};

/// Three days, computed; the last one is not complete.
async fn three_days() -> Database {
    let mut database = Database::new().await;
    let [first, last] = ["2025-11-08", "2025-11-10"].map(|date| day(date, "UTC"));
    database.flush(&windows(first.start(), last.end(), TimeDelta::hours(1))).await;
    database.complete_through("2025-11-10 12:00").await;
    check(&database.url, &["--from", "2025-11-08", "--to", "2025-11-10"], 0, &["3 days computed"]);
    database
}

/// One more event at noon of each of these days of November.
async fn one_more_event(database: &mut Database, days: &[u32]) {
    for day in days {
        database
            .execute_text(format!(
                "UPDATE real_time_metrics SET event_count = event_count + 1
                 WHERE window_start = '2025-11-{day:02} 12:00' AND event_type = 'call'
                   AND region = 'Almaty';
                 UPDATE day_ledger SET on_time = on_time + 1
                 WHERE quarter_start = '2025-11-{day:02} 12:00'"
            ))
            .await;
    }
}

async fn states(database: &mut Database) -> String {
    database.text("SELECT string_agg(state, ', ' ORDER BY date) FROM day_states").await
}

#[tokio::test]
async fn just_the_stale_days_are_computed_and_open_ones_only_when_asked() {
    let mut database = three_days().await;
    let url = database.url.clone();
    check(&url, &["--stale"], 0, &["stale days: 0 computed, 0 without data, 0 failed"]);
    one_more_event(&mut database, &[8, 10]).await;
    assert_eq!(states(&mut database).await, "stale, final, stale");

    let (exit, stdout, stderr) = batcher(&url, &["--stale"]);
    assert_eq!(exit, 0, "{stderr}");
    assert!(stdout.contains("2025-11-08: stale: it counted "), "{stdout}");
    assert!(stdout.contains(" final, corrected: "), "{stdout}");
    let counted = "stale days: 1 computed, 0 without data, 0 failed, 1 left because";
    assert!(stdout.contains(counted), "{stdout}");
    // A day that had been complete is reported as a warning besides.
    let warned =
        "a day had been computed as complete, and changed afterwards date=2025-11-08 events_then=";
    assert!(stderr.contains(warned), "{stderr}");
    assert!(!stdout.contains("2025-11-09:"), "{stdout}");
    assert_eq!(states(&mut database).await, "final, final, stale");

    let open = ["--stale", "--include-open"];
    check(&url, &open, 0, &["2025-11-10: 16 rows from 288 windows, provisional"]);
    assert_eq!(states(&mut database).await, "final, final, provisional");
}

#[tokio::test]
async fn a_day_that_changes_while_it_is_computed_is_not_missed() {
    let mut database = three_days().await;
    one_more_event(&mut database, &[8]).await;
    let mut holder = database.connect().await;
    hold(&mut holder, "SELECT FROM daily_stats WHERE date = '2025-11-08' FOR UPDATE").await;
    let run = command(&database.url, &["--stale"]).stdout(Stdio::piped()).spawn().unwrap();
    somebody_waits(&mut database.connection).await;
    // Its snapshot is taken: these it does not see. The other day has not been looked at yet, or
    // was found to be up to date.
    one_more_event(&mut database, &[8, 9]).await;
    release(&mut holder).await;

    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(said.matches("2025-11-08: 16 rows").count(), 2, "{said}");
    assert_eq!(said.matches("2025-11-09: 16 rows").count(), 1, "{said}");
    assert_eq!(states(&mut database).await, "final, final, provisional");
    check(&database.url, &["validate", "2025-11-08"], 0, &[]);
}

#[tokio::test]
async fn a_day_that_can_not_be_computed_keeps_no_other_day_waiting() {
    let mut database = three_days().await;
    one_more_event(&mut database, &[8, 9]).await;
    database
        .execute(
            "INSERT INTO real_time_metrics (window_start, event_type, region, total_amount)
             VALUES ('2025-11-08 10:00', 'call', 'Osh', 'NaN')",
        )
        .await;
    let named = [
        "a day was not computed date=2025-11-08 error=real_time_metrics has a row",
        "2025-11-09: 16 rows",
        "stale days: 1 computed, 0 without data, 1 failed",
        "1 days were not computed: 2025-11-08",
    ];
    check(&database.url, &["--stale"], 1, &named);
    assert_eq!(states(&mut database).await, "stale, final, provisional");
}

#[tokio::test]
async fn after_another_zone_every_day_is_computed_in_it() {
    let mut database = Database::new().await;
    let [first, last] = ["2024-02-27", "2024-03-03"].map(|date| day(date, "UTC"));
    let windows = windows(first.start(), last.end(), TimeDelta::minutes(30));
    database.flush(&windows).await;
    database.complete_through("2024-03-05").await;
    database
        .execute(
            "INSERT INTO settings (watermark_delay_ms, max_future_skew_ms, business_timezone)
             VALUES (120000, 300000, 'UTC')",
        )
        .await;
    check(&database.url, &["--from", "2024-02-28", "--to", "2024-03-02"], 0, &["4 days computed"]);
    // Kazakhstan's own change from UTC+6 to UTC+5 lies in between: one day has 25 hours.
    database.execute("UPDATE settings SET business_timezone = 'Asia/Almaty'").await;
    check(&database.url, &["validate", "2024-03-01"], 75, &["it was a day of UTC"]);
    check(&database.url, &["--stale"], 0, &["stale days: 4 computed"]);
    for date in ["2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"] {
        let expected = recompute(&windows, date, chrono_tz::Asia::Almaty);
        assert_eq!(database.daily_rows(date).await, expected, "{date}");
        check(&database.url, &["validate", date], 0, &[]);
    }
    check(&database.url, &["--stale"], 0, &["stale days: 0 computed"]);
}

#[tokio::test]
async fn stale_days_without_windows_are_named_and_left() {
    let mut database = three_days().await;
    database.execute("DELETE FROM real_time_metrics WHERE window_start < '2025-11-09'").await;
    database.execute("UPDATE day_ledger SET on_time = on_time + 1").await;
    let before = database.daily_rows("2025-11-08").await;
    let said = [
        "2025-11-08: real_time_metrics has no window of that day",
        "a day was not computed date=2025-11-09 error=2025-11-09 has windows of ",
        "0 computed, 1 without data, 1 failed",
    ];
    check(&database.url, &["--stale"], 1, &said);
    assert_eq!(database.daily_rows("2025-11-08").await, before);
}
