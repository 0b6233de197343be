//! `replay` after a crash: what was marked is neither lost nor sent twice, wherever the crash came.
//!
//! Most tests build the state that a crash leaves: the marks in the database, and the records in the
//! topic. One kills the program itself.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use rdkafka::producer::{BaseProducer, Producer};
use sandbox::wait_until;
use sqlx::Row;

use crate::support::{Found, Stage, TIMEOUT, base_record, ended, plain, replayed};

/// Letters at offsets 0 and 1, marked as the first step of a replay to the stage's topic leaves them.
fn marked() -> Stage {
    let mut stage = Stage::new();
    stage.insert_letters(&["first", "second"]);
    // Something was in the topic before.
    stage.send(&stage.topic, &[plain("before"), replayed("another/0/0/0", 1)]);
    stage.execute(&format!(
        "INSERT INTO dead_letter_replays (topic, generation, partition, \"offset\", attempt, state,
             target, target_ends, replayed_by)
         SELECT topic, generation, partition, \"offset\", 1, 'replaying', topic, '[[0, 2], [1, 0]]', 'x'
         FROM dead_letters WHERE topic = '{}'",
        stage.topic
    ));
    stage
}

/// Both letters are there once, and the database says so.
#[track_caller]
fn check_settled(stage: &mut Stage) {
    let mut arrivals = stage.arrivals(&stage.topic);
    arrivals.remove("another/0/0/0");
    let both = BTreeMap::from([0, 1].map(|offset| (stage.letter(offset), 1)));
    assert_eq!(arrivals, both);
    let states =
        "SELECT COUNT(*) FROM dead_letter_replays WHERE state = 'replayed' AND attempt = 1";
    assert_eq!(stage.number(states), 2);
    assert_eq!(stage.number("SELECT COUNT(*) FROM dead_letter_replays"), 2);
}

const SETTLE: [&str; 2] = ["replay", "--execute"];

#[test]
fn a_crash_between_marking_and_sending_is_settled_by_sending() {
    let mut stage = marked();
    stage.letters(&["replay"]).expect(0, &["2 letters of an interrupted replay would be settled"]);
    assert_eq!(stage.arrivals(&stage.topic).len(), 1, "a dry run settles nothing");
    stage.letters(&SETTLE).expect(0, &["0 letters had arrived, 2 had not", "sent 0 letters"]);
    check_settled(&mut stage);
    stage.letters(&SETTLE).expect(0, &["sent 0 letters"]);
    check_settled(&mut stage);
}

#[test]
fn a_crash_between_sending_and_marking_is_settled_by_marking() {
    let mut stage = marked();
    let [first, second] = [0, 1].map(|offset| replayed(&stage.letter(offset), 1));
    stage.send(&stage.topic, &[first, Found { partition: 1, ..second }]);
    stage.letters(&SETTLE).expect(0, &["2 letters had arrived, 0 had not", "sent 0 letters"]);
    check_settled(&mut stage);
}

#[test]
fn each_letter_is_settled_by_itself_and_by_its_own_attempt() {
    let stage = marked();
    let [first, second] = [0, 1].map(|offset| stage.letter(offset));
    // The second sending of the other letter is not its first.
    stage.send(&stage.topic, &[replayed(&first, 1), replayed(&second, 2)]);
    stage.letters(&SETTLE).expect(0, &["1 letters had arrived, 1 had not"]);
    let arrivals = stage.arrivals(&stage.topic);
    assert_eq!((arrivals[&first], arrivals[&second]), (1, 2));
}

#[test]
fn the_corrected_payload_of_an_interrupted_run_is_sent() {
    let mut stage = marked();
    stage.execute(
        "UPDATE dead_letter_replays SET corrected_payload = 'corrected' WHERE \"offset\" = 1",
    );
    stage.letters(&SETTLE).expect(0, &["0 letters had arrived, 2 had not"]);
    let sent: Vec<_> = stage.records(&stage.topic).into_values().skip(2).collect();
    assert_eq!(sent[0].payload.as_deref(), Some(&b"first"[..]));
    assert_eq!(sent[1].payload.as_deref(), Some(&b"corrected"[..]));
    check_settled(&mut stage);
}

#[test]
fn a_run_taken_for_dead_is_fenced_and_what_it_had_not_committed_never_arrives() {
    let mut stage = marked();
    let name: String = stage.rows("SELECT transactional_id FROM replay_identity")[0].get(0);
    let zombie: BaseProducer = stage.config().set("transactional.id", name).create().unwrap();
    zombie.init_transactions(TIMEOUT).unwrap();
    zombie.begin_transaction().unwrap();
    let half = replayed(&stage.letter(0), 1);
    zombie.send(base_record(&stage.topic, &half)).map_err(|(error, _)| error).unwrap();
    zombie.flush(TIMEOUT).unwrap();

    stage.letters(&SETTLE).expect(0, &["0 letters had arrived, 2 had not"]);
    assert!(zombie.commit_transaction(TIMEOUT).is_err(), "the zombie can still commit");
    check_settled(&mut stage);
}

#[test]
fn another_producer_s_open_transaction_hides_nothing() {
    let mut stage = marked();
    let other: BaseProducer =
        stage.config().set("transactional.id", &stage.topic).create().unwrap();
    other.init_transactions(TIMEOUT).unwrap();
    other.begin_transaction().unwrap();
    other.send(base_record(&stage.topic, &plain("open"))).map_err(|(error, _)| error).unwrap();
    other.flush(TIMEOUT).unwrap();
    // Behind the open transaction, where a reader of committed records does not come yet.
    let arrived = [0, 1].map(|offset| replayed(&stage.letter(offset), 1));
    stage.send(&stage.topic, &arrived);

    let mut settling = stage.start(&["dead-letters", "replay", "--execute"]);
    let log = BufReader::new(settling.stderr.take().unwrap()).lines();
    let mut waits = log.map(Result::unwrap).filter(|line| line.contains("waiting for another"));
    assert!(waits.next().is_some(), "it does not wait");
    other.commit_transaction(TIMEOUT).unwrap();
    assert_eq!(waits.count(), 0, "it says so once");
    let settled = ended(settling.wait_with_output().unwrap());
    settled.expect(0, &["2 letters had arrived, 0 had not"]);
    check_settled(&mut stage);
}

#[test]
fn where_the_records_to_search_are_gone_the_operator_decides() {
    for (answer, sent_again) in [("arrived", 0), ("resend", 1)] {
        let mut stage = marked();
        // The first had arrived and can be found, the second is not there.
        stage.send(&stage.topic, &[plain("lost"), plain("lost"), replayed(&stage.letter(0), 1)]);
        stage.delete_before(&stage.topic, 0, 3);
        let second = stage.letter(1);
        stage.letters(&SETTLE).expect(1, &["1 letters under way", &second, "--in-doubt resend"]);
        stage.letters(&SETTLE).expect(1, &["1 letters under way"]);
        let decided = [&SETTLE[..], &["--in-doubt", answer]].concat();
        stage.letters(&decided).expect(0, &["had arrived"]);
        let arrivals = stage.arrivals(&stage.topic);
        assert_eq!(arrivals[&stage.letter(0)], 1, "{answer}");
        assert_eq!(arrivals.get(&second).copied().unwrap_or(0), sent_again, "{answer}");
        assert_eq!(
            stage.number("SELECT COUNT(*) FROM dead_letter_replays WHERE state = 'replayed'"),
            2
        );
    }
}

#[test]
fn a_program_killed_again_and_again_sends_every_letter_once() {
    const LETTERS: i64 = 4_000;
    const KILLS: i64 = 6;
    let mut stage = Stage::new();
    stage.execute(&format!(
        "INSERT INTO dead_letters (topic, generation, partition, \"offset\", reason, detail, payload)
         SELECT '{}', 0, n % 2, n, 'not_json', '', 'x' FROM generate_series(1, {LETTERS}) AS n",
        stage.topic
    ));
    let marks = "SELECT COUNT(*) FROM dead_letter_replays";
    let run = ["dead-letters", "replay", "--execute", "--limit", "100000"];
    for _ in 0..KILLS {
        let before = stage.number(marks);
        let mut running = stage.start(&run);
        // From here on it is somewhere between its first mark and its end.
        wait_until("letters are marked", TIMEOUT, || {
            assert!(running.try_wait().unwrap().is_none(), "it ended by itself");
            stage.number(marks) > before
        })
        .unwrap();
        running.kill().unwrap();
        running.wait().unwrap();
    }
    stage.streamer(&run).expect(0, &["left out:"]);
    let arrivals = stage.arrivals(&stage.topic);
    assert_eq!(arrivals.len() as i64, LETTERS);
    assert!(arrivals.values().all(|times| *times == 1), "some arrived twice");
    let finished = "SELECT COUNT(*) FROM dead_letter_replays WHERE state = 'replayed'";
    assert_eq!(stage.number(finished), LETTERS);
}
