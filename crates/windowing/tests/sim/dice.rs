//! The only source of chance: numbers from a seed, or from bytes that a fuzzer makes up.
//!
//! The arithmetic is written out here, so that a seed means the same with every version of `rand`.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(crate) enum Dice {
    Seeded(Box<ChaCha8Rng>),
    /// Zeros after their end.
    #[allow(dead_code, reason = "only the fuzz target has bytes")]
    Bytes(std::vec::IntoIter<u8>),
}

impl Dice {
    /// The numbers of a seed. Streams of one seed are independent.
    pub(crate) fn seeded(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Dice::Seeded(Box::new(rng))
    }

    /// A number in 0..`bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        match self {
            Dice::Seeded(rng) => {
                let product = u64::from(rng.next_u32()) * u64::from(bound);
                u32::try_from(product >> 32).expect("below bound")
            }
            Dice::Bytes(bytes) => {
                let mut next = || u32::from(bytes.next().unwrap_or_default());
                let number = if bound > 256 { next() << 8 | next() } else { next() };
                number % bound
            }
        }
    }

    /// A number in `least..=most`.
    pub(crate) fn within(&mut self, least: i64, most: i64) -> i64 {
        let count = u32::try_from(most - least + 1).expect("ranges here are small");
        least + i64::from(self.below(count))
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(u32::try_from(length).expect("lists here are short")) as usize
    }

    pub(crate) fn one_in(&mut self, count: u32) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    /// An index, as likely as its weight.
    pub(crate) fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut number = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            match number.checked_sub(*weight) {
                None => return index,
                Some(left) => number = left,
            }
        }
        unreachable!("the weights sum to the bound")
    }

    /// Whether a fuzzer's bytes are used up.
    #[allow(dead_code, reason = "only the fuzz target has bytes")]
    pub(crate) fn is_used_up(&self) -> bool {
        matches!(self, Dice::Bytes(bytes) if bytes.len() == 0)
    }
}
