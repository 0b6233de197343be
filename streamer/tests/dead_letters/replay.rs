//! `replay` where nothing goes wrong, and where the operator does.

use std::fs;

use crate::support::{Found, Stage, plain};

const USABLE: &str = r#"{"event_type":"call","region":"Osh","timestamp":"2025-11-09T14:30:45Z","duration_seconds":60}"#;
const IN_SECONDS: &str = r#"{"event_type":"call","region":"Osh","timestamp":1762698645}"#;

#[test]
fn a_corrected_letter_is_counted_and_the_letter_is_kept() {
    let mut stage = Stage::new();
    let headers = vec![("trace".to_owned(), Some(vec![0xff])), ("nothing".to_owned(), None)];
    let bad = Found { partition: 1, key: Some(b"k".to_vec()), headers, ..plain(IN_SECONDS) };
    stage.send(&stage.topic, &[bad]);
    stage.drain();
    let letter = format!("{}/0/1/0", stage.topic);
    stage.letters(&["list"]).expect(0, &[&letter, "timestamp_unit", IN_SECONDS]);
    stage.letters(&["show", &letter]).expect(0, &["if these are seconds since 1970"]);

    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), USABLE).unwrap();
    let payload = ["--payload", file.path().to_str().unwrap()];
    let dry = [&["replay", &letter], &payload[..]].concat();
    stage.letters(&dry).expect(0, &["would send 1 letters; --execute sends them", "usable"]);
    assert_eq!(stage.records(&stage.topic).len(), 1, "a dry run sends nothing");
    stage.letters(&[&dry[..], &["--execute"]].concat()).expect(0, &["sent 1 letters"]);

    // Back to the partition that it came from, with everything that it had.
    let sent = &stage.records(&stage.topic)[&(1, 1)];
    assert_eq!(sent.key.as_deref(), Some(&b"k"[..]));
    assert_eq!(sent.payload.as_deref(), Some(USABLE.as_bytes()));
    assert_eq!(
        sent.headers[..2],
        [("trace".to_owned(), Some(vec![0xff])), ("nothing".to_owned(), None)]
    );
    assert_eq!(sent.header("dead-letter-source"), Some(&letter[..]));
    assert_eq!(sent.header("dead-letter-attempt"), Some("1"));

    stage.drain();
    assert_eq!(stage.number("SELECT SUM(event_count)::bigint FROM real_time_metrics"), 1);
    assert_eq!(stage.number("SELECT COUNT(*) FROM dead_letters"), 1);
    stage
        .letters(&["show", &letter])
        .expect(0, &["attempt 1 to", "corrected, by the operator: arrived by"]);
    stage.streamer(&["verify"]).expect(0, &["accounting holds"]);
    stage
        .letters(&["replay", "--execute"])
        .expect(0, &["sent 0 letters", "left out: 1 replayed before; --again"]);
}

#[test]
fn a_letter_that_dies_again_is_a_new_letter_and_its_attempts_are_counted() {
    let mut stage = Stage::new();
    stage.send(&stage.topic, &[plain("{")]);
    for attempt in 1..=3 {
        stage.drain();
        stage.letters(&["replay"]).expect(0, &["would send 1 letters, 1 of which can't be used"]);
        stage
            .letters(&["replay", "--execute"])
            .expect(0, &["sent 1 letters", "1 of them can't be used"]);
        let last = stage.records(&stage.topic).into_values().last().unwrap();
        assert_eq!(last.header("dead-letter-attempt"), Some(&attempt.to_string()[..]));
        let ours = last.headers.iter().filter(|(name, _)| name.starts_with("dead-letter-"));
        assert_eq!(ours.count(), 2, "headers of former sendings are replaced");
    }
    stage.drain();
    assert_eq!(stage.number("SELECT COUNT(*) FROM dead_letters"), 4);
    let worn_out = "was sent 3 times and died again";
    stage.letters(&["replay", "--execute"]).expect(0, &["sent 0 letters", worn_out]);
    stage.letters(&["replay", "--max-attempts", "4"]).expect(0, &["would send 1 letters"]);
    // A letter sent again by name counts as well.
    let first = stage.letter(0);
    stage.letters(&["replay", &first, "--again"]).expect(0, &["would send 1 letters"]);
    stage.letters(&["replay", &first]).expect(0, &["no letter to send", "1 replayed before"]);
    stage.streamer(&["verify"]).expect(0, &["accounting holds"]);
}

#[test]
fn letters_of_any_bytes_go_to_another_topic_by_their_key() {
    let mut stage = Stage::new();
    stage.execute(&format!(
        "INSERT INTO dead_letters (topic, generation, partition, \"offset\", reason, detail, key,
             payload, headers)
         VALUES ('{0}', 0, 7, 1, 'not_utf8', '', '\\xff00', '\\xfe00', NULL),
                ('{0}', 0, 7, 2, 'null_payload', '', NULL, NULL, '[[\"a\", null], [\"a\", \"00\"]]'),
                ('{0}', 0, 7, 3, 'not_json', '', '\\xff00', '', NULL)",
        stage.topic
    ));
    let target = sandbox::fresh_topic_name();
    stage.create_topic(&target);
    stage.letters(&["replay", "--to", &target, "--execute"]).expect(0, &["sent 3 letters"]);
    let mut records: Vec<Found> = stage.records(&target).into_values().collect();
    records.sort_by_key(|record| record.header("dead-letter-source").unwrap().to_owned());
    let [binary, null, empty] = &records[..] else { panic!("{records:?}") };
    assert_eq!((&binary.key, &binary.payload), (&Some(vec![0xff, 0]), &Some(vec![0xfe, 0])));
    assert_eq!((&null.key, &null.payload), (&None, &None));
    assert_eq!(null.headers[..2], [("a".to_owned(), None), ("a".to_owned(), Some(vec![0]))]);
    assert_eq!((&empty.key, &empty.payload), (&Some(vec![0xff, 0]), &Some(vec![])));
    assert_eq!(binary.partition, empty.partition, "one key, one partition");
    assert_eq!(stage.records(&stage.topic).len(), 0);
}

#[test]
fn letters_are_sent_in_batches_and_up_to_the_limit() {
    let mut stage = Stage::new();
    stage.execute(&format!(
        "INSERT INTO dead_letters (topic, generation, partition, \"offset\", reason, detail, payload)
         SELECT '{}', 0, 1, n, 'not_json', '', convert_to(n::text, 'UTF8')
         FROM generate_series(0, 1200) AS n",
        stage.topic
    ));
    let limited = ["replay", "--limit", "700", "--execute"];
    stage.letters(&limited).expect(0, &["sent 700 letters", "more than --limit letters match"]);
    stage.letters(&limited).expect(0, &["sent 501 letters", "left out: 700 replayed before"]);
    let payloads: Vec<Vec<u8>> =
        stage.records(&stage.topic).into_values().map(|record| record.payload.unwrap()).collect();
    let expected: Vec<Vec<u8>> = (0..=1200).map(|n: i32| n.to_string().into_bytes()).collect();
    assert_eq!(payloads, expected, "each once, in the order of its log");
}

#[test]
fn what_cannot_be_done_is_said_and_leaves_nothing_behind() {
    let mut stage = Stage::new();
    stage.insert_letters(&["{", "["]);
    let two = [stage.letter(0), stage.letter(1)];
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    for (arguments, said) in [
        (&["--to", "no_such_topic"][..], "topic no_such_topic does not exist; create it"),
        (&["--payload", file], "--payload corrects one letter, but 2 are selected"),
        (&[&two[0], &two[1], "--payload", file], "but 2 are selected"),
        (&[&two[0], "--payload", "/no/such/file"], "cannot read the payload from /no/such/file"),
        (&["t/0/0/5"], "there is no dead letter t/0/0/5"),
        (&["--kafka-properties", "nonsense"], "KAFKA_PROPERTIES: item 1"),
    ] {
        let arguments = [&["replay", "--execute"], arguments].concat();
        stage.letters(&arguments).expect(1, &[said]);
    }
    // A broker that takes no record as large as this one.
    stage.execute(&format!(
        "UPDATE dead_letters SET payload = convert_to(repeat('x', 3000000), 'UTF8')
         WHERE topic = '{}' AND \"offset\" = 1",
        stage.topic
    ));
    let too_large = stage.letters(&["replay", "--execute"]).expect(1, &["2 letters were not sent"]);
    assert!(too_large.stderr.to_lowercase().contains("too large"), "{}", too_large.stderr);
    assert_eq!(stage.number("SELECT COUNT(*) FROM dead_letter_replays"), 0);
    assert_eq!(stage.records(&stage.topic).len(), 0, "all of a batch, or none");

    let locking = "SELECT pg_advisory_lock(x'7265706c6179'::bigint)";
    stage.with_other_session(locking, || {
        stage
            .letters(&["replay", "--execute"])
            .expect(1, &["another replay or an erasure is running", "pg_terminate_backend("]);
        stage.letters(&["replay"]).expect(0, &["would send 2 letters"]);
    });
    stage.letters(&["replay", &two[0], "--execute"]).expect(0, &["sent 1 letters"]);
}
