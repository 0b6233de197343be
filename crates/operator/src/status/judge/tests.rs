//! One table for the state of a partition, one for what several make of the whole.

use super::*;
use crate::status::rows::RecentEvents;

const STALLED_AFTER: Duration = Duration::from_secs(90);

/// 12:`minute`:`second`, of the day on which all tests happen.
fn at(minute: u32, second: u32) -> NaiveDateTime {
    "2025-11-09T12:00:00".parse::<NaiveDateTime>().unwrap()
        + TimeDelta::seconds(i64::from(minute * 60 + second))
}

/// The clock of all tests.
fn now() -> NaiveDateTime {
    at(30, 0)
}

fn millis(time: NaiveDateTime) -> Option<i64> {
    Some(time.and_utc().timestamp_millis())
}

/// Partition `partition` of topic `t`, read to offset 10 and written and caught up 20 s ago.
fn row(partition: i32) -> PartitionStatus {
    PartitionStatus {
        topic: "t".to_owned(),
        generation: 0,
        partition,
        is_retired: false,
        owner: Some("host:1:0".to_owned()),
        group_id: Some("g".to_owned()),
        next_offset: 10,
        on_time: 10,
        late: 0,
        dead: 0,
        gap: 0,
        skipped: 0,
        watermark: None,
        complete_through: None,
        caught_up_at: Some(at(29, 40)),
        last_record_ms: millis(at(29, 30)),
        halted_reason: None,
        flush_blocked: None,
        flush_blocked_at: None,
        updated_at: at(29, 40),
        max_ahead_ms: 0,
        max_behind_ms: 0,
        refused_lately: 0,
        mean_behind_ms: None,
        recent: RecentEvents { events: 100.0, fade: 1.0, ..RecentEvents::default() },
    }
}

fn halted(partition: i32) -> PartitionStatus {
    PartitionStatus { halted_reason: Some("lost".to_owned()), ..row(partition) }
}

/// A row of long ago.
fn neglected(partition: i32) -> PartitionStatus {
    let then = at(20, 0);
    PartitionStatus {
        updated_at: then,
        caught_up_at: Some(then),
        last_record_ms: millis(then),
        ..row(partition)
    }
}

/// Written lately, of a backlog of long ago.
fn behind(partition: i32) -> PartitionStatus {
    PartitionStatus { caught_up_at: None, last_record_ms: millis(at(20, 0)), ..row(partition) }
}

/// A log without an open transaction.
fn log(low: i64, high: i64) -> LogEnds {
    LogEnds { low, stable: high, high }
}

/// Logs of topic `t`, which begin at 0.
fn logs<const N: usize>(highs: [i64; N]) -> BTreeMap<PartitionKey, LogEnds> {
    (0..).zip(highs).map(|(id, high)| (("t".to_owned(), id), log(0, high))).collect()
}

fn observation(
    partitions: Vec<PartitionStatus>,
    kafka: Result<BTreeMap<PartitionKey, LogEnds>, String>,
) -> Observation {
    let status = PipelineStatus { now: now(), partitions, topics: Vec::new() };
    Observation { database: Ok(status), kafka }
}

#[test]
fn the_state_of_a_partition_follows_from_its_row_and_the_ends_of_its_log() {
    let ends = |low, high| Some(Some(log(low, high)));
    let open = |stable, high| Some(Some(LogEnds { low: 0, stable, high }));
    let unread = PartitionStatus { caught_up_at: None, last_record_ms: None, ..row(0) };
    let new = PartitionStatus { owner: None, ..unread.clone() };
    let limit = at(28, 30);
    let on_the_limit = PartitionStatus {
        updated_at: limit,
        caught_up_at: Some(limit),
        last_record_ms: millis(limit),
        ..row(0)
    };
    let clock_ahead =
        PartitionStatus { updated_at: at(31, 0), caught_up_at: Some(at(31, 0)), ..row(0) };
    let refused = PartitionStatus {
        flush_blocked: Some("no".to_owned()),
        flush_blocked_at: Some(at(29, 0)),
        ..row(0)
    };
    // Nobody has tried since.
    let was_blocked = PartitionStatus {
        flush_blocked: Some("no".to_owned()),
        flush_blocked_at: Some(at(20, 0)),
        ..neglected(0)
    };
    let retired = PartitionStatus { is_retired: true, ..halted(0) };
    // (row, ends, state, lag in records, lag in seconds)
    for (row, ends, state, records, seconds) in [
        (row(0), ends(0, 10), State::UpToDate, Some(0), Some(0.0)),
        // What a healthy streamer has not flushed yet.
        (row(0), ends(0, 60), State::UpToDate, Some(50), Some(20.0)),
        (clock_ahead, ends(0, 60), State::UpToDate, Some(50), Some(0.0)),
        (on_the_limit, ends(0, 60), State::UpToDate, Some(50), Some(90.0)),
        (behind(0), ends(0, 60), State::CatchingUp, Some(50), Some(600.0)),
        (behind(0), ends(0, 10), State::UpToDate, Some(0), Some(0.0)),
        (unread, ends(0, 60), State::CatchingUp, Some(50), None),
        (new, ends(10, 10), State::UpToDate, Some(0), Some(0.0)),
        (neglected(0), ends(0, 60), State::Stalled, Some(50), Some(600.0)),
        (neglected(0), ends(0, 10), State::Unattended, Some(0), Some(0.0)),
        (row(0), ends(10, 10), State::UpToDate, Some(0), Some(0.0)),
        (row(0), ends(11, 60), State::Overtaken, Some(50), Some(20.0)),
        (refused.clone(), ends(0, 10), State::Blocked, Some(0), Some(0.0)),
        (refused, ends(0, 60), State::Blocked, Some(50), Some(20.0)),
        (was_blocked, ends(0, 60), State::Stalled, Some(50), Some(600.0)),
        (row(0), ends(0, 9), State::BeyondEnd, None, None),
        // A transaction is open: for less than the limit, and for longer; not read up to it yet.
        (row(0), open(10, 60), State::UpToDate, Some(50), Some(20.0)),
        (behind(0), open(10, 60), State::HeldUp, Some(50), Some(600.0)),
        (behind(0), open(11, 60), State::CatchingUp, Some(50), Some(600.0)),
        (neglected(0), open(10, 60), State::Stalled, Some(50), Some(600.0)),
        (halted(0), open(10, 60), State::Halted, Some(50), Some(20.0)),
        // Nobody was ever shown anything of it.
        (row(0), open(9, 60), State::BeyondEnd, None, None),
        (row(0), Some(None), State::Missing, None, None),
        (row(0), None, State::Unknown, None, None),
        // What an operator must know comes before everything that can be seen.
        (halted(0), ends(0, 10), State::Halted, Some(0), Some(0.0)),
        (halted(0), ends(0, 9), State::Halted, None, None),
        (halted(0), None, State::Halted, None, None),
        (retired.clone(), ends(0, 60), State::Retired, Some(50), Some(20.0)),
        (retired, Some(None), State::Retired, None, None),
    ] {
        let case = format!("{row:?} {ends:?}");
        let report = judge_stored(row, ends, now(), STALLED_AFTER);
        assert_eq!(report.state, state, "{case}");
        assert_eq!((report.lag_records, report.lag_seconds), (records, seconds), "{case}");
    }
}

#[test]
fn the_limit_itself_is_not_beyond_it() {
    let ends = Some(Some(log(0, 10)));
    for (second, state) in [(30, State::UpToDate), (29, State::Unattended)] {
        let row = PartitionStatus { updated_at: at(28, second), ..row(0) };
        assert_eq!(judge_stored(row, ends, now(), STALLED_AFTER).state, state);
    }
}

#[test]
fn a_partition_is_idle_when_a_streamer_has_found_nothing_for_a_minute() {
    let ends = |high| Some(Some(log(0, high)));
    let quiet = PartitionStatus { last_record_ms: millis(at(28, 40)), ..row(0) };
    let never = PartitionStatus { last_record_ms: None, ..row(0) };
    let unknown = PartitionStatus { caught_up_at: None, ..never.clone() };
    for (row, high, is_idle) in [
        (row(0), 10, false),
        (quiet.clone(), 10, true),
        (quiet, 11, false),
        (never, 10, true),
        (unknown, 10, false),
        // Silence alone is not idleness: nobody looks.
        (neglected(0), 10, false),
    ] {
        let case = format!("{row:?} {high}");
        let report = judge_stored(row, ends(high), now(), STALLED_AFTER);
        assert_eq!(report.is_idle, is_idle, "{case}");
    }
}

#[test]
fn the_worst_partition_gives_the_verdict_and_its_reason() {
    let retired = |partition| PartitionStatus { is_retired: true, ..halted(partition) };
    let away = Err("no answer from Kafka".to_owned());
    // (rows, logs, verdict, exit code, the reason)
    for (rows, kafka, verdict, exit, reason) in [
        (
            vec![row(0), row(1)],
            Ok(logs([10, 12])),
            Verdict::Healthy,
            0,
            "2 partitions, 2 records since the last flush",
        ),
        (
            vec![row(0), behind(1), behind(2)],
            Ok(logs([10, 60, 70])),
            Verdict::CatchingUp,
            1,
            "2 of 3 partitions; t partition 2: 60 records unread, the oldest for at most 10m 0s",
        ),
        // A partition that was just added waits for the next look at the topic.
        (
            vec![row(0)],
            Ok(logs([10, 5])),
            Verdict::CatchingUp,
            1,
            "1 of 2 partitions; t partition 1: no streamer has met this partition yet",
        ),
        (
            vec![behind(0), neglected(1)],
            Ok(logs([60, 15])),
            Verdict::Stalled,
            1,
            "1 of 2 partitions; t partition 1: 5 records unread, the oldest for at most 10m 0s, \
             last written 10m 0s ago by host:1:0",
        ),
        (
            vec![neglected(0)],
            Ok(logs([10])),
            Verdict::Stalled,
            1,
            "1 of 1 partitions; t partition 0: nothing is unread, but the row was last written \
             10m 0s ago by host:1:0",
        ),
        (
            vec![row(0)],
            Ok(logs([9])),
            Verdict::Stalled,
            1,
            "1 of 1 partitions; t partition 0: the position 10 is beyond the end of the log, 9; \
             last written 20.0s ago by host:1:0",
        ),
        (
            vec![row(0), row(1)],
            Ok(logs([10])),
            Verdict::Stalled,
            1,
            "1 of 2 partitions; t partition 1: Kafka has no such partition, and its position is \
             10; last written 20.0s ago by host:1:0",
        ),
        (
            vec![],
            Ok(logs([3, 5])),
            Verdict::Stalled,
            1,
            "2 of 2 partitions; t partition 1: no streamer has read this topic yet",
        ),
        (
            vec![],
            Ok(logs([])),
            Verdict::Stalled,
            1,
            "there is nothing to read: neither does the topic exist, nor has a streamer written \
             to this database",
        ),
        (
            vec![halted(0), neglected(1), behind(2)],
            Ok(logs([10, 60, 60])),
            Verdict::Halted,
            1,
            "1 of 3 partitions; t partition 0: lost",
        ),
        (
            vec![row(0), retired(1)],
            Ok(logs([10, 99])),
            Verdict::Healthy,
            0,
            "1 partitions, 0 records since the last flush",
        ),
        (vec![halted(0)], away, Verdict::KafkaAway, 3, "no answer from Kafka"),
    ] {
        let report = pipeline_report(observation(rows, kafka), STALLED_AFTER);
        assert_eq!((report.verdict, report.reason.as_str()), (verdict, reason));
        assert_eq!(report.verdict.exit().code(), exit, "{reason}");
    }
}

#[test]
fn without_the_database_nothing_is_known_and_kafkas_trouble_is_told_too() {
    for (kafka, expected) in [
        (Ok(logs([10])), "no PostgreSQL"),
        (Err("no Kafka".to_owned()), "no PostgreSQL; and no Kafka"),
    ] {
        let observation = Observation { database: Err("no PostgreSQL".to_owned()), kafka };
        let report = pipeline_report(observation, STALLED_AFTER);
        assert_eq!((report.verdict, report.reason.as_str()), (Verdict::DatabaseAway, expected));
        assert_eq!((report.verdict.exit().code(), report.partitions.len()), (3, 0));
    }
}

#[test]
fn a_partition_of_which_many_records_are_refused_says_whose_clock_to_look_at() {
    let refused = |dead, refused_lately| PartitionStatus {
        on_time: 200 - dead,
        dead,
        refused_lately,
        max_ahead_ms: 3_600_000,
        ..row(0)
    };
    let judged = |row| pipeline_report(observation(vec![row], Ok(logs([10]))), STALLED_AFTER);
    let report = judged(refused(200, 200));
    assert_eq!((report.verdict, report.verdict.exit().code()), (Verdict::Refusing, 1));
    assert_eq!(
        report.reason,
        "1 of 1 partitions; t partition 0: 200 of its last 200 records were refused \
         (timestamp_in_future): they lie ahead of the records' times or of this host's clock, by up to \
         1h 0m so far; the clock of the broker, of a sender or of a streamer's host is wrong"
    );
    for (row, verdict) in [
        (refused(10, 10), Verdict::Healthy), // 5 % of 200
        (refused(11, 11), Verdict::Refusing),
        (PartitionStatus { on_time: 0, ..refused(9, 9) }, Verdict::Healthy),
        // Dead for other reasons, which are the senders' own.
        (refused(200, 0), Verdict::Healthy),
        (PartitionStatus { on_time: 100_000, ..refused(0, 50) }, Verdict::Healthy), // 5 % of 1,000
        (PartitionStatus { on_time: 100_000, ..refused(0, 51) }, Verdict::Refusing),
        // What stands in the way comes first.
        (
            PartitionStatus { halted_reason: Some("x".to_owned()), ..refused(99, 99) },
            Verdict::Halted,
        ),
    ] {
        let case = format!("{row:?}");
        assert_eq!(judged(row).verdict, verdict, "{case}");
    }
}

#[test]
fn an_open_transaction_is_named_with_what_it_holds_up() {
    let ends = LogEnds { low: 0, stable: 10, high: 60 };
    let logs = BTreeMap::from([(("t".to_owned(), 0), ends)]);
    let report = pipeline_report(observation(vec![behind(0)], Ok(logs)), STALLED_AFTER);
    assert_eq!(report.verdict, Verdict::Stalled);
    assert_eq!(
        report.reason,
        "1 of 1 partitions; t partition 0: a Kafka transaction that is open since offset 10 holds up 50 \
         records unread, the oldest for at most 10m 0s"
    );
    let page = crate::status::text::page(&report);
    let line = "t partition 0: held up by a Kafka transaction that is open since offset 10; 50 records in \
                and behind it\n";
    assert!(page.contains(line), "{page}");

    // It is told of before anything has waited for long, and by whom it is read from there.
    for (row, stable, held_up_at) in
        [(row(0), 10, Some(10)), (row(0), 11, None), (row(0), 60, None)]
    {
        let ends = LogEnds { stable, ..ends };
        let report = judge_stored(row, Some(Some(ends)), now(), STALLED_AFTER);
        assert_eq!((report.state, report.held_up_at), (State::UpToDate, held_up_at));
        assert_eq!(report.open_transaction_records, Some(60 - stable));
    }
}

#[test]
fn overtaken_names_the_offsets_that_are_gone() {
    let ends = Some(Some(log(15, 60)));
    let report = judge_stored(row(0), ends, now(), STALLED_AFTER);
    assert_eq!(
        report.detail,
        "offsets 10 to before 15 have been deleted from the log before they were stored; \
         last written 20.0s ago by host:1:0"
    );
}

#[test]
fn more_than_a_twentieth_late_is_worth_a_remark() {
    let ends = Some(Some(LogEnds { low: 0, stable: 10, high: 10 }));
    // events, late, seconds, late seconds, how long ago
    for (events, late, seconds, late_seconds, fade, percent) in [
        (100.0, 5.0, 0.0, 0.0, 1.0, None),
        (100.0, 6.0, 0.0, 0.0, 1.0, Some("6 %")),
        (100.0, 100.0, 0.0, 0.0, 1.0, Some("100 %")),
        // Few, but the long ones.
        (100.0, 1.0, 1_000.0, 980.0, 1.0, Some("98 %")),
        // Too few to say, or too long ago.
        (19.0, 19.0, 0.0, 0.0, 1.0, None),
        (100.0, 100.0, 0.0, 0.0, 0.1, None),
        (0.0, 0.0, 0.0, 0.0, 1.0, None),
    ] {
        let recent = RecentEvents { events, late, seconds, late_seconds, fade };
        let report = judge_stored(PartitionStatus { recent, ..row(3) }, ends, now(), STALLED_AFTER);
        let remark = remark_on_late_events(&report);
        let expected = percent.map(|percent| format!("t partition 3: {percent} of the newest"));
        match (&remark, &expected) {
            (Some(remark), Some(expected)) => assert!(remark.starts_with(expected), "{remark}"),
            both => assert_eq!(both, (&None, &None), "{recent:?}"),
        }
        let retired = PartitionStatus { is_retired: true, recent, ..row(3) };
        let report = judge_stored(retired, ends, now(), STALLED_AFTER);
        assert_eq!(remark_on_late_events(&report), None);
    }
}
