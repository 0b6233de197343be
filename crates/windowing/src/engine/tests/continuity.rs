//! Whether the log is still the one that was read: the fingerprint, examinations, permissions, groups.

use super::*;
use crate::{Counters, Doubt, Examination, FoundAt, GapPermission, ResumeAt, fingerprint_of};

/// A row of a partition of which the records 0–4 were read, and the log was seen to reach to 8.
fn read_to_five() -> Progress {
    let fingerprint_at = |offset| {
        let payload = call(at(offset, 0));
        fingerprint_of(&record(offset, RecordTime::LogAppend(at(offset, 0)), &payload))
    };
    Progress {
        next: Position::at(5),
        counters: Counters { on_time: 5, ..Counters::default() },
        fingerprint: Some(fingerprint_at(4)),
        origin: Some(fingerprint_at(0)),
        log_end_seen: Some(Position::at(8)),
        ..stored_at(0)
    }
}

impl Bench {
    /// A worker whose only partition has this row and log.
    pub(super) fn loaded(ends: LogEnds, ownership: Ownership) -> (Self, Vec<String>) {
        let mut bench = Bench::new(WIDE);
        bench.apply(Input::Assigned(&[0]));
        let progress = Box::new(read_to_five());
        let effects = bench.apply(Input::Loaded {
            partition: 0,
            progress,
            rules: RULES,
            ownership,
            history: Box::default(),
            ends,
        });
        (bench, effects)
    }

    fn examined(&mut self, origin: FoundAt, is_compacted: bool, ends: LogEnds) -> Vec<String> {
        let examination = Examination { origin, is_compacted, ends };
        self.apply(Input::Examined { partition: 0, examination })
    }
}

fn permitted(start_from: Option<ResumeAt>) -> Ownership {
    Ownership { permission: Some(GapPermission { id: 1, start_from }), ..Ownership::default() }
}

#[test]
fn reading_begins_at_the_fingerprint_which_is_met_and_not_counted_again() {
    let (mut bench, effects) = Bench::loaded(ends(0, 9), Ownership::default());
    assert_eq!(effects, ["read 0 from 4"]);
    assert_eq!(bench.read(0, 4), NOTHING);
    assert!(!bench.engine.has_unstored(), "the fingerprint was counted before");
    bench.read(0, 5);
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:5→6"]);
}

#[test]
fn a_fingerprint_that_retention_has_removed_is_not_awaited() {
    let (mut bench, effects) = Bench::loaded(ends(5, 9), Ownership::default());
    assert_eq!(effects, ["read 0 from 5"]);
    bench.read(0, 5);
    assert!(bench.engine.has_unstored());
}

#[test]
fn nothing_is_stored_of_a_log_that_is_not_verified_yet() {
    let (mut bench, _) = Bench::loaded(ends(0, 5), Ownership::default());
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:5→5"], "only to look at the log's ends");
    let batch = bench.flush.take().expect("a flush is under way");
    let protocol = FlushProtocol::new(batch, vec![(0, ends(0, 5))]);
    assert_eq!(protocol.into_report().parts[0].outcome, PartOutcome::Unneeded);
    assert_eq!(bench.engine.positions().count(), 0);
}

#[test]
fn anything_but_the_fingerprint_is_examined() {
    // Another record in its place.
    let (mut bench, _) = Bench::loaded(ends(0, 9), Ownership::default());
    let other = event("sms", "Astana", at(4, 0));
    assert_eq!(bench.read_payload(0, 4, &other), ["examine 0, origin Some(0)"]);
    assert_eq!(bench.read(0, 5), NOTHING);
    // The next record in its place, or none at all.
    let (mut bench, _) = Bench::loaded(ends(0, 9), Ownership::default());
    assert_eq!(bench.read(0, 5), ["examine 0, origin Some(0)"]);
    let (mut bench, _) = Bench::loaded(ends(0, 9), Ownership::default());
    assert_eq!(bench.apply(Input::ReachedEnd(0)), ["examine 0, origin Some(0)"]);
    // A log that ends before the position.
    let (_, effects) = Bench::loaded(ends(0, 3), Ownership::default());
    assert_eq!(effects, ["examine 0, origin Some(0)"]);
    // The same record with another record time.
    let (mut bench, _) = Bench::loaded(ends(0, 9), Ownership::default());
    assert_eq!(bench.read_payload(0, 4, &call(at(4, 0))), ["examine 0, origin Some(0)"]);
}

#[test]
fn the_end_of_the_log_means_nothing_to_a_partition_that_is_read() {
    let (mut bench, _) = Bench::loaded(ends(0, 9), Ownership::default());
    bench.read(0, 4);
    assert_eq!(bench.apply(Input::ReachedEnd(0)), NOTHING);
}

#[test]
fn what_was_found_out_decides_whether_the_partition_halts() {
    let table = [
        (FoundAt::Same, "the log was truncated: lost are the offsets from 5 to before 8"),
        (FoundAt::Different, "the topic was recreated: lost are the offsets from 5 to before 8"),
        (FoundAt::Removed, "the log was truncated or recreated, nothing is left to tell which"),
    ];
    for (origin, reason) in table {
        let (mut bench, _) = Bench::loaded(ends(0, 3), Ownership::default());
        let effects = bench.examined(origin, false, ends(0, 3));
        assert!(effects[0].starts_with(&format!("halt 0: {reason}")), "{effects:?}");
        assert_eq!(effects[1], "flush 0:5→5", "the reason is stored at once");
    }
}

#[test]
fn a_fingerprint_that_compaction_has_removed_is_not_missed_but_an_intruder_is() {
    let (mut bench, _) = Bench::loaded(ends(0, 9), Ownership::default());
    bench.read(0, 5);
    assert_eq!(bench.examined(FoundAt::Absent, true, ends(0, 9)), ["read 0 from 5"]);
    bench.read(0, 5);
    assert!(bench.engine.has_unstored());

    let doubt = Examination { origin: FoundAt::Same, is_compacted: true, ends: ends(0, 9) };
    assert!(crate::continuity::log_break_of(Doubt::Intruder, &doubt).is_some());
}

#[test]
fn a_permission_is_carried_out_instead_of_halting() {
    let (mut bench, effects) = Bench::loaded(ends(7, 9), permitted(None));
    assert_eq!(effects, ["accept 0 5–7, reopen at None"]);
    assert_eq!(bench.apply(Input::RowChanged(0)), ["load [0]"]);

    let (mut bench, _) = Bench::loaded(ends(0, 3), permitted(None));
    let effects = bench.examined(FoundAt::Different, false, ends(0, 3));
    assert_eq!(effects, ["accept 0 5–8, reopen at Some(0)"]);

    // Nobody knows where: the operator has not said it.
    let (mut bench, _) = Bench::loaded(ends(0, 3), permitted(None));
    assert!(bench.examined(FoundAt::Removed, false, ends(0, 3))[0].starts_with("halt 0"));
    let (mut bench, _) = Bench::loaded(ends(0, 3), permitted(Some(ResumeAt::Latest)));
    let effects = bench.examined(FoundAt::Removed, false, ends(0, 3));
    assert_eq!(effects, ["accept 0 5–8, reopen at Some(3)"]);
}

#[test]
fn a_permission_is_not_for_a_later_loss() {
    let (mut bench, _) = Bench::loaded(ends(0, 9), permitted(None));
    bench.read(0, 4);
    bench.read(0, 5);
    bench.apply(Input::FlushDue);
    bench.commit();
    // Everything is stored, at another position than the permitted one, and the log is cut off.
    bench.apply(Input::FlushDue);
    let examine = bench.finish(&PartOutcome::Unneeded, &[(0, ends(0, 2))]);
    assert_eq!(examine, ["examine 0, origin Some(0)"]);
    let effects = bench.examined(FoundAt::Same, false, ends(0, 2));
    assert!(effects[0].starts_with("halt 0: the log was truncated"), "{effects:?}");
}

#[test]
fn between_the_fingerprint_and_a_position_behind_skipped_offsets_no_record_may_come() {
    let load = || {
        let mut bench = Bench::new(WIDE);
        bench.apply(Input::Assigned(&[0]));
        // Offsets 5 and 6 were control records.
        let counters = Counters { on_time: 5, skipped: 2, ..Counters::default() };
        let row = Progress { next: Position::at(7), counters, ..read_to_five() };
        assert_eq!(bench.load_row(0, row, ends(0, 9)), ["read 0 from 4"]);
        assert_eq!(bench.read(0, 4), NOTHING);
        assert!(bench.engine.positions().next().is_none(), "not known yet");
        bench
    };
    assert_eq!(load().read(0, 6), ["examine 0, origin Some(0)"]);
    let mut bench = load();
    bench.read(0, 7);
    assert_eq!(bench.apply(Input::FlushDue), ["flush 0:7→8"], "the first one is counted");
    let mut bench = load();
    assert_eq!(bench.apply(Input::ReachedEnd(0)), NOTHING);
    assert_eq!(bench.engine.positions().count(), 1, "nothing stands between");
}

#[test]
fn a_stored_reason_stays_until_the_partition_can_be_read() {
    let mut bench = Bench::new(WIDE);
    bench.apply(Input::Assigned(&[0]));
    let row = Progress { halted_reason: Some("lost".to_owned()), ..read_to_five() };
    bench.load_row(0, row, ends(0, 9));
    bench.apply(Input::FlushDue);
    let batch = bench.flush.take().expect("a flush is under way");
    assert_eq!(batch.parts[0].new.halted_reason.as_deref(), Some("lost"));
    let report = FlushProtocol::new(batch, Vec::new()).into_report();
    assert_eq!(report.parts[0].outcome, PartOutcome::Unneeded);
    let now = bench.now;
    bench.apply(Input::Flushed { report, now });
    bench.read(0, 4);
    bench.apply(Input::FlushNow);
    let batch = bench.flush.take().expect("a flush is under way");
    assert_eq!(batch.parts[0].new.halted_reason, None);
}

#[test]
fn a_break_is_judged_again_from_time_to_time_and_another_reason_is_not() {
    let (mut bench, _) = Bench::loaded(ends(7, 9), Ownership::default());
    assert_eq!(bench.apply(Input::JudgeHaltedAgain), NOTHING, "its reason is being stored");
    assert_eq!(bench.commit(), ["load [0]"], "but it is not forgotten");
    let halted = bench.load_row(0, read_to_five(), ends(7, 9));
    assert!(halted[0].starts_with("halt 0: records were deleted"), "{halted:?}");
    assert_eq!(bench.commit(), NOTHING);
    assert_eq!(bench.apply(Input::JudgeHaltedAgain), ["load [0]"]);
    assert_eq!(bench.load_row(0, read_to_five(), ends(0, 9)), ["read 0 from 4"]);

    let retired = Ownership { is_retired: true, ..Ownership::default() };
    let (mut bench, effects) = Bench::loaded(ends(0, 9), retired);
    assert_eq!(effects[0], "halt 0: the partition was retired by an operator");
    bench.commit();
    assert_eq!(bench.apply(Input::JudgeHaltedAgain), NOTHING);
}

#[test]
fn a_row_of_another_cluster_is_left_and_nothing_is_written_into_it() {
    let of = |cluster: &str| Ownership {
        cluster_id: Some(cluster.to_owned()),
        // Not even that it is retired.
        is_retired: cluster == "theirs",
        ..Ownership::default()
    };
    let load = |bench: &mut Bench, ownership| {
        let (progress, ends) = (Box::new(read_to_five()), ends(0, 9));
        let history = Box::default();
        bench.apply(Input::Loaded {
            partition: 0,
            progress,
            rules: RULES,
            ownership,
            history,
            ends,
        })
    };
    let mut bench = Bench::new(WIDE).on_cluster("ours");
    bench.apply(Input::Assigned(&[0]));
    assert_eq!(load(&mut bench, of("theirs")), ["leave 0, which is of theirs"]);
    assert_eq!(bench.apply(Input::FlushNow), NOTHING, "there is nothing to be stored of it");

    let mut bench = Bench::new(WIDE).on_cluster("ours");
    bench.apply(Input::Assigned(&[0]));
    assert_eq!(load(&mut bench, of("ours")), ["read 0 from 4"]);
    bench.read(0, 4);
    bench.read(0, 5);
    bench.apply(Input::FlushNow);
    // It was moved to another cluster meanwhile.
    assert_eq!(bench.finish(&PartOutcome::Fenced, &[]), ["load [0]"]);
    assert_eq!(load(&mut bench, of("theirs")), ["leave 0, which is of theirs"]);
    assert_eq!(bench.apply(Input::FlushNow), NOTHING);
}

#[test]
fn only_whoever_has_met_the_fingerprint_says_whose_log_it_is() {
    let verified = |bench: &mut Bench| {
        bench.apply(Input::FlushDue);
        let verified = bench.flush.as_ref().expect("a flush is under way").parts[0].log_is_verified;
        bench.commit();
        verified
    };
    let (mut bench, _) = Bench::loaded(ends(0, 9), Ownership::default());
    assert!(!verified(&mut bench), "it is awaited");
    bench.read(0, 4);
    assert!(verified(&mut bench), "it is there");

    // No partition of the topic remembers a record: whoever counts the first one says it.
    let mut bench = Bench::reading(WIDE, &[0]);
    assert!(!verified(&mut bench));
    bench.read(0, 0);
    assert!(verified(&mut bench));

    // It is another record: the log is examined, and the partition halts.
    let (mut bench, _) = Bench::loaded(ends(0, 9), Ownership::default());
    bench.read_payload(0, 4, b"another");
    assert!(!verified(&mut bench));
}

/// Of a topic whose cluster nobody has said yet, although one of its partitions remembers a record.
fn unsaid() -> Ownership {
    Ownership { awaits_cluster: true, ..Ownership::default() }
}

#[test]
fn a_partition_that_cannot_tell_waits_for_one_that_can() {
    let load = |bench: &mut Bench, ownership| {
        bench.apply(Input::Loaded {
            partition: 0,
            progress: Box::new(read_to_five()),
            rules: RULES,
            ownership,
            history: Box::default(),
            // Retention has removed its last record.
            ends: ends(5, 9),
        })
    };
    let mut bench = Bench::new(WIDE).on_cluster("ours");
    bench.apply(Input::Assigned(&[0]));
    assert_eq!(load(&mut bench, unsaid()), ["await the cluster of 0"]);
    bench.read(0, 5);
    assert_eq!(bench.apply(Input::FlushNow), NOTHING, "its row is left alone");
    assert_eq!(bench.apply(Input::JudgeHaltedAgain), ["load [0]"]);
    let known = Ownership { cluster_id: Some("ours".to_owned()), ..Ownership::default() };
    assert_eq!(load(&mut bench, known), ["read 0 from 5"]);

    // Nobody tells: an operator has to.
    let mut bench = Bench::new(WIDE).on_cluster("ours");
    bench.apply(Input::Assigned(&[0]));
    for _ in 0..15 {
        assert_eq!(load(&mut bench, unsaid()), ["await the cluster of 0"]);
        assert_eq!(bench.apply(Input::JudgeHaltedAgain), ["load [0]"]);
    }
    let effects = load(&mut bench, unsaid());
    assert!(effects[0].starts_with("halt 0: the database does not know yet"), "{effects:?}");
    assert!(effects[0].contains("--not-a-copy"), "{effects:?}");
    bench.commit();
    assert_eq!(bench.apply(Input::JudgeHaltedAgain), ["load [0]"], "it goes on waiting");
    bench.engine = std::mem::take(&mut bench.engine).vouched_for(true);
    assert_eq!(load(&mut bench, unsaid()), ["read 0 from 5"]);
    bench.apply(Input::FlushDue);
    let part = &bench.flush.as_ref().expect("a flush is under way").parts[0];
    assert!(part.log_is_verified, "an operator has said whose it is");
}

#[test]
fn what_compaction_has_removed_does_not_tell_either() {
    let (mut bench, _) = Bench::loaded(ends(0, 9), unsaid());
    bench.read(0, 5);
    assert_eq!(bench.examined(FoundAt::Absent, true, ends(0, 9)), ["await the cluster of 0"]);
    assert_eq!(bench.apply(Input::FlushNow), NOTHING);
}

#[test]
fn a_permission_waits_until_it_is_known_whose_log_it_is_for() {
    let ownership = Ownership { awaits_cluster: true, ..permitted(None) };
    let (_, effects) = Bench::loaded(ends(7, 9), ownership);
    assert!(effects[0].starts_with("halt 0: records were deleted"), "{effects:?}");
    assert!(effects[0].contains("another Kafka cluster"), "{effects:?}");
}

#[test]
fn the_third_fence_in_a_row_by_another_group_halts_the_partition() {
    let ownership = || Ownership { group_id: Some("others".to_owned()), ..Ownership::default() };
    let load = |bench: &mut Bench| {
        let (progress, ends) = (Box::new(stored_at(0)), ends(0, 9));
        let ownership = ownership();
        bench.apply(Input::Loaded {
            partition: 0,
            progress,
            rules: RULES,
            ownership,
            history: Box::default(),
            ends,
        })
    };
    let mut bench = Bench::new(WIDE);
    bench.apply(Input::Assigned(&[0]));
    for _ in 0..3 {
        assert_eq!(load(&mut bench), ["read 0 from 0"]);
        bench.read(0, 0);
        bench.apply(Input::FlushDue);
        assert_eq!(bench.finish(&PartOutcome::Fenced, &[]), ["load [0]"]);
    }
    let effects = load(&mut bench);
    assert!(effects[0].starts_with("halt 0: consumer group others writes"), "{effects:?}");
    bench.commit();
    assert_eq!(bench.apply(Input::JudgeHaltedAgain), NOTHING, "a person has to decide");
}
