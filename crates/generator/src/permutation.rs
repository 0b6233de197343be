//! Shuffling without a list: a random order of 0..n of which any place can be computed alone.
//!
//! In: a root number and n. Out: a bijection of 0..n and its inverse. It is a Feistel network on the
//! next power of four, walked until the result lies below n. Gives each subscriber a number that nobody
//! else has, and mutual acquaintances, without a table of either.

use crate::random::mixed;

/// Rounds of the network: four make it look random to anybody who doesn't attack it.
const ROUNDS: usize = 4;

/// A bijection of 0..n.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permutation {
    keys: [u64; ROUNDS],
    half_bits: u32,
    size: u64,
}

impl Permutation {
    /// The permutation of 0..`size` with this root; `size` is 1 or more.
    pub(crate) fn new(root: u64, size: u64) -> Self {
        let bits = u64::BITS - (size.max(2) - 1).leading_zeros();
        let mut keys = [root; ROUNDS];
        for round in 1..ROUNDS {
            keys[round] = mixed(keys[round - 1]);
        }
        Permutation { keys, half_bits: bits.div_ceil(2), size }
    }

    /// Where `index`, which is below the size, comes to lie.
    pub(crate) fn place_of(&self, index: u64) -> u64 {
        let mut place = index;
        loop {
            let (mut left, mut right) = self.halves(place);
            for key in self.keys {
                (left, right) = (right, left ^ self.scrambled(right, key));
            }
            place = left << self.half_bits | right;
            if place < self.size {
                return place;
            }
        }
    }

    /// Which index comes to lie at `place`, which is below the size.
    pub(crate) fn index_at(&self, place: u64) -> u64 {
        let mut index = place;
        loop {
            let (mut left, mut right) = self.halves(index);
            for key in self.keys.iter().rev() {
                (left, right) = (right ^ self.scrambled(left, *key), left);
            }
            index = left << self.half_bits | right;
            if index < self.size {
                return index;
            }
        }
    }

    fn halves(&self, value: u64) -> (u64, u64) {
        (value >> self.half_bits, value & self.mask())
    }

    fn scrambled(&self, half: u64, key: u64) -> u64 {
        mixed(half ^ key) & self.mask()
    }

    fn mask(&self) -> u64 {
        (1 << self.half_bits) - 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_place_is_taken_once_and_found_again() {
        for size in [1, 2, 3, 4, 5, 100, 1_000, 4_096, 4_097] {
            let permutation = Permutation::new(7, size);
            let places: HashSet<u64> = (0..size).map(|i| permutation.place_of(i)).collect();
            assert_eq!(places.len() as u64, size);
            assert!(places.iter().all(|place| *place < size));
            for index in 0..size {
                assert_eq!(permutation.index_at(permutation.place_of(index)), index);
            }
        }
    }

    #[test]
    fn another_root_gives_another_order() {
        let order = |root| (0..50).map(|i| Permutation::new(root, 50).place_of(i)).collect();
        let (one, other): (Vec<u64>, Vec<u64>) = (order(1), order(2));
        assert_ne!(one, other);
        assert_ne!(one, (0..50).collect::<Vec<_>>());
    }
}
