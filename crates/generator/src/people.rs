//! The subscribers: a fixed number of people, so that the same ones come again and again.
//!
//! In: the scenario, the seed and the subscriber key. Out: for each subscriber what stays the same:
//! masked number, pseudonym, activity, home, work, acquaintances. Each follows from their own stream
//! alone. Full numbers exist only while these are made.

mod circles;

use std::fmt::Write;

use self::circles::Circles;
use crate::cast::{Actor, Part, actors, parts};
use crate::permutation::Permutation;
use crate::random::{Dice, Purpose, Streams, mixed};
use crate::scenario::{Grid, Movement, Scenario, Towers, type_index};
use event_model::EventType;
use pseudonym::SubscriberKey;

/// Subscribers are numbered below; numbers of other networks from here on.
pub(crate) const OUTSIDE: u32 = 1 << 24;

/// Numbers behind a prefix: seven digits.
const NUMBERS_PER_PREFIX: u64 = 10_000_000;
/// A number's first seven digits are shown: divide by this to get them.
const HIDDEN: u64 = 10_000;
/// How many are shown, and what stands for the other four.
const SHOWN: usize = 7;
const MASKED: &[u8; SHOWN + 4] = b"0000000****";

/// All subscribers, numbered from 0. Where people have homes, those of one region are neighbours.
#[derive(Clone, Debug)]
pub(crate) struct People {
    persons: Vec<Person>,
    /// Where the people of each region end; empty where nobody has a home.
    region_ends: Vec<u32>,
    circles: Option<Circles>,
    /// How many live an ordinary life and nothing else; the others come after them.
    ordinary: u32,
    /// The home region of each, the others' too; 0 where nobody has a home.
    homes: Vec<u16>,
    /// Parts of the others in the world; `None`: nobody is in that place.
    other_parts: Vec<Option<Part>>,
    actors: Vec<Actor>,
    /// From which the pseudonyms of numbers of other networks follow.
    outside: u64,
}

/// What stays the same about a subscriber: 24 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    /// Pseudonym, written with 16 hex digits.
    pub(crate) pseudonym: u64,
    /// First seven digits of the number.
    shown_digits: u32,
    /// Events relative to the average subscriber.
    pub(crate) activity: f32,
    /// How long they call, relative to the average.
    pub(crate) call_scale: f32,
    /// Index of the tower at home in the region's grid.
    pub(crate) home: u16,
    /// Index of the tower at work; the same as home: they have no work.
    pub(crate) work: u16,
}

impl People {
    pub(crate) fn draw(scenario: &Scenario, streams: Streams, key: &SubscriberKey) -> Self {
        let region_ends = match scenario.towers {
            Towers::Anywhere(_) => Vec::new(),
            Towers::Grids { .. } => region_ends(scenario),
        };
        let numbers = Numbers::new(scenario, streams);
        let other_parts = parts(scenario);
        let mut people = People {
            persons: Vec::with_capacity(scenario.subscribers as usize),
            circles: scenario.contacts.map(|contacts| {
                Circles::new(contacts, streams, &region_ends, scenario.subscribers)
            }),
            region_ends,
            ordinary: scenario.subscribers,
            homes: Vec::with_capacity(scenario.subscribers as usize),
            actors: actors(scenario, streams, &other_parts),
            other_parts,
            outside: key.pseudonym("other networks"),
        };
        let mut full_number = String::new();
        let extra = scenario.extra_subscribers() as u32;
        for subscriber in 0..scenario.subscribers + extra {
            let part = subscriber.checked_sub(scenario.subscribers).map(|index| {
                let mut dice = streams.at(0).open(Purpose::Cast, 0, subscriber);
                let weights = scenario.regions.iter().map(|region| region.weight);
                people.homes.push(dice.weighted(weights) as u16);
                people.other_parts[index as usize]
            });
            if part.is_none() {
                let region = people.region_ends.partition_point(|end| *end <= subscriber);
                people.homes.push(region as u16);
            }
            let mut dice = streams.at(0).open(Purpose::Person, 0, subscriber);
            let number = numbers.draw(subscriber, &mut dice);
            full_number.clear();
            write!(full_number, "{number}").expect("writing to a string can't fail");
            let (home, work) = match &scenario.towers {
                Towers::Anywhere(_) => (0, 0),
                Towers::Grids { grids, movement } => {
                    let region = people.home_region(subscriber);
                    home_and_work(&grids[region], movement, &mut dice)
                }
            };
            people.persons.push(Person {
                pseudonym: key.pseudonym(&full_number),
                shown_digits: (number / HIDDEN) as u32,
                activity: match part {
                    None => activity(scenario, &mut dice),
                    Some(part) => part.map_or(0.0, |part| part.habit(scenario).life),
                },
                call_scale: call_scale(scenario, &mut dice),
                home,
                work,
            });
        }
        people
    }

    /// How many live an ordinary life and nothing else.
    pub(crate) fn count(&self) -> u32 {
        self.ordinary
    }

    /// How many there are with those who have a role or defraud.
    pub(crate) fn total(&self) -> u32 {
        self.persons.len() as u32
    }

    /// Those who have a role or defraud.
    pub(crate) fn actors(&self) -> &[Actor] {
        &self.actors
    }

    /// What somebody beyond [`People::count`] is.
    pub(crate) fn part(&self, subscriber: u32) -> Option<Part> {
        let index = subscriber.checked_sub(self.ordinary)?;
        self.other_parts[index as usize]
    }

    /// Subscriber number `subscriber`, which is below [`People::count`].
    pub(crate) fn person(&self, subscriber: u32) -> &Person {
        &self.persons[subscriber as usize]
    }

    /// Writes the pseudonym of a subscriber, or of a number of another network: like all pseudonyms it depends on the
    /// key, and no two of them are equal among those of other networks.
    pub(crate) fn write_id(&self, party: u32, out: &mut String) {
        match party.checked_sub(OUTSIDE) {
            None => self.person(party).write_id(out),
            Some(number) => write_pseudonym(mixed(self.outside ^ u64::from(number)), out),
        }
    }

    /// The region in which a subscriber lives, where people have homes.
    pub(crate) fn home_region(&self, subscriber: u32) -> usize {
        usize::from(self.homes[subscriber as usize])
    }

    /// The ordinary people of a region, where people have homes.
    pub(crate) fn of_region(&self, region: usize) -> std::ops::Range<u32> {
        let start = if region == 0 { 0 } else { self.region_ends[region - 1] };
        start..self.region_ends[region]
    }

    /// Share of calls and SMS that are with acquaintances, where people have any.
    pub(crate) fn acquaintances_share(&self) -> Option<f64> {
        self.circles.as_ref().map(|circles| circles.contacts.share)
    }

    /// The other side of a call or SMS: an acquaintance, or anybody.
    pub(crate) fn other_side(&self, subscriber: u32, dice: &mut Dice) -> u32 {
        if subscriber >= self.ordinary {
            return dice.below(u64::from(self.count())) as u32;
        }
        let acquaintance = self.circles.as_ref().and_then(|circles| {
            let is_known = dice.chance(circles.contacts.share);
            is_known.then(|| circles.draw(subscriber, self.home_region(subscriber), dice)).flatten()
        });
        acquaintance.unwrap_or_else(|| {
            // Anybody but themselves: the draw leaves one out, and those from them on move up.
            let drawn = dice.below(u64::from(self.count()) - 1) as u32;
            if drawn < subscriber { drawn } else { drawn + 1 }
        })
    }
}

impl Person {
    /// Writes the masked number.
    pub(crate) fn write_msisdn(&self, out: &mut String) {
        let mut text = *MASKED;
        let mut rest = self.shown_digits;
        for digit in text[..SHOWN].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        put_ascii(&text, out);
    }

    /// Writes the pseudonym.
    pub(crate) fn write_id(&self, out: &mut String) {
        write_pseudonym(self.pseudonym, out);
    }
}

fn write_pseudonym(pseudonym: u64, out: &mut String) {
    let mut text = [0; 16];
    for (index, digit) in text.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(pseudonym >> (60 - 4 * index) & 15) as usize];
    }
    put_ascii(&text, out);
}

/// Every event has such texts: formatting costs several times as much.
fn put_ascii(text: &[u8], out: &mut String) {
    out.clear();
    out.push_str(std::str::from_utf8(text).expect("digits and letters are UTF-8"));
}

/// Where the people of each region end, when they are as many as its weight says.
fn region_ends(scenario: &Scenario) -> Vec<u32> {
    let total: f64 = scenario.regions.iter().map(|region| region.weight).sum();
    let mut sum = 0.0;
    let ends = scenario.regions.iter().map(|region| {
        sum += region.weight;
        (sum / total * f64::from(scenario.subscribers)).round() as u32
    });
    ends.collect()
}

fn activity(scenario: &Scenario, dice: &mut Dice) -> f32 {
    let sigma = scenario.activity.sigma;
    if sigma == 0.0 {
        return 1.0;
    }
    // The mean of a log-normal number is exp(µ + σ²/2).
    let drawn = libm::exp(sigma * dice.normal() - sigma * sigma / 2.0);
    drawn.min(scenario.activity.at_most) as f32
}

fn call_scale(scenario: &Scenario, dice: &mut Dice) -> f32 {
    let duration = &scenario.types[type_index(EventType::Call)].duration;
    let sigma = duration.as_ref().map_or(0.0, |duration| duration.user_sigma());
    if sigma == 0.0 { 1.0 } else { libm::exp(sigma * dice.normal()) as f32 }
}

fn home_and_work(grid: &Grid, movement: &Movement, dice: &mut Dice) -> (u16, u16) {
    let mut near_centre = |count: u32| {
        let half = dice.below(u64::from(count)) + dice.below(u64::from(count));
        (half / 2) as u32
    };
    let home = near_centre(grid.rows) * grid.columns + near_centre(grid.columns);
    let is_employed = dice.chance(movement.employed_share);
    let work = if is_employed { grid.near(home, movement.commute_km, dice) } else { home };
    (home as u16, work as u16)
}

/// Numbers that nobody has twice.
struct Numbers {
    prefixes: Vec<(u32, f64, Permutation)>,
}

impl Numbers {
    fn new(scenario: &Scenario, streams: Streams) -> Self {
        let with_order = |(prefix, weight): &(u32, f64)| {
            let root = streams.root(Purpose::Order, *prefix);
            (*prefix, *weight, Permutation::new(root, NUMBERS_PER_PREFIX))
        };
        Numbers { prefixes: scenario.prefixes.iter().map(with_order).collect() }
    }

    /// 7, the prefix, and seven digits that no other subscriber has behind this prefix.
    fn draw(&self, subscriber: u32, dice: &mut Dice) -> u64 {
        let index = dice.weighted(self.prefixes.iter().map(|(_, weight, _)| *weight));
        let (prefix, _, order) = &self.prefixes[index];
        let digits = order.place_of(u64::from(subscriber));
        (7_000 + u64::from(*prefix)) * NUMBERS_PER_PREFIX + digits
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SIZE: u32 = 5_001;

    fn key(digit: char) -> SubscriberKey {
        SubscriberKey::from_hex(&digit.to_string().repeat(64), 0).unwrap()
    }

    fn people(scenario: &str, seed: u64, key: &SubscriberKey) -> (Scenario, People) {
        let mut scenario = Scenario::built_in(scenario);
        scenario.subscribers = SIZE;
        let people = People::draw(&scenario, Streams::of(seed), key);
        (scenario, people)
    }

    fn msisdns(people: &People) -> Vec<String> {
        let msisdn = |person: &Person| {
            let mut text = String::new();
            person.write_msisdn(&mut text);
            text
        };
        people.persons.iter().map(msisdn).collect()
    }

    fn ids(people: &People) -> HashSet<u64> {
        people.persons.iter().map(|person| person.pseudonym).collect()
    }

    #[test]
    fn masks_show_a_real_prefix_and_three_more_digits() {
        let (scenario, people) = people("default", 1, &key('a'));
        let prefixes: HashSet<String> =
            scenario.prefixes.iter().map(|(prefix, _)| prefix.to_string()).collect();
        let mut seen = HashSet::new();
        for msisdn in msisdns(&people) {
            let shown = msisdn.strip_suffix("****").unwrap();
            assert!(shown.len() == 7 && shown.starts_with('7'), "{msisdn}");
            assert!(shown.bytes().all(|digit| digit.is_ascii_digit()), "{msisdn}");
            assert!(prefixes.contains(&shown[1..4]), "{msisdn}");
            seen.insert(shown[1..4].to_owned());
        }
        assert_eq!(seen, prefixes);
    }

    #[test]
    fn a_pseudonym_is_written_with_16_lower_case_hex_digits() {
        let mut id = String::new();
        let person = Person { pseudonym: 0xab, ..people("default", 1, &key('a')).1.persons[0] };
        person.write_id(&mut id);
        assert_eq!(id, "00000000000000ab");
    }

    #[test]
    fn no_two_subscribers_share_a_number() {
        // Pseudonyms are functions of the number, so equal numbers would be equal pseudonyms.
        for scenario in ["default", "kazakhstan"] {
            assert_eq!(ids(&people(scenario, 1, &key('a')).1).len(), SIZE as usize);
        }
    }

    #[test]
    fn masks_undercount_ten_thousand_people_by_a_third() {
        // docs/privacy.md says so: 12 prefixes with three digits each are 12,000 masks.
        let scenario = Scenario { subscribers: 10_000, ..Scenario::built_in("default") };
        let people = People::draw(&scenario, Streams::of(1), &key('a'));
        let masks = msisdns(&people).into_iter().collect::<HashSet<_>>().len();
        assert!((6_600..6_800).contains(&masks), "{masks}");
        assert_eq!(ids(&people).len(), 10_000);
    }

    #[test]
    fn another_key_changes_every_pseudonym_and_no_number_and_another_seed_everything() {
        let (one, other) = (people("default", 1, &key('a')).1, people("default", 1, &key('b')).1);
        assert_eq!(msisdns(&one), msisdns(&other));
        assert!(ids(&one).is_disjoint(&ids(&other)));
        assert!(ids(&one).is_disjoint(&ids(&people("default", 2, &key('a')).1)));
    }

    fn scenario_size(people: &People, region: usize) -> u32 {
        let start = if region == 0 { 0 } else { people.region_ends[region - 1] };
        people.region_ends[region] - start
    }

    #[test]
    fn regions_have_as_many_people_as_their_weights_say() {
        let (scenario, people) = people("kazakhstan", 1, &key('a'));
        let total: f64 = scenario.regions.iter().map(|region| region.weight).sum();
        for (index, region) in scenario.regions.iter().enumerate() {
            let expected = region.weight / total * f64::from(SIZE);
            assert!((f64::from(scenario_size(&people, index)) - expected).abs() <= 1.0);
        }
        assert_eq!(people.home_region(0), 0);
        assert_eq!(people.home_region(SIZE - 1), scenario.regions.len() - 1);
    }

    #[test]
    fn activity_is_log_normal_with_a_mean_of_1() {
        let (scenario, people) = people("kazakhstan", 3, &key('a'));
        let sigma = scenario.activity.sigma;
        let logs: Vec<f64> = people
            .persons
            .iter()
            .map(|person| (libm::log(f64::from(person.activity)) + sigma * sigma / 2.0) / sigma)
            .collect();
        // Kolmogorov and Smirnov: above 1.63 / √n once in a hundred samples.
        let distance = crate::fit::distance_from(logs, crate::fit::normal_cdf);
        assert!(distance < 1.63 / f64::from(SIZE).sqrt(), "{distance}");
    }
}
