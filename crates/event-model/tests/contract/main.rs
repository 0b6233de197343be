//! The contract's two lists as tables: what every reader accepts, and what is a dead letter with
//! which reason. Boundaries stand on both sides.

mod accepted;
mod unusable;
mod whole;

use std::borrow::Cow;

use event_model::{DeadReason, EventTime, EventView, decode};

/// All twelve fields, usable, in no particular order.
const MEMBERS: [(&str, &str); 12] = [
    ("event_id", r#""a1""#),
    ("msisdn", r#""7701234****""#),
    ("event_type", r#""call""#),
    ("event_subtype", r#""incoming""#),
    ("duration_seconds", "60"),
    ("data_mb", "1.25"),
    ("amount", "500"),
    ("region", r#""Almaty""#),
    ("cell_tower_id", "1234"),
    ("timestamp", r#""2025-11-09T14:30:45.123456Z""#),
    ("subscriber_id", r#""00c0ffee00c0ffee""#),
    ("counterparty_id", r#""0123456789abcdef""#),
];

const TEXT_FIELDS: [&str; 8] = [
    "event_id",
    "msisdn",
    "event_type",
    "event_subtype",
    "region",
    "timestamp",
    "subscriber_id",
    "counterparty_id",
];

const NUMBER_FIELDS: [&str; 4] = ["duration_seconds", "data_mb", "amount", "cell_tower_id"];

/// What [`MEMBERS`] decode to.
fn usual_view() -> EventView<'static> {
    EventView {
        duration_seconds: 60,
        data_micro_mb: 1_250_000,
        amount_micro_tenge: 500_000_000,
        subscriber_id: Some(Cow::Borrowed("00c0ffee00c0ffee")),
        msisdn: Some(Cow::Borrowed("7701234****")),
        event_id: Some("a1".into()),
        event_subtype: Some("incoming".into()),
        counterparty_id: Some("0123456789abcdef".into()),
        cell_tower_id: Some(1_234),
        ..EventView::new("call", "Almaty", EventTime::from_micros(1_762_698_645_123_456))
    }
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// The usual event with `value`, which is JSON, in `field`.
fn with(field: &str, value: &str) -> String {
    object(MEMBERS.map(|(name, usual)| (name, if name == field { value } else { usual })))
}

fn without(field: &str) -> String {
    object(MEMBERS.into_iter().filter(|(name, _)| *name != field))
}

/// The usual event with `member`, which is `"name":value`, after all others.
fn and_then(member: &str) -> String {
    let usual = object(MEMBERS);
    format!("{},{member}}}", &usual[..usual.len() - 1])
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn check_dead(payload: &[u8], expected: DeadReason) {
    let shown = String::from_utf8_lossy(payload);
    match decode(payload) {
        Ok(view) => panic!("{shown} is accepted as {view:?}, expected {expected}"),
        Err(dead) => {
            assert_eq!(dead.reason, expected, "{shown}: {}", dead.detail);
            let is_one_line = !dead.detail.chars().any(char::is_control);
            assert!(is_one_line && dead.detail.len() < 2_000, "{shown}: {:?}", dead.detail);
            assert!(dead.detail.contains("expected"), "{shown}: {:?}", dead.detail);
        }
    }
}

fn check_accepted(payload: &str, expected: &EventView<'_>) {
    match decode(payload.as_bytes()) {
        Ok(view) => assert_eq!(view, *expected, "{payload}"),
        Err(dead) => panic!("{payload} is {}: {}", dead.reason, dead.detail),
    }
}
