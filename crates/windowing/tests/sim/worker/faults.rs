//! What is done to a worker: it is killed, frozen, expelled, refused, and its readers misbehave.

use event_model::EventTime;
use windowing::Input;

use super::super::database::Transaction;
use super::super::faults::Kind;
use super::super::shared::Shared;
use super::super::writer::Writer;
use super::{Rebalance, Worker};

impl Worker {
    /// The process is gone.
    pub(crate) fn kill(&mut self, commit_was_sent: bool, shared: &mut Shared) {
        let (was_writing, in_transaction) = (self.writer.is_some(), self.transaction_holds_rows());
        let has_unstored = self.engine.has_unstored() || was_writing;
        let kind = if in_transaction { Kind::KilledInTransaction } else { Kind::Killed };
        if has_unstored {
            shared.faults.inject(kind);
            for partition in self.readers.keys() {
                shared.expect_at(kind, *partition);
            }
        }
        if let Some(writer) = self.writer.take() {
            writer.kill(commit_was_sent, shared);
        }
        self.has_stopped = true;
    }

    pub(crate) fn freeze(&mut self, shared: &mut Shared) {
        if self.begun(shared).is_some_and(|begun| shared.database.has_turn(begun)) {
            shared.inject_at(Kind::TurnHolderFrozen, 0);
        }
        if self.transaction_holds_rows() {
            shared.faults.inject(Kind::FrozenInTransaction);
            for partition in self.readers.keys() {
                shared.expect_at(Kind::FrozenInTransaction, *partition);
            }
        }
        self.is_zombie = false;
        self.frozen_at = Some(shared.clock);
    }

    pub(crate) fn thaw(&mut self, shared: &mut Shared) {
        if self.frozen_at.take().is_some() && !self.is_zombie {
            shared.faults.inject(Kind::FrozenBriefly);
            self.was_frozen = true;
        }
    }

    /// The group has given its partitions away.
    pub(crate) fn expel(&mut self, shared: &mut Shared) {
        shared.faults.inject(Kind::Frozen);
        self.is_zombie = true;
        self.lose_all();
    }

    pub(crate) fn is_expelled(&self) -> bool {
        self.is_zombie
    }

    /// It learns later that everything is somebody else's.
    pub(crate) fn lose_all(&mut self) {
        self.mailbox.retain(|rebalance| !matches!(rebalance, Rebalance::Assigned(_)));
        let partitions = self.readers.keys().copied().collect();
        self.mailbox.push_back(Rebalance::Lost(partitions));
    }

    /// Its transaction, if the server has not ended it.
    fn begun(&self, shared: &Shared) -> Option<Transaction> {
        let begun = self.writer.as_ref().and_then(Writer::transaction)?;
        shared.database.is_open(begun).then_some(begun)
    }

    /// Since when a frozen process has let its session idle inside a transaction: it does not while it waits for its
    /// turn, and it does when that comes.
    pub(crate) fn session_idle_since(&self, shared: &Shared) -> Option<EventTime> {
        let (frozen_at, begun) = (self.frozen_at?, self.begun(shared)?);
        if shared.database.waits_for_turn(begun) {
            return None;
        }
        Some(shared.database.has_turn_since(begun).map_or(frozen_at, |came| came.max(frozen_at)))
    }

    /// The server ends a session that is idle inside its transaction.
    pub(crate) fn end_idle_session(&mut self, shared: &mut Shared) {
        if let Some(begun) = self.begun(shared) {
            shared.database.rollback(begun);
            for partition in self.readers.keys() {
                shared.observe_once(Kind::FrozenInTransaction, *partition);
            }
        }
    }

    pub(crate) fn silence(&mut self, partition: i32, shared: &mut Shared) {
        let Some(reader) = self.readers.get_mut(&partition) else { return };
        if reader.has_more(shared.log(self.cluster, partition)) {
            reader.is_silent = true;
            shared.inject_at(Kind::FellSilent, partition);
        }
    }

    /// The client is refused a position that may be any partition's.
    pub(crate) fn refuse(&mut self, shared: &mut Shared) {
        if self.frozen_at.is_none() && self.blocked.is_none() && !self.has_stopped {
            shared.faults.inject(Kind::Refused);
            self.is_refused = true;
            self.apply(Input::ResetRefused, shared);
            self.carry_out_effects(shared);
        }
    }

    pub(crate) fn deliver_again(&mut self, partition: i32, records: i64, shared: &mut Shared) {
        let Some(reader) = self.readers.get_mut(&partition) else { return };
        if reader.deliver_again(records, shared.log(self.cluster, partition)) {
            self.at_end.remove(&partition);
            shared.inject_at(Kind::Redelivered, partition);
        }
    }
}
