//! Expiry on a real PostgreSQL: the accounting holds after every step, beside flushes, and what is still needed stays.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod house;

use std::time::Duration;

use operator::verify::accounting::verify;
use store::{Expired, Expiring, PgConnection, Retention};

use crate::house::House;

/// Far less than the age of any event here.
const A_MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const NEVER: Duration = Duration::from_secs(200 * 365 * 24 * 60 * 60);

fn keeping(kept: &[(Expiring, Duration)]) -> Retention {
    let mut retention = Retention::default();
    for (what, keep) in kept {
        retention.set(*what, Some(*keep));
    }
    retention
}

async fn expire(connection: &mut PgConnection, what: Expiring) -> Expired {
    let retention = keeping(&[(what, A_MONTH)]);
    assert!(store::lock_lifecycle(connection).await.unwrap());
    store::expire(connection, what, &retention, chrono_tz::UTC, false).await.unwrap()
}

async fn differences(connection: &mut PgConnection) -> Vec<String> {
    let report = verify(connection).await.unwrap();
    report.differences.listed().iter().map(|one| format!("{} {}", one.what, one.place)).collect()
}

#[tokio::test]
async fn a_final_day_goes_and_the_accounting_holds_until_somebody_deletes_by_hand() {
    let mut house = House::new().await;
    let days = house.final_days(2).await;
    assert_eq!(expire(&mut house.connection, Expiring::Late).await.rows, 0);
    let before = house.figures(days[0]).await;
    let expired = expire(&mut house.connection, Expiring::Minutes).await;
    assert_eq!((expired.rows, expired.quarters), (2 * house::ROWS_A_DAY, 2 * 96));
    assert_eq!(expired.span, Some((days[0].start(), days[1].end())));
    assert_eq!((&expired.kept[..], expired.broken_quarters), (&[][..], 0));
    assert_eq!(differences(&mut house.connection).await, [""; 0]);
    assert_eq!(house.number("SELECT COUNT(*) FROM real_time_metrics").await, 0);
    assert_eq!(house.figures(days[0]).await, before, "daily_stats stays");
    // The exact sums are those of the rows.
    assert_eq!(
        house.text("SELECT SUM(events) || ' ' || SUM(seconds) || ' ' || SUM(data_mb) FROM expired_quarters").await,
        house.text("SELECT 2 * 96 * 3 * 5 || ' ' || 2 * 96 * 3 * 7 || ' ' || 2 * 96 * 3 * 0.1").await
    );

    // Nothing is left, so nothing more goes, and no sum is added twice.
    assert_eq!(expire(&mut house.connection, Expiring::Minutes).await, Expired::default());
    assert_eq!(differences(&mut house.connection).await, [""; 0]);

    // What comes afterwards is a row again.
    house::flush(&mut house.connection, &[days[0].start()]).await;
    assert_eq!(house.number("SELECT COUNT(*) FROM real_time_metrics").await, 1);
    assert_eq!(differences(&mut house.connection).await, [""; 0]);

    let quarter = format!("events in real_time_metrics quarter {} UTC", days[0].start());
    house.execute("CREATE TABLE kept AS SELECT * FROM real_time_metrics").await;
    for (damage, repair) in [
        ("DELETE FROM real_time_metrics", "INSERT INTO real_time_metrics SELECT * FROM kept"),
        (
            "UPDATE expired_quarters SET events = 14 WHERE quarter_start = '2025-11-09'",
            "UPDATE expired_quarters SET events = 15 WHERE quarter_start = '2025-11-09'",
        ),
        (
            "UPDATE expired_quarters SET relation = 'late_metrics' WHERE quarter_start = '2025-11-09'",
            "UPDATE expired_quarters SET relation = 'real_time_metrics' WHERE quarter_start = '2025-11-09'",
        ),
    ] {
        house.execute(damage).await;
        assert!(differences(&mut house.connection).await.contains(&quarter), "{damage}");
        house.execute(repair).await;
        assert_eq!(differences(&mut house.connection).await, [""; 0], "{repair}");
    }
}

#[tokio::test]
async fn what_is_still_needed_stays_and_is_named() {
    let mut house = House::new().await;
    let days = house.final_days(3).await;
    let [first, second, third] = days[..] else { panic!() };
    for (make, unmake, day, reason) in [
        (
            "UPDATE stream_progress SET complete_through = '2025-11-10 12:00'",
            "UPDATE stream_progress SET complete_through = '2025-12-01'",
            second,
            "is provisional",
        ),
        (
            "INSERT INTO batch_runs (date, business_timezone, day_start, day_end, include_late, started_by)
             VALUES ('2025-11-10', 'UTC', '2025-11-10', '2025-11-11', false, 'a run')",
            "DELETE FROM batch_runs WHERE outcome IS NULL",
            second,
            "is stale: the run that a run began",
        ),
        (
            "UPDATE day_ledger SET on_time = on_time + 1 WHERE quarter_start = '2025-11-10'",
            "UPDATE day_ledger SET on_time = on_time - 1 WHERE quarter_start = '2025-11-10'",
            second,
            "is stale: it counted 1440 events, now there are 1441",
        ),
        (
            "UPDATE batch_runs SET date = '2025-12-25' WHERE date = '2025-11-10'",
            "UPDATE batch_runs SET date = '2025-11-10' WHERE date = '2025-12-25'",
            second,
            "was never computed",
        ),
        (
            "UPDATE daily_stats SET total_events = total_events - 1 WHERE date = '2025-11-10'",
            "UPDATE daily_stats SET total_events = total_events + 1 WHERE date = '2025-11-10'",
            second,
            "daily_stats has 1439 events of",
        ),
    ] {
        house.execute(make).await;
        let retention = keeping(&[(Expiring::Minutes, A_MONTH)]);
        let dry = store::expire(&mut house.connection, Expiring::Minutes, &retention, chrono_tz::UTC, true);
        let dry = dry.await.unwrap();
        let is_provisional = reason == "is provisional";
        let kept = if is_provisional { 2 } else { 1 };
        assert_eq!(dry.kept.len(), kept, "{make}: {dry:?}");
        assert!(dry.kept[0].contains(reason), "{make}: {dry:?}");
        assert!(dry.kept[0].contains(&day.date().to_string()), "{make}: {dry:?}");
        assert_eq!(dry.rows, (3 - kept as u64) * house::ROWS_A_DAY, "{make}");
        assert_eq!(house.number("SELECT COUNT(*) FROM expired_quarters").await, 0, "a dry run");
        house.execute(unmake).await;
    }

    // By another time zone's days none was computed, and the ones of UTC are the past of the same minutes.
    let almaty = chrono_tz::Asia::Almaty;
    let retention = keeping(&[(Expiring::Minutes, A_MONTH)]);
    let expired =
        store::expire(&mut house.connection, Expiring::Minutes, &retention, almaty, false).await;
    let expired = expired.unwrap();
    assert_eq!((expired.rows, expired.kept.len()), (0, 4), "{expired:?}");

    // What is not old enough is not even asked about, nor what no age is enough for.
    for keep in [NEVER, house::age_of(first)] {
        let retention = keeping(&[(Expiring::Minutes, keep)]);
        let expired = store::expire(
            &mut house.connection,
            Expiring::Minutes,
            &retention,
            chrono_tz::UTC,
            false,
        );
        assert_eq!(expired.await.unwrap(), Expired::default());
    }
    let retention = keeping(&[(Expiring::Minutes, house::age_of(third))]);
    let expired =
        store::expire(&mut house.connection, Expiring::Minutes, &retention, chrono_tz::UTC, false);
    assert_eq!(expired.await.unwrap().span.unwrap().1, second.end());
    assert_eq!(differences(&mut house.connection).await, [""; 0]);
}

#[tokio::test]
async fn a_quarter_that_does_not_add_up_stays_as_evidence() {
    let mut house = House::new().await;
    house.final_days(1).await;
    house.execute("DELETE FROM real_time_metrics WHERE window_start = '2025-11-09 10:00' AND region = 'Osh'").await;
    let expired = expire(&mut house.connection, Expiring::Minutes).await;
    assert_eq!((expired.quarters, expired.broken_quarters), (95, 1));
    assert_eq!(
        expired.kept,
        [
            "the quarter of 2025-11-09 10:00:00 UTC has 10 events, and 15 were counted: `streamer verify`"
        ]
    );
    let found = differences(&mut house.connection).await;
    assert_eq!(found, ["events in real_time_metrics quarter 2025-11-09 10:00:00 UTC"]);
}

#[tokio::test]
async fn rows_of_others_are_nobodys_but_theirs_and_late_ones_go_by_their_own_time() {
    let mut house = House::new().await;
    house.final_days(1).await;
    house
        .execute(
            "INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count)
             VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 'Osh', 1000);
             INSERT INTO late_metrics (window_start, window_end, event_type, region, event_count, total_duration,
                 total_data_mb, total_amount, exact_data_mb, exact_amount)
             VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 'Osh', 3, 4, 0, 0, 0, 0);
             UPDATE day_ledger SET late = 3 WHERE quarter_start = '2025-11-09 10:00';
             UPDATE stream_progress SET late = 3, next_offset = next_offset + 3",
        )
        .await;
    assert_eq!(differences(&mut house.connection).await, [""; 0]);
    let expired = expire(&mut house.connection, Expiring::Late).await;
    assert_eq!((expired.rows, expired.quarters), (1, 1));
    assert_eq!(differences(&mut house.connection).await, [""; 0]);
    expire(&mut house.connection, Expiring::Minutes).await;
    assert_eq!(house.number("SELECT COUNT(*) FROM real_time_metrics WHERE NOT own").await, 1);
    assert_eq!(differences(&mut house.connection).await, [""; 0]);
}

async fn expired_quarters(connection: &mut PgConnection) -> i64 {
    let count = "SELECT COUNT(*) FROM expired_quarters";
    sqlx::query_scalar(count).fetch_one(connection).await.unwrap()
}

/// Flushes go on while a day expires: whatever the order, every committed state is right, and no flush ever fails.
#[tokio::test]
async fn beside_flushes_into_the_same_minutes_every_state_is_right() {
    const ROUNDS: usize = 12;
    let mut house = House::new().await;
    let mut dice = house::Dice(7);
    // One session each: the lock of expiry is a session's.
    let (mut expiring, mut watching) = (house.connect().await, house.connect().await);
    let mut flushing = house.connect_to_flush().await;
    let (mut partly, mut back_again) = (0, 0);
    for round in 0..ROUNDS {
        let day = house.final_day(round as u64).await;
        // It is somewhere in the day when the first one comes: at the beginning, or after so many quarters.
        let gone = expired_quarters(&mut flushing).await + i64::try_from(dice.below(60)).unwrap();
        let flushes: Vec<_> = (0..6).map(|_| dice.minutes(day, 8)).collect();
        let (expired, (), found) = tokio::join!(
            expire(&mut expiring, Expiring::Minutes),
            async {
                while expired_quarters(&mut flushing).await < gone {}
                for minutes in &flushes {
                    house::flush(&mut flushing, minutes).await;
                }
            },
            async {
                let mut found = Vec::new();
                for _ in 0..4 {
                    found.extend(differences(&mut watching).await);
                }
                found
            },
        );
        assert_eq!(found, [""; 0], "a state on the way");
        assert_eq!(expired.broken_quarters, 0, "{expired:?}");
        partly += i32::from(expired.quarters > 0 && !expired.kept.is_empty());
        back_again += house.number("SELECT COUNT(*) FROM real_time_metrics").await;
    }
    assert_eq!(differences(&mut house.connection).await, [""; 0]);
    assert!(partly > 0 && back_again > 0, "nothing ever met: {partly}, {back_again}");
}

#[tokio::test]
async fn a_row_that_a_flush_holds_is_not_waited_for() {
    let mut house = House::new().await;
    house.final_days(1).await;
    let mut holder = house.connect().await;
    house::execute(
        &mut holder,
        "BEGIN; SELECT FROM real_time_metrics WHERE window_start = '2025-11-09 10:00' FOR UPDATE",
    )
    .await;
    let expired = expire(&mut house.connection, Expiring::Minutes).await;
    assert_eq!(
        (expired.quarters, &expired.kept[..]),
        (95, &["the quarter of 2025-11-09 10:00:00 UTC is in use".to_owned()][..])
    );
    // Nobody else deletes meanwhile.
    assert!(!store::lock_lifecycle(&mut holder).await.unwrap());
    house::execute(&mut holder, "ROLLBACK").await;
    assert_eq!(expire(&mut house.connection, Expiring::Minutes).await.quarters, 1);
    assert_eq!(differences(&mut house.connection).await, [""; 0]);
}

/// An event comes after the day was judged and before its rows are deleted: what goes is what was judged, or nothing.
#[tokio::test]
async fn an_event_that_comes_between_judgement_and_deletion_does_not_go_with_it() {
    // Into a row that there is, and into one that there is not: (minute, rows that go, why the rest stays).
    for (minute, gone) in [(0, 0), (1, 3)] {
        let mut house = House::new().await;
        let days = house.final_days(1).await;
        house
            .execute(
                "CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN SET LOCAL lock_timeout = 0; PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END';
                 CREATE TRIGGER before_deletion BEFORE DELETE ON real_time_metrics
                     FOR EACH STATEMENT EXECUTE FUNCTION wait_here()",
            )
            .await;
        let mut flushing = house.connect_to_flush().await;
        let mut holder = house.connect().await;
        house::execute(&mut holder, "SELECT pg_advisory_lock(7)").await;
        let expired = {
            let flush = async {
                const WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event = 'advisory')";
                while !sqlx::query_scalar::<_, bool>(WAITS).fetch_one(&mut holder).await.unwrap() {}
                let minute = days[0].start() + chrono::TimeDelta::minutes(minute);
                house::flush(&mut flushing, &[minute]).await;
                house::execute(&mut holder, "SELECT pg_advisory_unlock(7)").await;
            };
            tokio::join!(expire(&mut house.connection, Expiring::Minutes), flush).0
        };
        assert_eq!(expired.rows, gone, "{expired:?}");
        assert!(
            expired.kept[0].contains("is stale: it counted 1440 events, now there are 1441"),
            "{expired:?}"
        );
        let left = house.number("SELECT SUM(event_count)::bigint FROM real_time_metrics").await;
        assert_eq!(left, 1441 - 5 * gone as i64);
        assert_eq!(differences(&mut house.connection).await, [""; 0]);
    }
}

#[tokio::test]
async fn sketches_go_behind_their_minutes() {
    let mut house = House::new().await;
    house.final_days(2).await;
    let expired = expire(&mut house.connection, Expiring::Sketches).await;
    assert_eq!((expired.rows, expired.kept.len()), (0, 2));
    assert_eq!(expired.kept[0], "minutes of 2025-11-09 are still there (RETAIN_MINUTES)");
    let both = keeping(&[(Expiring::Minutes, A_MONTH), (Expiring::Sketches, A_MONTH)]);
    let dry = store::expire(&mut house.connection, Expiring::Sketches, &both, chrono_tz::UTC, true);
    assert_eq!(dry.await.unwrap().rows, 2 * 3, "minutes would be gone by then");
    expire(&mut house.connection, Expiring::Minutes).await;
    assert_eq!(expire(&mut house.connection, Expiring::Sketches).await.rows, 2 * 3);
    assert_eq!(house.number("SELECT COUNT(*) FROM subscriber_sketches").await, 0);
}

#[tokio::test]
async fn a_letter_leaves_its_row_behind_and_its_sendings_go_after_it() {
    let mut house = House::new().await;
    house.final_days(1).await;
    house
        .execute(
            "INSERT INTO dead_letters (topic, generation, partition, \"offset\", reason, detail, key, payload, headers, stored_at)
             SELECT 't', 0, 0, 10000 + n, 'not_json', 'a value', 'k', 'p', '[[\"h\", null]]',
                    CASE WHEN n < 4 THEN timestamp '2025-11-09' ELSE now() END FROM generate_series(0, 5) AS n;
             INSERT INTO dead_letter_replays (topic, generation, partition, \"offset\", attempt, state, target, target_ends,
                 replayed_by, started_at, replayed_at)
             SELECT 't', 0, 0, 10000 + n, 1, CASE WHEN n = 1 THEN 'replaying' ELSE 'replayed' END, 'x', '[]', 'me', '2025-11-10',
                    CASE WHEN n = 1 THEN NULL WHEN n = 2 THEN now() ELSE timestamp '2025-11-10' END FROM generate_series(0, 4) AS n;
             UPDATE stream_progress SET dead = 6, next_offset = next_offset + 6",
        )
        .await;
    assert_eq!(differences(&mut house.connection).await, [""; 0]);
    assert_eq!(
        expire(&mut house.connection, Expiring::Replays).await.rows,
        0,
        "they would be sent again"
    );
    let both = keeping(&[(Expiring::DeadLetters, A_MONTH), (Expiring::Replays, A_MONTH)]);
    let dry = store::expire(&mut house.connection, Expiring::Replays, &both, chrono_tz::UTC, true);
    assert_eq!(dry.await.unwrap().rows, 2, "those of letters that would be empty by then");

    let mut replay = house.connect().await;
    operator::dead_letters::sendings::lock_replays(&mut replay).await.unwrap();
    for what in [Expiring::DeadLetters, Expiring::Replays] {
        let expired = expire(&mut house.connection, what).await;
        assert_eq!(
            (expired.rows, &expired.kept[..]),
            (0, &["a replay or an erasure is running".to_owned()][..])
        );
    }
    drop(replay);
    house.until_alone().await;

    // Not the one of which nobody knows whether it was sent, nor what is young.
    assert_eq!(expire(&mut house.connection, Expiring::DeadLetters).await.rows, 3);
    let left = "SELECT string_agg((\"offset\" - 10000) || COALESCE(' ' || erasure, ' whole') || COALESCE(' ' || convert_from(payload, 'UTF8'), '')
                                  || ' ' || detail, ', ' ORDER BY \"offset\") FROM dead_letters";
    assert_eq!(
        house.text(left).await,
        "0 0 expired: it was old, 1 whole p a value, 2 0 expired: it was old, 3 0 expired: it was old, 4 whole p a value, 5 whole p a value"
    );
    assert_eq!(differences(&mut house.connection).await, [""; 0]);
    assert_eq!(expire(&mut house.connection, Expiring::Replays).await.rows, 2);
    let left = "SELECT string_agg((\"offset\" - 10000)::text, ' ' ORDER BY \"offset\") FROM dead_letter_replays";
    assert_eq!(house.text(left).await, "1 2 4");
}

/// Every table that names a subscriber: one that is added later has to be given a time as well.
#[tokio::test]
async fn each_table_of_the_schema_persons_can_expire() {
    let mut house = House::new().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT 'persons.' || relname FROM pg_class WHERE relnamespace = 'persons'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1",
    )
    .fetch_all(&mut house.connection)
    .await
    .unwrap();
    let mut known: Vec<&str> = Expiring::ALL
        .iter()
        .map(|what| what.table())
        .filter(|name| name.starts_with("persons."))
        .collect();
    known.sort_unstable();
    assert_eq!(tables, known);
}

#[tokio::test]
async fn cases_go_as_a_whole_and_verdicts_behind_them() {
    let mut house = House::new().await;
    // Case 1 of a: decided long ago. Case 2 of a: its last hit is of today. b: expired by itself. c: open.
    house
        .execute(
            "INSERT INTO persons.alerts (rule, version, mode, subscriber_id, bucket_start, bucket_seconds, topic, generation, partition,
                 hits, window_start, window_end, measures, offsets, updated_at)
             SELECT 'r', 1, 'live', who, timestamp '2025-11-09' + n * interval '1 hour', 60, 't', 0, 0, 1, now(), now(), '[]', '{}', stored
             FROM (VALUES ('a', 1, timestamp '2025-11-09'), ('a', 2, timestamp '2025-11-09'), ('a', 3, timestamp '2025-11-09'),
                          ('a', 4, now()::timestamp), ('b', 5, timestamp '2025-11-09'), ('c', 6, now()::timestamp)) AS v (who, n, stored)
             ORDER BY n;
             INSERT INTO persons.verdicts (subscriber_id, rule, through_alert, verdict, reason, decided_by, decided_at)
             SELECT 'a', 'r', 2, 'confirmed', 'x', 'me', '2025-11-10' UNION ALL SELECT 'b', 'other', 9, 'dismissed', 'x', 'me', now();
             INSERT INTO persons.allowlist (subscriber_id, reason, allowed_by, allowed_at, allowed_until)
             VALUES ('x', 'x', 'me', '2025-11-01', '2025-11-02'), ('y', 'x', 'me', '2025-11-01', '2100-01-01');
             INSERT INTO churn_models (as_of, trained_by, first_day, questions, data_version, key_epoch, sampled_one_of, model, metrics)
             VALUES ('2025-11-01', 'me', '2025-10-01', '{}', 1, 0, 1, '{}', '{}');
             INSERT INTO persons.churn_scores (score_date, subscriber_id, model, probability, reasons)
             SELECT day, 'x', 1, 0.5, '{}' FROM (VALUES (date '2025-11-09'), (current_date)) AS v (day)",
        )
        .await;
    let all = keeping(&Expiring::ALL.map(|what| (what, A_MONTH)));
    let dry = store::expire(&mut house.connection, Expiring::Verdicts, &all, chrono_tz::UTC, true);
    assert_eq!(dry.await.unwrap().rows, 1, "its alerts would be gone by then");
    assert_eq!(
        expire(&mut house.connection, Expiring::Verdicts).await.rows,
        0,
        "the case would be open again"
    );
    assert_eq!(expire(&mut house.connection, Expiring::Alerts).await.rows, 3);
    let left = "SELECT string_agg(subscriber_id || ' ' || state || ' ' || alerts, ', ' ORDER BY id) FROM persons.fraud_cases";
    assert_eq!(house.text(left).await, "a open 2, c open 1");
    for (what, rows, left) in [
        (
            Expiring::Verdicts,
            1,
            "SELECT string_agg(subscriber_id, ' ') FROM persons.verdicts WHERE subscriber_id = 'b'",
        ),
        (Expiring::Allowlist, 1, "SELECT 'b' FROM persons.allowlist WHERE subscriber_id = 'y'"),
        (
            Expiring::ChurnScores,
            1,
            "SELECT 'b' FROM persons.churn_scores WHERE score_date = current_date",
        ),
    ] {
        assert_eq!(expire(&mut house.connection, what).await.rows, rows, "{what:?}");
        assert_eq!(house.text(left).await, "b");
    }
}
