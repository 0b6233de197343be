//! Records that can't be used, whole but for the numbers in them, which are masked unless that is switched off (I-7):
//! rows of `dead_letters`.

use std::borrow::Cow;

use event_model::{Dead, DeadReason, mask_payload, mask_text};

use super::{Counted, Delta, Numbers, PartResults, ResultKind};
use crate::bounds::{Limit, Size};
use crate::{DeadLetter, Record};

/// Records that can't be used.
#[derive(Debug)]
pub struct DeadLetters;

/// A row that a flush inserts into `dead_letters`.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetterRow<'a> {
    /// Which life of the topic.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// The record and what is wrong with it.
    pub letter: &'a DeadLetter,
}

impl ResultKind for DeadLetters {
    const TABLE: &'static str = "dead_letters";
    type Held = Vec<DeadLetter>;
    type Row<'a> = DeadLetterRow<'a>;

    fn rows<'a>(parts: &[PartResults<'a>]) -> Vec<DeadLetterRow<'a>> {
        let of_part = |part: &PartResults<'a>| {
            let PartResults { generation, partition, delta } = *part;
            delta.dead_letters.iter().map(move |letter| DeadLetterRow {
                generation,
                partition,
                letter,
            })
        };
        parts.iter().flat_map(of_part).collect()
    }

    fn row_count(delta: &Delta) -> usize {
        delta.dead_letters.len()
    }
}

impl Counted for DeadLetters {
    const LIMIT: Limit = Limit::DeadLetters;

    fn dead(
        held: &mut Vec<DeadLetter>,
        record: &Record<'_>,
        dead: &Dead,
        numbers: Numbers,
    ) -> Size {
        let masked = |bytes: &[u8], mask: fn(&[u8]) -> Cow<'_, [u8]>| match numbers {
            Numbers::Masked => mask(bytes).into_owned(),
            Numbers::Kept => bytes.to_vec(),
        };
        let letter = DeadLetter {
            offset: record.offset,
            reason: dead.reason.code(),
            detail: match numbers {
                Numbers::Masked => masked_detail(dead),
                Numbers::Kept => dead.detail.clone(),
            },
            record_time: record.time.instant(),
            key: record.key.map(|key| masked(key, mask_text)),
            payload: record.payload.map(|payload| masked(payload, mask_payload)),
            headers: (record.headers)(),
        };
        let size = Size { items: 1, bytes: letter.bytes() };
        held.push(letter);
        size
    }
}

/// What is wrong with a record, without a number: it may show the beginning of the payload.
fn masked_detail(dead: &Dead) -> String {
    // A time in a mistaken unit is nothing but digits, and what is to be seen.
    let is_about_time = matches!(
        dead.reason,
        DeadReason::TimestampUnit
            | DeadReason::TimestampUnparsable
            | DeadReason::TimestampOutOfRange
            | DeadReason::TimestampInFuture
    );
    if is_about_time {
        return dead.detail.clone();
    }
    String::from_utf8_lossy(&mask_text(dead.detail.as_bytes())).into_owned()
}

#[cfg(test)]
mod tests {
    use event_model::decode;

    use super::*;
    use crate::RecordTime;

    /// What is kept of a record with this key and payload: key, payload, detail.
    fn kept(key: &str, payload: &str, numbers: Numbers) -> (String, String, String) {
        let dead = decode(payload.as_bytes()).unwrap_err();
        let record = Record {
            offset: 0,
            time: RecordTime::Unknown,
            key: Some(key.as_bytes()),
            payload: Some(payload.as_bytes()),
            content: crate::Content::Payload,
            headers: &Vec::new,
        };
        let mut held = Vec::new();
        DeadLetters::dead(&mut held, &record, &dead, numbers);
        let DeadLetter { key, payload, detail, .. } = held.remove(0);
        let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
        (text(key), text(payload), detail)
    }

    #[test]
    fn no_number_is_kept_in_key_payload_or_detail() {
        for payload in [
            "call;77010000001;60",
            r#"{"event_type":77010000001}"#,
            r#"{"event_type":"call","region":"x","msisdn":"77010000001"}"#,
        ] {
            let (key, kept, detail) = kept("77010000001", payload, Numbers::Masked);
            for text in [&key, &kept, &detail] {
                assert!(!text.contains("77010000001"), "{text}");
            }
            assert!(kept.contains("7701000****"), "{kept}");
        }
    }

    #[test]
    fn where_masking_is_switched_off_a_record_is_kept_as_it_came() {
        let payload = r#"{"event_type":77010000001}"#;
        let (key, kept, detail) = kept("77010000001", payload, Numbers::Kept);
        assert_eq!((key.as_str(), kept.as_str()), ("77010000001", payload));
        assert!(detail.contains("77010000001"), "{detail}");
    }

    #[test]
    fn times_ids_and_pseudonyms_are_kept() {
        let payload = r#"{"event_type":"call","region":"x","timestamp":1762698645,"subscriber_id":"1234567890123456"}"#;
        let (key, kept, detail) = kept("00c0ffee00c0ffee", payload, Numbers::Masked);
        assert_eq!((key.as_str(), kept.as_str()), ("00c0ffee00c0ffee", payload));
        assert!(detail.contains("1762698645"), "{detail}");
    }
}
