//! One assigned partition of a worker: whether its stored row, its log and its fingerprint fit together,
//! and what halts it.
//!
//! In: its row, the records around the fingerprint, what an examination found out. Out: effects. Keeps I-7:
//! a partition that can't be read halts with a reason; it never just stays silent.

mod log_ends;
mod rules;

use self::log_ends::{Stall, unreadable};
use self::rules::KeptRules;
use super::{Effect, Ownership};
use crate::continuity::{describe, log_break_of, plan_gap};
use crate::results::Numbers;
use crate::rewind::Rewind;
use crate::{
    AwaitedEnd, Doubt, Examination, GapPermission, GapReason, History, LogBreak, LogEnds,
    PartitionState, Position, Progress, Record, Rules, fingerprint_of,
};

pub(super) use self::log_ends::ObservedEnds;
pub use self::log_ends::STALL_AFTER_MICROS;
pub(super) use self::rules::RuleLimits;

/// A row that another group has changed this often in a row, under our hands, is not ours.
const FENCES_UNTIL_HALT: u32 = 3;

/// So often a partition waits for another one to make the topic's cluster known; then it says so to an operator, and goes on waiting.
/// It is loaded again as often as what is halted is judged again: every two seconds.
const CLUSTER_WAITS_MAX: u32 = 15;
/// Added to what is said of a broken log, as long as it may be another cluster's.
const CLUSTER_UNKNOWN_TOO: &str = ". Or this is another Kafka cluster than the one on which the topic was counted: the database does \
     not know yet which that was. A permission is carried out as soon as the last record of another partition is found here; if none \
     is left anywhere, and this is the cluster: start one streamer with --not-a-copy and this cluster's id";
/// What an operator has to know then.
const CLUSTER_UNKNOWN: &str = "the database does not know yet on which Kafka cluster this topic was counted, and no record that was \
     counted is left in this partition to tell: it goes on as soon as the last record of another partition is found here. If none \
     is left anywhere, and this is the cluster: start one streamer with --not-a-copy and this cluster's id";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The stored row is being read.
    Loading,
    /// The fingerprint is awaited, to see that the log is still the same; once it `is_met`, the first
    /// record from the position on: where offsets were skipped between them, none may come.
    Verifying { is_met: bool },
    /// It may not be; the log is being looked at.
    Examining(Doubt),
    /// Other partitions are being rewound; this one is loaded again when one of them is done.
    Waiting,
    /// Nothing of it tells whether this log is the one that was counted; it is loaded again until another partition has told.
    AwaitingCluster,
    /// Records are counted.
    Reading,
    /// An operator is awaited.
    Halted,
}

impl Status {
    /// Whether it is decided that the partition can be read, or that it can't.
    pub(super) fn is_judged(self) -> bool {
        matches!(self, Status::Reading | Status::Halted)
    }
}

/// What is stored of a partition.
pub(super) struct LoadedRow {
    pub(super) progress: Progress,
    /// The rules, read together with it.
    pub(super) rules: Rules,
    /// What else is stored about it.
    pub(super) ownership: Ownership,
    /// What becomes of the numbers in its dead letters.
    pub(super) numbers: Numbers,
    /// What is stored of what was read before.
    pub(super) history: History,
}

#[derive(Debug)]
pub(super) struct AssignedPartition {
    /// Which of the assignments to this worker it is; a new one also for each new judgement.
    pub(super) incarnation: u64,
    pub(super) status: Status,
    /// `None` while loading.
    pub(super) state: Option<PartitionState>,
    /// The row as it is in the database, should the flush under way succeed.
    pub(super) stored: Progress,
    stall: Stall,
    /// What the broker said of the log's ends when it was asked for the first time since the position
    /// reached what it had said before: the end that the position has yet to reach.
    pub(super) awaited: Option<AwaitedEnd>,
    ownership: Ownership,
    /// The position that the row had when it was read.
    loaded_at: Position,
    /// Whether the row has yet to say what it was judged to be, and by whom: readable or halted.
    pub(super) is_news: bool,
    /// Flushes in a row that found another row than expected.
    fences: u32,
    /// How often in a row it had to wait for the topic's cluster.
    cluster_waits: u32,
    /// An operator has said that this log is the one that was counted.
    is_vouched_for: bool,
    /// Whether what halted it can go away by itself, or be accepted.
    can_heal: bool,
    /// It is halted because what stands in a record is not known yet.
    awaits_content: bool,
    /// The fingerprint was met since the row was read: this log is the one that was counted.
    pub(super) is_verified: bool,
    /// A batch could not be read, of this partition or of another one. If of this one, it begins at
    /// the position: what came before it has been read.
    may_be_unreadable: bool,
    /// What rules remember is built from the log again; until the fingerprint is met.
    rewind: Option<Box<Rewind>>,
    /// The rules of the row before, with what they knew, and the rows that they fit.
    kept: Option<KeptRules>,
    /// The row as it was when the last flush was stored, or when it was loaded.
    committed: Progress,
}

impl AssignedPartition {
    /// A partition whose stored row is not known yet.
    pub(super) fn loading(incarnation: u64) -> Self {
        AssignedPartition {
            incarnation,
            status: Status::Loading,
            state: None,
            stored: Progress::starting_at(Position::at(0)),
            stall: Stall::default(),
            awaited: None,
            ownership: Ownership::default(),
            loaded_at: Position::at(0),
            is_news: true,
            fences: 0,
            cluster_waits: 0,
            is_vouched_for: false,
            can_heal: false,
            awaits_content: false,
            is_verified: false,
            may_be_unreadable: false,
            rewind: None,
            kept: None,
            committed: Progress::starting_at(Position::at(0)),
        }
    }

    /// Forgets the row: it has to be read again. A flush that is under way speaks of the former one.
    pub(super) fn unload(&mut self) {
        self.incarnation += 1;
        self.status = Status::Loading;
        self.rewind = None;
        if let Some(matcher) = self.state.as_mut().and_then(PartitionState::take_matcher) {
            self.kept =
                Some(KeptRules { matcher, fit: [self.committed.clone(), self.stored.clone()] });
        }
        self.state = None;
        self.awaited = None;
        self.awaits_content = false;
        self.is_verified = false;
        self.may_be_unreadable = false;
    }

    /// The flush found another row than expected.
    pub(super) fn fence(&mut self) {
        self.fences += 1;
        self.unload();
    }

    /// The database refuses what this partition holds. The reason is stored already, beside the
    /// position from before.
    pub(super) fn refuse(&mut self, as_stored: Progress) {
        self.status = Status::Halted;
        self.rewind = None;
        self.can_heal = false;
        self.awaits_content = false;
        self.is_news = false;
        self.state = self.state.take().map(|state| state.restarted_at(as_stored.clone()));
        self.stored = as_stored;
    }

    /// It stays halted. Its row is written again all the same: compared with what we know, should
    /// the database have been restored, and so that it says the reason then too.
    pub(super) fn stay_halted(&mut self) {
        self.is_news |= self.status == Status::Halted;
    }

    /// Whether reading may go on without a new assignment, and nothing of it waits to be stored.
    pub(super) fn may_be_judged_again(&self) -> bool {
        self.status == Status::Halted
            && self.can_heal
            && self.state.as_ref().is_none_or(|state| state.progress().next == self.stored.next)
    }

    /// Takes the stored row in, and judges whether this log can be read from there.
    pub(super) fn load(
        &mut self,
        partition: i32,
        row: LoadedRow,
        ends: &LogEnds,
        (our_group, is_vouched_for, limits): (&str, bool, RuleLimits),
        effects: &mut Vec<Effect>,
    ) {
        self.is_vouched_for = is_vouched_for;
        let LoadedRow { progress, rules, ownership, numbers, history } = row;
        self.stall = Stall::default();
        self.ownership = ownership;
        self.loaded_at = progress.next;
        self.is_news = true;
        self.stored = progress.clone();
        self.committed = progress.clone();
        // A stored reason to halt stays until it is decided that there is none.
        let state =
            PartitionState::new(progress, rules).with_numbers(numbers).marked_by(history.last_mark);
        // Another worker may have stored the watermark that a new delay makes; a row that is
        // written without its records must not put it back (I-4).
        self.stored.watermark = state.progress().watermark;
        let next = state.progress().next;
        let is_accounted = state.progress().is_accounted();
        self.state = Some(state);
        if let Some(reason) = self.reason_not_to_touch(our_group) {
            return self.halt(partition, reason, effects);
        }
        if !is_accounted {
            let reason = format!(
                "the stored counters do not add up to the position {next}: run `streamer verify`"
            );
            return self.halt(partition, reason, effects);
        }
        if next < ends.low {
            return self.break_off(partition, LogBreak::Overtaken, ends, effects);
        }
        if next > ends.stable {
            return self.doubt(partition, Doubt::BeyondEnd, effects);
        }
        let fingerprint = self.state.as_ref().and_then(|state| state.progress().fingerprint);
        let is_told_here = fingerprint.is_some_and(|record| record.offset >= ends.low.offset());
        if !is_told_here && self.must_await_cluster() {
            return self.await_cluster(partition, effects);
        }
        if !self.begin_rules(history.patterns, ends, limits) {
            self.unload();
            self.status = Status::Waiting;
            return;
        }
        self.read_anew(partition, ends, effects);
    }

    /// Reads from the position on, once the fingerprint was met.
    fn read_anew(&mut self, partition: i32, ends: &LogEnds, effects: &mut Vec<Effect>) {
        let fingerprint = self.state.as_ref().and_then(|state| state.progress().fingerprint);
        if self.rewind.as_ref().is_some_and(|rewind| rewind.next() < ends.low) {
            self.end_rewind(Some(GapReason::Retention));
        }
        // Retention may rightly have removed it.
        if fingerprint.is_some_and(|fingerprint| fingerprint.offset >= ends.low.offset()) {
            self.status = Status::Verifying { is_met: false };
        } else {
            self.begin_reading();
        }
        effects.push(Effect::Read { partition, from: self.read_from() });
    }

    /// Whether this log may be another cluster's, although nothing speaks against it: what is stored must not move by it, for whoever
    /// reads the right one can tell.
    fn must_await_cluster(&self) -> bool {
        self.ownership.cluster_id.is_none()
            && self.ownership.awaits_cluster
            && !self.is_verified
            && !self.is_vouched_for
    }

    /// Nothing of this partition tells; another one will. Its row is left alone, until an operator has to know.
    fn await_cluster(&mut self, partition: i32, effects: &mut Vec<Effect>) {
        self.cluster_waits += 1;
        if self.cluster_waits > CLUSTER_WAITS_MAX {
            self.halt(partition, CLUSTER_UNKNOWN.to_owned(), effects);
            self.can_heal = true;
            return;
        }
        self.unload();
        self.status = Status::AwaitingCluster;
        effects.push(Effect::AwaitCluster { partition });
    }

    /// The log is the one that was read.
    fn begin_reading(&mut self) {
        self.cluster_waits = 0;
        self.status = Status::Reading;
        self.end_rewind(None);
        if let Some(state) = &mut self.state {
            state.progress_mut().halted_reason = None;
        }
    }

    /// Where the reader has to begin: at the fingerprint, while it is to be verified.
    fn read_from(&self) -> Position {
        let progress = self.state.as_ref().map_or(&self.stored, PartitionState::progress);
        match (self.status, &self.rewind, progress.fingerprint) {
            (Status::Verifying { .. }, Some(rewind), Some(fingerprint)) => {
                rewind.next().min(Position::at(fingerprint.offset))
            }
            (Status::Verifying { .. }, None, Some(fingerprint)) => Position::at(fingerprint.offset),
            _ => progress.next,
        }
    }

    fn reason_not_to_touch(&self, our_group: &str) -> Option<String> {
        if self.ownership.is_retired {
            return Some("the partition was retired by an operator".to_owned());
        }
        match &self.ownership.group_id {
            Some(other) if other != our_group && self.fences >= FENCES_UNTIL_HALT => Some(format!(
                "consumer group {other} writes this partition's rows too: let only one group \
                 write into a database, then start the streamer again"
            )),
            _ => None,
        }
    }

    /// Takes a record in while the fingerprint is awaited, which is met by its bytes alone; rules that are built again have to
    /// know what stands in it. Returns whether it has to be counted.
    pub(super) fn verify(
        &mut self,
        partition: i32,
        record: &Record<'_>,
        awaited: Option<&str>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(state) = &self.state else { return false };
        let Some(fingerprint) = state.progress().fingerprint else { return false };
        let next = state.progress().next.offset();
        let is_met = self.status == Status::Verifying { is_met: true };
        if record.offset <= fingerprint.offset
            && let Some(rewind) = &mut self.rewind
        {
            if let Some(reason) = awaited.filter(|_| rewind.needs(record.offset)) {
                self.await_content(partition, reason, effects);
                return false;
            }
            rewind.read(record);
        }
        if record.offset < fingerprint.offset || (is_met && record.offset == fingerprint.offset) {
            return false;
        }
        if record.offset == fingerprint.offset {
            if fingerprint_of(record) != fingerprint {
                self.doubt(partition, Doubt::FingerprintDiffers, effects);
                return false;
            }
            self.is_verified = true;
            if next == record.offset + 1 {
                self.begin_reading();
            } else {
                self.status = Status::Verifying { is_met: true };
            }
            return false;
        }
        if record.offset >= next && is_met {
            self.begin_reading();
            return true;
        }
        let doubt = if record.offset < next { Doubt::Intruder } else { Doubt::FingerprintMissing };
        self.doubt(partition, doubt, effects);
        false
    }

    /// A batch could not be read, perhaps of this partition.
    pub(super) fn expect_unreadable_batch(&mut self) {
        self.may_be_unreadable = true;
    }

    /// Whether what comes at this offset stands behind a batch that could not be read: then that batch is not to be
    /// skipped as if it were nothing. Offsets that never held a record look the same, so it is judged
    /// again until an operator decides; for those, no batch is unreadable the next time.
    pub(super) fn is_behind_unreadable_batch(
        &mut self,
        partition: i32,
        at: Position,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let is_read = self.may_be_unreadable && self.status == Status::Reading;
        let Some(state) = self.state.as_ref().filter(|_| is_read) else { return false };
        let next = state.progress().next;
        if at < next {
            return false;
        }
        self.may_be_unreadable = false;
        if at == next {
            return false;
        }
        let reason = unreadable(next, &format!("to before {at}"));
        self.halt(partition, reason, effects);
        self.can_heal = true;
        true
    }

    /// Whether records change anything here.
    pub(super) fn is_shown_records(&self) -> bool {
        matches!(self.status, Status::Reading | Status::Verifying { .. })
    }

    /// Whether a record has to be counted of which it is not known what stands in it. One that was counted already is ignored
    /// whatever it holds.
    pub(super) fn waits_for(
        &mut self,
        partition: i32,
        record: &Record<'_>,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let next = self.state.as_ref().map(|state| state.progress().next.offset());
        let is_new = next.is_some_and(|next| record.offset >= next);
        if is_new {
            self.await_content(partition, reason, effects);
        }
        is_new
    }

    /// What stands in the next record is not known. What came before it is good, and is stored with the reason.
    fn await_content(&mut self, partition: i32, reason: &str, effects: &mut Vec<Effect>) {
        self.halt(partition, reason.to_owned(), effects);
        self.awaits_content = true;
    }

    /// What is awaited now; `None`: nothing, so that the next judgement lets it go on.
    pub(super) fn judge_content(
        &mut self,
        partition: i32,
        awaited: Option<&str>,
        effects: &mut Vec<Effect>,
    ) {
        if !self.awaits_content {
            return;
        }
        let said = self.state.as_ref().and_then(|state| state.progress().halted_reason.as_deref());
        match awaited {
            None => self.can_heal = true,
            Some(reason) if said != Some(reason) => self.await_content(partition, reason, effects),
            Some(_) => {}
        }
    }

    /// The reader has come to the end of the log: whatever is awaited does not come.
    pub(super) fn reach_end(&mut self, partition: i32, effects: &mut Vec<Effect>) {
        match self.status {
            Status::Verifying { is_met: true } => self.begin_reading(),
            Status::Verifying { is_met: false } => {
                self.doubt(partition, Doubt::FingerprintMissing, effects);
            }
            _ => {}
        }
    }

    fn doubt(&mut self, partition: i32, doubt: Doubt, effects: &mut Vec<Effect>) {
        self.status = Status::Examining(doubt);
        // Whatever the log turns out to be, it is not what rules can be built from.
        self.end_rewind(Some(GapReason::AnotherLog));
        let origin = self.state.as_ref().and_then(|state| state.progress().origin);
        effects.push(Effect::Examine { partition, origin });
    }

    /// Takes in what was found out about the doubt.
    pub(super) fn decide(
        &mut self,
        partition: i32,
        examination: &Examination,
        effects: &mut Vec<Effect>,
    ) {
        let Status::Examining(doubt) = self.status else { return };
        match log_break_of(doubt, examination) {
            Some(cause) => self.break_off(partition, cause, &examination.ends, effects),
            None if self.must_await_cluster() => self.await_cluster(partition, effects),
            None => {
                self.begin_reading();
                effects.push(Effect::Read { partition, from: self.read_from() });
            }
        }
    }

    /// The log does not go on where we stopped: goes on as an operator permits, or halts.
    fn break_off(
        &mut self,
        partition: i32,
        cause: LogBreak,
        ends: &LogEnds,
        effects: &mut Vec<Effect>,
    ) {
        let Some(state) = &self.state else { return };
        let progress = state.progress();
        let has_unstored = progress.next != self.stored.next;
        // At another cluster every log looks broken. A permission is for the one that was counted.
        let is_ours = !self.must_await_cluster();
        let plan = self
            .ownership
            .permission
            .filter(|_| !has_unstored && is_ours)
            .and_then(|permission: GapPermission| plan_gap(progress, ends, cause, permission));
        match plan {
            Some(plan) => {
                let stored = Box::new(self.stored.clone());
                self.unload();
                effects.push(Effect::AcceptGap { partition, stored, plan });
            }
            None => {
                let mut reason = describe(progress, ends, cause);
                if !is_ours {
                    reason += CLUSTER_UNKNOWN_TOO;
                }
                self.halt(partition, reason, effects);
                self.can_heal = true;
            }
        }
    }

    /// The flush added to its row what the broker said of the log's ends: keep it for the next one.
    pub(super) fn keep_committed(&mut self, as_stored: Progress) {
        if let Some(state) = &mut self.state {
            let live = state.progress_mut();
            live.log_end_seen = live.log_end_seen.max(as_stored.log_end_seen);
            live.caught_up_at = live.caught_up_at.max(as_stored.caught_up_at);
        }
        if as_stored.next != self.loaded_at {
            // A permission is for the position at which the partition was loaded.
            self.ownership.permission = None;
        }
        if let Some(state) = &mut self.state {
            state.release(&as_stored);
        }
        self.committed = as_stored.clone();
        self.stored = as_stored;
        self.is_news = false;
        self.fences = 0;
    }

    /// Stops reading. What was read before is still good, and is stored with the reason.
    fn halt(&mut self, partition: i32, reason: String, effects: &mut Vec<Effect>) {
        self.status = Status::Halted;
        self.rewind = None;
        self.can_heal = false;
        self.awaits_content = false;
        self.is_news = true;
        if let Some(state) = &mut self.state {
            state.progress_mut().halted_reason = Some(reason.clone());
        }
        effects.push(Effect::Halt { partition, reason });
    }
}
