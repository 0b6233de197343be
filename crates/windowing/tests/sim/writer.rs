//! A worker's writer: carries out one flush with the real [`FlushProtocol`], step by step, so that
//! anything may happen in between.

use std::collections::BTreeMap;

use windowing::{
    FlushAction, FlushAnswer, FlushBatch, FlushPart, FlushProtocol, FlushReport, PartOutcome,
};

use super::database::{Parts, Tape, Transaction};
use super::faults::Kind;
use super::shared::Shared;
use super::tables::Life;

/// What the database says when it refuses a value.
pub(crate) const REFUSAL: &str = "a user's constraint";

/// A flush of at most so many rows is tried again as it is when it takes too long.
const SMALL_FLUSH_ROWS: usize = 6;

/// The flush under way.
pub(crate) struct Writer {
    group: &'static str,
    is_older: bool,
    /// Where each part's records were read from.
    tapes: BTreeMap<i32, Tape>,
    stage: Stage,
    /// Hit the attempt before this one.
    last_fault: Option<Kind>,
}

enum Stage {
    /// The ends of the logs have yet to be asked for.
    Cut(FlushBatch),
    Running {
        protocol: FlushProtocol,
        action: FlushAction,
        /// Open between locking and storing.
        transaction: Option<Transaction>,
    },
}

/// What came of one step.
pub(crate) enum Step {
    Done(FlushReport),
    Went,
    /// Nothing could be done: the database is away, or somebody holds a lock.
    Waits,
}

impl Writer {
    pub(crate) fn new(
        group: &'static str,
        is_older: bool,
        batch: FlushBatch,
        tapes: BTreeMap<i32, Tape>,
    ) -> Self {
        Writer { group, is_older, tapes, stage: Stage::Cut(batch), last_fault: None }
    }

    /// The transaction that is open.
    pub(crate) fn transaction(&self) -> Option<Transaction> {
        match &self.stage {
            Stage::Running { transaction, .. } => *transaction,
            Stage::Cut(_) => None,
        }
    }

    /// Takes one step; a fault that can hit it is taken out of `fault`.
    pub(crate) fn step(
        mut self,
        fault: &mut Option<Kind>,
        shared: &mut Shared,
    ) -> (Option<Self>, Step) {
        let Stage::Running { action, .. } = &self.stage else {
            self.ask_log_ends(shared);
            return (Some(self), Step::Went);
        };
        let went = match action {
            FlushAction::LockPositions => self.lock(fault, shared),
            FlushAction::StoreAndCommit => self.store_and_commit(fault, shared),
            FlushAction::Done => return (None, Step::Done(self.into_report())),
        };
        (Some(self), if went { Step::Went } else { Step::Waits })
    }

    /// Whether it was committed is left open.
    pub(crate) fn give_up(self, shared: &mut Shared) -> FlushReport {
        if let Some(transaction) = self.transaction() {
            shared.database.rollback(transaction);
        }
        self.into_report()
    }

    /// The process is killed. If COMMIT was sent, it may yet be carried out.
    pub(crate) fn kill(mut self, commit_was_sent: bool, shared: &mut Shared) {
        let begun = self.transaction().filter(|begun| shared.database.holds_locks(*begun));
        let Some(transaction) = begun else { return };
        let parts = commit_was_sent.then(|| self.matching());
        let group = self.group;
        if parts.is_some() {
            shared.database.orphan(transaction, group, parts);
        } else {
            shared.database.rollback(transaction);
        }
    }

    fn into_report(self) -> FlushReport {
        match self.stage {
            Stage::Running { protocol, .. } => protocol.into_report(),
            Stage::Cut(batch) => FlushProtocol::new(batch, Vec::new()).into_report(),
        }
    }

    fn ask_log_ends(&mut self, shared: &mut Shared) {
        let Stage::Cut(batch) = &mut self.stage else { return };
        let batch = std::mem::take(batch);
        let ends = batch.parts.iter().filter_map(|part| {
            shared.ask_log_ends(part.partition).map(|ends| (part.partition, ends))
        });
        let ends = ends.collect();
        let protocol = FlushProtocol::new(batch, ends).small_up_to(SMALL_FLUSH_ROWS);
        let action = protocol.start();
        self.stage = Stage::Running { protocol, action, transaction: None };
    }

    fn fail(&mut self) {
        if let Stage::Running { protocol, action, transaction } = &mut self.stage {
            *transaction = None;
            *action = protocol.next(FlushAnswer::Failed);
        }
    }

    fn lock(&mut self, fault: &mut Option<Kind>, shared: &mut Shared) -> bool {
        if !shared.database_answers() {
            return false;
        }
        if self.is_hit(Kind::BeforeLock, fault, shared) {
            self.fail();
            return true;
        }
        let Stage::Running { protocol, .. } = &mut self.stage else { return false };
        let lives: Vec<Life> =
            protocol.pending().map(|part| (part.partition, part.stored.generation)).collect();
        let Some((begun, rows)) = shared.database.lock(&lives) else {
            shared.meet("waited for a lock");
            for life in lives {
                shared.observe_at(Kind::FrozenInTransaction, life.0);
            }
            return false;
        };
        if self.is_hit(Kind::AfterLock, fault, shared) {
            shared.database.rollback(begun);
            self.fail();
            return true;
        }
        let Stage::Running { protocol, action, transaction } = &mut self.stage else {
            return false;
        };
        *action = protocol.next(FlushAnswer::Locked(rows));
        let matching = protocol.matching().count();
        if *action == FlushAction::StoreAndCommit {
            *transaction = Some(begun);
        } else {
            shared.database.rollback(begun);
        }
        self.see_effect_of_last_fault(matching, lives.len(), shared);
        true
    }

    /// After a fault the comparison finds out whether the attempt before was stored.
    fn see_effect_of_last_fault(&mut self, matching: usize, pending: usize, shared: &mut Shared) {
        let Some(kind) = self.last_fault.take() else { return };
        let was_stored = matches!(kind, Kind::AnswerLost | Kind::InDoubtCommits);
        let shows = if was_stored { matching < pending } else { matching > 0 };
        if shows {
            shared.faults.observe(kind);
        }
    }

    fn matching(&mut self) -> Parts {
        let Stage::Running { protocol, .. } = &self.stage else { return Vec::new() };
        let with_tape = |part: &FlushPart| {
            let (from, to) = (part.stored.next.offset(), part.new.next.offset());
            let tape = self.tapes.get(&part.partition).map_or(&[][..], Vec::as_slice);
            let stretch = tape.iter().map(|&(a, b, version)| (a.max(from), b.min(to), version));
            let mut part = part.clone();
            if self.is_older {
                part.delta.log_marks.clear();
            }
            (part, stretch.filter(|(a, b, _)| a < b).collect())
        };
        protocol.matching().map(|(_, part)| with_tape(part)).collect()
    }

    fn store_and_commit(&mut self, fault: &mut Option<Kind>, shared: &mut Shared) -> bool {
        let begun = self.transaction().expect("rows are locked before they are stored");
        // The session may have ended while the process was frozen, or the server.
        if !shared.database.holds_locks(begun) {
            self.fail();
            return true;
        }
        let (group, parts) = (self.group, self.matching());
        let hit = fault.take_if(|kind| {
            matches!(
                kind,
                Kind::WhileStoring
                    | Kind::CommitLost
                    | Kind::AnswerLost
                    | Kind::InDoubtCommits
                    | Kind::InDoubtRollsBack
                    | Kind::ValueRefused
                    | Kind::TooSlow
                    | Kind::TooSlowInDoubt
            )
        });
        match hit {
            None | Some(Kind::AnswerLost) => {
                shared.database.commit(begun, group, &parts, &shared.logs);
            }
            Some(Kind::InDoubtCommits | Kind::TooSlowInDoubt) => {
                shared.database.orphan(begun, group, Some(parts))
            }
            Some(Kind::InDoubtRollsBack) => shared.database.orphan(begun, group, None),
            Some(_) => shared.database.rollback(begun),
        }
        let Stage::Running { protocol, action, transaction } = &mut self.stage else {
            return false;
        };
        *transaction = None;
        let answer = match hit {
            None => FlushAnswer::Committed,
            Some(Kind::ValueRefused) => {
                let (index, part) = protocol.matching().next().expect("there is one");
                shared.inject_at(Kind::ValueRefused, part.partition);
                FlushAnswer::Refused(vec![(index, REFUSAL.to_owned())])
            }
            Some(kind @ (Kind::TooSlow | Kind::TooSlowInDoubt)) => {
                shared.faults.inject(kind);
                protocol.matching().for_each(|(_, part)| shared.expect_at(kind, part.partition));
                FlushAnswer::TimedOut
            }
            Some(kind) => {
                shared.faults.inject(kind);
                self.last_fault = Some(kind);
                FlushAnswer::Failed
            }
        };
        *action = protocol.next(answer);
        true
    }

    fn is_hit(&mut self, kind: Kind, fault: &mut Option<Kind>, shared: &mut Shared) -> bool {
        let is_hit = *fault == Some(kind);
        if is_hit {
            *fault = None;
            shared.faults.inject(kind);
            self.last_fault = Some(kind);
        }
        is_hit
    }
}

/// As it is counted among what happened.
pub(crate) fn outcome_name(outcome: &PartOutcome) -> &'static str {
    match outcome {
        PartOutcome::Unneeded => "unneeded",
        PartOutcome::Committed => "committed",
        PartOutcome::Fenced => "fenced",
        PartOutcome::TooLarge => "too large",
        PartOutcome::Refused(_) => "refused",
    }
}
