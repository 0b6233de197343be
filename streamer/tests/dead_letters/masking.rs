//! Numbers in dead letters: masked before they are stored, unless the operator has switched that off.

use crate::support::{Found, Stage, plain};

/// Obviously made up.
const NUMBER: &str = "77010000001";

/// What the database keeps of an unusable record that holds the number in key and payload.
fn kept_with(flags: &[&str]) -> (Stage, bool) {
    let mut stage = Stage::new();
    let payload = format!(r#"{{"event_type":"call","msisdn":"{NUMBER}"}}"#);
    stage.send(&stage.topic, &[Found { key: Some(NUMBER.into()), ..plain(&payload) }]);
    stage.streamer(&[&["--drain", "--flush-interval", "100ms"], flags].concat()).expect(0, &[]);
    let whole = format!(
        "SELECT COUNT(*) FROM dead_letters WHERE key = '{NUMBER}' AND position('{NUMBER}'::bytea IN payload) > 0"
    );
    let masked = "SELECT COUNT(*) FROM dead_letters WHERE key = '7701000****'
                      AND position('7701000****'::bytea IN payload) > 0";
    let is_whole = stage.number(&whole) == 1;
    assert_eq!(stage.number(masked) == 1, !is_whole, "one letter, masked or whole");
    (stage, is_whole)
}

#[test]
fn numbers_are_masked_unless_that_is_switched_off() {
    assert!(!kept_with(&[]).1);
    assert!(!kept_with(&["--mask-dead-letters", "true"]).1);
    assert!(kept_with(&["--mask-dead-letters", "false"]).1);
}

#[test]
fn a_number_that_was_kept_whole_is_erased_as_an_identifier_of_its_own() {
    let (mut stage, is_whole) = kept_with(&["--mask-dead-letters", "false"]);
    assert!(is_whole);
    let erase = ["erase", "--subscriber", NUMBER, "--reason", "request 18"];
    stage.streamer(&erase).expect(0, &["dead_letters: 1 emptied"]);
    assert_eq!(
        stage.number("SELECT COUNT(*) FROM dead_letters WHERE key IS NULL AND payload IS NULL"),
        1
    );
    // A digest of a number would give it away: all can be tried.
    assert_eq!(stage.number("SELECT COUNT(*) FROM erasures WHERE subject_digest IS NULL"), 1);
}
