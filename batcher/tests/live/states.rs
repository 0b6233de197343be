//! What `batch_runs` and the view `day_states` say of a day: final, provisional, stale.

use chrono::TimeDelta;
use store::{Condition, DayRun, RecordState, RunOptions};

use crate::support::{Database, OPTIONS, WindowRow, command, compute, day, recompute, windows};

const DATE: &str = "2025-11-09";

fn state(name: &str, because: Option<&str>) -> Option<(String, Option<String>)> {
    Some((name.to_owned(), because.map(str::to_owned)))
}

/// One more event in a minute of 2025-11-09 that has some already.
fn one_more_event(database_windows: &mut [WindowRow]) -> &'static str {
    let start = "2025-11-09T12:00:00".parse().unwrap();
    let window = database_windows.iter_mut().find(|window| {
        window.start == start && window.event_type == "call" && window.region == "Almaty"
    });
    window.expect("a window at noon").events += 1;
    "UPDATE real_time_metrics SET event_count = event_count + 1
     WHERE window_start = '2025-11-09 12:00' AND event_type = 'call' AND region = 'Almaty';
     UPDATE day_ledger SET on_time = on_time + 1 WHERE quarter_start = '2025-11-09 12:00'"
}

async fn database_with_a_day() -> (Database, Vec<WindowRow>) {
    let mut database = Database::new().await;
    let day = day(DATE, "UTC");
    let windows = windows(day.start(), day.end(), TimeDelta::hours(1));
    database.flush(&windows).await;
    (database, windows)
}

#[tokio::test]
async fn a_day_turns_from_provisional_to_final_and_a_late_correction_makes_it_stale() {
    let (mut database, mut windows) = database_with_a_day().await;
    let day = day(DATE, "UTC");
    let events: i64 = windows.iter().map(|window| window.events).sum();
    assert_eq!(database.state(DATE).await, None);

    database.complete_through("2025-11-09 23:59").await;
    database.compute(&day).await;
    assert_eq!(database.state(DATE).await, state("provisional", None));
    // No event came any more: what was computed is final without another run.
    database.complete_through("2025-11-10 00:00").await;
    assert_eq!(database.state(DATE).await, state("final", None));

    // The run was provisional when it was noted, so a change now is no correction of a final day.
    database.execute(one_more_event(&mut windows)).await;
    let because = format!("it counted {events} events, now there are {}", events + 1);
    assert_eq!(database.state(DATE).await, state("stale", Some(&because)));
    let DayRun::Computed(computed) = compute(&mut database.connection, &day).await.unwrap() else {
        panic!("it has data")
    };
    assert_eq!((computed.version, computed.changed_after_final), (events + 1, None));
    assert_eq!(database.state(DATE).await, state("final", None));

    // This one is, and is reported until the day is computed again.
    const CHANGED: &str = "SELECT changed_after_final::text FROM day_states";
    assert_eq!(database.text(CHANGED).await, "false");
    database.execute(one_more_event(&mut windows)).await;
    assert_eq!(database.text(CHANGED).await, "true");
    let DayRun::Computed(computed) = compute(&mut database.connection, &day).await.unwrap() else {
        panic!("it has data")
    };
    assert_eq!((computed.version, computed.changed_after_final), (events + 2, Some(events + 1)));
    assert_eq!(database.text(CHANGED).await, "false");
    assert_eq!(database.state(DATE).await, state("final", None));
    assert_eq!(database.daily_rows(DATE).await, recompute(&windows, DATE, chrono_tz::UTC));
}

#[tokio::test]
async fn a_run_is_noted_with_all_that_it_was() {
    let (mut database, windows) = database_with_a_day().await;
    database.compute(&day(DATE, "UTC")).await;
    let events: i64 = windows.iter().map(|window| window.events).sum();
    let noted = database
        .text(
            "SELECT concat_ws(', ', date, business_timezone, day_start, day_end, include_late,
                 started_by, outcome, rows, source_rows, version, provisional, error,
                 started_at <= finished_at)
             FROM batch_runs",
        )
        .await;
    let rows = 3 * 4 + 3 + 1;
    let expected = format!(
        "2025-11-09, UTC, 2025-11-09 00:00:00, 2025-11-10 00:00:00, f, a test, computed, {rows}, \
         {}, {events}, t, t",
        windows.len()
    );
    assert_eq!(noted, expected);
}

#[tokio::test]
async fn a_run_that_changed_nothing_is_noted_and_changes_no_state() {
    let (mut database, _) = database_with_a_day().await;
    let day = day(DATE, "UTC");
    database.compute(&day).await;
    let before = database.state(DATE).await;
    assert_eq!(before, state("provisional", None));
    for (change, outcome) in [
        (
            "INSERT INTO real_time_metrics (window_start, event_type, region, total_amount)
             VALUES ('2025-11-09 10:00', 'call', 'Osh', 'NaN')",
            "failed: real_time_metrics has a row that can't be part of the day's figures: \
             window_start 2025-11-09 10:00:00, event_type 'call', region 'Osh': total_amount is NaN \
             or infinite; correct the row or delete it",
        ),
        (
            "UPDATE real_time_metrics SET total_amount = 0, event_count = 9223372036854775807
             WHERE NOT own",
            "failed: adding up the day's windows failed: error returned from database: bigint out \
             of range",
        ),
        ("DELETE FROM real_time_metrics", "no_data"),
    ] {
        database.execute(change).await;
        let run = compute(&mut database.connection, &day).await;
        assert!(!matches!(run, Ok(DayRun::Computed(_))), "{run:?}");
        let noted = database
            .text("SELECT concat_ws(': ', outcome, error) FROM batch_runs ORDER BY id DESC LIMIT 1")
            .await;
        assert_eq!(noted, outcome);
        assert_eq!(database.state(DATE).await, before, "{outcome}");
    }
}

#[tokio::test]
async fn a_run_without_an_end_makes_its_day_stale_until_another_one_ends() {
    let (mut database, _) = database_with_a_day().await;
    let day = day(DATE, "UTC");
    database.compute(&day).await;
    database
        .execute(
            "INSERT INTO batch_runs (date, business_timezone, day_start, day_end, include_late,
                 started_at, started_by)
             SELECT date, business_timezone, day_start, day_end, false, '2025-11-10 02:00', 'me@x:7'
             FROM batch_runs",
        )
        .await;
    let because = "the run that me@x:7 began at 2025-11-10 02:00:00 UTC has no end";
    assert_eq!(database.state(DATE).await, state("stale", Some(because)));
    database.compute(&day).await;
    assert_eq!(database.state(DATE).await, state("provisional", None));
    // It stays as it was: it never ended.
    assert_eq!(
        database.text("SELECT count(*)::text FROM batch_runs WHERE finished_at IS NULL").await,
        "1"
    );
}

#[tokio::test]
async fn another_time_zone_makes_days_stale_and_recomputes_nothing() {
    let (mut database, _) = database_with_a_day().await;
    database
        .execute(
            "INSERT INTO settings (watermark_delay_ms, max_future_skew_ms, business_timezone)
             VALUES (120000, 300000, 'UTC')",
        )
        .await;
    database.complete_through("2025-11-12").await;
    database.compute(&day(DATE, "UTC")).await;
    let before = database.daily_rows(DATE).await;
    database.execute("UPDATE settings SET business_timezone = 'Asia/Almaty'").await;
    assert_eq!(database.state(DATE).await, state("stale", Some("it was a day of UTC")));
    assert_eq!(database.daily_rows(DATE).await, before);
    // Another stretch of time: what was counted in it is no former figure of this day.
    let computed = compute(&mut database.connection, &day(DATE, "Asia/Almaty")).await.unwrap();
    assert!(
        matches!(&computed, DayRun::Computed(computed) if computed.changed_after_final.is_none()),
        "{computed:?}"
    );
    assert_eq!(database.state(DATE).await, state("final", None));
}

#[tokio::test]
async fn a_day_whose_bounds_the_tz_database_has_moved_is_stale() {
    // SQL knows no zones, so the view can't see this; `--stale` does.
    let (mut database, _) = database_with_a_day().await;
    let day = day(DATE, "UTC");
    database.compute(&day).await;
    database.execute("UPDATE batch_runs SET day_start = day_start - INTERVAL '1 hour'").await;
    let record = store::day_record(&mut database.connection, &day).await.unwrap().unwrap();
    let because = "it was 2025-11-08 23:00:00 to 2025-11-10 00:00:00 UTC".to_owned();
    assert_eq!(record.state, RecordState::Stale(because));
    let options = RunOptions { condition: Condition::IfStale, ..OPTIONS };
    let run = store::compute_day(&mut database.connection, &day, options).await.unwrap();
    assert!(matches!(run, DayRun::Computed(_)));
    let run = store::compute_day(&mut database.connection, &day, options).await.unwrap();
    assert_eq!(run, DayRun::NotNeeded);
}

#[tokio::test]
async fn a_day_some_of_whose_windows_were_deleted_is_not_computed() {
    let (mut database, windows) = database_with_a_day().await;
    let day = day(DATE, "UTC");
    database.compute(&day).await;
    let before = database.daily_rows(DATE).await;
    let deleted = "DELETE FROM real_time_metrics WHERE window_start < '2025-11-09 01:00'";
    database.execute(deleted).await;
    let error = compute(&mut database.connection, &day).await.unwrap_err().to_string();
    let events: i64 = windows.iter().map(|window| window.events).sum();
    assert!(error.contains(&format!("but {events} were counted")), "{error}");
    assert_eq!(database.daily_rows(DATE).await, before);
    assert_eq!(database.state(DATE).await, state("provisional", None));
}

#[tokio::test]
async fn a_day_is_summed_up_again_only_after_something_was_counted_in_a_utc_day_that_it_touches() {
    let (mut database, mut windows) = database_with_a_day().await;
    database.complete_through("2025-11-12 00:00").await;
    // A day of Almaty: from 19:00 of 2025-11-08 to 19:00 of 2025-11-09, UTC.
    let options = [DATE, "--business-timezone", "Asia/Almaty"];
    const REMEMBERED: &str = "SELECT string_agg(is_remembered::text, ' ') FROM day_sums";
    let run = |url: &str| assert!(command(url, &options).status().unwrap().success());
    run(&database.url);
    assert_eq!(database.text(REMEMBERED).await, "true");
    // What is remembered is what is answered, or remembering would save nothing.
    database.execute("UPDATE day_versions SET on_time = on_time + 7").await;
    assert_eq!(database.state(DATE).await.unwrap().0, "stale");
    database.execute("UPDATE day_versions SET on_time = on_time - 7").await;
    assert_eq!(database.state(DATE).await, state("final", None));
    // Of the same UTC day, and of the next business day: summed up again, to the same.
    database
        .execute(
            "UPDATE day_ledger SET on_time = on_time + 1 WHERE quarter_start = '2025-11-09 23:00'",
        )
        .await;
    assert_eq!(database.text(REMEMBERED).await, "false");
    assert_eq!(database.state(DATE).await, state("final", None));
    // Of this business day: it is stale, and the next run remembers it anew.
    database.execute(one_more_event(&mut windows)).await;
    assert_eq!(database.state(DATE).await.unwrap().0, "stale");
    run(&database.url);
    assert_eq!(database.text(REMEMBERED).await, "true");
    assert_eq!(database.state(DATE).await, state("final", None));
    // Of a day that it does not touch.
    database.execute("INSERT INTO day_ledger VALUES ('t', 0, 0, '2025-11-10 00:00', 1, 0)").await;
    assert_eq!(database.text(REMEMBERED).await, "true");
}
