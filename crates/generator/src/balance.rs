//! When subscribers top up, and by how much.
//!
//! In: a subscriber and a local day. Out: that day's top-ups. A balance falls as money is spent and is
//! topped up when it has come down to the reserve:
//!
//! ```text
//!   balance   ╲   500      ╲    1000
//!              ╲  ┌╲        ╲   ┌╲
//!   reserve ────╲─┘──╲───────╲──┘──╲──
//! ```
//!
//! Each balance is not carried from day to day but computed where it is needed. What has been spent up
//! to midnight of day d is `spends · (d + spread · noise(d))` with a noise in [0, 1) drawn for each
//! day alone: it never falls, because the spread is below 1. Amounts repeat in a cycle of the
//! subscriber's own. So the places at which the sum of their top-ups is used up are known without
//! adding anything up, and the day's top-ups are those between its two midnights. Spending follows
//! the subscriber's activity, not the single events.

use crate::people::People;
use crate::random::{Purpose, Streams};
use crate::scenario::Spending;

/// Amounts in a subscriber's cycle.
const CYCLE: usize = 4;
/// A top-up lasts this many days at least, if there is an amount that large.
const LASTS_DAYS: f64 = 2.0;
/// Most top-ups of a day: bounds the work for somebody whom no amount satisfies.
const TOP_UPS_MAX: usize = 48;
const SECONDS_PER_HOUR: f64 = 3_600.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TopUp {
    /// Seconds since local midnight.
    pub(crate) second: f64,
    pub(crate) subscriber: u32,
    pub(crate) tenge: u32,
}

/// Answers who tops up when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Balances<'a> {
    pub(crate) spending: &'a Spending,
    pub(crate) people: &'a People,
    pub(crate) streams: Streams,
}

impl Balances<'_> {
    /// Adds a subscriber's top-ups of a local day to `out`. `profile` says at which hours money is
    /// spent.
    pub(crate) fn of_day(
        &self,
        subscriber: u32,
        day: i64,
        profile: &[f64; 24],
        out: &mut Vec<TopUp>,
    ) {
        let spends = self.spends(subscriber);
        let mut dice = self.streams.at(0).open(Purpose::Spending, 1, subscriber);
        let lasting = |tenge: u32| f64::from(tenge) >= spends * LASTS_DAYS;
        let weights = self.spending.steps.iter().map(|(_, weight)| *weight);
        let largest = self.spending.steps.iter().map(|(tenge, _)| *tenge).max().unwrap_or(1);
        let smallest_lasting =
            self.spending.steps.iter().map(|(tenge, _)| *tenge).filter(|t| lasting(*t)).min();
        let cycle: [u32; CYCLE] = std::array::from_fn(|_| {
            let (drawn, _) = self.spending.steps[dice.weighted(weights.clone())];
            if lasting(drawn) { drawn } else { smallest_lasting.unwrap_or(largest) }
        });
        let cycle_sum = f64::from(cycle.iter().sum::<u32>());
        let phase = dice.unit() * cycle_sum;
        let (from, to) =
            (self.spent(subscriber, spends, day), self.spent(subscriber, spends, day + 1));
        // The sum of all top-ups before the cycle in which the day begins.
        let mut due = libm::floor((from - phase) / cycle_sum) * cycle_sum + phase;
        let first = out.len();
        for tenge in cycle.iter().cycle() {
            if due > to || out.len() - first >= TOP_UPS_MAX {
                break;
            }
            if due > from {
                let second = second_of(profile, (due - from) / (to - from));
                out.push(TopUp { second, subscriber, tenge: *tenge });
            }
            due += f64::from(*tenge);
        }
    }

    /// Tenge a day.
    fn spends(&self, subscriber: u32) -> f64 {
        self.spending.tenge_per_day * f64::from(self.people.person(subscriber).activity)
    }

    /// Tenge up to midnight of a day.
    fn spent(&self, subscriber: u32, spends: f64, day: i64) -> f64 {
        let noise = self.streams.at(day).open(Purpose::Spending, 0, subscriber).unit();
        spends * (day as f64 + self.spending.daily_spread * noise)
    }
}

/// The second of the day at which this share of its money is spent.
fn second_of(profile: &[f64; 24], share: f64) -> f64 {
    let total: f64 = profile.iter().sum();
    let mut rest = share * total;
    for (hour, factor) in profile.iter().enumerate() {
        if rest < *factor {
            return (hour as f64 + rest / factor) * SECONDS_PER_HOUR;
        }
        rest -= factor;
    }
    24.0 * SECONDS_PER_HOUR - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use pseudonym::SubscriberKey;

    const FIRST_DAY: i64 = 20_401;

    #[test]
    fn the_balance_stays_above_the_reserve_and_never_piles_up() {
        let mut scenario = Scenario::built_in("kazakhstan");
        scenario.subscribers = 500;
        let streams = Streams::of(1);
        let people = People::draw(&scenario, streams, &SubscriberKey::demo());
        let spending = scenario.spending.as_ref().unwrap();
        let balances = Balances { spending, people: &people, streams };
        let mut amounts = std::collections::BTreeMap::new();
        for subscriber in 0..500 {
            let spends = balances.spends(subscriber);
            // What is left of earlier top-ups is not known: found as the lowest point.
            let (mut sum, mut lowest, mut highest) = (0.0, f64::MAX, f64::MIN);
            let start = balances.spent(subscriber, spends, FIRST_DAY);
            for day in FIRST_DAY..FIRST_DAY + 400 {
                let mut top_ups = Vec::new();
                balances.of_day(subscriber, day, &[1.0; 24], &mut top_ups);
                assert!(top_ups.is_sorted_by(|a, b| a.second <= b.second));
                let (from, to) = (
                    balances.spent(subscriber, spends, day),
                    balances.spent(subscriber, spends, day + 1),
                );
                assert!(to > from);
                for top_up in top_ups {
                    assert!((0.0..86_400.0).contains(&top_up.second));
                    let spent = from + (to - from) * top_up.second / 86_400.0 - start;
                    lowest = f64::min(lowest, sum - spent);
                    sum += f64::from(top_up.tenge);
                    highest = f64::max(highest, sum - spent);
                    *amounts.entry(top_up.tenge).or_insert(0) += 1;
                }
            }
            // Every top-up comes at the same low, so the balance moves by one amount at most.
            if sum > 0.0 {
                assert!(highest - lowest <= 10_000.0 + 1.0, "{subscriber}: {lowest} to {highest}");
            }
        }
        let steps: Vec<u32> = spending.steps.iter().map(|(tenge, _)| *tenge).collect();
        assert_eq!(amounts.keys().copied().collect::<Vec<_>>(), steps);
    }
}
