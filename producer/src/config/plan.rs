//! What follows from the command line: which events there are, and when they are sent.
//!
//! In: a [`Config`] and the clock. Out: the [`Plan`] of one run, or which arguments don't fit together.

use std::sync::Arc;

use event_model::EventTime;
use generator::curve::RateCurve;
use generator::scenario::{RATE_MAX_PER_SECOND, Scenario};
use generator::{Draft, Shard};
use pseudonym::SubscriberKey;

use super::{Config, MessageKey, Rate};
use crate::pace::{Clock, Pace};

/// One run: which events, and when they are sent.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which events there are.
    pub draft: Draft,
    /// When they are sent.
    pub pace: Pace,
    /// After how many it ends.
    pub count: u64,
    pub message_key: MessageKey,
}

impl Config {
    /// What a run that starts now does. `random_seed` is used where no seed is given.
    ///
    /// # Errors
    /// A sentence that names the arguments that don't fit together and the way out.
    pub fn plan(&self, now: EventTime, random_seed: u64) -> Result<Plan, String> {
        let from = self.from.unwrap_or(now);
        // Readers accept no event time after this.
        let to = self.to.unwrap_or(EventTime::END_ACCEPTED);
        if self.from.is_some() && from >= to {
            return Err(format!(
                "--from {from} is not before --to {to}; a range begins with --from and ends just before --to"
            ));
        }
        if self.truth.is_some() && self.to.is_none() && self.count.is_none() {
            return Err("--truth needs an end: add --to, or --count".to_owned());
        }
        let scenario = Scenario::load(&self.scenario)?;
        let places_by_subscriber =
            self.truth.is_some() || !scenario.faults.silent_partitions.is_empty();
        if self.key != MessageKey::Subscriber && places_by_subscriber {
            return Err(
                "--key region leaves it to Kafka in which partition an event is, and --truth and a \
                 scenario with silent_partitions place events by their subscriber: drop --key, or those"
                    .to_owned(),
            );
        }
        let (curve, per_second) = self.curve_and_rate(&scenario)?;
        let draft = Draft {
            scenario: Arc::new(scenario),
            seed: self.seed.unwrap_or(random_seed),
            from,
            to,
            curve,
            shard: self.shard.unwrap_or(Shard::WHOLE),
            key: self.subscriber_key()?,
        };
        let pace = Pace { clock: self.clock(from, now)?, per_second };
        let count = self.count.unwrap_or(u64::MAX);
        Ok(Plan { draft, pace, count, message_key: self.key })
    }

    fn clock(&self, from: EventTime, now: EventTime) -> Result<Clock, String> {
        match (self.speed, self.to) {
            (None, None) => Ok(Clock::Wall),
            (None, Some(_)) => Ok(Clock::None),
            (Some(_), _) if from > now => {
                Err(format!("--speed needs a --from in the past, and {from} lies ahead"))
            }
            (Some(factor), _) => Ok(Clock::Sped { from, factor }),
        }
    }

    /// The density of events, and how many are sent each second at most.
    fn curve_and_rate(&self, scenario: &Scenario) -> Result<(RateCurve, Option<f64>), String> {
        let base_per_second = self.base_rate.unwrap_or(scenario.base_rate);
        let by_hour = RateCurve::Calendar { base_per_second };
        match (self.from, self.rate) {
            (_, None) | (Some(_), Some(Rate::Max)) => Ok((by_hour, None)),
            (Some(_), Some(Rate::PerSecond(per_second))) => Ok((by_hour, Some(per_second))),
            (None, Some(_)) if self.base_rate.is_some() => Err(
                "--rate without --from sets the density of live events itself; drop --base-rate, \
                 or add --from"
                    .to_owned(),
            ),
            (None, Some(Rate::PerSecond(per_second))) => Ok((RateCurve::Flat { per_second }, None)),
            // So dense that sending can't keep up with event time.
            (None, Some(Rate::Max)) => {
                Ok((RateCurve::Flat { per_second: RATE_MAX_PER_SECOND }, None))
            }
        }
    }

    /// Whether pseudonyms are made with the key that everybody knows. An empty variable, as Compose
    /// passes it on, counts as unset.
    pub(crate) fn uses_demo_key(&self) -> bool {
        self.subscriber_key.as_ref().is_none_or(|key| key.expose().is_empty())
    }

    fn subscriber_key(&self) -> Result<SubscriberKey, String> {
        let epoch = self.subscriber_key_epoch;
        match &self.subscriber_key {
            Some(key) if !self.uses_demo_key() => SubscriberKey::from_hex(key.expose(), epoch)
                .map_err(|problem| {
                    format!(
                        "SUBSCRIBER_KEY can't be used: {problem}; give at least 32 hex digits, \
                         for example from `openssl rand -hex 32`"
                    )
                }),
            _ => Ok(SubscriberKey::demo_of_epoch(epoch)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EventTime = EventTime::from_millis(1_762_689_600_000);
    /// 2025-11-09T00:00:00Z.
    const MIDNIGHT: EventTime = EventTime::from_millis(1_762_646_400_000);
    const RANDOM_SEED: u64 = 99;

    fn plan(line: &str) -> Plan {
        config(line).unwrap().plan(NOW, RANDOM_SEED).unwrap()
    }

    fn config(line: &str) -> Result<Config, clap::Error> {
        Config::from_args(std::iter::once("producer").chain(line.split_whitespace()))
    }

    #[test]
    fn the_rate_sets_the_density_of_live_events_and_only_the_pace_of_a_backfill() {
        let by_hour = |base_per_second| RateCurve::Calendar { base_per_second };
        let flat = |per_second| RateCurve::Flat { per_second };
        // Every row: arguments, curve, clock, sent per second.
        for (line, curve, clock, per_second) in [
            ("", by_hour(2.0), Clock::Wall, None),
            ("--base-rate 5", by_hour(5.0), Clock::Wall, None),
            ("--rate 1000", flat(1_000.0), Clock::Wall, None),
            ("--rate max", flat(1_000_000.0), Clock::Wall, None),
            ("--from 2025-11-09", by_hour(2.0), Clock::Wall, None),
            ("--from 2025-11-09 --rate 9.5", by_hour(2.0), Clock::Wall, Some(9.5)),
            ("--from 2025-11-09 --to 2025-11-10", by_hour(2.0), Clock::None, None),
            ("--from 2025-11-09 --to 2025-11-10 --rate max", by_hour(2.0), Clock::None, None),
            (
                "--from 2025-11-09 --to 2025-11-10 --rate 50 --base-rate 7",
                by_hour(7.0),
                Clock::None,
                Some(50.0),
            ),
            ("--scenario kazakhstan", by_hour(26.0), Clock::Wall, None),
            (
                "--from 2025-11-09 --speed 60x",
                by_hour(2.0),
                Clock::Sped { from: MIDNIGHT, factor: 60.0 },
                None,
            ),
        ] {
            let plan = plan(line);
            assert_eq!(plan.draft.curve, curve, "{line:?}");
            assert_eq!(plan.pace, Pace { clock, per_second }, "{line:?}");
        }
    }

    #[test]
    fn the_key_is_the_subscriber_unless_told_otherwise_and_what_places_by_it_allows_no_other() {
        assert_eq!(plan("").message_key, MessageKey::Subscriber);
        assert_eq!(plan("--key region").message_key, MessageKey::Region);
        assert_eq!(
            plan("--key subscriber --truth t --count 1").message_key,
            MessageKey::Subscriber
        );
        let problem = config("--key region --truth t --count 1").unwrap_err().to_string();
        for word in ["--key region", "--truth", "silent_partitions", "drop"] {
            assert!(problem.contains(word), "{problem}");
        }
    }

    #[test]
    fn a_shard_is_counted_from_1() {
        assert_eq!(plan("").draft.shard, Shard::WHOLE);
        assert_eq!(plan("--shard 1/4").draft.shard, Shard { index: 0, of: 4 });
        assert_eq!(plan("--shard 4/4").draft.shard, Shard { index: 3, of: 4 });
    }

    #[test]
    fn speed_needs_a_past() {
        let problem = config("--from 2025-11-09 --speed 60x").unwrap();
        let before = EventTime::from_millis(1_762_000_000_000);
        let problem = problem.plan(before, RANDOM_SEED).unwrap_err();
        assert!(problem.contains("--speed") && problem.contains("lies ahead"), "{problem}");
    }

    #[test]
    fn a_run_starts_now_unless_told_otherwise() {
        assert_eq!(plan("").draft.from, NOW);
        assert_eq!(plan("").draft.to, EventTime::END_ACCEPTED);
        assert_eq!(plan("").draft.seed, RANDOM_SEED);
        assert_eq!(plan("").count, u64::MAX);
        assert_eq!(plan("--seed 7 --count 3").draft.seed, 7);
        assert_eq!(plan("--seed 7 --count 3").count, 3);
    }

    #[test]
    fn a_date_is_midnight_utc_and_an_instant_has_an_offset() {
        for (text, expected) in [
            ("2025-11-09", "2025-11-09T00:00:00.000000Z"),
            ("2025-11-09T12:00:00Z", "2025-11-09T12:00:00.000000Z"),
            ("2025-11-09T12:00:00.25+05:00", "2025-11-09T07:00:00.250000Z"),
            ("2000-01-01", "2000-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(plan(&format!("--from {text}")).draft.from.to_string(), expected);
        }
    }
}
