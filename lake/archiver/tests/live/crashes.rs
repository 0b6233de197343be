//! Kills at any moment and at named points, two archivers at once, one that is stopped while the other goes on.

use std::time::Duration;

use crate::lake::Lake;
use crate::support::{Records, Scene, kill, send_signal};
use crate::{kills, rounds};

#[test]
fn kills_at_any_moment_lose_nothing_and_double_nothing() {
    let scene = Scene::new(3);
    let lake = Lake::new(&scene);
    for round in 0..kills() {
        scene.send(&Records { events: 3_000, dead: 5, future: 3, late: 50, ..Records::default() });
        scene.drain_streamer();
        let mut archiver = lake.start(&["run", "--commit-interval", "100ms"], &[]);
        // Some are killed before their first commit, some in it, some between two.
        if round % 3 == 0 {
            lake.wait_for_version_after(lake.version_or_none());
        } else {
            std::thread::sleep(Duration::from_millis(37 * (round as u64 % 23)));
        }
        kill(&mut archiver);
    }
    lake.run(&["run", "--drain"], 0);
    lake.check();
}

#[test]
fn a_crash_before_in_or_after_the_commit_is_healed_by_going_on() {
    let scene = Scene::new(2);
    let lake = Lake::new(&scene);
    for point in ["before-lake-commit", "in-lake-commit", "after-lake-commit"] {
        scene.send(&Records { events: 2_000, dead: 2, future: 2, ..Records::default() });
        scene.drain_streamer();
        let before = lake.version_or_none();
        let action = format!("{point}:abort");
        let mut archiver = lake.start(&["run", "--drain"], &[("FAIL_POINT", &action)]);
        assert!(!archiver.wait().unwrap().success(), "{point} was not reached");
        let is_there = lake.version_or_none() > before.max(Some(0));
        match point {
            "before-lake-commit" => assert!(!is_there),
            "after-lake-commit" => assert!(is_there),
            // The request was under way: it may have come through.
            _ => {}
        }
        lake.run(&["run", "--drain"], 0);
        lake.check();
    }
}

#[test]
fn two_that_follow_at_once_are_kept_apart_by_the_tables_commits() {
    let scene = Scene::new(3);
    let lake = Lake::new(&scene);
    let follow = ["run", "--beside-others", "--commit-interval", "100ms"];
    let mut both = [lake.start(&follow, &[]), lake.start(&follow, &[])];
    for _ in 0..rounds() {
        scene.send(&Records { events: 2_000, dead: 2, future: 2, late: 30, ..Records::default() });
        scene.drain_streamer();
        lake.wait_until_level();
    }
    both.iter_mut().for_each(kill);
    lake.check();
}

#[test]
fn one_stands_by_while_another_follows_and_takes_over_when_it_is_killed() {
    let scene = Scene::new(1);
    let lake = Lake::new(&scene);
    scene.send(&Records { events: 500, ..Records::default() });
    scene.drain_streamer();
    let mut first = lake.start(&["run", "--commit-interval", "100ms"], &[]);
    lake.wait_until_level();
    let mut second = lake.start(&["run", "--commit-interval", "100ms"], &[]);
    kill(&mut first);
    scene.send(&Records { events: 500, ..Records::default() });
    scene.drain_streamer();
    lake.wait_until_level();
    kill(&mut second);
    lake.check();
}

#[test]
fn a_process_that_was_stopped_before_its_commit_is_refused_when_it_wakes() {
    let scene = Scene::new(2);
    let lake = Lake::new(&scene);
    scene.send(&Records { events: 2_000, ..Records::default() });
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    scene.send(&Records { events: 2_000, ..Records::default() });
    scene.drain_streamer();
    let point = [("FAIL_POINT", "before-lake-commit:stop")];
    let mut zombie = lake.start(&["run", "--drain", "--beside-others"], &point);
    lake.wait_until_stopped(&zombie);
    lake.run(&["run", "--drain", "--beside-others"], 0);
    send_signal(&zombie, "CONT");
    assert!(zombie.wait().unwrap().success());
    lake.check();
}
