//! `--from` and `--to`: a range of days, and how it goes on after it was stopped.

use std::process::Stdio;

use chrono::TimeDelta;

use crate::support::{
    Database, batcher, check, command, day, hold, recompute, release, somebody_waits, until,
    windows,
};

const YEAR: [&str; 4] = ["--from", "2024-01-01", "--to", "2024-12-31"];

#[tokio::test]
async fn a_year_is_computed_in_one_go_and_what_is_up_to_date_is_left_out() {
    let mut database = Database::new().await;
    let [first, last] = ["2024-01-01", "2024-12-31"].map(|date| day(date, "UTC"));
    let windows = windows(first.start(), last.end(), TimeDelta::hours(12));
    database.flush(&windows).await;
    database.complete_through("2025-01-01").await;
    let url = database.url.clone();

    let (exit, stdout, stderr) = batcher(&url, &YEAR);
    assert_eq!(exit, 0, "{stderr}");
    assert_eq!(stdout.matches("16 rows from 24 windows, final").count(), 366);
    let counted =
        "366 days computed, 0 of them provisional, 0 were up to date, 0 without data, 0 failed";
    assert!(stdout.ends_with(&format!("2024-01-01 to 2024-12-31: {counted}\n")), "{stdout}");
    // The progress bar is for terminals alone. These windows come without subscribers.
    let warned = |line: &str| {
        line.contains(" WARN avg_data_per_user_mb is NULL") && line.contains(" date=2024-")
    };
    assert!(stderr.lines().count() == 366 && stderr.lines().all(warned), "{stderr}");
    for date in first.date().iter_days().take(366).step_by(61) {
        let date = date.to_string();
        let expected = recompute(&windows, &date, chrono_tz::UTC);
        assert_eq!(database.daily_rows(&date).await, expected, "{date}");
    }

    // Again: nothing is to be done, but for a day that changed and one that never was there.
    database
        .execute(
            "UPDATE real_time_metrics SET event_count = event_count + 1
             WHERE window_start = '2024-06-01' AND event_type = 'call' AND region = 'Almaty';
             UPDATE day_ledger SET on_time = on_time + 1 WHERE quarter_start = '2024-06-01';
             DELETE FROM daily_stats WHERE date = '2024-02-29';
             DELETE FROM batch_runs WHERE date = '2024-02-29'",
        )
        .await;
    let said =
        ["2024-06-01: 16 rows", "2024-02-29: 16 rows", "2 days computed", "364 were up to date"];
    check(&url, &YEAR, 0, &said);
    check(&url, &[&YEAR[..], &["--again"]].concat(), 0, &["366 days computed"]);
}

#[tokio::test]
async fn a_killed_backfill_goes_on_where_it_was_stopped() {
    let mut database = Database::new().await;
    let [first, last] = ["2025-11-01", "2025-11-10"].map(|date| day(date, "UTC"));
    database.flush(&windows(first.start(), last.end(), TimeDelta::hours(6))).await;
    database.complete_through("2025-11-11").await;
    database.execute("INSERT INTO daily_stats VALUES ('2025-11-06', 'x', 'y')").await;
    let mut holder = database.connect().await;
    hold(&mut holder, "SELECT FROM daily_stats WHERE date = '2025-11-06' FOR UPDATE").await;
    let range = ["--from", "2025-11-01", "--to", "2025-11-10"];
    let mut run = command(&database.url, &range).stdout(Stdio::null()).spawn().unwrap();
    somebody_waits(&mut database.connection).await;
    run.kill().unwrap();
    run.wait().unwrap();
    release(&mut holder).await;
    let ended = "SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = current_database()";
    until(&mut database.connection, "the session of the killed run to end", ended).await;

    let states = "SELECT string_agg(date || ' ' || state, ', ' ORDER BY date) FROM day_states
                  WHERE date >= '2025-11-05'";
    assert_eq!(database.text(states).await, "2025-11-05 final, 2025-11-06 stale");
    check(&database.url, &range, 0, &["5 days computed", "5 were up to date"]);
}

#[tokio::test]
async fn days_without_data_are_counted_and_a_range_without_any_exits_4() {
    let mut database = Database::new().await;
    let only = day("2025-11-09", "UTC");
    database.flush(&windows(only.start(), only.end(), TimeDelta::hours(6))).await;
    let said = ["2025-11-08: real_time_metrics has no window", "1 days computed", "2 without data"];
    check(&database.url, &["--from", "2025-11-08", "--to", "2025-11-10"], 0, &said);
    check(&database.url, &["--from", "2025-11-07", "--to", "2025-11-08"], 4, &["0 days computed"]);
    // Many in a row are one line, on either side of a day that has something.
    let (exit, stdout, _) = batcher(&database.url, &["--from", "2025-01-01", "--to", "2025-11-11"]);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!((exit, lines.len()), (0, 3), "{stdout}");
    let between = "days without any window in real_time_metrics; daily_stats is as it was";
    assert_eq!(lines[0], format!("2025-01-01 to 2025-11-08: 312 {between}"));
    assert_eq!(lines[1], format!("2025-11-10 to 2025-11-11: 2 {between}"));
}

#[tokio::test]
async fn a_range_that_ends_before_it_begins_is_refused() {
    let database = Database::new().await;
    let tomorrow = (chrono::Utc::now().date_naive() + TimeDelta::days(1)).to_string();
    check(&database.url, &["--from", &tomorrow, "--to", "yesterday"], 1, &["--from is after --to"]);
    let turned = ["--from", "2025-11-02", "--to", "2025-11-01"];
    check(&database.url, &turned, 2, &["--from is after --to"]);
}
