//! What the rules are compared with: a fixed threshold on one daily count per kind, and chance.

use std::collections::{BTreeMap, HashMap, HashSet};

use event_model::{Direction, Event, EventTime, EventType};
use generator::scenario::FraudKind;

use crate::score::FraudCase;

const DAY_MICROS: i64 = 86_400_000_000;

/// One count a subscriber and UTC day for each kind, and a threshold that somebody might set by hand. The report says beside
/// each which one would have had the best F1 on the seeds that are scored.
pub(crate) const THRESHOLDS: [(FraudKind, &str, u32); 5] = [
    (FraudKind::Simbox, "calls made a day", 60),
    (FraudKind::SmsFlood, "messages sent a day", 60),
    (FraudKind::Wangiri, "calls made of 3 s at most a day", 40),
    (FraudKind::Clone, "towers a day", 30),
    (FraudKind::Recharge, "top-ups a day", 6),
];

/// Each subscriber's greatest daily counts, and then how the thresholds fare.
#[derive(Debug, Default)]
pub(crate) struct Rivals {
    day: i64,
    today: HashMap<String, Today>,
    greatest: HashMap<String, [u32; 5]>,
    /// By kind and count: how many frauds of it, and how many others, had that as their greatest.
    pub(crate) counts: [BTreeMap<u32, [u64; 2]>; 5],
    pub(crate) subscribers: u64,
}

#[derive(Debug, Default)]
struct Today {
    counts: [u32; 5],
    towers: HashSet<u32>,
}

impl Rivals {
    /// An event came; days come one after the other.
    pub(crate) fn observe(&mut self, event: &Event, time: EventTime) {
        let day = time.micros().div_euclid(DAY_MICROS);
        if day != self.day {
            self.end_day();
            self.day = day;
        }
        if !self.today.contains_key(&event.subscriber_id) {
            self.today.insert(event.subscriber_id.clone(), Today::default());
        }
        let Some(today) = self.today.get_mut(&event.subscriber_id) else { return };
        let is_out = event.event_subtype == Some(Direction::Outgoing);
        let is_call = event.event_type == EventType::Call;
        let is_short = event.duration_seconds.unwrap_or_default() <= 3;
        let counted = [
            is_call && is_out,
            event.event_type == EventType::Sms && is_out,
            is_call && is_out && is_short,
            event.cell_tower_id.is_some_and(|tower| today.towers.insert(tower)),
            event.event_type == EventType::BalanceRecharge,
        ];
        for (count, is_counted) in today.counts.iter_mut().zip(counted) {
            *count += u32::from(is_counted);
        }
    }

    fn end_day(&mut self) {
        for (subscriber, today) in self.today.drain() {
            let greatest = self.greatest.entry(subscriber).or_default();
            greatest
                .iter_mut()
                .zip(today.counts)
                .for_each(|(most, count)| *most = (*most).max(count));
        }
    }

    /// The seed is over.
    pub(crate) fn finish(&mut self, frauds: &[FraudCase]) {
        self.end_day();
        for (place, (kind, ..)) in THRESHOLDS.iter().enumerate() {
            let own = frauds.iter().filter(|case| case.kind == *kind);
            let own: HashSet<&str> = own.map(|case| &*case.subscriber).collect();
            for (subscriber, greatest) in &self.greatest {
                let is_own = own.contains(&**subscriber);
                self.counts[place].entry(greatest[place]).or_default()[usize::from(!is_own)] += 1;
            }
        }
        self.subscribers = self.greatest.len() as u64;
        self.greatest = HashMap::new();
    }

    /// Adds another seed's.
    pub(crate) fn add(&mut self, other: Rivals) {
        for (sum, counts) in self.counts.iter_mut().zip(other.counts) {
            for (count, numbers) in counts {
                let entry = sum.entry(count).or_default();
                entry.iter_mut().zip(numbers).for_each(|(total, number)| *total += number);
            }
        }
        self.subscribers += other.subscribers;
    }

    /// With this threshold: frauds found, frauds in all, and others named.
    pub(crate) fn at(&self, place: usize, threshold: u32) -> [u64; 3] {
        let counts = &self.counts[place];
        let sum = |which: usize, from: u32| -> u64 {
            counts.range(from..).map(|(_, numbers)| numbers[which]).sum()
        };
        [sum(0, threshold), sum(0, 0), sum(1, threshold)]
    }

    /// The threshold with the best F1.
    pub(crate) fn best(&self, place: usize) -> u32 {
        let f1 = |threshold: u32| {
            let [found, all, others] = self.at(place, threshold);
            // 2 · true / (2 · true + false + missed), per million.
            2_000_000 * found / (all + found + others).max(1)
        };
        let thresholds = self.counts[place].keys().copied();
        thresholds.max_by_key(|threshold| (f1(*threshold), *threshold)).unwrap_or_default()
    }
}
