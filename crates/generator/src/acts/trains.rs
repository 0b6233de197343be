//! Who talks with whom, and when: conversations, each a train of calls or of messages between the same two.
//!
//! In: a slot, its rates, the people. Out: attempts. Whoever begins a conversation is drawn as any event is (a
//! Poisson number for each subscriber and slot); the rest of it follows from the same stream. So bursts belong
//! to a pair and not to a person, as Karsai, Kaski and Kertész found (PLoS ONE 7(7), 2012, e40612): calls within
//! a train lean to one direction, messages go to and fro.

use std::ops::Range;

use event_model::{EventType, MICROS_PER_SECOND};

use crate::attempt::{Around, Attempt, Layer, What};
use crate::cast::Part;
use crate::counts::how_many;
use crate::curve::{QUARTER_SECONDS, Rates};
use crate::people::{OUTSIDE, People};
use crate::random::{Dice, Purpose, Streams, mixed, unit};
use crate::scenario::{Pairs, type_index};
use crate::weather::Skies;

/// No conversation lasts longer from its first beginning to its last.
pub(super) const TRAIN_SPAN_SECONDS: i64 = 7_200;
/// Told apart from the usual by its streams: what the weather adds.
const MORE_VARIANT: u32 = 8;
/// Most calls, or messages, of a conversation.
const TRAIN_MAX: u32 = 40;
/// Of calls that nobody answered: the caller tries again soon …
const TRIES_AGAIN: f64 = 0.35;
/// … or is called back.
const CALLED_BACK: f64 = 0.25;
/// Of further calls after one that was answered: in the other direction.
const CALL_TURNS: f64 = 0.25;
/// Of further messages: an answer.
const MESSAGE_TURNS: f64 = 0.85;
/// Acquaintances in other networks: how often each is called, relative to the first.
const OUTSIDE_ACQUAINTANCES: [f64; 8] =
    [1.0, 1.0 / 2.0, 1.0 / 3.0, 1.0 / 4.0, 1.0 / 5.0, 1.0 / 6.0, 1.0 / 7.0, 1.0 / 8.0];

/// Seconds between two calls or messages of a conversation: median, and standard deviation of the logarithm.
struct Gap(f64, f64);
const GAP_MESSAGE: Gap = Gap(50.0, 1.0);
const GAP_TRY: Gap = Gap(120.0, 1.0);
const GAP_CALL_BACK: Gap = Gap(500.0, 1.1);
const GAP_CALL: Gap = Gap(600.0, 1.3);

/// Draws conversations.
#[derive(Clone, Debug)]
pub(super) struct Trains {
    pairs: Pairs,
    /// How readily each subscriber begins one, 1 on average; drawn at first use.
    initiative: Vec<f32>,
}

/// Records of a conversation on average, by the index of its type.
pub(super) fn records_per_train(pairs: &Pairs, type_index: usize) -> f64 {
    let again = if type_index == self::type_index(EventType::Call) {
        pairs.unanswered * (TRIES_AGAIN + CALLED_BACK) + (1.0 - pairs.unanswered) * pairs.call_again
    } else {
        pairs.message_again
    };
    (2.0 - pairs.other_networks) / (1.0 - again)
}

impl Trains {
    pub(super) fn new(pairs: Pairs) -> Self {
        Trains { pairs, initiative: Vec::new() }
    }

    /// Hands out the attempts of all conversations that begin in a slot.
    pub(super) fn draw(
        &mut self,
        slot: &Range<i64>,
        quarters: &[Rates],
        around: &Around<'_>,
        mut put: impl FnMut(Attempt),
    ) {
        if self.initiative.is_empty() {
            self.initiative = initiatives(self.pairs.initiative_sigma, around);
        }
        for event_type in [EventType::Call, EventType::Sms] {
            let factors = factors(type_index(event_type), quarters, around);
            let level = Level::usual(event_type, quarters);
            self.draw_type(&level, slot, quarters, &factors, around, &mut put);
            if !factors.is_empty() {
                let level = Level::more(event_type, quarters, &factors);
                self.draw_type(&level, slot, quarters, &factors, around, &mut put);
            }
        }
    }

    fn draw_type(
        &self,
        level: &Level,
        slot: &Range<i64>,
        quarters: &[Rates],
        factors: &[Vec<f64>],
        around: &Around<'_>,
        put: &mut impl FnMut(Attempt),
    ) {
        let index = type_index(level.event_type);
        let people = around.people;
        let seconds = slot.end - slot.start;
        let per_train = records_per_train(&self.pairs, index);
        let mean_of_1 = seconds as f64 / f64::from(people.count()) / per_train;
        let at = around.streams.at(slot.start);
        let subscribers = if level.is_more { people.count() } else { people.total() };
        for subscriber in 0..subscribers {
            let row = level.row(subscriber, people);
            let eager = people.person(subscriber).activity * self.initiative[subscriber as usize];
            let mean = level.highest[row] * mean_of_1 * f64::from(eager);
            let variant = index as u32 + if level.is_more { MORE_VARIANT } else { 0 };
            let Some((count, mut dice)) = how_many(&at, Purpose::Trains, variant, subscriber, mean)
            else {
                continue;
            };
            for _ in 0..count {
                let micros = dice.below((seconds * MICROS_PER_SECOND).cast_unsigned());
                let quarter =
                    (micros / (QUARTER_SECONDS * MICROS_PER_SECOND).cast_unsigned()) as usize;
                let share = level.rows[row][quarter] / level.highest[row];
                // Each conversation reads a stream of its own, so that none depends on those before it.
                let own = dice.branch();
                if dice.chance(share) {
                    let first = slot.start * MICROS_PER_SECOND + micros.cast_signed();
                    let mut train = Train {
                        event_type: level.event_type,
                        layer: layer(subscriber, level.is_more, people),
                        subscriber,
                        first,
                        is_phantom: false,
                        dice: own,
                    };
                    let factor =
                        factors.get(people.home_region(subscriber)).map(|row| row[quarter]);
                    let (day, _) =
                        quarters[quarter].local_day_and_second(first.div_euclid(MICROS_PER_SECOND));
                    train.is_phantom =
                        train.is_taken_away(factor, around) || train.is_not_begun(day, around);
                    self.converse(train, &quarters[quarter], around, put);
                }
            }
        }
    }

    /// With whom: somebody in another network, an acquaintance or anybody; often the day's favourite.
    fn other_end(&self, subscriber: u32, day: i64, around: &Around<'_>, dice: &mut Dice) -> u32 {
        if dice.chance(self.pairs.favourite) {
            let mut of_day = around.streams.at(day).open(Purpose::Trains, 16, subscriber);
            return self.drawn_end(subscriber, around.streams, around.people, &mut of_day);
        }
        self.drawn_end(subscriber, around.streams, around.people, dice)
    }

    fn drawn_end(
        &self,
        subscriber: u32,
        streams: Streams,
        people: &People,
        dice: &mut Dice,
    ) -> u32 {
        if !dice.chance(self.pairs.other_networks) {
            return people.other_side(subscriber, dice);
        }
        let is_known = people.acquaintances_share().is_some_and(|share| dice.chance(share));
        let bits = if is_known {
            let rank = dice.weighted(OUTSIDE_ACQUAINTANCES.into_iter()) as u32;
            mixed(streams.at(0).first_bits(Purpose::Trains, 32 + rank, subscriber))
        } else {
            dice.bits()
        };
        OUTSIDE | bits as u32 & (OUTSIDE - 1)
    }

    fn converse(
        &self,
        train: Train,
        rates: &Rates,
        around: &Around<'_>,
        put: &mut impl FnMut(Attempt),
    ) {
        let Train { event_type, layer, subscriber, first, mut is_phantom, mut dice } = train;
        let dice = &mut dice;
        let (day, _) = rates.local_day_and_second(first.div_euclid(MICROS_PER_SECOND));
        let other = self.other_end(subscriber, day, around, dice);
        if other < OUTSIDE
            && let Some(lives) = &around.scenario.lives
        {
            let fates = around.fates(lives);
            is_phantom |= fates.is_known_to_be_gone(other, day);
        }
        let (mut from, mut to) = (subscriber, other);
        // Those outside begin as often as those inside.
        if other >= OUTSIDE && dice.chance(0.5) {
            (from, to) = (to, from);
        }
        let scale = f64::from(around.people.person(subscriber).call_scale);
        let mut start = first;
        for _ in 0..TRAIN_MAX {
            let (what, lasts, turn) = if event_type == EventType::Call {
                self.call(around, scale, dice)
            } else {
                let turn = dice.chance(self.pairs.message_again);
                let turns = turn.then(|| (dice.chance(MESSAGE_TURNS), GAP_MESSAGE));
                (What::Sms, 0, turns)
            };
            let actor = subscriber;
            put(Attempt { start, layer, from, to, what, actor, case: 0, is_phantom });
            let Some((turns, Gap(median, sigma))) = turn else { return };
            if turns {
                (from, to) = (to, from);
            }
            let gap = 1.0 + median * libm::exp(sigma * dice.normal());
            let micros = gap.min(TRAIN_SPAN_SECONDS as f64) * MICROS_PER_SECOND as f64;
            start += i64::from(lasts) * MICROS_PER_SECOND + micros as i64;
            if start - first >= TRAIN_SPAN_SECONDS * MICROS_PER_SECOND {
                return;
            }
        }
    }

    /// A call, how long it takes, and whether there is another: in which direction, and after which gap.
    fn call(
        &self,
        around: &Around<'_>,
        scale: f64,
        dice: &mut Dice,
    ) -> (What, u32, Option<(bool, Gap)>) {
        let duration = around.scenario.model(EventType::Call).duration.as_ref();
        let seconds = duration.map_or(1, |duration| duration.draw(1, scale, dice));
        if dice.chance(self.pairs.unanswered) {
            let drawn = dice.unit();
            let next = if drawn < TRIES_AGAIN {
                Some((false, GAP_TRY))
            } else {
                (drawn < TRIES_AGAIN + CALLED_BACK).then_some((true, GAP_CALL_BACK))
            };
            return (What::Call { seconds, is_answered: false }, 0, next);
        }
        let next = dice.chance(self.pairs.call_again).then(|| (dice.chance(CALL_TURNS), GAP_CALL));
        (What::Call { seconds, is_answered: true }, seconds, next)
    }
}

/// A conversation that begins.
struct Train {
    event_type: EventType,
    layer: Layer,
    subscriber: u32,
    first: i64,
    is_phantom: bool,
    dice: Dice,
}

impl Train {
    /// Whether the weather takes it away.
    fn is_taken_away(&self, factor: Option<f64>, around: &Around<'_>) -> bool {
        let at = around.streams.at(self.first);
        let variant = 2 + type_index(self.event_type) as u32;
        self.layer == Layer::Ordinary
            && factor.is_some_and(|factor| {
                unit(at.first_bits(Purpose::WeatherDrop, variant, self.subscriber)) >= factor
            })
    }
}

impl Train {
    /// Whether whoever would begin it does less than usual.
    fn is_not_begun(&self, day: i64, around: &Around<'_>) -> bool {
        let Some(lives) = &around.scenario.lives else { return false };
        if !matches!(self.layer, Layer::Ordinary | Layer::Weather) {
            return false;
        }
        let index = type_index(self.event_type);
        let left = around.fates(lives).left(self.subscriber, index, day);
        let at = around.streams.at(self.first);
        let variant = (1 << 22) + index as u32;
        unit(at.first_bits(Purpose::LifeDrop, variant, self.subscriber)) >= left
    }
}

/// How much happens in each quarter of an hour of a slot: everywhere the same, or what comes on top by region.
struct Level {
    event_type: EventType,
    is_more: bool,
    rows: Vec<Vec<f64>>,
    highest: Vec<f64>,
}

impl Level {
    fn usual(event_type: EventType, quarters: &[Rates]) -> Self {
        let rate = |rates: &Rates| rates.per_second[type_index(event_type)];
        Level::of(event_type, false, vec![quarters.iter().map(rate).collect()])
    }

    fn more(event_type: EventType, quarters: &[Rates], factors: &[Vec<f64>]) -> Self {
        let row = |factors: &Vec<f64>| {
            let pairs = quarters.iter().zip(factors);
            let more = |(rates, factor): (&Rates, &f64)| {
                rates.per_second[type_index(event_type)] * (factor - 1.0).max(0.0)
            };
            pairs.map(more).collect()
        };
        Level::of(event_type, true, factors.iter().map(row).collect())
    }

    fn of(event_type: EventType, is_more: bool, rows: Vec<Vec<f64>>) -> Self {
        let highest = |row: &Vec<f64>| row.iter().copied().fold(0.0, f64::max);
        Level { event_type, is_more, highest: rows.iter().map(highest).collect(), rows }
    }

    fn row(&self, subscriber: u32, people: &People) -> usize {
        if self.is_more { people.home_region(subscriber) } else { 0 }
    }
}

fn layer(subscriber: u32, is_more: bool, people: &People) -> Layer {
    match people.part(subscriber) {
        None if is_more => Layer::Weather,
        None => Layer::Ordinary,
        Some(Part::Role(_)) => Layer::Role,
        Some(Part::Fraud(_)) => Layer::Fraud,
    }
}

/// The weather by region and quarter of an hour; empty where there is none.
fn factors(type_index: usize, quarters: &[Rates], around: &Around<'_>) -> Vec<Vec<f64>> {
    let Some(weather) = &around.scenario.weather else { return Vec::new() };
    let skies = Skies { weather, streams: around.streams };
    let of_region =
        |region| quarters.iter().map(|rates| skies.factor(region, type_index, rates)).collect();
    (0..around.scenario.regions.len()).map(of_region).collect()
}

/// Log-normal around a mean of 1.
fn initiatives(sigma: f64, around: &Around<'_>) -> Vec<f32> {
    let at = around.streams.at(0);
    let of = |subscriber| {
        let mut dice = at.open(Purpose::Initiative, 0, subscriber);
        libm::exp(sigma * dice.normal() - sigma * sigma / 2.0) as f32
    };
    (0..around.people.total()).map(of).collect()
}
