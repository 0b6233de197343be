//! `streamer erase`: a person goes from every table that names subscribers and from dead letters, whole or not at all
//! (I-9), and the accounting still holds.

use sandbox::wait_until;
use sqlx::Row;

use crate::support::{Found, Stage, TIMEOUT, plain};

/// Whom the tests erase, and somebody else whose identifier begins and ends alike.
const ERASED: &str = "00c0ffee00c0ffee";
const OTHER: &str = "00c0ffee00c0ffef";

/// What no erasure has heard of: tables of the schema persons, and rows about both.
const PERSONS: &str = "
    CREATE TABLE persons.cases (id INT PRIMARY KEY, subscriber_id TEXT NOT NULL, counterparty_id TEXT, evidence JSONB,
                                others TEXT[], opened_at TIMESTAMP DEFAULT now());
    CREATE TABLE persons.\"Odd name\" (subscriber_id TEXT NOT NULL, score DOUBLE PRECISION, voice BYTEA);
    CREATE TABLE persons.notes (of_case INT REFERENCES persons.cases ON DELETE CASCADE, note VARCHAR(100));
    INSERT INTO persons.cases VALUES
        (1, '00c0ffee00c0ffee', '00c0ffee00c0ffef', '{}', '{}'),
        (2, '00c0ffee00c0ffef', '00c0ffee00c0ffee', '{\"with\": \"x\\n00c0ffee00c0ffee\"}', '{00c0ffee00c0ffee,b}'),
        (3, '00c0ffee00c0ffef', NULL, '{\"with\": \"a00c0ffee00c0ffee\"}', NULL);
    INSERT INTO persons.\"Odd name\" VALUES ('00c0ffee00c0ffee', 1), ('00c0ffee00c0ffee', 2), ('00c0ffee00c0ffef', 3);
    INSERT INTO persons.notes VALUES (1, 'called back'), (2, 'knows 00c0ffee00c0ffee.')";

/// A database in which both have unusable records, counted by the streamer, and rows in `persons`.
fn counted() -> Stage {
    let mut stage = Stage::new();
    let event =
        |subscriber: &str| format!(r#"{{"event_type":"call","subscriber_id":"{subscriber}"}}"#);
    let with_key = Found { key: Some(ERASED.into()), ..plain("no JSON") };
    let header = ("from".to_owned(), Some(ERASED.as_bytes().to_vec()));
    let with_header = Found { headers: vec![header], ..plain("no JSON") };
    let records = [
        plain(&event(ERASED)),
        plain(&event(&ERASED.to_uppercase())),
        with_key,
        with_header,
        plain(&format!("\u{0}x{ERASED}0")),
        plain(&event(OTHER)),
        plain(r#"{"event_type":"call","region":"Osh","timestamp":"2025-11-09T14:30:45Z"}"#),
    ];
    stage.send(&stage.topic, &records);
    stage.drain();
    stage.execute(PERSONS);
    stage
}

/// All that an erasure may change, as one text.
fn everything(stage: &mut Stage) -> String {
    let rows = stage.rows(
        "SELECT string_agg(row, ' ' ORDER BY row) FROM (
             SELECT d::text AS row FROM dead_letters d UNION ALL SELECT r::text FROM dead_letter_replays r
             UNION ALL SELECT e::text FROM erasures e UNION ALL SELECT c::text FROM persons.cases c
             UNION ALL SELECT o::text FROM persons.\"Odd name\" o UNION ALL SELECT n::text FROM persons.notes n) AS rows",
    );
    rows[0].get(0)
}

/// The same, without what stands in it for good: the time of `erasures`, salts.
fn names(stage: &mut Stage, text: &str) -> bool {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let all = everything(stage).to_lowercase();
    // Where it is part of a longer word it is somebody else's.
    let all = all.replace(&format!("a{text}"), "");
    all.contains(text) || all.contains(&hex)
}

fn erase<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["erase", "--subscriber", ERASED, "--reason", "request 17"][..], more].concat()
}

#[test]
fn a_person_goes_from_every_table_and_the_accounting_holds() {
    let mut stage = counted();
    let before = everything(&mut stage);
    let counts = [
        "persons.cases: 1 rows deleted, 1 changed",
        "persons.Odd name: 2 rows deleted, 0 changed",
        "persons.notes: 0 rows deleted, 1 changed",
        "dead_letters: 5 emptied",
        "NOT LOOKED INTO: persons.\"Odd name\".voice (bytea)",
        // The topic has the broker's own settings.
        "keeps a record for 168 h",
    ];
    let said = [&["nothing is changed"][..], &counts].concat();
    stage.streamer(&erase(&["--dry-run"])).expect(0, &said);
    assert_eq!(everything(&mut stage), before, "a dry run changes nothing");

    let ended = stage.streamer(&erase(&[])).expect(0, &counts);
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(ERASED), "nor is it in a log");
    assert!(!names(&mut stage, ERASED), "{}", everything(&mut stage));
    assert!(names(&mut stage, OTHER));
    stage.streamer(&["verify"]).expect(0, &[]);
    assert_eq!(stage.number("SELECT COUNT(*) FROM dead_letters"), 6);
    assert_eq!(
        stage.number("SELECT COUNT(*) FROM dead_letters WHERE erasure = 1 AND payload IS NULL"),
        5
    );
    assert_eq!(
        stage.number("SELECT COUNT(*) FROM persons.cases WHERE counterparty_id = 'erased-1'"),
        1
    );
    assert_eq!(
        stage.number("SELECT COUNT(*) FROM persons.notes WHERE note = 'knows erased-1.'"),
        1
    );
    assert_eq!(
        stage.number(
            "SELECT COUNT(*) FROM persons.cases WHERE evidence->>'with' = 'a00c0ffee00c0ffee'"
        ),
        1
    );
    let row =
        &stage.rows("SELECT erased_by, reason, persons_rows::text, dead_letters FROM erasures")[0];
    assert_eq!((row.get::<&str, _>(0), row.get::<&str, _>(1)), ("the operator", "request 17"));
    assert!(row.get::<&str, _>(2).contains(r#""cases": {"changed": 1, "deleted": 1}"#));
    assert_eq!(row.get::<i64, _>(3), 5);

    // Again, after what Kafka still held has come: nothing is left, and it is known that it was done before.
    let again = ["erased before: erasure 1", "erasure 2", "dead_letters: 0 emptied"];
    stage.streamer(&erase(&[])).expect(0, &again);
}

#[test]
fn a_letter_that_was_emptied_is_shown_as_such_and_never_sent_again() {
    let stage = counted();
    stage.streamer(&erase(&[])).expect(0, &[]);
    let ended = stage.letters(&["list"]).expect(0, &["(erased)"]);
    assert_eq!(ended.stdout.matches("(erased)").count(), 5);
    let letter = stage.letter(0);
    stage.letters(&["show", &letter]).expect(0, &["by erasure 1", "missing"]);
    stage.letters(&["show", &letter, "--payload"]).expect(1, &["emptied by erasure 1"]);
    stage.letters(&["show", &letter, "--json"]).expect(0, &[r#""erasure":1"#]);
    let records = stage.records(&stage.topic).len();
    stage
        .letters(&["replay", &letter, "--execute"])
        .expect(0, &["sent 0 letters", "was emptied by"]);
    stage.letters(&["replay", "--execute"]).expect(0, &["sent 1 letters"]);
    // The letter, and the mark of its transaction is no record.
    assert_eq!(stage.records(&stage.topic).len(), records + 1);
}

#[test]
fn what_was_sent_in_place_of_a_letter_is_erased_with_it() {
    let mut stage = Stage::new();
    stage.insert_letters(&["first", "second"]);
    stage.execute(PERSONS);
    let sending = |state: &str, at: &str| {
        format!(
            "DELETE FROM dead_letter_replays;
             INSERT INTO dead_letter_replays (topic, generation, partition, \"offset\", attempt, state, target,
                 target_ends, corrected_payload, replayed_by, replayed_at)
             SELECT topic, 0, 0, 0, 1, '{state}', topic, '[]', 'of {ERASED}', 'x', {at} FROM dead_letters LIMIT 1"
        )
    };
    // Nobody knows yet whether it has to be sent again.
    stage.execute(&sending("replaying", "NULL"));
    let before = everything(&mut stage);
    let letter = stage.letter(0);
    stage.streamer(&erase(&[])).expect(1, &[&letter, "replay --execute", "Nothing is erased"]);
    assert_eq!(everything(&mut stage), before);

    stage.execute(&sending("replayed", "now()"));
    stage.streamer(&erase(&[])).expect(0, &["dead_letters: 1 emptied", "1 corrected payloads"]);
    assert!(!names(&mut stage, ERASED));
    assert_eq!(stage.number("SELECT COUNT(*) FROM dead_letters WHERE payload = 'second'"), 1);
}

#[test]
fn a_program_killed_at_any_point_leaves_all_or_nothing() {
    let mut stage = counted();
    let before = everything(&mut stage);
    // It waits for the first of these with the schema persons behind it, for the second with all but its own record.
    for lock in ["dead_letter_replays IN ACCESS EXCLUSIVE MODE", "erasures IN SHARE MODE"] {
        stage.execute(&format!("BEGIN; LOCK TABLE {lock}"));
        let mut running = stage.start(&erase(&[]));
        let waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'
                         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        wait_until("the erasure waits", TIMEOUT, || {
            assert!(running.try_wait().unwrap().is_none(), "it ended by itself");
            stage.number(waits) > 0
        })
        .unwrap();
        running.kill().unwrap();
        running.wait().unwrap();
        stage.execute("ROLLBACK");
        let sessions = "SELECT COUNT(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
                            AND datname = current_database()";
        wait_until("its session has gone", TIMEOUT, || stage.number(sessions) == 0).unwrap();
        assert_eq!(everything(&mut stage), before, "{lock}");
    }
    stage.streamer(&erase(&[])).expect(0, &["erasure 1"]);
    assert!(!names(&mut stage, ERASED));
}

#[test]
fn without_kafka_a_person_is_erased_and_what_it_holds_is_called_unknown() {
    let mut stage = counted();
    let mut command = stage.command(&erase(&[]));
    let output = command.env("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1").output().unwrap();
    crate::support::ended(output).expect(0, &["erasure 1", "NOT KNOWN"]);
    assert!(!names(&mut stage, ERASED));

    let named = ["erase", "--subscriber", ERASED, "--reason", "of 00C0FFEE00C0FFEE"];
    stage.streamer(&named).expect(1, &["must not name the identifier"]);
    let locking = "SELECT pg_advisory_lock(x'7265706c6179'::bigint)";
    stage.with_other_session(locking, || {
        stage.streamer(&erase(&[])).expect(1, &["a replay or another erasure is running"]);
    });
}
