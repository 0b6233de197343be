//! A raw topic: what is said when its log is not what was read.

use crate::support::{Place, fill, is_bad, rows, text};

#[test]
fn a_topic_is_read_on_from_where_the_last_run_ended() {
    let place = Place::new();
    let raw = format!("{}-raw", place.topic);
    for (from, to) in [(1, 90), (91, 250)] {
        fill(&raw, rows(from..=to).lines().map(str::to_owned));
        let output = place.finish(&["--from-topic", &raw]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let expected = format!("{} rows", to - from + 1);
        assert!(text(&output.stdout).starts_with(&expected), "{}", text(&output.stdout));
        place.check_rows(to, is_bad);
    }
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let place = Place::new();
    let output = place.finish(&["--from-topic", "no-such-topic"]);
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains("no-such-topic, of --from-topic, does not exist"),
        "{}",
        text(&output.stderr)
    );
}
