//! A worker's writer: carries out one flush with the real [`FlushProtocol`], step by step, so that
//! anything may happen in between.

use std::collections::BTreeMap;
use std::time::Duration;

use event_model::EventTime;
use windowing::{
    FlushAction, FlushAnswer, FlushBatch, FlushPart, FlushProtocol, FlushReport, PartOutcome,
};

use super::database::{Identity, Parts, Tape, Transaction};
use super::faults::Kind;
use super::shared::Shared;
use super::tables::Life;

/// What the database says when it refuses a value.
pub(crate) const REFUSAL: &str = "a user's constraint";

/// A flush of at most so many rows is tried again as it is when it takes too long.
const SMALL_FLUSH_ROWS: usize = 6;

/// A flush goes ahead without its turn after so long: before the server ends the session of one who sits on it,
/// so that both happen.
const TURN_PATIENCE_MICROS: i64 = 3_000_000;
/// A turn is given back when no batch comes for so long.
const TURN_UNUSED_MAX_MICROS: i64 = 1_000_000;

/// The flush under way, or the wait for its turn.
pub(crate) struct Writer {
    identity: Identity,
    is_older: bool,
    /// Where each part's records were read from.
    tapes: BTreeMap<i32, Tape>,
    stage: Stage,
    /// Open from asking for the turn, or from locking, to its end.
    transaction: Option<Transaction>,
    turn: Turn,
    waited: Duration,
    /// Hit the attempt before this one.
    last_fault: Option<Kind>,
}

/// How it stands with the turn.
#[derive(Clone, Copy)]
enum Turn {
    /// To be asked for by the next attempt.
    Wanted,
    Asked {
        since: EventTime,
    },
    Came {
        since: EventTime,
    },
    /// It is not waited for, or no longer.
    Without,
}

enum Stage {
    /// A batch is to be cut when the turn comes.
    Uncut,
    /// The turn has come, the batch has not.
    BatchWanted,
    /// The ends of the logs have yet to be asked for.
    Cut(FlushBatch),
    Running {
        protocol: FlushProtocol,
        action: FlushAction,
    },
}

/// What came of one step.
pub(crate) enum Step {
    Done(FlushReport),
    /// The turn has come, or is not waited for any longer.
    TurnCame,
    Went,
    /// Nothing could be done: the database is away, or somebody holds a lock.
    Waits,
}

impl Writer {
    /// Without a batch it asks for its turn first.
    pub(crate) fn new(identity: Identity, is_older: bool, batch: Option<FlushBatch>) -> Self {
        let turn = if is_older { Turn::Without } else { Turn::Wanted };
        Writer {
            identity,
            is_older,
            tapes: BTreeMap::new(),
            stage: batch.map_or(Stage::Uncut, Stage::Cut),
            transaction: None,
            turn,
            waited: Duration::ZERO,
            last_fault: None,
        }
    }

    /// Takes the batch that is to be stored: its turn has come, or it could not wait for that.
    pub(crate) fn take(&mut self, batch: FlushBatch, shared: &mut Shared) {
        shared.meet(match self.turn {
            Turn::Came { .. } => "cut after its turn had come",
            Turn::Without => "cut without its turn",
            Turn::Wanted | Turn::Asked { .. } => "cut while its turn was waited for",
        });
        self.stage = Stage::Cut(batch);
    }

    pub(crate) fn read_from(&mut self, tapes: BTreeMap<i32, Tape>) {
        self.tapes = tapes;
    }

    /// Whether it waits for a batch.
    pub(crate) fn is_uncut(&self) -> bool {
        matches!(self.stage, Stage::Uncut | Stage::BatchWanted)
    }

    /// The transaction that is open, as far as it knows.
    pub(crate) fn transaction(&self) -> Option<Transaction> {
        self.transaction
    }

    /// Whether rows are locked, and nothing is stored yet.
    pub(crate) fn holds_rows(&self) -> bool {
        matches!(self.stage, Stage::Running { action: FlushAction::StoreAndCommit, .. })
    }

    /// Takes one step; a fault that can hit it is taken out of `fault`. In haste it does not wait for its turn.
    pub(crate) fn step(
        mut self,
        fault: &mut Option<Kind>,
        is_in_haste: bool,
        shared: &mut Shared,
    ) -> (Option<Self>, Step) {
        let went = match &self.stage {
            Stage::Uncut => {
                if !self.take_turn(fault, is_in_haste, shared) {
                    return (Some(self), Step::Waits);
                }
                self.stage = Stage::BatchWanted;
                return (Some(self), Step::TurnCame);
            }
            Stage::BatchWanted => self.give_back_unused(shared),
            Stage::Cut(_) => {
                self.ask_log_ends(shared);
                true
            }
            Stage::Running { action, .. } => match action {
                FlushAction::LockPositions => {
                    self.take_turn(fault, is_in_haste, shared) && self.lock(fault, shared)
                }
                FlushAction::StoreAndCommit => self.store_and_commit(fault, shared),
                FlushAction::Done => {
                    self.end_transaction(shared);
                    return (None, Step::Done(self.into_report()));
                }
            },
        };
        (Some(self), if went { Step::Went } else { Step::Waits })
    }

    /// Begins a transaction and waits in it for the turn; `false`: it has yet to come. A transaction whose session
    /// has ended meanwhile is found out when it is used.
    fn take_turn(
        &mut self,
        fault: &mut Option<Kind>,
        is_in_haste: bool,
        shared: &mut Shared,
    ) -> bool {
        if matches!(self.turn, Turn::Came { .. } | Turn::Without) && self.transaction.is_some() {
            return true;
        }
        if !shared.database_answers() {
            return false;
        }
        let transaction = *self.transaction.get_or_insert_with(|| shared.database.begin());
        if matches!(self.turn, Turn::Wanted) {
            shared.database.ask_turn(transaction);
            self.turn = Turn::Asked { since: shared.clock };
        }
        let Turn::Asked { since } = self.turn else { return true };
        if self.is_hit(Kind::WhileWaiting, fault, shared) || !shared.database.is_open(transaction) {
            // The connection is lost; the next attempt asks again.
            self.end_transaction(shared);
            self.turn = Turn::Wanted;
            return false;
        }
        let waited_micros = shared.clock.micros() - since.micros();
        self.waited = Duration::from_micros(waited_micros.unsigned_abs());
        if shared.database.has_turn(transaction) {
            if waited_micros > 0 {
                shared.meet("waited for its turn");
                shared.observe_once(Kind::TurnHolderKilled, 0);
                shared.observe_once(Kind::TurnHolderFrozen, 0);
            }
            self.turn = Turn::Came { since: shared.clock };
            return true;
        }
        if !is_in_haste && waited_micros < TURN_PATIENCE_MICROS {
            return false;
        }
        shared.meet(if is_in_haste { "left without its turn" } else { "went without its turn" });
        shared.observe_once(Kind::TurnHeld, 0);
        shared.observe_once(Kind::TurnHolderFrozen, 0);
        self.end_transaction(shared);
        self.transaction = Some(shared.database.begin());
        self.turn = Turn::Without;
        true
    }

    /// A turn for which no batch comes is given back; the batch asks again.
    fn give_back_unused(&mut self, shared: &mut Shared) -> bool {
        let Turn::Came { since } = self.turn else { return false };
        if shared.clock.micros() - since.micros() < TURN_UNUSED_MAX_MICROS {
            return false;
        }
        shared.meet("gave an unused turn back");
        self.end_transaction(shared);
        self.turn = Turn::Wanted;
        true
    }

    fn end_transaction(&mut self, shared: &mut Shared) {
        if let Some(transaction) = self.transaction.take() {
            shared.database.rollback(transaction);
        }
    }

    /// Whether it was committed is left open.
    pub(crate) fn give_up(mut self, shared: &mut Shared) {
        self.end_transaction(shared);
    }

    /// The process is killed. If COMMIT was sent, it may yet be carried out.
    pub(crate) fn kill(mut self, commit_was_sent: bool, shared: &mut Shared) {
        let begun = self.transaction.filter(|begun| shared.database.is_open(*begun));
        let Some(transaction) = begun else { return };
        if shared.database.has_turn(transaction) {
            shared.inject_at(Kind::TurnHolderKilled, 0);
        }
        if commit_was_sent && self.holds_rows() {
            let (identity, parts) = (self.identity, self.matching());
            shared.database.orphan(transaction, identity, Some(parts));
        } else {
            shared.database.rollback(transaction);
        }
    }

    fn into_report(self) -> FlushReport {
        let report = match self.stage {
            Stage::Running { protocol, .. } => protocol.into_report(),
            Stage::Cut(batch) => FlushProtocol::new(batch, Vec::new()).into_report(),
            Stage::Uncut | Stage::BatchWanted => FlushReport::default(),
        };
        FlushReport { waited: self.waited, ..report }
    }

    fn ask_log_ends(&mut self, shared: &mut Shared) {
        let Stage::Cut(batch) = &mut self.stage else { return };
        let batch = std::mem::take(batch);
        let ends = batch.parts.iter().filter_map(|part| {
            shared
                .ask_log_ends(self.identity.cluster, part.partition)
                .map(|ends| (part.partition, ends))
        });
        let ends = ends.collect();
        let protocol = FlushProtocol::new(batch, ends).small_up_to(SMALL_FLUSH_ROWS);
        let action = protocol.start();
        self.stage = Stage::Running { protocol, action };
    }

    /// The attempt has failed: the next one begins with its turn.
    fn fail(&mut self, shared: &mut Shared) {
        self.end_transaction(shared);
        self.begin_again();
        if let Stage::Running { protocol, action } = &mut self.stage {
            *action = protocol.next(FlushAnswer::Failed);
        }
    }

    fn begin_again(&mut self) {
        self.transaction = None;
        if !self.is_older {
            self.turn = Turn::Wanted;
        }
    }

    fn lock(&mut self, fault: &mut Option<Kind>, shared: &mut Shared) -> bool {
        let begun = self.transaction.expect("it was begun before");
        if !shared.database_answers() {
            return false;
        }
        // The session may have ended while the process was frozen or the batch was waited for, or the server.
        if self.is_hit(Kind::BeforeLock, fault, shared) || !shared.database.is_open(begun) {
            self.fail(shared);
            return true;
        }
        let Stage::Running { protocol, .. } = &mut self.stage else { return false };
        let lives: Vec<Life> =
            protocol.pending().map(|part| (part.partition, part.stored.generation)).collect();
        let Some(rows) = shared.database.lock(begun, &lives, self.identity.cluster) else {
            shared.meet("waited for a lock");
            for life in lives {
                shared.observe_at(Kind::FrozenInTransaction, life.0);
            }
            return false;
        };
        if self.is_hit(Kind::AfterLock, fault, shared) {
            self.fail(shared);
            return true;
        }
        let Stage::Running { protocol, action } = &mut self.stage else { return false };
        *action = protocol.next(FlushAnswer::Locked(rows));
        let matching = protocol.matching().count();
        if *action != FlushAction::StoreAndCommit {
            self.end_transaction(shared);
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
        let begun = self.transaction.expect("rows are locked before they are stored");
        // The session may have ended while the process was frozen, or the server.
        if !shared.database.is_open(begun) {
            self.fail(shared);
            return true;
        }
        let (identity, parts) = (self.identity, self.matching());
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
                shared.database.commit(begun, identity, &parts, &shared.logs);
            }
            Some(Kind::InDoubtCommits | Kind::TooSlowInDoubt) => {
                shared.database.orphan(begun, identity, Some(parts))
            }
            Some(Kind::InDoubtRollsBack) => shared.database.orphan(begun, identity, None),
            Some(_) => shared.database.rollback(begun),
        }
        self.begin_again();
        let Stage::Running { protocol, action } = &mut self.stage else { return false };
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
