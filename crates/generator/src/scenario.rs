//! A scenario: all figures from which events are drawn.
//!
//! In: the name of a built-in scenario, or a TOML file (see `file` for its form and `check` for what
//! is accepted). Out: a [`Scenario`] whose parts fit together. docs/generator.md explains every key.

mod check;
mod file;
mod world;

use std::ops::{Range, RangeInclusive};
use std::path::Path;

use chrono::Weekday;
use chrono_tz::Tz;
use event_model::{DeadReason, EventTime, EventType};

pub use self::world::{Fraud, FraudKind, Lives, Pairs, Role, RoleOf, RoleShare, Variant, Weather};
use crate::distribution::Distribution;

/// The scenarios that the program brings along.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("default", include_str!("../scenarios/default.toml")),
    ("kazakhstan", include_str!("../scenarios/kazakhstan.toml")),
    ("lifelike", include_str!("../scenarios/lifelike.toml")),
];

/// The highest density and the highest sending rate that can be asked for, per second: event times
/// are whole microseconds.
pub const RATE_MAX_PER_SECOND: f64 = 1_000_000.0;

/// All event types, in the order of [`type_index`].
pub const TYPES: [EventType; 4] =
    [EventType::DataSession, EventType::Call, EventType::Sms, EventType::BalanceRecharge];

/// The place of a type in every table by type.
pub const fn type_index(event_type: EventType) -> usize {
    match event_type {
        EventType::DataSession => 0,
        EventType::Call => 1,
        EventType::Sms => 2,
        EventType::BalanceRecharge => 3,
    }
}

/// The name of a type, as events write it.
pub const fn type_name(event_type: EventType) -> &'static str {
    match event_type {
        EventType::DataSession => "data_session",
        EventType::Call => "call",
        EventType::Sms => "sms",
        EventType::BalanceRecharge => "balance_recharge",
    }
}

/// What is drawn, how often, and what goes wrong on purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name, or the file's.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Version of the parts below that make a world, which scores name; 0: none is meant.
    pub world: u32,
    /// Whose clock hours, weekdays and holidays follow.
    pub zone: Tz,
    /// Events per second of all weighted types together where every factor is 1.
    pub base_rate: f64,
    /// How many subscribers there are.
    pub subscribers: u32,
    /// How unequal they are.
    pub activity: Activity,
    /// The types, by [`type_index`].
    pub types: [TypeModel; 4],
    /// Where things can happen.
    pub regions: Vec<Region>,
    /// How towers are chosen.
    pub towers: Towers,
    /// First digits of numbers after the country's 7, with their weights.
    pub prefixes: Vec<(u32, f64)>,
    /// Who calls whom; `None`: anybody calls anybody.
    pub contacts: Option<Contacts>,
    /// Both sides of calls and messages; `None`: one side each.
    pub pairs: Option<Pairs>,
    /// Subscribers who look like frauds, in addition.
    pub roles: Vec<RoleShare>,
    /// Those who are, in addition.
    pub frauds: Vec<Fraud>,
    /// How traffic wanders; `None`: it scatters like dice.
    pub weather: Option<Weather>,
    /// How people come and go; `None`: everybody stays.
    pub lives: Option<Lives>,
    /// What top-ups follow; `None`: their weight.
    pub spending: Option<Spending>,
    /// Days that are like another day of the week.
    pub holidays: Vec<Holiday>,
    /// Hours of the year in which more happens.
    pub peaks: Vec<Peak>,
    /// What goes wrong.
    pub faults: Faults,
    /// Spikes and drops.
    pub anomalies: Vec<Anomaly>,
}

/// How active subscribers are: log-normal around a mean of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activity {
    /// Standard deviation of the logarithm; 0: all are alike.
    pub sigma: f64,
    /// Nobody is more active than this.
    pub at_most: f64,
}

/// How one type is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeModel {
    /// Its share of the base rate, relative to the other types'.
    pub weight: f64,
    /// Factors by weekday, from Monday, and local hour.
    pub week: [[f64; 24]; 7],
    /// Seconds, for types that last.
    pub duration: Option<Distribution>,
    /// Megabytes, for types that move data.
    pub volume: Option<Distribution>,
    /// Amounts in tenge, all equally likely, for types that pay.
    pub tenge: Vec<u32>,
}

/// A region, and how much of the traffic is its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Its name, as events write it.
    pub name: String,
    /// How many live there, or happen there, relative to the others.
    pub weight: f64,
}

/// How towers are chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Towers {
    /// Any of these, whatever the region.
    Anywhere(RangeInclusive<u32>),
    /// Subscribers live near one and move; one grid for each region.
    Grids {
        /// One grid for each of [`Scenario::regions`], in their order.
        grids: Vec<Grid>,
        /// How they move.
        movement: Movement,
    },
}

/// Towers at equal distances around a centre, numbered row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Of the centre, in degrees north.
    pub latitude: f64,
    /// Of the centre, in degrees east.
    pub longitude: f64,
    /// Id of the first.
    pub first_tower: u32,
    /// Towers from west to east.
    pub columns: u32,
    /// Towers from south to north.
    pub rows: u32,
    /// Between neighbours.
    pub spacing_km: f64,
}

/// How subscribers move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Movement {
    /// Share of those who go to work on working days.
    pub employed_share: f64,
    /// How far work or an outing is at most, in each of the two directions.
    pub commute_km: f64,
    /// Share of free days with an outing.
    pub outing_share: f64,
    /// Journeys to other regions that everybody makes.
    pub journeys_per_year: f64,
    /// Least and most days of a journey.
    pub journey_days: (u32, u32),
}

/// Who calls whom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contacts {
    /// Acquaintances in the home region.
    pub inside_region: u32,
    /// Acquaintances anywhere.
    pub outside_region: u32,
    /// Share of calls and SMS with acquaintances; the others are with anybody.
    pub share: f64,
}

/// How balances fall and are topped up.
#[derive(Clone, Debug, PartialEq)]
pub struct Spending {
    /// What a subscriber of activity 1 spends.
    pub tenge_per_day: f64,
    /// How far days differ, from 0 to below 1.
    pub daily_spread: f64,
    /// What can be paid in, by weight.
    pub steps: Vec<(u32, f64)>,
}

/// A day that is like another day of the week.
#[derive(Clone, Debug, PartialEq)]
pub struct Holiday {
    /// What the scenario file calls it.
    pub name: String,
    /// Month and day.
    pub date: (u32, u32),
    /// The day that it is like.
    pub like: Weekday,
}

/// Hours of a date in which more happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    /// What the scenario file calls it.
    pub name: String,
    /// Month and day.
    pub date: (u32, u32),
    /// Local hours.
    pub hours: Range<u32>,
    /// Factors by [`type_index`].
    pub factors: [f64; 4],
}

/// What goes wrong on purpose. By default nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Events that are sent long after they happened.
    pub late: Option<Delay>,
    /// Events that are sent a little after later ones.
    pub out_of_order: Option<Delay>,
    /// Events that are sent once more.
    pub duplicate: Option<Delay>,
    /// Events that arrive unusable.
    pub malformed: Option<Malformed>,
    /// Subscribers whose events carry a wrong time.
    pub skewed_clocks: Option<SkewedClocks>,
    /// Regions of which nothing is sent.
    pub silent_regions: Vec<SilentRegion>,
    /// Partitions to which nothing is sent.
    pub silent_partitions: Vec<SilentPartition>,
}

/// Events that are sent later than they happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// Share of events.
    pub share: f64,
    /// Least and most seconds between their time and their sending.
    pub seconds: (u32, u32),
}

/// Events that arrive unusable.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// Share of events.
    pub share: f64,
    /// In which ways, all equally likely.
    pub reasons: Vec<DeadReason>,
}

/// Subscribers whose clock is wrong, by the same number of seconds always.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SkewedClocks {
    /// Share of subscribers.
    pub share: f64,
    /// Least and most seconds that a clock is ahead.
    pub seconds: (i32, i32),
}

/// A stretch of event time, half-open.
pub type TimeSpan = Range<EventTime>;

/// A region of which nothing is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SilentRegion {
    /// Its place in [`Scenario::regions`].
    pub region: usize,
    /// When: by the time at which events happen.
    pub span: TimeSpan,
}

/// A partition to which nothing is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SilentPartition {
    /// Kafka's number of the partition, from 0.
    pub partition: u32,
    /// When: by the time of sending.
    pub span: TimeSpan,
}

/// A stretch in which something happens more often, or less.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// What the scenario file calls it.
    pub name: String,
    /// What a detector should call it.
    pub label: String,
    /// In which region; `None`: in all.
    pub region: Option<usize>,
    /// Of which type; `None`: of all.
    pub event_type: Option<EventType>,
    /// From when to before when, in event time.
    pub span: TimeSpan,
    /// How many times the usual number: above 1 a spike, below 1 a drop.
    pub magnitude: f64,
}

impl Scenario {
    /// The scenario of this name, or in this file.
    ///
    /// # Errors
    /// A sentence that names file and key, what stands there and what was expected.
    pub fn load(name_or_file: &str) -> Result<Scenario, String> {
        if let Some(text) = built_in_text(name_or_file) {
            return Scenario::parse(name_or_file, text);
        }
        let path = Path::new(name_or_file);
        // A bare word is more likely a name mistyped than a file.
        if path.extension().is_none() && !path.exists() {
            let names = BUILT_IN.map(|(name, _)| name).join(", ");
            return Err(format!(
                "there is no scenario `{name_or_file}`: give one of {names}, or a TOML file"
            ));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("scenario {name_or_file} can't be read: {error}"))?;
        Scenario::parse(name_or_file, &text)
    }

    /// The scenario that this text describes; `name` is for messages.
    ///
    /// # Errors
    /// As for [`Scenario::load`].
    pub fn parse(name: &str, text: &str) -> Result<Scenario, String> {
        let file = file::parse(text).map_err(|problem| format!("scenario {name}: {problem}"))?;
        check::checked(name, file).map_err(|problem| format!("scenario {name}: {problem}"))
    }

    /// A built-in scenario.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn built_in(name: &str) -> Scenario {
        let text = built_in_text(name).expect("the name is one of BUILT_IN");
        Scenario::parse(name, text).expect("tests read every built-in scenario")
    }

    /// Whether a topic of so many partitions has those that the scenario silences. Events would
    /// otherwise go on where they were to stop, without a word.
    ///
    /// # Errors
    /// A sentence that names scenario, key, partition, the topic and its number of partitions.
    pub fn check_partitions(&self, topic: &str, partitions: u32) -> Result<(), String> {
        check::faults::silent_partitions_exist(&self.faults, topic, partitions)
            .map_err(|problem| format!("scenario {}: {problem}", self.name))
    }

    /// Subscribers who come in addition, because they have a role or defraud; clones bear the name of others. Roles and
    /// frauds take turns, so there are places for as many of one as of the other.
    pub fn extra_subscribers(&self) -> u64 {
        let of = self.subscribers;
        let roles: u64 = self.roles.iter().map(|role| u64::from(role.count(of))).sum();
        let frauds = self.frauds.iter().filter(|fraud| fraud.kind != FraudKind::Clone);
        let frauds: u64 = frauds.map(|fraud| u64::from(fraud.count(of))).sum();
        2 * roles.max(frauds)
    }

    /// How a type is drawn.
    pub fn model(&self, event_type: EventType) -> &TypeModel {
        &self.types[type_index(event_type)]
    }
}

fn built_in_text(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests;
