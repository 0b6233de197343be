//! When a flush is cut, what it may hold, and what its end means for the partitions.

use super::*;

#[test]
fn reaching_a_bound_flushes_early() {
    let dead = vec![b'x'; 100];
    let table: [(&str, Bounds, &[u8]); 4] = [
        ("groups", WIDE.with(Limit::Groups, Size::items(1)), &call(at(0, 0))),
        ("subscribers' bytes", WIDE.with(Limit::Subscribers, Size::bytes(100)), &call(at(0, 0))),
        ("dead letters", WIDE.with(Limit::DeadLetters, Size::items(1)), &dead),
        ("their bytes", WIDE.with(Limit::DeadLetters, Size::bytes(100)), &dead),
    ];
    for (name, bounds, payload) in table {
        let mut bench = Bench::reading(bounds, &[0]);
        assert_eq!(bench.read_payload(0, 0, payload), ["flush 0:0→1"], "{name}");
        let mut bench = Bench::reading(WIDE, &[0]);
        assert_eq!(bench.read_payload(0, 0, payload), NOTHING, "not {name}");
    }
}

#[test]
fn subscribers_take_memory_although_their_group_is_not_new() {
    let bounds = WIDE.with(Limit::Subscribers, Size::bytes(2_000));
    let mut bench = Bench::reading(bounds, &[0]);
    let call_of = |subscriber: i64| {
        format!(
            r#"{{"event_type":"call","region":"Almaty","timestamp":"{}","subscriber_id":"{subscriber}"}}"#,
            at(0, 0)
        )
    };
    let read = |offset| bench.read_payload(0, offset, call_of(offset).as_bytes());
    let flushed_at = (0..1_000).map(read).position(|effects| effects != NOTHING);
    // The table of subscribers has room for 512 by then: 4 bytes each.
    assert_eq!(flushed_at, Some(192));
}

#[test]
fn bounds_are_for_all_partitions_together_and_count_each_group_once() {
    let mut bench = Bench::reading(WIDE.with(Limit::Groups, Size::items(3)), &[0, 1]);
    let almaty = call(at(0, 0));
    for offset in 0..5 {
        assert_eq!(bench.read_payload(0, offset, &almaty), NOTHING, "the same group");
    }
    // Memory is used for each partition's own group.
    assert_eq!(bench.read_payload(1, 0, &almaty), NOTHING);
    let astana = event("call", "Astana", at(0, 0));
    assert_eq!(bench.read_payload(1, 1, &astana), ["flush 0:0→5 1:0→2"]);
}

#[test]
fn reading_pauses_when_it_is_full_while_flushing_and_resumes_afterwards() {
    let mut bench = Bench::reading(WIDE.with(Limit::Groups, Size::items(2)), &[0]);
    assert_eq!(bench.read(0, 0), NOTHING);
    assert_eq!(bench.read(0, 1), ["flush 0:0→2"]);
    assert_eq!(bench.read(0, 2), NOTHING);
    assert_eq!(bench.read(0, 3), ["pause"]);
    assert!(bench.engine.is_paused());
    assert_eq!(bench.read(0, 4), NOTHING, "a record that was under way is taken, not lost");
    assert_eq!(bench.commit(), ["flush 0:2→5", "resume"]);
    assert!(!bench.engine.is_paused());
    assert_eq!(bench.commit(), NOTHING);
}

#[test]
fn after_a_flush_that_was_too_large_less_is_flushed_at_a_time_and_then_more_again() {
    let mut bench = Bench::reading(WIDE.with(Limit::Groups, Size::items(64)), &[0]);
    for offset in 0..63 {
        assert_eq!(bench.read(0, offset), NOTHING);
    }
    assert_eq!(bench.read(0, 63), ["flush 0:0→64"]);
    assert_eq!(bench.finish(&PartOutcome::TooLarge, &[]), ["load [0]"]);
    assert_eq!(bench.load(0, 0), ["read 0 from 0"], "all of it is read again");
    for offset in 0..31 {
        assert_eq!(bench.read(0, offset), NOTHING);
    }
    assert_eq!(bench.read(0, 31), ["flush 0:0→32"], "half of what was too much");
    assert_eq!(bench.commit(), NOTHING);
    for offset in 32..67 {
        assert_eq!(bench.read(0, offset), NOTHING);
    }
    assert_eq!(bench.read(0, 67), ["flush 0:32→68"], "an eighth more after one that was stored");
}

#[test]
fn records_that_cannot_be_read_are_not_taken_for_offsets_without_records() {
    let reason = "the records from offset 1 to before 3 can't be read: they are damaged, or \
                  compressed in a way that this program does not know";
    // Behind the batch; a copy of the last record first; first the right one.
    let table: [(&[i64], Option<&str>); 4] =
        [(&[3], Some(reason)), (&[0, 3], Some(reason)), (&[1, 3], None), (&[1, 2, 3], None)];
    for (offsets, expected) in table {
        let mut bench = Bench::reading(WIDE, &[0, 1]);
        bench.read(0, 0);
        assert_eq!(bench.apply(Input::BatchUnreadable), NOTHING);
        let mut said = Vec::new();
        for &offset in offsets {
            said.extend(bench.read(0, offset));
        }
        match expected {
            Some(reason) => {
                assert_eq!(said, [format!("halt 0: {reason}"), "flush 0:0→1 1:0→0".to_owned()]);
                assert_eq!(bench.commit(), NOTHING);
                // Judged again: mended, or never damaged.
                assert_eq!(bench.apply(Input::JudgeHaltedAgain), ["load [0]"]);
                bench.load(0, 1);
                assert_eq!(bench.read(0, 3), NOTHING, "no batch is unreadable this time");
            }
            None => assert_eq!(said, NOTHING),
        }
        // The other partition is not concerned.
        assert_eq!(bench.read(1, 0), NOTHING);
    }
    let mut bench = Bench::reading(WIDE, &[0]);
    bench.read(0, 0);
    bench.apply(Input::BatchUnreadable);
    let end = Input::EndOfLog { partition: 0, end: Position::at(3) };
    assert_eq!(bench.apply(end), [format!("halt 0: {reason}"), "flush 0:0→1".to_owned()]);
}

#[test]
fn a_worker_that_loses_everything_while_paused_resumes() {
    for is_revoked in [true, false] {
        let mut bench = Bench::reading(WIDE.with(Limit::Groups, Size::items(1)), &[0]);
        assert_eq!(bench.read(0, 0), ["flush 0:0→1"]);
        assert_eq!(bench.read(0, 1), ["pause"]);
        if is_revoked {
            bench.apply(Input::Revoked(&[0]));
            assert_eq!(bench.commit(), ["resume"]);
        } else {
            assert_eq!(bench.finish(&PartOutcome::Fenced, &[]), ["load [0]", "resume"]);
        }
        bench.apply(Input::Assigned(&[0]));
        bench.load(0, 0);
        assert_eq!(bench.read(0, 0), ["flush 0:0→1"], "revoked: {is_revoked}");
        assert_eq!(bench.read(0, 1), ["pause"], "bounds hold as before; revoked: {is_revoked}");
    }
}

#[test]
fn one_flush_at_a_time_and_another_right_after_it_if_one_was_wanted() {
    let mut bench = Bench::reading(WIDE, &[0]);
    bench.read(0, 0);
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:0→1"]);
    bench.read(0, 1);
    for input in [Input::FlushDue, Input::FlushNow, Input::ResetRefused] {
        assert_eq!(bench.apply(input), NOTHING);
    }
    assert_eq!(bench.commit(), ["flush 0:1→2"]);
    assert_eq!(bench.commit(), NOTHING, "wanted once, done once");
    assert!(!bench.engine.is_flushing());
}

#[test]
fn flush_now_flushes_only_what_is_unstored() {
    let mut bench = Bench::reading(WIDE, &[0]);
    assert_eq!(bench.apply(Input::FlushNow), ["flush 0:0→0"], "the row says who reads it now");
    bench.commit();
    assert_eq!(bench.apply(Input::FlushNow), NOTHING);
    bench.read(0, 0);
    assert!(bench.engine.has_unstored());
    assert_eq!(bench.apply(Input::FlushNow), ["flush 0:0→1"]);
    assert!(!bench.engine.has_unstored(), "it is handed over");
    assert_eq!(bench.apply(Input::FlushNow), NOTHING);
    bench.commit();
    bench.apply(Input::EndOfLog { partition: 0, end: Position::at(3) });
    assert_eq!(bench.apply(Input::FlushNow), ["flush 0:1→3"], "skipped offsets are stored, too");
}

#[test]
fn a_flush_without_partitions_is_none() {
    let mut bench = Bench::new(WIDE);
    for input in [Input::FlushDue, Input::FlushNow, Input::ResetRefused] {
        assert_eq!(bench.apply(input), NOTHING);
    }
    assert!(!bench.engine.is_flushing());
}

#[test]
fn each_flush_goes_on_from_the_one_before() {
    let mut bench = Bench::reading(WIDE, &[0]);
    for offset in 0..3 {
        bench.read(0, offset);
        let flush = format!("flush 0:{offset}→{}", offset + 1);
        assert_eq!(bench.apply(Input::FlushDue), [flush]);
        assert_eq!(bench.flushed_deltas()[0].on_time.len(), 1, "each delta is flushed once");
        bench.commit();
    }
}

#[test]
fn a_fenced_partition_is_loaded_again_and_everything_held_of_it_is_dropped() {
    let mut bench = Bench::reading(WIDE, &[0]);
    bench.read(0, 0);
    bench.apply(Input::FlushDue);
    bench.read(0, 1);
    assert_eq!(bench.finish(&PartOutcome::Fenced, &[]), ["load [0]"]);
    assert!(!bench.engine.has_unstored());
    assert_eq!(bench.read(0, 2), NOTHING, "what the former fetch brings is ignored");

    assert_eq!(bench.load(0, 1), ["read 0 from 1"]);
    bench.read(0, 1);
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:1→2"]);
    assert_eq!(bench.flushed_deltas()[0].on_time.len(), 1);
}

/// Found by the simulation: a part that is refused is stored without its records, as it was loaded.
#[test]
fn a_row_that_is_stored_without_its_records_keeps_the_watermark_of_a_shorter_delay() {
    let mut bench = Bench::new(WIDE);
    bench.apply(Input::Assigned(&[0]));
    let (max_event_time, watermark) = (Some(at(10, 0)), Some(at(5, 0)));
    let row = Progress { max_event_time, watermark, ..stored_at(0) };
    bench.load_row(0, row, ends(0, HIGH));
    bench.apply(Input::FlushDue);
    let part = &bench.flush.as_ref().unwrap().parts[0];
    assert_eq!((part.stored.watermark, part.new.watermark), (Some(at(8, 0)), Some(at(8, 0))));
}

#[test]
fn a_refused_partition_halts_and_everything_held_of_it_is_dropped() {
    let mut bench = Bench::reading(WIDE, &[0, 1]);
    bench.read(0, 0);
    bench.read(1, 0);
    bench.apply(Input::FlushDue);
    bench.read(0, 1);
    let refused = PartOutcome::Refused("23514".to_owned());
    assert_eq!(bench.finish(&refused, &[]), ["halt 0: 23514", "halt 1: 23514"]);
    assert_eq!(bench.read(0, 2), NOTHING);
    assert!(!bench.engine.has_unstored());
    let is_written = |bench: &mut Bench| {
        bench.apply(Input::FlushDue);
        let is_written = bench.flush.as_ref().is_some_and(|batch| batch.parts[0].is_news);
        bench.finish(&PartOutcome::Unneeded, &[]);
        is_written
    };
    assert!(!is_written(&mut bench), "its reason is stored already");
    // Found by the simulation: the reason was gone from a restored database, and nobody noticed.
    bench.apply(Input::JudgeHaltedAgain);
    assert!(
        is_written(&mut bench),
        "now and then the row is compared, and the reason stored again"
    );
    assert_eq!(bench.apply(Input::Assigned(&[0])), ["load [0]"]);
    assert_eq!(bench.load(0, 0), ["read 0 from 0"]);
}

#[test]
fn a_report_of_a_former_assignment_says_nothing_about_this_one() {
    for outcome in
        [PartOutcome::Committed, PartOutcome::Fenced, PartOutcome::Refused("23514".to_owned())]
    {
        let mut bench = Bench::reading(WIDE, &[0]);
        bench.read(0, 0);
        bench.apply(Input::FlushDue);
        bench.apply(Input::Revoked(&[0]));
        bench.apply(Input::Assigned(&[0]));
        // Read before the flush under way is committed, and before the log was asked.
        assert_eq!(bench.load(0, 0), ["read 0 from 0"]);
        bench.read(0, 0);
        assert_eq!(bench.finish(&outcome, &[(0, ends(0, 0))]), NOTHING, "{outcome:?}");
        assert_eq!(bench.apply(Input::FlushDue), ["flush 0:0→1"], "{outcome:?}");
    }
}

#[test]
fn a_revoked_partition_is_forgotten() {
    let mut bench = Bench::reading(WIDE, &[0, 1]);
    bench.read(0, 0);
    bench.read(1, 0);
    assert_eq!(bench.apply(Input::Revoked(&[0, 7])), NOTHING);
    assert_eq!(bench.read(0, 1), NOTHING);
    assert_eq!(bench.load(0, 3), NOTHING, "an answer that comes too late");
    assert_eq!(bench.engine.positions().collect::<Vec<_>>(), [(1, Position::at(1))]);
    assert_eq!(bench.apply(Input::FlushDue), ["flush 1:0→1"]);
}

#[test]
fn committed_log_ends_are_kept_for_the_next_flush() {
    let mut bench = Bench::reading(WIDE, &[0]);
    bench.read(0, 0);
    bench.apply(Input::FlushDue);
    let caught_up = LogEnds { asked_at: at(7, 0), ..ends(0, 1) };
    bench.finish(&PartOutcome::Committed, &[(0, caught_up)]);
    bench.read(0, 1);
    bench.apply(Input::FlushDue);
    let part = &bench.flush.as_ref().expect("just cut").parts[0];
    for row in [&part.stored, &part.new] {
        assert_eq!(row.caught_up_at, Some(at(7, 0)));
        assert_eq!(row.log_end_seen, Some(Position::at(1)));
    }
}

/// A worker that reads partition 0 and had to wait for its last turn.
fn contended(bounds: Bounds) -> Bench {
    let mut bench = Bench::reading(bounds, &[0]);
    bench.read(0, 0);
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:0→1"], "nobody was in the way so far");
    let waited = Duration::from_millis(500);
    assert_eq!(bench.finish_after(waited, &PartOutcome::Committed, &[]), NOTHING);
    bench
}

#[test]
fn who_had_to_wait_asks_for_its_turn_and_is_cut_when_it_has_come() {
    let mut bench = contended(WIDE);
    bench.read(0, 1);
    assert_eq!(bench.apply(Input::FlushDue), ["take turn"]);
    assert!(bench.engine.is_flushing());
    bench.read(0, 2);
    assert_eq!(bench.apply(Input::FlushDue), NOTHING, "asked once");
    assert_eq!(bench.apply(Input::TurnCame), ["flush 0:1→3"], "with what came meanwhile");
    assert_eq!(bench.apply(Input::TurnCame), NOTHING);
    bench.read(0, 3);
    assert_eq!(bench.apply(Input::FlushDue), NOTHING);
    assert_eq!(bench.commit(), ["flush 0:3→4"], "nobody was in the way this time");
    assert_eq!(bench.commit(), NOTHING);
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:4→4"]);
}

#[test]
fn a_flush_that_was_wanted_during_another_one_asks_for_its_turn_too() {
    let mut bench = contended(WIDE);
    bench.apply(Input::FlushDue);
    bench.apply(Input::TurnCame);
    bench.read(0, 1);
    assert_eq!(bench.apply(Input::FlushDue), NOTHING);
    let waited = Duration::from_millis(500);
    assert_eq!(bench.finish_after(waited, &PartOutcome::Committed, &[]), ["take turn"]);
    assert_eq!(bench.apply(Input::TurnCame), ["flush 0:1→2"]);
}

#[test]
fn memory_a_halt_and_leaving_do_not_wait_for_the_turn() {
    let reason = "the records from offset 2 to before 9 can't be read: they are damaged, or compressed in a way \
                  that this program does not know";
    type Case = (&'static str, fn(&mut Bench) -> Vec<String>, Vec<String>);
    let table: [Case; 3] = [
        ("memory", |bench| bench.read(0, 2), vec!["flush 0:1→3".to_owned()]),
        ("leaving", |bench| bench.apply(Input::FlushNow), vec!["flush 0:1→2".to_owned()]),
        (
            "a halt",
            |bench| {
                bench.apply(Input::BatchUnreadable);
                bench.read(0, 9)
            },
            vec![format!("halt 0: {reason}"), "flush 0:1→2".to_owned()],
        ),
    ];
    for (name, cause, expected) in table {
        let mut bench = contended(WIDE.with(Limit::Groups, Size::items(2)));
        bench.read(0, 1);
        assert_eq!(bench.apply(Input::FlushDue), ["take turn"], "{name}");
        assert_eq!(cause(&mut bench), expected, "{name}");
        assert_eq!(bench.apply(Input::TurnCame), NOTHING, "{name}: it has its batch");
    }
}

#[test]
fn whoever_waits_for_a_turn_is_given_a_batch_even_if_nothing_is_left_to_store() {
    for answer in [Input::TurnCame, Input::FlushNow] {
        let mut bench = contended(WIDE);
        bench.read(0, 1);
        assert_eq!(bench.apply(Input::FlushDue), ["take turn"]);
        bench.apply(Input::Revoked(&[0]));
        assert_eq!(bench.apply(answer), ["flush"], "of nothing");
        assert!(bench.engine.is_flushing());
        assert_eq!(bench.commit(), NOTHING);
        assert!(!bench.engine.is_flushing());
        bench.apply(Input::Assigned(&[0]));
        bench.load(0, 1);
        bench.read(0, 1);
        assert_eq!(bench.apply(Input::FlushDue), ["flush 0:1→2"]);
    }
}

#[test]
fn waiting_for_others_stretches_the_interval() {
    let mut bench = Bench::reading(WIDE, &[0]);
    bench.engine = std::mem::take(&mut bench.engine).flushing_every(Duration::from_secs(1));
    bench.apply(Input::FlushDue);
    bench.finish_after(Duration::from_millis(900), &PartOutcome::Committed, &[]);
    assert_eq!(bench.engine.flush_interval(), Duration::from_millis(1_250));
    bench.apply(Input::FlushDue);
    bench.apply(Input::TurnCame);
    bench.commit();
    assert_eq!(bench.engine.flush_interval(), Duration::from_secs(1));
}
