//! What the rules see of an event, and the short keys by which names are compared.

use std::hash::BuildHasher;

use event_model::EventTime;
use foldhash::quality::FixedState;

/// One event, as far as rules can ask for it. Borrowed from the record's bytes.
#[derive(Clone, Copy, Debug)]
pub struct PatternEvent<'a> {
    /// What it is known by.
    pub event_id: Option<&'a str>,
    /// The subscriber's pseudonym, as the event has it.
    pub subscriber_id: &'a str,
    /// What happened.
    pub event_type: &'a str,
    /// Of what kind: `incoming` or `outgoing`.
    pub event_subtype: Option<&'a str>,
    /// Who was at the other side.
    pub counterparty_id: Option<&'a str>,
    /// The tower's id, as the event has it.
    pub cell_tower_id: Option<u32>,
    /// Its timestamp: the end of a call or a session.
    pub time: EventTime,
    /// How long it went on, whole seconds.
    pub duration_seconds: Option<u32>,
    /// 10⁻⁶ tenge.
    pub amount_micro_tenge: Option<i64>,
    /// 10⁻⁶ MB.
    pub data_micro_mb: Option<i64>,
}

/// Hex digits of a pseudonym.
const PSEUDONYM_DIGITS: usize = 16;

/// A name as a number. Pseudonyms of 16 hex digits keep all their bits: two of them are never taken for one. Other
/// names are hashed: of a million different ones two are taken for one with a probability of 3 in 100 million.
pub(crate) fn key_of(name: &str) -> u64 {
    pseudonym(name.as_bytes()).unwrap_or_else(|| hash_of(name))
}

/// A text as a number that another text has with a probability of 2⁻⁶⁴.
pub(crate) fn hash_of(text: &str) -> u64 {
    // Fixed, so that the same log gives the same state; it is nowhere stored.
    const STATE: FixedState = FixedState::with_seed(0x7061_7474);
    STATE.hash_one(text)
}

/// An `event_id` as a number of 48 bits, never 0, which stands for none. Compared are only events of one subscriber and one window:
/// of a million subscribers with ten events each, two are taken for one with a probability of 2 in 10 million.
pub(crate) fn id_of(event_id: &str) -> u64 {
    (hash_of(event_id) >> 16).max(1)
}

fn pseudonym(digits: &[u8]) -> Option<u64> {
    if digits.len() != PSEUDONYM_DIGITS {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_keep_all_their_bits_and_other_names_are_hashed() {
        assert_eq!(key_of("00c0ffee00c0ffee"), 0x00c0_ffee_00c0_ffee);
        assert_eq!(key_of("ffffffffffffffff"), u64::MAX);
        for name in ["00C0FFEE00C0FFEE", "00c0ffee00c0ffe", "00c0ffee00c0ffee0", "kiosk", ""] {
            assert_eq!(key_of(name), hash_of(name), "{name}");
        }
        assert_ne!(key_of("kiosk 1"), key_of("kiosk 2"));
    }
}
