//! Which transactions are open, and who has the turn to write: a lock with a queue, first come first served, that is
//! held to the end of its transaction, as `pg_advisory_xact_lock` is.

use std::collections::{BTreeSet, VecDeque};

use event_model::EventTime;

use super::{Database, Transaction};

#[derive(Default)]
pub(super) struct Sessions {
    begun: Transaction,
    open: BTreeSet<Transaction>,
    /// The first has the turn, the others wait for it.
    turns: VecDeque<Transaction>,
    /// Who had the turn when it was last looked at, and since when.
    holder: Option<(Transaction, EventTime)>,
}

impl Database {
    pub(crate) fn begin(&mut self) -> Transaction {
        self.sessions.begun += 1;
        self.sessions.open.insert(self.sessions.begun);
        self.sessions.begun
    }

    /// Whether it has neither ended nor been ended.
    pub(crate) fn is_open(&self, transaction: Transaction) -> bool {
        self.sessions.open.contains(&transaction)
    }

    /// Waits for the turn as the first thing that a transaction does.
    pub(crate) fn ask_turn(&mut self, transaction: Transaction) {
        let holds_rows = self.locks.values().any(|holder| *holder == transaction);
        assert!(!holds_rows, "whoever holds rows and waits for the turn can wait for ever");
        self.sessions.turns.push_back(transaction);
    }

    pub(crate) fn has_turn(&self, transaction: Transaction) -> bool {
        self.sessions.turns.front() == Some(&transaction)
    }

    /// Whether it waits behind somebody: a session that waits is not idle.
    pub(crate) fn waits_for_turn(&self, transaction: Transaction) -> bool {
        self.sessions.turns.iter().skip(1).any(|waiting| *waiting == transaction)
    }

    /// Looks at who has the turn, so that [`Database::has_turn_since`] knows since when.
    pub(crate) fn watch_turn(&mut self, now: EventTime) {
        let front = self.sessions.turns.front().copied();
        if self.sessions.holder.map(|(holder, _)| holder) != front {
            self.sessions.holder = front.map(|holder| (holder, now));
        }
    }

    /// Since when it has had the turn; `None`: it has not.
    pub(crate) fn has_turn_since(&self, transaction: Transaction) -> Option<EventTime> {
        self.sessions.holder.filter(|(holder, _)| *holder == transaction).map(|(_, since)| since)
    }

    /// The transaction ends without having changed anything, or after its changes were made.
    pub(crate) fn rollback(&mut self, transaction: Transaction) {
        self.locks.retain(|_, holder| *holder != transaction);
        self.sessions.open.remove(&transaction);
        self.sessions.turns.retain(|one| *one != transaction);
    }

    /// Every transaction is gone.
    pub(super) fn end_sessions(&mut self) {
        self.locks.clear();
        self.sessions.open.clear();
        self.sessions.turns.clear();
    }
}
