//! Names for subscribers that don't give their numbers away.
//!
//! In: the secret key and a full number. Out: HMAC-SHA256 of it, cut to 64 bits, as 16 lower-case hex
//! digits. A plain hash would be reversed in seconds by trying all numbers; without the key nobody
//! can try. Neither the key nor a full number ever gets into a log, an error or `Debug` output.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The fewest hex digits of a key: 128 bits.
const KEY_HEX_DIGITS_MIN: usize = 32;

/// The key that is used when none is given. Everybody knows it, so its pseudonyms protect nobody.
const DEMO_KEY: &[u8; 32] = b"telecom demo key, known to all!!";

/// The secret under which pseudonyms are made.
#[derive(Clone)]
pub struct SubscriberKey {
    /// HMAC with the key already taken in, to be cloned for each number.
    keyed: Hmac<Sha256>,
}

/// What stands between the number of an epoch and that of a subscriber.
const EPOCH_MARK: &[u8] = b":";

impl SubscriberKey {
    /// The well-known key for demonstrations.
    pub fn demo() -> Self {
        Self::demo_of_epoch(0)
    }

    /// The same in this epoch.
    pub fn demo_of_epoch(epoch: u32) -> Self {
        Self::from_bytes(DEMO_KEY, epoch)
    }

    /// Reads a key of at least 32 hex digits. Pseudonyms of two epochs have nothing in common; in
    /// epoch 0 they are those of the number alone.
    ///
    /// # Errors
    /// A sentence that says what is wrong without showing any of the key.
    pub fn from_hex(hex: &str, epoch: u32) -> Result<Self, String> {
        let digits: Vec<u8> = hex
            .chars()
            .map(|digit| digit.to_digit(16).map(|value| value as u8))
            .collect::<Option<_>>()
            .ok_or("it has a character that is not a hex digit")?;
        if digits.len() < KEY_HEX_DIGITS_MIN {
            return Err(format!("it has {} hex digits, too few to be secret", digits.len()));
        }
        if digits.len() % 2 == 1 {
            return Err(format!("it has {} hex digits, an odd number", digits.len()));
        }
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        Ok(Self::from_bytes(&bytes, epoch))
    }

    fn from_bytes(key: &[u8], epoch: u32) -> Self {
        let mut keyed =
            Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        if epoch > 0 {
            keyed.update(epoch.to_string().as_bytes());
            keyed.update(EPOCH_MARK);
        }
        SubscriberKey { keyed }
    }

    /// The pseudonym of a full number, to be written with 16 hex digits.
    pub fn pseudonym(&self, number: &str) -> u64 {
        let mut mac = self.keyed.clone();
        mac.update(number.as_bytes());
        let tag = mac.finalize().into_bytes();
        u64::from_be_bytes(tag.first_chunk().copied().expect("a SHA-256 tag has 32 bytes"))
    }
}

impl std::fmt::Debug for SubscriberKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubscriberKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pseudonym_is_the_head_of_hmac_sha256() {
        // RFC 4231, test case 1: its data is not a number, but the bytes are what counts.
        let key = SubscriberKey::from_hex(&"0b".repeat(20), 0).unwrap();
        assert_eq!(key.pseudonym("Hi There"), 0xb034_4c61_d8db_3853);
    }

    #[test]
    fn a_key_is_at_least_32_hex_digits_in_pairs() {
        for (hex, expected) in [
            ("0b".repeat(16), None),
            ("AbCdEf0123456789".repeat(4), None),
            ("0b".repeat(15), Some("30 hex digits")),
            (String::new(), Some("0 hex digits")),
            ("0b".repeat(16) + "0", Some("odd")),
            ("xyzzy-not-a-key-xyzzy-not-a-key-".to_owned(), Some("not a hex digit")),
        ] {
            let error = SubscriberKey::from_hex(&hex, 0).err();
            match expected {
                None => assert_eq!(error, None, "{hex}"),
                Some(part) => {
                    let error = error.expect(&hex);
                    assert!(error.contains(part), "{hex}: {error}");
                    assert!(!error.contains("xyzzy"), "{error}");
                }
            }
        }
    }

    #[test]
    fn an_epoch_changes_every_pseudonym() {
        let pseudonym = |epoch| SubscriberKey::demo_of_epoch(epoch).pseudonym("77010000000");
        let all = [0, 1, 2, 10].map(pseudonym);
        assert_eq!(all[0], SubscriberKey::demo().pseudonym("77010000000"));
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), 4);
    }

    #[test]
    fn the_key_is_not_in_its_debug_output() {
        assert_eq!(format!("{:?}", SubscriberKey::demo()), "SubscriberKey(…)");
    }
}
