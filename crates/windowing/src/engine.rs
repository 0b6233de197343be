//! One worker's partitions, and what to do about each thing that happens to them.
//!
//! ```text
//!   Assigned ─► Loading ──position in the log──► Verifying ──fingerprint met──► Reading ─► Revoked
//!                 ▲ │                                │ another record           │
//!                 │ └─ before the log ─┐  beyond it  ▼                          │
//!                 │                    │ ┌──────► Examining ◄── log got shorter ┤
//!                 │                    ▼ ▼           │ the log was broken       │ overtaken, stuck,
//!                 │ permission      Halted ◄─────────┴──────────────────────────┘ refused
//!                 └─ or time ─────────┘
//! ```
//!
//! What is read is held for the next flush, up to [`Bounds`] (I-6): `flushing` cuts it, and takes in what came of it.

mod assigned;
mod flushing;
mod messages;

use std::time::Duration;

use event_model::EventTime;

use self::assigned::{AssignedPartition, LoadedRow, RuleLimits, Status};
use crate::bounds::{Bounds, Held, Limit};
use crate::pace::Pace;
use crate::results::Numbers;
use crate::{LogEnds, PartitionState, Position, Record, RuleHoldings};

pub use self::assigned::STALL_AFTER_MICROS;
pub use self::messages::{Effect, Input, Ownership};

/// An assigned partition counts its reloads from here on, so that no two share an incarnation.
const INCARNATIONS_OF_AN_ASSIGNMENT: u64 = 1 << 32;

/// So many partitions of a worker are rewound at a time: each reads its log in a place of its own.
const REWINDING_MAX: usize = 2;
/// What the rules of one partition may remember, unless it is said otherwise.
const RULE_BYTES_MAX: usize = 64 << 20;

/// The state of one worker.
#[derive(Debug, Default)]
pub struct Engine {
    full_bounds: Bounds,
    /// Those that count: less than the full ones after a flush that was too large.
    bounds: Bounds,
    group_id: String,
    /// The cluster whose logs are read; `None`: not known, and rows of a known one are not ours.
    cluster_id: Option<String>,
    /// An operator has said that these logs are the ones that were counted.
    is_vouched_for: bool,
    numbers: Numbers,
    /// By partition number.
    partitions: Vec<Option<AssignedPartition>>,
    incarnations: u64,
    held: Held,
    /// What was handed over to the flush under way.
    in_flight: Held,
    is_flushing: bool,
    /// The turn to write was asked for, and whoever waits for it will want a batch.
    awaits_turn: bool,
    pace: Pace,
    is_paused: bool,
    flush_wanted: bool,
    judge_wanted: bool,
    reset_refused: bool,
    /// What the rules of one partition may remember, bytes.
    rule_bytes_max: usize,
    /// Whether a partition waits for others to be rewound.
    some_wait: bool,
}

impl Engine {
    /// A worker without partitions, of the group with the empty name.
    pub fn new(bounds: Bounds) -> Self {
        Engine { full_bounds: bounds, bounds, rule_bytes_max: RULE_BYTES_MAX, ..Engine::default() }
    }

    /// The same worker in this group.
    #[must_use]
    pub fn in_group(self, group_id: String) -> Self {
        Engine { group_id, ..self }
    }

    /// The same worker, reading the logs of this cluster.
    #[must_use]
    pub fn on_cluster(self, cluster_id: Option<String>) -> Self {
        Engine { cluster_id, ..self }
    }

    /// The same worker; `is_vouched_for`: an operator has said that where nothing tells which cluster a topic was counted on, it was this
    /// one.
    #[must_use]
    pub fn vouched_for(self, is_vouched_for: bool) -> Self {
        Engine { is_vouched_for, ..self }
    }

    /// The same worker, with this done to the numbers in dead letters.
    #[must_use]
    pub fn with_numbers(self, numbers: Numbers) -> Self {
        Engine { numbers, ..self }
    }

    /// The same worker, where the rules of one partition remember at most so many bytes.
    #[must_use]
    pub fn with_rule_bytes(self, rule_bytes_max: usize) -> Self {
        Engine { rule_bytes_max, ..self }
    }

    /// The same worker, to flush so often unless others keep it waiting.
    #[must_use]
    pub fn flushing_every(self, interval: Duration) -> Self {
        Engine { pace: Pace::new(interval), ..self }
    }

    /// The time from one flush to the next: longer than was asked for while others keep this worker waiting.
    pub fn flush_interval(&self) -> Duration {
        self.pace.interval()
    }

    /// Takes one input in; appends what is to be done, in order, to `effects`.
    pub fn apply(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) {
        match input {
            Input::Record { partition, record, now } => {
                self.read(partition, &record, None, now, effects);
            }
            Input::ContentAwaited { partition, record, now, reason } => {
                self.read(partition, &record, Some(reason), now, effects);
            }
            Input::ContentJudged { partition, awaited } => {
                if let Some(assigned) = self.assigned_mut(partition) {
                    assigned.judge_content(partition, awaited, effects);
                }
            }
            Input::EndOfLog { partition, end } => {
                let is_behind = |assigned: &mut AssignedPartition, effects: &mut Vec<Effect>| {
                    assigned.is_behind_unreadable_batch(partition, end, effects)
                };
                if self.assigned_mut(partition).is_some_and(|assigned| is_behind(assigned, effects))
                {
                    self.cut_flush(effects);
                } else if let Some(state) = self.reading(partition) {
                    state.skip_to(end);
                }
            }
            Input::Assigned(partitions) => self.assign(partitions, effects),
            Input::Loaded { partition, progress, rules, ownership, history, ends } => {
                let numbers = self.numbers;
                let history = *history;
                let row = LoadedRow { progress: *progress, rules, ownership, numbers, history };
                self.load(partition, row, &ends, effects);
            }
            Input::Examined { partition, examination } => {
                self.with_assigned(partition, effects, |assigned, effects| {
                    assigned.decide(partition, &examination, effects);
                });
            }
            Input::RowChanged(partition) => {
                if self
                    .assigned_mut(partition)
                    .is_some_and(|assigned| assigned.status == Status::Loading)
                {
                    effects.push(Effect::Load(vec![partition]));
                }
            }
            Input::JudgeHaltedAgain => self.judge_halted_again(effects),
            Input::ReachedEnd(partition) => {
                self.with_assigned(partition, effects, |assigned, effects| {
                    assigned.reach_end(partition, effects);
                });
            }
            Input::Revoked(partitions) => {
                for &partition in partitions {
                    if let Some(assigned) = self.assigned_entry(partition) {
                        *assigned = None;
                    }
                }
            }
            Input::Flushed { report, now } => self.finish_flush(report, now, effects),
            Input::FlushDue => self.cut_in_turn(effects),
            Input::TurnCame => {
                // What could not wait for it was cut before.
                if self.awaits_turn {
                    self.cut_flush(effects);
                }
            }
            Input::FlushNow => {
                let has_news = self.has_news() && !self.is_flushing;
                if self.has_unstored() || has_news || self.awaits_turn {
                    self.cut_flush(effects);
                }
            }
            Input::ResetRefused => {
                self.reset_refused = true;
                self.cut_flush(effects);
            }
            Input::BatchUnreadable => {
                self.partitions
                    .iter_mut()
                    .flatten()
                    .for_each(AssignedPartition::expect_unreadable_batch);
            }
        }
        if self.some_wait {
            self.load_those_who_wait(effects);
        }
    }

    /// Whether partitions wait for others to be rewound for their rules.
    pub fn has_waiting(&self) -> bool {
        self.some_wait
    }

    fn rewinding(&self) -> usize {
        self.partitions.iter().flatten().filter(|assigned| assigned.is_rewinding()).count()
    }

    /// Loads partitions that wait to be rewound, as many as may be.
    fn load_those_who_wait(&mut self, effects: &mut Vec<Effect>) {
        let free = REWINDING_MAX.saturating_sub(self.rewinding());
        let waiting = (0..)
            .zip(&mut self.partitions)
            .filter_map(|(partition, assigned)| Some((partition, assigned.as_mut()?)))
            .filter(|(_, assigned)| assigned.status == Status::Waiting);
        let (mut loaded, mut left) = (Vec::new(), 0);
        for (partition, assigned) in waiting {
            if loaded.len() < free {
                assigned.status = Status::Loading;
                loaded.push(partition);
            } else {
                left += 1;
            }
        }
        self.some_wait = left > 0;
        if !loaded.is_empty() {
            effects.push(Effect::Load(loaded));
        }
    }

    /// Whether reading is paused because of [`Bounds`].
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// How many groups are held for the next flush; for those who watch the memory.
    pub fn groups_held(&self) -> usize {
        self.held.of(Limit::Groups).items
    }

    /// Whether somebody may act upon an alert that has not been handed over to a flush.
    pub fn holds_live_alerts(&self) -> bool {
        self.partitions
            .iter()
            .flatten()
            .filter_map(|assigned| assigned.state.as_ref())
            .any(PartitionState::holds_live_alerts)
    }

    /// What rules take; for those who watch the memory, and how long partitions stand still for them.
    pub fn rule_holdings(&self) -> RuleHoldings {
        let mut holdings = RuleHoldings::default();
        for assigned in self.partitions.iter().flatten() {
            assigned.add_rule_holdings(&mut holdings);
        }
        holdings
    }

    /// Whether it matters what stands in records of this partition: it is being read, or its log is compared with what was
    /// read before. What comes of others is ignored.
    pub fn is_shown_records(&self, partition: i32) -> bool {
        let index = usize::try_from(partition).ok();
        let assigned = index.and_then(|index| self.partitions.get(index)?.as_ref());
        assigned.is_some_and(AssignedPartition::is_shown_records)
    }

    /// Partitions being read, with the position after what was read so far.
    pub fn positions(&self) -> impl Iterator<Item = (i32, Position)> {
        (0..).zip(&self.partitions).filter_map(|(partition, assigned)| {
            let assigned = assigned.as_ref()?;
            let state = assigned.state.as_ref().filter(|_| assigned.status == Status::Reading)?;
            Some((partition, state.progress().next))
        })
    }

    /// Takes a record in; `awaited` says why it is not known what stands in it.
    fn read(
        &mut self,
        partition: i32,
        record: &Record<'_>,
        awaited: Option<&str>,
        now: EventTime,
        effects: &mut Vec<Effect>,
    ) {
        let Some(assigned) = self.assigned_mut(partition) else { return };
        if assigned.status != Status::Reading {
            if !assigned.is_shown_records() {
                return;
            }
            if !assigned.verify(partition, record, awaited, effects) {
                if assigned.status == Status::Halted {
                    self.cut_flush(effects);
                }
                return;
            }
        }
        if assigned.is_behind_unreadable_batch(partition, Position::at(record.offset), effects)
            || awaited.is_some_and(|reason| assigned.waits_for(partition, record, reason, effects))
        {
            self.cut_flush(effects);
            return;
        }
        let Some(state) = assigned.state.as_mut() else { return };
        let growth = state.read(record, now);
        if growth.is_none() {
            return;
        }
        self.held.add(growth);
        if self.is_full() {
            self.flush_or_pause(effects);
        }
    }

    fn assign(&mut self, partitions: &[i32], effects: &mut Vec<Effect>) {
        // A rebalance often changes nothing for a member.
        if partitions.is_empty() {
            return;
        }
        for &partition in partitions {
            self.incarnations += INCARNATIONS_OF_AN_ASSIGNMENT;
            let assigned = AssignedPartition::loading(self.incarnations);
            if let Some(entry) = self.assigned_entry(partition) {
                *entry = Some(assigned);
            }
        }
        effects.push(Effect::Load(partitions.to_vec()));
    }

    fn load(&mut self, partition: i32, row: LoadedRow, ends: &LogEnds, effects: &mut Vec<Effect>) {
        let is_awaited = |assigned: &mut AssignedPartition| assigned.status == Status::Loading;
        let theirs = row.ownership.cluster_id.clone();
        if self.assigned_mut(partition).is_some_and(is_awaited)
            && let Some(cluster_id) =
                theirs.filter(|theirs| Some(theirs) != self.cluster_id.as_ref())
        {
            // Not even a reason to halt is ours to write there.
            return effects.push(Effect::LeaveCluster { partition, cluster_id });
        }
        let group_id = std::mem::take(&mut self.group_id);
        let may_rewind = self.rewinding() < REWINDING_MAX;
        let limits = RuleLimits { bytes_max: self.rule_bytes_max, may_rewind };
        let is_vouched_for = self.is_vouched_for;
        self.with_assigned(partition, effects, |assigned, effects| {
            if assigned.status == Status::Loading {
                assigned.load(partition, row, ends, (&group_id, is_vouched_for, limits), effects);
            }
        });
        self.group_id = group_id;
        let status = self.assigned_mut(partition).map(|assigned| assigned.status);
        self.some_wait |= status == Some(Status::Waiting);
    }

    /// Lets one assigned partition act; if that halts it, the reason is stored without waiting.
    fn with_assigned(
        &mut self,
        partition: i32,
        effects: &mut Vec<Effect>,
        act: impl FnOnce(&mut AssignedPartition, &mut Vec<Effect>),
    ) {
        let Some(assigned) = self.assigned_mut(partition) else { return };
        let was_halted = assigned.status == Status::Halted;
        act(assigned, effects);
        if assigned.status == Status::Halted && !was_halted {
            self.cut_flush(effects);
        }
    }

    fn judge_halted_again(&mut self, effects: &mut Vec<Effect>) {
        // A flush under way may be storing why they halted. Not forgotten: the timers of both could
        // fall together for ever.
        self.judge_wanted = self.is_flushing;
        if self.is_flushing {
            return;
        }
        let mut reload = Vec::new();
        for (partition, assigned) in (0..).zip(&mut self.partitions) {
            let Some(assigned) = assigned else { continue };
            if assigned.status == Status::AwaitingCluster || assigned.may_be_judged_again() {
                assigned.unload();
                reload.push(partition);
            } else {
                assigned.stay_halted();
            }
        }
        if !reload.is_empty() {
            effects.push(Effect::Load(reload));
        }
    }

    fn reading(&mut self, partition: i32) -> Option<&mut PartitionState> {
        let assigned = self.assigned_mut(partition)?;
        if assigned.status == Status::Reading { assigned.state.as_mut() } else { None }
    }

    fn assigned_mut(&mut self, partition: i32) -> Option<&mut AssignedPartition> {
        self.partitions.get_mut(usize::try_from(partition).ok()?)?.as_mut()
    }

    /// The place of a partition, made when it is new. Kafka numbers partitions from 0 without gaps.
    fn assigned_entry(&mut self, partition: i32) -> Option<&mut Option<AssignedPartition>> {
        let index = usize::try_from(partition).ok()?;
        if self.partitions.len() <= index {
            self.partitions.resize_with(index + 1, || None);
        }
        self.partitions.get_mut(index)
    }
}

#[cfg(test)]
mod tests;
