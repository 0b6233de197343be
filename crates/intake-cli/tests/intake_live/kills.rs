//! Killed at any moment: rows = events + not mapped, and nothing twice.

use crate::support::{Place, fill, is_bad, kill_after, kills, rows, text, written};

/// So many rows are read between two kills, at least: transactions of 50 rows, so most kills come amid one.
const ROWS_A_KILL: u64 = 10_000;
const BATCH: [&str; 2] = ["--batch-rows", "50"];

#[test]
fn from_files_each_row_is_there_once_after_kills_amid_transactions() {
    let place = Place::new();
    let (kills, count) = (kills(), ROWS_A_KILL * (kills() + 1));
    // Three files, and the last one grows; packed and renamed in between.
    let third = count / 3;
    place.write("in/a.csv", &rows(1..=third));
    place.write("in/b.csv", &rows(third + 1..=2 * third));
    let folder = place.path("in");
    let folder = folder.to_str().unwrap();
    let mut killed = 0;
    for kill in 0..kills {
        if kill == kills / 2 {
            std::fs::rename(place.path("in/a.csv"), place.path("in/a.csv.1")).unwrap();
            place.write("in/c.csv", &rows(2 * third + 1..=count));
        }
        let before = written(&place.topic);
        let mut child = place.run(&[&[folder][..], &BATCH].concat()).spawn().unwrap();
        kill_after(&mut child, &place.topic, before + (kill * 37 % 400) as i64);
        killed += 1;
    }
    assert_eq!(killed, kills);
    let output = place.finish(&[folder]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    place.check_rows(count, is_bad);
    // Once more: nothing is new.
    let output = place.finish(&[folder]);
    assert!(text(&output.stdout).contains("3 files were read before"), "{}", text(&output.stdout));
    place.check_rows(count, is_bad);
}

#[test]
fn from_a_topic_each_row_is_there_once_after_kills_amid_transactions() {
    let place = Place::new();
    let (kills, count) = (kills(), ROWS_A_KILL * (kills() + 1));
    let raw = format!("{}-raw", place.topic);
    let lines = rows(1..=count);
    fill(&raw, lines.lines().map(str::to_owned));
    let arguments = [&["--from-topic", &raw][..], &BATCH].concat();
    for kill in 0..kills {
        let before = written(&place.topic);
        let mut child = place.run(&arguments).spawn().unwrap();
        kill_after(&mut child, &place.topic, before + (kill * 53 % 400) as i64);
    }
    let output = place.finish(&["--from-topic", &raw]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    place.check_rows(count, is_bad);
}
