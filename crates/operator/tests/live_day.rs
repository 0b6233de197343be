//! The last 24 hours beside those of a week before, and open fraud cases for the page: as a plain look at the tables would say,
//! and no subscriber for whoever was not given the fraud desk's role.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use operator::live::Sums;
use operator::live::cases::{OpenCase, RuleCases, open_cases};
use operator::live::last_day::{Hours, LastDay, STEPS, last_day};
use sqlx::AssertSqlSafe;
use store::{PgConnection, Session};

async fn database() -> (String, PgConnection) {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = store::connect(&url, Session::Batch).await.unwrap();
    store::migrate(&mut connection).await.unwrap();
    (url, connection)
}

async fn execute(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.unwrap();
}

/// Windows with these counts; 60 seconds, 512 MB and 2 tenge each.
async fn insert(connection: &mut PgConnection, rows: &[(&str, &str, &str, i64)]) {
    for (start, event_type, region, events) in rows {
        let statement = format!(
            "INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, total_duration,
                 total_data_mb, total_amount, region, exact_data_mb, exact_amount)
             VALUES ('{start}', TIMESTAMP '{start}' + INTERVAL '1 minute', '{event_type}', {events}, 60, 512, 2,
                 '{region}', 512, 2)"
        );
        execute(connection, &statement).await;
    }
}

fn hours(day: &LastDay, region: Option<&str>, event_type: Option<&str>) -> (Hours, Hours) {
    let name = (region.map(str::to_owned), event_type.map(str::to_owned));
    let line = day.lines.get(&name).unwrap_or_else(|| panic!("no line {name:?}"));
    (line.now.clone(), line.before.clone())
}

/// The steps that have events, by their numbers.
fn steps(hours: &Hours) -> Vec<(usize, i64)> {
    hours.steps.iter().copied().enumerate().filter(|(_, events)| *events > 0).collect()
}

#[tokio::test]
async fn before_the_first_window_there_is_nothing() {
    let (_, mut connection) = database().await;
    assert!(last_day(&mut connection).await.unwrap().is_none());
}

#[tokio::test]
async fn the_last_day_is_the_24_hours_that_nothing_more_is_waited_for_and_those_of_a_week_before() {
    let (_, mut connection) = database().await;
    insert(
        &mut connection,
        &[
            // The newest window; 2 minutes are waited, so the hours end at 20:28.
            ("2025-11-09 20:30", "call", "Almaty", 100_000),
            ("2025-11-09 20:28", "call", "Almaty", 10_000),
            ("2025-11-09 20:27", "call", "Almaty", 3),
            ("2025-11-09 20:22", "sms", "Almaty", 1),
            ("2025-11-09 20:23", "call", "Astana", 20),
            ("2025-11-08 20:28", "call", "Almaty", 4),
            ("2025-11-08 20:27", "call", "Almaty", 1_000),
            // A week before, bounded in the same way.
            ("2025-11-02 20:28", "call", "Almaty", 1_000),
            ("2025-11-02 20:27", "call", "Almaty", 5),
            ("2025-11-01 20:28", "call", "Taraz", 6),
            ("2025-11-01 20:27", "call", "Almaty", 1_000),
        ],
    )
    .await;
    execute(
        &mut connection,
        "INSERT INTO late_metrics (window_start, window_end, event_type, event_count, total_duration, total_data_mb,
             total_amount, region, exact_data_mb, exact_amount)
         SELECT start, start + INTERVAL '1 minute', 'call', 7, 0, 0, 0, 'Almaty', 0, 0
         FROM unnest('{2025-11-09 20:27, 2025-11-09 20:28, 2025-11-08 20:27}'::timestamp[]) AS start;
         INSERT INTO dead_letters (topic, generation, partition, \"offset\", reason, detail, stored_at)
         VALUES ('t', 0, 0, 1, 'r', 'd', now() - INTERVAL '23 hours'), ('t', 0, 0, 2, 'r', 'd', now() - INTERVAL '25 hours')",
    )
    .await;
    let day = last_day(&mut connection).await.unwrap().unwrap();
    assert_eq!(
        (day.from.to_string(), day.to.to_string()),
        ("2025-11-08 20:28:00".to_owned(), "2025-11-09 20:28:00".to_owned())
    );
    assert!(day.has_before && !day.has_more_regions);
    assert_eq!((day.late_events, day.dead_letters), (7, 1));

    let (now, before) = hours(&day, None, None);
    assert_eq!((now.events, now.figures), (28, Sums([240.0, 2_048.0, 8.0])));
    assert_eq!((before.events, before.figures.0[0]), (11, 120.0));
    assert_eq!(
        (steps(&now), steps(&before)),
        (vec![(0, 4), (286, 1), (287, 23)], vec![(0, 6), (287, 5)])
    );
    let (now, before) = hours(&day, Some("Almaty"), None);
    assert_eq!((now.events, before.events, now.steps.len()), (8, 5, STEPS));
    let (now, before) = hours(&day, None, Some("call"));
    assert_eq!((now.events, before.events, steps(&now)), (27, 11, vec![(0, 4), (287, 23)]));
    let (now, before) = hours(&day, Some("Almaty"), Some("call"));
    assert_eq!((now.events, before.events, now.steps.len()), (7, 5, 0));
    // There are more regions than lines, not more events: a week before, Taraz is in the sums of all.
    assert!(!day.lines.contains_key(&(Some("Taraz".to_owned()), None)));
}

#[tokio::test]
async fn regions_beyond_the_bound_are_in_the_sums_of_all_and_are_said_to_be_missing() {
    let (_, mut connection) = database().await;
    execute(
        &mut connection,
        "INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, region)
         SELECT TIMESTAMP '2025-11-09 20:00', TIMESTAMP '2025-11-09 20:01', 'call', 100 + n, 'region ' || n
         FROM generate_series(1, 51) AS n
         UNION ALL SELECT '2025-11-09 20:03', '2025-11-09 20:04', 'call', 1, 'region 1'",
    )
    .await;
    let day = last_day(&mut connection).await.unwrap().unwrap();
    assert!(day.has_more_regions && !day.has_before);
    assert!(!day.lines.contains_key(&(Some("region 1".to_owned()), None)), "the smallest");
    let named = day.lines.keys().filter(|(region, kind)| region.is_some() && kind.is_none());
    assert_eq!(named.count(), 50);
    let all: i64 = (101..=151).sum();
    for line in [(None, None), (None, Some("call"))] {
        assert_eq!(hours(&day, line.0, line.1).0.events, all, "{line:?}");
    }
}

/// Two open cases of a live rule, one of a rule in shadow mode, and one that was decided.
async fn store_cases(connection: &mut PgConnection) {
    for (rule, mode, subscriber, value) in [
        ("sim_box", "live", "00c0ffee00c0ffee", 41),
        ("sim_box", "live", "00c0ffee00c0ff00", 43),
        ("wangiri", "live", "00c0ffee00c0ffee", 9),
        ("quiet", "shadow", "00c0ffee00c0ffee", 1),
    ] {
        let statement = format!(
            "INSERT INTO persons.alerts (rule, version, mode, subscriber_id, bucket_start, bucket_seconds, topic, generation,
                 partition, hits, window_start, window_end, measures, offsets)
             VALUES ('{rule}', 1, '{mode}', '{subscriber}', '2025-11-09 10:00', 3600, 't', 0, 0, 2, '2025-11-09 10:00',
                 '2025-11-09 11:00', '[[{value}, \"at_least\", 40]]', '{{1}}')"
        );
        execute(connection, &statement).await;
    }
    execute(
        connection,
        "INSERT INTO persons.verdicts (subscriber_id, rule, through_alert, verdict, reason, decided_by)
         SELECT subscriber_id, rule, id, 'dismissed', 'test', 'me' FROM persons.alerts WHERE rule = 'wangiri'",
    )
    .await;
}

#[tokio::test]
async fn open_cases_are_counted_and_shown_only_to_a_user_that_was_given_the_fraud_desks_role() {
    let (url, mut owner) = database().await;
    assert!(open_cases(&mut owner).await.unwrap().unwrap().by_rule.is_empty());
    store_cases(&mut owner).await;
    execute(&mut owner, include_str!("../../../deploy/roles.sql")).await;
    // Roles belong to the server: a name of this database's own.
    let database = url.rsplit_once('/').unwrap().1.split('?').next().unwrap();
    let desk = format!("{database}_desk");
    let make = format!("CREATE ROLE {desk}; GRANT pipeline_streamer, pipeline_fraud TO {desk}");
    execute(&mut owner, &make).await;

    let counts = [RuleCases { rule: "sim_box".to_owned(), open: 2 }];
    // The owner of the tables, a superuser here, may read them all; nobody has asked for them to be shown.
    for role in ["", "pipeline_streamer", desk.as_str()] {
        let mut connection = store::connect(&url, Session::Batch).await.unwrap();
        if !role.is_empty() {
            execute(&mut connection, &format!("SET ROLE {role}")).await;
        }
        let cases = open_cases(&mut connection).await.unwrap().unwrap();
        assert_eq!(cases.by_rule, counts, "{role:?}");
        assert_eq!(cases.newest.is_some(), role == desk, "{role:?}");
        if let Some(newest) = cases.newest {
            let seen = |case: &OpenCase| {
                (case.subscriber_id.clone(), case.hits, case.measures[0][0].as_i64())
            };
            let mut seen: Vec<_> = newest.iter().map(seen).collect();
            seen.sort();
            assert_eq!(
                seen,
                [
                    ("00c0ffee00c0ff00".to_owned(), 2, Some(43)),
                    ("00c0ffee00c0ffee".to_owned(), 2, Some(41)),
                ]
            );
        }
    }
    // Who may not even count them is told nothing, and it is no error.
    execute(&mut owner, "SET ROLE pipeline_reader").await;
    assert!(open_cases(&mut owner).await.unwrap().is_none());
    let clean = format!("RESET ROLE; DROP ROLE {desk}");
    execute(&mut owner, &clean).await;
}
