//! What somebody means to do, before it is known whether the lines are free.

use crate::curve::RateCurve;
use crate::lives::Fates;
use crate::people::People;
use crate::random::Streams;
use crate::scenario::{Lives, Scenario};
use crate::today::Today;

/// A call or message that somebody means to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attempt {
    /// In microseconds since 1970.
    pub(crate) start: i64,
    /// Which part of the world it belongs to.
    pub(crate) layer: Layer,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) what: What,
    /// Which of the two it is that has a role or defrauds, where there is one.
    pub(crate) actor: u32,
    /// Which of the scenario's frauds it belongs to, from 1 on; 0: to none.
    pub(crate) case: u16,
    /// A part takes it away: it still takes the line, so that no other call changes.
    pub(crate) is_phantom: bool,
}

/// Parts of the world, those first that yield to none: whatever belongs to a later one finds the lines busy that the earlier
/// ones take, and is cut short by them. So switching it off changes nothing of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Ordinary,
    /// More than usual.
    Weather,
    Role,
    Fraud,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// So many seconds, if the line is free; `is_answered`: somebody picks up then.
    Call {
        seconds: u32,
        is_answered: bool,
    },
    Sms,
    TopUp {
        tenge: u32,
    },
    Session {
        seconds: u32,
    },
}

/// What all parts need to know of the world.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) people: &'a People,
    pub(crate) streams: Streams,
    pub(crate) curve: RateCurve,
    pub(crate) today: &'a Today,
}

impl<'a> Around<'a> {
    pub(crate) fn fates(&self, lives: &'a Lives) -> Fates<'a> {
        Fates { lives, streams: self.streams, today: self.today }
    }
}
