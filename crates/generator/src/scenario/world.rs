//! The parts that make a world of a scenario: who talks with whom, from both sides. Each may be left out.

use super::Scenario;

/// How calls and messages join two people; left out, each has one side only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pairs {
    /// Share of conversations with numbers of other networks, whose side is not seen.
    pub other_networks: f64,
    /// Share of calls that nobody answers although the line is free.
    pub unanswered: f64,
    /// How unequal people are in beginning conversations: standard deviation of the logarithm.
    pub initiative_sigma: f64,
    /// Probability that another call follows soon between the same two, after one that was answered.
    pub call_again: f64,
    /// Probability that another message follows soon between the same two.
    pub message_again: f64,
    /// Share of conversations that are with the day's favourite among the acquaintances.
    pub favourite: f64,
}

/// Share of people who have a role that looks like a fraud.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoleShare {
    /// What they do that looks like a fraud.
    pub role: Role,
    /// How many there are, relative to the ordinary subscribers, in addition to these.
    pub share: f64,
}

/// Who looks like a fraud and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Calls many people from one place, like a SIM box.
    CallCentre,
    /// Sends reminders to many, like a flood.
    Dialler,
    /// Calls many, briefly, on the move.
    Courier,
    /// The same, and is called as often.
    Taxi,
    /// Is called by many.
    Shop,
    /// Writes to all parents at once.
    School,
    /// Tops up many accounts that are not the agent's own, like a recharge fraud.
    TopUpAgent,
    /// Never calls, and sends a little data all day and night.
    Machine,
    /// Is heard by two towers far from each other, like a clone.
    Border,
}

impl Role {
    /// All, with the names that scenario files and the truth use.
    pub const ALL: [(&'static str, Role); 9] = [
        ("call_centre", Role::CallCentre),
        ("dialler", Role::Dialler),
        ("courier", Role::Courier),
        ("taxi", Role::Taxi),
        ("shop", Role::Shop),
        ("school", Role::School),
        ("top_up_agent", Role::TopUpAgent),
        ("machine", Role::Machine),
        ("border", Role::Border),
    ];

    /// As scenario files and the truth write it.
    pub fn name(self) -> &'static str {
        name_of(&Role::ALL, self)
    }
}

/// Frauds of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Fraud {
    /// What is done.
    pub kind: FraudKind,
    /// How openly it is done, and so how easily it is found.
    pub variant: Variant,
    /// How many there are, relative to the ordinary subscribers.
    pub share: f64,
    /// When they act; `None`: always.
    pub span: Option<super::TimeSpan>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FraudKind {
    /// Calls from abroad are sold as calls of a local subscriber.
    Simbox,
    /// Messages to very many.
    SmsFlood,
    /// Calls too short to be answered, so that people call back.
    Wangiri,
    /// A second SIM under a subscriber's name.
    Clone,
    /// Top-ups in quick succession.
    Recharge,
}

impl FraudKind {
    /// All, with the names that scenario files and the truth use.
    pub const ALL: [(&'static str, FraudKind); 5] = [
        ("simbox", FraudKind::Simbox),
        ("sms_flood", FraudKind::SmsFlood),
        ("wangiri", FraudKind::Wangiri),
        ("clone", FraudKind::Clone),
        ("recharge", FraudKind::Recharge),
    ];

    /// As scenario files and the truth write it.
    pub fn name(self) -> &'static str {
        name_of(&FraudKind::ALL, self)
    }
}

/// How openly a fraud is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// As much as possible.
    Plain,
    /// Less, and spread out.
    Quiet,
    /// Little, beside an ordinary life.
    HumanLike,
}

impl Variant {
    /// All, with the names that scenario files and the truth use.
    pub const ALL: [(&'static str, Variant); 3] =
        [("plain", Variant::Plain), ("quiet", Variant::Quiet), ("human_like", Variant::HumanLike)];

    /// As scenario files and the truth write it.
    pub fn name(self) -> &'static str {
        name_of(&Variant::ALL, self)
    }
}

fn name_of<T: Copy + PartialEq>(all: &[(&'static str, T)], item: T) -> &'static str {
    all.iter().find(|(_, known)| *known == item).map_or("", |(name, _)| name)
}

impl RoleShare {
    /// How many there are beside so many ordinary subscribers.
    pub fn count(&self, subscribers: u32) -> u32 {
        count(self.share, subscribers)
    }
}

/// Which role the subscribers have who come after the ordinary ones.
#[derive(Clone, Debug)]
pub struct RoleOf {
    ordinary: u32,
    /// Of every second subscriber after the ordinary ones.
    roles: Vec<Role>,
}

impl RoleOf {
    /// Of this scenario's subscribers.
    pub fn new(scenario: &Scenario) -> Self {
        let roles = scenario.roles.iter().flat_map(|share| {
            std::iter::repeat_n(share.role, share.count(scenario.subscribers) as usize)
        });
        RoleOf { ordinary: scenario.subscribers, roles: roles.collect() }
    }

    /// The role of this subscriber. After the ordinary ones come those with a role and those who defraud, in turns.
    pub fn of(&self, subscriber: u32) -> Option<Role> {
        let place = subscriber.checked_sub(self.ordinary)?;
        let index = place.is_multiple_of(2).then_some(place / 2)?;
        self.roles.get(index as usize).copied()
    }
}

impl Fraud {
    /// How many there are beside so many ordinary subscribers.
    pub fn count(&self, subscribers: u32) -> u32 {
        count(self.share, subscribers)
    }
}

fn count(share: f64, subscribers: u32) -> u32 {
    (share * f64::from(subscribers)).round() as u32
}

/// How traffic wanders; left out, it scatters like dice around its hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    /// Coefficient of variation of the factor of each region and type.
    pub cv: f64,
    /// After so many hours a factor is correlated with itself by 1/e.
    pub hours: f64,
    /// Coefficient of variation of another factor, for the whole day.
    pub daily_cv: f64,
    /// Campaigns in each region.
    pub campaigns_per_week: f64,
    /// How many times the usual number a campaign brings, least and most.
    pub campaign_factors: (f64, f64),
}

/// How people come and go; left out, everybody stays for ever.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lives {
    /// Share of subscribers who leave in a month, and come.
    pub leaving_per_month: f64,
    /// Weight of those who leave from one day to the next.
    pub abrupt: f64,
    /// Weight of those who do less and less for weeks before.
    pub decay: f64,
    /// Weight of those who use another SIM besides for weeks before.
    pub second_sim: f64,
    /// Absences of days, of everybody.
    pub holidays_per_year: f64,
    /// Weeks in which somebody does less and recovers, of everybody.
    pub slumps_per_year: f64,
}
