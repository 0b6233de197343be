//! Subscribers with a role, and those who defraud: in addition to the ordinary ones, so that leaving them out changes
//! nobody else's events.
//!
//! In: the scenario's shares. Out: the [`Actor`]s; `habits` has the figures of what they do on top of an ordinary life, and
//! `cast_days` draws their days from these. A cloned SIM has no subscriber of its
//! own: what it does bears the name of an ordinary one, who knows nothing of it.

mod habits;

pub(crate) use self::habits::{Days, Habit, Stay};
use crate::permutation::Permutation;
use crate::random::{Purpose, Streams};
use crate::scenario::{FraudKind, Scenario};

/// Variant of [`Purpose::Cast`] for the order in which victims are taken, on top of the fraud's number.
const VICTIMS_VARIANT: u32 = 1_000;

/// Somebody who acts on top of an ordinary life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor {
    /// Under whose name.
    pub(crate) subscriber: u32,
    /// What they do.
    pub(crate) part: Part,
}

/// What somebody is in the world, by the index of their entry in the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// They look like a fraud and are none.
    Role(u16),
    /// A fraud of the scenario.
    Fraud(u16),
}

impl Part {
    /// 0 for roles, and from 1 on the fraud.
    pub(crate) fn case(self) -> u16 {
        match self {
            Part::Role(_) => 0,
            Part::Fraud(index) => index + 1,
        }
    }

    pub(crate) fn habit(self, scenario: &Scenario) -> &'static Habit {
        match self {
            Part::Role(index) => habits::of_role(scenario.roles[usize::from(index)].role),
            Part::Fraud(index) => {
                let fraud = &scenario.frauds[usize::from(index)];
                habits::of_fraud(fraud.kind, fraud.variant)
            }
        }
    }
}

/// What each subscriber after the ordinary ones is. Roles and frauds take turns, so that neither moves the other; where
/// there are fewer of one, nobody is in its places.
pub(crate) fn parts(scenario: &Scenario) -> Vec<Option<Part>> {
    let mut parts = vec![None; scenario.extra_subscribers() as usize];
    let mut place = 0;
    for (index, role) in (0..).zip(&scenario.roles) {
        for _ in 0..role.count(scenario.subscribers) {
            parts[place] = Some(Part::Role(index));
            place += 2;
        }
    }
    place = 1;
    for (index, fraud) in (0..).zip(&scenario.frauds) {
        if fraud.kind == FraudKind::Clone {
            continue;
        }
        for _ in 0..fraud.count(scenario.subscribers) {
            parts[place] = Some(Part::Fraud(index));
            place += 2;
        }
    }
    parts
}

/// Everybody who acts.
pub(crate) fn actors(scenario: &Scenario, streams: Streams, parts: &[Option<Part>]) -> Vec<Actor> {
    let ordinary = scenario.subscribers;
    let own = (ordinary..).zip(parts);
    let mut actors: Vec<Actor> =
        own.filter_map(|(subscriber, part)| part.map(|part| Actor { subscriber, part })).collect();
    for (index, fraud) in (0..).zip(&scenario.frauds) {
        if fraud.kind == FraudKind::Clone {
            let root = streams.root(Purpose::Cast, VICTIMS_VARIANT + u32::from(index));
            let order = Permutation::new(root, u64::from(ordinary));
            let victim = |number| order.index_at(u64::from(number)) as u32;
            let part = Part::Fraud(index);
            let clone = |number| Actor { subscriber: victim(number), part };
            actors.extend((0..fraud.count(ordinary)).map(clone));
        }
    }
    actors
}
