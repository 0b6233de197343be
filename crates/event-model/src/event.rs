//! The event as the producer writes it.
//!
//! In: an [`Event`]. Out: its bytes, one line of compact JSON with all twelve fields in a fixed
//! order, null where they don't apply. [`crate::decode()`] reads back what is written here.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::EventTime;

/// What happened. Readers accept any other name too; this is the list that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The subscriber was called.
    Incoming,
    /// The subscriber called.
    Outgoing,
}

/// One event, all twelve fields, in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// A UUID.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "uuid")))]
    pub event_id: String,
    /// The subscriber's number, masked: 7 digits, then `****`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^\d{7}\*{4}$")))]
    pub msisdn: String,
    /// What happened.
    pub event_type: EventType,
    /// The direction of a call or SMS.
    pub event_subtype: Option<Direction>,
    /// Seconds, of a call or data session, which began so long before `timestamp`.
    pub duration_seconds: Option<u32>,
    /// Hundredths of a megabyte of a data session; written in MB with two decimals.
    #[serde(rename = "data_mb", serialize_with = "hundredths_as_number")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<f64>",
            description = "Megabytes of a data session, with two decimals"
        )
    )]
    pub data_hundredths_mb: Option<u32>,
    /// Tenge, of a top-up.
    pub amount: Option<u32>,
    /// The region's name.
    pub region: String,
    /// The tower, where there was one.
    pub cell_tower_id: Option<u32>,
    /// Event time: the moment the record was written, which is the end of a call or session; written with microseconds and `Z`.
    #[serde(serialize_with = "utc_micros")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("format" = "date-time")))]
    pub timestamp: DateTime<Utc>,
    /// Pseudonym of the subscriber, 16 hex digits.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9a-f]{16}$")))]
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
        // Exact: the quotient is the double nearest to a decimal of at most 10 digits, and up to 15
        // digits that decimal is the shortest that reads back as the double, so it is printed.
        Some(value) => serializer.serialize_f64(f64::from(*value) / 100.0),
        None => serializer.serialize_none(),
    }
}

/// Writes `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
fn utc_micros<S: serde::Serializer>(
    instant: &DateTime<Utc>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&EventTime::from(*instant))
}

#[cfg(test)]
mod tests {
    use super::{Direction, Event, EventType};

    fn data_session() -> Event {
        Event {
            event_id: "3f1c".into(),
            msisdn: "7701234****".into(),
            event_type: EventType::DataSession,
            event_subtype: None,
            duration_seconds: Some(1_800),
            data_hundredths_mb: Some(34_720),
            amount: None,
            region: "Almaty".into(),
            cell_tower_id: Some(1_234),
            timestamp: "2025-11-09T14:30:45.000120999Z".parse().unwrap(),
            subscriber_id: "00c0ffee00c0ffee".into(),
            counterparty_id: None,
        }
    }

    fn encoded(event: &Event) -> String {
        let mut out = Vec::new();
        event.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_twelve_fields_are_written_in_order_null_where_they_do_not_apply() {
        let call = Event {
            event_type: EventType::Call,
            event_subtype: Some(Direction::Incoming),
            data_hundredths_mb: None,
            counterparty_id: Some("0123456789abcdef".into()),
            ..data_session()
        };
        let table = [
            (
                data_session(),
                concat!(
                    r#"{"event_id":"3f1c","msisdn":"7701234****","event_type":"data_session","#,
                    r#""event_subtype":null,"duration_seconds":1800,"data_mb":347.2,"#,
                    r#""amount":null,"region":"Almaty","cell_tower_id":1234,"#,
                    r#""timestamp":"2025-11-09T14:30:45.000120Z","#,
                    r#""subscriber_id":"00c0ffee00c0ffee","counterparty_id":null}"#,
                ),
            ),
            (
                call,
                concat!(
                    r#"{"event_id":"3f1c","msisdn":"7701234****","event_type":"call","#,
                    r#""event_subtype":"incoming","duration_seconds":1800,"data_mb":null,"#,
                    r#""amount":null,"region":"Almaty","cell_tower_id":1234,"#,
                    r#""timestamp":"2025-11-09T14:30:45.000120Z","#,
                    r#""subscriber_id":"00c0ffee00c0ffee","counterparty_id":"0123456789abcdef"}"#,
                ),
            ),
        ];
        for (event, expected) in table {
            assert_eq!(encoded(&event), expected);
        }
    }

    #[test]
    fn encoding_appends() {
        let mut out = b"before ".to_vec();
        data_session().encode(&mut out);
        assert_eq!(out, [b"before ".as_slice(), encoded(&data_session()).as_bytes()].concat());
    }

    #[test]
    fn every_hundredth_of_a_megabyte_is_written_exactly() {
        let in_use = 0..=50_000;
        let beyond = (u32::MAX - 1_000)..=u32::MAX;
        for hundredths in in_use.chain(beyond) {
            let json = encoded(&Event { data_hundredths_mb: Some(hundredths), ..data_session() });
            let (whole, rest) = (hundredths / 100, hundredths % 100);
            let two_decimals = format!("{whole}.{rest:02}");
            // The last of two decimals isn't written when it is 0.
            let written = two_decimals.strip_suffix('0').unwrap_or(&two_decimals);
            assert!(json.contains(&format!(r#""data_mb":{written},"#)), "{hundredths}: {json}");
        }
    }
}
