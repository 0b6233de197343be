//! `--include-late`: late events are part of a day's figures when they are asked for.

use chrono::TimeDelta;

use crate::support::{Database, WindowRow, check, day, recompute, windows};

const DATE: &str = "2025-11-09";

/// On-time and late events, of the same keys and of other ones.
async fn a_day_with_late_events() -> (Database, Vec<WindowRow>, Vec<WindowRow>) {
    let mut database = Database::new().await;
    let day = day(DATE, "UTC");
    let on_time = windows(day.start(), day.end(), TimeDelta::hours(2));
    let late = windows(day.start() + TimeDelta::hours(1), day.end(), TimeDelta::minutes(90));
    database.flush_late(&late).await;
    database.flush(&on_time).await;
    database.complete_through("2025-11-10").await;
    (database, on_time, late)
}

#[tokio::test]
async fn late_events_are_left_out_unless_they_are_asked_for() {
    let (mut database, on_time, late) = a_day_with_late_events().await;
    let all: Vec<WindowRow> = on_time.iter().chain(&late).cloned().collect();

    check(&database.url, &[DATE], 0, &["from 144 windows, final ("]);
    let expected = recompute(&on_time, DATE, chrono_tz::UTC);
    assert_eq!(database.daily_rows(DATE).await, expected);
    check(&database.url, &["validate", DATE], 0, &[]);

    check(
        &database.url,
        &[DATE, "--include-late"],
        0,
        &["from 336 windows, final, with late events"],
    );
    let expected = recompute(&all, DATE, chrono_tz::UTC);
    assert_eq!(database.daily_rows(DATE).await, expected);
    check(&database.url, &["validate", DATE], 0, &[]);
}

#[tokio::test]
async fn a_late_event_makes_a_day_stale_only_where_it_is_part_of_it() {
    let (mut database, ..) = a_day_with_late_events().await;
    let one_more = "UPDATE late_metrics SET event_count = event_count + 1
                    WHERE window_start = '2025-11-09 01:00' AND event_type = 'call' AND region = 'Almaty';
                    UPDATE day_ledger SET late = late + 1 WHERE quarter_start = '2025-11-09 01:00'";
    check(&database.url, &[DATE], 0, &[]);
    database.execute(one_more).await;
    check(&database.url, &["--stale"], 0, &["stale days: 0 computed"]);

    check(&database.url, &[DATE, "--include-late"], 0, &[]);
    database.execute(one_more).await;
    // A correction computes the day as it was computed before.
    check(
        &database.url,
        &["--stale"],
        0,
        &["from 336 windows, final, with late events, corrected"],
    );
    check(&database.url, &["validate", DATE], 0, &[]);

    // In a range a day computed the other way is not what is asked for.
    let range = ["--from", DATE, "--to", DATE];
    check(&database.url, &range, 0, &["1 days computed"]);
    check(&database.url, &range, 0, &["0 days computed", "1 were up to date"]);
}
