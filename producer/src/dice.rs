//! The only source of chance: random numbers that are a function of (seed, stream) alone.
//!
//! In: the seed, and which stream to read (see [`Dice::open_slot`]). Out: numbers. The arithmetic is
//! on integers and written out here, so the same seed gives the same events on every machine and
//! with every version of `rand`.

use std::ops::RangeInclusive;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The stream from which the subscribers are drawn. Slots are seconds after 1970 and start at 1.
const POPULATION_STREAM: u64 = 0;

/// Seeded random numbers, in independent streams.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    rng: ChaCha8Rng,
}

impl Dice {
    /// Opens the stream of the subscribers.
    pub(crate) fn for_population(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(POPULATION_STREAM);
        Dice { rng }
    }

    /// Goes to the beginning of the stream of one second of event time.
    ///
    /// A stream for each second is why a run that starts at T draws the same events as the part
    /// from T on of a run that started earlier.
    pub(crate) fn open_slot(&mut self, unix_second: u64) {
        self.rng.set_stream(unix_second);
        self.rng.set_word_pos(0);
    }

    /// The generator itself, for `fake`.
    pub(crate) fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rng
    }

    /// 32 random bits.
    pub(crate) fn bits(&mut self) -> u32 {
        self.rng.next_u32()
    }

    /// A number in 0..`bound`; always one draw.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        // The high half of a 32 × 32 bit product; its bias is below bound / 2³², one in 40,000
        // for the largest bound here.
        ((u64::from(self.bits()) * u64::from(bound)) >> 32) as u32
    }

    /// A number in `range`.
    pub(crate) fn within(&mut self, range: &RangeInclusive<u32>) -> u32 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// One of `items`, all equally likely.
    pub(crate) fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u32) as usize]
    }

    /// One of `items`, each as often as its weight says. The weights' sum must not be 0.
    pub(crate) fn weighted<T: Copy>(&mut self, items: &[(T, u32)]) -> T {
        let total = items.iter().map(|(_, weight)| weight).sum();
        let mut rest = self.below(total);
        for (item, weight) in items {
            if rest < *weight {
                return *item;
            }
            rest -= weight;
        }
        unreachable!("a number below the sum of the weights falls into one of them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_bits(dice: &mut Dice) -> [u32; 3] {
        [dice.bits(), dice.bits(), dice.bits()]
    }

    #[test]
    fn a_slot_reads_the_same_wherever_the_dice_were_before() {
        let mut fresh = Dice::for_population(7);
        fresh.open_slot(1_762_646_400);
        let mut used = Dice::for_population(7);
        for slot in [5, 1_762_646_399, 1_762_646_400, 9] {
            used.open_slot(slot);
            first_bits(&mut used);
        }
        used.open_slot(1_762_646_400);
        assert_eq!(first_bits(&mut fresh), first_bits(&mut used));
    }

    #[test]
    fn slots_and_seeds_read_different_numbers() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..20 {
            for slot in 0..20 {
                let mut dice = Dice::for_population(seed);
                dice.open_slot(slot);
                assert!(seen.insert(first_bits(&mut dice)), "seed {seed}, slot {slot}");
            }
        }
    }

    #[test]
    fn every_number_of_a_range_comes_and_no_other() {
        let mut dice = Dice::for_population(1);
        let seen: std::collections::BTreeSet<u32> =
            (0..1_000).map(|_| dice.within(&(3..=7))).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_weight_of_zero_is_never_drawn() {
        let mut dice = Dice::for_population(1);
        let drawn = (0..1_000).map(|_| dice.weighted(&[('a', 0), ('b', 1), ('c', 0), ('d', 3)]));
        assert!(drawn.into_iter().all(|item| item == 'b' || item == 'd'));
    }
}
