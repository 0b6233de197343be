//! What rules remember of an assigned partition: it is kept from the row before, cut back to the row, or built from
//! the log again.
//!
//! Keeps I-10: rules that don't fit the stored row are never gone on with.

use patterns::Matcher;

use super::{AssignedPartition, Status};
use crate::rewind::{Beginning, begin, cut_back, not_judged};
use crate::{GapReason, LogEnds, PartitionState, PatternHistory, Progress, RuleHoldings};

/// Rules that may be cut back instead of being built again.
#[derive(Debug)]
pub(super) struct KeptRules {
    pub(super) matcher: Matcher,
    /// Rows that are known to be of the same history: before the last flush, and after it.
    pub(super) fit: [Progress; 2],
}

impl KeptRules {
    /// Whether what was judged before this row is what these rules have seen.
    fn fits(&self, row: &Progress) -> bool {
        let of = |row: &Progress| (row.generation, row.next, row.fingerprint, row.counters);
        self.fit.iter().any(|known| of(known) == of(row))
    }
}

/// What rules may take of a worker.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct RuleLimits {
    /// Of one partition.
    pub(in crate::engine) bytes_max: usize,
    /// Whether one more partition may be rewound now.
    pub(in crate::engine) may_rewind: bool,
}

impl AssignedPartition {
    /// Rules go on with what was kept, or are to be built again. `false`: that has to wait.
    pub(super) fn begin_rules(
        &mut self,
        history: Option<PatternHistory>,
        ends: &LogEnds,
        limits: RuleLimits,
    ) -> bool {
        let (Some(history), Some(state)) = (history, &mut self.state) else {
            self.kept = None;
            return true;
        };
        let gap = not_judged(&history, &self.stored);
        let kept = self.kept.take_if(|kept| kept.fits(&self.stored));
        let cut = kept.and_then(|kept| cut_back(kept.matcher, &history, &self.stored));
        self.kept = None;
        let (matcher, missing) = match cut {
            Some(matcher) => (matcher, None),
            None => match begin(history, &self.stored, ends, limits.bytes_max) {
                Beginning::Ready(matcher, missing) => (*matcher, missing),
                Beginning::Rewind(_) if !limits.may_rewind => return false,
                Beginning::Rewind(rewind) => {
                    self.rewind = Some(rewind);
                    state.note_gap(gap);
                    return true;
                }
            },
        };
        state.judge_by(matcher);
        state.note_gap(gap);
        state.note_gap(missing);
        true
    }

    /// Whether records from before the position are shown to rules.
    pub(in crate::engine) fn is_rewinding(&self) -> bool {
        self.rewind.is_some()
    }

    /// Adds what rules take of this partition.
    pub(in crate::engine) fn add_rule_holdings(&self, holdings: &mut RuleHoldings) {
        holdings.rewinding += usize::from(self.is_rewinding() || self.status == Status::Waiting);
        let rewound = self.rewind.as_ref().map(|rewind| rewind.matcher());
        let judging = self.state.as_ref().and_then(PartitionState::matcher);
        let kept = self.kept.as_ref().map(|kept| &kept.matcher);
        for matcher in [rewound, judging, kept].into_iter().flatten() {
            holdings.add(matcher);
        }
    }

    /// The rules go on with what the rewind has built; with nothing, if it can't be trusted.
    pub(super) fn end_rewind(&mut self, given_up: Option<GapReason>) {
        let (Some(rewind), Some(state)) = (self.rewind.take(), &mut self.state) else { return };
        let (matcher, gap) = match given_up {
            None => rewind.finish(&self.stored),
            Some(reason) => rewind.give_up(&self.stored, reason),
        };
        state.judge_by(matcher);
        state.note_gap(gap);
    }
}
