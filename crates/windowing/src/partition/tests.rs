//! One test for each rule by which a record is counted on time, counted late or kept.

use event_model::MICROS_PER_SECOND;

use super::*;
use crate::bounds::{Limit, Size};
use crate::{DeadLetter, Groups};

/// The growth by this alone.
fn grown(limit: Limit, size: Size) -> Growth {
    let mut growth = Growth::default();
    growth.add(limit, size);
    growth
}
use crate::testing::{at, call, record};
use crate::{Counters, Header, RecordTime};

const MINUTE: i64 = 60 * MICROS_PER_SECOND;
const RULES: Rules = Rules {
    watermark_delay_micros: 2 * MINUTE,
    max_future_skew_micros: 5 * MINUTE,
    business_timezone: chrono_tz::Tz::UTC,
};
/// Where the partitions of these tests begin.
const FIRST: i64 = 10;

fn partition() -> PartitionState {
    PartitionState::new(Progress::starting_at(Position::at(FIRST)), RULES)
}

/// Reads one event, by whose own time its record was written, at the next offset.
fn read(state: &mut PartitionState, event_time: EventTime) {
    let payload = call(event_time);
    let offset = state.progress().next.offset();
    state.read(&record(offset, RecordTime::LogAppend(event_time), &payload), event_time);
}

/// Reads `before`, then `event_time`; checks whether that is late.
fn check_late(state: &mut PartitionState, before: &[EventTime], event_time: EventTime, late: bool) {
    for earlier in before {
        read(state, *earlier);
    }
    let former = state.progress().counters;
    read(state, event_time);
    let counters = state.progress().counters;
    let is = (counters.on_time - former.on_time, counters.late - former.late);
    assert_eq!(is, if late { (0, 1) } else { (1, 0) }, "{event_time} after {before:?}");
}

#[test]
fn an_event_is_late_when_its_window_ends_at_or_before_the_watermark() {
    // ... 12:02 ..|.. 12:03 ..|..        watermark = 12:05 − 2 min = 12:03
    let just_before = |time: EventTime| time.plus_micros(-1);
    let table = [
        (at(5, 0), just_before(at(3, 0)), true),
        (at(5, 0), at(2, 0), true),
        (at(5, 0), at(3, 0), false),
        (just_before(at(5, 0)), at(2, 0), false),
        // Before the watermark, but its window is still open.
        (at(5, 30), at(3, 0), false),
        (just_before(at(6, 0)), at(3, 0), false),
        (at(6, 0), at(3, 0), true),
    ];
    for (highest, event_time, late) in table {
        check_late(&mut partition(), &[highest], event_time, late);
    }
}

#[test]
fn the_first_event_is_on_time_and_the_watermark_follows_the_highest_event_time() {
    let mut state = partition();
    assert_eq!(state.progress().watermark, None);
    for (event_time, watermark) in
        [(at(5, 7), at(3, 7)), (at(4, 0), at(3, 7)), (at(9, 0), at(7, 0))]
    {
        check_late(&mut state, &[], event_time, false);
        assert_eq!(state.progress().watermark, Some(watermark));
    }
    assert_eq!(state.progress().max_event_time, Some(at(9, 0)));
}

#[test]
fn late_events_do_not_move_the_watermark() {
    let mut state = partition();
    check_late(&mut state, &[at(30, 0)], at(1, 0), true);
    assert_eq!(state.progress().watermark, Some(at(28, 0)));
    assert_eq!(state.progress().max_event_time, Some(at(30, 0)));
}

#[test]
fn late_and_on_time_events_are_kept_apart() {
    let mut state = partition();
    check_late(&mut state, &[at(30, 0)], at(1, 0), true);
    let delta = state.take_delta(Position::at(-1));
    let minutes = |groups: &Groups| -> Vec<_> {
        groups.iter().map(|(key, totals)| (key.window.start(), totals.events)).collect()
    };
    assert_eq!(minutes(&delta.on_time), [(at(30, 0), 1)]);
    assert_eq!(minutes(&delta.late), [(at(1, 0), 1)]);
    assert!(state.take_delta(Position::at(-1)).on_time.is_empty(), "handed over once");
}

#[test]
fn an_event_further_ahead_of_its_reference_than_the_guard_allows_is_dead() {
    let (early, late) = (at(10, 0), at(20, 0));
    let table = [
        // record time, clock, reference
        (RecordTime::LogAppend(early), late, early),
        (RecordTime::LogAppend(late), early, late),
        (RecordTime::Create(early), late, early),
        (RecordTime::Create(late), early, early),
        (RecordTime::Unknown, early, early),
    ];
    for (time, now, reference) in table {
        let last_accepted = reference.plus_micros(RULES.max_future_skew_micros);
        for (event_time, dead) in [(last_accepted, 0), (last_accepted.plus_micros(1), 1)] {
            let mut state = partition();
            state.read(&record(FIRST, time, &call(event_time)), now);
            let expected = Counters { on_time: 1 - dead, dead, ..Counters::default() };
            assert_eq!(state.progress().counters, expected, "{time:?}, clock {now}, {event_time}");
            // How far ahead it was is told all the same.
            let ahead_ms = state.progress().skew.max_ahead_ms;
            assert!(dead == 0 || ahead_ms >= 300_000, "{time:?}: {ahead_ms} ms ahead");
        }
    }
}

#[test]
fn dead_events_do_not_move_the_watermark() {
    let mut state = partition();
    read(&mut state, at(5, 0));
    let too_far_ahead = call(at(59, 0));
    for payload in [too_far_ahead.as_slice(), b"{"] {
        let offset = state.progress().next.offset();
        state.read(&record(offset, RecordTime::LogAppend(at(5, 0)), payload), at(5, 0));
    }
    assert_eq!(state.progress().counters.dead, 2);
    assert_eq!(state.progress().watermark, Some(at(3, 0)));
    assert_eq!(state.progress().max_event_time, Some(at(5, 0)));
    check_late(&mut state, &[], at(4, 0), false);
}

#[test]
fn a_stored_watermark_is_a_floor_whatever_the_delay_is_now() {
    // Stored: highest event time 12:10, watermark 12:08.
    let table = [
        ("the same delay", 2, at(8, 0)),
        ("a shorter one raises it", 1, at(9, 0)),
        ("a longer one does not lower it", 5, at(8, 0)),
    ];
    for (name, delay_minutes, watermark) in table {
        let mut stored = Progress::starting_at(Position::at(FIRST));
        stored.max_event_time = Some(at(10, 0));
        stored.watermark = Some(at(8, 0));
        let rules = Rules { watermark_delay_micros: delay_minutes * MINUTE, ..RULES };
        let mut state = PartitionState::new(stored, rules);
        assert_eq!(state.progress().watermark, Some(watermark), "{name}");

        check_late(&mut state, &[], watermark.plus_micros(-1), true);
        check_late(&mut state, &[], watermark, false);
        // A little further, but with the longer delay not far enough to move it.
        read(&mut state, at(10, 1));
        assert!(state.progress().watermark >= Some(watermark), "{name}: I-4");
    }
}

#[test]
fn a_record_before_the_position_was_counted_already_and_is_ignored() {
    let mut state = partition();
    read(&mut state, at(5, 0));
    read(&mut state, at(6, 0));
    let (before, delta) = (state.progress().clone(), state.take_delta(Position::at(-1)));
    assert_eq!(delta.on_time.len(), 2);
    for offset in [FIRST - 1, FIRST, FIRST + 1] {
        for payload in [call(at(7, 0)), b"{".to_vec()] {
            let growth =
                state.read(&record(offset, RecordTime::LogAppend(at(7, 0)), &payload), at(7, 0));
            assert_eq!(growth, Growth::default());
        }
    }
    assert_eq!(state.progress(), &before);
    assert!(state.take_delta(Position::at(-1)).on_time.is_empty());
}

#[test]
fn offsets_that_no_one_was_shown_count_as_skipped() {
    let mut state = partition();
    for (offset, next, skipped) in [(10, 11, 0), (13, 14, 2), (14, 15, 2), (20, 21, 7)] {
        state.read(&record(offset, RecordTime::LogAppend(at(1, 0)), &call(at(1, 0))), at(1, 0));
        assert_eq!(state.progress().next, Position::at(next));
        assert_eq!(state.progress().counters.skipped, skipped);
        assert!(state.progress().is_accounted());
    }
}

#[test]
fn the_end_of_the_log_skips_what_was_not_shown_and_never_goes_back() {
    let mut state = partition();
    for (end, next, skipped) in [(13, 13, 3), (13, 13, 3), (9, 13, 3), (14, 14, 4)] {
        state.skip_to(Position::at(end));
        assert_eq!(state.progress().next, Position::at(next));
        assert_eq!(state.progress().counters.skipped, skipped);
        assert!(state.progress().is_accounted());
    }
    assert_eq!(state.progress().fingerprint, None, "nothing was read");
}

#[test]
fn a_dead_letter_keeps_the_whole_record() {
    let headers = || -> Vec<Header> {
        vec![("trace".to_owned(), Some(vec![0, 255])), ("none".to_owned(), None)]
    };
    let time = RecordTime::Create(at(3, 0));
    let key = Some(b"key".as_slice());
    let table = [
        (key, Some(b"{\xff".as_slice()), "not_utf8"),
        (key, None, "null_payload"),
        (None, Some(b"[]".as_slice()), "not_an_object"),
    ];
    for (key, payload, reason) in table {
        let mut state = partition();
        let growth = state.read(
            &Record {
                offset: FIRST,
                time,
                key,
                payload,
                content: crate::Content::Payload,
                headers: &headers,
            },
            at(4, 0),
        );
        let delta = state.take_delta(Position::at(-1));
        let [letter] = delta.dead_letters.as_slice() else { panic!("one letter: {delta:?}") };
        let expected = DeadLetter {
            offset: FIRST,
            reason,
            detail: letter.detail.clone(),
            record_time: Some(at(3, 0)),
            key: key.map(<[u8]>::to_vec),
            payload: payload.map(<[u8]>::to_vec),
            headers: headers(),
        };
        assert_eq!(letter, &expected);
        assert!(!letter.detail.is_empty(), "{reason} needs a sentence");
        assert_eq!(state.progress().counters.dead, 1);

        let sent_bytes = key.unwrap_or_default().len() + payload.unwrap_or_default().len();
        let bytes = sent_bytes + letter.detail.len() + "trace".len() + 2 + "none".len();
        assert_eq!(growth, grown(Limit::DeadLetters, Size { items: 1, bytes }));
    }
}

#[test]
fn headers_of_a_usable_record_are_never_read() {
    let mut state = partition();
    let payload = call(at(1, 0));
    let headers = || -> Vec<Header> { panic!("reading headers allocates") };
    let time = RecordTime::LogAppend(at(1, 0));
    let record = Record {
        offset: FIRST,
        time,
        key: None,
        payload: Some(&payload),
        content: crate::Content::Payload,
        headers: &headers,
    };
    let growth = state.read(&record, at(1, 0));
    assert_eq!(growth.of(Limit::Groups), Size { items: 1, bytes: 0 });
    assert_eq!(growth.of(Limit::DeadLetters), Size::NONE);
}

#[test]
fn the_fingerprint_is_the_last_record_and_the_origin_the_first_dead_or_not() {
    let mut state = partition();
    let fingerprint = |offset, timestamp_ms, crc_of: &[u8]| {
        Some(Fingerprint { offset, timestamp_ms, crc: crc32fast::hash(crc_of) })
    };
    let read = |state: &mut PartitionState, offset, time, key, payload| {
        state.read(
            &Record {
                offset,
                time,
                key,
                payload,
                content: crate::Content::Payload,
                headers: &Vec::new,
            },
            at(1, 0),
        );
    };
    let time = RecordTime::LogAppend(EventTime::from_millis(1_234));

    read(&mut state, 12, time, Some(b"ke".as_slice()), Some(b"y{".as_slice()));
    let origin = fingerprint(12, Some(1_234), b"key{");
    assert_eq!(state.progress().origin, origin);
    assert_eq!(state.progress().fingerprint, origin);

    read(&mut state, 15, RecordTime::Unknown, None, None);
    assert_eq!(state.progress().origin, origin);
    assert_eq!(state.progress().fingerprint, fingerprint(15, None, b""));

    // After a restart, too, the origin stays what it was.
    let mut state = PartitionState::new(state.progress().clone(), RULES);
    read(&mut state, 16, time, None, Some(b"x".as_slice()));
    assert_eq!(state.progress().origin, origin);
    assert_eq!(state.progress().fingerprint, fingerprint(16, Some(1_234), b"x"));
}
