//! What the engine is told and what it asks for: everything that passes between it and the world.

use event_model::EventTime;

use crate::{
    Examination, Fingerprint, FlushBatch, FlushReport, GapPermission, GapPlan, History, LogEnds,
    Position, Progress, Record, Rules,
};

/// What else is stored about a partition, besides its row.
#[derive(Clone, Debug, Default)]
pub struct Ownership {
    /// An operator's permission to go on behind a loss at this position.
    pub permission: Option<GapPermission>,
    /// The group that stored the row.
    pub group_id: Option<String>,
    /// An operator has taken the partition out.
    pub is_retired: bool,
    /// The Kafka cluster whose log the row is of; `None`: nobody has said yet.
    pub cluster_id: Option<String>,
    /// Nobody has, and a record that was counted is remembered of some partition of the topic: whoever finds it will say.
    pub awaits_cluster: bool,
}

/// Something that happened.
pub enum Input<'a> {
    /// A record came. `now` is the clock, for topics without LogAppendTime.
    Record {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// Borrowed from the reader's memory.
        record: Record<'a>,
        /// The wall clock, as the caller has read it.
        now: EventTime,
    },
    /// A record came, and what stands in it is not known yet. If it has to be, the partition halts before it, until
    /// [`Input::ContentJudged`].
    ContentAwaited {
        /// Its partition.
        partition: i32,
        /// The record; its content says nothing.
        record: Record<'a>,
        /// The clock.
        now: EventTime,
        /// What is waited for, for the operator.
        reason: &'a str,
    },
    /// Whether a partition that halted so still has to wait.
    ContentJudged {
        /// The partition.
        partition: i32,
        /// What for; `None`: the content is known, and the next [`Input::JudgeHaltedAgain`] lets it go on.
        awaited: Option<&'a str>,
    },
    /// The reader has come to the end of the log: whatever it was not shown before `end` never
    /// held a record for us.
    EndOfLog {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// The offset that will be read next, behind control records, too.
        end: Position,
    },
    /// These partitions are ours now.
    Assigned(&'a [i32]),
    /// The answer to [`Effect::Load`] for one partition.
    Loaded {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// Its stored row.
        progress: Box<Progress>,
        /// The rules, read together with it.
        rules: Rules,
        /// What else is stored about it.
        ownership: Ownership,
        /// What is stored of what was read before.
        history: Box<History>,
        /// The log's ends, asked for after the row was read.
        ends: LogEnds,
    },
    /// The answer to [`Effect::Examine`].
    Examined {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// What was found out.
        examination: Examination,
    },
    /// The stored row has changed, as [`Effect::AcceptGap`] asked for, or turned out to be another:
    /// read it again.
    RowChanged(i32),
    /// Time to see whether what halted a partition is gone, or was accepted.
    JudgeHaltedAgain,
    /// The reader has nothing more to show of this partition, for now.
    ReachedEnd(i32),
    /// These partitions are not ours any more; what is not stored of them is dropped, and read
    /// again by their next owner.
    Revoked(&'a [i32]),
    /// The flush has ended.
    Flushed {
        /// What became of each part of the batch.
        report: FlushReport,
        /// The wall clock, as the caller has read it.
        now: EventTime,
    },
    /// Time to store what there is, and to look at the log's ends.
    FlushDue,
    /// The answer to [`Effect::TakeTurn`]: it has come, or it was not waited for any longer. Either way the
    /// batch is wanted now.
    TurnCame,
    /// About to lose partitions, or to stop: store what there is.
    FlushNow,
    /// The reader was refused some position, without saying of which partition.
    ResetRefused,
    /// The reader could not read a batch of records, without saying of which partition, and may go on
    /// behind it as if it had never been.
    BatchUnreadable,
}

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Read these partitions' stored rows and the rules, then ask for the log's ends; answer
    /// [`Input::Loaded`] for each. In this order: ends from before would make a position that moved
    /// on meanwhile look as if it were beyond the end. What comes of them meanwhile is ignored.
    Load(Vec<i32>),
    /// Read this partition from this position on, even if it was halted; while
    /// [`Engine::is_paused`](crate::Engine::is_paused), only from [`Effect::Resume`] on. No record that was fetched before
    /// may come afterwards: what lies between it and `from` would count as skipped.
    Read {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// The next offset to read.
        from: Position,
    },
    /// Look at the log of this partition: what stands where its first record was? Answer
    /// [`Input::Examined`].
    Examine {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// The first record read, if there was one.
        origin: Option<Fingerprint>,
    },
    /// Carry out an operator's permission, in one transaction and only if the stored row is still
    /// this one; then answer [`Input::RowChanged`].
    AcceptGap {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// The row as it was read, to be compared.
        stored: Box<Progress>,
        /// What to do.
        plan: GapPlan,
    },
    /// Stop reading this partition, until [`Effect::Read`] names it again.
    Halt {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// Why, for the operator.
        reason: String,
    },
    /// Nothing of this partition tells whether its log is the one that was counted, and another partition of the topic can. It
    /// is loaded again with [`Input::JudgeHaltedAgain`]; say that it waits.
    AwaitCluster {
        /// Kafka's number of the partition, from 0.
        partition: i32,
    },
    /// This partition's row is of another cluster's log, of that one: end, and write nothing into the row. No
    /// flush has a part for it.
    LeaveCluster {
        /// Kafka's number of the partition, from 0.
        partition: i32,
        /// The cluster that the row is of.
        cluster_id: String,
    },
    /// Stop reading all partitions for a while.
    Pause,
    /// Go on where reading was paused.
    Resume,
    /// Others write too: wait, for a bounded time, for the turn to write, and answer [`Input::TurnCame`].
    /// An [`Effect::Flush`] follows, of nothing if there is nothing any more: at that answer, or before it
    /// where memory or a halt does not wait.
    TakeTurn,
    /// Store this; answer [`Input::Flushed`].
    Flush(FlushBatch),
}
