//! When something happens, and to whom.
//!
//! In: the scenario's rates, the subscribers' activity, the streams. Out: [`Occurrence`]s, ascending
//! in time. Time is cut into slots, an hour long where events are rare and shorter where they are
//! many. In each slot each subscriber has a stream of their own that says how often something happens to
//! them (a Poisson number) and when:
//!
//! ```text
//!                  slot 12:00            slot 13:00            slot 14:00
//!   subscriber 0   |      x       |     |              |     |  x           |
//!   subscriber 1   |              |     |   x       x  |     |              |
//!   subscriber 2   |           x  |     |              |     |              |
//!                   ╲___ sorted ___╱
//! ```
//!
//! So nothing depends on what came before a slot, or on anybody else: a run that starts in the middle
//! falls in with one that started earlier, and a shard draws its own subscribers only. Rates may change
//! within a slot, at quarters of an hour: then the highest is drawn and the others are thinned out.

use std::ops::Range;

use event_model::{EventTime, MICROS_PER_SECOND};

use crate::acts::{Act, Acts, Moment};
use crate::attempt::Around;
use crate::balance::{Balances, TopUp};
use crate::counts::how_many;
use crate::curve::{QUARTER_SECONDS, RateCurve, Rates, day_profile};
use crate::people::People;
use crate::random::{Purpose, Streams};
use crate::scenario::{Scenario, TimeSpan, Weather, type_index};
use crate::shard::Shard;
use crate::today::Today;
use crate::weather::{Campaign, Skies};

/// Lengths that a slot can have, in seconds: each divides the next, and the day.
const SLOT_SECONDS: [i64; 5] = [3_600, 900, 60, 10, 1];
/// About this many events a slot has at most where every factor is 1 …
const SLOT_EVENTS_MAX: f64 = 500_000.0;
/// … and this many at the highest peak: 32 MB. Spikes come on top of that: slots must not depend on them, or
/// other events would be drawn with one than without.
const SLOT_PEAK_EVENTS_MAX: f64 = 4_000_000.0;

/// After the 200 spikes that there can be.
const WEATHER_CODE: u32 = 202;

/// Why something happens: the same moment may come to the same subscriber from two sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Ordinary traffic, by the curve of the hour and the weekday.
    Usual,
    /// Their balance is low.
    Balance,
    /// A spike, by its index among the anomalies.
    Spike(u8),
    /// There is more than usual.
    Weather,
    /// There is a campaign.
    Campaign,
    /// Somebody called or wrote, and this is the record of one of the two sides.
    Act(Act),
}

impl Source {
    /// The place in [`Scenario::frauds`](crate::scenario::Scenario::frauds) of the fraud that it belongs to.
    pub fn fraud(self) -> Option<usize> {
        let Source::Act(act) = self else { return None };
        usize::from(act.case).checked_sub(1)
    }

    /// A number for each source: below 2⁸, or of an act. Adding 2⁸ gives another that no source has.
    pub(crate) fn code(self) -> u32 {
        match self {
            Source::Usual => 0,
            Source::Balance => 1,
            Source::Spike(index) => 2 + u32::from(index),
            Source::Weather => WEATHER_CODE,
            Source::Campaign => WEATHER_CODE + 1,
            Source::Act(act) => act.code(),
        }
    }

    fn from_code(code: u32) -> Self {
        match code {
            0 => Source::Usual,
            1 => Source::Balance,
            WEATHER_CODE => Source::Weather,
            code if code == WEATHER_CODE + 1 => Source::Campaign,
            // There are 200 anomalies at most.
            spike => Source::Spike((spike - 2) as u8),
        }
    }
}

/// Something happens to somebody. All that an event says follows from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// Event time: the end of a call or session.
    pub time: EventTime,
    /// What made it happen; the same moment may come from two sources.
    pub source: Source,
    /// Whose number among all subscribers.
    pub subscriber: u32,
}

/// The occurrences from the beginning of one slot on.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    curve: RateCurve,
    shard: Shard,
    streams: Streams,
    slot_seconds: i64,
    slot_start: i64,
    /// Microseconds since the slot's start in the upper half, source and subscriber below.
    keys: Vec<u64>,
    next_key: usize,
    acts: Option<Acts>,
    /// The slot's records of acts.
    moments: Vec<Moment>,
    next_moment: usize,
    top_ups: TopUpsOfDays,
}

impl Arrivals {
    /// The arrivals from the beginning of the slot that holds `from`, which lies after 1970.
    pub(crate) fn from_slot_of(
        from: EventTime,
        curve: RateCurve,
        shard: Shard,
        streams: Streams,
        scenario: &Scenario,
    ) -> Self {
        let highest = curve.highest_per_second(scenario);
        let fits = |seconds: &&i64| {
            curve.nominal_per_second() * **seconds as f64 <= SLOT_EVENTS_MAX
                && highest * **seconds as f64 <= SLOT_PEAK_EVENTS_MAX
        };
        let slot_seconds = *SLOT_SECONDS.iter().find(fits).unwrap_or(&1);
        let second = from.micros().div_euclid(MICROS_PER_SECOND);
        let first_slot = second - second.rem_euclid(slot_seconds);
        Arrivals {
            curve,
            shard,
            streams,
            slot_seconds,
            // One before: the first call opens the slot that is meant.
            slot_start: first_slot - slot_seconds,
            keys: Vec::new(),
            next_key: 0,
            acts: Acts::from_slot(scenario, curve, first_slot, slot_seconds),
            moments: Vec::new(),
            next_moment: 0,
            top_ups: TopUpsOfDays::default(),
        }
    }

    /// The next occurrence before `end`, or `None` for good.
    pub(crate) fn next_before(
        &mut self,
        end: EventTime,
        scenario: &Scenario,
        people: &People,
        today: &Today,
    ) -> Option<Occurrence> {
        while self.next_key == self.keys.len() && self.next_moment == self.moments.len() {
            let next_start = self.slot_start + self.slot_seconds;
            if EventTime::from_micros(next_start * MICROS_PER_SECOND) >= end {
                return None;
            }
            self.slot_start = next_start;
            self.open_slot(scenario, people, today);
        }
        let key = self.keys.get(self.next_key).copied();
        let key_micros =
            key.map(|key| self.slot_start * MICROS_PER_SECOND + (key >> 32).cast_signed());
        if let Some(moment) = self.moments.get(self.next_moment)
            && key_micros.is_none_or(|micros| moment.micros < micros)
        {
            let time = EventTime::from_micros(moment.micros);
            if time >= end {
                return None;
            }
            self.next_moment += 1;
            let source = Source::Act(moment.act);
            return Some(Occurrence { time, source, subscriber: moment.subscriber });
        }
        let time = EventTime::from_micros(key_micros?);
        if time >= end {
            return None;
        }
        self.next_key += 1;
        let who = key? as u32;
        let source = Source::from_code(who >> 24);
        Some(Occurrence { time, source, subscriber: who & 0x00ff_ffff })
    }

    fn open_slot(&mut self, scenario: &Scenario, people: &People, today: &Today) {
        self.keys.clear();
        self.next_key = 0;
        let slot = self.slot_start..self.slot_start + self.slot_seconds;
        let quarters = self.curve.quarters(scenario, &slot);
        self.add(&More::of(Source::Usual, 1.0), &quarters, people);
        for (index, anomaly) in scenario.anomalies.iter().enumerate() {
            let second = |time: EventTime| time.micros().div_euclid(MICROS_PER_SECOND);
            let is_now =
                second(anomaly.span.start) < slot.end && second(anomaly.span.end) >= slot.start;
            if is_now && anomaly.magnitude > 1.0 {
                let more = anomaly.magnitude - 1.0;
                let span = Some(anomaly.span.clone());
                let source = Source::Spike(index as u8);
                self.add(&More { span, ..More::of(source, more) }, &quarters, people);
            }
        }
        if let Some(weather) = &scenario.weather {
            self.add_weather(weather, scenario, &quarters, people);
        }
        if let Some(spending) = &scenario.spending {
            let balances = Balances { spending, people, streams: self.streams };
            let first = &quarters[0];
            self.top_ups.add_to(&mut self.keys, &slot, first, scenario, &balances, self.shard);
        }
        // By time, then source, then subscriber.
        self.keys.sort_unstable();
        // Twice the same moment for the same subscriber would be twice the same event.
        self.keys.dedup();
        self.moments.clear();
        self.next_moment = 0;
        if let Some(acts) = &mut self.acts {
            let (streams, curve) = (self.streams, self.curve);
            let around = Around { scenario, people, streams, curve, today };
            acts.up_to(slot.end, &around, self.shard, &mut self.moments);
        }
    }

    /// Adds what there is more than usual: candidates up to the highest factor, which the generator thins out, and
    /// campaigns.
    fn add_weather(
        &mut self,
        weather: &Weather,
        scenario: &Scenario,
        quarters: &[Rates],
        people: &People,
    ) {
        let skies = Skies { weather, streams: self.streams };
        if skies.highest() > 1.0 {
            self.add(&More::of(Source::Weather, skies.highest() - 1.0), quarters, people);
        }
        let slot = self.slot_start..self.slot_start + self.slot_seconds;
        let first = &quarters[0];
        let (first_day, _) = first.local_day_and_second(slot.start);
        let (last_day, _) = first.local_day_and_second(slot.end - 1);
        for day in first_day..=last_day {
            for region in 0..scenario.regions.len() {
                let campaign = skies.campaign(region, day, first.offset_seconds);
                let touches =
                    |found: &Campaign| found.span.start < slot.end && found.span.end > slot.start;
                if let Some(campaign) = campaign.filter(touches) {
                    let micros = |second: i64| EventTime::from_micros(second * MICROS_PER_SECOND);
                    let more = More {
                        span: Some(micros(campaign.span.start)..micros(campaign.span.end)),
                        type_index: Some(campaign.type_index),
                        members: Some(people.of_region(region)),
                        ..More::of(Source::Campaign, campaign.factor - 1.0)
                    };
                    self.add(&more, quarters, people);
                }
            }
        }
    }

    /// Adds so many times what is usual.
    fn add(&mut self, more: &More, quarters: &[Rates], people: &People) {
        let More { source, factor, span, type_index, .. } = more;
        let rate = |rates: &Rates| {
            type_index.map_or_else(|| rates.total_per_second(), |index| rates.per_second[index])
        };
        let highest = quarters.iter().map(rate).fold(0.0, f64::max);
        let mean_of_activity_1 =
            factor * highest * self.slot_seconds as f64 / f64::from(people.count());
        let shares: Vec<f64> = quarters.iter().map(|rates| rate(rates) / highest).collect();
        let is_even = shares.iter().all(|share| *share == 1.0);
        let slot_micros = (self.slot_seconds * MICROS_PER_SECOND).cast_unsigned();
        let (code, at) = (source.code(), self.streams.at(self.slot_start));
        let members = more.members.clone().unwrap_or(0..people.total());
        for subscriber in self.shard.members(members) {
            let mean = mean_of_activity_1 * f64::from(people.person(subscriber).activity);
            let Some((count, mut dice)) = how_many(&at, Purpose::Arrivals, code, subscriber, mean)
            else {
                continue;
            };
            for _ in 0..count {
                let micros = dice.below(slot_micros);
                let time = self.slot_start * MICROS_PER_SECOND + micros.cast_signed();
                let is_meant =
                    span.as_ref().is_none_or(|span| span.contains(&EventTime::from_micros(time)));
                let quarter = micros / (QUARTER_SECONDS * MICROS_PER_SECOND).cast_unsigned();
                if (is_even || dice.chance(shares[quarter as usize])) && is_meant {
                    self.keys.push(key(micros, *source, subscriber));
                }
            }
        }
    }
}

/// So many times what is usual: of all types or of one, within a span if there is one, of all or of some.
struct More {
    source: Source,
    factor: f64,
    span: Option<TimeSpan>,
    type_index: Option<usize>,
    members: Option<Range<u32>>,
}

impl More {
    fn of(source: Source, factor: f64) -> Self {
        More { source, factor, span: None, type_index: None, members: None }
    }
}

fn key(micros: u64, source: Source, subscriber: u32) -> u64 {
    micros << 32 | u64::from(source.code()) << 24 | u64::from(subscriber)
}

/// The top-ups of the local days that the current slot touches.
#[derive(Clone, Debug, Default)]
struct TopUpsOfDays {
    days: Vec<(i64, Vec<TopUp>)>,
}

impl TopUpsOfDays {
    /// Adds the keys of those that fall into the slot.
    fn add_to(
        &mut self,
        keys: &mut Vec<u64>,
        slot: &std::ops::Range<i64>,
        rates: &Rates,
        scenario: &Scenario,
        balances: &Balances<'_>,
        shard: Shard,
    ) {
        let (first_day, _) = rates.local_day_and_second(slot.start);
        let (last_day, _) = rates.local_day_and_second(slot.end - 1);
        self.days.retain(|(day, _)| (first_day..=last_day).contains(day));
        for day in first_day..=last_day {
            let known = self.days.iter().position(|(known, _)| *known == day);
            let index = known.unwrap_or_else(|| {
                self.days.push((day, top_ups_of(day, scenario, balances, shard)));
                self.days.len() - 1
            });
            let midnight = day * 86_400 - rates.offset_seconds;
            let top_ups = &self.days[index].1;
            let begin = (slot.start - midnight) as f64;
            let end = (slot.end - midnight) as f64;
            let from = top_ups.partition_point(|top_up| top_up.second < begin);
            for top_up in top_ups[from..].iter().take_while(|top_up| top_up.second < end) {
                let micros = ((top_up.second - begin) * MICROS_PER_SECOND as f64) as u64;
                keys.push(key(micros, Source::Balance, top_up.subscriber));
            }
        }
    }
}

/// All top-ups of a local day, by time.
fn top_ups_of(day: i64, scenario: &Scenario, balances: &Balances<'_>, shard: Shard) -> Vec<TopUp> {
    let profile = day_profile(scenario, day, type_index(event_model::EventType::BalanceRecharge));
    let mut top_ups = Vec::new();
    for subscriber in shard.members(0..balances.people.total()) {
        balances.of_day(subscriber, day, &profile, &mut top_ups);
    }
    top_ups.sort_by(|a, b| a.second.total_cmp(&b.second));
    top_ups
}

#[cfg(test)]
mod tests {
    use super::*;
    use pseudonym::SubscriberKey;

    const START: i64 = 1_762_646_400;

    fn occurrences(from: i64, to: i64, per_second: f64, shard: Shard) -> Vec<Occurrence> {
        let mut scenario = Scenario::built_in("default");
        scenario.subscribers = 2_000;
        let streams = Streams::of(3);
        let people = People::draw(&scenario, streams, &SubscriberKey::demo());
        let at = |second: i64| EventTime::from_micros(second * MICROS_PER_SECOND);
        let curve = RateCurve::Flat { per_second };
        let mut arrivals = Arrivals::from_slot_of(at(from), curve, shard, streams, &scenario);
        let today = Today::of(0);
        std::iter::from_fn(|| arrivals.next_before(at(to), &scenario, &people, &today)).collect()
    }

    #[test]
    fn times_ascend_and_lie_in_the_slots_of_the_range() {
        for per_second in [0.01, 2.6, 1_000.0, 250_000.0] {
            let all = occurrences(START, START + 7, per_second, Shard::WHOLE);
            assert!(all.is_sorted(), "{per_second}/s");
            let span = START * MICROS_PER_SECOND..(START + 7) * MICROS_PER_SECOND;
            assert!(all.iter().all(|o| span.contains(&o.time.micros())), "{per_second}/s");
        }
    }

    #[test]
    fn slots_are_the_shorter_the_more_can_come() {
        let streams = Streams::of(3);
        let start = EventTime::from_micros(START * MICROS_PER_SECOND);
        for (base_per_second, peak, expected) in
            [(26.0, 1.0, 3_600), (26.0, 1_000.0, 60), (200.0, 1.0, 900), (1_000_000.0, 1.0, 1)]
        {
            let mut scenario = Scenario::built_in("kazakhstan");
            for factors in scenario.peaks.iter_mut().map(|found| &mut found.factors) {
                *factors = [peak; 4];
            }
            let curve = RateCurve::Calendar { base_per_second };
            let arrivals = Arrivals::from_slot_of(start, curve, Shard::WHOLE, streams, &scenario);
            assert_eq!(arrivals.slot_seconds, expected, "{base_per_second}/s, {peak}");
        }
    }

    #[test]
    fn the_expected_number_comes_at_every_density() {
        for (per_second, seconds, expected) in
            [(0.25, 400_000, 100_000.0), (2.6, 40_000, 104_000.0), (100_000.0, 3, 300_000.0)]
        {
            let count = occurrences(START, START + seconds, per_second, Shard::WHOLE).len() as f64;
            // Five standard deviations of a Poisson number.
            let tolerance = 5.0 * f64::sqrt(expected);
            assert!((count - expected).abs() <= tolerance, "{per_second}/s: {count}");
        }
    }

    #[test]
    fn shards_draw_together_what_one_draws_alone() {
        let whole = occurrences(START, START + 7_200, 3.0, Shard::WHOLE);
        let shards = (0..3).map(|index| Shard { index, of: 3 });
        let mut union: Vec<Occurrence> =
            shards.flat_map(|shard| occurrences(START, START + 7_200, 3.0, shard)).collect();
        union.sort();
        assert_eq!(union, whole);
    }

    #[test]
    fn a_later_start_draws_the_rest_of_an_earlier_one() {
        let whole = occurrences(START, START + 7_200, 3.0, Shard::WHOLE);
        // From the middle of the second slot: the whole slot is drawn.
        let rest = occurrences(START + 5_000, START + 7_200, 3.0, Shard::WHOLE);
        assert!(
            rest.first().is_some_and(|first| first.time.micros() < (START + 3_660) * 1_000_000)
        );
        assert_eq!(whole[whole.len() - rest.len()..], rest);
    }
}
