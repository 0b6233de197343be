//! What holds for every input: what we write we read back, nothing panics, nothing overflows the
//! stack, and nothing is copied without need.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use event_model::{DeadReason, Direction, Event, EventTime, EventType, LazyText, decode};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Any text that is usable as a region, and so as any other string.
fn any_region() -> impl Strategy<Value = String> {
    let text = vec(any::<char>(), 1..=100).prop_map(String::from_iter);
    text.prop_filter("reserved or with a NUL", |text| text != "ALL" && !text.contains('\0'))
}

fn any_timestamp() -> impl Strategy<Value = DateTime<Utc>> {
    (EventTime::MIN_ACCEPTED.micros()..EventTime::END_ACCEPTED.micros())
        .prop_map(|micros| DateTime::from_timestamp_micros(micros).expect("a year before 2100"))
}

type Numbers = (Option<u32>, Option<u32>, Option<u32>, Option<u32>);

fn event_of(
    region: impl Strategy<Value = String>,
    numbers: impl Strategy<Value = Numbers>,
    timestamp: impl Strategy<Value = DateTime<Utc>>,
) -> impl Strategy<Value = Event> {
    use EventType::{BalanceRecharge, Call, DataSession, Sms};
    let names = (any::<String>(), any::<String>(), region, any::<String>());
    let kinds = (
        select(vec![DataSession, Call, Sms, BalanceRecharge]),
        option::of(select(vec![Direction::Incoming, Direction::Outgoing])),
        option::of(any::<String>()),
    );
    (names, kinds, numbers, timestamp).prop_map(|(names, kinds, numbers, timestamp)| {
        let (event_id, msisdn, region, subscriber_id) = names;
        let (event_type, event_subtype, counterparty_id) = kinds;
        let (duration_seconds, data_hundredths_mb, amount, cell_tower_id) = numbers;
        Event {
            event_id,
            msisdn,
            event_type,
            event_subtype,
            duration_seconds,
            data_hundredths_mb,
            amount,
            region,
            cell_tower_id,
            timestamp,
            subscriber_id,
            counterparty_id,
        }
    })
}

/// Any event that the contract allows, be it one that no producer would write.
fn any_event() -> impl Strategy<Value = Event> {
    let numbers = (
        option::of(0..=31_622_400_u32),
        option::of(any::<u32>()),
        option::of(0..=1_000_000_000_u32),
        option::of(0..=2_147_483_647_u32),
    );
    event_of(any_region(), numbers, any_timestamp())
}

/// Any value of the type, be it one that the contract refuses: years before 0 and after 9999 too.
fn any_value() -> impl Strategy<Value = Event> {
    let number = || option::of(prop_oneof![any::<u32>(), 0..1_000_u32]);
    let micros = prop_oneof![
        -100_000_000_000_000_000..=300_000_000_000_000_000_i64,
        1_700_000_000_000_000..1_800_000_000_000_000_i64,
    ];
    let timestamp = micros
        .prop_map(|micros| DateTime::from_timestamp_micros(micros).expect("a moment of chrono"));
    event_of(any::<String>(), (number(), number(), number(), number()), timestamp)
}

fn encoded(event: &Event) -> Vec<u8> {
    let mut out = Vec::new();
    event.encode(&mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_byte_is_the_one_that_serde_writes(event in any_value()) {
        let expected = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(String::from_utf8(encoded(&event)).unwrap(), expected.clone());
        // Serde asks the same code for the timestamp; chrono has its own.
        let timestamp = event.timestamp.format(r#","timestamp":"%FT%T%.6fZ","#).to_string();
        prop_assert!(expected.contains(&timestamp), "no {timestamp} in {expected}");
    }

    #[test]
    fn decoding_gives_back_what_was_encoded(event in any_event()) {
        let payload = encoded(&event);
        let view = decode(&payload).expect("an event that the contract allows");
        let event_type = serde_json::to_value(event.event_type).unwrap();
        prop_assert_eq!(view.event_type.as_ref(), event_type.as_str().unwrap());
        prop_assert_eq!(view.region.as_ref(), &event.region);
        prop_assert_eq!(view.event_time, EventTime::from(event.timestamp));
        prop_assert_eq!(view.duration_seconds, i64::from(event.duration_seconds.unwrap_or(0)));
        let data_micro_mb = i64::from(event.data_hundredths_mb.unwrap_or(0)) * 10_000;
        prop_assert_eq!(view.data_micro_mb, data_micro_mb);
        let amount_micro_tenge = i64::from(event.amount.unwrap_or(0)) * 1_000_000;
        prop_assert_eq!(view.amount_micro_tenge, amount_micro_tenge);
        prop_assert_eq!(view.subscriber_id.as_deref(), Some(event.subscriber_id.as_str()));
        prop_assert_eq!(view.msisdn.as_deref(), Some(event.msisdn.as_str()));
        let whole = |text: Option<LazyText<'_>>| text.map(|text| text.get().into_owned());
        prop_assert_eq!(whole(view.event_id), Some(event.event_id));
        let event_subtype = serde_json::to_value(event.event_subtype).unwrap();
        prop_assert_eq!(whole(view.event_subtype), event_subtype.as_str().map(str::to_owned));
        prop_assert_eq!(whole(view.counterparty_id), event.counterparty_id);
        prop_assert_eq!(view.cell_tower_id, event.cell_tower_id);
    }

    #[test]
    fn every_field_of_an_encoded_event_is_readable_json(event in any_event()) {
        let json: serde_json::Value = serde_json::from_slice(&encoded(&event)).unwrap();
        prop_assert_eq!(json.as_object().unwrap().len(), 12);
        prop_assert_eq!(json["event_id"].as_str(), Some(event.event_id.as_str()));
        prop_assert_eq!(json["counterparty_id"].as_str(), event.counterparty_id.as_deref());
        prop_assert_eq!(json["cell_tower_id"].as_u64(), event.cell_tower_id.map(u64::from));
        let subtype = serde_json::to_value(event.event_subtype).unwrap();
        prop_assert_eq!(&json["event_subtype"], &subtype);
    }

    #[test]
    fn no_bytes_ever_panic(payload in vec(any::<u8>(), 0..300)) {
        let _answer = decode(&payload);
    }

    #[test]
    fn no_text_ever_panics(payload in any::<String>()) {
        let _answer = decode(payload.as_bytes());
    }

    #[test]
    fn no_damaged_event_ever_panics(
        event in any_event(),
        damages in vec((any::<Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let mut payload = encoded(&event);
        for (position, byte, kind) in damages {
            let at = position.index(payload.len() + 1);
            match kind {
                0 => payload.insert(at, byte),
                1 => payload.truncate(at),
                _ if at == payload.len() => payload.push(byte),
                2 => payload[at] = byte,
                _ => drop(payload.remove(at)),
            }
        }
        let _answer = decode(&payload);
    }
}

#[test]
fn deep_nesting_is_read_without_the_stack() {
    const LEVELS: usize = 100_000;
    let needed = r#""event_type":"sms","region":"Almaty","timestamp":"2025-11-09T14:30:45Z""#;
    let arrays = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(LEVELS), "}".repeat(LEVELS));
    let unclosed = "[".repeat(LEVELS);

    for nested in [&arrays, &objects] {
        let in_unknown = format!("{{{needed},\"new\":{nested}}}");
        assert!(decode(in_unknown.as_bytes()).is_ok());
        let in_known = format!("{{{needed},\"event_id\":{nested}}}");
        assert_eq!(decode(in_known.as_bytes()).unwrap_err().reason, DeadReason::WrongType);
        let after_fault = format!("{{\"event_id\":1,{needed},\"new\":{nested}}}");
        assert_eq!(decode(after_fault.as_bytes()).unwrap_err().reason, DeadReason::WrongType);
    }
    assert_eq!(decode(arrays.as_bytes()).unwrap_err().reason, DeadReason::NotAnObject);
    assert_eq!(decode(unclosed.as_bytes()).unwrap_err().reason, DeadReason::NotJson);
    let unclosed = format!("{{{needed},\"new\":{unclosed}");
    assert_eq!(decode(unclosed.as_bytes()).unwrap_err().reason, DeadReason::NotJson);
}

#[test]
fn a_string_is_copied_only_if_it_has_an_escape() {
    let payload = r#"{"event_type":"sms","region":"Алматы","timestamp":"2025-11-09T14:30:45Z",
        "msisdn":"7701234****","subscriber_id":"00c0\u0066fee00c0ffee"}"#;
    let view = decode(payload.as_bytes()).unwrap();
    assert!(matches!(view.event_type, Cow::Borrowed("sms")));
    assert!(matches!(view.region, Cow::Borrowed("Алматы")));
    assert!(matches!(view.msisdn, Some(Cow::Borrowed("7701234****"))));
    assert!(matches!(view.subscriber_id, Some(Cow::Owned(id)) if id == "00c0ffee00c0ffee"));
}
