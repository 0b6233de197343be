//! When a day can still change, judged from `stream_progress`. (The boundaries of time are unit
//! tests beside the code.)

use crate::support::{Database, day};

#[tokio::test]
async fn only_the_newest_life_of_a_partition_counts_unless_it_is_retired() {
    let past = "'2025-11-10 00:00', NULL";
    let caught_up = "NULL, '2025-11-10 00:10'";
    let behind = "'2025-11-09 23:59:59.999999', '2025-11-10 00:09:59.999999'";
    let unread = "NULL, NULL";
    // Rows: (topic, generation, partition), (watermark, caught_up_at), retired_at.
    // Expected: how many partitions are read, and which of them hold the day back.
    let row = |key: &str, times: &str, retired: &str| format!("({key}, 0, 0, {times}, {retired})");
    let now = "'2025-11-11'";
    for (rows, partitions, holding_back) in [
        (vec![], 0, vec![]),
        (vec![row("'t', 0, 0", past, "NULL"), row("'t', 0, 1", caught_up, "NULL")], 2, vec![]),
        (vec![row("'t', 0, 0", past, "NULL"), row("'t', 0, 1", behind, "NULL")], 2, vec![1]),
        (vec![row("'t', 0, 0", unread, "NULL"), row("'t', 0, 1", behind, "NULL")], 2, vec![0, 1]),
        // A recreated topic: its former life neither helps nor harms.
        (vec![row("'t', 0, 0", behind, "NULL"), row("'t', 1, 0", past, "NULL")], 1, vec![]),
        (vec![row("'t', 0, 0", past, "NULL"), row("'t', 1, 0", unread, "NULL")], 1, vec![0]),
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
                     next_offset, watermark, caught_up_at, retired_at) VALUES {row}"
            );
            database.execute_text(insert).await;
        }
        let state =
            store::day_state(&mut database.connection, &day("2025-11-09", "UTC")).await.unwrap();
        let found: Vec<_> =
            state.holding_back.iter().map(|partition| partition.partition).collect();
        assert_eq!((state.partitions, found), (partitions, holding_back.clone()), "{rows:?}");
        assert_eq!(state.is_complete(), partitions > 0 && holding_back.is_empty(), "{rows:?}");
    }
}

#[tokio::test]
async fn the_days_end_is_that_of_the_business_zone() {
    let mut database = Database::new().await;
    database
        .execute(
            "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset,
                 watermark) VALUES ('t', 0, 0, 0, 0, '2025-11-09 19:00')",
        )
        .await;
    for (zone, complete) in [("Asia/Almaty", true), ("UTC", false), ("Asia/Kolkata", true)] {
        let day = day("2025-11-09", zone);
        let state = store::day_state(&mut database.connection, &day).await.unwrap();
        assert_eq!(state.is_complete(), complete, "{zone}");
    }
}
