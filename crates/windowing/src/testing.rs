//! What the unit tests of several files need: a clock's face, and records written in one line.

use event_model::{EventTime, MICROS_PER_SECOND};

use crate::{Header, Record, RecordTime};

/// 2025-11-09T12:00:00Z.
const NOON: EventTime = EventTime::from_micros(1_762_689_600 * MICROS_PER_SECOND);

/// 12:`minute`:`second`.
pub(crate) fn at(minute: i64, second: i64) -> EventTime {
    NOON.plus_micros((minute * 60 + second) * MICROS_PER_SECOND)
}

/// An event's JSON.
pub(crate) fn event(event_type: &str, region: &str, event_time: EventTime) -> Vec<u8> {
    format!(
        r#"{{"event_type":"{event_type}","region":"{region}","timestamp":"{event_time}",
            "duration_seconds":60,"data_mb":1.5,"amount":0.25}}"#
    )
    .into_bytes()
}

pub(crate) fn call(event_time: EventTime) -> Vec<u8> {
    event("call", "Almaty", event_time)
}

/// A record without key and headers.
pub(crate) fn record(offset: i64, time: RecordTime, payload: &[u8]) -> Record<'_> {
    Record {
        offset,
        time,
        key: None,
        payload: Some(payload),
        content: crate::Content::Payload,
        headers: &no_headers,
    }
}

fn no_headers() -> Vec<Header> {
    Vec::new()
}
