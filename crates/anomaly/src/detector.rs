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
use crate::judge::{Asked, Budget, Memories, judge_window};
use crate::judgement::{Judgement, Knowledge};
use crate::measure::Measure;
use crate::memory::{Lesson, Memory};

/// What a detector keeps of a series from one window to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notes {
    /// What was learned of its events.
    memory: Memory,
    /// What was learned of what they come to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    amounts: BTreeMap<Measure, Memory>,
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
    memories: Memories,
    tracker: Tracker,
}

impl Detector {
    /// A detector that knows nothing yet.
    pub fn new(budget: Budget) -> Self {
        Detector { budget, memories: Memories::new(), tracker: Tracker::default() }
    }

    /// A detector that goes on with these notes and open incidents.
    pub fn restored(budget: Budget, notes: Vec<(Series, Notes)>, open: Vec<Incident>) -> Self {
        let mut tracker = Tracker::knowing(open);
        let mut memories = Memories::new();
        for (series, Notes { memory, amounts, findings }) in notes {
            tracker.recall(&series, findings);
            for (measure, memory) in amounts.into_iter().chain([(Measure::Events, memory)]) {
                memories.entry(measure).or_default().insert(series.clone(), memory);
            }
        }
        Detector { budget, memories, tracker }
    }

    /// What has to be kept of each series.
    pub fn notes(&self) -> Vec<(Series, Notes)> {
        let of_events = self.memories.get(&Measure::Events).into_iter().flatten();
        let notes = of_events.map(|(series, memory)| {
            let of_measure = |measure: Measure| {
                Some((measure, self.memories.get(&measure)?.get(series)?.clone()))
            };
            let amounts = Measure::AMOUNTS.into_iter().filter_map(of_measure).collect();
            let findings = self.tracker.findings(series).to_vec();
            (series.clone(), Notes { memory: memory.clone(), amounts, findings })
        });
        notes.collect()
    }

    /// Incidents that go on, by series: a series has one at most.
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
        let (is_holiday, time) = (calendar.is_holiday(window), calendar.time_of_day(window));
        for verdict in verdicts {
            let Judgement { series, measure, knowledge, .. } = verdict.judgement;
            if knowledge == Knowledge::WarmingUp {
                continue;
            }
            let lesson = Lesson {
                window,
                observed: verdict.observed,
                expected: verdict.expected,
                readings: verdict.readings,
                jump: verdict.jump,
                lasting: verdict.lasting,
                granted: verdict.granted,
                is_unusual: self.tracker.is_open(&series, measure),
                is_jump: verdict.is_jump,
                is_holiday,
                time,
            };
            self.memories.entry(measure).or_default().entry(series).or_default().learn(&lesson);
        }
        Outcome { judgements, changed }
    }
}

#[cfg(test)]
mod tests;
