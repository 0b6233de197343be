//! Events as Avro, written by hand after Avro's specification.

use anyhow::{Context, Result};
use serde_json::Value;

/// The contract's members.
pub(crate) const SCHEMA: &str = r#"{"type": "record", "name": "Event", "namespace": "kz.operator", "fields": [
    {"name": "event_type", "type": "string"},
    {"name": "region", "type": "string"},
    {"name": "timestamp", "type": "string"},
    {"name": "duration_seconds", "type": ["null", "long"]},
    {"name": "data_mb", "type": ["null", "double"]},
    {"name": "amount", "type": ["null", "double"]},
    {"name": "subscriber_id", "type": ["null", "string"]},
    {"name": "msisdn", "type": ["null", "string"]}]}"#;

/// An event, given as JSON, in Confluent's frame.
pub(crate) fn framed(schema: u32, json: &[u8]) -> Result<Vec<u8>> {
    let event: Value = serde_json::from_slice(json)?;
    let mut bytes = vec![0];
    bytes.extend(schema.to_be_bytes());
    for name in ["event_type", "region", "timestamp"] {
        string(event[name].as_str().with_context(|| format!("{name} of {event}"))?, &mut bytes);
    }
    optional(event["duration_seconds"].as_i64(), long, &mut bytes);
    for name in ["data_mb", "amount"] {
        optional(
            event[name].as_f64(),
            |value, bytes| bytes.extend(value.to_le_bytes()),
            &mut bytes,
        );
    }
    for name in ["subscriber_id", "msisdn"] {
        optional(event[name].as_str(), string, &mut bytes);
    }
    Ok(bytes)
}

fn optional<T>(value: Option<T>, write: impl Fn(T, &mut Vec<u8>), bytes: &mut Vec<u8>) {
    long(i64::from(value.is_some()), bytes);
    if let Some(value) = value {
        write(value, bytes);
    }
}

fn string(text: &str, bytes: &mut Vec<u8>) {
    long(i64::try_from(text.len()).expect("short"), bytes);
    bytes.extend(text.as_bytes());
}

/// Zigzag, then seven bits a byte.
fn long(value: i64, bytes: &mut Vec<u8>) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        bytes.push(u8::try_from(left & 0x7f).expect("seven bits") | 0x80);
        left >>= 7;
    }
    bytes.push(u8::try_from(left).expect("seven bits"));
}
