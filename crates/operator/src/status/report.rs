//! What `streamer status` says, as values: a verdict for the whole, a state for each partition.

use std::time::Duration;

use chrono::NaiveDateTime;

use super::gather::PartitionKey;
use super::rows::{PartitionStatus, TopicCompleteness};
use crate::Exit;

/// The whole pipeline in a word, the best first: of several the last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Every partition is up to date.
    Healthy,
    /// Of some, more than a few records are refused: a clock is wrong.
    Refusing,
    /// Some are behind, and come nearer.
    CatchingUp,
    /// Some are not read although they should be.
    Stalled,
    /// Some wait for an operator.
    Halted,
    /// Kafka can't be asked.
    KafkaAway,
    /// The database can't be asked, or not used.
    DatabaseAway,
}

/// One partition in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing has been unread for long.
    UpToDate,
    /// The same, but many of its latest records were refused, because they lie too far ahead.
    Refusing,
    /// Behind, and written lately.
    CatchingUp,
    /// Behind, because a transaction that somebody else has not ended hides what follows.
    HeldUp,
    /// The broker has it, and no streamer has met it yet.
    NotTakenUp,
    /// Something is unread, and the row has not been written for long.
    Stalled,
    /// Nothing is unread, and nobody has looked for long.
    Unattended,
    /// It is read, and the database stores none of it until somebody mends something.
    Blocked,
    /// Records between the position and the oldest one kept are gone.
    Overtaken,
    /// The log ends before the position.
    BeyondEnd,
    /// The broker has no such partition.
    Missing,
    /// It waits for an operator.
    Halted,
    /// An operator has taken it out.
    Retired,
    /// Kafka could not be asked.
    Unknown,
}

/// What `streamer status` says.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    pub(crate) reason: String,
    /// What should be known beside the verdict, in sentences.
    pub(crate) remarks: Vec<String>,
    /// The database's clock; `None`: it is away.
    pub(crate) looked_at: Option<NaiveDateTime>,
    pub(crate) stalled_after: Duration,
    pub(crate) topics: Vec<TopicCompleteness>,
    pub(crate) partitions: Vec<PartitionReport>,
}

/// Where one partition stands.
#[derive(Clone, Debug)]
pub(crate) struct PartitionReport {
    pub(crate) key: PartitionKey,
    pub(crate) state: State,
    /// Why it is in this state, in words; empty where nothing is to be said.
    pub(crate) detail: String,
    /// Its row; `None`: it has none yet.
    pub(crate) stored: Option<PartitionStatus>,
    pub(crate) lag_records: Option<i64>,
    pub(crate) lag_seconds: Option<f64>,
    /// Offsets in and behind transactions that are still open.
    pub(crate) open_transaction_records: Option<i64>,
    /// Where the transaction begins that keeps anything from being read; `None`: none does.
    pub(crate) held_up_at: Option<i64>,
    pub(crate) written_seconds_ago: Option<f64>,
    pub(crate) is_idle: bool,
}

impl Verdict {
    pub(crate) const ALL: [Verdict; 7] = [
        Verdict::Healthy,
        Verdict::Refusing,
        Verdict::CatchingUp,
        Verdict::Stalled,
        Verdict::Halted,
        Verdict::KafkaAway,
        Verdict::DatabaseAway,
    ];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Verdict::Healthy => "healthy",
            Verdict::Refusing => "refusing",
            Verdict::CatchingUp => "catching_up",
            Verdict::Stalled => "stalled",
            Verdict::Halted => "halted",
            Verdict::KafkaAway => "kafka_away",
            Verdict::DatabaseAway => "database_away",
        }
    }

    pub(crate) fn exit(self) -> Exit {
        match self {
            Verdict::Healthy => Exit::Done,
            Verdict::Refusing | Verdict::CatchingUp | Verdict::Stalled | Verdict::Halted => {
                Exit::Degraded
            }
            Verdict::KafkaAway | Verdict::DatabaseAway => Exit::Down,
        }
    }
}

impl State {
    pub(crate) fn code(self) -> &'static str {
        match self {
            State::UpToDate => "up_to_date",
            State::Refusing => "refusing",
            State::CatchingUp => "catching_up",
            State::HeldUp => "held_up",
            State::NotTakenUp => "not_taken_up",
            State::Stalled => "stalled",
            State::Unattended => "unattended",
            State::Blocked => "blocked",
            State::Overtaken => "overtaken",
            State::BeyondEnd => "beyond_end",
            State::Missing => "missing",
            State::Halted => "halted",
            State::Retired => "retired",
            State::Unknown => "unknown",
        }
    }

    /// What a partition in this state makes of the whole.
    pub(super) fn verdict(self) -> Verdict {
        match self {
            State::UpToDate | State::Retired => Verdict::Healthy,
            State::Refusing => Verdict::Refusing,
            State::CatchingUp | State::NotTakenUp => Verdict::CatchingUp,
            State::HeldUp
            | State::Stalled
            | State::Unattended
            | State::Blocked
            | State::Overtaken
            | State::BeyondEnd
            | State::Missing => Verdict::Stalled,
            State::Halted => Verdict::Halted,
            State::Unknown => Verdict::KafkaAway,
        }
    }
}
