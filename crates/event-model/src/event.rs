//! The event as the producer writes it.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// What happened. Readers accept any other name too; this is the list that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// A data session, with a volume and a duration.
    DataSession,
    /// A voice call, with a duration.
    Call,
    /// A text message.
    Sms,
    /// A top-up, with an amount.
    BalanceRecharge,
}

/// Which side of a call or SMS the subscriber was on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The subscriber was called.
    Incoming,
    /// The subscriber called.
    Outgoing,
}

/// One event, all twelve fields, in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// A UUID.
    pub event_id: String,
    /// The subscriber's number, masked: 7 digits, then `****`.
    pub msisdn: String,
    /// What happened.
    pub event_type: EventType,
    /// The direction of a call or SMS.
    pub event_subtype: Option<Direction>,
    /// Seconds, of a call or data session.
    pub duration_seconds: Option<u32>,
    /// Hundredths of a megabyte of a data session; written in MB with two decimals.
    #[serde(rename = "data_mb", serialize_with = "hundredths_as_number")]
    pub data_hundredths_mb: Option<u32>,
    /// Tenge, of a top-up.
    pub amount: Option<u32>,
    /// The region's name.
    pub region: String,
    /// The tower, where there was one.
    pub cell_tower_id: Option<u32>,
    /// Event time; written with microseconds and `Z`.
    #[serde(serialize_with = "utc_micros")]
    pub timestamp: DateTime<Utc>,
    /// Pseudonym of the subscriber, 16 hex digits.
    pub subscriber_id: String,
    /// Pseudonym of the other side of a call or SMS.
    pub counterparty_id: Option<String>,
}

/// Writes hundredths as a JSON number with up to two decimals.
fn hundredths_as_number<S: serde::Serializer>(
    hundredths: &Option<u32>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match hundredths {
        // Exact: every such quotient prints as its shortest decimal, which has two decimals.
        Some(value) => serializer.serialize_f64(f64::from(*value) / 100.0),
        None => serializer.serialize_none(),
    }
}

/// Writes `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
fn utc_micros<S: serde::Serializer>(
    instant: &DateTime<Utc>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&instant.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
}
