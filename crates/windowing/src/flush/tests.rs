//! Every transition of the protocol, and the rows that a flush stores.

use event_model::EventView;

use super::*;
use crate::results::LedgerRow;
use crate::testing::at;
use crate::{Counters, Groups, Position, Window};
use crate::{GroupKey, Totals};

use FlushAction::{Done, LockPositions, StoreAndCommit};
use FlushAnswer::{Committed, Failed, Locked, Refused};

const EPOCH: i64 = 3;

/// A partition that has read on-time events from `from` to `to`, one a minute, or nothing.
fn part(partition: i32, from: i64, to: i64) -> FlushPart {
    let stored = Progress { epoch: EPOCH, ..Progress::starting_at(Position::at(from)) };
    let mut new = stored.clone();
    new.next = Position::at(to);
    new.counters = Counters { on_time: to - from, ..Counters::default() };
    let mut delta = Delta::default();
    for offset in from..to {
        delta.on_time.add_event(&event("call", "Almaty", at(offset, 0)));
    }
    FlushPart {
        partition,
        incarnation: 100 + u64::from(partition.unsigned_abs()),
        stored,
        new,
        delta,
        log_is_known: true,
        log_is_verified: true,
        awaited: None,
        is_news: false,
    }
}

/// Its position does not move, but it has a reason to halt.
fn touched(partition: i32, position: i64) -> FlushPart {
    let mut part = part(partition, position, position);
    part.new.halted_reason = Some("overtaken".to_owned());
    part
}

fn event(event_type: &str, region: &str, event_time: EventTime) -> EventView<'static> {
    EventView {
        duration_seconds: 60,
        data_micro_mb: 1_500_000,
        amount_micro_tenge: 250_000,
        ..EventView::new(event_type.to_owned(), region.to_owned(), event_time)
    }
}

fn row(partition: i32, position: i64) -> LockedRow {
    let counters = Counters::default();
    LockedRow { partition, generation: 0, position, epoch: EPOCH, fingerprint: None, counters }
}

/// The locked rows with these positions, by partition.
fn locked(rows: &[(i32, i64)]) -> FlushAnswer {
    Locked(rows.iter().map(|(partition, position)| row(*partition, *position)).collect())
}

fn refused(index: usize, reason: &str) -> FlushAnswer {
    Refused(vec![(index, reason.to_owned())])
}

fn begin(parts: Vec<FlushPart>) -> FlushProtocol {
    FlushProtocol::new(FlushBatch { parts }, Vec::new())
}

/// Gives the answers, and checks what is to be done first and after each; then what became of the
/// parts.
fn check(
    name: &str,
    parts: Vec<FlushPart>,
    first: FlushAction,
    script: &[(FlushAnswer, FlushAction)],
    outcomes: &[PartOutcome],
) {
    let mut protocol = begin(parts);
    assert_eq!(protocol.start(), first, "{name}");
    for (step, (answer, expected)) in script.iter().enumerate() {
        assert_eq!(protocol.next(answer.clone()), *expected, "{name}, answer {step}: {answer:?}");
    }
    let report = protocol.into_report();
    let found: Vec<_> = report.parts.into_iter().map(|part| part.outcome).collect();
    assert_eq!(found, outcomes, "{name}");
}

fn store(rows: &[(i32, i64)]) -> (FlushAnswer, FlushAction) {
    (locked(rows), StoreAndCommit)
}

const STORED: (FlushAnswer, FlushAction) = (Committed, Done);
const FAILED: (FlushAnswer, FlushAction) = (Failed, LockPositions);

#[test]
fn a_large_flush_that_takes_too_long_is_given_up_and_a_small_one_is_tried_again() {
    // A minute for each record, and a row of the ledger for each 15 of them.
    let small = SMALL_FLUSH_ROWS as i64 * 15 / 16;
    let large = small + 1;
    let rows = |records| part(0, 0, records).delta.row_count();
    assert!(rows(small) <= SMALL_FLUSH_ROWS && SMALL_FLUSH_ROWS < rows(large));
    let outcomes = [PartOutcome::TooLarge];
    for answers in [vec![], vec![store(&[(0, 0)])]] {
        let script = [answers, vec![(FlushAnswer::TimedOut, Done)]].concat();
        check("large", vec![part(0, 0, large)], LockPositions, &script, &outcomes);
    }
    let again = (FlushAnswer::TimedOut, LockPositions);
    let script = [store(&[(0, 0)]), again, store(&[(0, 0)]), STORED];
    check("small", vec![part(0, 0, small)], LockPositions, &script, &[PartOutcome::Committed]);
}

#[test]
fn a_flush_with_nothing_to_write_is_done_at_once() {
    check("empty", vec![], Done, &[], &[]);
    check("idle", vec![part(0, 5, 5)], Done, &[], &[PartOutcome::Unneeded]);
}

#[test]
fn a_part_behind_an_open_transaction_is_written_now_and_then() {
    let [low, next, high] = [0, 7, 9].map(Position::at);
    let ends = |second, stable| LogEnds { low, stable, high, asked_at: at(0, second) };
    let awaited = |second| Some(AwaitedEnd { ends: ends(0, next), looked_at: at(0, second) });
    // awaited, where the broker says that a transaction is open, whether it is written
    for (awaited, stable, is_written) in [
        (None, next, true),
        (awaited(10), next, false),
        (awaited(5), next, true),
        // There is something to read.
        (None, high, false),
    ] {
        let part = FlushPart { awaited, ..part(0, 7, 7) };
        let batch = FlushBatch { parts: vec![part] };
        let protocol = FlushProtocol::new(batch, vec![(0, ends(10, stable))]);
        let expected = if is_written { LockPositions } else { Done };
        assert_eq!(protocol.start(), expected, "{awaited:?} {stable:?}");
    }
}

#[test]
fn a_part_is_stored_only_if_its_row_is_as_expected() {
    let stored = vec![PartOutcome::Committed];
    check("as expected", vec![part(0, 5, 7)], LockPositions, &[store(&[(0, 5)]), STORED], &stored);

    let expected = row(0, 5);
    let others = Counters { late: 1, ..Counters::default() };
    let other = Some(Fingerprint { offset: 4, timestamp_ms: None, crc: 7 });
    let table = [
        ("somebody went on", vec![LockedRow { position: 7, ..expected }]),
        ("the database was restored", vec![LockedRow { position: 4, ..expected }]),
        ("it came back by way of another log", vec![LockedRow { fingerprint: other, ..expected }]),
        ("or with other settings", vec![LockedRow { counters: others, ..expected }]),
        ("another epoch", vec![LockedRow { epoch: EPOCH + 1, ..expected }]),
        ("another generation", vec![LockedRow { generation: 1, ..expected }]),
        ("another partition", vec![LockedRow { partition: 1, ..expected }]),
        ("no row", vec![]),
    ];
    for (name, rows) in table {
        let script = [(Locked(rows), Done)];
        check(name, vec![part(0, 5, 7)], LockPositions, &script, &[PartOutcome::Fenced]);
    }
}

#[test]
fn after_a_failure_the_same_position_means_not_stored_and_it_is_stored_again() {
    let table = [
        ("before the lock", vec![FAILED, FAILED, store(&[(0, 5)]), STORED]),
        ("after the lock", vec![store(&[(0, 5)]), FAILED, store(&[(0, 5)]), STORED]),
    ];
    for (name, script) in table {
        let outcomes = [PartOutcome::Committed];
        check(name, vec![part(0, 5, 7)], LockPositions, &script, &outcomes);
    }
}

#[test]
fn after_a_failure_another_position_means_stored_or_lost_and_it_is_fenced() {
    for (name, found) in [("our own commit", 7), ("somebody else's", 6), ("a restored one", 2)] {
        let script = [store(&[(0, 5)]), FAILED, (locked(&[(0, found)]), Done)];
        check(name, vec![part(0, 5, 7)], LockPositions, &script, &[PartOutcome::Fenced]);
    }
}

#[test]
fn a_part_that_does_not_move_is_written_again_after_a_failure() {
    let script = [store(&[(0, 5)]), FAILED, store(&[(0, 5)]), STORED];
    check("touched", vec![touched(0, 5)], LockPositions, &script, &[PartOutcome::Committed]);
    let script = [(locked(&[(0, 6)]), Done)];
    check("touched, moved", vec![touched(0, 5)], LockPositions, &script, &[PartOutcome::Fenced]);
}

#[test]
fn fenced_parts_are_left_out_and_the_rest_goes_on() {
    let parts = vec![part(0, 5, 7), part(1, 5, 7), part(2, 5, 5), part(3, 5, 7)];
    let mut protocol = begin(parts.clone());
    let pending: Vec<_> = protocol.pending().map(|part| part.partition).collect();
    assert_eq!(pending, [0, 1, 3]);
    assert_eq!(protocol.next(locked(&[(0, 5), (1, 6), (3, 5)])), StoreAndCommit);
    let matching: Vec<_> = protocol.matching().map(|(i, part)| (i, part.partition)).collect();
    assert_eq!(matching, [(0, 0), (3, 3)]);
    assert_eq!(protocol.merged_rows().on_time.iter().map(|(_, t)| t.events).sum::<i64>(), 4);
    let pending: Vec<_> = protocol.pending().map(|part| part.partition).collect();
    assert_eq!(pending, [0, 3], "decided parts are not locked again");

    use PartOutcome::{Committed, Fenced, Unneeded};
    let rest = [Committed, Fenced, Unneeded, Committed];
    let script = [store(&[(0, 5), (1, 6), (3, 5)]), STORED];
    check("at first", parts.clone(), LockPositions, &script, &rest);
    let later = [Committed, Fenced, Unneeded, Fenced];
    let script = [store(&[(0, 5), (1, 6), (3, 5)]), FAILED, store(&[(0, 5), (3, 7)]), STORED];
    check("after a failure", parts, LockPositions, &script, &later);
}

#[test]
fn of_a_refused_part_only_the_reason_is_stored_beside_its_old_position() {
    let parts = vec![part(0, 5, 7), part(1, 5, 8)];
    let mut protocol = begin(parts.clone());
    protocol.next(locked(&[(0, 5), (1, 5)]));
    assert_eq!(protocol.next(refused(0, "23514")), LockPositions);
    assert_eq!(protocol.next(locked(&[(0, 5), (1, 5)])), StoreAndCommit);

    let to_store: Vec<_> = protocol.matching().map(|(_, part)| part.clone()).collect();
    let only_reason =
        Progress { halted_reason: Some("23514".to_owned()), ..parts[0].stored.clone() };
    assert_eq!(to_store[0].new, only_reason);
    assert!(!to_store[0].moves());
    assert!(to_store[0].delta.on_time.is_empty());
    assert_eq!(to_store[1].new, parts[1].new, "the other part is whole");
    assert_eq!(protocol.merged_rows().ledger.iter().map(|row| row.on_time).sum::<i64>(), 3);

    assert_eq!(protocol.next(Committed), Done);
    let report = protocol.into_report();
    assert_eq!(report.parts[0].as_stored, only_reason);
    assert_eq!(report.parts[0].outcome, PartOutcome::Refused("23514".to_owned()));
    assert_eq!(report.parts[1].outcome, PartOutcome::Committed);
}

#[test]
fn a_refused_part_is_compared_again_like_any_other() {
    let refusal = PartOutcome::Refused("23514".to_owned());
    let ask = || store(&[(0, 5)]);
    let refuse = || (refused(0, "23514"), LockPositions);
    let table = [
        (
            "then somebody moved it",
            vec![ask(), refuse(), (locked(&[(0, 6)]), Done)],
            PartOutcome::Fenced,
        ),
        ("then failed", vec![ask(), refuse(), ask(), FAILED, ask(), STORED], refusal),
    ];
    for (name, script, outcome) in table {
        check(name, vec![part(0, 5, 7)], LockPositions, &script, &[outcome]);
    }
}

#[test]
fn a_part_whose_reason_is_refused_too_is_done_with() {
    let script = [
        store(&[(0, 5), (1, 5)]),
        (refused(1, "first"), LockPositions),
        store(&[(0, 5), (1, 5)]),
        (refused(1, "second"), LockPositions),
        store(&[(0, 5)]),
        STORED,
    ];
    let outcomes = [PartOutcome::Committed, PartOutcome::Refused("second".to_owned())];
    check("beside another", vec![part(0, 5, 7), part(1, 5, 7)], LockPositions, &script, &outcomes);

    let script = [
        store(&[(0, 5)]),
        (refused(0, "1"), LockPositions),
        store(&[(0, 5)]),
        (refused(0, "2"), Done),
    ];
    let outcomes = [PartOutcome::Refused("2".to_owned())];
    check("alone", vec![part(0, 5, 7)], LockPositions, &script, &outcomes);
}

#[test]
fn a_flush_that_is_given_up_counts_as_fenced() {
    use PartOutcome::{Fenced, Unneeded};
    let parts = || vec![part(0, 5, 7), part(1, 5, 5)];
    let table = [
        ("before the lock", vec![]),
        ("in doubt", vec![store(&[(0, 5)]), FAILED]),
        (
            "before the reason is stored",
            vec![store(&[(0, 5)]), (refused(0, "23514"), LockPositions)],
        ),
    ];
    for (name, script) in table {
        check(name, parts(), LockPositions, &script, &[Fenced, Unneeded]);
    }
}

#[test]
fn a_report_names_each_part_its_assignment_and_its_row() {
    let parts = vec![part(0, 5, 7), part(3, 2, 2)];
    let expected: Vec<_> =
        parts.iter().map(|part| (part.partition, part.incarnation, part.new.clone())).collect();
    let report = begin(parts).into_report();
    let found = report.parts.into_iter().map(|p| (p.partition, p.incarnation, p.as_stored));
    let found: Vec<_> = found.collect();
    assert_eq!(found, expected);
}

#[test]
fn a_part_that_does_not_move_is_written_only_for_what_is_worth_it() {
    let caught_up = |at: EventTime| Progress {
        caught_up_at: Some(at),
        ..Progress::starting_at(Position::at(5))
    };
    let none = Progress::starting_at(Position::at(5));
    let halted = Progress { halted_reason: Some("stuck".to_owned()), ..none.clone() };
    let end_seen = Progress { log_end_seen: Some(Position::at(9)), ..none.clone() };
    let just_under = at(0, 5).plus_micros(-1);
    let table = [
        ("nothing", none.clone(), none.clone(), false),
        ("an end of the log", none.clone(), end_seen, false),
        ("caught up for the first time", none.clone(), caught_up(at(0, 0)), true),
        ("caught up a little later", caught_up(at(0, 0)), caught_up(just_under), false),
        ("caught up a step later", caught_up(at(0, 0)), caught_up(at(0, 5)), true),
        ("halted", none.clone(), halted.clone(), true),
        ("still halted", halted.clone(), halted.clone(), false),
        ("not halted any more", halted, none, true),
    ];
    for (name, stored, new, is_needed) in table {
        let part = FlushPart {
            partition: 0,
            incarnation: 1,
            stored,
            new,
            delta: Delta::default(),
            log_is_known: true,
            log_is_verified: true,
            awaited: None,
            is_news: false,
        };
        let first = if is_needed { LockPositions } else { Done };
        assert_eq!(begin(vec![part]).start(), first, "{name}");
    }
}

#[test]
fn a_partition_is_caught_up_when_the_log_ends_where_its_flush_ends() {
    let table = [
        // low, stable, high, caught up
        (0, 7, 7, true),
        (0, 8, 8, false),
        (7, 7, 7, true),
        (0, 6, 6, false),
        // A transaction is open: what is in it and behind it belongs to the log.
        (0, 7, 8, false),
    ];
    for (low, stable, high, is_caught_up) in table {
        let [low, stable, high] = [low, stable, high].map(Position::at);
        let ends = LogEnds { low, stable, high, asked_at: at(9, 0) };
        let mut part = part(0, 5, 7);
        part.new.log_end_seen = Some(Position::at(7));
        let batch = FlushBatch { parts: vec![part] };
        let report = FlushProtocol::new(batch, vec![(0, ends)]).into_report();
        let new = &report.parts[0].as_stored;
        assert_eq!(new.caught_up_at, is_caught_up.then_some(at(9, 0)), "{ends:?}");
        assert_eq!(new.log_end_seen, Some(high.max(Position::at(7))), "the highest ever seen");
        assert_eq!(report.log_ends, [(0, ends)]);
    }
}

#[test]
fn merged_rows_hold_each_key_once_in_the_order_of_all_writers() {
    let delta = |on_time: &[(&str, &str, i64)], late: &[(&str, &str, i64)]| {
        let groups = |events: &[(&str, &str, i64)]| {
            let mut groups = Groups::default();
            for (event_type, region, minute) in events {
                groups.add_event(&event(event_type, region, at(*minute, 7)));
            }
            groups
        };
        Delta { on_time: groups(on_time), late: groups(late), ..Delta::default() }
    };
    let mut parts = [part(0, 0, 0), part(1, 0, 0)];
    parts[0].delta = delta(
        &[
            ("sms", "Almaty", 14),
            ("call", "Taraz", 14),
            ("call", "Taraz", 14),
            ("call", "Taraz", 15),
        ],
        &[("call", "Taraz", 1)],
    );
    parts[1].delta = delta(
        &[("call", "Taraz", 14), ("call", "Almaty", 14), ("call", "Almaty", 30)],
        &[("call", "Taraz", 1), ("call", "Taraz", 14)],
    );
    let rows = MergedRows::of(parts.iter());

    let flat = |rows: &[(&GroupKey, Totals)]| -> Vec<(i64, String, String, i64)> {
        let minute = |window: Window| (window.start().micros() - at(0, 0).micros()) / 60_000_000;
        rows.iter()
            .map(|(key, totals)| {
                assert_eq!(totals.duration_seconds, 60 * totals.events);
                assert_eq!(totals.data_micro_mb, 1_500_000 * i128::from(totals.events));
                assert_eq!(totals.amount_micro_tenge, 250_000 * i128::from(totals.events));
                (
                    minute(key.window),
                    key.event_type.to_string(),
                    key.region.to_string(),
                    totals.events,
                )
            })
            .collect()
    };
    let expected = |rows: &[(i64, &str, &str, i64)]| -> Vec<(i64, String, String, i64)> {
        rows.iter().map(|(m, t, r, n)| (*m, (*t).to_owned(), (*r).to_owned(), *n)).collect()
    };
    assert_eq!(
        flat(&rows.on_time),
        expected(&[
            (14, "call", "Almaty", 1),
            (14, "call", "Taraz", 3),
            (14, "sms", "Almaty", 1),
            (15, "call", "Taraz", 1),
            (30, "call", "Almaty", 1),
        ])
    );
    assert_eq!(flat(&rows.late), expected(&[(1, "call", "Taraz", 2), (14, "call", "Taraz", 1)]));
    let ledger = |partition, quarter_start, on_time, late| LedgerRow {
        generation: 0,
        partition,
        quarter_start,
        on_time,
        late,
    };
    assert_eq!(
        rows.ledger,
        [
            ledger(0, at(0, 0), 3, 1),
            ledger(0, at(15, 0), 1, 0),
            ledger(1, at(0, 0), 2, 2),
            ledger(1, at(30, 0), 1, 0),
        ]
    );
}
