//! The archiver behind the real streamer, on a real Kafka and PostgreSQL, with kills.
//!
//! The programs `streamer` and `batcher` are those of TELECOM_PROGRAMS (`make test-lake` builds and names them), `churn` is
//! TELECOM_CHURN; the lake is read back by LAKE_PYTHON, a Python with deltalake and DuckDB, which shares no code with the archiver.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod churn;
mod crashes;
mod database;
mod lake;
mod maintenance;
mod outages;
mod s3;
mod servers;
mod support;

use crate::lake::Lake;
use crate::support::{Records, Scene};

/// How many kills; by hand 100.
fn kills() -> usize {
    std::env::var("LAKE_KILLS").map_or(4, |text| text.parse().unwrap())
}

/// How often something is sent while two archivers follow; by hand so often that it takes ten minutes.
fn rounds() -> usize {
    std::env::var("LAKE_ROUNDS").map_or(6, |text| text.parse().unwrap())
}

#[test]
fn what_was_counted_is_in_the_lake_and_independent_readers_agree() {
    let scene = Scene::new(3);
    scene.send(&Records { events: 9_000, dead: 40, future: 25, late: 300, ..Records::default() });
    scene.send(&Records { transactions: 6, events: 600, aborted: 60, ..Records::default() });
    scene.drain_streamer();
    let lake = Lake::new(&scene);
    lake.run(&["run", "--drain"], 0);
    lake.check();
    let status = lake.run(&["status", "--json"], 0);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let partitions = status["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 3);
    assert!(partitions.iter().all(|one| one["state"] == "level"), "{status}");
    // Nothing has come since: nothing is committed.
    lake.run(&["run", "--drain"], 0);
    assert_eq!(lake.version(), status["version"]);
    // Marks of transactions alone move the position, without files.
    let files = status["files"].as_i64().unwrap();
    scene.send(&Records { transactions: 2, events: 0, aborted: 20, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    let status: serde_json::Value =
        serde_json::from_str(&lake.run(&["status", "--json"], 0)).unwrap();
    assert_eq!(status["files"].as_i64().unwrap(), files);
    assert!(status["partitions"].as_array().unwrap().iter().all(|one| one["state"] == "level"));
    lake.check();
}

#[test]
fn a_days_figures_are_those_of_the_batcher_with_late_events() {
    let scene = Scene::new(2);
    scene.send(&Records { events: 5_000, late: 200, dead: 3, ..Records::default() });
    scene.drain_streamer();
    let lake = Lake::new(&scene);
    lake.run(&["run", "--drain"], 0);
    let day = support::DAY;
    scene.batcher(&["--include-late", day]);
    let printed = lake.run(&["day", day], 0);
    let mut rows: Vec<Vec<String>> = printed
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect();
    rows.sort();
    assert_eq!(rows, scene.daily_stats(day));
    lake.run(&["day", "2001-01-01"], 4);

    let answer = lake.run(&["subscribers", day], 0);
    assert_eq!(answer, format!("{day}: {} subscribers, 5200 events\n", support::SUBSCRIBERS));
    // Again: the day's rows are replaced.
    lake.run(&["subscribers", day], 0);
    lake.check_subscribers(day);
    let exported = lake.exported_events();
    assert_eq!(exported.values().sum::<i64>(), scene.counted());
    assert!(exported["nobody"] > 0, "{exported:?}");
}

#[test]
fn a_day_whose_minutes_have_expired_is_stored_from_the_lake() {
    let scene = Scene::new(2);
    scene.send(&Records { events: 3_000, late: 100, dead: 3, ..Records::default() });
    // Of the next day, so that this one is complete.
    let after = format!(
        r#"{{"event_type":"sms","region":"Osh","timestamp":"{}T12:00:00Z"}}"#,
        support::DAY_AFTER
    );
    scene.send_payloads(&[after.clone(), after.clone(), after.clone(), after]);
    scene.drain_streamer();
    let lake = Lake::new(&scene);
    lake.run(&["run", "--drain"], 0);
    let day = support::DAY;
    scene.batcher(&["--include-late", day]);
    let rows = scene.daily_stats(day);

    let from_lake = [day, "--from-lake"];
    let said = lake.batcher(&from_lake, 1);
    assert!(said.contains("have not expired"), "{said}");
    lake.batcher(&["lifecycle", "--retain-minutes", "1d", "--retain-late-metrics", "1d"], 0);
    scene.sql("DELETE FROM daily_stats");
    let said = lake.batcher(&from_lake, 0);
    assert!(said.contains(" sums of the lake and 0 rows of others, final, with late"), "{said}");
    assert_eq!(rows, scene.daily_stats(day));
    // An event that comes now, of which the lake knows nothing yet.
    scene.send(&Records { late: 1, ..Records::default() });
    scene.drain_streamer();
    let said = lake.batcher(&from_lake, 1);
    assert!(said.contains("the lake does not have what was counted"), "{said}");
    lake.run(&["run", "--drain"], 0);
    lake.batcher(&from_lake, 0);
    assert_ne!(rows, scene.daily_stats(day));
}
