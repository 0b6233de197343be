//! What a flush's look at the ends of the logs leads to: nothing, reading anew, or a halt.

use super::*;

impl Bench {
    /// One flush of which nothing is needed but the look at the log's ends, a little later.
    fn look_at(&mut self, partition: i32, ends: LogEnds) -> Vec<String> {
        self.now = self.now.plus_micros(STALL_AFTER_MICROS);
        self.apply(Input::FlushDue);
        self.finish(&PartOutcome::Committed, &[(partition, ends)])
    }
}

#[test]
fn a_partition_from_which_nothing_comes_is_read_anew_and_the_third_time_it_halts() {
    let mut bench = Bench::reading(WIDE, &[0]);
    let log = ends(0, 9);
    let halt = "halt 0: no record comes at offset 0 although the log goes on to 9; \
                reading was restarted 2 times";
    let looks: [&[&str]; 7] = [
        NOTHING.as_slice(), // the first look: something may have come since
        &[],                // nothing came
        &["read 0 from 0"], // … for long enough
        &[],
        &["read 0 from 0"],
        &[],
        &[halt, "flush 0:0→0"],
    ];
    for (look, effects) in looks.into_iter().enumerate() {
        assert_eq!(bench.look_at(0, log), effects, "look {look}");
    }
    assert_eq!(bench.commit(), NOTHING);
    assert_eq!(bench.read(0, 0), NOTHING);
}

#[test]
fn a_partition_that_moves_or_has_nothing_to_read_is_not_stuck() {
    let mut bench = Bench::reading(WIDE, &[0]);
    for offset in 0..8 {
        bench.read(0, offset);
        assert_eq!(bench.look_at(0, ends(0, 9)), NOTHING, "it moves");
    }
    for _ in 0..8 {
        assert_eq!(bench.look_at(0, ends(0, 8)), NOTHING, "it is at the end");
    }
    // Short of the time that makes it stuck, however many flushes there are.
    for _ in 0..8 {
        bench.apply(Input::FlushDue);
        assert_eq!(bench.finish(&PartOutcome::Unneeded, &[(0, ends(0, 9))]), NOTHING);
    }
}

#[test]
fn a_paused_partition_is_neither_stuck_nor_overtaken() {
    let mut bench = Bench::reading(WIDE.with(Limit::Groups, Size::items(1)), &[0, 1]);
    bench.read(0, 0);
    for offset in 1..9 {
        // Full: partition 1 waits although its log goes on, and even moves on without it.
        assert_eq!(bench.read(0, offset), ["pause"]);
        bench.now = bench.now.plus_micros(STALL_AFTER_MICROS);
        let effects = bench.finish(&PartOutcome::Committed, &[(1, ends(1, 9))]);
        assert_eq!(effects, [format!("flush 0:{offset}→{} 1:0→0", offset + 1), "resume".into()]);
    }
}

#[test]
fn a_partition_that_was_overtaken_while_nothing_came_halts() {
    let mut bench = Bench::reading(WIDE, &[0]);
    bench.read(0, 0);
    let overtaken = ends(5, 9);
    // The reader may hold these records already: they are not lost before it falls silent.
    assert_eq!(bench.look_at(0, overtaken), NOTHING);
    assert_eq!(bench.look_at(0, overtaken), NOTHING, "not for long enough");
    let halt = "halt 0: records were deleted from the log before they were read: lost are the \
                offsets from 1 to before 5; the log now reaches from 5 to before 9; \
                `streamer accept-gap` goes on in it";
    assert_eq!(bench.look_at(0, overtaken), [halt, "flush 0:1→1"]);
}

#[test]
fn a_log_that_ends_before_the_position_that_was_flushed_is_examined() {
    let mut bench = Bench::reading(WIDE, &[0]);
    for offset in 0..3 {
        bench.read(0, offset);
    }
    bench.apply(Input::FlushDue);
    bench.read(0, 3);
    let effects = bench.finish(&PartOutcome::Committed, &[(0, ends(0, 2))]);
    assert_eq!(effects, ["examine 0, origin Some(0)"]);
    assert_eq!(bench.read(0, 4), NOTHING, "of a log in doubt nothing is counted");
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:3→4"], "what was read before is stored");

    // Read after the broker was asked: that says nothing.
    let mut bench = Bench::reading(WIDE, &[0]);
    bench.apply(Input::FlushDue);
    bench.read(0, 0);
    assert_eq!(bench.finish(&PartOutcome::Unneeded, &[(0, ends(0, 0))]), NOTHING);
}

#[test]
fn a_refused_reset_looks_at_once_and_reads_anew_what_is_not_at_the_end() {
    let mut bench = Bench::reading(WIDE, &[0, 1]);
    bench.read(1, 0);
    assert_eq!(bench.apply(Input::ResetRefused), ["flush 0:0→0 1:0→1"]);
    let log_ends = [(0, ends(0, 9)), (1, ends(0, 1))];
    assert_eq!(bench.finish(&PartOutcome::Committed, &log_ends), ["read 0 from 0"]);
    // It was for that flush only.
    bench.apply(Input::FlushDue);
    assert_eq!(bench.finish(&PartOutcome::Unneeded, &log_ends), NOTHING);
}

#[test]
fn resets_refused_again_and_again_halt_only_the_partition_that_does_not_move() {
    let mut bench = Bench::reading(WIDE, &[0, 1]);
    let log_ends = [(0, ends(0, 40)), (1, ends(0, 40))];
    let halt = "halt 0: no record comes at offset 0 although the log goes on to 40; \
                reading was restarted 2 times";
    for time in 0..3 {
        // The fingerprint comes first when a log is read anew.
        bench.read(1, (time - 1).max(0));
        bench.read(1, time);
        bench.apply(Input::ResetRefused);
        let effects = bench.finish(&PartOutcome::Committed, &log_ends);
        let first = if time < 2 { "read 0 from 0" } else { halt };
        assert_eq!(effects[..2], [first.to_owned(), format!("read 1 from {time}")], "time {time}");
    }
}

/// Found by the simulation: a log that is cut and written on beyond the position refuses a position,
/// and has nothing else to show for it.
#[test]
fn a_log_that_is_read_anew_is_recognised_by_its_fingerprint_first() {
    let mut bench = Bench::reading(WIDE, &[0]);
    bench.read(0, 0);
    bench.read(0, 1);
    bench.apply(Input::ResetRefused);
    let effects = bench.finish(&PartOutcome::Committed, &[(0, ends(0, 9))]);
    assert_eq!(effects, ["read 0 from 1"]);
    let another = call(at(7, 7));
    let record = record(1, RecordTime::LogAppend(at(0, 0)), &another);
    let effects = bench.apply(Input::Record { partition: 0, record, now: at(0, 0) });
    assert_eq!(effects, ["examine 0, origin Some(0)"]);
}

#[test]
fn a_partition_that_stands_before_an_unreadable_batch_halts_with_that_reason() {
    let mut bench = Bench::reading(WIDE, &[0]);
    let log_ends = [(0, ends(0, 40))];
    bench.read(0, 0);
    let halt = "halt 0: the records from offset 1 on can't be read: they are damaged, or compressed \
                in a way that this program does not know";
    for time in 1..=3 {
        bench.apply(Input::BatchUnreadable);
        bench.apply(Input::ResetRefused);
        let outcome = if time == 1 { PartOutcome::Committed } else { PartOutcome::Unneeded };
        let effects = bench.finish(&outcome, &log_ends);
        let expected = if time < 3 { "read 0 from 0" } else { halt };
        assert_eq!(effects[0], expected, "time {time}");
    }
}

#[test]
fn a_partition_behind_an_open_transaction_is_not_stuck_and_the_records_in_it_come_later() {
    let mut bench = Bench::reading(WIDE, &[0]);
    bench.read(0, 0);
    for _ in 0..8 {
        assert_eq!(bench.look_at(0, open_ends(0, 1, 9)), NOTHING, "it is open");
    }
    // Ended: now there is something to read, and the look that finds it begins to wait.
    for effects in [NOTHING.as_slice(), &["read 0 from 0"]] {
        assert_eq!(bench.look_at(0, ends(0, 9)), effects);
    }
}

#[test]
fn a_position_in_an_open_transaction_is_beyond_the_end_of_what_was_ever_shown() {
    let mut bench = Bench::new(WIDE);
    bench.apply(Input::Assigned(&[0]));
    let effects = bench.load_row(0, stored_at(5), open_ends(0, 4, 9));
    assert_eq!(effects, ["examine 0, origin None"]);

    let mut bench = Bench::reading(WIDE, &[0]);
    bench.read(0, 0);
    bench.read(0, 1);
    assert_eq!(bench.look_at(0, open_ends(0, 1, 9)), ["examine 0, origin Some(0)"]);
}

/// A sender whose next transaction is open whenever the last one has ended: at no look is everything read.
#[test]
fn behind_a_sender_of_transactions_each_end_is_caught_up_with_when_it_is_reached() {
    let mut bench = Bench::reading(WIDE, &[0]);
    let caught_up =
        |bench: &Bench| bench.engine.partitions[0].as_ref().unwrap().stored.caught_up_at;
    let look = |bench: &mut Bench, minute, stable, high| {
        let log = LogEnds { asked_at: at(minute, 0), ..open_ends(0, stable, high) };
        assert_eq!(bench.look_at(0, log), NOTHING);
    };
    for (minute, read, high, expected) in [
        (1, 0..2, 5, None),    // 5 is awaited
        (2, 2..4, 9, None),    // … still
        (3, 4..5, 9, Some(1)), // … and reached; 9 is awaited
        (4, 5..8, 12, Some(1)),
        (5, 8..12, 15, Some(3)),  // passed; 15 is awaited
        (6, 12..15, 15, Some(6)), // at the end
        (7, 15..15, 16, Some(6)), // 16 is awaited
        (8, 15..16, 16, Some(8)),
    ] {
        let stable = read.end;
        read.for_each(|offset| drop(bench.read(0, offset)));
        look(&mut bench, minute, stable, high);
        assert_eq!(caught_up(&bench), expected.map(|minute| at(minute, 0)), "minute {minute}");
    }
    // Of a row that is read anew nobody knows how it came about.
    look(&mut bench, 9, 16, 20);
    bench.apply(Input::FlushDue);
    assert_eq!(bench.finish(&PartOutcome::Fenced, &[]), ["load [0]"]);
    bench.load(0, 16);
    (15..30).for_each(|offset| drop(bench.read(0, offset)));
    look(&mut bench, 10, 30, 40);
    assert_eq!(caught_up(&bench), None);
}
