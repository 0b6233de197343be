//! `compare` on two real databases: silent on a mirror that is whole, and what was skipped or doubled is named.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use operator::compare::judge::{Comparison, Difference, What};
use operator::compare::{Side, Stretch, compare_sides};
use sqlx::AssertSqlSafe;
use store::{PgConnection, Session};

/// The site's topic: two lives of partition 0 and one of partition 1, all settled up to 12:00.
const SITE: &str = "
    INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset, on_time, late, dead,
        watermark, complete_through, witness_timestamp_ms)
    VALUES ('t', 0, 0, 100, 109, 6, 2, 1, '2025-11-08 00:00', '2025-11-08 00:00', 1),
           ('t', 1, 0, 0,   3,   3, 0, 0, '2025-11-10 12:00', '2025-11-10 12:00', 1762776000000),
           ('t', 0, 1, 5,   9,   2, 1, 1, '2025-11-10 12:00', '2025-11-10 12:00', 1762776000000);
    INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time, late)
    VALUES ('t', 0, 0, '2025-11-09 23:45', 4, 2),
           ('t', 0, 0, '2025-11-10 00:00', 2, 0),
           ('t', 1, 0, '2025-11-10 00:00', 3, 0),
           ('t', 0, 1, '2025-11-09 23:45', 2, 1),
           ('other', 0, 0, '2025-11-09 23:45', 7, 0);
    INSERT INTO dead_letters (topic, generation, partition, \"offset\", reason, detail, record_timestamp)
    VALUES ('t', 0, 0, 105, 'not_json', '', '2025-11-09 23:45'), ('t', 0, 1, 7, 'not_json', '', '2025-11-09 23:45'),
           ('other', 0, 1, 7, 'not_json', '', '2025-11-09 23:45')";

/// The mirror of it at the hub, in one life and with other offsets; an event that was late there is in time here.
const MIRROR: &str = "
    TRUNCATE stream_progress, day_ledger, dead_letters;
    INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset, on_time, late, dead, skipped,
        watermark, complete_through, witness_timestamp_ms)
    VALUES ('n.t', 0, 0, 0, 15, 10, 1, 1, 3, '2025-11-10 12:00', '2025-11-10 12:00', 1762776000000),
           ('n.t', 0, 1, 0, 5,  2,  1, 1, 1, '2025-11-10 12:00', '2025-11-10 12:00', 1762776000000);
    INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time, late)
    VALUES ('n.t', 0, 0, '2025-11-09 23:45', 5, 1),
           ('n.t', 0, 0, '2025-11-10 00:00', 5, 0),
           ('n.t', 0, 1, '2025-11-09 23:45', 2, 1);
    INSERT INTO dead_letters (topic, generation, partition, \"offset\", reason, detail, record_timestamp)
    VALUES ('n.t', 0, 0, 5, 'not_json', '', '2025-11-09 23:45'), ('n.t', 0, 1, 3, 'not_json', '', '2025-11-09 23:45')";

async fn fresh_database() -> PgConnection {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = store::connect(&url, Session::Batch).await.unwrap();
    store::migrate(&mut connection).await.unwrap();
    connection
}

async fn execute(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.unwrap();
}

async fn site_and_hub() -> (PgConnection, PgConnection) {
    let (mut site, mut hub) = (fresh_database().await, fresh_database().await);
    execute(&mut site, SITE).await;
    execute(&mut hub, MIRROR).await;
    (site, hub)
}

async fn compare_from(
    site: &mut PgConnection,
    hub: &mut PgConnection,
    since: &str,
) -> anyhow::Result<Comparison> {
    let [since, until] = [since, "2100-01-01T00:00:00"].map(|at| at.parse().unwrap());
    let stretch = Stretch { since, until, is_bounded: false };
    let theirs = Side { connection: site, topic: "t" };
    compare_sides(theirs, Side { connection: hub, topic: "n.t" }, stretch).await
}

async fn compare(site: &mut PgConnection, hub: &mut PgConnection) -> Comparison {
    compare_from(site, hub, "2000-01-01T00:00:00").await.unwrap()
}

fn of_quarter(start: &str, partition: i32, theirs: i64, ours: i64) -> Difference {
    let start = start.parse().unwrap();
    Difference { partition, what: What::Quarter { start, is_late_alone: false }, theirs, ours }
}

#[tokio::test]
async fn a_whole_mirror_is_equal_whatever_its_lives_offsets_and_lateness() {
    let (mut site, mut hub) = site_and_hub().await;
    let comparison = compare(&mut site, &mut hub).await;
    assert_eq!((comparison.total, comparison.quarters), (0, 2), "{comparison:?}");
    assert_eq!((comparison.events, comparison.letters), ((14, 14), (2, 2)));
    assert_eq!(comparison.compared, [0, 1]);
    let later = compare_from(&mut site, &mut hub, "2025-11-10T00:00:00").await.unwrap();
    assert_eq!((later.quarters, later.events, later.letters), (1, (5, 5), (0, 0)));
}

#[tokio::test]
async fn every_kind_of_damage_to_a_mirror_is_named() {
    let (mut site, mut hub) = site_and_hub().await;
    for (damage, expected) in [
        (
            "UPDATE day_ledger SET on_time = 3 WHERE (partition, on_time) = (0, 5) AND late = 1",
            of_quarter("2025-11-09T23:45:00", 0, 6, 4),
        ),
        (
            "UPDATE day_ledger SET on_time = on_time + 3 WHERE partition = 1",
            of_quarter("2025-11-09T23:45:00", 1, 3, 6),
        ),
        (
            "DELETE FROM day_ledger WHERE quarter_start = '2025-11-10 00:00'",
            of_quarter("2025-11-10T00:00:00", 0, 5, 0),
        ),
        (
            "INSERT INTO day_ledger VALUES ('n.t', 0, 1, '2025-11-10 00:15', 1, 0)",
            of_quarter("2025-11-10T00:15:00", 1, 0, 1),
        ),
        (
            "DELETE FROM dead_letters WHERE partition = 1",
            Difference { partition: 1, what: What::DeadLetters, theirs: 1, ours: 0 },
        ),
        (
            "DELETE FROM stream_progress WHERE partition = 1",
            Difference { partition: 1, what: What::Partition, theirs: 3, ours: 0 },
        ),
    ] {
        execute(&mut hub, MIRROR).await;
        execute(&mut hub, damage).await;
        let comparison = compare(&mut site, &mut hub).await;
        assert_eq!(comparison.listed, [expected], "{damage}");
    }
}

#[tokio::test]
async fn a_ledger_longer_than_a_page_is_compared_to_its_end() {
    let (mut site, mut hub) = site_and_hub().await;
    // 2 partitions × 3 months of quarters; the last one differs, and one in the middle of a quarter's partitions.
    let history = |topic: &str| {
        format!(
            "INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time)
             SELECT '{topic}', 0, p, q, 1
             FROM generate_series('2025-07-01'::timestamp, '2025-09-30', INTERVAL '15 minutes') AS q,
                  generate_series(0, 1) AS p"
        )
    };
    execute(&mut site, &history("t")).await;
    execute(&mut hub, &history("n.t")).await;
    execute(
        &mut hub,
        "UPDATE day_ledger SET on_time = 2 WHERE partition = 0 AND quarter_start IN ('2025-08-21 02:00', '2025-09-30')",
    )
    .await;
    let comparison = compare(&mut site, &mut hub).await;
    let expected =
        [of_quarter("2025-08-21T02:00:00", 0, 1, 2), of_quarter("2025-09-30T00:00:00", 0, 1, 2)];
    assert_eq!(comparison.listed, expected);
    assert_eq!(comparison.quarters, 2 + 91 * 96 + 1);
    assert_eq!(comparison.events, (14 + 17_474, 14 + 17_476));
}

#[tokio::test]
async fn having_compared_nothing_is_an_error_that_says_why() {
    let (mut site, mut hub) = site_and_hub().await;
    for (change, since, expected) in [
        ("SELECT 1", "2025-11-11T00:00:00", "lies in the time that is asked for"),
        (
            "UPDATE stream_progress SET watermark = NULL, witness_timestamp_ms = NULL",
            "2000-01-01T00:00:00",
            "has the mirror begun",
        ),
        ("TRUNCATE stream_progress", "2000-01-01T00:00:00", "this database knows no topic n.t"),
    ] {
        execute(&mut hub, change).await;
        let refused = compare_from(&mut site, &mut hub, since).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{change}: {refused}");
    }
    let refused = compare_from(&mut hub, &mut site, "2000-01-01T00:00:00").await.unwrap_err();
    assert!(refused.to_string().contains("n.t"), "{refused}");
}
