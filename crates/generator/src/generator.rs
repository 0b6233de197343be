//! The events themselves: an endless or bounded, perfectly repeatable sequence.
//!
//! In: a [`Draft`]: scenario, seed, range of event time, rate curve, shard, subscriber key. Out:
//! [`Event`]s, ascending in event time. What is said of an `Occurrence` is drawn from a stream that is
//! its own, so each event is a function of (seed, scenario, density, key, subscriber, time) and can be
//! drawn again whenever it is needed. Nothing here does IO, reads a clock or knows how fast events are
//! sent.

use chrono::DateTime;
use event_model::{Event, EventTime, EventType, MICROS_PER_SECOND};

use crate::arrivals::{Arrivals, Occurrence, Source};
use crate::draft::Draft;
use crate::lives::Fates;
use crate::places::Place;
use crate::random::{Dice, Purpose, unit};
use crate::scenario::type_index;
use crate::weather::{Skies, Sky};
use crate::world::World;

/// Draws the events of a [`Draft`], one after the other.
///
/// Ranges that meet give together exactly the events of the whole range; so do shards.
#[derive(Clone, Debug)]
pub struct Generator {
    from: EventTime,
    to: EventTime,
    /// From when on the counts below are taken.
    counted_from: EventTime,
    arrivals: Arrivals,
    world: World,
    /// Events that each anomaly took away so far, or did not bring.
    dropped: Vec<u64>,
    /// Events that each silent region kept back so far.
    withheld: Vec<u64>,
    /// The weather of the last quarter of an hour that was asked for.
    sky: Option<Sky>,
}

impl Generator {
    /// Draws the people; the events follow one by one.
    pub fn new(draft: &Draft) -> Self {
        Generator::counting_from(draft, draft.from)
    }

    /// The same; what happens before `counted_from` is drawn, but not counted.
    pub(crate) fn counting_from(draft: &Draft, counted_from: EventTime) -> Self {
        let world = World::of(draft);
        Generator {
            from: draft.from,
            to: draft.to,
            counted_from,
            arrivals: Arrivals::from_slot_of(
                draft.from,
                draft.curve,
                draft.shard,
                world.streams,
                &draft.scenario,
            ),
            dropped: vec![0; draft.scenario.anomalies.len()],
            withheld: vec![0; draft.scenario.faults.silent_regions.len()],
            sky: None,
            world,
        }
    }

    /// Puts the next event into `event` and returns what it follows from; `None`: there are no more.
    pub(crate) fn next_into(&mut self, event: &mut Event) -> Option<Occurrence> {
        let (occurrence, event_type, place, dice) = self.next_begun()?;
        self.world.fill_in(occurrence, event_type, place, dice, event);
        Some(occurrence)
    }

    /// Time, type and region (by its index in the scenario) of the next event: all that counting needs, for
    /// a fraction of the price. `None`: there are no more.
    pub fn next_kind(&mut self) -> Option<(EventTime, EventType, usize)> {
        let (occurrence, event_type, place, _) = self.next_begun()?;
        Some((occurrence.time, event_type, place.region))
    }

    /// What is sent next and where, and the dice that go on to the rest. Of a world with weather and lives much is never
    /// sent: what is quickly known comes first.
    fn next_begun(&mut self) -> Option<(Occurrence, EventType, Place, Dice)> {
        loop {
            let World { scenario, people, today, .. } = &self.world;
            let occurrence = self.arrivals.next_before(self.to, scenario, people, today)?;
            if occurrence.time < self.from {
                continue;
            }
            let Some((event_type, mut dice)) = self.world.kind(occurrence) else { continue };
            if !self.life_allows(occurrence, event_type) {
                continue;
            }
            let home = self.world.region_at_home(occurrence);
            if home.is_some_and(|region| !self.weather_allows(occurrence, event_type, region)) {
                continue;
            }
            let Some(place) = self.world.place(occurrence, &mut dice) else { continue };
            if (home.is_some() || self.weather_allows(occurrence, event_type, place.region))
                && self.anomalies_allow(occurrence, event_type, place.region)
            {
                return Some((occurrence, event_type, place, dice));
            }
        }
    }

    /// What an event says that has come before.
    pub(crate) fn draw_again(&mut self, occurrence: Occurrence, event: &mut Event) {
        let drawn = self.world.draw(occurrence, event);
        debug_assert!(drawn, "what was drawn once is drawn again");
    }

    /// The world from which events are drawn.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// How many events each anomaly took away so far.
    pub(crate) fn dropped(&self) -> &[u64] {
        &self.dropped
    }

    /// How many events each silent region kept back so far.
    pub(crate) fn withheld(&self) -> &[u64] {
        &self.withheld
    }

    /// Whether the weather leaves an event, or adds it.
    fn weather_allows(
        &mut self,
        occurrence: Occurrence,
        event_type: EventType,
        region: usize,
    ) -> bool {
        let World { scenario, streams, rates, people, .. } = &self.world;
        let Some(weather) = &scenario.weather else { return true };
        let Occurrence { time, source, subscriber } = occurrence;
        // Who takes part in a campaign while they are in another region is none of that region's.
        if source == Source::Campaign {
            return people.home_region(subscriber) == region;
        }
        let is_added = source == Source::Weather;
        if !is_added && source != Source::Usual {
            return true;
        }
        if !self.sky.as_ref().is_some_and(|sky| sky.is_of(rates)) {
            let skies = Skies { weather, streams: *streams };
            self.sky = Some(Sky::new(&skies, scenario.regions.len(), rates));
        }
        let at = streams.at(time.micros());
        let drawn = unit(at.first_bits(Purpose::WeatherDrop, u32::from(is_added), subscriber));
        self.sky.as_ref().is_some_and(|sky| sky.allows(region, event_type, is_added, drawn))
    }

    /// Whether somebody who does less than usual still makes this event. What people do with each other is decided
    /// where it begins; those with a role or a fraud come and go as that says.
    fn life_allows(&self, occurrence: Occurrence, event_type: EventType) -> bool {
        let World { scenario, streams, rates, people, today, .. } = &self.world;
        let Occurrence { time, source, subscriber } = occurrence;
        let Some(lives) = &scenario.lives else { return true };
        if matches!(source, Source::Act(_)) || subscriber >= people.count() {
            return true;
        }
        let (day, _) = rates.local_day_and_second(time.micros().div_euclid(MICROS_PER_SECOND));
        let fates = Fates { lives, streams: *streams, today };
        let left = fates.left(subscriber, type_index(event_type), day);
        let at = streams.at(time.micros());
        left >= 1.0 || unit(at.first_bits(Purpose::LifeDrop, source.code(), subscriber)) < left
    }

    /// Whether neither a drop nor a silence takes an event away, nor a spike is meant for others.
    fn anomalies_allow(
        &mut self,
        occurrence: Occurrence,
        event_type: EventType,
        region: usize,
    ) -> bool {
        let World { scenario, streams, .. } = &self.world;
        if scenario.anomalies.is_empty() && scenario.faults.silent_regions.is_empty() {
            return true;
        }
        let is_in = |meant: Option<usize>| meant.is_none_or(|meant| meant == region);
        for (index, anomaly) in scenario.anomalies.iter().enumerate() {
            let is_of_type = anomaly.event_type.is_none_or(|of| of == event_type);
            let is_meant =
                anomaly.span.contains(&occurrence.time) && is_of_type && is_in(anomaly.region);
            if occurrence.source == Source::Spike(index as u8) && !is_meant {
                return false;
            }
            if is_meant && anomaly.magnitude < 1.0 {
                let at = streams.at(occurrence.time.micros());
                let mut dice = at.open(Purpose::Drop, index as u32, occurrence.subscriber);
                if !dice.chance(anomaly.magnitude) {
                    self.dropped[index] += u64::from(occurrence.time >= self.counted_from);
                    return false;
                }
            }
        }
        for (index, silence) in scenario.faults.silent_regions.iter().enumerate() {
            if silence.span.contains(&occurrence.time) && is_in(Some(silence.region)) {
                self.withheld[index] += u64::from(occurrence.time >= self.counted_from);
                return false;
            }
        }
        true
    }
}

impl Iterator for Generator {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let mut event = empty_event();
        self.next_into(&mut event).map(|_| event)
    }
}

/// An event to be filled in.
pub(crate) fn empty_event() -> Event {
    Event {
        event_id: String::new(),
        msisdn: String::new(),
        event_type: EventType::Sms,
        event_subtype: None,
        duration_seconds: None,
        data_hundredths_mb: None,
        amount: None,
        region: String::new(),
        cell_tower_id: None,
        timestamp: DateTime::UNIX_EPOCH,
        subscriber_id: String::new(),
        counterparty_id: None,
    }
}
