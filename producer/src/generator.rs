//! The events themselves: an endless or bounded, perfectly repeatable sequence.
//!
//! In: seed, range of event time, rate curve, subscriber key. Out: [`Event`]s, ascending in event
//! time. Nothing here does IO, reads a clock or knows how fast events are sent.

use chrono::DateTime;
use event_model::{Direction, Event, EventTime, EventType};
use fake::Fake;
use fake::uuid::UUIDv4;

use crate::arrivals::Arrivals;
use crate::curve::RateCurve;
use crate::dice::Dice;
use crate::population::Population;
use crate::pseudonym::SubscriberKey;
use crate::scenario;

/// What decides which events there are.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Every choice comes from it.
    pub seed: u64,
    /// The first event time that may occur.
    pub from: EventTime,
    /// The first that may no longer occur.
    pub to: EventTime,
    /// How dense events are.
    pub curve: RateCurve,
    /// The key of the pseudonyms.
    pub key: SubscriberKey,
}

/// Draws the events of a [`Draft`], one after the other.
///
/// An event depends on seed, curve, key and its own second of event time alone: ranges that meet
/// give together exactly the events of the whole range.
#[derive(Clone, Debug)]
pub struct Generator {
    from: EventTime,
    to: EventTime,
    dice: Dice,
    arrivals: Arrivals,
    population: Population,
}

impl Generator {
    /// Draws the population; the events follow one by one.
    pub fn new(draft: &Draft) -> Self {
        let population = Population::draw(draft.seed, scenario::SUBSCRIBERS, &draft.key);
        let mut dice = Dice::for_population(draft.seed);
        let arrivals = Arrivals::from_slot_of(draft.from, draft.curve, &mut dice);
        Generator { from: draft.from, to: draft.to, dice, arrivals, population }
    }

    fn event_at(&mut self, time: EventTime) -> Event {
        let dice = &mut self.dice;
        let subscriber_index = dice.below(self.population.size());
        let subscriber = self.population.subscriber(subscriber_index);
        let event_type = dice.weighted(&scenario::EVENT_TYPES);
        let mut event = Event {
            event_id: UUIDv4.fake_with_rng(dice.rng()),
            msisdn: subscriber.msisdn.to_owned(),
            event_type,
            event_subtype: None,
            duration_seconds: None,
            data_hundredths_mb: None,
            amount: None,
            region: dice.weighted(&scenario::REGIONS).to_owned(),
            cell_tower_id: None,
            timestamp: DateTime::from_timestamp_micros(time.micros())
                .expect("event times lie in the years that chrono knows"),
            subscriber_id: subscriber.id.to_owned(),
            counterparty_id: None,
        };
        match event_type {
            EventType::DataSession => {
                event.duration_seconds = Some(dice.within(&scenario::SESSION_SECONDS));
                event.data_hundredths_mb = Some(dice.within(&scenario::SESSION_HUNDREDTHS_MB));
                event.cell_tower_id = Some(dice.within(&scenario::TOWERS));
            }
            EventType::Call => {
                event.duration_seconds = Some(dice.within(&scenario::CALL_SECONDS));
                self.add_other_side(&mut event, subscriber_index);
            }
            EventType::Sms => self.add_other_side(&mut event, subscriber_index),
            EventType::BalanceRecharge => {
                event.amount = Some(dice.one_of(&scenario::RECHARGE_TENGE));
            }
        }
        event
    }

    /// What a call and an SMS have in common.
    fn add_other_side(&mut self, event: &mut Event, subscriber_index: u32) {
        let dice = &mut self.dice;
        event.event_subtype = Some(dice.one_of(&[Direction::Incoming, Direction::Outgoing]));
        event.cell_tower_id = Some(dice.within(&scenario::TOWERS));
        // Anybody but the subscriber: the draw leaves one out, and those from him on move up.
        let drawn = dice.below(self.population.size() - 1);
        let other = if drawn < subscriber_index { drawn } else { drawn + 1 };
        event.counterparty_id = Some(self.population.subscriber(other).id.to_owned());
    }
}

impl Iterator for Generator {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            let time = self.arrivals.next_before(self.to, &mut self.dice)?;
            // Events of the first slot that come before `from` are drawn too, because the later
            // ones of the slot stand behind them in its stream.
            let event = self.event_at(time);
            if time >= self.from {
                return Some(event);
            }
        }
    }
}
