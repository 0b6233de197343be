//! The flush protocol: how deltas and positions get into the database in one transaction, exactly
//! once, whatever happens to the connection.
//!
//! ```text
//!                    ┌────────────────────── Failed (any error, COMMIT's answer lost) ─┐
//!                    ▼                                                                 │
//!   start ──► LockPositions ──Locked──► compare ──some as expected──► StoreAndCommit ──┤
//!                                          │                              │            │
//!                                          └─ none ─► Done                └─Committed─► Done
//! ```
//!
//! There is no state "in doubt": after any failure the positions are locked and compared again. The
//! lock waits for an old backend that may still be committing. Position and epoch as expected →
//! nothing was stored, store again. Anything else → it was stored, or somebody else owns the
//! partition: [`PartOutcome::Fenced`], drop what was read since and go on from the stored row. That
//! is right in both cases, so nobody has to know which one it was.
//!
//! A flush that takes too long is not tried again as it is: [`PartOutcome::TooLarge`], for the same
//! reason and with the same right.
//!
//! Keeps I-1, I-2; I-5 by merging integers.

use std::time::Duration;

use event_model::EventTime;

use crate::results::PartResults;
use crate::{AwaitedEnd, Counters, Delta, Fingerprint, LogEnds, MergedRows, Progress};

/// A newer `caught_up_at` alone is worth a write only this much later: an idle partition with a
/// short flush interval would otherwise write all the time.
const CAUGHT_UP_STEP_MICROS: i64 = 5_000_000;

/// A flush of so few rows is not divided further when it takes the database too long. The smallest bounds give
/// fewer: 234 groups, each with a row of the ledger, a mark and a sketch at most, 78 dead letters and 15 alerts.
pub(crate) const SMALL_FLUSH_ROWS: usize = 1_100;

/// One partition's share of a flush.
#[derive(Clone, Debug)]
pub struct FlushPart {
    /// Which partition of the topic.
    pub partition: i32,
    /// Which of the partition's assignments to this worker the deltas belong to.
    pub incarnation: u64,
    /// The row that the deltas started from. Position, epoch, fingerprint and counters must still be these.
    pub stored: Progress,
    /// The row that replaces it.
    pub new: Progress,
    /// What to add.
    pub delta: Delta,
    /// Whether the log that is there is the one that the position belongs to. Of another one, the
    /// ends say nothing about this position.
    pub log_is_known: bool,
    /// Whether it is certain that this log is the one that was counted: the last record counted was found in it since the row was
    /// read; or no partition of the topic remembers one, and the first was read now; or an operator has said it. Only then
    /// a row that is of no known cluster becomes one of ours: a start at the wrong cluster must not take it.
    pub log_is_verified: bool,
    /// What the broker said when its log had an end that the position had yet to reach.
    pub awaited: Option<AwaitedEnd>,
    /// Whether the row has yet to say who judged it: the first time after it was read.
    pub is_news: bool,
}

impl FlushPart {
    /// What it adds, and where that belongs.
    pub fn results(&self) -> PartResults<'_> {
        let (generation, partition) = (self.new.generation, self.partition);
        PartResults { generation, partition, delta: &self.delta }
    }

    /// Whether the position moves. Only then may results be stored (I-2), and only then can the
    /// comparison tell whether an earlier attempt was committed.
    pub fn moves(&self) -> bool {
        self.new.next != self.stored.next
    }

    /// Whether there is anything to write. What is written when the position does not move is the
    /// same however often it is written.
    fn is_needed(&self) -> bool {
        let caught_up_micros = |progress: &Progress| progress.caught_up_at.map(EventTime::micros);
        let is_newer = match (caught_up_micros(&self.stored), caught_up_micros(&self.new)) {
            (Some(before), Some(now)) => now - before >= CAUGHT_UP_STEP_MICROS,
            (before, now) => before != now,
        };
        let changes = self.stored.halted_reason != self.new.halted_reason;
        self.moves() || is_newer || changes || self.is_news
    }

    /// Behind an open transaction nothing changes and nothing is caught up with. The row is written all
    /// the same now and then: it says that somebody is at work.
    fn is_worth_a_look(&self, ends: &LogEnds) -> bool {
        let is_held_up = ends.stable == self.new.next && ends.stable < ends.high;
        let since_micros = |looked_at: EventTime| ends.asked_at.micros() - looked_at.micros();
        let is_due = self
            .awaited
            .is_none_or(|awaited| since_micros(awaited.looked_at) >= CAUGHT_UP_STEP_MICROS);
        is_held_up && is_due
    }

    fn is_as_expected(&self, row: &LockedRow) -> bool {
        row.partition == self.partition
            && row.generation == self.stored.generation
            && row.position == self.stored.next.offset()
            && row.epoch == self.stored.epoch
            // A database that was restored may have come to this position in another way: by another
            // log, or with settings that were changed elsewhere in it.
            && row.fingerprint == self.stored.fingerprint
            && row.counters == self.stored.counters
    }
}

/// What a worker wants stored: its partitions, ascending.
#[derive(Clone, Debug, Default)]
pub struct FlushBatch {
    /// One part per partition that the worker reads, changed or not.
    pub parts: Vec<FlushPart>,
}

impl FlushBatch {
    /// How many rows it adds to or inserts, before those of several partitions are merged.
    pub fn rows(&self) -> usize {
        self.parts.iter().map(|part| part.delta.row_count()).sum()
    }
}

/// One locked row of `stream_progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockedRow {
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// Which life of the topic's partition, from 0.
    pub generation: i32,
    /// The stored next offset.
    pub position: i64,
    /// Rises when deltas made before must not be stored any more.
    pub epoch: i64,
    /// The last record that was read.
    pub fingerprint: Option<Fingerprint>,
    /// What became of the records.
    pub counters: Counters,
}

/// What became of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartOutcome {
    /// There was nothing to write.
    Unneeded,
    /// Results and position are stored, in one transaction.
    Committed,
    /// The stored row was not the expected one: drop and read it again.
    Fenced,
    /// The database takes too long for so much at once: drop it, read the stored row again, and
    /// come back with less.
    TooLarge,
    /// The database refuses a value of this part, for this reason. The reason has been stored, the
    /// position has not moved, and the partition must halt.
    Refused(String),
}

/// What is told of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartReport {
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// Which of its assignments the part is of.
    pub incarnation: u64,
    /// The row as it was to be stored.
    pub as_stored: Progress,
    /// What became of it.
    pub outcome: PartOutcome,
}

/// The end of a flush. Parts stand in the batch's order.
#[derive(Clone, Debug, Default)]
pub struct FlushReport {
    /// What became of each part.
    pub parts: Vec<PartReport>,
    /// What the broker said of the log's ends, where it answered.
    pub log_ends: Vec<(i32, LogEnds)>,
    /// How long it was waited for its turn to write.
    pub waited: Duration,
}

/// What the database has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushAction {
    /// Begin a transaction on a connection in a known state and lock the rows of
    /// [`FlushProtocol::pending`]; answer [`FlushAnswer::Locked`].
    LockPositions,
    /// In that transaction store [`FlushProtocol::matching`], and commit.
    StoreAndCommit,
    /// Nothing any more; take [`FlushProtocol::into_report`].
    Done,
}

/// What the database did.
#[derive(Clone, Debug)]
pub enum FlushAnswer {
    /// The locked rows; a row that does not exist is missing.
    Locked(Vec<LockedRow>),
    /// COMMIT was confirmed.
    Committed,
    /// Anything went wrong, before or after COMMIT was sent.
    Failed,
    /// The same, because it took too long.
    TimedOut,
    /// Storing was refused for a value of these parts (indices), and nothing was committed.
    Refused(Vec<(usize, String)>),
}

/// The state of one flush.
#[derive(Clone, Debug)]
pub struct FlushProtocol {
    batch: FlushBatch,
    log_ends: Vec<(i32, LogEnds)>,
    /// `None`: not decided yet.
    outcomes: Vec<Option<PartOutcome>>,
    /// Parts whose locked row was as expected.
    matching: Vec<usize>,
    /// Parts of which only the reason to halt is stored.
    refusals: Vec<Option<String>>,
    small_flush_rows: usize,
}

impl FlushProtocol {
    /// Begins a flush. `log_ends` are what the broker said after the batch was cut.
    pub fn new(mut batch: FlushBatch, log_ends: Vec<(i32, LogEnds)>) -> Self {
        for part in &mut batch.parts {
            if part.log_is_known {
                let ends = log_ends.iter().find(|(id, _)| *id == part.partition);
                let (ends, awaited) = (ends.map(|(_, ends)| ends), part.awaited);
                part.new.note_log_ends(ends, awaited.map(|awaited| awaited.ends).as_ref());
                part.is_news |= ends.is_some_and(|ends| part.is_worth_a_look(ends));
            }
            debug_assert!(
                part.new.is_accounted() || part.new.halted_reason.is_some(),
                "I-1: {:?}",
                part.new
            );
            debug_assert!(part.new.watermark >= part.stored.watermark, "I-4: {:?}", part.new);
        }
        let outcomes = batch
            .parts
            .iter()
            .map(|part| if part.is_needed() { None } else { Some(PartOutcome::Unneeded) })
            .collect();
        let refusals = vec![None; batch.parts.len()];
        let (matching, small_flush_rows) = (Vec::new(), SMALL_FLUSH_ROWS);
        FlushProtocol { batch, log_ends, outcomes, matching, refusals, small_flush_rows }
    }

    /// The same, where only a flush of at most so many rows counts as small: for simulations, whose
    /// flushes are.
    #[must_use]
    pub fn small_up_to(self, small_flush_rows: usize) -> Self {
        FlushProtocol { small_flush_rows, ..self }
    }

    /// What to do first.
    pub fn start(&self) -> FlushAction {
        self.lock_or_finish()
    }

    /// What to do after the last action's answer.
    pub fn next(&mut self, answer: FlushAnswer) -> FlushAction {
        match answer {
            FlushAnswer::Locked(rows) => self.compare(&rows),
            FlushAnswer::Committed => {
                for &index in &self.matching {
                    self.outcomes[index] = Some(match self.refusals[index].take() {
                        None => PartOutcome::Committed,
                        Some(reason) => PartOutcome::Refused(reason),
                    });
                }
                self.lock_or_finish()
            }
            FlushAnswer::Failed => self.lock_or_finish(),
            FlushAnswer::TimedOut => self.give_up_if_large(),
            FlushAnswer::Refused(parts) => {
                for (index, reason) in parts {
                    self.refuse(index, reason);
                }
                self.lock_or_finish()
            }
        }
    }

    /// Parts that are not decided yet, by partition.
    pub fn pending(&self) -> impl Iterator<Item = &FlushPart> {
        self.batch.parts.iter().zip(&self.outcomes).filter(|(_, o)| o.is_none()).map(|(p, _)| p)
    }

    /// Index and part of those whose locked row was as expected.
    pub fn matching(&self) -> impl Iterator<Item = (usize, &FlushPart)> {
        self.matching.iter().map(|&index| (index, &self.batch.parts[index]))
    }

    /// The rows to store for the matching parts.
    pub fn merged_rows(&self) -> MergedRows<'_> {
        MergedRows::of(self.matching().map(|(_, part)| part))
    }

    /// The end. A part that was never decided, because the flush was given up, counts as fenced:
    /// whether it was stored is not known, so the stored row must be read again.
    pub fn into_report(self) -> FlushReport {
        let parts = self
            .batch
            .parts
            .into_iter()
            .zip(self.outcomes)
            .map(|(part, outcome)| {
                let outcome = outcome.unwrap_or(PartOutcome::Fenced);
                let FlushPart { partition, incarnation, new: as_stored, .. } = part;
                PartReport { partition, incarnation, as_stored, outcome }
            })
            .collect();
        FlushReport { parts, log_ends: self.log_ends, waited: Duration::ZERO }
    }

    /// Trying the same again would take as long again. Nothing is lost by giving up: what is read
    /// again from the stored row is what was not stored. A small flush is tried again as it is,
    /// because then it was not its size.
    fn give_up_if_large(&mut self) -> FlushAction {
        if self.batch.rows() <= self.small_flush_rows {
            return self.lock_or_finish();
        }
        for outcome in &mut self.outcomes {
            outcome.get_or_insert(PartOutcome::TooLarge);
        }
        FlushAction::Done
    }

    /// Leaves a part's results out: only the reason is stored, beside the unmoved position. If even
    /// that is refused, the part is done with.
    fn refuse(&mut self, index: usize, reason: String) {
        if self.refusals[index].is_some() {
            self.outcomes[index] = Some(PartOutcome::Refused(reason));
            return;
        }
        let part = &mut self.batch.parts[index];
        part.new = Progress { halted_reason: Some(reason.clone()), ..part.stored.clone() };
        part.delta = Delta::default();
        self.refusals[index] = Some(reason);
    }

    fn lock_or_finish(&self) -> FlushAction {
        if self.outcomes.iter().all(Option::is_some) {
            FlushAction::Done
        } else {
            FlushAction::LockPositions
        }
    }

    fn compare(&mut self, rows: &[LockedRow]) -> FlushAction {
        self.matching.clear();
        for (index, part) in self.batch.parts.iter().enumerate() {
            if self.outcomes[index].is_some() {
                continue;
            }
            if rows.iter().any(|row| part.is_as_expected(row)) {
                self.matching.push(index);
            } else {
                self.outcomes[index] = Some(PartOutcome::Fenced);
            }
        }
        if self.matching.is_empty() { FlushAction::Done } else { FlushAction::StoreAndCommit }
    }
}

impl<'a> MergedRows<'a> {
    /// Merges the parts' deltas.
    pub fn of(parts: impl Iterator<Item = &'a FlushPart>) -> Self {
        MergedRows::of_parts(&parts.map(FlushPart::results).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests;
