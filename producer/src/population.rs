//! The subscribers: a fixed number of people, so that the same ones come again and again.
//!
//! In: the seed and the subscriber key. Out: for each subscriber the masked number and the pseudonym.
//! Full numbers exist only while these are made.

use std::collections::HashSet;
use std::fmt::Write;

use fake::Fake;
use fake::faker::phone_number::raw::PhoneNumber;
use fake::locales::Data;

use crate::dice::Dice;
use crate::pseudonym::SubscriberKey;

/// Leading digits of a number that its mask shows.
const SHOWN_DIGITS: usize = 7;
/// What stands for the other four.
const MASK: &str = "****";
/// Characters of a masked number.
const MSISDN_LEN: usize = SHOWN_DIGITS + MASK.len();
/// Hex digits of a pseudonym.
const ID_LEN: usize = 16;

/// Mobile numbers of Kazakhstan, 7 7xx xxx xx xx, for `fake`.
#[derive(Clone, Copy)]
struct Kazakhstan;

impl Data for Kazakhstan {
    const PHONE_NUMBER_FORMATS: &'static [&'static str] = &["77#########"];
}

/// All subscribers, numbered from 0.
///
/// The texts of all of them stand in two strings, 27 bytes for each subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    size: u32,
    msisdns: String,
    ids: String,
}

/// One subscriber, as events show him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber<'a> {
    /// The masked number.
    pub(crate) msisdn: &'a str,
    /// The pseudonym.
    pub(crate) id: &'a str,
}

impl Population {
    /// Draws `size` subscribers with different numbers; two at least, so that everybody has somebody
    /// to call.
    pub(crate) fn draw(seed: u64, size: u32, key: &SubscriberKey) -> Self {
        assert!(size >= 2, "a population of {size} has nobody to call");
        let mut dice = Dice::for_population(seed);
        let mut numbers = HashSet::with_capacity(size as usize);
        let mut population = Population {
            size,
            msisdns: String::with_capacity(size as usize * MSISDN_LEN),
            ids: String::with_capacity(size as usize * ID_LEN),
        };
        while numbers.len() < size as usize {
            let number: String = PhoneNumber(Kazakhstan).fake_with_rng(dice.rng());
            population.msisdns.push_str(&number[..SHOWN_DIGITS]);
            population.msisdns.push_str(MASK);
            write!(population.ids, "{:016x}", key.pseudonym(&number))
                .expect("writing to a string can't fail");
            if !numbers.insert(number) {
                population.msisdns.truncate(numbers.len() * MSISDN_LEN);
                population.ids.truncate(numbers.len() * ID_LEN);
            }
        }
        population
    }

    /// How many there are.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Subscriber number `index`, which is below [`Population::size`].
    pub(crate) fn subscriber(&self, index: u32) -> Subscriber<'_> {
        let index = index as usize;
        Subscriber {
            msisdn: &self.msisdns[index * MSISDN_LEN..][..MSISDN_LEN],
            id: &self.ids[index * ID_LEN..][..ID_LEN],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 5_000;

    fn key(digit: char) -> SubscriberKey {
        SubscriberKey::from_hex(&digit.to_string().repeat(64).into()).unwrap()
    }

    #[test]
    fn masks_show_seven_digits_and_pseudonyms_are_16_lower_case_hex_digits() {
        let population = Population::draw(1, SIZE, &key('a'));
        for index in 0..SIZE {
            let Subscriber { msisdn, id } = population.subscriber(index);
            let shown = msisdn.strip_suffix("****").unwrap();
            assert!(shown.starts_with("77") && shown.len() == 7, "{msisdn}");
            assert!(shown.bytes().all(|digit| digit.is_ascii_digit()), "{msisdn}");
            assert_eq!(id.len(), 16);
            assert!(id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{id}");
        }
    }

    #[test]
    fn no_two_subscribers_share_a_pseudonym() {
        let population = Population::draw(1, SIZE, &key('a'));
        let ids: HashSet<&str> = (0..SIZE).map(|index| population.subscriber(index).id).collect();
        assert_eq!(ids.len(), SIZE as usize);
    }

    #[test]
    fn another_key_changes_every_pseudonym_and_no_number() {
        let (one, other) =
            (Population::draw(1, SIZE, &key('a')), Population::draw(1, SIZE, &key('b')));
        for index in 0..SIZE {
            let (one, other) = (one.subscriber(index), other.subscriber(index));
            assert_eq!(one.msisdn, other.msisdn);
            assert_ne!(one.id, other.id);
        }
    }

    #[test]
    fn another_seed_gives_other_people() {
        let (one, other) =
            (Population::draw(1, SIZE, &key('a')), Population::draw(2, SIZE, &key('a')));
        let ids: HashSet<&str> = (0..SIZE).map(|index| one.subscriber(index).id).collect();
        assert!((0..SIZE).all(|index| !ids.contains(other.subscriber(index).id)));
    }
}
