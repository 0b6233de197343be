//! What actors do in a day: the figures of every role and of every fraud.
//!
//! No operator's: chosen so that each role shares with a fraud what simple rules look at, and that the quieter variants of a
//! fraud come close to a role. docs/generator.md has them as a table.

use crate::scenario::{FraudKind, Role, Variant};

/// Where an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    /// They live like anybody: home, work, outings, journeys.
    Ordinary,
    /// Always at one tower.
    Fixed,
    /// On the move all day, through the streets around their home.
    Roams,
    /// At home, where a second tower far away is heard as well.
    Border,
    /// In another region than the subscriber whose name they bear.
    Far,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Days {
    /// On so many days of each week.
    OfWeek(u32),
    /// On working days.
    Working,
}

/// A day's acts. Numbers of acts are averages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    /// Ordinary activity besides: sessions, conversations, top-ups, 1 on average.
    pub(crate) life: f32,
    pub(crate) stay: Stay,
    pub(crate) days: Days,
    /// From and to, local.
    pub(crate) hours: (f64, f64),
    /// In so many bursts of so many seconds instead of spread over these hours.
    pub(crate) bursts: Option<(u32, f64)>,
    pub(crate) calls_made: f64,
    pub(crate) calls_got: f64,
    /// Of answered calls: median, and standard deviation of the logarithm.
    pub(crate) seconds: (f64, f64),
    /// Share of calls made that nobody answers.
    pub(crate) unanswered: f64,
    /// Share of unanswered or short calls made after which the other side calls back.
    pub(crate) called_back: f64,
    pub(crate) messages_sent: f64,
    pub(crate) messages_got: f64,
    pub(crate) top_ups: f64,
    pub(crate) sessions: f64,
    /// How many different others there are; 0: anybody, another one each time.
    pub(crate) regulars: u32,
}

/// Somebody who does nothing beyond an ordinary life.
const NOTHING: Habit = Habit {
    life: 1.0,
    stay: Stay::Ordinary,
    days: Days::OfWeek(7),
    hours: (9.0, 21.0),
    bursts: None,
    calls_made: 0.0,
    calls_got: 0.0,
    seconds: (60.0, 1.0),
    unanswered: 0.15,
    called_back: 0.0,
    messages_sent: 0.0,
    messages_got: 0.0,
    top_ups: 0.0,
    sessions: 0.0,
    regulars: 0,
};

static CALL_CENTRE: Habit = Habit {
    life: 0.1,
    stay: Stay::Fixed,
    days: Days::Working,
    hours: (9.0, 19.0),
    calls_made: 160.0,
    calls_got: 15.0,
    seconds: (80.0, 0.9),
    unanswered: 0.35,
    called_back: 0.02,
    regulars: 4_000,
    ..NOTHING
};
static DIALLER: Habit = Habit {
    life: 0.05,
    stay: Stay::Fixed,
    days: Days::Working,
    hours: (9.0, 20.0),
    bursts: Some((3, 1_800.0)),
    messages_sent: 350.0,
    messages_got: 12.0,
    regulars: 3_000,
    ..NOTHING
};
static COURIER: Habit = Habit {
    stay: Stay::Roams,
    days: Days::OfWeek(6),
    calls_made: 65.0,
    calls_got: 22.0,
    seconds: (32.0, 0.7),
    unanswered: 0.2,
    called_back: 0.3,
    ..NOTHING
};
static TAXI: Habit = Habit {
    stay: Stay::Roams,
    days: Days::OfWeek(6),
    hours: (6.0, 24.0),
    calls_made: 40.0,
    calls_got: 35.0,
    seconds: (28.0, 0.7),
    unanswered: 0.1,
    ..NOTHING
};
static SHOP: Habit = Habit {
    stay: Stay::Fixed,
    hours: (9.0, 20.0),
    calls_made: 12.0,
    calls_got: 55.0,
    seconds: (55.0, 0.9),
    messages_sent: 15.0,
    messages_got: 10.0,
    regulars: 500,
    ..NOTHING
};
static SCHOOL: Habit = Habit {
    life: 0.3,
    stay: Stay::Fixed,
    days: Days::Working,
    hours: (8.0, 17.0),
    bursts: Some((2, 900.0)),
    calls_made: 10.0,
    calls_got: 15.0,
    messages_sent: 160.0,
    messages_got: 15.0,
    regulars: 320,
    ..NOTHING
};
static TOP_UP_AGENT: Habit = Habit {
    stay: Stay::Fixed,
    hours: (8.0, 22.0),
    calls_got: 8.0,
    top_ups: 28.0,
    regulars: 300,
    ..NOTHING
};
static MACHINE: Habit = Habit {
    life: 0.0,
    stay: Stay::Fixed,
    hours: (0.0, 24.0),
    messages_sent: 6.0,
    sessions: 90.0,
    regulars: 2,
    ..NOTHING
};
static BORDER: Habit = Habit { life: 1.5, stay: Stay::Border, ..NOTHING };

/// What somebody with a role does.
pub(crate) fn of_role(role: Role) -> &'static Habit {
    match role {
        Role::CallCentre => &CALL_CENTRE,
        Role::Dialler => &DIALLER,
        Role::Courier => &COURIER,
        Role::Taxi => &TAXI,
        Role::Shop => &SHOP,
        Role::School => &SCHOOL,
        Role::TopUpAgent => &TOP_UP_AGENT,
        Role::Machine => &MACHINE,
        Role::Border => &BORDER,
    }
}

static SIMBOX_PLAIN: Habit = Habit {
    life: 0.0,
    stay: Stay::Fixed,
    hours: (7.0, 24.0),
    calls_made: 300.0,
    seconds: (110.0, 1.0),
    unanswered: 0.25,
    called_back: 0.01,
    ..NOTHING
};
static SIMBOX_QUIET: Habit = Habit { hours: (9.0, 23.0), calls_made: 80.0, ..SIMBOX_PLAIN };
static SIMBOX_HUMAN: Habit = Habit {
    life: 0.4,
    stay: Stay::Ordinary,
    hours: (9.0, 22.0),
    calls_made: 60.0,
    calls_got: 8.0,
    messages_sent: 3.0,
    messages_got: 3.0,
    ..SIMBOX_PLAIN
};
static FLOOD_PLAIN: Habit = Habit {
    life: 0.0,
    stay: Stay::Fixed,
    days: Days::OfWeek(2),
    bursts: Some((1, 5_400.0)),
    messages_sent: 900.0,
    ..NOTHING
};
static FLOOD_QUIET: Habit =
    Habit { life: 0.1, days: Days::OfWeek(4), bursts: None, messages_sent: 220.0, ..FLOOD_PLAIN };
static FLOOD_HUMAN: Habit = Habit {
    life: 0.7,
    stay: Stay::Ordinary,
    messages_sent: 160.0,
    messages_got: 8.0,
    ..FLOOD_QUIET
};
static WANGIRI_FAST: Habit = Habit {
    life: 0.0,
    stay: Stay::Fixed,
    days: Days::OfWeek(2),
    bursts: Some((2, 3_600.0)),
    calls_made: 600.0,
    seconds: (2.0, 0.3),
    unanswered: 0.7,
    called_back: 0.04,
    ..NOTHING
};
static WANGIRI_SLOW: Habit =
    Habit { life: 0.1, days: Days::OfWeek(4), bursts: None, calls_made: 110.0, ..WANGIRI_FAST };
static WANGIRI_HUMAN: Habit =
    Habit { life: 0.7, stay: Stay::Ordinary, calls_made: 80.0, ..WANGIRI_SLOW };
static CLONE_PLAIN: Habit = Habit {
    stay: Stay::Far,
    calls_made: 18.0,
    seconds: (80.0, 1.0),
    messages_sent: 6.0,
    sessions: 6.0,
    ..NOTHING
};
static CLONE_QUIET: Habit =
    Habit { calls_made: 5.0, messages_sent: 2.0, sessions: 2.0, ..CLONE_PLAIN };
static CLONE_HUMAN: Habit = Habit { calls_made: 9.0, calls_got: 2.0, sessions: 8.0, ..CLONE_PLAIN };
static RECHARGE_PLAIN: Habit = Habit {
    life: 0.3,
    days: Days::OfWeek(3),
    bursts: Some((1, 3_000.0)),
    top_ups: 14.0,
    ..NOTHING
};
static RECHARGE_QUIET: Habit =
    Habit { bursts: Some((1, 18_000.0)), top_ups: 10.0, ..RECHARGE_PLAIN };
static RECHARGE_HUMAN: Habit = Habit { life: 1.0, bursts: None, top_ups: 8.0, ..RECHARGE_PLAIN };

/// What somebody who defrauds does.
pub(crate) fn of_fraud(kind: FraudKind, variant: Variant) -> &'static Habit {
    let [plain, quiet, human] = match kind {
        FraudKind::Simbox => [&SIMBOX_PLAIN, &SIMBOX_QUIET, &SIMBOX_HUMAN],
        FraudKind::SmsFlood => [&FLOOD_PLAIN, &FLOOD_QUIET, &FLOOD_HUMAN],
        FraudKind::Wangiri => [&WANGIRI_FAST, &WANGIRI_SLOW, &WANGIRI_HUMAN],
        FraudKind::Clone => [&CLONE_PLAIN, &CLONE_QUIET, &CLONE_HUMAN],
        FraudKind::Recharge => [&RECHARGE_PLAIN, &RECHARGE_QUIET, &RECHARGE_HUMAN],
    };
    match variant {
        Variant::Plain => plain,
        Variant::Quiet => quiet,
        Variant::HumanLike => human,
    }
}
