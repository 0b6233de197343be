//! The program itself: its exit codes, and what it says.

use chrono::TimeDelta;

use crate::support::{Database, batcher, check, day, windows};

const OPEN: &str = "INSERT INTO stream_progress
    (topic, generation, partition, first_offset, next_offset, complete_through)
    VALUES ('telecom_events', 0, 2, 0, 0, '2025-11-09 23:58')";

#[tokio::test]
async fn a_day_from_open_to_final() {
    let mut database = Database::new().await;
    let day = day("2025-11-09", "UTC");
    let url = database.url.clone();
    let check = |arguments: &[&str], exit, said: &[&str]| check(&url, arguments, exit, said);

    check(&["2025-11-09"], 4, &["2025-11-09: real_time_metrics has no window of that day"]);
    check(&["validate", "2025-11-09"], 4, &["daily_stats has no row of that date"]);
    check(&["check", "2025-11-09"], 75, &["no partition has been read yet"]);

    database.insert_windows(&windows(day.start(), day.end(), TimeDelta::hours(1))).await;
    database.execute(OPEN).await;
    let holds_back = "telecom_events partition 2 (generation 0): \
                      complete through 2025-11-09 23:58:00 UTC: no streamer has read it yet";
    check(&["check", "2025-11-09"], 75, &["1 of 1 partitions", holds_back]);
    check(
        &["2025-11-09"],
        0,
        &[
            "16 rows from 288 windows, provisional",
            "provisional date=2025-11-09 because=1 of 1 partitions",
            holds_back,
            "avg_data_per_user_mb is NULL in some rows",
        ],
    );
    check(&["validate", "2025-11-09"], 0, &["2025-11-09: valid"]);

    database.execute("UPDATE stream_progress SET complete_through = '2025-11-10 00:00'").await;
    check(&["check", "2025-11-09"], 0, &["2025-11-09: complete"]);
    check(&["2025-11-09"], 0, &["16 rows from 288 windows, final"]);

    database.execute("UPDATE daily_stats SET total_events = 7 WHERE region = 'ALL'").await;
    check(
        &["validate", "2025-11-09"],
        5,
        &["not valid, differences: 6", "total_events          data_session, ALL"],
    );
    check(&["2025-11-09"], 0, &[]);
    check(&["validate", "2025-11-09"], 0, &[]);
}

#[tokio::test]
async fn a_database_without_any_event_is_no_failure_and_a_missing_day_is() {
    let mut database = Database::new().await;
    let url = database.url.clone();
    let check = |arguments: &[&str], exit, said: &[&str]| check(&url, arguments, exit, said);
    database.execute(OPEN).await;
    // Not before everything has been read.
    check(&["check", "2025-11-09"], 75, &["1 of 1 partitions"]);
    database.execute("UPDATE stream_progress SET complete_through = '2025-11-20 00:00'").await;
    check(&["check", "2025-11-09"], 99, &["no event was ever counted in this database"]);
    // Without an event for days it is no new system.
    let days_ago = "UPDATE _sqlx_migrations SET installed_on = installed_on - INTERVAL '4 days'";
    database.execute(days_ago).await;
    check(&["check", "2025-11-09"], 0, &["complete"]);
    check(&["2025-11-09"], 4, &["no window of that day"]);
    database.execute("UPDATE _sqlx_migrations SET installed_on = now()").await;
    // What could not be used were events.
    database.execute("UPDATE stream_progress SET dead = 1, next_offset = 1").await;
    check(&["check", "2025-11-09"], 0, &["complete"]);
    database.execute("UPDATE stream_progress SET dead = 0, next_offset = 0").await;

    let tenth = day("2025-11-10", "UTC");
    database.insert_windows(&windows(tenth.start(), tenth.end(), TimeDelta::hours(1))).await;
    for missing in ["2025-11-09", "2025-11-11"] {
        check(&["check", missing], 0, &["complete"]);
        check(&[missing], 4, &["no window of that day"]);
    }
    // Old minutes may be deleted: their days were there all the same.
    check(&["2025-11-10"], 0, &["final"]);
    database.execute("DELETE FROM real_time_metrics; DELETE FROM day_ledger").await;
    check(&["check", "2025-11-10"], 0, &["complete"]);
}

#[tokio::test]
async fn a_day_whose_events_all_came_late_says_so() {
    let mut database = Database::new().await;
    let url = database.url.clone();
    let late = "INSERT INTO late_metrics (window_start, window_end, event_type, event_count, total_duration,
                    total_data_mb, total_amount, region, exact_data_mb, exact_amount)
                SELECT at, at + interval '1 minute', 'call', 91475, 60, 0, 0, 'Osh', 0, 0
                FROM (VALUES (timestamp '2025-11-10 10:00'), ('2025-11-10 23:59'), ('2025-11-11 00:00')) AS v (at)";
    database.execute(late).await;
    let said =
        "it has 182950 events that came late: `batcher --include-late 2025-11-10` counts them";
    check(&url, &["2025-11-10"], 4, &[said]);
    check(&url, &["--from", "2025-11-10", "--to", "2025-11-10"], 4, &[said]);
    check(&url, &["--include-late", "2025-11-10"], 0, &["with late events"]);
}

#[tokio::test]
async fn yesterday_is_a_date_of_the_stored_zone() {
    let mut database = Database::new().await;
    database
        .execute(
            "INSERT INTO settings (watermark_delay_ms, max_future_skew_ms, business_timezone)
             VALUES (120000, 300000, 'Pacific/Kiritimati')",
        )
        .await;
    // The program's clock is the machine's: the date may change between this and its start.
    let yesterday = || {
        let zone = chrono_tz::Pacific::Kiritimati;
        store::BusinessDay::yesterday(chrono::Utc::now(), zone).date().to_string()
    };
    let before = yesterday();
    let (exit, stdout, _) = batcher(&database.url, &["yesterday"]);
    let after = yesterday();
    assert_eq!(exit, 4);
    assert!(stdout.starts_with(&before) || stdout.starts_with(&after), "{before}: {stdout}");
    assert!(stdout.contains("10:00:00 UTC, a day in Pacific/Kiritimati"), "{stdout}");
}

#[tokio::test]
async fn a_zone_that_differs_from_the_stored_one_is_refused() {
    let mut database = Database::new().await;
    let almaty = ["2025-11-09", "--business-timezone", "Asia/Almaty"];
    // Nothing is stored yet: the zone given counts, and is not stored.
    check(&database.url, &almaty, 4, &["2025-11-08 19:00:00 to 2025-11-09 19:00:00 UTC"]);
    check(&database.url, &["2025-11-09"], 4, &["a day in UTC"]);
    database
        .execute(
            "INSERT INTO settings (watermark_delay_ms, max_future_skew_ms, business_timezone)
             VALUES (120000, 300000, 'Asia/Qyzylorda')",
        )
        .await;
    check(
        &database.url,
        &almaty,
        1,
        &["BUSINESS_TIMEZONE", "Asia/Almaty", "Asia/Qyzylorda", "streamer settings set"],
    );
    check(&database.url, &["2025-11-09"], 4, &["a day in Asia/Qyzylorda"]);
}

#[tokio::test]
async fn a_row_that_cannot_be_added_up_and_a_sum_too_large_fail_with_the_cause() {
    let mut database = Database::new().await;
    database
        .execute(
            "INSERT INTO real_time_metrics (window_start, event_type, region, total_amount)
             VALUES ('2025-11-09 10:00', 'call', 'Osh', 'NaN')",
        )
        .await;
    let named = ["window_start 2025-11-09 10:00:00", "'call'", "'Osh'", "total_amount is NaN"];
    check(&database.url, &["2025-11-09"], 1, &named);
    database
        .execute(
            "UPDATE real_time_metrics SET total_amount = 0, event_count = 9223372036854775807;
             INSERT INTO real_time_metrics (window_start, event_type, region, event_count)
             VALUES ('2025-11-09 10:00', 'call', 'Osh', 1)",
        )
        .await;
    check(&database.url, &["2025-11-09"], 1, &["adding up the day's windows", "out of range"]);
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    let database = Database::new().await;
    let (server, _) = database.url.rsplit_once('/').unwrap();
    let (_, host) = server.rsplit_once('@').unwrap();
    let wrong_password = format!("postgres://nobody_we_know:hunter2@{host}/postgres");
    let nowhere = "postgres://telecom_user:hunter2@127.0.0.1:1/telecom_db";
    let empty = sandbox::fresh_database().unwrap();
    let mut foreign = Database { url: sandbox::fresh_database().unwrap(), ..Database::new().await };
    foreign.connection = foreign.connect().await;
    foreign.execute("CREATE TABLE daily_stats (x INTEGER)").await;
    for (url, argument, exit, said) in [
        (database.url.as_str(), "2025-11-31", 2, &["2025-11-31", "not a date"][..]),
        (&database.url, "tomorrow", 2, &["tomorrow", "yesterday"]),
        ("nonsense", "2025-11-09", 1, &["DATABASE_URL"]),
        (nowhere, "2025-11-09", 1, &["telecom_user@127.0.0.1:1/telecom_db"]),
        (&wrong_password, "2025-11-09", 1, &["nobody_we_know"]),
        (&empty, "2025-11-09", 1, &["streamer migrate"]),
        (&foreign.url, "2025-11-09", 1, &["daily_stats", "did not create"]),
    ] {
        let (found, stdout, stderr) = batcher(url, &[argument]);
        assert_eq!(found, exit, "{url} {argument}: {stderr}");
        assert_eq!(stdout, "", "{url} {argument}");
        for text in said {
            assert!(stderr.contains(text), "{url} {argument} must say {text:?}: {stderr}");
        }
        assert!(!stderr.contains("hunter2"), "a password is shown: {stderr}");
    }
}
