//! How people talk: both sides, busy lines, durations, nights, bursts, answers. docs/generator.md has the sources.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use chrono::Timelike;
use event_model::{Direction, Event, EventType};

use crate::draft::{fortnight, lifelike};

static FORTNIGHT: LazyLock<Vec<Event>> = LazyLock::new(|| fortnight(lifelike(), 4_000));

fn of_type(event_type: EventType) -> impl Iterator<Item = &'static Event> {
    FORTNIGHT.iter().filter(move |event| event.event_type == event_type)
}

fn end(event: &Event) -> i64 {
    event.timestamp.timestamp_micros()
}

fn seconds(event: &Event) -> u32 {
    event.duration_seconds.unwrap()
}

/// The contract: a record is written when the call ends.
fn start(event: &Event) -> i64 {
    end(event) - i64::from(seconds(event)) * 1_000_000
}

fn other(event: &Event) -> &str {
    event.counterparty_id.as_deref().unwrap()
}

fn is_outgoing(event: &Event) -> bool {
    event.event_subtype == Some(Direction::Outgoing)
}

fn share(hits: usize, of: usize) -> f64 {
    hits as f64 / of as f64
}

/// Who called whom, and when it ended: the same from both sides.
fn both_ways(event: &Event) -> (&str, &str, i64, u32) {
    let (caller, called) = if is_outgoing(event) {
        (event.subscriber_id.as_str(), other(event))
    } else {
        (other(event), event.subscriber_id.as_str())
    };
    (caller, called, end(event), seconds(event))
}

#[test]
fn calls_inside_the_network_are_told_by_both_sides() {
    let ours: HashSet<&str> = FORTNIGHT.iter().map(|event| event.subscriber_id.as_str()).collect();
    let mut legs: HashMap<_, usize> = HashMap::new();
    let (mut outside, mut answered) = (0, 0);
    for event in of_type(EventType::Call).filter(|event| seconds(event) > 0) {
        answered += 1;
        if ours.contains(other(event)) {
            *legs.entry(both_ways(event)).or_default() += 1;
        } else {
            outside += 1;
        }
    }
    assert!(legs.len() > 50_000 && legs.values().all(|count| *count <= 2));
    // Who loses coverage before a call ends has no record of it.
    let mirrored = share(legs.values().filter(|count| **count == 2).count(), legs.len());
    assert!(mirrored > 0.999, "{mirrored}");
    // Three conversations in ten, each with one side here: 0.3 / (0.3 + 2 · 0.7) = 18 % of records.
    let outside = share(outside, answered);
    assert!((0.15..0.21).contains(&outside), "{outside}");
}

#[test]
fn messages_inside_the_network_arrive_after_moments() {
    let ours: HashSet<&str> = FORTNIGHT.iter().map(|event| event.subscriber_id.as_str()).collect();
    let sent = of_type(EventType::Sms).filter(|event| is_outgoing(event));
    let sent: Vec<&Event> = sent.filter(|event| ours.contains(other(event))).collect();
    let came = of_type(EventType::Sms).filter(|event| !is_outgoing(event));
    let came: HashSet<(&str, &str, i64)> =
        came.map(|event| (other(event), event.subscriber_id.as_str(), end(event))).collect();
    let arrived = sent.iter().filter(|event| {
        came.contains(&(event.subscriber_id.as_str(), other(event), end(event) + 1_700_000))
    });
    let arrived = share(arrived.count(), sent.len());
    // The others are without coverage, have left, or arrive after the fortnight.
    assert!(sent.len() > 20_000 && arrived > 0.97, "{arrived} of {}", sent.len());
}

#[test]
fn nobody_is_in_two_calls_at_once() {
    let mut calls: HashMap<&str, Vec<(i64, i64)>> = HashMap::new();
    for event in of_type(EventType::Call) {
        calls.entry(&event.subscriber_id).or_default().push((start(event), end(event)));
    }
    let mut followed = 0;
    for (subscriber, mut calls) in calls {
        calls.sort_unstable();
        for pair in calls.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "{subscriber}: {pair:?}");
            followed += 1;
        }
    }
    assert!(followed > 100_000, "{followed}");
}

#[test]
fn some_calls_are_unanswered() {
    let calls: Vec<u32> = of_type(EventType::Call).map(seconds).collect();
    let unanswered = share(calls.iter().filter(|seconds| **seconds == 0).count(), calls.len());
    // 13 % are not picked up, and some lines are busy.
    assert!((0.12..0.17).contains(&unanswered), "{unanswered}");
}

#[test]
fn calls_are_as_long_as_published_ones() {
    // With those that nobody answered, which are the shortest; without them the bounds hold all the more.
    let mut calls: Vec<u32> = of_type(EventType::Call).map(seconds).collect();
    calls.sort_unstable();
    let below = |bound: u32| share(calls.partition_point(|seconds| *seconds < bound), calls.len());
    let mean = calls.iter().map(|seconds| f64::from(*seconds)).sum::<f64>() / calls.len() as f64;
    assert!((0.50..=0.62).contains(&below(90)), "{} below 90 s", below(90));
    assert!((0.78..=0.85).contains(&below(300)), "{} below 5 min", below(300));
    assert!((180.0..=420.0).contains(&mean), "mean {mean} s");
}

#[test]
fn answered_calls_are_log_logistic_around_medians_of_users() {
    let normal = |x: f64| (-x * x / 2.0).exp();
    // P(X < x) over users whose medians are log-normal: an integral over ±4 standard deviations.
    let cdf = |x: f64| {
        let (mut sum, mut weights) = (0.0, 0.0);
        for step in -40..=40 {
            let z = f64::from(step) / 10.0;
            let median = 100.0 * (0.5 * z).exp();
            sum += normal(z) / (1.0 + (x / median).powf(-1.4));
            weights += normal(z);
        }
        sum / weights
    };
    let mut calls: Vec<u32> = of_type(EventType::Call).map(seconds).filter(|s| *s > 0).collect();
    calls.sort_unstable();
    let distance = [10_u32, 30, 60, 92, 150, 300, 600, 1_800].into_iter().map(|bound| {
        let drawn = share(calls.partition_point(|seconds| *seconds < bound), calls.len());
        (drawn - cdf(f64::from(bound) - 0.5)).abs()
    });
    let distance = distance.fold(0.0, f64::max);
    // Kolmogorov and Smirnov's distance. Few busy people make many of the calls, each with a median of their own, long
    // calls meet busy lines more often, and those with a role call briefly: so it is bounded by what that does, not by chance.
    assert!(distance < 0.04, "{distance}");
}

#[test]
fn a_twentieth_of_calls_is_made_at_night() {
    let hour = |event: &Event| (event.timestamp.hour() + 5) % 24;
    let calls = of_type(EventType::Call).count();
    let night = share(of_type(EventType::Call).filter(|event| hour(event) < 6).count(), calls);
    assert!((0.04..=0.06).contains(&night), "{night}");
}

/// Of Kim and Jo (Phys. Rev. E 94, 032311, 2016): free of what few events do to the coefficient of variation.
fn burstiness(times: &[f64]) -> f64 {
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    let r = variance.sqrt() / mean;
    let n = times.len() as f64;
    let (plus, minus) = ((n + 1.0).sqrt(), (n - 1.0).sqrt());
    (plus * r - minus) / ((plus - 2.0) * r + minus)
}

/// The clock of Jo et al. (New J. Phys. 14, 013055, 2012), which runs as fast as all people call: without hours and days.
struct Deseasoned(Vec<f64>);

impl Deseasoned {
    const HOUR_MICROS: i64 = 3_600_000_000;
    const FROM: i64 = 1_762_110_000_000_000;

    fn of(times: impl Iterator<Item = i64>) -> Self {
        let mut hours = vec![0.0; 14 * 24 + 2];
        for time in times {
            hours[(time - Self::FROM).div_euclid(Self::HOUR_MICROS) as usize + 1] += 1.0;
        }
        let mut sum = 0.0;
        Deseasoned(
            hours
                .into_iter()
                .map(|calls| {
                    sum += calls;
                    sum
                })
                .collect(),
        )
    }

    fn at(&self, time: i64) -> f64 {
        let hours = (time - Self::FROM) as f64 / Self::HOUR_MICROS as f64;
        let hour = hours as usize;
        self.0[hour] + (self.0[hour + 1] - self.0[hour]) * (hours - hour as f64)
    }
}

#[test]
fn bursts_belong_to_pairs_even_without_hours_and_days() {
    let made = || of_type(EventType::Call).filter(|event| is_outgoing(event));
    let made = || made().filter(|event| start(event) >= Deseasoned::FROM);
    let clock = Deseasoned::of(made().map(start));
    let mut links: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    let mut callers: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for event in made() {
        let (one, two) = (event.subscriber_id.as_str(), other(event));
        let time = clock.at(start(event));
        links.entry((one.min(two), one.max(two))).or_default().push(time);
        callers.entry(one).or_default().push(time);
    }
    let mean = |groups: Vec<Vec<f64>>| {
        let many = groups.into_iter().filter(|times| times.len() >= 10);
        let values: Vec<f64> = many
            .map(|mut times| {
                times.sort_by(f64::total_cmp);
                burstiness(&times)
            })
            .collect();
        assert!(values.len() > 1_000, "{}", values.len());
        values.iter().sum::<f64>() / values.len() as f64
    };
    let of_links = mean(links.into_values().collect());
    let of_callers = mean(callers.into_values().collect());
    assert!(of_links >= 0.25, "B = {of_links} of links");
    assert!(of_links > of_callers + 0.1, "{of_links} of links, {of_callers} of callers");
}

#[test]
fn messages_are_answered_within_minutes() {
    let mut came: HashMap<(&str, &str), Vec<i64>> = HashMap::new();
    for event in of_type(EventType::Sms).filter(|event| !is_outgoing(event)) {
        came.entry((&event.subscriber_id, other(event))).or_default().push(end(event));
    }
    let sent: Vec<&Event> = of_type(EventType::Sms).filter(|event| is_outgoing(event)).collect();
    let is_answered = |event: &&&Event| {
        let answers = came.get(&(event.subscriber_id.as_str(), other(event)));
        let soon = end(event) + 1..=end(event) + 600_000_000;
        answers.is_some_and(|times| times.iter().any(|time| soon.contains(time)))
    };
    let answered = share(sent.iter().filter(is_answered).count(), sent.len());
    assert!((0.25..0.60).contains(&answered), "{answered}");
}

#[test]
fn some_people_hardly_ever_call() {
    let mut talks: HashMap<&str, (usize, usize)> = HashMap::new();
    for event in FORTNIGHT.iter().filter(|event| event.event_subtype.is_some()) {
        let (out, all) = talks.entry(&event.subscriber_id).or_default();
        *out += usize::from(is_outgoing(event));
        *all += 1;
    }
    let shares: Vec<f64> = talks
        .values()
        .filter(|(_, all)| *all >= 50)
        .map(|(out, all)| *out as f64 / *all as f64)
        .collect();
    let rarely = share(shares.iter().filter(|share| **share < 0.2).count(), shares.len());
    let often = share(shares.iter().filter(|share| **share > 0.6).count(), shares.len());
    assert!(rarely > 0.02, "{rarely} of people have a fifth of outgoing at most");
    assert!(often > 0.02, "{often} of people have three fifths of outgoing at least");
}
