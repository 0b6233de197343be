//! Generated logs: events out of order, late, too far ahead or unusable, and control records that
//! take an offset without being shown to anyone.
//!
//! In: proptest's choices. Out: a [`LogPlan`], which is what a failure prints, and from it the
//! [`Log`] with the records' bytes.

use event_model::EventTime;
use proptest::prelude::*;
use windowing::{Header, RecordTime};

/// 2025-11-09T18:50:00Z: where the logs' record times begin, ten minutes before midnight in Almaty.
pub(crate) const BASE_MICROS: i64 = 1_762_714_200_000_000;
/// The clock, which stands still: on a topic with CreateTime the future guard depends on it.
pub(crate) const NOW_MICROS: i64 = BASE_MICROS + 600 * SECOND;
/// How far the watermark stays behind.
pub(crate) const DELAY_MICROS: i64 = 120 * SECOND;
/// How far an event may be ahead.
pub(crate) const SKEW_MICROS: i64 = 300 * SECOND;

const SECOND: i64 = 1_000_000;
const EVENT_TYPES: [&str; 2] = ["call", "sms"];
const REGIONS: [&str; 3] = ["Almaty", "Astana", "Шымкент"];
/// Few, so that one is met again in other partitions and after flushes.
const SUBSCRIBERS: [&str; 4] = ["00c0ffee00c0ffee", "0123456789abcdef", "", "7701234****"];

/// Payloads that are no event, with the reason.
pub(crate) const UNUSABLE: [(Option<&str>, &str); 4] = [
    (None, "null_payload"),
    (Some("{"), "not_json"),
    (Some(r#"{"event_type": "call", "region": "ALL"}"#), "reserved_name"),
    (Some(r#"{"event_type": "call", "region": "Almaty"}"#), "missing"),
];

/// One partition's log, as it was drawn.
#[derive(Clone, Debug)]
pub(crate) struct LogPlan {
    /// Its oldest offset.
    pub(crate) first: i64,
    pub(crate) entries: Vec<Entry>,
}

/// What takes one offset.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Time since the entry before it.
    pub(crate) after_seconds: i64,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Control,
    /// An index of [`UNUSABLE`].
    Unusable(usize),
    Event(EventPlan),
}

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct EventPlan {
    /// Event time − record time.
    pub(crate) ahead_micros: i64,
    pub(crate) stamp: Stamp,
    pub(crate) event_type: &'static str,
    pub(crate) region: &'static str,
    pub(crate) seconds: i64,
    pub(crate) mb_hundredths: i64,
    pub(crate) tenge: i64,
    pub(crate) subscriber_id: Option<&'static str>,
    pub(crate) msisdn: Option<&'static str>,
}

/// Who set the record's time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stamp {
    Broker,
    Producer,
    Nobody,
}

/// One partition's log, from its oldest offset on; `None` is a control record.
pub(crate) struct Log {
    pub(crate) first: i64,
    pub(crate) messages: Vec<Option<Message>>,
}

/// One record, and what it was made from.
pub(crate) struct Message {
    pub(crate) time: RecordTime,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: Vec<Header>,
    pub(crate) content: Content,
    /// The event's time, where it is one.
    pub(crate) event_micros: i64,
}

impl Log {
    pub(crate) fn written(plan: &LogPlan) -> Self {
        let mut record_micros = BASE_MICROS;
        let mut messages = Vec::new();
        for (offset, entry) in (plan.first..).zip(&plan.entries) {
            record_micros += entry.after_seconds * SECOND;
            messages.push(message(offset, record_micros, &entry.content));
        }
        Log { first: plan.first, messages }
    }

    /// The offset after the last entry.
    pub(crate) fn end(&self) -> i64 {
        self.first + i64::try_from(self.messages.len()).expect("logs are short")
    }
}

fn message(offset: i64, record_micros: i64, content: &Content) -> Option<Message> {
    let written_at = EventTime::from_micros(record_micros);
    let (time, event_micros, payload) = match content {
        Content::Control => return None,
        Content::Unusable(index) => {
            (RecordTime::LogAppend(written_at), 0, UNUSABLE[*index].0.map(str::to_owned))
        }
        Content::Event(event) => {
            let time = match event.stamp {
                Stamp::Broker => RecordTime::LogAppend(written_at),
                Stamp::Producer => RecordTime::Create(written_at),
                Stamp::Nobody => RecordTime::Unknown,
            };
            let event_micros = record_micros + event.ahead_micros;
            (time, event_micros, Some(json(event, event_micros)))
        }
    };
    let header = ("offset".to_owned(), Some(offset.to_string().into_bytes()));
    Some(Message {
        time,
        key: (offset % 2 == 0).then(|| offset.to_be_bytes().to_vec()),
        payload: payload.map(String::into_bytes),
        headers: vec![header, ("none".to_owned(), None)],
        content: content.clone(),
        event_micros,
    })
}

fn json(event: &EventPlan, event_micros: i64) -> String {
    let EventPlan { event_type, region, seconds, mb_hundredths, tenge, .. } = event;
    let text_or_null = |text: Option<&str>| text.map_or("null".into(), |text| format!("{text:?}"));
    let (subscriber_id, msisdn) = (text_or_null(event.subscriber_id), text_or_null(event.msisdn));
    let (whole, hundredths) = (mb_hundredths / 100, mb_hundredths % 100);
    let timestamp = EventTime::from_micros(event_micros);
    format!(
        r#"{{"event_type": "{event_type}", "region": "{region}", "timestamp": "{timestamp}",
            "duration_seconds": {seconds}, "data_mb": {whole}.{hundredths:02}, "amount": {tenge},
            "subscriber_id": {subscriber_id}, "msisdn": {msisdn}}}"#
    )
}

/// One to four partitions.
pub(crate) fn logs() -> impl Strategy<Value = Vec<LogPlan>> {
    let log = (0..4_i64, prop::collection::vec(entry(), 0..24))
        .prop_map(|(first, entries)| LogPlan { first, entries });
    prop::collection::vec(log, 1..=4)
}

fn entry() -> impl Strategy<Value = Entry> {
    let content = prop_oneof![
        8 => event().prop_map(Content::Event),
        1 => Just(Content::Control),
        1 => (0..UNUSABLE.len()).prop_map(Content::Unusable),
    ];
    // The logs cross several minutes, and most of them a quarter of an hour.
    (0..90_i64, content).prop_map(|(after_seconds, content)| Entry { after_seconds, content })
}

fn event() -> impl Strategy<Value = EventPlan> {
    let ahead_micros = prop_oneof![
        6 => (-90..=0_i64).prop_map(|seconds| seconds * SECOND),
        3 => (-900..-60_i64).prop_map(|seconds| seconds * SECOND),
        1 => (0..=300_i64).prop_map(|seconds| seconds * SECOND),
        1 => SKEW_MICROS..=SKEW_MICROS + 1,
        1 => (301..3_000_i64).prop_map(|seconds| seconds * SECOND),
    ];
    let stamp = prop_oneof![
        4 => Just(Stamp::Broker),
        1 => Just(Stamp::Producer),
        1 => Just(Stamp::Nobody),
    ];
    let names = (prop::sample::select(&EVENT_TYPES[..]), prop::sample::select(&REGIONS[..]));
    let numbers = (0..7_200_i64, 0..50_000_i64, 0..10_000_i64);
    let subscriber = || prop::option::of(prop::sample::select(&SUBSCRIBERS[..]));
    let subscribers = (subscriber(), subscriber());
    (ahead_micros, stamp, names, numbers, subscribers).prop_map(
        |(ahead_micros, stamp, names, (seconds, mb_hundredths, tenge), subscribers)| EventPlan {
            ahead_micros,
            stamp,
            event_type: names.0,
            region: names.1,
            seconds,
            mb_hundredths,
            tenge,
            subscriber_id: subscribers.0,
            msisdn: subscribers.1,
        },
    )
}
