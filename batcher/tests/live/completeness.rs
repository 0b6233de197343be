//! When a day can still change, judged by `complete_through` in `stream_progress`. (What moves it is
//! tested in the crate `store`, and with a real streamer.)

use store::PgConnection;

use crate::support::{Database, day};

/// Which partitions hold 2025-11-09 back, and how many are in service.
async fn completeness_of(connection: &mut PgConnection) -> (usize, Vec<i32>) {
    let state = store::day_state(connection, &day("2025-11-09", "UTC")).await.unwrap();
    let holding_back: Vec<_> = state.holding_back.iter().map(|row| row.partition).collect();
    assert_eq!(state.is_complete(), state.partitions > 0 && holding_back.is_empty());
    (state.partitions, holding_back)
}

#[tokio::test]
async fn only_the_newest_life_of_a_partition_counts_unless_it_is_retired() {
    let past = "'2025-11-10 00:00'";
    let behind = "'2025-11-09 23:59:59.999999'";
    let far_behind = "'2025-11-08 12:00'";
    let never = "NULL";
    // Rows: (topic, generation, partition), complete_through, retired_at.
    // Expected: how many partitions are in service, and which hold the day back, the worst first.
    let row =
        |key: &str, through: &str, retired: &str| format!("({key}, 0, 0, {through}, {retired})");
    let now = "'2025-11-11'";
    for (rows, partitions, holding_back) in [
        (vec![], 0, vec![]),
        (vec![row("'t', 0, 0", past, "NULL"), row("'t', 0, 1", past, "NULL")], 2, vec![]),
        (vec![row("'t', 0, 0", past, "NULL"), row("'t', 0, 1", behind, "NULL")], 2, vec![1]),
        // One that never had a record, and was never seen to have none, is waited for.
        (vec![row("'t', 0, 0", behind, "NULL"), row("'t', 0, 1", never, "NULL")], 2, vec![1, 0]),
        (
            vec![row("'t', 0, 0", behind, "NULL"), row("'t', 0, 1", far_behind, "NULL")],
            2,
            vec![1, 0],
        ),
        // A recreated topic: its former life neither helps nor harms.
        (vec![row("'t', 0, 0", behind, "NULL"), row("'t', 1, 0", past, "NULL")], 1, vec![]),
        (vec![row("'t', 0, 0", past, "NULL"), row("'t', 1, 0", never, "NULL")], 1, vec![0]),
        (vec![row("'t', 9, 0", past, "NULL"), row("'t', 10, 0", behind, "NULL")], 1, vec![0]),
        // A retired partition is waited for no longer, and its former life does not come back.
        (vec![row("'t', 0, 0", past, "NULL"), row("'t', 0, 1", behind, now)], 1, vec![]),
        (vec![row("'t', 0, 0", behind, "NULL"), row("'t', 1, 0", behind, now)], 0, vec![]),
        // Another topic's partition of the same number is another partition.
        (vec![row("'t', 0, 0", past, "NULL"), row("'u', 0, 0", behind, "NULL")], 2, vec![0]),
    ] {
        let mut database = Database::new().await;
        for row in &rows {
            let insert = format!(
                "INSERT INTO stream_progress (topic, generation, partition, first_offset,
                     next_offset, complete_through, retired_at) VALUES {row}"
            );
            database.execute_text(insert).await;
        }
        assert_eq!(
            completeness_of(&mut database.connection).await,
            (partitions, holding_back),
            "{rows:?}"
        );
    }
}

#[tokio::test]
async fn nothing_but_complete_through_decides() {
    // Nobody is assigned the partition: however late it is, however far its watermark and its
    // last catching up have come, the stored value is the floor.
    let mut database = Database::new().await;
    database
        .execute(
            "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset,
                 watermark, caught_up_at, complete_through, owner)
             VALUES ('t', 0, 0, 0, 0, '2030-01-01', '2030-01-01', '2025-11-09 12:00', 'gone:1:0')",
        )
        .await;
    assert_eq!(completeness_of(&mut database.connection).await, (1, vec![0]));
}

#[tokio::test]
async fn the_days_end_is_that_of_the_business_zone() {
    let mut database = Database::new().await;
    database
        .execute(
            "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset,
                 complete_through) VALUES ('t', 0, 0, 0, 0, '2025-11-09 19:00')",
        )
        .await;
    for (zone, complete) in [("Asia/Almaty", true), ("UTC", false), ("Asia/Kolkata", true)] {
        let day = day("2025-11-09", zone);
        let state = store::day_state(&mut database.connection, &day).await.unwrap();
        assert_eq!(state.is_complete(), complete, "{zone}");
    }
}
