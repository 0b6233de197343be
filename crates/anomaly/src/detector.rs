//! The detector: judges one window after the other, and learns from each.
//!
//! In: [`Counts`] of a window and of the former ones. Out: its [`Judgement`]s, and the incidents that it
//! opened, changed or closed. What a detector knows beside its open incidents are its [`Notes`]: restored
//! with both, it goes on as if it had never stopped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, DetectionWindow};
use crate::counts::{Counts, Series};
use crate::incident::{Finding, Incident, Tracker};
use crate::judge::{Asked, Budget, Judgement, Knowledge, judge_window};
use crate::memory::{Lesson, Memory};

/// What a detector keeps of a series from one window to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notes {
    /// What was learned.
    memory: Memory,
    /// Its unusual windows of the last few.
    findings: Vec<Finding>,
}

impl Notes {
    /// The last window in which the series was judged.
    pub fn last(&self) -> Option<DetectionWindow> {
        self.memory.last()
    }
}

/// What came of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What is to be said of each series.
    pub judgements: Vec<Judgement>,
    /// The incidents that it opened, changed or closed, each as it is now.
    pub changed: Vec<Incident>,
}

/// Judges windows, one after the other.
#[derive(Clone, Debug)]
pub struct Detector {
    budget: Budget,
    memories: BTreeMap<Series, Memory>,
    tracker: Tracker,
}

impl Detector {
    /// A detector that knows nothing yet.
    pub fn new(budget: Budget) -> Self {
        Detector { budget, memories: BTreeMap::new(), tracker: Tracker::default() }
    }

    /// A detector that goes on with these notes and open incidents.
    pub fn restored(budget: Budget, notes: Vec<(Series, Notes)>, open: Vec<Incident>) -> Self {
        let mut tracker = Tracker::knowing(open);
        let mut memories = BTreeMap::new();
        for (series, Notes { memory, findings }) in notes {
            tracker.recall(&series, findings);
            memories.insert(series, memory);
        }
        Detector { budget, memories, tracker }
    }

    /// What has to be kept of each series.
    pub fn notes(&self) -> Vec<(Series, Notes)> {
        let notes = self.memories.iter().map(|(series, memory)| {
            let findings = self.tracker.findings(series).to_vec();
            (series.clone(), Notes { memory: memory.clone(), findings })
        });
        notes.collect()
    }

    /// The incidents that are open.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.tracker.open()
    }

    /// Judges the next window, and learns from it.
    pub fn take(
        &mut self,
        window: DetectionWindow,
        counts: &Counts,
        calendar: &Calendar,
    ) -> Outcome {
        let asked = Asked { calendar, memories: &self.memories, budget: self.budget };
        let verdicts = judge_window(window, counts, &asked);
        let judgements: Vec<Judgement> =
            verdicts.iter().map(|verdict| verdict.judgement.clone()).collect();
        let changed = self.tracker.take(window, &judgements);
        let is_holiday = calendar.is_holiday(window);
        for verdict in verdicts {
            let Judgement { series, observed, expected, knowledge, .. } = verdict.judgement;
            if knowledge == Knowledge::WarmingUp {
                continue;
            }
            let lesson = Lesson {
                window,
                observed: observed as f64,
                expected,
                readings: verdict.readings,
                jump: verdict.jump,
                lasting: verdict.lasting,
                granted: verdict.granted,
                is_unusual: self.tracker.is_open(&series),
                is_jump: verdict.is_jump,
                is_holiday,
            };
            self.memories.entry(series).or_default().learn(&lesson);
        }
        Outcome { judgements, changed }
    }
}

#[cfg(test)]
mod tests;
