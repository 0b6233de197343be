//! What is planned, as tables.

use super::*;
use crate::halt::{Passing, Resume};

const TOPIC: &str = "t";

fn key(generation: i32) -> Key {
    Key { partition: 0, generation }
}

fn record(offset: i64) -> Fingerprint {
    Fingerprint { offset, timestamp_ms: Some(offset), crc: 7 }
}

/// A generation that began at 0 and holds an event at each offset before `next`.
fn row(generation: i32, next: i64) -> Row {
    Row {
        key: key(generation),
        first: Position::at(0),
        next: Position::at(next),
        counted: Counted { events: next, dead: 0 },
        fingerprint: (next > 0).then(|| record(next - 1)),
        origin: (next > 0).then(|| record(0)),
    }
}

fn reached(position: i64, events: i64) -> Reached {
    Reached {
        position: Position::at(position),
        counted: Some(Counted { events, dead: 0 }),
        mark: (position > 0).then(|| Mark::of(record(position - 1))),
        origin: Some(Mark::print(record(0))),
    }
}

fn versions(reached: &[(i32, Reached)]) -> Versions {
    reached.iter().flat_map(|(generation, one)| one.write(TOPIC, key(*generation))).collect()
}

/// One word for each partition's part of a plan.
fn words(plan: &Plan) -> Vec<String> {
    let moves =
        plan.moves.iter().map(|(key, to)| format!("move {} to {}", key.generation, to.position));
    let reads = plan.tasks.iter().map(|task| {
        format!("read {} from {} to {}", task.key.generation, task.from.position, task.to)
    });
    let ahead = plan.ahead.iter().map(|(key, lake, warehouse)| {
        format!("ahead {} at {lake}, not {warehouse}", key.generation)
    });
    let waiting = plan.waiting.iter().map(|(key, trouble)| match trouble {
        Trouble::Halt(halt) => format!("halt {} {}", key.generation, halt.code()),
        Trouble::Passing(_) => format!("wait {}", key.generation),
    });
    moves.chain(reads).chain(ahead).chain(waiting).collect()
}

#[test]
fn what_is_planned_depends_on_where_both_stand() {
    let control_only = Row { next: Position::at(9), ..row(0, 5) };
    let nothing_counted =
        Row { counted: Counted::default(), fingerprint: None, origin: None, ..row(0, 4) };
    let unknown = Reached { counted: None, ..reached(5, 0) };
    for (name, rows, lake, expected) in [
        ("both at the beginning", vec![row(0, 0)], vec![], vec![]),
        ("the lake has nothing", vec![row(0, 5)], vec![], vec!["read 0 from 0 to 5"]),
        ("both stand alike", vec![row(0, 5)], vec![(0, reached(5, 5))], vec![]),
        (
            "the warehouse is ahead",
            vec![row(0, 5)],
            vec![(0, reached(2, 2))],
            vec!["read 0 from 2 to 5"],
        ),
        (
            "the lake is ahead",
            vec![row(0, 5)],
            vec![(0, reached(7, 7))],
            vec!["ahead 0 at 7, not 5"],
        ),
        (
            "control records alone",
            vec![control_only],
            vec![(0, reached(5, 5))],
            vec!["move 0 to 9"],
        ),
        ("control records from the beginning", vec![nothing_counted], vec![], vec!["move 0 to 4"]),
        (
            "control records, counters unknown",
            vec![control_only],
            vec![(0, unknown)],
            vec!["move 0 to 9"],
        ),
        ("counters unknown", vec![row(0, 8)], vec![(0, unknown)], vec!["read 0 from 5 to 8"]),
        (
            "over, and archived",
            vec![row(1, 3), row(0, 5)],
            vec![(0, reached(5, 5))],
            vec!["read 1 from 0 to 3"],
        ),
        (
            "over, a gap at its end",
            vec![Row { next: Position::at(9), ..row(0, 5) }, row(1, 3)],
            { vec![(0, reached(5, 5))] },
            vec!["move 0 to 9", "read 1 from 0 to 3"],
        ),
        (
            "over too soon",
            vec![row(0, 5), row(1, 3)],
            vec![(0, reached(4, 4))],
            vec!["halt 0 sealed"],
        ),
        (
            "another log, by its first record",
            vec![Row { origin: Some(record(1)), ..row(0, 5) }],
            { vec![(0, reached(7, 7))] },
            vec!["halt 0 another_log"],
        ),
        ("ahead in a life that is over", vec![row(0, 5), row(1, 3)], vec![(0, reached(7, 7))], {
            vec!["halt 0 incomparable"]
        }),
        (
            "the warehouse has forgotten a generation",
            vec![row(0, 5)],
            { vec![(0, reached(2, 2)), (1, reached(3, 3))] },
            vec!["halt 0 rolled_back"],
        ),
        (
            "… and is still before the lake",
            vec![row(0, 5)],
            { vec![(0, reached(7, 7)), (1, reached(3, 3))] },
            vec!["ahead 0 at 7, not 5"],
        ),
        (
            "level, but by another record",
            vec![row(0, 5)],
            { vec![(0, Reached { mark: Some(Mark { offset: 4, print: 1 }), ..reached(5, 5) })] },
            vec!["halt 0 another_log"],
        ),
        (
            "over, and another log",
            vec![Row { origin: Some(record(1)), ..row(0, 5) }, row(1, 3)],
            { vec![(0, reached(7, 7))] },
            vec!["halt 0 sealed"],
        ),
    ] {
        let plan = Follower::default().plan(TOPIC, &rows, &versions(&lake));
        assert_eq!(words(&plan), expected, "{name}");
    }
}

#[test]
fn each_partition_is_planned_for_itself() {
    let other = Row { key: Key { partition: 1, generation: 0 }, ..row(0, 6) };
    let lake = versions(&[(0, reached(7, 7))]);
    let plan = Follower::default().plan(TOPIC, &[other, row(0, 5)], &lake);
    assert_eq!(words(&plan), ["read 0 from 0 to 6", "ahead 0 at 7, not 5"]);
    assert_eq!(plan.tasks[0].key.partition, 1);
}

#[test]
fn what_failed_is_left_out_until_something_has_changed() {
    let mut follower = Follower::default();
    let lake = versions(&[(0, reached(2, 2))]);
    let task = |follower: &Follower, next| {
        follower.plan(TOPIC, &[row(0, next)], &lake).tasks.first().cloned()
    };
    let first = task(&follower, 5).unwrap();
    follower.set_aside(&first, Trouble::Passing(Passing::Silent { at: Position::at(3) }));
    assert_eq!(task(&follower, 5), None);
    assert!(task(&follower, 6).is_some(), "the warehouse has gone on");
    follower.try_again();
    assert!(task(&follower, 5).is_some(), "time has passed");

    let halt = Halt::Overtaken { from: Position::at(2), to: Position::at(3) };
    follower.set_aside(&first, Trouble::Halt(halt));
    follower.try_again();
    assert_eq!(task(&follower, 9), None, "an operator must say");
    let accepted = halt.accepted(first.from, None).unwrap();
    let lake = versions(&[(0, accepted.reached)]);
    assert_eq!(words(&follower.plan(TOPIC, &[row(0, 9)], &lake)), ["read 0 from 3 to 9"]);
}

#[test]
fn an_accepted_halt_loses_what_it_says_and_nothing_else() {
    let from = reached(2, 2);
    let [one, two, five] = [1, 2, 5].map(Position::at);
    let counted = Counted { events: 3, dead: 0 };
    let differ =
        Halt::CountsDiffer { expected: counted, found: counted, from: two, to: five, letters: 0 };
    let another = Halt::AnotherLog { offset: 1, first: Position::at(0) };
    for (halt, resume, position, lost_to) in [
        (Halt::Sealed { from: two, to: five }, None, five, five),
        (Halt::Overtaken { from: two, to: five }, None, five, five),
        (another, Some(Resume { position: one, mark: None }), one, two),
        (differ, None, two, two),
    ] {
        let accepted = halt.accepted(from, resume).unwrap();
        assert_eq!(
            (accepted.reached.position, accepted.reached.counted),
            (position, None),
            "{halt}"
        );
        assert_eq!(accepted.lost, (two, lost_to), "{halt}");
    }
    assert_eq!(another.accepted(from, None), None);
}
