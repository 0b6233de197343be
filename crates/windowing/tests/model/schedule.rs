//! What happens to the workers, and when: the generated half of a case that is not its logs.
//!
//! Workers and partitions are numbers that are taken modulo how many there are, so that any part of
//! a schedule is a schedule, and shrinks.

use proptest::prelude::*;
use windowing::Bounds;

use crate::logs::{LogPlan, logs};

/// One case: what is in the logs, who reads them, and what happens meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) logs: Vec<LogPlan>,
    pub(crate) workers: usize,
    pub(crate) bounds: Bounds,
    pub(crate) steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The log grows.
    Append { partition: usize, entries: usize },
    /// A reader hands records over, first some that it has handed over before.
    Deliver { worker: usize, partition: usize, records: usize, again: usize },
    /// The flush interval is over.
    FlushDue { worker: usize },
    /// The flush under way takes some steps; the fault hits the first of them that it can hit.
    Flush { worker: usize, actions: usize, fault: Fault },
    /// The flush under way is given up.
    GiveUp { worker: usize },
    /// A stored row is read, or the answer arrives: the two may lie far apart.
    Load { worker: usize },
    /// A partition gets another owner.
    Move { partition: usize, to: usize, farewell: Farewell },
    /// A worker learns which partitions it has lost.
    Wake { worker: usize },
    /// A worker's process is killed and started again.
    Restart { worker: usize },
    /// A reader delivers nothing more, and does not say so.
    Silence { worker: usize, partition: usize },
    /// A reader was refused a position.
    ResetRefused { worker: usize },
    /// Backends whose client has gone come to their end.
    Settle,
    /// Somebody bumps a partition's epoch.
    BumpEpoch { partition: usize },
    /// The database is saved …
    Backup,
    /// … and restored: every connection breaks, and stored positions go back.
    Restore,
}

/// How a flush goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    BeforeLock,
    AfterLock,
    WhileStoring,
    /// COMMIT was carried out, but its answer is lost.
    AppliedAnswerLost,
    /// COMMIT was not carried out.
    CommitLost,
    /// The connection is lost while the backend still holds its locks, and may yet commit.
    InDoubt {
        commits: bool,
    },
    /// The database refuses a value of one part.
    Refused {
        part: usize,
    },
}

impl Fault {
    /// As it is counted among what happened.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::None => "no fault",
            Fault::BeforeLock => "before lock",
            Fault::AfterLock => "after lock",
            Fault::WhileStoring => "while storing",
            Fault::AppliedAnswerLost => "applied, answer lost",
            Fault::CommitLost => "commit lost",
            Fault::InDoubt { commits: true } => "in doubt, commits",
            Fault::InDoubt { commits: false } => "in doubt, rolls back",
            Fault::Refused { .. } => "refused value",
        }
    }
}

/// What the former owner gets to know.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Farewell {
    /// It flushes, then lets go.
    Flushed,
    /// It lets go.
    Abrupt,
    /// Nothing: it goes on as a zombie.
    Zombie,
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let bounds = (1..8_usize, 1..4_000_usize, 1..4_usize, 1..400_usize).prop_map(
        |(groups, subscriber_bytes, dead_letters, dead_letter_bytes)| Bounds {
            groups,
            subscriber_bytes,
            dead_letters,
            dead_letter_bytes,
        },
    );
    (logs(), 1..=3_usize, bounds, prop::collection::vec(step(), 0..160))
        .prop_map(|(logs, workers, bounds, steps)| Case { logs, workers, bounds, steps })
}

fn step() -> impl Strategy<Value = Step> {
    let worker = || 0..3_usize;
    let partition = || 0..4_usize;
    prop_oneof![
        10 => (partition(), 1..12_usize)
            .prop_map(|(partition, entries)| Step::Append { partition, entries }),
        24 => (worker(), partition(), 1..8_usize, 0..3_usize).prop_map(
            |(worker, partition, records, again)| Step::Deliver { worker, partition, records, again }
        ),
        8 => worker().prop_map(|worker| Step::FlushDue { worker }),
        24 => (worker(), 1..4_usize, fault())
            .prop_map(|(worker, actions, fault)| Step::Flush { worker, actions, fault }),
        1 => worker().prop_map(|worker| Step::GiveUp { worker }),
        12 => worker().prop_map(|worker| Step::Load { worker }),
        6 => (partition(), worker(), farewell())
            .prop_map(|(partition, to, farewell)| Step::Move { partition, to, farewell }),
        2 => worker().prop_map(|worker| Step::Wake { worker }),
        3 => worker().prop_map(|worker| Step::Restart { worker }),
        1 => (worker(), partition())
            .prop_map(|(worker, partition)| Step::Silence { worker, partition }),
        1 => worker().prop_map(|worker| Step::ResetRefused { worker }),
        4 => Just(Step::Settle),
        1 => partition().prop_map(|partition| Step::BumpEpoch { partition }),
        1 => Just(Step::Backup),
        1 => Just(Step::Restore),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        1 => Just(Fault::BeforeLock),
        1 => Just(Fault::AfterLock),
        1 => Just(Fault::WhileStoring),
        1 => Just(Fault::AppliedAnswerLost),
        1 => Just(Fault::CommitLost),
        1 => any::<bool>().prop_map(|commits| Fault::InDoubt { commits }),
        1 => (0..4_usize).prop_map(|part| Fault::Refused { part }),
    ]
}

fn farewell() -> impl Strategy<Value = Farewell> {
    prop_oneof![Just(Farewell::Zombie), Just(Farewell::Abrupt), Just(Farewell::Flushed)]
}
