//! The command line, and what follows from it.
//!
//! In: arguments and environment. Out: a [`Config`] whose parts fit together, and from it the
//! [`Plan`] of one run: which events there are, and when they are sent.

use std::ffi::OsString;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use event_model::EventTime;
use runtime::{KafkaArgs, LogArgs, MetricsArgs, Secret, parse_duration};

use crate::curve::{RATE_MAX_PER_SECOND, RateCurve};
use crate::generator::Draft;
use crate::pace::Pace;
use crate::pseudonym::SubscriberKey;
use crate::scenario::BASE_RATE_PER_SECOND;

/// Generates realistic telecom events and sends them to Kafka.
///
/// Without --from the events are live: they happen from now on, and each is sent when its time
/// comes. With --from and --to it sends all events of that range as fast as possible; with --from
/// alone it catches up as fast as possible and then goes on live.
///
/// Which events there are depends on --seed, the rate curve (--base-rate, or a live --rate) and the
/// second of event time alone; two ranges that meet give exactly the events of the whole.
#[derive(Clone, Debug, Parser)]
#[command(name = "producer", version, verbatim_doc_comment)]
pub struct Config {
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: KafkaArgs,

    /// Where metrics are served.
    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,

    /// Every choice comes from this number [default: a random one, which is logged]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub seed: Option<u64>,

    /// First event time: 2025-11-09 (midnight UTC) or 2025-11-09T12:00:00+05:00 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub from: Option<EventTime>,

    /// End of event time, itself not included; written like --from [default: none]
    ///
    /// With an end, nothing waits for its event time: a range is sent as fast as possible.
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "from")]
    pub to: Option<EventTime>,

    /// Events per second: a number, or `max`
    ///
    /// With --from it only paces the sending of the very same events. Without --from it is a live
    /// stream of that many events a second at every hour, in place of the daily curve; `max` is then
    /// as fast as possible, and since event times never run ahead of the clock they fall behind it.
    #[arg(long, value_name = "N|max", value_parser = parse_rate, allow_negative_numbers = true)]
    pub rate: Option<Rate>,

    /// Density: events per second of event time at an hour of factor 1 [default: 2]
    ///
    /// The curve multiplies it by 1.5 at 08–10, 1.3 at 12–14, 2.0 at 18–22 and 0.3 at 00–06 in the
    /// time of Almaty. At 2 a day has about 182,880 events.
    #[arg(long, value_name = "N", value_parser = parse_per_second, allow_negative_numbers = true)]
    pub base_rate: Option<f64>,

    /// Stop after this many events [default: never, or at --to]
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub count: Option<u64>,

    /// Write the events to standard output, one JSON object a line, instead of to Kafka
    #[arg(long)]
    pub stdout: bool,

    /// Key of the subscribers' pseudonyms, at least 32 hex digits [default: a well-known demo key]
    #[arg(long, value_name = "HEX", env = "SUBSCRIBER_KEY", hide_env_values = true)]
    pub subscriber_key: Option<Secret>,

    /// How long to wait for Kafka at the start, like 200ms, 30s or 2m
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub wait: Duration,
}

/// Events per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// This many.
    PerSecond(f64),
    /// As many as possible.
    Max,
}

/// One run: which events, and when they are sent.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which events there are.
    pub draft: Draft,
    /// When they are sent.
    pub pace: Pace,
    /// After how many it ends.
    pub count: u64,
}

impl Config {
    /// Reads arguments (the first is the program's name) and environment.
    ///
    /// # Errors
    /// An error of clap, whose `exit` prints it and ends the program with code 2 (or 0 for --help).
    pub fn from_args<T: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = T>,
    ) -> Result<Config, clap::Error> {
        let config = Config::try_parse_from(args)?;
        // The clock and the seed don't decide whether the parts fit together.
        match config.plan(EventTime::MIN_ACCEPTED, 0) {
            Ok(_) => Ok(config),
            Err(problem) => Err(Config::command().error(ErrorKind::ValueValidation, problem)),
        }
    }

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
        let (curve, per_second) = self.curve_and_rate()?;
        let seed = self.seed.unwrap_or(random_seed);
        let draft = Draft { seed, from, to, curve, key: self.key()? };
        let pace = Pace { waits_for_event_time: self.to.is_none(), per_second };
        Ok(Plan { draft, pace, count: self.count.unwrap_or(u64::MAX) })
    }

    /// The density of events, and how many are sent each second at most.
    fn curve_and_rate(&self) -> Result<(RateCurve, Option<f64>), String> {
        let base_per_second = self.base_rate.unwrap_or(BASE_RATE_PER_SECOND);
        let by_hour = RateCurve::HoursOfDay { base_per_second };
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

    fn key(&self) -> Result<SubscriberKey, String> {
        match &self.subscriber_key {
            Some(key) if !self.uses_demo_key() => SubscriberKey::from_hex(key).map_err(|problem| {
                format!(
                    "SUBSCRIBER_KEY can't be used: {problem}; give at least 32 hex digits, \
                     for example from `openssl rand -hex 32`"
                )
            }),
            _ => Ok(SubscriberKey::demo()),
        }
    }
}

fn parse_time(text: &str) -> Result<EventTime, String> {
    let time = match text.parse::<NaiveDate>() {
        Ok(date) => EventTime::from(date.and_time(chrono::NaiveTime::MIN)),
        Err(_) => DateTime::parse_from_rfc3339(text)
            .map(|instant| EventTime::from(instant.to_utc()))
            .map_err(|_| {
                "write a date like 2025-11-09 (midnight UTC) or an instant like \
                 2025-11-09T12:00:00Z or 2025-11-09T12:00:00+05:00"
                    .to_owned()
            })?,
    };
    if !(EventTime::MIN_ACCEPTED..=EventTime::END_ACCEPTED).contains(&time) {
        return Err("event times lie between 2000-01-01 and 2100-01-01".to_owned());
    }
    Ok(time)
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    parse_per_second(text)
        .map(Rate::PerSecond)
        .map_err(|problem| format!("{problem}, or `max` for as fast as possible"))
}

fn parse_per_second(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= RATE_MAX_PER_SECOND => Ok(value),
        _ => Err("write a number of events per second above 0 and up to 1000000".to_owned()),
    }
}

fn parse_count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("write a whole number of events, 1 or more".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EventTime = EventTime::from_millis(1_762_689_600_000);
    const RANDOM_SEED: u64 = 99;

    fn plan(line: &str) -> Plan {
        config(line).unwrap().plan(NOW, RANDOM_SEED).unwrap()
    }

    fn config(line: &str) -> Result<Config, clap::Error> {
        Config::from_args(std::iter::once("producer").chain(line.split_whitespace()))
    }

    #[test]
    fn the_rate_sets_the_density_of_live_events_and_only_the_pace_of_a_backfill() {
        let by_hour = |base_per_second| RateCurve::HoursOfDay { base_per_second };
        let flat = |per_second| RateCurve::Flat { per_second };
        // Every row: arguments, curve, waits for event time, sent per second.
        for (line, curve, waits, per_second) in [
            ("", by_hour(2.0), true, None),
            ("--base-rate 5", by_hour(5.0), true, None),
            ("--rate 1000", flat(1_000.0), true, None),
            ("--rate max", flat(1_000_000.0), true, None),
            ("--from 2025-11-09", by_hour(2.0), true, None),
            ("--from 2025-11-09 --rate 9.5", by_hour(2.0), true, Some(9.5)),
            ("--from 2025-11-09 --to 2025-11-10", by_hour(2.0), false, None),
            ("--from 2025-11-09 --to 2025-11-10 --rate max", by_hour(2.0), false, None),
            (
                "--from 2025-11-09 --to 2025-11-10 --rate 50 --base-rate 7",
                by_hour(7.0),
                false,
                Some(50.0),
            ),
        ] {
            let plan = plan(line);
            assert_eq!(plan.draft.curve, curve, "{line:?}");
            assert_eq!(plan.pace, Pace { waits_for_event_time: waits, per_second }, "{line:?}");
        }
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
