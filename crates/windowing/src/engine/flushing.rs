//! When a worker's partitions are flushed, and what follows from it.
//!
//! ```text
//!   FlushDue ──► cut_in_turn ──others have kept us waiting──► Effect::TakeTurn ──► TurnCame ─┐
//!                    │                                                                       ▼
//!                    └──────────nobody has──► cut_flush ◄────────────────────────────────────┘
//!   FlushNow, full, halted, refused ─────────►    │  ▲
//!                                                 ▼  └── wanted meanwhile, or full again
//!                                    Effect::Flush ──► Flushed ──► finish_flush
//! ```
//!
//! At most one flush is under way. What is read meanwhile is held, up to [`Bounds`]; beyond them the partitions are paused until the
//! flush ends (I-6). Where others write too, a batch is cut when its turn has come; what can't wait for that is cut at once (`pace`
//! says why). Nothing rests on turns but speed.

use event_model::EventTime;

use super::assigned::{AssignedPartition, ObservedEnds, Status};
use super::{Effect, Engine};
use crate::bounds::Bounds;
use crate::{FlushBatch, FlushPart, FlushReport, PartOutcome, PartReport};

impl Engine {
    /// Whether a flush is under way, or waits for its turn.
    pub fn is_flushing(&self) -> bool {
        self.is_flushing || self.awaits_turn
    }

    /// Whether the turn to write is waited for, with nothing cut yet.
    pub fn awaits_turn(&self) -> bool {
        self.awaits_turn
    }

    /// Whether anything that was read has not been handed over to a flush.
    pub fn has_unstored(&self) -> bool {
        self.partitions.iter().flatten().any(|assigned| {
            assigned
                .state
                .as_ref()
                .is_some_and(|state| state.progress().next != assigned.stored.next)
        })
    }

    /// Whether a row does not say yet what its partition was judged to be.
    pub(super) fn has_news(&self) -> bool {
        self.partitions.iter().flatten().any(|assigned| {
            assigned.is_news && assigned.state.is_some() && assigned.status.is_judged()
        })
    }

    pub(super) fn is_full(&self) -> bool {
        self.held.reaches(self.bounds)
    }

    pub(super) fn flush_or_pause(&mut self, effects: &mut Vec<Effect>) {
        if !self.is_flushing {
            self.cut_flush(effects);
        } else if !self.is_paused {
            self.is_paused = true;
            effects.push(Effect::Pause);
        }
    }

    /// Hands everything that was read over to a flush, as soon as its turn has come.
    pub(super) fn cut_in_turn(&mut self, effects: &mut Vec<Effect>) {
        if self.is_flushing || !self.pace.asks_first() {
            self.cut_flush(effects);
        } else if !self.awaits_turn {
            self.awaits_turn = true;
            effects.push(Effect::TakeTurn);
        }
    }

    /// Hands everything that was read over to a flush, unless one is under way.
    pub(super) fn cut_flush(&mut self, effects: &mut Vec<Effect>) {
        if self.is_flushing {
            self.flush_wanted = true;
            return;
        }
        let mut parts = Vec::new();
        for (partition, assigned) in (0..).zip(&mut self.partitions) {
            let Some(AssignedPartition {
                state: Some(state),
                stored,
                incarnation,
                status,
                awaited,
                is_news,
                ..
            }) = assigned
            else {
                continue;
            };
            let delta = state.take_delta(stored.next);
            // It was met; or nothing was remembered of the topic, so that whoever counts its first record says whose it is.
            let is_verified = *status == Status::Reading && state.progress().fingerprint.is_some();
            let new = state.progress().clone();
            let stored = std::mem::replace(stored, new.clone());
            parts.push(FlushPart {
                partition,
                incarnation: *incarnation,
                stored,
                new,
                delta,
                log_is_known: *status == Status::Reading,
                log_is_verified: is_verified,
                awaited: *awaited,
                is_news: *is_news && status.is_judged(),
            });
        }
        // Nothing is held any more even if no partition is left to flush: whatever is still counted
        // was dropped. Without this a worker that lost everything while paused would never resume.
        self.in_flight = std::mem::take(&mut self.held);
        self.flush_wanted = false;
        // Whoever waits for the turn waits for a batch then, and is to be told if there is none.
        if !std::mem::take(&mut self.awaits_turn) && parts.is_empty() {
            return;
        }
        self.is_flushing = true;
        effects.push(Effect::Flush(FlushBatch { parts }));
    }

    pub(super) fn finish_flush(
        &mut self,
        report: FlushReport,
        now: EventTime,
        effects: &mut Vec<Effect>,
    ) {
        self.is_flushing = false;
        self.pace.note(report.waited);
        self.adapt_bounds(&report);
        let (reset_refused, is_paused) = (self.reset_refused, self.is_paused);
        let mut reload = Vec::new();
        let mut has_halted = false;
        for PartReport { partition, incarnation, as_stored, outcome } in report.parts {
            // A part of a former assignment says nothing about this one.
            let Some(assigned) =
                self.assigned_mut(partition).filter(|assigned| assigned.incarnation == incarnation)
            else {
                continue;
            };
            let (flushed, is_stored) = (as_stored.next, outcome == PartOutcome::Committed);
            match outcome {
                PartOutcome::Unneeded => {}
                PartOutcome::Committed => assigned.keep_committed(as_stored),
                PartOutcome::Fenced => {
                    assigned.fence();
                    reload.push(partition);
                }
                PartOutcome::TooLarge => {
                    assigned.unload();
                    reload.push(partition);
                }
                PartOutcome::Refused(reason) => {
                    assigned.refuse(as_stored);
                    effects.push(Effect::Halt { partition, reason });
                }
            }
            let was_halted = assigned.status == Status::Halted;
            if let Some((_, ends)) = report.log_ends.iter().find(|(id, _)| *id == partition) {
                let observed = ObservedEnds { ends: *ends, now, reset_refused, is_paused };
                assigned.judge_log_ends(partition, &observed, effects);
                assigned.await_end(flushed, ends, is_stored);
            }
            has_halted |= assigned.status == Status::Halted && !was_halted;
        }
        if !reload.is_empty() {
            effects.push(Effect::Load(reload));
        }
        self.reset_refused = false;
        if self.judge_wanted {
            self.judge_halted_again(effects);
        }
        // What a dropped delta held is still counted here: that only flushes a little early.
        if has_halted || self.is_full() {
            self.cut_flush(effects);
        } else if self.flush_wanted {
            self.cut_in_turn(effects);
        }
        if self.is_paused && !self.is_full() {
            self.is_paused = false;
            effects.push(Effect::Resume);
        }
    }

    /// A flush that took the database too long is read again in smaller ones; each that is stored
    /// allows the next one to be a little larger.
    fn adapt_bounds(&mut self, report: &FlushReport) {
        let has = |wanted: &PartOutcome| report.parts.iter().any(|part| part.outcome == *wanted);
        if has(&PartOutcome::TooLarge) {
            self.bounds = Bounds::halved(self.in_flight, self.full_bounds);
        } else if has(&PartOutcome::Committed) {
            self.bounds = self.bounds.regained(self.full_bounds);
        }
    }
}
