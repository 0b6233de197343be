//! Passes of the detector on a real PostgreSQL: what they store, and that killing, repeating and doubling them
//! changes nothing.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use anomaly::{Budget, Direction, Incident, Measure};
use chrono::{NaiveDateTime, TimeDelta};
use operator::detect::passes::{PASS_WINDOWS_MAX, Pass, PassReport};
use sqlx::{AssertSqlSafe, Connection, Row};
use store::{PgConnection, Session};

/// Where the newest hour begins. A Monday.
const NOW: &str = "2025-12-01T12:00:00";

fn at(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}

async fn execute(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.unwrap();
}

/// A database with four weeks of minutes around noon: A 40, B 60, C 30, D 20 calls a minute, and an hour more in
/// which A has 120 from 12:20 to 12:40. Complete up to 12:00.
async fn database() -> (String, PgConnection) {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = store::connect(&url, Session::Control).await.unwrap();
    store::migrate(&mut connection).await.unwrap();
    execute(
        &mut connection,
        "INSERT INTO settings (watermark_delay_ms, max_future_skew_ms, business_timezone)
         VALUES (120000, 300000, 'UTC');
         INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset, complete_through)
         VALUES ('t', 0, 0, 0, 0, '2025-12-01 12:00:30');
         INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, total_duration, region, own)
         SELECT minute, minute + interval '1 minute', 'call',
                CASE WHEN region = 'A' AND minute >= '2025-12-01 12:20' AND minute < '2025-12-01 12:40'
                     THEN 3 * events ELSE events END, 0, region, true
         FROM generate_series(0, 4) AS week,
              generate_series('2025-12-01 09:00'::timestamp, '2025-12-01 13:59', interval '1 minute') AS now_minute,
              (VALUES ('A', 40), ('B', 60), ('C', 30), ('D', 20)) AS regions (region, events),
              LATERAL (SELECT now_minute - week * interval '7 days' AS minute) AS shifted",
    )
    .await;
    (url, connection)
}

async fn complete_through(connection: &mut PgConnection, moment: NaiveDateTime) {
    execute(connection, &format!("UPDATE stream_progress SET complete_through = '{moment}'")).await;
}

async fn pass(connection: &mut PgConnection) -> PassReport {
    match operator::detect::passes::detect_pass(connection, &[], Budget::ONE_A_MONTH).await.unwrap()
    {
        Pass::Judged(report) => report,
        other => panic!("{other:?}"),
    }
}

/// All rows but for ids and the clock, as text.
async fn rows(connection: &mut PgConnection) -> Vec<String> {
    let sql =
        "SELECT (to_jsonb(anomalies) - '{id,detected_at,updated_at}'::text[])::text FROM anomalies
               ORDER BY first_window, region, direction";
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn an_incident_opens_goes_on_and_closes_as_windows_become_complete() {
    let (_, mut connection) = database().await;
    // The first pass begins an hour back; a window is judged when it is complete, not before.
    let report = pass(&mut connection).await;
    assert_eq!((report.windows, report.judged_through), (12, at(NOW)));
    assert_eq!((report.changed.len(), report.series), (0, [5, 0, 0]));
    complete_through(&mut connection, at(NOW) + minutes(29)).await;
    let report = pass(&mut connection).await;
    assert_eq!((report.windows, report.open.len()), (5, 0));
    complete_through(&mut connection, at(NOW) + minutes(30)).await;
    let opened = pass(&mut connection).await;
    let [incident] = &opened.changed[..] else { panic!("{opened:?}") };
    assert_eq!((&*incident.series.region, incident.direction), ("A", Direction::High));
    assert_eq!(incident.first.start(), at(NOW) + minutes(20));
    assert_eq!((incident.peak.observed, incident.peak.expected.round()), (600, 200.0));
    // Read back, it is the same, and nothing happens while nothing new is complete.
    let stored: Vec<Incident> =
        operator::detect::passes::open_anomalies(&mut connection, 10).await.unwrap();
    assert_eq!(stored, std::slice::from_ref(incident));
    let idle = pass(&mut connection).await;
    assert_eq!((idle.windows, idle.changed.len(), idle.open.len()), (0, 0, 1));

    complete_through(&mut connection, at(NOW) + minutes(40)).await;
    let went_on = pass(&mut connection).await;
    assert_eq!(went_on.changed[0].last.start(), at(NOW) + minutes(35));
    complete_through(&mut connection, at(NOW) + minutes(101)).await;
    let closed = pass(&mut connection).await;
    // 35 minutes and an hour in which it was calm: the last window of this pass.
    assert_eq!(closed.changed[0].closed.unwrap().end(), at(NOW) + minutes(100));
    let row = sqlx::query(
        "SELECT COUNT(*), MIN(state), MIN(first_window), MIN(opened_at), MIN(last_window), MIN(closed_at) FROM anomalies",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<String, _>(1)), (1, "closed".to_owned()));
    let moments: [NaiveDateTime; 4] = [2, 3, 4, 5].map(|column| row.get(column));
    assert_eq!(moments, [20, 30, 35, 100].map(|minute| at(NOW) + minutes(minute)));
    let progress =
        operator::detect::passes::detector_progress(&mut connection).await.unwrap().unwrap();
    assert_eq!(
        (progress.judged_through, progress.behind_seconds),
        (at(NOW) + minutes(100), Some(60))
    );
}

#[tokio::test]
async fn a_backlog_is_judged_in_order_a_bounded_part_at_a_time_with_the_same_outcome() {
    let (_, mut stepwise) = database().await;
    pass(&mut stepwise).await;
    for minute in (5..=90).step_by(5) {
        complete_through(&mut stepwise, at(NOW) + minutes(minute)).await;
        pass(&mut stepwise).await;
    }
    let (_, mut at_once) = database().await;
    pass(&mut at_once).await;
    complete_through(&mut at_once, at(NOW) + minutes(90)).await;
    let first = pass(&mut at_once).await;
    assert_eq!((first.windows as i64, first.is_behind), (PASS_WINDOWS_MAX, true));
    let second = pass(&mut at_once).await;
    assert_eq!((second.windows, second.is_behind), (6, false));
    let expected = rows(&mut stepwise).await;
    assert_eq!(expected.len(), 1);
    assert_eq!(rows(&mut at_once).await, expected);

    // Put back to a place before it, it writes the same incident again: what was learned since does no harm.
    for minute in (0..20).step_by(5) {
        let place = at(NOW) + minutes(minute);
        let back = format!(
            "UPDATE detector_progress SET judged_through = '{place}'; DELETE FROM anomalies"
        );
        execute(&mut at_once, &back).await;
        while pass(&mut at_once).await.is_behind {}
        assert_eq!(moments(&mut at_once).await, moments(&mut stepwise).await, "from {place}");
    }
}

/// A backup holds all tables as they were at one moment: whichever that was, the same rows are written again.
#[tokio::test]
async fn a_restored_backup_of_any_moment_ends_in_the_same_rows() {
    let (_, mut connection) = database().await;
    pass(&mut connection).await;
    for minute in (5..=90).step_by(5) {
        execute(&mut connection, &format!("CREATE SCHEMA backup_{minute}")).await;
        for table in ["anomalies", "detector_progress", "detector_notes"] {
            let copy = format!("CREATE TABLE backup_{minute}.{table} AS TABLE {table}");
            execute(&mut connection, &copy).await;
        }
        complete_through(&mut connection, at(NOW) + minutes(minute)).await;
        pass(&mut connection).await;
    }
    let expected = rows(&mut connection).await;
    assert_eq!(expected.len(), 1);
    for minute in (5..=90).step_by(5) {
        let from = format!("backup_{minute}");
        let columns =
            "region, event_type, direction, first_window, opened_at, last_window, closed_at,
                       calm_windows, peak_observed, peak_expected, peak_score, measure, also_moved";
        execute(
            &mut connection,
            &format!(
                "DELETE FROM anomalies; DELETE FROM detector_progress; DELETE FROM detector_notes;
                 INSERT INTO anomalies ({columns}) SELECT {columns} FROM {from}.anomalies;
                 INSERT INTO detector_progress SELECT * FROM {from}.detector_progress;
                 INSERT INTO detector_notes SELECT * FROM {from}.detector_notes"
            ),
        )
        .await;
        while pass(&mut connection).await.is_behind {}
        assert_eq!(rows(&mut connection).await, expected, "{minute} minutes");
    }
}

/// The incidents' names and moments.
async fn moments(connection: &mut PgConnection) -> Vec<String> {
    let sql =
        "SELECT concat_ws(' ', region, direction, first_window, opened_at, last_window, closed_at)
               FROM anomalies ORDER BY first_window, region";
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

/// A fault of the tariff: the calls are as usual, what they last is not. What others inserted may be no number.
#[tokio::test]
async fn what_no_count_shows_is_an_incident_of_minutes_that_says_what_else_moved() {
    let (_, mut connection) = database().await;
    execute(
        &mut connection,
        "UPDATE real_time_metrics SET event_count = 40 WHERE region = 'A';
         UPDATE real_time_metrics SET total_duration = event_count * 90;
         UPDATE real_time_metrics SET total_duration = 4 * total_duration
         WHERE region = 'A' AND window_start >= '2025-12-01 12:20' AND window_start < '2025-12-01 12:40';
         INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, total_duration, region,
                                        total_data_mb, total_amount)
         VALUES ('2025-12-01 12:25', '2025-12-01 12:26', 'call', 1, NULL, 'D', 'NaN', 'Infinity'),
                ('2025-12-01 12:26', '2025-12-01 12:27', 'call', 1, -5, 'D', '-Infinity', -1)",
    )
    .await;
    for minute in (0..=30).step_by(5) {
        complete_through(&mut connection, at(NOW) + minutes(minute)).await;
        pass(&mut connection).await;
    }
    let open = operator::detect::passes::open_anomalies(&mut connection, 10).await.unwrap();
    let [incident] = &open[..] else { panic!("{open:?}") };
    let named = (&*incident.series.region, incident.measure, incident.direction);
    assert_eq!(named, ("A", Measure::Minutes, Direction::High));
    assert_eq!(incident.first.start(), at(NOW) + minutes(20));
    assert_eq!((incident.peak.observed, incident.peak.expected.round()), (1_200, 300.0));
    let [of_country] = &incident.moved[..] else { panic!("{incident:?}") };
    assert_eq!((&*of_country.region, of_country.measure), ("ALL", Measure::Minutes));
    assert!(of_country.observed > 2_000 && of_country.expected < 1_200.0, "{of_country:?}");
    complete_through(&mut connection, at(NOW) + minutes(101)).await;
    pass_until_done(&mut connection).await;
    let row = "SELECT concat_ws(' ', region, event_type, measure, direction, state,
                                also_moved -> 0 ->> 'region', also_moved -> 0 ->> 'measure')
               FROM anomalies";
    let stored: Vec<String> = sqlx::query_scalar(row).fetch_all(&mut connection).await.unwrap();
    assert_eq!(stored, ["A call minutes high closed ALL minutes"]);
}

/// Whichever comes first, and whether the passes see one window or all of them. What is nearer to the expected 40
/// calls a minute is the drop's echo.
#[tokio::test]
async fn a_drop_may_turn_into_a_spike_and_a_spike_into_silence() {
    for (first, then, turns) in [(2, 600, true), (600, 2, true), (2, 160, false)] {
        let mut found = Vec::new();
        for step in [5, 95] {
            let (_, mut connection) = database().await;
            execute(
                &mut connection,
                &format!(
                    "UPDATE real_time_metrics
                     SET event_count = CASE WHEN window_start < '2025-12-01 12:40' THEN {first} ELSE {then} END
                     WHERE region = 'A' AND window_start >= '2025-12-01 12:20' AND window_start < '2025-12-01 13:20'"
                ),
            )
            .await;
            for minute in (0..=95).step_by(step) {
                complete_through(&mut connection, at(NOW) + minutes(minute)).await;
                while pass(&mut connection).await.is_behind {}
            }
            let incidents =
                "SELECT concat_ws(' ', direction, first_window::time, state) FROM anomalies
                             WHERE region = 'A' ORDER BY first_window";
            let rows: Vec<String> =
                sqlx::query_scalar(incidents).fetch_all(&mut connection).await.unwrap();
            found.push(rows);
        }
        let [former, latter] = if first < then { ["low", "high"] } else { ["high", "low"] };
        let expected = if turns {
            vec![format!("{former} 12:20:00 closed"), format!("{latter} 12:40:00 open")]
        } else {
            vec![format!("{former} 12:20:00 open")]
        };
        assert_eq!(found, [&expected[..], &expected[..]], "{first}, then {then} a minute");
    }
}

#[tokio::test]
async fn a_pass_of_another_detector_is_not_waited_for_and_nothing_is_doubled() {
    let (url, mut connection) = database().await;
    complete_through(&mut connection, at(NOW) + minutes(55)).await;
    let mut other = store::connect(&url, Session::Control).await.unwrap();
    let mut holding = other.begin().await.unwrap();
    sqlx::query("SELECT pg_try_advisory_xact_lock(x'646574656374'::bigint)")
        .execute(&mut *holding)
        .await
        .unwrap();
    assert_eq!(
        operator::detect::passes::detect_pass(&mut connection, &[], Budget::ONE_A_MONTH)
            .await
            .unwrap(),
        Pass::Busy
    );
    holding.rollback().await.unwrap();
    let (ours, theirs) =
        tokio::join!(pass_until_done(&mut connection), pass_until_done(&mut other));
    assert_eq!(ours + theirs, 12);
    assert_eq!(rows(&mut connection).await.len(), 1);
}

/// The windows that a detector judged until nothing was left.
async fn pass_until_done(connection: &mut PgConnection) -> u64 {
    let mut windows = 0;
    loop {
        match operator::detect::passes::detect_pass(connection, &[], Budget::ONE_A_MONTH)
            .await
            .unwrap()
        {
            Pass::Judged(report) if report.windows == 0 => return windows,
            Pass::Judged(report) => windows += report.windows,
            Pass::Busy => tokio::task::yield_now().await,
            Pass::NothingComplete => panic!("something is"),
        }
    }
}

#[tokio::test]
async fn nothing_is_judged_before_every_partition_is_known_to_be_complete() {
    let (url, mut connection) = database().await;
    execute(
        &mut connection,
        "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset)
         VALUES ('t', 0, 1, 0, 0)",
    )
    .await;
    assert_eq!(
        operator::detect::passes::detect_pass(&mut connection, &[], Budget::ONE_A_MONTH)
            .await
            .unwrap(),
        Pass::NothingComplete
    );
    // A detector that waits keeps the lock from nobody.
    let mut other = store::connect(&url, Session::Control).await.unwrap();
    let locks =
        "SELECT COUNT(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
                 WHERE locktype = 'advisory' AND datname = current_database()";
    let held: i64 = sqlx::query_scalar(locks).fetch_one(&mut other).await.unwrap();
    assert_eq!(held, 0);
    assert_eq!(operator::detect::passes::detector_progress(&mut connection).await.unwrap(), None);
}

/// However much history there is, a pass reads the few windows that it needs.
#[tokio::test]
async fn counts_are_found_by_the_index_on_window_start() {
    let (_, mut connection) = database().await;
    execute(
        &mut connection,
        "INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, total_duration, region, own)
         SELECT minute, minute + interval '1 minute', 'call', 1, 0, 'A', true
         FROM generate_series('2024-01-01'::timestamp, '2024-06-01', interval '1 minute') AS minute;
         ANALYZE real_time_metrics",
    )
    .await;
    let sql = format!("EXPLAIN {}", include_str!("../src/detect/queries/detector_counts.sql"));
    let starts: Vec<NaiveDateTime> = (0..6).map(|week| at(NOW) - TimeDelta::weeks(week)).collect();
    let ends: Vec<NaiveDateTime> = starts.iter().map(|start| *start + minutes(75)).collect();
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(starts)
        .bind(ends)
        .bind(300_i64)
        .bind(operator::detect::passes::SERIES_MAX)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let plan = plan.join("\n");
    assert!(
        plan.contains("real_time_metrics_window_start") && !plan.contains("Seq Scan"),
        "{plan}"
    );
}

/// Takes the minutes of a stretch out as an expiry does, and leaves one event that came for one of them later.
async fn expire(connection: &mut PgConnection, from: NaiveDateTime, quarters: i64) {
    let to = from + minutes(15 * quarters);
    execute(
        connection,
        &format!(
            "DELETE FROM real_time_metrics WHERE window_start >= '{from}' AND window_start < '{to}';
             INSERT INTO expired_quarters (relation, quarter_start, rows, events, seconds, data_mb, amount)
             SELECT 'real_time_metrics', quarter, 60, 2250, 0, 0, 0
             FROM generate_series(timestamp '{from}', timestamp '{to}' - interval '15 minutes', interval '15 minutes') AS quarter;
             INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, total_duration, region, own)
             VALUES (timestamp '{from}' + interval '5 minutes', timestamp '{from}' + interval '6 minutes', 'call', 1, 0, 'D', true)"
        ),
    )
    .await;
}

#[tokio::test]
async fn minutes_that_have_expired_are_unknown_and_not_silence() {
    // Of former weeks: two of four are left, and say what the four said.
    let (_, mut connection) = database().await;
    for week in [1, 2] {
        expire(&mut connection, at(NOW) - TimeDelta::weeks(week), 4).await;
    }
    pass(&mut connection).await;
    complete_through(&mut connection, at(NOW) + minutes(30)).await;
    let opened = pass(&mut connection).await;
    let [incident] = &opened.changed[..] else { panic!("{opened:?}") };
    assert_eq!((&*incident.series.region, incident.direction), ("A", Direction::High));
    assert_eq!((incident.peak.observed, incident.peak.expected.round()), (600, 200.0));

    // Of now: nobody knows whether it was quiet.
    let (_, mut connection) = database().await;
    pass(&mut connection).await;
    expire(&mut connection, at(NOW) + minutes(15), 2).await;
    complete_through(&mut connection, at(NOW) + minutes(59)).await;
    let report = pass(&mut connection).await;
    assert_eq!((report.windows, report.changed.len()), (11, 0));
    assert_eq!(report.judged_through, at(NOW) + minutes(55));
}
