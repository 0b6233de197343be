//! The figures of a day on a real PostgreSQL equal a plain recomputation, whatever the zone.

use chrono::TimeDelta;
use store::{BusinessDay, DayRun};

use crate::support::{Database, MILLION, WindowRow, compute, day, recompute, windows};

#[tokio::test]
async fn the_figures_equal_a_recomputation_in_whole_numbers() {
    for (date, zone) in [
        ("2025-11-09", "UTC"),
        ("2025-11-09", "Asia/Almaty"),
        ("2025-11-09", "Asia/Kolkata"),
        ("2025-11-09", "Asia/Kathmandu"),
        // 23 and 25 hours.
        ("2025-03-30", "Europe/Berlin"),
        ("2025-10-26", "Europe/Berlin"),
        // A midnight that does not exist, and one that happens twice.
        ("2018-11-04", "America/Sao_Paulo"),
        ("2025-11-02", "America/Havana"),
        // Kazakhstan's change from UTC+6 to UTC+5.
        ("2024-02-29", "Asia/Almaty"),
        ("2024-03-01", "Asia/Almaty"),
    ] {
        let mut database = Database::new().await;
        let day = day(date, zone);
        let around = TimeDelta::hours(12);
        let windows = windows(day.start() - around, day.end() + around, TimeDelta::minutes(15));
        database.insert_windows(&windows).await;

        let rows = database.compute(&day).await;

        let expected = recompute(&windows, date, day.zone());
        assert_eq!(database.daily_rows(date).await, expected, "{date} {zone}");
        assert_eq!(rows, expected.len() as i64);
        assert_eq!(rows, 3 * 4 + 3 + 1);
    }
}

#[tokio::test]
async fn a_window_belongs_to_the_day_of_its_start() {
    let mut database = Database::new().await;
    let day = day("2025-11-09", "Asia/Almaty");
    let minute = TimeDelta::minutes(1);
    let window = |start, events| WindowRow {
        start,
        event_type: "sms",
        region: "Osh",
        events,
        seconds: 0,
        data_mb_millionths: 0,
        amount_millionths: 0,
    };
    database
        .insert_windows(&[
            window(day.start() - minute, 1),
            window(day.start(), 10),
            window(day.end() - minute, 100),
            window(day.end(), 1000),
        ])
        .await;
    database.compute(&day).await;
    let rows = database.daily_rows("2025-11-09").await;
    assert_eq!(rows[&("sms".to_owned(), "Osh".to_owned())].events, 110);
}

#[tokio::test]
async fn a_run_replaces_its_date_and_touches_no_other() {
    let mut database = Database::new().await;
    let [first, second] = ["2025-11-08", "2025-11-09"].map(|date| day(date, "UTC"));
    let windows = windows(first.start(), second.end(), TimeDelta::hours(1));
    database.insert_windows(&windows).await;
    database.compute(&first).await;
    database.compute(&second).await;
    let expected = database.daily_rows("2025-11-09").await;
    // What a run must remove, correct and put back …
    database
        .execute(
            "UPDATE daily_stats SET total_events = 7 WHERE date = '2025-11-09' AND region = 'ALL';
             DELETE FROM daily_stats WHERE date = '2025-11-09' AND event_type = 'most_active';
             INSERT INTO daily_stats (date, event_type, region) VALUES ('2025-11-09', 'x', 'y');
             UPDATE daily_stats SET total_events = 7 WHERE date = '2025-11-08'",
        )
        .await;

    database.compute(&second).await;
    database.compute(&second).await;

    assert_eq!(database.daily_rows("2025-11-09").await, expected);
    // … and what it must leave.
    let other = database.daily_rows("2025-11-08").await;
    assert!(other.values().all(|row| row.events == 7), "{other:?}");
}

#[tokio::test]
async fn sums_keep_every_digit_and_are_rounded_once() {
    // Doubles would lose the millionths on the way: 0.1 is none, and 10⁹ + 10⁻⁶ needs 16 digits.
    let mut database = Database::new().await;
    let day = day("2025-11-09", "UTC");
    let windows: Vec<_> = (0..600)
        .map(|minute| WindowRow {
            start: day.start() + TimeDelta::minutes(minute),
            event_type: "data_session",
            region: "Osh",
            events: 7,
            seconds: 1,
            data_mb_millionths: if minute == 0 { 5_000_000_000 * MILLION } else { 1 },
            amount_millionths: if minute % 2 == 0 { 1_000_000 * MILLION } else { 100_001 },
        })
        .collect();
    database.insert_windows(&windows).await;
    database.compute(&day).await;
    let expected = recompute(&windows, "2025-11-09", chrono_tz::Tz::UTC);
    assert_eq!(database.daily_rows("2025-11-09").await, expected);
}

#[tokio::test]
async fn without_windows_there_is_no_data_and_daily_stats_stays() {
    let mut database = Database::new().await;
    let day = day("2025-11-09", "UTC");
    database
        .execute(
            "INSERT INTO daily_stats (date, event_type, region, total_events,
                 total_duration_hours, total_data_tb, total_amount)
             VALUES ('2025-11-09', 'call', 'Osh', 5, 1, 1, 1)",
        )
        .await;
    let before = database.daily_rows("2025-11-09").await;
    assert_eq!(
        compute(&mut database.connection, &day).await.unwrap(),
        DayRun::NoData { late_events: 0 }
    );
    assert_eq!(database.daily_rows("2025-11-09").await, before);
    // Nor is there data on a date that the zone left out.
    let skipped = BusinessDay::new("2011-12-30".parse().unwrap(), chrono_tz::Pacific::Apia);
    assert_eq!(
        compute(&mut database.connection, &skipped).await.unwrap(),
        DayRun::NoData { late_events: 0 }
    );
}

#[tokio::test]
async fn a_tie_goes_to_the_first_region_by_code_point() {
    let mut database = Database::new().await;
    let day = day("2025-11-09", "UTC");
    let window = |region, event_type, events| WindowRow {
        start: day.start(),
        event_type,
        region,
        events,
        seconds: 60,
        data_mb_millionths: 1,
        amount_millionths: 1,
    };
    // Many collations put "aktau" before "Osh"; by code point upper case comes first. Over all
    // types they are equal, though "aktau" has the most of one type.
    let windows = [window("aktau", "sms", 9), window("Osh", "sms", 4), window("Osh", "call", 5)];
    database.insert_windows(&windows).await;
    database.compute(&day).await;
    let rows = database.daily_rows("2025-11-09").await;
    let most_active: Vec<_> = rows.iter().filter(|(key, _)| key.0 == "most_active").collect();
    assert_eq!(most_active.len(), 1);
    assert_eq!(most_active[0].0.1, "Osh");
    assert_eq!((most_active[0].1.events, most_active[0].1.avg_seconds), (9, 120.0 / 9.0));
}

#[tokio::test]
async fn a_quotient_is_the_double_nearest_to_the_exact_one() {
    // Between 1 and 2 a quotient of NUMERICs has 17 digits unless it is asked for more; rounded
    // once more, to a double, it would often be the neighbour of the nearest.
    let mut database = Database::new().await;
    database
        .execute(
            "INSERT INTO real_time_metrics (window_start, window_end, event_type, region,
                 event_count, total_duration, own)
             SELECT '2025-11-09', '2025-11-09', 'call', n::text, n, 3600 + n, true
             FROM generate_series(1, 3599) AS n",
        )
        .await;
    database.compute(&day("2025-11-09", "UTC")).await;
    let rows = database.daily_rows("2025-11-09").await;
    for n in 1..3600_u32 {
        let row = &rows[&("call".to_owned(), n.to_string())];
        let seconds = f64::from(3600 + n);
        let nearest = (seconds / 3600.0, seconds / f64::from(n));
        assert_eq!((row.hours, row.avg_seconds), nearest, "{n}");
    }
}
