//! What befalls the warehouse and the log: a database restored from a backup, a topic that is made again, records
//! that are deleted before they are archived, dead letters that are deleted.

use crate::lake::Lake;
use crate::support::{Records, Scene};

#[test]
fn a_database_that_was_restored_comes_to_where_it_was_and_nothing_is_doubled() {
    let mut scene = Scene::new(2);
    let lake = Lake::new(&scene);
    scene.send(&Records { events: 1_000, dead: 2, future: 2, ..Records::default() });
    scene.drain_streamer();
    let backup = scene.backup();
    scene.send(&Records { events: 1_000, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    let version = lake.version();
    let left = lake.leave();
    scene.restore(backup);
    let lake = Lake::again(&scene, left);
    lake.run(&["run", "--drain"], 0);
    assert_eq!(lake.version(), version, "nothing may be archived while the lake is ahead");
    assert!(lake.run(&["status"], 0).contains("ahead"));
    scene.send(&Records { events: 500, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    lake.check();
}

#[test]
fn a_generation_that_is_over_before_it_was_archived_halts_and_goes_on_once_accepted() {
    let scene = Scene::new(1);
    let lake = Lake::new(&scene);
    scene.send(&Records { events: 400, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    scene.send(&Records { events: 100, ..Records::default() });
    scene.drain_streamer();
    scene.make_topic_again();
    scene.send(&Records { events: 700, ..Records::default() });
    scene.accept_gap_of_streamer();
    scene.drain_streamer();
    let said = lake.run(&["run", "--drain"], 3);
    drop(said);
    assert!(
        lake.run(&["status"], 3)
            .contains("lost to the lake are the offsets from 400 to before 500")
    );
    lake.run(&["accept-gap", "--partition", "1", "--reason", "none"], 1);
    lake.run(&["accept-gap", "--partition", "0", "--reason", "a test"], 0);
    lake.run(&["run", "--drain"], 0);
    lake.run(&["status"], 0);
    assert_eq!(lake.rows(), 400 + 700);
    // What was lost is a difference, and stays one.
    lake.run(&["reconcile"], 5);
}

#[test]
fn records_that_were_deleted_before_they_were_archived_halt_with_their_range() {
    let scene = Scene::new(1);
    let lake = Lake::new(&scene);
    scene.send(&Records { events: 300, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    scene.send(&Records { events: 300, ..Records::default() });
    scene.drain_streamer();
    scene.delete_records(0, 450);
    lake.run(&["run", "--drain"], 3);
    let lost = "lost to the lake are the offsets from 300 to before 450";
    assert!(lake.run(&["status"], 3).contains(lost));
    lake.run(&["accept-gap", "--partition", "0", "--reason", "retention was too short"], 0);
    lake.run(&["run", "--drain"], 0);
    assert_eq!(lake.rows(), 300 + 150);
    // From now on it is checked again.
    scene.send(&Records { events: 50, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    assert_eq!(lake.rows(), 300 + 150 + 50);
}

#[test]
fn dead_letters_that_were_deleted_are_judged_again_by_their_rule() {
    let scene = Scene::new(1);
    let lake = Lake::new(&scene);
    scene.send(&Records { events: 500, dead: 7, future: 9, ..Records::default() });
    scene.drain_streamer();
    scene.sql("DELETE FROM dead_letters WHERE \"offset\" % 2 = 0");
    lake.run(&["run", "--drain"], 0);
    lake.check();
    // With another skew than they were judged by, the counts do not come out, and nothing is archived.
    scene.send(&Records { events: 100, future: 4, ..Records::default() });
    scene.drain_streamer();
    scene.sql("DELETE FROM dead_letters");
    scene.sql("UPDATE settings SET max_future_skew_ms = 1000000000000");
    lake.run(&["run", "--drain"], 3);
    scene.sql("UPDATE settings SET max_future_skew_ms = 300000");
    lake.run(&["run", "--drain"], 0);
    lake.check();
}
