//! Unusable payloads, one kind for each reason of a dead letter.
//!
//! In: an event, the reason, dice. Out: bytes that readers must refuse for exactly this reason. A test
//! holds each against the decoder.

use event_model::{DeadReason, Event};
use serde_json::{Value, json};

use crate::random::Dice;

/// Ahead of every clock until then, and yet a time that an event may name.
const FAR_FUTURE: &str = "2099-12-31T23:59:59.000000Z";

/// Writes an event so that it is unusable; `false`: it has no payload at all.
pub(crate) fn write(
    reason: DeadReason,
    event: &Event,
    dice: &mut Dice,
    payload: &mut Vec<u8>,
) -> bool {
    payload.clear();
    match reason {
        DeadReason::NullPayload => return false,
        DeadReason::NotUtf8 => with_text_in_region(event, b"\xff", payload),
        // No escape in the text reaches beyond the region's first byte.
        DeadReason::LoneSurrogate => with_text_in_region(event, br"\ud800", payload),
        DeadReason::ContainsNul => with_text_in_region(event, br"\u0000", payload),
        DeadReason::NotJson => {
            event.encode(payload);
            // Something must be left, and the closing brace must not.
            let kept = 1 + dice.below(payload.len() as u64 - 1) as usize;
            payload.truncate(kept);
        }
        DeadReason::NotAnObject => {
            payload.push(b'[');
            event.encode(payload);
            payload.push(b']');
        }
        DeadReason::DuplicateField => {
            payload.extend_from_slice(br#"{"event_type":"call","#);
            let start = payload.len();
            event.encode(payload);
            payload.remove(start);
        }
        DeadReason::NotMapped => payload.extend_from_slice(br#"{"not_mapped":"time_unparsable"}"#),
        reason => {
            let (field, value) = wrong_field(reason);
            with_field(event, field, value, payload);
        }
    }
    true
}

/// A field and a value of it that breaks the rule, for rules about single fields.
fn wrong_field(reason: DeadReason) -> (&'static str, Value) {
    match reason {
        DeadReason::WrongType => ("event_type", json!(7)),
        DeadReason::Missing => ("timestamp", Value::Null),
        DeadReason::Empty => ("region", json!("")),
        DeadReason::TooLong => ("region", json!("x".repeat(101))),
        DeadReason::ReservedName => ("region", json!("ALL")),
        DeadReason::TimestampOutOfRange => ("timestamp", json!("1999-12-31T23:59:59.000000Z")),
        // Seconds taken for milliseconds: the twenty-first day of 1970.
        DeadReason::TimestampUnit => ("timestamp", json!("1970-01-21T09:37:26.400000Z")),
        DeadReason::TimestampInFuture => ("timestamp", json!(FAR_FUTURE)),
        DeadReason::NegativeNumber => ("duration_seconds", json!(-1)),
        DeadReason::NumberTooLarge => ("amount", json!(10_000_000_000_u64)),
        DeadReason::NotWhole => ("duration_seconds", json!(1.5)),
        // The others are rules about the whole text, and written above.
        _ => ("timestamp", json!("yesterday")),
    }
}

fn with_field(event: &Event, field: &str, value: Value, payload: &mut Vec<u8>) {
    let mut object = serde_json::to_value(event).expect("nothing in an Event has no JSON form");
    object[field] = value;
    serde_json::to_writer(payload, &object).expect("a Vec takes every byte");
}

/// Puts bytes before the first one of the region's name.
fn with_text_in_region(event: &Event, bytes: &[u8], payload: &mut Vec<u8>) {
    const BEFORE: &[u8] = br#""region":""#;
    event.encode(payload);
    let start = payload.windows(BEFORE.len()).position(|window| window == BEFORE);
    let at = start.expect("an event has a region") + BEFORE.len();
    payload.splice(at..at, bytes.iter().copied());
}

#[cfg(test)]
mod tests {
    use event_model::{EventTime, decode};

    use super::*;
    use crate::generator::empty_event;
    use crate::random::{Purpose, Streams};

    #[test]
    fn each_kind_is_refused_for_its_own_reason() {
        for seed in 0..50 {
            let mut dice = Streams::of(seed).at(0).open(Purpose::Malformed, 0, 0);
            let mut event = empty_event();
            event.region = "Almaty".to_owned();
            event.timestamp = "2025-11-09T12:00:00Z".parse().unwrap();
            for reason in DeadReason::ALL {
                let mut payload = Vec::new();
                let has_payload = write(reason, &event, &mut dice, &mut payload);
                assert_eq!(has_payload, reason != DeadReason::NullPayload);
                if !has_payload {
                    continue;
                }
                let shown = String::from_utf8_lossy(&payload).into_owned();
                match (reason, decode(&payload)) {
                    // Only a reader that knows when the record was written can refuse it.
                    (DeadReason::TimestampInFuture, Ok(view)) => {
                        assert!(view.event_time > EventTime::from(event.timestamp), "{shown}");
                    }
                    (_, Ok(_)) => panic!("{reason} is accepted: {shown}"),
                    (_, Err(dead)) => assert_eq!(dead.reason, reason, "{shown}: {}", dead.detail),
                }
            }
        }
    }
}
