//! The only source of chance: random numbers that are a function of (seed, purpose, subscriber,
//! moment) alone.
//!
//! In: the seed, and which stream to read. Out: numbers. Nothing is drawn from one long stream that all
//! share, because then every number would depend on all those before it. Instead each question gets
//! a stream of its own: *does subscriber 7 do anything in the hour from 12:00?* is one stream, *what
//! does subscriber 7 do at 12:03:04.000005?* another, *does that event come late?* a third:
//!
//! ```text
//!   seed ──┬─ moment ──► a ─┐
//!          │                ├─► 256 bits of state ─► Xoshiro256++ ─► as many numbers as needed
//!          └─ subscriber,   │
//!             purpose ──► b ┘
//! ```
//!
//! `a` and `b` are bijections of what goes in, so two streams of one seed never start alike. That
//! is why any subscriber, second or fault can be drawn alone: by another process, from any moment
//! on, with or without the others. Bits become numbers by integers, by IEEE arithmetic and by `libm`
//! in Rust, which give the same results on every machine.

use std::ops::RangeInclusive;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// What a stream is for. Streams of different purposes have nothing in common, so that a fault that
/// is switched on changes no event, and a new spike no other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Purpose {
    /// Who a subscriber is.
    Person = 1,
    /// The order of numbers, and who knows whom.
    Order = 2,
    /// Whether and when something happens.
    Arrivals = 3,
    /// What happens.
    Event = 4,
    /// Where a subscriber goes on a day.
    Day = 5,
    /// Journeys to other regions.
    Journey = 6,
    /// How much money is spent on a day.
    Spending = 7,
    /// Events that arrive late.
    Late = 8,
    /// Events that change places with their neighbours.
    OutOfOrder = 9,
    /// Events that are sent twice.
    Duplicate = 10,
    /// Events that arrive unusable.
    Malformed = 11,
    /// Whose clock is wrong.
    Clock = 12,
    /// Events that a drop takes away.
    Drop = 13,
    /// Conversations that begin.
    Trains = 14,
    /// What an act says beyond who, whom and how long.
    Act = 15,
    /// How readily somebody begins a conversation.
    Initiative = 16,
    /// Who has a role or defrauds, and where they live.
    Cast = 17,
    /// What they do on a day.
    CastDay = 18,
    /// How much more or less happens, in a region and at a time.
    Weather = 19,
    /// Events that the weather takes away or adds.
    WeatherDrop = 20,
    /// When somebody leaves, is away, does less.
    Life = 21,
    /// Events that those who do less don't make.
    LifeDrop = 22,
}

/// The root of all streams of one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    seed: u64,
}

/// A moment of some seed: what all its subscribers' streams have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    a: u64,
    seed: u64,
}

impl Streams {
    /// The streams of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Streams { seed: mixed(seed) }
    }

    /// The streams of a moment, whose unit is the purpose's own affair: µs, a day, nothing.
    pub(crate) fn at(&self, moment: i64) -> Moment {
        Moment { a: mixed(self.seed ^ moment.cast_unsigned()), seed: self.seed }
    }

    /// A number that everything else of a purpose can be derived from.
    pub(crate) fn root(&self, purpose: Purpose, variant: u32) -> u64 {
        self.at(0).first_bits(purpose, variant, 0)
    }
}

impl Moment {
    /// Opens a stream. `variant` tells streams of one purpose apart: it is below 2²⁴.
    pub(crate) fn open(&self, purpose: Purpose, variant: u32, subscriber: u32) -> Dice {
        let b = self.b(purpose, variant, subscriber);
        let c = mixed(self.a ^ b.rotate_left(32));
        let words = [self.a, b, c, mixed(self.a.wrapping_add(b.rotate_left(17)))];
        let mut state = [0; 32];
        for (bytes, word) in state.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let mut rng = Xoshiro256PlusPlus::from_seed(state);
        // The first number would show `a`, which many streams share.
        rng.next_u64();
        Dice { rng }
    }

    /// 64 bits that belong to the stream but are none of its numbers: enough where nearly all
    /// streams end after one look.
    pub(crate) fn first_bits(&self, purpose: Purpose, variant: u32, subscriber: u32) -> u64 {
        mixed(self.a ^ self.b(purpose, variant, subscriber).rotate_left(32))
    }

    fn b(&self, purpose: Purpose, variant: u32, subscriber: u32) -> u64 {
        let which = u64::from(subscriber) | (purpose as u64) << 32 | u64::from(variant) << 40;
        mixed(!self.seed ^ which)
    }
}

/// Numbers of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    rng: Xoshiro256PlusPlus,
}

impl Dice {
    /// A stream of its own whose beginning is the next number of this one.
    pub(crate) fn branch(&mut self) -> Dice {
        Dice { rng: Xoshiro256PlusPlus::seed_from_u64(self.bits()) }
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// The stream itself, for what others draw.
    pub(crate) fn rng(&mut self) -> &mut Xoshiro256PlusPlus {
        &mut self.rng
    }

    /// A number in [0, 1), a multiple of 2⁻⁵³.
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// A number in 0..`bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The high half of a 64 × 64 bit product; its bias is below bound / 2⁶⁴.
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `range`.
    pub(crate) fn within(&mut self, range: &RangeInclusive<u32>) -> u32 {
        range.start() + self.below(u64::from(range.end() - range.start()) + 1) as u32
    }

    /// Whether something happens that has this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of `items`, all equally likely.
    pub(crate) fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// The index of one of `weights`, each as often as it says. Their sum must be above 0.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let total: f64 = weights.clone().sum();
        let mut rest = self.unit() * total;
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            if weight <= 0.0 {
                continue;
            }
            if rest < weight {
                return index;
            }
            rest -= weight;
            // Rounding can leave a rest behind the last weight.
            last = index;
        }
        last
    }

    /// A number with the standard normal distribution, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        // 1 − u is in (0, 1]: its logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }
}

/// 64 bits as a number in [0, 1).
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// A bijection of 64 bits in which every bit of the result depends on every bit of the argument: the
/// finalizer of SplitMix64 (Steele, Lea, Flood 2014) after one step of its sequence.
pub(crate) fn mixed(bits: u64) -> u64 {
    let mut z = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    #[test]
    fn seed_purpose_variant_subscriber_and_moment_all_open_streams_of_their_own() {
        let mut seen = HashSet::new();
        let mut firsts = HashSet::new();
        for seed in 0..4 {
            for moment in [-1, 0, 1, 2, 1_762_646_400_000_000] {
                for purpose in [Purpose::Arrivals, Purpose::Event, Purpose::Late] {
                    for (variant, subscriber) in [(0, 0), (0, 1), (1, 0), (7, 99_999)] {
                        let at = Streams::of(seed).at(moment);
                        let mut dice = at.open(purpose, variant, subscriber);
                        assert!(seen.insert([dice.bits(), dice.bits()]));
                        assert!(firsts.insert(at.first_bits(purpose, variant, subscriber)));
                    }
                }
            }
        }
    }

    #[test]
    fn neighbouring_streams_are_as_good_as_one_stream() {
        // The first numbers of 40,000 neighbours: mean, correlation with the next, and every bit.
        let at = Streams::of(1).at(0);
        for draws_before in [0, 1] {
            let bits: Vec<u64> = (0..40_000)
                .map(|subscriber| {
                    let mut dice = at.open(Purpose::Event, 0, subscriber);
                    for _ in 0..draws_before {
                        dice.bits();
                    }
                    dice.bits()
                })
                .collect();
            let numbers: Vec<f64> = bits.iter().map(|bits| unit(*bits) - 0.5).collect();
            let mean = numbers.iter().sum::<f64>() / 40_000.0;
            let products: f64 = numbers.windows(2).map(|pair| pair[0] * pair[1]).sum();
            assert!(mean.abs() < 0.006, "mean {mean}");
            assert!((products / 40_000.0 * 12.0).abs() < 0.02, "correlation {products}");
            for bit in 0..64 {
                let ones = bits.iter().filter(|bits| *bits >> bit & 1 == 1).count();
                assert!((19_500..20_500).contains(&ones), "bit {bit} is 1 {ones} times");
            }
        }
    }

    #[test]
    fn every_number_of_a_range_comes_and_no_other() {
        let mut dice = Streams::of(1).at(0).open(Purpose::Event, 0, 0);
        let seen: BTreeSet<u32> = (0..1_000).map(|_| dice.within(&(3..=7))).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    }

    #[test]
    fn weights_are_shares_and_a_weight_of_zero_is_never_drawn() {
        let mut dice = Streams::of(1).at(0).open(Purpose::Event, 0, 0);
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            counts[dice.weighted([0.0, 1.0, 0.0, 3.0].into_iter())] += 1;
        }
        assert_eq!([counts[0], counts[2]], [0, 0]);
        assert!((2_300..2_700).contains(&counts[1]), "{counts:?}");
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut dice = Streams::of(1).at(0).open(Purpose::Event, 0, 0);
        let numbers: Vec<f64> = (0..100_000).map(|_| dice.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 100_000.0;
        let variance = numbers.iter().map(|x| x * x).sum::<f64>() / 100_000.0;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean}, {variance}");
    }
}
