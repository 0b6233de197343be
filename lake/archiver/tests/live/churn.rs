//! The churn forecast on a real lake: 93 days of a small country through Kafka, warehouse and lake into a model and scores.
//!
//! The program `churn` is TELECOM_CHURN (`make test-lake` builds and names it).

use chrono::{Days, NaiveDate};

use crate::lake::Lake;
use crate::support::Scene;

/// With the windows up to 30 days: 30 before the one question that has an outcome, and 63 of the outcome.
const HISTORY: u64 = 93;
const QUESTION: u64 = 30;
const SUBSCRIBERS: u64 = 1_200;
/// One in so many leaves, in the 30 days in which leaving counts.
const LEAVES_ONE_OF: u64 = 5;
const LEAVING: u64 = SUBSCRIBERS / LEAVES_ONE_OF;
/// Events of nobody, every day.
const NAMELESS: u64 = 3;

fn date(day: u64) -> NaiveDate {
    "2025-03-03".parse::<NaiveDate>().unwrap() + Days::new(day)
}

fn name(who: u64) -> String {
    format!("{:016x}", 0xabc0_0000_0000 + who)
}

/// The last day of those who leave.
fn last_day(who: u64) -> Option<u64> {
    who.is_multiple_of(LEAVES_ONE_OF).then(|| QUESTION + 3 + who / LEAVES_ONE_OF % 30)
}

/// Events of somebody on a day: fewer for three weeks before they leave.
fn events(who: u64, day: u64) -> u64 {
    match last_day(who) {
        Some(last) if day > last => 0,
        Some(last) if day + 21 > last => 1,
        _ => 1 + (who * 31 + day * 17) % 3,
    }
}

fn call(day: u64, number: u64, who: &str) -> String {
    let (hour, minute, second) = (number / 3_600 % 24, number / 60 % 60, number % 60);
    format!(
        r#"{{"event_type":"call","region":"Osh","timestamp":"{}T{hour:02}:{minute:02}:{second:02}Z","duration_seconds":61,{who}"cell_tower_id":{}}}"#,
        date(day),
        1_000 + number % 7
    )
}

/// All events of a day, in the order of their times.
fn payloads(day: u64) -> Vec<String> {
    let mut payloads = Vec::new();
    for number in 0..NAMELESS {
        payloads.push(call(day, number, ""));
    }
    for who in 0..SUBSCRIBERS {
        for _ in 0..events(who, day) {
            let number = payloads.len() as u64 * 20;
            let names = format!(
                r#""subscriber_id":"{}","counterparty_id":"{}","#,
                name(who),
                name((who + number) % SUBSCRIBERS)
            );
            payloads.push(call(day, number, &names));
        }
    }
    payloads
}

#[test]
fn the_churn_forecast_learns_from_a_lakes_subscriber_days_and_scores_who_is_there() {
    let scene = Scene::new(2);
    let lake = Lake::new(&scene);
    // A day more: the last one of the history is complete then.
    let sent: Vec<u64> = (0..=HISTORY).map(|day| scene.send_payloads(&payloads(day))).collect();
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    assert_eq!(u64::try_from(scene.counted()).unwrap(), sent.iter().sum::<u64>());
    let as_of = date(HISTORY).to_string();
    let train = ["train", "--as-of", &as_of, "--longest-window", "30"];

    // Without subscriber-days there is nothing to learn from, and it is said.
    let said = lake.churn(&train, 1);
    assert!(said.contains("`archiver subscribers DAY` writes them"), "{said}");
    lake.run(&["subscribers", &date(HISTORY - 1).to_string()], 0);
    let said = lake.churn(&train, 5);
    assert!(said.contains("history too short: it begins on "), "{said}");
    for day in 0..HISTORY {
        lake.run(&["subscribers", &date(day).to_string()], 0);
    }
    let exported = lake.exported_between(&date(0).to_string(), &as_of);
    assert_eq!(exported["nobody"] as u64, NAMELESS * HISTORY);
    let named = sent[..HISTORY as usize].iter().sum::<u64>() - NAMELESS * HISTORY;
    assert_eq!(exported["subscriber_id"] as u64, named);

    let said = lake.churn(&train, 0);
    let learnt = format!("learnt from {SUBSCRIBERS} subscribers of whom {LEAVING} left");
    assert!(said.contains(&learnt), "{said}");
    let score = ["score", "--as-of", &as_of];
    let said = lake.churn(&score, 0);
    let there = SUBSCRIBERS - LEAVING;
    assert!(said.contains(&format!("{there} subscribers scored with model 1")), "{said}");
    assert!(lake.churn(&["report"], 0).contains("calls_change_7"));

    // An event that comes late makes its day stale until it is written again.
    let late = date(HISTORY - 4);
    let event = call(HISTORY - 4, 60, &format!(r#""subscriber_id":"{}","#, name(1)));
    scene.send_payloads(&[event]);
    scene.drain_streamer();
    lake.run(&["run", "--drain"], 0);
    let said = lake.churn(&score, 5);
    assert!(said.contains(&format!("stale day: the subscriber-days of {late}")), "{said}");
    lake.run(&["subscribers", &late.to_string()], 0);
    lake.churn(&score, 0);

    // Who was erased is not forecast any more, and the days still sum up to the ledger.
    lake.run(&["erase", "--subscriber", &name(1), "--reason", "asked for"], 0);
    let said = lake.churn(&score, 0);
    assert!(said.contains(&format!("{} subscribers scored", there - 1)), "{said}");
}
