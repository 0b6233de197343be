//! What comes out of a reading, as tables.

use windowing::RecordTime;

use super::*;
use crate::Key;

/// What stands at an offset.
#[derive(Clone, Copy, PartialEq)]
enum Stands {
    Event,
    /// An event that the warehouse refused because it lies in the future.
    Future,
    Unreadable,
    Nothing,
}
use Stands::{Event, Future, Nothing, Unreadable};

const SKEW: i64 = 300_000_000;

/// A log of records, each written at its offset in seconds; `life` tells logs apart.
fn payload(offset: i64, stands: Stands, life: u8) -> String {
    match stands {
        Unreadable => "no event".to_owned(),
        _ => format!("{life}/{offset}"),
    }
}

fn with_record<T>(offset: i64, stands: Stands, life: u8, f: impl FnOnce(&Record<'_>) -> T) -> T {
    let payload = payload(offset, stands, life);
    f(&Record {
        offset,
        time: RecordTime::LogAppend(EventTime::from_millis(offset * 1_000)),
        key: None,
        payload: Some(payload.as_bytes()),
        content: windowing::Content::Payload,
        headers: &Vec::new,
    })
}

struct Log<'a> {
    low: i64,
    stands: &'a [Stands],
    life: u8,
}

/// Reads from 4, with the record at 3 as mark, to 10, with the one at 8 as the last.
fn task(life_of_mark: u8, expected: Option<Counted>, last: Stands) -> Task {
    let mark = with_record(3, Event, life_of_mark, |record| Mark::of(fingerprint_of(record)));
    let before = Counted { events: 4, dead: 0 };
    let after = expected.unwrap_or_default();
    Task {
        key: Key { partition: 0, generation: 0 },
        first: Position::at(0),
        from: Reached {
            position: Position::at(4),
            counted: expected.map(|_| before),
            mark: Some(mark),
            origin: None,
        },
        to: Position::at(10),
        last: with_record(8, last, 0, fingerprint_of),
        counted: Counted { events: 4 + after.events, dead: after.dead },
        origin: None,
    }
}

fn read(log: &Log<'_>, task: Task, letters: &[i64]) -> Result<Reached, Trouble> {
    let mut reading = Reading::begin(task, letters.to_vec(), Position::at(log.low), SKEW);
    let begins_at = reading.begins_at().offset();
    for (offset, &stands) in (0_i64..).zip(log.stands) {
        if offset < log.low.max(begins_at - 1) || stands == Nothing {
            continue;
        }
        with_record(offset, stands, log.life, |record| {
            if reading.see(record) == Seen::Taken {
                let event_time = match stands {
                    Event => record.time.instant(),
                    Future => record.time.instant().map(|at| at.plus_micros(SKEW + 1)),
                    _ => None,
                };
                let is_dead = reading.is_dead_letter(record, event_time) || event_time.is_none();
                reading.count(!is_dead);
            }
        });
    }
    if !reading.is_done() {
        let end = i64::try_from(log.stands.len()).unwrap();
        reading.see_end(Position::at(end));
    }
    reading.judge()
}

const COUNTED: Counted = Counted { events: 4, dead: 1 };
const LOG: [Stands; 12] =
    [Event, Event, Event, Event, Event, Event, Unreadable, Event, Event, Nothing, Event, Event];

#[test]
fn what_was_counted_is_reached_and_records_before_and_behind_are_left() {
    let log = Log { low: 0, stands: &LOG, life: 0 };
    let task = task(0, Some(COUNTED), Event);
    let reached = read(&log, task.clone(), &[6]).unwrap();
    assert_eq!(reached.position, Position::at(10));
    assert_eq!(reached.counted, Some(Counted { events: 8, dead: 1 }));
    assert_eq!(reached.mark, Some(Mark::of(task.last)));
}

#[test]
fn a_letter_decides_and_where_it_was_deleted_the_rule_does() {
    let stands =
        [Event, Event, Event, Event, Event, Future, Unreadable, Event, Event, Nothing, Event];
    let log = Log { low: 0, stands: &stands, life: 0 };
    let counted = Some(Counted { events: 3, dead: 2 });
    for letters in [&[5, 6][..], &[5], &[6], &[]] {
        assert!(read(&log, task(0, counted, Event), letters).is_ok(), "{letters:?}");
    }
    // With another skew, or by a clock that we do not have, it was judged otherwise.
    let other = Some(Counted { events: 4, dead: 1 });
    assert!(matches!(
        read(&log, task(0, other, Event), &[5]),
        Err(Trouble::Halt(Halt::CountsDiffer { letters: 1, .. }))
    ));
}

#[test]
fn what_is_wrong_with_the_log_is_told_apart() {
    type Check = fn(&Trouble) -> bool;
    let overtaken: Check = |trouble| matches!(trouble, Trouble::Halt(Halt::Overtaken { .. }));
    let another: Check = |trouble| matches!(trouble, Trouble::Halt(Halt::AnotherLog { .. }));
    let differ: Check = |trouble| matches!(trouble, Trouble::Halt(Halt::CountsDiffer { .. }));
    let missing: Check =
        |trouble| matches!(trouble, Trouble::Passing(Passing::LastRecordMissing { .. }));
    let silent: Check = |trouble| matches!(trouble, Trouble::Passing(Passing::Silent { .. }));
    let mut compacted = LOG;
    compacted[7] = Nothing;
    let mut last_gone = LOG;
    last_gone[8] = Nothing;
    for (name, low, stands, life, life_of_mark, wrong) in [
        ("deleted in the middle", 6, &LOG[..], 0, 0, overtaken),
        ("deleted whole", 9, &LOG, 0, 0, overtaken),
        ("made again, longer", 0, &LOG, 1, 0, another),
        ("the warehouse's is another than the lake's", 0, &LOG, 0, 1, another),
        ("made again, the mark not yet reached", 5, &LOG, 1, 0, missing),
        ("cut off before the last record", 0, &LOG[..6], 0, 0, missing_or_silent()),
        ("the last record is missing", 0, &last_gone, 0, 0, missing),
        ("one is missing", 0, &compacted, 0, 0, differ),
    ] {
        let log = Log { low, stands, life };
        let trouble = read(&log, task(life_of_mark, Some(COUNTED), Event), &[6]).unwrap_err();
        assert!(wrong(&trouble), "{name}: {trouble:?}");
    }
    fn missing_or_silent() -> Check {
        |trouble| matches!(trouble, Trouble::Passing(_))
    }
    let nothing_came = Reading::begin(task(0, None, Event), vec![], Position::at(0), SKEW);
    assert!(silent(&nothing_came.judge().unwrap_err()));
}

#[test]
fn marks_of_transactions_that_retention_removed_are_no_loss() {
    let stands = [Event, Event, Event, Event, Nothing, Nothing, Unreadable, Event, Event, Nothing];
    let log = Log { low: 6, stands: &stands, life: 0 };
    let counted = Some(Counted { events: 2, dead: 1 });
    assert!(read(&log, task(0, counted, Event), &[6]).is_ok());
}

#[test]
fn with_unknown_counters_what_is_there_is_taken_but_never_over_a_hole() {
    let log = |low| Log { low, stands: &LOG, life: 0 };
    assert!(read(&log(0), task(0, None, Event), &[6]).is_ok());
    assert!(matches!(
        read(&log(6), task(0, None, Event), &[6]),
        Err(Trouble::Halt(Halt::Overtaken { .. }))
    ));
}
