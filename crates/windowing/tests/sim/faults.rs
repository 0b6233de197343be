//! Which faults there are, and how often each was injected, and was seen to have an effect on the
//! code under test: a fault that nobody notices proves nothing.

use std::fmt;

macro_rules! kinds {
    ($($kind:ident: $name:literal, $effect:literal;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind,)* }

        impl Kind {
            pub(crate) const ALL: &[Kind] = &[$(Kind::$kind,)*];

            /// What is done, and what shows that it had an effect.
            pub(crate) fn texts(self) -> (&'static str, &'static str) {
                match self { $(Kind::$kind => ($name, $effect),)* }
            }
        }
    };
}

kinds! {
    WhileWaiting: "connection lost while the turn is waited for", "stored by a later attempt";
    BeforeLock: "connection lost before the lock", "stored by a later attempt";
    AfterLock: "connection lost after the lock", "stored by a later attempt";
    WhileStoring: "connection lost while storing", "stored by a later attempt";
    CommitLost: "COMMIT lost on its way", "stored by a later attempt";
    AnswerLost: "answer to COMMIT lost", "found stored by the next comparison";
    InDoubtCommits: "COMMIT lands after the client has gone", "found stored by the next comparison";
    InDoubtRollsBack: "backend rolls back after its client has gone", "stored by a later attempt";
    ValueRefused: "the database refuses a value", "the partition halts";
    TooSlow: "a flush takes too long, and is taken back", "given up, its rows are read again";
    TooSlowInDoubt: "a flush takes too long, and lands later", "given up, its rows are read again";
    GapAnswerLost: "answer to an accepted gap's COMMIT lost", "the changed row is read again";
    Killed: "process killed with unstored records", "they are read again";
    KilledInTransaction: "process killed inside its transaction", "its position is read again";
    Frozen: "process frozen, its partitions given away", "fenced when it wakes up";
    FrozenInTransaction: "process frozen inside its transaction", "others wait, or its session ends";
    FrozenBriefly: "process frozen, nobody notices", "it stores what it held";
    TurnHolderFrozen: "process frozen while it has the turn", "its session ends, or others go without";
    TurnHolderKilled: "process killed while it has the turn", "the next has it";
    TurnHeld: "a stranger holds the turn", "a flush goes ahead without it";
    DatabaseAway: "database away", "an attempt fails";
    DatabaseCrashed: "database stopped at once", "an open transaction is gone";
    DatabaseRewound: "database put back to an older backup", "records are read again";
    SettingsChanged: "settings changed", "fenced by the epoch";
    RulesChanged: "other rules are put on, or none", "fenced by the epoch";
    RivalGroup: "another group writes into the database", "somebody is fenced";
    Strayed: "a streamer is started at another cluster", "it ends, or finds another log";
    RegistryAway: "schema registry away, or without a schema", "a partition stands still, and goes on";
    BrokerAway: "brokers away", "a question is not answered";
    Rebalanced: "partition moves to another worker", "the new owner loads its row";
    PartitionAdded: "partition added", "its row is made";
    RetainedBehind: "retention removes the fingerprint", "read on without it";
    Overtaken: "retention overtakes the position", "halted, with the loss named";
    Truncated: "log truncated below the position", "halted, with the loss named";
    Recreated: "topic deleted and made again", "halted, with the loss named";
    Compacted: "records removed by compaction", "counted as skipped";
    TransactionOpen: "a transaction stays open", "read up to it and no further";
    Aborted: "a transaction is aborted", "its records counted as skipped";
    FellSilent: "reader delivers nothing, silently", "read anew";
    Refused: "a position refused, nobody knows of which partition", "read anew";
    Redelivered: "records delivered again", "not counted again";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.texts().0.fmt(f)
    }
}

/// How often each kind of fault was injected, and seen to have an effect.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    pub(crate) injected: Vec<u64>,
    pub(crate) observed: Vec<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Faults { injected: vec![0; Kind::ALL.len()], observed: vec![0; Kind::ALL.len()] }
    }
}

impl Faults {
    pub(crate) fn inject(&mut self, kind: Kind) {
        self.injected[kind as usize] += 1;
    }

    pub(crate) fn observe(&mut self, kind: Kind) {
        self.observed[kind as usize] += 1;
    }

    pub(crate) fn total_injected(&self) -> u64 {
        self.injected.iter().sum()
    }

    pub(crate) fn add(&mut self, other: &Faults) {
        for (sum, more) in self.injected.iter_mut().zip(&other.injected) {
            *sum += more;
        }
        for (sum, more) in self.observed.iter_mut().zip(&other.observed) {
            *sum += more;
        }
    }
}
