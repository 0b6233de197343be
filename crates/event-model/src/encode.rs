//! An event's bytes, field by field.
//!
//! In: an [`Event`]. Out: the JSON that serde's derive would write of it, for a fraction of the price: every event
//! of the producer passes here. A test in tests/robustness.rs holds the two against each other.

use crate::event::{Direction, Event, EventType};
use crate::time::EventTime;

impl Event {
    /// Appends the event to `out` as compact JSON, without a line break.
    pub fn encode(&self, out: &mut Vec<u8>) {
        // Longer than any event of the producer: one look for room instead of twenty.
        out.reserve(512);
        out.extend_from_slice(br#"{"event_id":"#);
        put_text(out, &self.event_id);
        out.extend_from_slice(br#","msisdn":"#);
        put_text(out, &self.msisdn);
        out.extend_from_slice(match self.event_type {
            EventType::DataSession => br#","event_type":"data_session","event_subtype":"#,
            EventType::Call => br#","event_type":"call","event_subtype":"#,
            EventType::Sms => br#","event_type":"sms","event_subtype":"#,
            EventType::BalanceRecharge => br#","event_type":"balance_recharge","event_subtype":"#,
        });
        out.extend_from_slice(match self.event_subtype {
            Some(Direction::Incoming) => br#""incoming""#,
            Some(Direction::Outgoing) => br#""outgoing""#,
            None => b"null",
        });
        out.extend_from_slice(br#","duration_seconds":"#);
        put_number(out, self.duration_seconds);
        out.extend_from_slice(br#","data_mb":"#);
        put_hundredths(out, self.data_hundredths_mb);
        out.extend_from_slice(br#","amount":"#);
        put_number(out, self.amount);
        out.extend_from_slice(br#","region":"#);
        put_text(out, &self.region);
        out.extend_from_slice(br#","cell_tower_id":"#);
        put_number(out, self.cell_tower_id);
        out.extend_from_slice(br#","timestamp":""#);
        EventTime::from(self.timestamp).put(out);
        out.extend_from_slice(br#"","subscriber_id":"#);
        put_text(out, &self.subscriber_id);
        out.extend_from_slice(br#","counterparty_id":"#);
        match &self.counterparty_id {
            Some(id) => put_text(out, id),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Without an early end, so that the compiler looks at many bytes at once.
    let is_plain = text
        .bytes()
        .fold(true, |plain, byte| plain & (byte >= b' ' && byte != b'"' && byte != b'\\'));
    if is_plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a Vec takes every byte");
    }
}

fn put_number(out: &mut Vec<u8>, number: Option<u32>) {
    serde_json::to_writer(out, &number).expect("a Vec takes every byte");
}

/// As the shortest decimal with a point: two decimals, the second left out where it is 0.
fn put_hundredths(out: &mut Vec<u8>, hundredths: Option<u32>) {
    put_number(out, hundredths.map(|hundredths| hundredths / 100));
    let Some(rest) = hundredths.map(|hundredths| (hundredths % 100) as u8) else { return };
    out.extend_from_slice(&[b'.', b'0' + rest / 10]);
    if rest % 10 > 0 {
        out.push(b'0' + rest % 10);
    }
}
