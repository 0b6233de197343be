//! The events themselves: an endless or bounded, perfectly repeatable sequence.
//!
//! In: a [`Draft`]: scenario, seed, range of event time, rate curve, shard, subscriber key. Out:
//! [`Event`]s, ascending in event time. What is said of an `Occurrence` is drawn from a stream that is
//! its own, so each event is a function of (seed, scenario, density, key, subscriber, time) and can be
//! drawn again whenever it is needed. Nothing here does IO, reads a clock or knows how fast events are
//! sent.

use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::DateTime;
use event_model::{Direction, Event, EventTime, EventType, MICROS_PER_SECOND};
use fake::Fake;
use fake::uuid::UUIDv4;
use pseudonym::SubscriberKey;
use uuid::Uuid;

use crate::acts::{Act, ActKind, are_possible};
use crate::arrivals::{Arrivals, Occurrence, Source};
use crate::balance::Balances;
use crate::cast::Stay;
use crate::curve::{QUARTER_SECONDS, RateCurve, Rates, day_profile};
use crate::lives::Fates;
use crate::people::{OUTSIDE, People};
use crate::places::{Place, Whereabouts};
use crate::random::{Dice, Purpose, Streams, unit};
use crate::scenario::{Grid, Movement, Scenario, TYPES, TimeSpan, Towers, type_index};
use crate::shard::Shard;
use crate::today::Today;
use crate::weather::{Skies, Sky};

/// Hundredths in a megabyte: volumes have two decimals.
const HUNDREDTHS: u32 = 100;
const SECONDS_PER_DAY: i64 = 86_400;

/// What decides which events there are.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What there is in the world, and how often.
    pub scenario: Arc<Scenario>,
    /// Every choice comes from it.
    pub seed: u64,
    /// The first time that may occur.
    pub from: EventTime,
    /// The first that may no longer occur.
    pub to: EventTime,
    /// How dense events are.
    pub curve: RateCurve,
    /// Which part of the subscribers this process draws.
    pub shard: Shard,
    /// The key of the pseudonyms.
    pub key: SubscriberKey,
}

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

/// Everything that an event follows from.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) people: Arc<People>,
    pub(crate) streams: Streams,
    curve: RateCurve,
    rates: Rates,
    /// Whether calls and messages are acts; those that are drawn as other events are left out then.
    has_pairs: bool,
    pub(crate) today: Today,
}

impl Generator {
    /// Draws the people; the events follow one by one.
    pub fn new(draft: &Draft) -> Self {
        Generator::counting_from(draft, draft.from)
    }

    /// The same; what happens before `counted_from` is drawn, but not counted.
    pub(crate) fn counting_from(draft: &Draft, counted_from: EventTime) -> Self {
        let streams = Streams::of(draft.seed);
        let scenario = Arc::clone(&draft.scenario);
        let people = Arc::new(People::draw(&scenario, streams, &draft.key));
        let rates = draft.curve.rates(&scenario, draft.from.micros() / MICROS_PER_SECOND);
        Generator {
            from: draft.from,
            to: draft.to,
            counted_from,
            arrivals: Arrivals::from_slot_of(
                draft.from,
                draft.curve,
                draft.shard,
                streams,
                &scenario,
            ),
            dropped: vec![0; scenario.anomalies.len()],
            withheld: vec![0; scenario.faults.silent_regions.len()],
            sky: None,
            world: World {
                has_pairs: scenario.pairs.is_some() && are_possible(&scenario, draft.curve),
                scenario,
                today: Today::of(people.total()),
                people,
                streams,
                curve: draft.curve,
                rates,
            },
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

impl World {
    /// The local days that a range of time touches, since 1970.
    pub(crate) fn local_days(&self, range: &TimeSpan) -> RangeInclusive<i64> {
        let day = |micros: i64| {
            let second = micros.div_euclid(MICROS_PER_SECOND);
            self.curve.rates(&self.scenario, second).local_day_and_second(second).0
        };
        day(range.start.micros())..=day(range.end.micros() - 1)
    }

    /// What the local clock is ahead of UTC about noon of a local day, in seconds.
    pub(crate) fn offset_at_noon(&self, day: i64) -> i64 {
        self.curve.rates(&self.scenario, day * SECONDS_PER_DAY + SECONDS_PER_DAY / 2).offset_seconds
    }

    /// What happens, and the dice that go on to the rest; `None`: there is no event after all.
    fn kind(&mut self, occurrence: Occurrence) -> Option<(EventType, Dice)> {
        let Occurrence { time, source, subscriber } = occurrence;
        let unix_second = time.micros().div_euclid(MICROS_PER_SECOND);
        let in_quarter = unix_second - self.rates.quarter_start;
        if !(0..QUARTER_SECONDS).contains(&in_quarter) {
            self.rates = self.curve.rates(&self.scenario, unix_second);
            self.today.turn_to(self.rates.local_day_and_second(unix_second).0);
        }
        let at = self.streams.at(time.micros());
        let purpose = if matches!(source, Source::Act(_)) { Purpose::Act } else { Purpose::Event };
        let mut dice = at.open(purpose, source.code(), subscriber);
        let event_type = match source {
            Source::Act(act) => act.kind.event_type(),
            Source::Balance => EventType::BalanceRecharge,
            Source::Campaign => TYPES[self.campaign_type(subscriber, unix_second)?],
            Source::Usual | Source::Spike(_) | Source::Weather => {
                TYPES[dice.weighted(self.rates.per_second.iter().copied())]
            }
        };
        let is_talk = matches!(event_type, EventType::Call | EventType::Sms);
        if self.has_pairs && is_talk && matches!(source, Source::Usual | Source::Weather) {
            return None;
        }
        Some((event_type, dice))
    }

    /// The event of an occurrence that has one; whether it has.
    fn draw(&mut self, occurrence: Occurrence, event: &mut Event) -> bool {
        let Some((event_type, mut dice)) = self.kind(occurrence) else { return false };
        let Some(place) = self.place(occurrence, &mut dice) else { return false };
        self.fill_in(occurrence, event_type, place, dice, event);
        true
    }

    /// Fills in the rest.
    fn fill_in(
        &self,
        occurrence: Occurrence,
        event_type: EventType,
        place: Place,
        mut dice: Dice,
        event: &mut Event,
    ) {
        let Occurrence { time, source, subscriber } = occurrence;
        let unix_second = time.micros().div_euclid(MICROS_PER_SECOND);
        let person = self.people.person(subscriber);
        write_uuid(&mut event.event_id, &mut dice);
        person.write_msisdn(&mut event.msisdn);
        person.write_id(&mut event.subscriber_id);
        event.event_type = event_type;
        event.event_subtype = None;
        event.region.clear();
        event.region.push_str(&self.scenario.regions[place.region].name);
        event.timestamp = DateTime::from_timestamp_micros(time.micros())
            .expect("event times lie in the years that chrono knows");
        let is_recharge = event_type == EventType::BalanceRecharge;
        event.cell_tower_id = (!is_recharge).then_some(place.tower);
        if let Source::Act(act) = source {
            self.add_act(act, event, &mut dice);
            return;
        }
        let model = self.scenario.model(event_type);
        let scale = f64::from(person.call_scale);
        event.duration_seconds = model.duration.as_ref().map(|d| d.draw(1, scale, &mut dice));
        event.data_hundredths_mb =
            model.volume.as_ref().map(|volume| volume.draw(HUNDREDTHS, 1.0, &mut dice));
        event.amount = is_recharge.then(|| self.amount(occurrence, unix_second, &mut dice));
        self.add_other_side(subscriber, event, &mut dice);
        if source == Source::Campaign && event.event_subtype.is_some() {
            event.event_subtype = Some(Direction::Incoming);
        }
    }

    /// The index of the type of which there is a campaign where somebody lives.
    fn campaign_type(&self, subscriber: u32, unix_second: i64) -> Option<usize> {
        let skies = Skies { weather: self.scenario.weather.as_ref()?, streams: self.streams };
        let (day, _) = self.rates.local_day_and_second(unix_second);
        let region = self.people.home_region(subscriber);
        skies.campaign(region, day, self.rates.offset_seconds).map(|found| found.type_index)
    }

    /// Where something happens; `None`: there is no event after all, because the subscriber is out of coverage.
    fn place(&self, occurrence: Occurrence, dice: &mut Dice) -> Option<Place> {
        let Occurrence { source, subscriber, .. } = occurrence;
        match (self.place_in_coverage(occurrence, dice), source) {
            // Money arrives although its owner is on the way.
            (None, Source::Balance | Source::Act(Act { kind: ActKind::TopUp, .. })) => {
                Some(Place { region: self.people.home_region(subscriber), tower: 0 })
            }
            (place, _) => place,
        }
    }

    fn place_in_coverage(&self, occurrence: Occurrence, dice: &mut Dice) -> Option<Place> {
        let Occurrence { time, source, subscriber } = occurrence;
        let unix_second = time.micros().div_euclid(MICROS_PER_SECOND);
        match &self.scenario.towers {
            Towers::Anywhere(towers) => {
                let regions = &self.scenario.regions;
                let region = dice.weighted(regions.iter().map(|region| region.weight));
                Some(Place { region, tower: dice.within(towers) })
            }
            Towers::Grids { grids, movement } => {
                let whereabouts = self.whereabouts(grids, movement);
                let people = &self.people;
                let case = if let Source::Act(act) = source { act.case } else { 0 };
                let stay = match people.part(subscriber) {
                    // What a fraud does under an ordinary subscriber's name is a clone's.
                    None if case > 0 => Stay::Far,
                    None => Stay::Ordinary,
                    Some(part) => part.habit(&self.scenario).stay,
                };
                match stay {
                    Stay::Ordinary => whereabouts.at(people, subscriber, &self.rates, unix_second),
                    _ => Some(whereabouts.of_actor(people, subscriber, stay, case, unix_second)),
                }
            }
        }
    }

    /// The region of an event on which the weather has a say, where it is known without asking for the place.
    fn region_at_home(&self, occurrence: Occurrence) -> Option<usize> {
        let Occurrence { time, source, subscriber } = occurrence;
        let Towers::Grids { grids, movement } = &self.scenario.towers else { return None };
        let is_ordinary = subscriber < self.people.count() && !matches!(source, Source::Act(_));
        if self.scenario.weather.is_none() || !is_ordinary {
            return None;
        }
        let unix_second = time.micros().div_euclid(MICROS_PER_SECOND);
        let (day, _) = self.rates.local_day_and_second(unix_second);
        let whereabouts = self.whereabouts(grids, movement);
        let is_at_home = whereabouts.is_in_home_region(&self.people, subscriber, day);
        is_at_home.then(|| self.people.home_region(subscriber))
    }

    fn whereabouts<'a>(&'a self, grids: &'a [Grid], movement: &'a Movement) -> Whereabouts<'a> {
        let (regions, streams) = (&self.scenario.regions, self.streams);
        Whereabouts { grids, movement, regions, streams, today: &self.today }
    }

    /// What only the act itself knows.
    fn add_act(&self, act: Act, event: &mut Event, dice: &mut Dice) {
        event.event_subtype = act.kind.direction();
        let lasts = matches!(event.event_type, EventType::Call | EventType::DataSession);
        event.duration_seconds = lasts.then_some(act.value);
        // Machines and clones move little.
        event.data_hundredths_mb =
            (act.kind == ActKind::Session).then(|| 1 + dice.below(u64::from(HUNDREDTHS)) as u32);
        event.amount = (act.kind == ActKind::TopUp).then_some(act.value);
        if event.event_subtype.is_none() {
            event.counterparty_id = None;
            return;
        }
        let mut id = event.counterparty_id.take().unwrap_or_default();
        self.people.write_id(act.other, &mut id);
        event.counterparty_id = Some(id);
    }

    /// What a call and an SMS have in common; the other types have none.
    fn add_other_side(&self, subscriber: u32, event: &mut Event, dice: &mut Dice) {
        if !matches!(event.event_type, EventType::Call | EventType::Sms) {
            event.counterparty_id = None;
            return;
        }
        event.event_subtype = Some(dice.one_of(&[Direction::Incoming, Direction::Outgoing]));
        // Whoever is called by a subscriber has a record of it; so these are with other networks.
        let other = if self.has_pairs {
            OUTSIDE | dice.bits() as u32 & (OUTSIDE - 1)
        } else {
            self.people.other_side(subscriber, dice)
        };
        let mut id = event.counterparty_id.take().unwrap_or_default();
        self.people.write_id(other, &mut id);
        event.counterparty_id = Some(id);
    }

    fn amount(&self, occurrence: Occurrence, unix_second: i64, dice: &mut Dice) -> u32 {
        let model = self.scenario.model(EventType::BalanceRecharge);
        let Some(spending) = &self.scenario.spending else { return dice.one_of(&model.tenge) };
        let Occurrence { subscriber, time, .. } = occurrence;
        let (day, second) = self.rates.local_day_and_second(unix_second);
        let micros = time.micros().rem_euclid(MICROS_PER_SECOND) as f64;
        let second = second as f64 + micros / MICROS_PER_SECOND as f64;
        let profile = day_profile(&self.scenario, day, type_index(EventType::BalanceRecharge));
        let mut top_ups = Vec::new();
        let balances = Balances { spending, people: &self.people, streams: self.streams };
        balances.of_day(subscriber, day, &profile, &mut top_ups);
        // The time was cut to microseconds; the nearest is the one that is meant.
        let distance = |second_of_day: f64| (second_of_day - second).abs();
        let nearest =
            top_ups.iter().min_by(|a, b| distance(a.second).total_cmp(&distance(b.second)));
        nearest.map_or(spending.steps[0].0, |top_up| top_up.tenge)
    }
}

/// A random UUID (version 4).
fn write_uuid(out: &mut String, dice: &mut Dice) {
    let uuid: Uuid = UUIDv4.fake_with_rng(dice.rng());
    out.clear();
    out.push_str(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
}
