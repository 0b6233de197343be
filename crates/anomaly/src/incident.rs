//! From windows to incidents: what opens, goes on and closes.
//!
//! In: the judgements of one window after the other. Out: [`Incident`]s, one for each time that a series
//! was unusual, however many windows that took.
//!
//! ```text
//!   window      1   2   3   4   5   6   7   8   9
//!   unusual     .   x   .   x   x   .   .   .   .
//!   incident                o───────────────c           o: the second of three   c: twelve calm ones
//!   first window    2       last window 5
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::calendar::DetectionWindow;
use crate::counts::Series;
use crate::judge::{Direction, Judgement};

/// Of so many windows in a row …
pub const OPEN_OF: usize = 3;
/// … so many must be unusual.
pub const OPEN_WINDOWS: usize = 2;
/// So many calm windows in a row close an incident: what comes again within an hour is the same event …
pub const CLOSE_WINDOWS: i64 = 12;
/// … and so many, half as many as it lasted, one that went on for hours.
pub const CLOSE_WINDOWS_MAX: i64 = 36;

/// A series is unusual for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Which.
    pub series: Series,
    /// How.
    pub direction: Direction,
    /// The first window that was unusual. With series and direction it names the incident.
    pub first: DetectionWindow,
    /// The window by which it was noticed.
    pub opened: DetectionWindow,
    /// The last window that was not calm.
    pub last: DetectionWindow,
    /// The window by which it was over; `None`: it goes on.
    pub closed: Option<DetectionWindow>,
    /// Calm windows since.
    pub calm_windows: u32,
    /// The worst window.
    pub peak: Peak,
}

/// The worst window of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Events counted.
    pub observed: u64,
    /// Events expected.
    pub expected: f64,
    /// Standard deviations above what was expected; negative: below.
    pub score: f64,
}

/// What has been unusual lately, and what still is.
///
/// After a restart it is made again from the open incidents and the findings of the last [`OPEN_OF`]
/// windows: nothing else matters.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    open: BTreeMap<Series, Incident>,
    /// Unusual windows of the last [`OPEN_OF`], the newest last.
    recent: HashMap<Series, Vec<Finding>>,
}

/// A window that was unusual.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    window: DetectionWindow,
    direction: Direction,
    peak: Peak,
}

impl Tracker {
    /// A tracker that knows of these open incidents.
    pub fn knowing(open: Vec<Incident>) -> Self {
        let open = open.into_iter().map(|incident| (incident.series.clone(), incident)).collect();
        Tracker { open, recent: HashMap::new() }
    }

    /// The incidents that are open.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values()
    }

    /// Whether a series has an open incident.
    pub fn is_open(&self, series: &Series) -> bool {
        self.open.contains_key(series)
    }

    /// A series' unusual windows of the last few, the newest last.
    pub fn findings(&self, series: &Series) -> &[Finding] {
        self.recent.get(series).map_or(&[], Vec::as_slice)
    }

    /// Takes note of a series' findings of before: they can only help to open an incident.
    pub fn recall(&mut self, series: &Series, findings: Vec<Finding>) {
        if !findings.is_empty() {
            self.recent.insert(series.clone(), findings);
        }
    }

    fn remember(&mut self, window: DetectionWindow, judgements: &[Judgement]) {
        for judgement in judgements {
            let Some(direction) = judgement.unusual else { continue };
            let finding = Finding { window, direction, peak: Peak::of(judgement) };
            self.recent.entry(judgement.series.clone()).or_default().push(finding);
        }
        self.recent.retain(|_, findings| {
            // What was found later, before a detector was put back, is void.
            let is_recent = |it: &Finding| (0..OPEN_OF as i64).contains(&window.since(it.window));
            findings.retain(is_recent);
            !findings.is_empty()
        });
    }

    /// Takes the next window's judgements. Returns the incidents that it opened, changed or closed, each
    /// as it is now.
    pub fn take(&mut self, window: DetectionWindow, judgements: &[Judgement]) -> Vec<Incident> {
        self.remember(window, judgements);
        let by_series: HashMap<&Series, &Judgement> =
            judgements.iter().map(|judgement| (&judgement.series, judgement)).collect();
        let mut changed = Vec::new();
        let turned: BTreeSet<Series> = self.turned(window, judgements);
        for incident in self.open.values_mut() {
            incident.go_on(window, by_series.get(&incident.series).copied());
            if turned.contains(&incident.series) {
                incident.closed = Some(window);
            }
            changed.push(incident.clone());
        }
        self.open.retain(|_, incident| incident.closed.is_none());
        for judgement in judgements {
            let Some(direction) = judgement.unusual else { continue };
            if self.open.contains_key(&judgement.series) {
                continue;
            }
            let Some(incident) = self.opened(window, &judgement.series, direction) else {
                continue;
            };
            changed.push(incident.clone());
            self.open.insert(incident.series.clone(), incident);
        }
        changed
    }

    /// The series whose open incident is over because they have become unusual in the other direction.
    fn turned(&self, window: DetectionWindow, judgements: &[Judgement]) -> BTreeSet<Series> {
        let has_turned = |judgement: &&Judgement| {
            let open = self.open.get(&judgement.series);
            judgement.unusual.is_some_and(|now| {
                open.is_some_and(|open| open.direction != now)
                    && self.opened(window, &judgement.series, now).is_some()
            })
        };
        judgements.iter().filter(has_turned).map(|judgement| judgement.series.clone()).collect()
    }

    fn opened(
        &self,
        window: DetectionWindow,
        series: &Series,
        direction: Direction,
    ) -> Option<Incident> {
        let findings: Vec<&Finding> =
            self.recent.get(series)?.iter().filter(|seen| seen.direction == direction).collect();
        let first = findings.first()?.window;
        let worst = findings.iter().map(|seen| seen.peak).reduce(Peak::worse)?;
        (findings.len() >= OPEN_WINDOWS).then(|| Incident {
            series: series.clone(),
            direction,
            first,
            opened: window,
            last: window,
            closed: None,
            calm_windows: 0,
            peak: worst,
        })
    }
}

impl Incident {
    /// A series of which nothing is known any more is calm.
    fn go_on(&mut self, window: DetectionWindow, judgement: Option<&Judgement>) {
        match judgement.filter(|judgement| !judgement.is_calm(self.direction)) {
            Some(judgement) => {
                self.last = window;
                self.calm_windows = 0;
                self.peak = self.peak.worse(Peak::of(judgement));
            }
            None => self.calm_windows += 1,
        }
        let half = self.last.since(self.first) / 2;
        if i64::from(self.calm_windows) >= half.clamp(CLOSE_WINDOWS, CLOSE_WINDOWS_MAX) {
            self.closed = Some(window);
        }
    }
}

impl Peak {
    fn of(judgement: &Judgement) -> Self {
        let Judgement { observed, expected, score, .. } = *judgement;
        Peak { observed, expected, score }
    }

    fn worse(self, other: Peak) -> Peak {
        if other.score.abs() > self.score.abs() { other } else { self }
    }
}

#[cfg(test)]
mod tests;
