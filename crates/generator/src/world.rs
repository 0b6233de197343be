//! What an event says: a function of the draft and of the occurrence, and of nothing else.
//!
//! In: an [`Occurrence`]. Out: its type, its place, and the rest of the event, each drawn when it is asked for: most of
//! what is thinned out is known by its type or region alone. Which occurrences there are, and which of them are sent, is
//! decided in `generator.rs`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::DateTime;
use event_model::{Direction, Event, EventType, MICROS_PER_SECOND};
use fake::Fake;
use fake::uuid::UUIDv4;
use uuid::Uuid;

use crate::acts::{Act, ActKind, are_possible};
use crate::arrivals::{Occurrence, Source};
use crate::balance::Balances;
use crate::cast::Stay;
use crate::curve::{QUARTER_SECONDS, RateCurve, Rates, day_profile};
use crate::draft::Draft;
use crate::people::{OUTSIDE, People};
use crate::places::{Place, Whereabouts};
use crate::random::{Dice, Purpose, Streams};
use crate::scenario::{Grid, Movement, Scenario, TYPES, TimeSpan, Towers, type_index};
use crate::today::Today;
use crate::weather::Skies;

/// Hundredths in a megabyte: volumes have two decimals.
const HUNDREDTHS: u32 = 100;
const SECONDS_PER_DAY: i64 = 86_400;

/// Everything that an event follows from.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) people: Arc<People>,
    pub(crate) streams: Streams,
    curve: RateCurve,
    pub(crate) rates: Rates,
    /// Whether calls and messages are acts; those that are drawn as other events are left out then.
    has_pairs: bool,
    pub(crate) today: Today,
}

impl World {
    /// Draws the people; the rates are those of the draft's first second.
    pub(crate) fn of(draft: &Draft) -> Self {
        let streams = Streams::of(draft.seed);
        let scenario = Arc::clone(&draft.scenario);
        let people = Arc::new(People::draw(&scenario, streams, &draft.key));
        World {
            has_pairs: scenario.pairs.is_some() && are_possible(&scenario, draft.curve),
            rates: draft.curve.rates(&scenario, draft.from.micros().div_euclid(MICROS_PER_SECOND)),
            today: Today::of(people.total()),
            curve: draft.curve,
            scenario,
            people,
            streams,
        }
    }

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
    pub(crate) fn kind(&mut self, occurrence: Occurrence) -> Option<(EventType, Dice)> {
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
    pub(crate) fn draw(&mut self, occurrence: Occurrence, event: &mut Event) -> bool {
        let Some((event_type, mut dice)) = self.kind(occurrence) else { return false };
        let Some(place) = self.place(occurrence, &mut dice) else { return false };
        self.fill_in(occurrence, event_type, place, dice, event);
        true
    }

    /// Fills in the rest.
    pub(crate) fn fill_in(
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
    pub(crate) fn place(&self, occurrence: Occurrence, dice: &mut Dice) -> Option<Place> {
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
    pub(crate) fn region_at_home(&self, occurrence: Occurrence) -> Option<usize> {
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
