//! What a run says of files, and how two of one name get along.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::support::{Place, is_bad, rows, text, until, written};

#[test]
fn a_file_that_was_renamed_and_packed_is_the_same_file_and_goes_on_where_it_grew() {
    let place = Place::new();
    place.write("cdr.csv", &rows(1..=150));
    let path = place.path("cdr.csv");
    let path = path.to_str().unwrap();
    let output = place.finish(&[path]);
    assert!(
        text(&output.stdout).starts_with("150 rows: 149 events, 1 not mapped"),
        "{}",
        text(&output.stdout)
    );

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(rows(1..=220).as_bytes()).unwrap();
    std::fs::write(place.path("cdr.csv.1.gz"), packed.finish().unwrap()).unwrap();
    std::fs::remove_file(path).unwrap();
    let renamed = place.path("cdr.csv.1.gz");
    let output = place.finish(&[renamed.to_str().unwrap()]);
    assert!(
        text(&output.stdout).starts_with("70 rows: 69 events, 1 not mapped"),
        "{}",
        text(&output.stdout)
    );
    place.check_rows(220, is_bad);

    // Programs are told how far it was read.
    let status = place.status(&["--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let content = &status["names"][0]["contents"][0];
    assert_eq!(status["names"][0]["name"], place.topic.as_str(), "{status}");
    assert_eq!(
        (&content["rows"], &content["file"]),
        (&220.into(), &"cdr.csv.1.gz".into()),
        "{status}"
    );
    assert_eq!(content["bytes"], rows(1..=220).len(), "{status}");

    // What was read is refused by name; again only on an operator's word.
    let output = place.finish(&[renamed.to_str().unwrap()]);
    assert!(text(&output.stdout).contains("1 files were read before"), "{}", text(&output.stdout));
    let output = place.finish(&[renamed.to_str().unwrap(), "--dry-run", "--again"]);
    assert!(text(&output.stdout).starts_with("220 rows"), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("nothing was sent"), "{}", text(&output.stdout));
    place.check_rows(220, is_bad);
    assert!(place.finish(&[renamed.to_str().unwrap(), "--again"]).status.success());
    assert_eq!(place.records().len(), 440);
}

#[test]
fn what_differs_behind_its_first_row_is_refused_and_named() {
    let place = Place::new();
    place.write("a.csv", &rows(1..=50));
    place.write("b.csv", &rows((1..=50).filter(|n| *n != 7)));
    for (name, is_read) in [("a.csv", true), ("b.csv", false)] {
        let path = place.path(name);
        let output = place.finish(&[path.to_str().unwrap()]);
        assert_eq!(output.status.success(), is_read, "{}", text(&output.stderr));
        if !is_read {
            assert!(
                text(&output.stdout).contains("compared with a.csv, of which 50 rows"),
                "{}",
                text(&output.stdout)
            );
        }
    }
    place.check_rows(50, is_bad);
}

/// The one that was begun last goes on; the other one ends and says so, and nothing is there twice.
#[test]
fn a_second_one_of_the_same_name_fences_the_first() {
    let place = Place::new();
    place.write("in/0.csv", &rows(1..=100));
    let folder = place.path("in");
    let follow = [folder.to_str().unwrap(), "--follow", "--finished-after", "0s"];
    let mut first = place.run(&follow).spawn().unwrap();
    until(|| written(&place.topic) >= 100);
    let mut second = place.run(&follow).spawn().unwrap();
    // Files come until the first one has tried to send one after the second has begun.
    let mut count = 100;
    until(|| {
        let before = written(&place.topic);
        place.write(&format!("in/{count}.csv"), &rows(count + 1..=count + 10));
        count += 10;
        until(|| written(&place.topic) > before);
        first.try_wait().unwrap().is_some()
    });
    let output = first.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("same --name"), "{}", text(&output.stderr));
    until(|| place.records().len() as u64 >= count);
    second.kill().unwrap();
    second.wait().unwrap();
    place.check_rows(count, is_bad);
}
