//! Ten rules at work on an evening: what one event costs them, and what memory an hour takes.

use std::fmt::Write;
use std::sync::Arc;

use event_model::EventTime;
use patterns::{Hit, Matcher, PatternEvent, RuleSet, Towers};
use towers::TowerTable;

/// 2025-11-09 18:00:00 UTC.
const EVENING: i64 = 1_762_711_200_000_000;
/// A million subscribers make 1.6 million events in the busiest hour.
const MICROS_PER_EVENT_AND_SUBSCRIBER: i64 = 3_600_000_000 * 1_000_000 / 1_600_000;
const DELAY_MICROS: i64 = 120_000_000;
/// So many different texts there are for ids and counterparties.
const TEXTS: u64 = 1 << 16;
/// A flush comes every so many events.
const RELEASED_EVERY: i64 = 1_000;

/// One partition by which all these subscribers are read.
pub struct RuleRun {
    matcher: Matcher,
    subscribers: i64,
    number: i64,
    hits: Vec<Hit>,
    /// Made beforehand: what an event's text costs is not measured here.
    names: Vec<String>,
    texts: Vec<String>,
}

impl RuleRun {
    /// No event has come yet.
    ///
    /// # Panics
    /// Unless the example's rules can be read.
    pub fn new(subscribers: i64) -> Self {
        let mut towers = "tower,region,latitude,longitude\n".to_owned();
        for tower in 0..500 {
            let (latitude, longitude) = (43 + tower / 50, 70 + tower % 50 / 5);
            writeln!(towers, "{tower},A,{latitude}.{tower},{longitude}.5").expect("it is a String");
        }
        let towers = Towers::from(&TowerTable::parse(&towers).expect("a table"));
        let rules = include_str!("../../../crates/patterns/rules/example.toml");
        let rules = Arc::new(RuleSet::parse(rules, towers).expect("the example"));
        let judged_from = vec![0; rules.rules().len()];
        let matcher = Matcher::new(rules, usize::MAX, judged_from, None);
        let names = (0..subscribers).map(|subscriber| format!("{subscriber:016x}")).collect();
        let texts = (0..TEXTS).map(|text| format!("3f1c6d0e-8a52-4f0b-9d55-{text:012x}")).collect();
        RuleRun { matcher, subscribers, number: 0, hits: Vec::new(), names, texts }
    }

    /// The next event: half of them data sessions, one in 1,000 of somebody who calls all the time. Always true.
    pub fn observe(&mut self) -> bool {
        let number = self.number;
        self.number += 1;
        let dice = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let kind = dice % 20;
        let event_type = match kind {
            0..10 => "data_session",
            10..16 => "call",
            16..19 => "sms",
            _ => "balance_recharge",
        };
        let is_busy = dice / 20 % 1_000 == 0;
        let subscriber = (dice / 20_000) as i64 % self.subscribers;
        let subscriber =
            if is_busy { subscriber % (self.subscribers / 10_000 + 1) } else { subscriber };
        let time = EVENING + number * MICROS_PER_EVENT_AND_SUBSCRIBER / self.subscribers;
        let is_talk = (10..19).contains(&kind);
        let event = PatternEvent {
            event_id: Some(&self.texts[number as usize % self.texts.len()]),
            subscriber_id: &self.names[subscriber as usize],
            event_type,
            event_subtype: is_talk.then_some(if is_busy || dice & 64 == 0 {
                "outgoing"
            } else {
                "incoming"
            }),
            counterparty_id: is_talk
                .then(|| self.names[(dice >> 8) as usize % self.names.len()].as_str()),
            cell_tower_id: Some(subscriber as u32 % 500),
            time: EventTime::from_micros(time),
            duration_seconds: (kind < 16).then_some(dice as u32 % 300),
            amount_micro_tenge: (kind == 19).then_some(1_000_000_000),
            data_micro_mb: (kind < 10).then_some(1_000_000),
        };
        let watermark = Some(EventTime::from_micros(time - DELAY_MICROS));
        self.matcher.observe(number, Some(&event), watermark, &mut self.hits);
        if number % RELEASED_EVERY == 0 {
            self.matcher.release(number, watermark);
            self.hits.clear();
        }
        true
    }

    /// Events that are kept, and their bytes.
    pub fn kept(&self) -> (usize, usize) {
        (self.matcher.events(), self.matcher.bytes())
    }
}
