//! What stands in a record is not always known when it comes: its partition stands still before it, and goes on by itself.

use super::*;
use crate::{Content, DeadLetter};

impl Bench {
    /// A record comes whose content is awaited.
    fn await_content(&mut self, partition: i32, offset: i64, reason: &str) -> Vec<String> {
        let time = at(offset, 0);
        let payload = call(time);
        let record = record(offset, RecordTime::LogAppend(time), &payload);
        let now = self.now;
        self.apply(Input::ContentAwaited { partition, record, now, reason })
    }

    fn halted_reason(&self) -> Option<&str> {
        let batch = self.flush.as_ref().expect("a flush is under way");
        batch.parts[0].new.halted_reason.as_deref()
    }
}

#[test]
fn a_partition_stands_still_before_what_is_awaited_and_goes_on_once_it_is_known() {
    let mut bench = Bench::reading(WIDE, &[0, 1]);
    bench.read(0, 0);
    let effects = bench.await_content(0, 1, "schema 7");
    assert_eq!(effects[0], "halt 0: schema 7");
    assert!(effects[1].starts_with("flush 0:0→1"), "{effects:?}");
    assert_eq!(bench.halted_reason(), Some("schema 7"), "it is stored at once");
    assert_eq!(bench.read(0, 2), NOTHING, "what comes behind it is ignored");
    assert_eq!(bench.read(1, 0), NOTHING, "others go on");
    bench.commit();

    // Until it is known, judging it again changes nothing; another reason is told.
    let judged = |awaited| Input::ContentJudged { partition: 0, awaited };
    assert_eq!(bench.apply(judged(Some("schema 7"))), NOTHING);
    assert_eq!(bench.apply(Input::JudgeHaltedAgain), NOTHING);
    assert_eq!(bench.apply(judged(Some("still schema 7"))), ["halt 0: still schema 7"]);
    assert_eq!(bench.apply(judged(None)), NOTHING);
    bench.apply(Input::FlushDue);
    bench.commit();
    assert_eq!(bench.apply(Input::JudgeHaltedAgain), ["load [0]"]);
    assert_eq!(bench.load(0, 1), ["read 0 from 1"]);
    bench.read(0, 1);
    bench.apply(Input::FlushDue);
    assert_eq!(bench.halted_reason(), None);
}

#[test]
fn what_was_counted_already_needs_no_content() {
    let (mut bench, _) = Bench::loaded(ends(0, 9), Ownership::default());
    assert_eq!(
        bench.await_content(0, 4, "schema 7"),
        NOTHING,
        "the fingerprint is met by its bytes"
    );
    assert_eq!(bench.engine.positions().count(), 1);
    assert_eq!(bench.await_content(0, 3, "schema 7"), NOTHING);
    assert!(bench.engine.is_shown_records(0));
    assert_eq!(bench.await_content(0, 5, "schema 7")[0], "halt 0: schema 7");
    assert!(!bench.engine.is_shown_records(0), "nobody needs what stands behind it");
}

#[test]
fn another_log_is_told_before_what_stands_in_it_is_awaited() {
    let (mut bench, _) = Bench::loaded(ends(0, 9), Ownership::default());
    let effects = bench.await_content(0, 5, "schema 7");
    assert!(effects[0].starts_with("examine 0"), "{effects:?}");
}

#[test]
fn a_judgement_of_contents_heals_no_other_halt() {
    let mut bench = Bench::reading(WIDE, &[0]);
    bench.read(0, 0);
    bench.apply(Input::FlushDue);
    let refused = PartOutcome::Refused("a constraint".to_owned());
    bench.finish(&refused, &[]);
    bench.apply(Input::ContentJudged { partition: 0, awaited: None });
    assert_eq!(bench.apply(Input::JudgeHaltedAgain), NOTHING);
}

#[test]
fn an_event_is_counted_by_its_content_and_remembered_by_its_bytes() {
    let mut bench = Bench::reading(WIDE, &[0]);
    let (raw, text) = (b"\0\0\0\0\x07raw", call(at(0, 0)));
    let time = RecordTime::LogAppend(at(0, 0));
    let event = Record { content: Content::Json(&text), ..record(0, time, raw) };
    let dead = event_model::decode(b"[]").unwrap_err();
    let broken = Record { content: Content::Unusable(&dead), ..record(1, time, raw) };
    let now = bench.now;
    for shown in [event, broken] {
        bench.apply(Input::Record { partition: 0, record: shown, now });
    }
    bench.apply(Input::FlushDue);
    let part = &bench.flush.as_ref().expect("just cut").parts[0];
    assert_eq!((part.new.counters.on_time, part.new.counters.dead), (1, 1));
    assert_eq!(part.new.fingerprint, Some(crate::fingerprint_of(&record(1, time, raw))));
    let [DeadLetter { payload, reason, .. }] = part.delta.dead_letters.as_slice() else {
        panic!("one letter")
    };
    assert_eq!((payload.as_deref(), *reason), (Some(&raw[..]), "not_an_object"));
}
