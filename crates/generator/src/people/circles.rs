//! Acquaintances: whom a subscriber calls, again and again.
//!
//! In: how many acquaintances people have, and where each region's people end. Out: one of them, by
//! dice. Nobody's list is kept.

use crate::permutation::Permutation;
use crate::random::{Dice, Purpose, Streams};
use crate::scenario::Contacts;

/// Variants of [`Purpose::Order`]: below are the prefixes, from here on the acquaintances.
const CIRCLES_VARIANT: u32 = 1_000;
/// Most acquaintances of one kind.
const CIRCLES_MAX: u32 = 128;

/// Who knows whom. Each circle pairs people up: whoever is at place 2i of a random order knows the
/// one at place 2i + 1. So acquaintance is mutual, and nobody's list has to be kept.
#[derive(Clone, Debug)]
pub(super) struct Circles {
    pub(super) contacts: Contacts,
    /// By region and rank: its people's circles.
    inside: Vec<Vec<Permutation>>,
    /// Where each region's people begin.
    starts: Vec<u32>,
    /// By rank: everybody's circles.
    outside: Vec<Permutation>,
    subscribers: u32,
    /// How often each rank is called: the second friend half as often as the first, and so on.
    rank_weights: Vec<f64>,
}

impl Circles {
    pub(super) fn new(
        contacts: Contacts,
        streams: Streams,
        region_ends: &[u32],
        subscribers: u32,
    ) -> Self {
        let circles = |group: u32, count: u32, size: u32| -> Vec<Permutation> {
            let variant = CIRCLES_VARIANT + group * CIRCLES_MAX;
            let root = |rank| streams.root(Purpose::Order, variant + rank);
            (0..count).map(|rank| Permutation::new(root(rank), u64::from(size.max(1)))).collect()
        };
        // Where nobody has a home, all are of one region.
        let whole = [subscribers];
        let ends = if region_ends.is_empty() { &whole } else { region_ends };
        let starts: Vec<u32> =
            std::iter::once(0).chain(ends.iter().copied()).take(ends.len()).collect();
        let inside = starts
            .iter()
            .zip(ends)
            .zip(1..)
            .map(|((start, end), group)| circles(group, contacts.inside_region, end - start));
        Circles {
            inside: inside.collect(),
            outside: circles(0, contacts.outside_region, subscribers),
            rank_weights: (0..contacts.inside_region + contacts.outside_region)
                .map(|rank| 1.0 / f64::from(rank + 1))
                .collect(),
            contacts,
            starts,
            subscribers,
        }
    }

    /// One of the acquaintances; `None` for somebody who has none at all.
    pub(super) fn draw(&self, subscriber: u32, region: usize, dice: &mut Dice) -> Option<u32> {
        let count = self.rank_weights.len();
        let drawn = dice.weighted(self.rank_weights.iter().copied());
        // Where a circle leaves them alone, the next one takes its place.
        (0..count).find_map(|step| self.at_rank(subscriber, region, (drawn + step) % count))
    }

    /// How many people a region has.
    fn size(&self, region: usize) -> u32 {
        let end = self.starts.get(region + 1).copied().unwrap_or(self.subscribers);
        end - self.starts[region]
    }

    fn at_rank(&self, subscriber: u32, region: usize, rank: usize) -> Option<u32> {
        match rank.checked_sub(self.contacts.inside_region as usize) {
            None => {
                let start = self.starts[region];
                let circle = &self.inside[region][rank];
                partner(circle, subscriber - start, self.size(region)).map(|other| start + other)
            }
            Some(rank) => partner(&self.outside[rank], subscriber, self.subscribers),
        }
    }
}

fn partner(circle: &Permutation, index: u32, size: u32) -> Option<u32> {
    let place = circle.place_of(u64::from(index)) ^ 1;
    // In a circle of an odd number the last one is alone.
    (place < u64::from(size)).then(|| circle.index_at(place) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::people::People;
    use crate::scenario::Scenario;
    use pseudonym::SubscriberKey;

    const SIZE: u32 = 5_001;

    #[test]
    fn acquaintance_is_mutual_and_mostly_inside_the_region() {
        let mut scenario = Scenario::built_in("kazakhstan");
        scenario.subscribers = SIZE;
        let people = People::draw(&scenario, Streams::of(1), &SubscriberKey::demo());
        let circles = people.circles.as_ref().unwrap();
        let contacts = scenario.contacts.unwrap();
        let mut dice = Streams::of(1).at(0).open(Purpose::Event, 0, 0);
        for subscriber in (0..SIZE).step_by(7) {
            let region = people.home_region(subscriber);
            for _ in 0..20 {
                let Some(other) = circles.draw(subscriber, region, &mut dice) else { continue };
                assert_ne!(other, subscriber);
                let (start, size) = (circles.starts[region], circles.size(region));
                let is_inside = people.home_region(other) == region && {
                    let knows = |circle| partner(circle, other - start, size);
                    circles.inside[region].iter().any(|c| knows(c) == Some(subscriber - start))
                };
                let knows = |circle| partner(circle, other, SIZE) == Some(subscriber);
                assert!(is_inside || circles.outside.iter().any(knows));
            }
        }
        let friends: HashSet<u32> = (0..2_000)
            .filter_map(|_| circles.draw(17, people.home_region(17), &mut dice))
            .collect();
        assert!(friends.len() as u32 <= contacts.inside_region + contacts.outside_region);
        assert!(friends.len() > 10, "{}", friends.len());
    }
}
