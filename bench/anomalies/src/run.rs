//! Lets a detector go through counts, window by window.

use std::collections::BTreeMap;

use anomaly::{
    Budget, Calendar, Counts, DetectionWindow, Detector, Direction, Incident, Judgement, Knowledge,
    Series, Tracker,
};
use chrono::NaiveDateTime;

/// Something that judges a window by itself.
pub type Judge<'a> = dyn Fn(DetectionWindow) -> Vec<Judgement> + 'a;

type Found = BTreeMap<(DetectionWindow, Series, Direction), Incident>;

/// The detector that is scored, on its way through counts.
#[derive(Debug)]
pub struct Run<'a> {
    detector: Detector,
    counts: &'a Counts,
    calendar: &'a Calendar,
    /// Windows in which each series was judged.
    pub judged: BTreeMap<Series, u64>,
}

impl<'a> Run<'a> {
    /// One that knows nothing yet.
    pub fn new(counts: &'a Counts, calendar: &'a Calendar, budget: Budget) -> Self {
        Run { detector: Detector::new(budget), counts, calendar, judged: BTreeMap::new() }
    }

    /// The incidents of the next stretch, open ones included.
    pub fn incidents(&mut self, from: NaiveDateTime, to: NaiveDateTime) -> Vec<Incident> {
        let mut found = Found::new();
        for window in windows(from, to) {
            let outcome = self.detector.take(window, self.counts, self.calendar);
            note(&mut found, outcome.changed);
            for judgement in outcome.judgements {
                if judgement.knowledge != Knowledge::WarmingUp {
                    *self.judged.entry(judgement.series).or_default() += 1;
                }
            }
        }
        found.into_values().filter(|incident| incident.opened.start() >= from).collect()
    }
}

/// The incidents of a stretch that something raises which judges each window by itself, open ones included.
pub fn incidents(from: NaiveDateTime, to: NaiveDateTime, judge: &Judge<'_>) -> Vec<Incident> {
    let mut tracker = Tracker::default();
    let mut found = Found::new();
    for window in windows(from, to) {
        note(&mut found, tracker.take(window, &judge(window)));
    }
    found.into_values().collect()
}

fn note(found: &mut Found, changed: Vec<Incident>) {
    for incident in changed {
        let key = (incident.first, incident.series.clone(), incident.direction);
        found.insert(key, incident);
    }
}

fn windows(from: NaiveDateTime, to: NaiveDateTime) -> impl Iterator<Item = DetectionWindow> {
    let first = DetectionWindow::holding(from);
    (0..).map(move |step| first.plus(step)).take_while(move |window| window.end() <= to)
}
