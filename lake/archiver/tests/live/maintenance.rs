//! Compaction, erasure and vacuum, alone and beside one that appends.

use crate::lake::Lake;
use crate::support::{Records, Scene, kill};

#[test]
fn few_files_hold_the_same_rows_and_what_is_not_needed_is_deleted() {
    let scene = Scene::new(2);
    let lake = Lake::new(&scene);
    for _ in 0..5 {
        scene.send(&Records { events: 1_000, late: 20, ..Records::default() });
        scene.drain_streamer();
        lake.run(&["run", "--drain"], 0);
    }
    let before = lake.files_on_disk();
    lake.run(&["compact"], 0);
    lake.check();
    // Readers of former versions have their files for a while.
    lake.run(&["vacuum"], 0);
    assert!(lake.files_on_disk() > before);
    lake.run(&["vacuum", "--retention", "0s"], 0);
    assert!(lake.files_on_disk() < before);
    lake.check();
    // Archiving goes on, and nothing of it is taken for left over.
    scene.send(&Records { events: 1_000, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    lake.run(&["vacuum", "--retention", "0s"], 0);
    lake.check();
}

#[test]
fn an_erased_subscriber_is_gone_from_all_versions_and_the_sums_still_come_out() {
    let scene = Scene::new(2);
    let lake = Lake::new(&scene);
    scene.send(&Records { events: 3_000, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    lake.run(&["subscribers", crate::support::DAY], 0);
    let subscriber = crate::support::subscriber(7);
    assert!(lake.disk_holds(&subscriber));
    lake.run(&["erase", "--subscriber", &subscriber, "--reason", "asked for"], 0);
    assert!(!lake.disk_holds(&subscriber));
    lake.run(&["reconcile"], 0);
    assert!(lake.rows() < 3_000);
    // The sums stay, in a row that names nobody; also when the day is computed again.
    let exported = lake.exported_events();
    assert_eq!(exported.values().sum::<i64>(), 3_000);
    assert_eq!(exported["erased"], 3_000 - lake.rows());
    lake.run(&["subscribers", crate::support::DAY], 0);
    assert_eq!(lake.exported_events(), exported);
    // Nobody is erased twice.
    let again = lake.run(&["erase", "--subscriber", &subscriber, "--reason", "asked for"], 0);
    assert!(again.starts_with("0 events were removed"), "{again}");
    lake.run(&["reconcile"], 0);
}

#[test]
fn days_older_than_those_that_are_kept_are_removed_and_not_missed() {
    let scene = Scene::new(1);
    let lake = Lake::new(&scene);
    scene.send(&Records { events: 400, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    lake.run(&["vacuum", "--retain-events", "1", "--retention", "0s"], 0);
    assert_eq!(lake.rows(), 0);
    lake.run(&["reconcile"], 0);
}

#[test]
fn compaction_erasure_and_vacuum_beside_one_that_appends() {
    let scene = Scene::new(3);
    let lake = Lake::new(&scene);
    let mut archiver = lake.start(&["run", "--commit-interval", "100ms"], &[]);
    for round in 0..4 {
        scene.send(&Records { events: 2_000, dead: 2, late: 10, ..Records::default() });
        scene.drain_streamer();
        lake.wait_until_level();
        let subscriber = crate::support::subscriber(round);
        std::thread::scope(|scope| {
            scope.spawn(|| lake.run_or_lose(&["compact"]));
            scope.spawn(|| {
                lake.run_or_lose(&["erase", "--subscriber", &subscriber, "--reason", "asked for"])
            });
            scope.spawn(|| lake.run_or_lose(&["vacuum"]));
            scene.send(&Records { events: 1_000, late: 10, ..Records::default() });
            scene.drain_streamer();
        });
    }
    lake.wait_until_level();
    kill(&mut archiver);
    lake.run(&["run", "--drain"], 0);
    lake.run(&["reconcile"], 0);
    lake.check_offsets_once();
}

#[test]
fn a_partition_on_which_nothing_comes_keeps_its_position_when_the_log_is_cleaned_up() {
    let scene = Scene::new(2);
    let lake = Lake::new(&scene);
    scene.send(&Records { events: 500, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    // A vacuum is a commit; a checkpoint is made every 50.
    lake.make_commits_until(60);
    lake.make_log_older(60);
    lake.make_commits_until(110);
    assert!(!lake.has_log_of(1), "nothing was cleaned up");
    let version = lake.version();
    lake.run(&["run", "--drain"], 0);
    assert_eq!(lake.version(), version, "positions were lost");
    scene.send_to(1, 100);
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    lake.check();
}
