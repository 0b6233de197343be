//! How well the events of the scenario `kazakhstan` fit what it promises: shares, hours, durations,
//! volumes, activity, and that nobody is in two places at once.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Timelike};
use event_model::{Event, EventTime, EventType};
use generator::Shard;
use generator::curve::RateCurve;
use generator::scenario::{Grid, Scenario, Towers};
use generator::{Draft, Generator};
use pseudonym::SubscriberKey;

/// Smaller than the scenario's own, so that a fortnight is drawn in seconds.
const SUBSCRIBERS: u32 = 4_000;

fn draft(from: &str, to: &str) -> Draft {
    let at = |text: &str| EventTime::from(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
    let mut scenario = Scenario::built_in("kazakhstan");
    scenario.base_rate *= f64::from(SUBSCRIBERS) / f64::from(scenario.subscribers);
    scenario.subscribers = SUBSCRIBERS;
    Draft {
        seed: 11,
        from: at(from),
        to: at(to),
        curve: RateCurve::Calendar { base_per_second: scenario.base_rate },
        shard: Shard::WHOLE,
        key: SubscriberKey::demo(),
        scenario: Arc::new(scenario),
    }
}

/// Two weeks without a holiday, from a Monday on in local time.
static FORTNIGHT: LazyLock<Vec<Event>> = LazyLock::new(|| {
    Generator::new(&draft("2025-11-02T19:00:00Z", "2025-11-16T19:00:00Z")).collect()
});

fn values(event_type: EventType, of: impl Fn(&Event) -> Option<u32>) -> Vec<f64> {
    let events = FORTNIGHT.iter().filter(|event| event.event_type == event_type);
    let mut values: Vec<f64> = events.filter_map(of).map(f64::from).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[(sorted.len() as f64 * share) as usize]
}

#[test]
fn regions_and_types_have_the_shares_of_the_scenario() {
    let scenario = Scenario::built_in("kazakhstan");
    let people: f64 = scenario.regions.iter().map(|region| region.weight).sum();
    let total = FORTNIGHT.len() as f64;
    assert!(total > 1_000_000.0, "{total}");
    for region in &scenario.regions {
        let here = FORTNIGHT.iter().filter(|event| event.region == region.name).count() as f64;
        let expected = region.weight / people;
        // Few, very active people decide over a small region's share.
        assert!((here / total - expected).abs() < 0.02, "{}: {here} of {total}", region.name);
    }
    for (event_type, expected) in
        [(EventType::DataSession, 0.62), (EventType::Call, 0.27), (EventType::Sms, 0.11)]
    {
        let share = FORTNIGHT.iter().filter(|e| e.event_type == event_type).count() as f64 / total;
        assert!((share - expected).abs() < 0.02, "{event_type:?}: {share}");
    }
}

#[test]
fn volumes_are_small_mostly_and_the_largest_hundredth_carries_most_bytes() {
    let volumes = values(EventType::DataSession, |event| event.data_hundredths_mb);
    let (median, p99) = (quantile(&volumes, 0.5) / 100.0, quantile(&volumes, 0.99) / 100.0);
    assert!((0.38..0.43).contains(&median), "median {median} MB");
    assert!((185.0..215.0).contains(&p99), "p99 {p99} MB");
    let top: f64 = volumes[volumes.len() * 99 / 100..].iter().sum();
    let share = top / volumes.iter().sum::<f64>();
    assert!((0.60..0.68).contains(&share), "the top hundredth has {share} of all bytes");
}

#[test]
fn volumes_are_a_mixture_of_three_log_normals() {
    let hundredths = values(EventType::DataSession, |event| event.data_hundredths_mb);
    let normal = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let part =
        |mb: f64, share: f64, median: f64, sigma: f64| share * normal((mb / median).ln() / sigma);
    let cdf =
        |mb: f64| part(mb, 0.67, 0.18, 1.5) + part(mb, 0.30, 2.0, 1.2) + part(mb, 0.03, 120.0, 1.2);
    // Kolmogorov and Smirnov: above 1.63 / √n once in a hundred samples.
    let bound = 1.63 / (hundredths.len() as f64).sqrt();
    for mb in [0.05, 0.1, 0.2, 0.4, 1.0, 3.0, 10.0, 50.0, 200.0, 1_000.0] {
        let below = hundredths.partition_point(|value| *value <= mb * 100.0) as f64;
        // Volumes are rounded to hundredths.
        let (found, expected) = (below / hundredths.len() as f64, cdf(mb + 0.005));
        assert!((found - expected).abs() < bound, "{mb} MB: {found}, not {expected}");
    }
}

#[test]
fn call_durations_are_log_logistic_mixed_over_users() {
    let seconds = values(EventType::Call, |event| event.duration_seconds);
    // log d = log 55 + 0.5 z + logit(u) / 1.8, z normal: the distribution function by quadrature.
    let cdf = |d: f64| {
        let (mut sum, mut weights) = (0.0, 0.0);
        for step in -600..=600 {
            let z = f64::from(step) / 100.0;
            let weight = (-z * z / 2.0).exp();
            sum += weight / (1.0 + (d / (55.0 * (0.5 * z).exp())).powf(-1.8));
            weights += weight;
        }
        sum / weights
    };
    for whole_seconds in [2.0, 10.0, 30.0, 55.0, 100.0, 300.0, 1_000.0, 3_000.0] {
        // Durations are rounded to whole seconds.
        let below = seconds.partition_point(|value| *value <= whole_seconds) as f64;
        let (found, expected) = (below / seconds.len() as f64, cdf(whole_seconds + 0.5));
        // Users weigh as much as they call, so the sample is smaller than its number of calls.
        assert!((found - expected).abs() < 0.015, "{whole_seconds} s: {found}, not {expected}");
    }
}

#[test]
fn activity_is_heavy_tailed() {
    let mut counts: HashMap<&str, f64> = HashMap::new();
    for event in FORTNIGHT.iter() {
        *counts.entry(&event.subscriber_id).or_default() += 1.0;
    }
    let mut counts: Vec<f64> = counts.into_values().collect();
    counts.sort_by(f64::total_cmp);
    let top: f64 = counts[counts.len() - SUBSCRIBERS as usize / 10..].iter().sum();
    // Of a log-normal with sigma 1: Φ(1 − 1.2816) = 0.389.
    let share = top / counts.iter().sum::<f64>();
    assert!((0.35..0.43).contains(&share), "the busiest tenth makes {share} of all events");
}

#[test]
fn the_first_hour_of_the_year_has_over_ten_times_the_usual_calls() {
    let calls = |from, to| {
        let events = Generator::new(&draft(from, to));
        events.filter(|event| event.event_type == EventType::Call).count() as f64
    };
    let night = calls("2025-12-31T19:00:00Z", "2025-12-31T20:00:00Z");
    let usual = FORTNIGHT.iter().filter(|event| event.event_type == EventType::Call);
    let usual_hour = usual.count() as f64 / (14.0 * 24.0);
    assert!(night > 10.0 * usual_hour, "{night} calls, {usual_hour} in a usual hour");
    let same_hour_before = calls("2025-12-10T19:00:00Z", "2025-12-10T20:00:00Z");
    assert!(night > 10.0 * same_hour_before, "{night} calls, {same_hour_before} in other nights");
}

#[test]
fn nights_are_quiet_and_evenings_busy() {
    let mut of_hour = [0.0; 24];
    for event in FORTNIGHT.iter() {
        of_hour[((event.timestamp.hour() + 5) % 24) as usize] += 1.0;
    }
    assert!(of_hour[3] * 5.0 < of_hour[20], "{of_hour:?}");
    assert!(of_hour[3] * 4.0 < of_hour[11], "{of_hour:?}");
}

#[test]
fn top_ups_are_steps_and_come_every_few_days() {
    let amounts = values(EventType::BalanceRecharge, |event| event.amount);
    let steps = [500.0, 1_000.0, 2_000.0, 3_000.0, 5_000.0, 10_000.0];
    assert!(amounts.iter().all(|amount| steps.contains(amount)));
    // All that is paid in is spent: 140 tenge a day for an activity of 1, whose mean is 1.
    let paid_a_day = amounts.iter().sum::<f64>() / f64::from(SUBSCRIBERS) / 14.0;
    assert!((120.0..160.0).contains(&paid_a_day), "{paid_a_day} tenge a day and subscriber");
}

#[test]
fn people_call_those_they_know_again_and_again() {
    let mut called: HashMap<&str, Vec<&str>> = HashMap::new();
    for event in FORTNIGHT.iter() {
        if let Some(other) = &event.counterparty_id {
            assert_ne!(*other, event.subscriber_id);
            called.entry(&event.subscriber_id).or_default().push(other);
        }
    }
    let busy = called.values().filter(|others| others.len() >= 100);
    let mut checked = 0;
    for others in busy {
        checked += 1;
        let mut distinct = others.clone();
        distinct.sort_unstable();
        distinct.dedup();
        // Twenty acquaintances, and others in 15 of 100 calls.
        let expected_at_most = 20.0 + 0.3 * others.len() as f64;
        assert!(
            (distinct.len() as f64) < expected_at_most,
            "{} of {}",
            distinct.len(),
            others.len()
        );
    }
    assert!(checked > 500, "{checked}");
}

/// Degrees north and east of a tower, half the distance to the next one across, and its grid's index.
fn towers() -> HashMap<u32, (f64, f64, f64, usize)> {
    let Towers::Grids { grids, .. } = Scenario::built_in("kazakhstan").towers else {
        panic!("the scenario has grids")
    };
    let mut towers = HashMap::new();
    for (index, grid) in grids.iter().enumerate() {
        let Grid { latitude, longitude, first_tower, columns, rows, spacing_km } = *grid;
        for row in 0..rows {
            for column in 0..columns {
                let km = |i: u32, n: u32| (f64::from(i) - f64::from(n - 1) / 2.0) * spacing_km;
                let north = latitude + km(row, rows) / 111.19;
                let east = longitude
                    + km(column, columns)
                        / (111.19 * (latitude / 180.0 * std::f64::consts::PI).cos());
                towers.insert(
                    first_tower + row * columns + column,
                    (north, east, spacing_km * std::f64::consts::FRAC_1_SQRT_2, index),
                );
            }
        }
    }
    towers
}

#[test]
fn nobody_travels_faster_than_an_airliner_or_uses_another_region_s_tower() {
    let scenario = Scenario::built_in("kazakhstan");
    let towers = towers();
    let mut last: HashMap<&str, (f64, f64, f64, DateTime<chrono::Utc>)> = HashMap::new();
    let (mut hops, mut moves, mut journeys) = (0, 0, 0);
    for event in FORTNIGHT.iter() {
        let Some(tower) = event.cell_tower_id else { continue };
        let (north, east, reach, region) = towers[&tower];
        assert_eq!(scenario.regions[region].name, event.region);
        let here = (north, east, reach, event.timestamp);
        let Some(before) = last.insert(&event.subscriber_id, here) else { continue };
        let mean_latitude = (before.0 + north) / 360.0 * std::f64::consts::PI;
        let km_north = (north - before.0) * 111.19;
        let km_east = (east - before.1) * 111.19 * mean_latitude.cos();
        // They may have stood anywhere in the two cells.
        let km = (km_north.hypot(km_east) - before.2 - reach).max(0.0);
        let hours = (event.timestamp - before.3).num_milliseconds() as f64 / 3_600_000.0;
        // Within a region: streets. Between two: airliners.
        let km_per_hour = if km > 60.0 { 900.0 } else { 60.0 };
        assert!(
            km <= km_per_hour * hours + 0.5,
            "{km:.1} km in {hours:.3} h by {} at {}",
            event.subscriber_id,
            event.timestamp
        );
        hops += 1;
        moves += i32::from(km > 0.0);
        journeys += i32::from(km > 100.0);
    }
    assert!(hops > 500_000 && moves > 20_000 && journeys > 300, "{hops}, {moves}, {journeys}");
}
