//! `verify` on a real PostgreSQL: silent on a right accounting, and not on any kind of damage.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use operator::verify::accounting::{VerifyReport, verify};
use store::{DIFFERENCES_LISTED_MAX, PgConnection, Session};

/// Two lives of partition 0 and one of partition 1, over two days; foreign rows beside ours.
const RIGHT: &str = "
    TRUNCATE stream_progress, day_ledger, real_time_metrics, late_metrics, dead_letters;
    INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset,
        on_time, late, dead, gap, skipped)
    VALUES ('t', 0, 0, 100, 110, 6, 2, 1, 1, 0),
           ('t', 1, 0, 0,   3,   3, 0, 0, 0, 0),
           ('t', 0, 1, 5,   10,  2, 1, 1, 0, 1);
    INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time, late)
    VALUES ('t', 0, 0, '2025-11-09 23:45', 4, 2),
           ('t', 0, 0, '2025-11-10 00:00', 2, 0),
           ('t', 1, 0, '2025-11-10 00:00', 3, 0),
           ('t', 0, 1, '2025-11-09 23:45', 2, 1);
    INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
        total_duration, total_data_mb, total_amount, exact_data_mb, exact_amount, own)
    SELECT t::timestamp, t::timestamp + INTERVAL '1 minute', 'call', r, c, 0, mb::float8, 0, mb, 0, true
    FROM (VALUES
        ('2025-11-09 23:45', 'Osh', 5, 0.1),
        ('2025-11-09 23:59', 'Aral', 1, 12345678.123456),
        ('2025-11-10 00:00', 'Osh', 2, 123456789012.123456),
        ('2025-11-10 00:14', 'Osh', 3, 0.3)
    ) AS w(t, r, c, mb);
    INSERT INTO late_metrics (window_start, window_end, event_type, region, event_count,
        total_duration, total_data_mb, total_amount, exact_data_mb, exact_amount)
    VALUES ('2025-11-09 23:50', '2025-11-09 23:51', 'call', 'Osh', 3, 0, 0.1, 0, 0.1, 0);
    INSERT INTO dead_letters (topic, generation, partition, \"offset\", reason, detail)
    VALUES ('t', 0, 0, 105, 'not_json', ''), ('t', 0, 1, 7, 'not_json', '');
    INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
        total_duration, total_data_mb, total_amount)
    VALUES ('2025-11-09 23:45', '2025-11-09 23:46', 'call', 'Osh', 1000, 1, 1, 1),
           ('2020-01-01 00:00', '2020-01-01 00:01', 'call', 'Osh', 1000, NULL, 'NaN', 1),
           (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";

async fn connect_to_fresh_database() -> PgConnection {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = store::connect(&url, Session::Batch).await.unwrap();
    store::migrate(&mut connection).await.unwrap();
    connection
}

async fn verify_after(connection: &mut PgConnection, statements: &'static str) -> VerifyReport {
    sqlx::raw_sql(statements).execute(&mut *connection).await.unwrap();
    verify(connection).await.unwrap()
}

#[tokio::test]
async fn a_right_accounting_has_no_differences() {
    let mut connection = connect_to_fresh_database().await;
    assert_eq!(verify(&mut connection).await.unwrap(), VerifyReport::default());
    let report = verify_after(&mut connection, RIGHT).await;
    assert_eq!(report.differences.listed(), []);
    assert_eq!((report.partitions, report.days), (3, 2));
}

#[tokio::test]
async fn every_kind_of_damage_is_found_and_named() {
    let mut connection = connect_to_fresh_database().await;
    // (damage, all lines of the report: what, where, expected, found)
    for (damage, expected) in [
        (
            "UPDATE stream_progress SET next_offset = 111 WHERE (generation, partition) = (0, 0)",
            &[("offsets accounted for", "t partition 0 (generation 0)", "11", "10")][..],
        ),
        (
            "UPDATE stream_progress SET first_offset = 1 WHERE generation = 1",
            &[("offsets accounted for", "t partition 0 (generation 1)", "2", "3")],
        ),
        (
            "UPDATE stream_progress SET gap = 0, skipped = 2 WHERE partition = 1",
            &[("offsets accounted for", "t partition 1 (generation 0)", "5", "6")],
        ),
        // Counters moved from one kind to another: the sum stays right, the ledger does not.
        (
            "UPDATE stream_progress SET on_time = 7, late = 1
             WHERE (generation, partition) = (0, 0)",
            &[
                ("ledger late", "t partition 0 (generation 0)", "1", "2"),
                ("ledger on_time", "t partition 0 (generation 0)", "7", "6"),
            ],
        ),
        (
            "DELETE FROM stream_progress WHERE generation = 1",
            &[("ledger on_time", "t partition 0 (generation 1)", "0", "3")],
        ),
        (
            "DELETE FROM day_ledger WHERE generation = 1",
            &[
                ("ledger on_time", "t partition 0 (generation 1)", "3", "0"),
                ("events in real_time_metrics", "quarter 2025-11-10 00:00:00 UTC", "2", "5"),
            ],
        ),
        // The ledger moved between quarters: a partition's sum stays right, the windows do not fit.
        (
            "UPDATE day_ledger SET quarter_start = '2025-11-11 06:00' WHERE generation = 1",
            &[
                ("events in real_time_metrics", "quarter 2025-11-10 00:00:00 UTC", "2", "5"),
                ("events in real_time_metrics", "quarter 2025-11-11 06:00:00 UTC", "3", "0"),
            ],
        ),
        (
            "DELETE FROM real_time_metrics WHERE own AND region = 'Aral'",
            &[("events in real_time_metrics", "quarter 2025-11-09 23:45:00 UTC", "6", "5")],
        ),
        (
            "UPDATE real_time_metrics SET event_count = 4 WHERE own AND event_count = 3",
            &[("events in real_time_metrics", "quarter 2025-11-10 00:00:00 UTC", "5", "6")],
        ),
        // A window moved over the border of a quarter, which is also that of a day.
        (
            "UPDATE real_time_metrics SET window_start = '2025-11-10 00:00' WHERE region = 'Aral'",
            &[
                ("events in real_time_metrics", "quarter 2025-11-09 23:45:00 UTC", "6", "5"),
                ("events in real_time_metrics", "quarter 2025-11-10 00:00:00 UTC", "5", "6"),
            ],
        ),
        (
            "UPDATE real_time_metrics SET own = false WHERE region = 'Aral'",
            &[("events in real_time_metrics", "quarter 2025-11-09 23:45:00 UTC", "6", "5")],
        ),
        (
            "DELETE FROM late_metrics",
            &[("events in late_metrics", "quarter 2025-11-09 23:45:00 UTC", "3", "0")],
        ),
        (
            "UPDATE late_metrics SET window_start = '2025-11-12 00:00'",
            &[
                ("events in late_metrics", "quarter 2025-11-09 23:45:00 UTC", "3", "0"),
                ("events in late_metrics", "quarter 2025-11-12 00:00:00 UTC", "0", "3"),
            ],
        ),
        // Windows where no event can be.
        (
            "UPDATE real_time_metrics SET window_start = '1999-12-31 23:59' WHERE region = 'Aral'",
            &[
                ("events in real_time_metrics", "quarter 1999-12-31 23:45:00 UTC", "0", "1"),
                ("events in real_time_metrics", "quarter 2025-11-09 23:45:00 UTC", "6", "5"),
            ],
        ),
        (
            "UPDATE real_time_metrics SET window_start = '2100-01-01' WHERE region = 'Aral'",
            &[
                ("events in real_time_metrics", "quarter 2025-11-09 23:45:00 UTC", "6", "5"),
                ("events in real_time_metrics", "quarter 2100-01-01 00:00:00 UTC", "0", "1"),
            ],
        ),
        (
            "DELETE FROM dead_letters WHERE partition = 1",
            &[("rows of dead_letters", "t partition 1 (generation 0)", "1", "0")],
        ),
        (
            "INSERT INTO dead_letters (topic, generation, partition, \"offset\", reason, detail)
             VALUES ('u', 0, 0, 1, 'not_json', '')",
            &[("rows of dead_letters", "u partition 0 (generation 0)", "0", "1")],
        ),
        (
            "UPDATE real_time_metrics SET total_data_mb = 12345678.123455 WHERE region = 'Aral'",
            &[(
                "real_time_metrics.total_data_mb",
                "window 2025-11-09 23:59:00 UTC, call, Aral",
                "12345678.123456",
                "12345678.123455",
            )],
        ),
        (
            "UPDATE real_time_metrics SET total_amount = NULL WHERE region = 'Aral'",
            &[(
                "real_time_metrics.total_amount",
                "window 2025-11-09 23:59:00 UTC, call, Aral",
                "0",
                "NULL",
            )],
        ),
        (
            "UPDATE late_metrics SET exact_amount = 0.000001",
            &[(
                "late_metrics.total_amount",
                "window 2025-11-09 23:50:00 UTC, call, Osh",
                "1e-06",
                "0",
            )],
        ),
        // The sums of a day, which nobody but the trigger writes.
        (
            "UPDATE ledger_days SET on_time = on_time + 1 WHERE generation = 1",
            &[("on_time in ledger_days", "2025-11-10 UTC, t partition 0 (generation 1)", "3", "4")],
        ),
        (
            "INSERT INTO ledger_days VALUES ('2025-12-01', 't', 0, 1, true, 0, 2)",
            &[("late in ledger_days", "2025-12-01 UTC, t partition 1 (generation 0)", "0", "2")],
        ),
    ] {
        sqlx::raw_sql(RIGHT).execute(&mut connection).await.unwrap();
        let report = verify_after(&mut connection, damage).await;
        let found: Vec<_> = report
            .differences
            .listed()
            .iter()
            .map(|one| (&*one.what, &*one.place, &*one.expected, &*one.found))
            .collect();
        assert_eq!(found, expected, "{damage}");
        assert_eq!(report.differences.total(), expected.len() as u64, "{damage}");
    }
}

#[tokio::test]
async fn more_differences_than_the_bound_are_counted() {
    let mut connection = connect_to_fresh_database().await;
    sqlx::raw_sql(RIGHT).execute(&mut connection).await.unwrap();
    // 3 partitions, then 2 × 150 windows on two days with 2 figures each, and their 2 quarters.
    let report = verify_after(
        &mut connection,
        "UPDATE stream_progress SET skipped = skipped + 1;
         INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
             total_duration, total_data_mb, total_amount, own)
         SELECT day, day, 'sms', 'region ' || n, 1, 0, 1, 1, true
         FROM generate_series(1, 150) AS n,
              unnest('{2025-11-20,2025-11-22}'::timestamp[]) AS day",
    )
    .await;
    assert_eq!(report.differences.listed().len(), DIFFERENCES_LISTED_MAX);
    assert_eq!(report.differences.total(), 3 + 2 * (150 * 2 + 1));
    assert_eq!(report.days, 4);
}

#[tokio::test]
async fn verifying_changes_nothing_and_needs_only_the_right_to_read() {
    let mut connection = connect_to_fresh_database().await;
    sqlx::raw_sql(RIGHT).execute(&mut connection).await.unwrap();
    // A role that may do nothing but read. It stays on the server, which is a throw-away.
    sqlx::raw_sql(
        "DO $$ BEGIN CREATE ROLE reader_of_verify; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_of_verify;
         SET ROLE reader_of_verify",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    assert!(verify(&mut connection).await.unwrap().differences.is_empty());
}

/// How many partitions and days have other sums in `ledger_days` than in the ledger.
async fn days_that_differ(connection: &mut PgConnection) -> i64 {
    let differing = "SELECT COUNT(*) FROM (
            SELECT quarter_start::date AS day, topic, generation, partition, SUM(on_time) AS on_time, SUM(late) AS late
            FROM day_ledger GROUP BY 1, 2, 3, 4) AS l
        FULL JOIN (
            SELECT day, topic, generation, partition, SUM(on_time) AS on_time, SUM(late) AS late
            FROM ledger_days GROUP BY 1, 2, 3, 4 HAVING SUM(on_time) <> 0 OR SUM(late) <> 0) AS d
        USING (day, topic, generation, partition)
        WHERE (l.on_time, l.late) IS DISTINCT FROM (d.on_time, d.late)";
    sqlx::query_scalar(differing).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn the_days_sums_follow_whatever_changes_the_ledger() {
    let mut connection = connect_to_fresh_database().await;
    for change in [
        RIGHT,
        // As a flush does: some rows are new, others grow, in one statement.
        "INSERT INTO day_ledger AS l (topic, generation, partition, quarter_start, on_time, late)
         VALUES ('t', 0, 0, '2025-11-09 23:45', 10, 1), ('t', 0, 0, '2025-11-11 00:00', 5, 0),
                ('t', 0, 1, '2025-11-11 00:00', 7, 2), ('t', 0, 1, '2025-11-11 23:45', 1, 0)
         ON CONFLICT (quarter_start, topic, generation, partition) DO UPDATE
         SET on_time = l.on_time + EXCLUDED.on_time, late = l.late + EXCLUDED.late",
        "UPDATE day_ledger SET quarter_start = quarter_start + INTERVAL '1 day', on_time = on_time + 1
         WHERE partition = 1",
        "DELETE FROM day_ledger WHERE quarter_start = '2025-11-09 23:45'",
        "BEGIN; UPDATE day_ledger SET late = late + 5; ROLLBACK",
        "UPDATE day_ledger SET generation = 7 WHERE generation = 1",
        "TRUNCATE day_ledger",
    ] {
        sqlx::raw_sql(change).execute(&mut connection).await.unwrap();
        assert_eq!(days_that_differ(&mut connection).await, 0, "{change}");
    }
}

#[tokio::test]
async fn days_from_before_the_sums_are_filled_in_whatever_was_counted_meanwhile() {
    let mut connection = connect_to_fresh_database().await;
    const MIGRATION: &str = include_str!("../../../migrations/0021_day_sums.sql");
    let statement = MIGRATION.find("INSERT INTO ledger_days").unwrap();
    let end = statement + MIGRATION[statement..].find(';').unwrap();
    let fill = &MIGRATION[statement..end];
    // A ledger as it was before the migration, to which a flush has added since the trigger came.
    let before = "ALTER TABLE day_ledger DISABLE TRIGGER USER";
    sqlx::raw_sql(before).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(RIGHT).execute(&mut connection).await.unwrap();
    let since = "ALTER TABLE day_ledger ENABLE TRIGGER USER;
        UPDATE day_ledger SET on_time = on_time + 3 WHERE generation = 1;
        UPDATE stream_progress SET on_time = on_time + 3, next_offset = next_offset + 3 WHERE generation = 1;
        INSERT INTO day_ledger VALUES ('u', 0, 0, '2025-11-10 00:00', 4, 0)";
    sqlx::raw_sql(since).execute(&mut connection).await.unwrap();
    assert!(days_that_differ(&mut connection).await > 0);
    sqlx::raw_sql(fill).execute(&mut connection).await.unwrap();
    assert_eq!(days_that_differ(&mut connection).await, 0);
    // Nothing is left to fill in.
    let filled = sqlx::raw_sql(fill).execute(&mut connection).await.unwrap();
    assert_eq!(filled.rows_affected(), 0);
    let off = "SELECT SUM(abs(on_time_off_ledger) + abs(late_off_ledger))::bigint FROM accounting";
    let off: i64 = sqlx::query_scalar(off).fetch_one(&mut connection).await.unwrap();
    assert_eq!(off, 0);
}
