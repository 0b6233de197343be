//! What happens, and when: drawn from a seed, one step after the other.
//!
//! Workers and partitions are numbers that are taken modulo how many there are, so that any part of
//! a schedule is a schedule: a failing one is made smaller by leaving steps out.

use std::time::Duration;

use windowing::{Bounds, Limit, ResumeAt, Size};

use super::dice::Dice;
use super::faults::Kind;
use super::logs::{FIRST_ABOVE_COPIES, MARKS_BELOW_COPIES};
use super::worker::Options;

/// Faults that hit a flush.
const FLUSH_FAULTS: [Kind; 11] = [
    Kind::WhileWaiting,
    Kind::BeforeLock,
    Kind::AfterLock,
    Kind::WhileStoring,
    Kind::CommitLost,
    Kind::AnswerLost,
    Kind::InDoubtCommits,
    Kind::InDoubtRollsBack,
    Kind::ValueRefused,
    Kind::TooSlow,
    Kind::TooSlowInDoubt,
];

/// What a seed's world looks like before anything happens.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    /// The first offset of each partition.
    pub(crate) firsts: Vec<i64>,
    pub(crate) is_compacted: bool,
    /// Whether transactions that are open in the end stay open for long.
    pub(crate) transactions_hang: bool,
    /// Whether another cluster has copies of the logs. Then these are left as they were written.
    pub(crate) is_mirrored: bool,
    /// Whether a release begins that says nothing of clusters.
    pub(crate) knows_no_cluster: bool,
    /// Marks at the beginning of each mirror: none where its offsets lie below those of home.
    pub(crate) marks_before_copies: usize,
    pub(crate) workers: Vec<Options>,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The log grows.
    Append {
        partition: usize,
        entries: usize,
    },
    /// The log grows by records of a transaction: of the one that is open, or of a new one.
    Transact {
        partition: usize,
        entries: usize,
    },
    /// The transaction that is open ends.
    EndTransaction {
        partition: usize,
        commits: bool,
    },
    /// A worker's loop goes round once. `slowly`: a load takes until the next time.
    Turn {
        worker: usize,
        records: usize,
        slowly: bool,
    },
    /// A worker's writer takes some steps; the fault hits the first of them that it can hit.
    Write {
        worker: usize,
        steps: usize,
        fault: Option<Kind>,
    },
    /// Time passes.
    Wait {
        millis: i64,
    },
    Rebalance {
        partition: usize,
        to: usize,
    },
    /// A worker's process is killed. If COMMIT was sent, it may yet be carried out.
    Kill {
        worker: usize,
        commit_was_sent: bool,
    },
    /// A worker is asked to stop.
    Stop {
        worker: usize,
    },
    /// A worker that is gone starts again.
    Start {
        worker: usize,
    },
    Freeze {
        worker: usize,
    },
    /// The group takes a frozen worker for dead.
    Expel {
        worker: usize,
    },
    Thaw {
        worker: usize,
    },
    /// Another group begins to write into the database, or ends.
    Rival,
    /// Records are copied to the other cluster.
    Copy {
        partition: usize,
        records: usize,
    },
    /// An operator looks where the topic would go on in its mirror.
    FindPlaces {
        source_is_gone: bool,
    },
    /// … and moves it there, if nothing has changed.
    Move,
    /// A streamer is started at the other cluster.
    Stray {
        options: usize,
    },
    /// Whatever was written so far was written by a release that knows of no clusters, and its streamers end. `is_quiet`: what was
    /// counted is gone from the logs.
    Upgrade {
        is_quiet: bool,
    },
    DatabaseAway {
        millis: i64,
    },
    /// A stranger takes the turn to write, and keeps it for as long, several times.
    HoldTurn {
        millis: i64,
    },
    DatabaseCrash,
    Backup,
    Rewind,
    ChangeSettings,
    ChangeRules,
    /// Backends whose client has gone come to their end.
    Settle,
    BrokersAway {
        millis: i64,
    },
    RegistryAway {
        millis: i64,
    },
    AddPartition,
    /// The oldest records are deleted, up to so many after the stored position.
    Retain {
        partition: usize,
        beyond: i64,
    },
    /// The log is cut so far before the stored position, and written on.
    Truncate {
        partition: usize,
        before: i64,
        refill: usize,
    },
    Recreate {
        refill: usize,
    },
    Compact {
        partition: usize,
        salt: u32,
    },
    Silence {
        worker: usize,
        partition: usize,
    },
    Refuse {
        worker: usize,
    },
    DeliverAgain {
        worker: usize,
        partition: usize,
        records: i64,
    },
    /// An operator accepts what is lost.
    AcceptGap {
        partition: usize,
        choice: u32,
    },
    LoseGapAnswer,
}

/// What an operator answers when nothing tells where to go on.
pub(crate) fn start_from(choice: u32) -> ResumeAt {
    match choice % 3 {
        0 => ResumeAt::Earliest,
        1 => ResumeAt::Latest,
        _ => ResumeAt::Offset(i64::from(choice / 3)),
    }
}

impl Setting {
    pub(crate) fn draw(seed: u64, dice: &mut Dice) -> Self {
        let partitions = 1 + dice.index(4);
        let workers = 1 + dice.index(3);
        let is_mirrored = dice.one_in(3);
        let lies_below = is_mirrored && dice.one_in(2);
        let first = if lies_below { FIRST_ABOVE_COPIES } else { 0 };
        Setting {
            seed,
            firsts: (0..partitions).map(|_| first + dice.within(0, 3)).collect(),
            is_compacted: dice.one_in(5) && !is_mirrored,
            transactions_hang: dice.one_in(8),
            is_mirrored,
            knows_no_cluster: is_mirrored && dice.one_in(3),
            marks_before_copies: if lies_below { 0 } else { MARKS_BELOW_COPIES },
            workers: (0..workers).map(|_| draw_options(dice, is_mirrored)).collect(),
        }
    }
}

fn draw_options(dice: &mut Dice, is_mirrored: bool) -> Options {
    // With room a batch that waits for its turn is not forced out by its size.
    let has_room = dice.one_in(3);
    let groups = if has_room { 200 } else { 1 + dice.index(12) };
    Options {
        bounds: Bounds::NONE
            .with(Limit::Groups, Size::items(groups))
            .with(Limit::Alerts, Size::items(1 + dice.index(6)))
            .with(Limit::Subscribers, Size::bytes(1 + dice.index(4_000)))
            .with(
                Limit::DeadLetters,
                Size { items: 1 + dice.index(4), bytes: 1 + dice.index(400) },
            ),
        flush_interval: Duration::from_millis(dice.pick(&[500, 1_000, 2_000, 4_000])),
        is_jittered: dice.one_in(2),
        rule_bytes: if dice.one_in(4) { 300 + dice.index(600) } else { usize::MAX },
        // Such a one knows of no clusters.
        is_older: dice.one_in(8) && !is_mirrored,
    }
}

impl Step {
    /// The next step of a schedule.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let worker = dice.index(6);
        let partition = dice.index(6);
        match dice.weighted(&[30, 60, 50, 14, 46, 4, 6, 20]) {
            0 => Step::Append { partition, entries: 1 + dice.index(6) },
            1 => Step::Turn { worker, records: 1 + dice.index(8), slowly: dice.one_in(6) },
            2 => {
                let fault = dice.one_in(3).then(|| dice.pick(&FLUSH_FAULTS));
                Step::Write { worker, steps: 1 + dice.index(4), fault }
            }
            3 => Step::Wait { millis: dice.pick(&[50, 200, 1_000, 2_500, 6_000]) },
            4 => Step::draw_fault(worker, partition, dice),
            5 => Step::Transact { partition, entries: 1 + dice.index(4) },
            6 => Step::EndTransaction { partition, commits: dice.one_in(2) },
            _ => Step::Copy { partition, records: 1 + dice.index(6) },
        }
    }

    fn draw_fault(worker: usize, partition: usize, dice: &mut Dice) -> Self {
        let millis = dice.pick(&[300, 2_000, 9_000]);
        match dice.weighted(&[
            6, 4, 1, 6, 3, 3, 4, 2, 3, 1, 3, 2, 3, 4, 3, 1, 3, 2, 2, 2, 4, 2, 4, 4, 2, 4, 1, 3, 5,
            18, 14, 3,
        ]) {
            0 => Step::Rebalance { partition, to: dice.index(6) },
            1 => Step::Kill { worker, commit_was_sent: dice.one_in(2) },
            2 => Step::Stop { worker },
            3 => Step::Start { worker },
            4 => Step::Freeze { worker },
            5 => Step::Expel { worker },
            6 => Step::Thaw { worker },
            7 => Step::Rival,
            8 => Step::DatabaseAway { millis },
            9 => Step::DatabaseCrash,
            10 => Step::Backup,
            11 => Step::Rewind,
            12 => Step::ChangeSettings,
            13 => Step::Settle,
            14 => Step::BrokersAway { millis },
            15 => Step::AddPartition,
            16 => Step::Retain { partition, beyond: dice.within(-4, 3) },
            17 => Step::Truncate { partition, before: dice.within(1, 12), refill: dice.index(16) },
            18 => Step::Recreate { refill: dice.index(24) },
            19 => Step::Compact { partition, salt: dice.below(1_000) },
            20 => Step::Silence { worker, partition },
            21 => Step::Refuse { worker },
            22 => Step::DeliverAgain { worker, partition, records: dice.within(1, 3) },
            23 => Step::AcceptGap { partition, choice: dice.below(90) },
            24 => Step::ChangeRules,
            // Some for longer than a writer has patience.
            25 => Step::HoldTurn { millis: dice.pick(&[300, 4_000, 9_000]) },
            26 => Step::LoseGapAnswer,
            27 => Step::RegistryAway { millis },
            28 => Step::Stray { options: dice.index(6) },
            29 => Step::FindPlaces { source_is_gone: dice.one_in(2) },
            30 => Step::Move,
            _ => Step::Upgrade { is_quiet: dice.one_in(4) },
        }
    }
}
