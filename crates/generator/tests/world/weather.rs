//! Weather: that counts scatter as much as they are said to, by region and type, and that campaigns are told as normal.

use std::collections::HashMap;
use std::sync::Arc;

use event_model::{EventTime, EventType};
use generator::scenario::{Scenario, Weather};
use generator::schedule::Schedule;
use generator::truth::Truth;
use generator::{Draft, Generator};
use serde_json::Value;

use crate::draft::{draft, lifelike};

const SUBSCRIBERS: u32 = 4_000;

fn with(weather: Option<Weather>) -> Draft {
    let scenario =
        Scenario { weather, roles: Vec::new(), frauds: Vec::new(), lives: None, ..lifelike() };
    draft(scenario, SUBSCRIBERS, "2025-11-02T19:00:00Z", "2025-11-12T19:00:00Z")
}

fn weather(cv: f64) -> Weather {
    let campaign_factors = (1.0, 1.0);
    Weather { cv, hours: 2.0, daily_cv: 0.0, campaigns_per_week: 0.0, campaign_factors }
}

/// Events by region, type and hour.
fn counts(draft: &Draft) -> HashMap<(usize, EventType, i64), f64> {
    let mut generator = Generator::new(draft);
    let mut counts = HashMap::new();
    while let Some((time, event_type, region)) = generator.next_kind() {
        let hour = time.micros().div_euclid(3_600_000_000);
        *counts.entry((region, event_type, hour)).or_default() += 1.0;
    }
    counts
}

#[test]
fn hours_differ_from_the_same_world_without_weather_by_the_coefficient_of_variation() {
    let calm = counts(&with(None));
    for cv in [0.08, 0.15, 0.25] {
        let stormy = counts(&with(Some(weather(cv))));
        for event_type in [EventType::DataSession, EventType::Call] {
            // Almaty, the largest: what is taken away or added is drawn, which scatters by √|f − 1| of √n besides.
            let (mut squares, mut noise, mut hours, mut ratios) = (0.0, 0.0, 0.0, 0.0);
            for ((_, _, hour), usual) in
                calm.iter().filter(|((region, of, _), _)| *region == 0 && *of == event_type)
            {
                if *usual < 60.0 {
                    continue;
                }
                let found = stormy.get(&(0, event_type, *hour)).copied().unwrap_or(0.0);
                let ratio = found / usual;
                squares += (ratio - 1.0).powi(2);
                noise += cv * 0.8 / usual * if event_type == EventType::Call { 3.0 } else { 1.0 };
                ratios += ratio;
                hours += 1.0;
            }
            assert!(hours > 60.0, "{hours} hours");
            let (mean, found) = (ratios / hours, f64::sqrt(f64::max(0.0, squares - noise) / hours));
            // Ten days of a factor that keeps to a side for hours are about sixty independent numbers.
            assert!(
                (mean - 1.0).abs() < 3.0 * cv / 60_f64.sqrt() + 0.02,
                "{event_type:?} {cv}: mean {mean}"
            );
            assert!((0.65 * cv..1.35 * cv).contains(&found), "{event_type:?} {cv}: {found}");
        }
    }
}

#[test]
fn weather_takes_some_events_away_adds_others_and_leaves_the_rest() {
    let ids = |draft: &Draft| -> std::collections::HashSet<String> {
        Generator::new(draft)
            .filter(|event| event.event_type != EventType::BalanceRecharge)
            .map(|event| event.event_id)
            .collect()
    };
    let shortened = |mut draft: Draft| {
        draft.to = draft.from.plus_micros(12 * 3_600_000_000);
        draft
    };
    let calm = ids(&shortened(with(None)));
    let stormy = ids(&shortened(with(Some(weather(0.15)))));
    let kept = calm.intersection(&stormy).count() as f64;
    let (before, after) = (calm.len() as f64, stormy.len() as f64);
    // A log-normal factor of this CV takes away, and adds, 0.15 / √(2π) = 6 % on average.
    for lost in [1.0 - kept / before, 1.0 - kept / after] {
        assert!((0.02..0.12).contains(&lost), "{kept} of {before} and {after}");
    }
}

#[test]
fn a_campaign_brings_more_and_is_told_as_normal() {
    let often = Weather { campaigns_per_week: 7.0, campaign_factors: (2.0, 2.0), ..weather(0.0) };
    let mut busy = with(Some(often));
    busy.to = busy.from.plus_micros(24 * 3_600_000_000);
    let mut out = Vec::new();
    let mut truth = Truth::begin(&mut out, &busy, 1, chrono_tz::UTC).unwrap();
    let mut schedule = Schedule::new(&busy, 1);
    let mut payload = Vec::new();
    while let Some(record) = schedule.next(&mut payload) {
        truth.observe(&record, schedule.event(), EventTime::END_ACCEPTED).unwrap();
    }
    truth.finish(&schedule).unwrap();
    let lines = String::from_utf8(out).unwrap();
    let told: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["kind"] == "anomaly")
        .collect();
    assert_eq!(told.len(), busy.scenario.regions.len());
    let mut calm = busy.clone();
    let none = Scenario { weather: None, ..Scenario::clone(&busy.scenario) };
    calm.scenario = Arc::new(none);
    let count = |draft: &Draft| Generator::new(draft).count() as u64;
    let added: u64 = told.iter().map(|line| line["added"].as_u64().unwrap()).sum();
    assert_eq!(count(&busy), count(&calm) + added);
    assert!(added > 1_000, "{added}");
    for line in told {
        assert_eq!(
            (line["label"].as_str(), line["name"].as_str()),
            (Some("normal"), Some("campaign"))
        );
        assert!(line["from"].as_str() < line["to"].as_str(), "{line}");
        assert_eq!(line["magnitude"], 2.0);
    }
}
