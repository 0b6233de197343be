//! An event as it leaves for the topic: the contract's twelve fields, always all of them.

use std::io::Write;

use event_model::EventTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An event of the contract that was made from a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedEvent {
    /// Derived from the row: the same row has the same id whenever it is read.
    pub id: [u8; 16],
    /// The number, masked.
    pub msisdn: Option<String>,
    /// What happened.
    pub event_type: String,
    /// Which side the subscriber was on.
    pub subtype: Option<String>,
    /// Whole seconds; `None`: the row has no duration.
    pub duration_seconds: Option<i64>,
    /// Millionths of a megabyte.
    pub data_micros: Option<i64>,
    /// Millionths of a tenge.
    pub amount_micros: Option<i64>,
    /// As the contract has it, 1–100 characters; `unknown` where nobody knows.
    pub region: String,
    /// The tower's id, as the row has it.
    pub cell_tower_id: Option<i64>,
    /// Microseconds since 1970, UTC.
    pub micros: i64,
    /// The subscriber's pseudonym.
    pub subscriber: Option<u64>,
    /// The other side's.
    pub counterparty: Option<u64>,
}

impl MappedEvent {
    /// When it happened.
    pub fn time(&self) -> EventTime {
        EventTime::from_micros(self.micros)
    }

    /// The key of its record: the subscriber's pseudonym, so that one partition has all of a subscriber.
    pub fn key(&self) -> String {
        self.subscriber.map_or_else(String::new, |subscriber| format!("{subscriber:016x}"))
    }

    /// Appends it to `out` as one line of compact JSON, without a line break.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.write(out).expect("a Vec takes every byte");
    }

    fn write(&self, out: &mut Vec<u8>) -> std::io::Result<()> {
        write!(out, r#"{{"event_id":"{}","msisdn":"#, Uuid(&self.id))?;
        write_text(out, self.msisdn.as_deref())?;
        out.extend_from_slice(br#","event_type":"#);
        write_text(out, Some(&self.event_type))?;
        out.extend_from_slice(br#","event_subtype":"#);
        write_text(out, self.subtype.as_deref())?;
        out.extend_from_slice(br#","duration_seconds":"#);
        write_whole(out, self.duration_seconds)?;
        out.extend_from_slice(br#","data_mb":"#);
        write_micros(out, self.data_micros)?;
        out.extend_from_slice(br#","amount":"#);
        write_micros(out, self.amount_micros)?;
        out.extend_from_slice(br#","region":"#);
        write_text(out, Some(&self.region))?;
        out.extend_from_slice(br#","cell_tower_id":"#);
        write_whole(out, self.cell_tower_id)?;
        write!(out, r#","timestamp":"{}","subscriber_id":"#, self.time())?;
        write_pseudonym(out, self.subscriber)?;
        out.extend_from_slice(br#","counterparty_id":"#);
        write_pseudonym(out, self.counterparty)?;
        out.push(b'}');
        Ok(())
    }
}

/// The id of an event: a digest of the values of its row, in the form of a UUID (version 8 of RFC 9562).
pub(crate) fn id_of<'a>(values: impl Iterator<Item = &'a [u8]>) -> [u8; 16] {
    let mut digest = Sha256::new();
    for value in values {
        // With its length, so that no two rows differ only in where a value ends.
        digest.update((value.len() as u64).to_be_bytes());
        digest.update(value);
    }
    let tag = digest.finalize();
    let mut id: [u8; 16] = tag.first_chunk().copied().expect("a SHA-256 tag has 32 bytes");
    id[6] = 0x80 | id[6] & 0x0f;
    id[8] = 0x80 | id[8] & 0x3f;
    id
}

/// 8-4-4-4-12 hex digits.
pub(crate) struct Uuid<'a>(pub(crate) &'a [u8; 16]);

impl std::fmt::Display for Uuid<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.iter().enumerate() {
            at += usize::from(matches!(index, 4 | 6 | 8 | 10));
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        f.write_str(std::str::from_utf8(&text).expect("hex digits are ASCII"))
    }
}

fn write_text(out: &mut Vec<u8>, text: Option<&str>) -> std::io::Result<()> {
    match text {
        Some(text) => serde_json::to_writer(&mut *out, text).map_err(std::io::Error::from),
        None => out.write_all(b"null"),
    }
}

fn write_whole(out: &mut Vec<u8>, value: Option<i64>) -> std::io::Result<()> {
    match value {
        Some(value) => write!(out, "{value}"),
        None => out.write_all(b"null"),
    }
}

/// Millionths as a decimal without needless zeros.
fn write_micros(out: &mut Vec<u8>, micros: Option<i64>) -> std::io::Result<()> {
    let Some(micros) = micros else { return out.write_all(b"null") };
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    if rest == 0 {
        return write!(out, "{whole}");
    }
    write!(out, "{whole}.{rest:06}")?;
    while out.last() == Some(&b'0') {
        out.pop();
    }
    Ok(())
}

fn write_pseudonym(out: &mut Vec<u8>, pseudonym: Option<u64>) -> std::io::Result<()> {
    match pseudonym {
        Some(pseudonym) => write!(out, "\"{pseudonym:016x}\""),
        None => out.write_all(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> MappedEvent {
        MappedEvent {
            id: id_of([b"a".as_slice(), b"b"].into_iter()),
            msisdn: Some("7701000****".to_owned()),
            event_type: "call".to_owned(),
            subtype: None,
            duration_seconds: Some(61),
            data_micros: Some(1_500_000),
            amount_micros: Some(7),
            region: "Алматы \"1\"".to_owned(),
            cell_tower_id: None,
            micros: 1_762_698_645_000_120,
            subscriber: Some(0xc0ffee),
            counterparty: None,
        }
    }

    #[test]
    fn an_event_is_written_with_all_fields_and_read_back() {
        let mut out = Vec::new();
        event().encode(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.ends_with(concat!(
                r#""msisdn":"7701000****","event_type":"call","event_subtype":null,"duration_seconds":61,"#,
                r#""data_mb":1.5,"amount":0.000007,"region":"Алматы \"1\"","cell_tower_id":null,"#,
                r#""timestamp":"2025-11-09T14:30:45.000120Z","subscriber_id":"0000000000c0ffee","#,
                r#""counterparty_id":null}"#
            )),
            "{text}"
        );
        let view = event_model::decode(text.as_bytes()).unwrap();
        assert_eq!((&*view.event_type, &*view.region), ("call", "Алматы \"1\""));
    }

    #[test]
    fn an_id_is_a_uuid_of_where_values_end_too() {
        let id =
            |values: &[&str]| Uuid(&id_of(values.iter().map(|value| value.as_bytes()))).to_string();
        assert_eq!(id(&["ab", "c"]), id(&["ab", "c"]));
        assert_ne!(id(&["ab", "c"]), id(&["a", "bc"]));
        assert_ne!(id(&["ab"]), id(&["ab", ""]));
        let text = id(&["ab"]);
        assert_eq!((text.len(), &text[14..15]), (36, "8"));
    }
}
