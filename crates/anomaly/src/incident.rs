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
use crate::judgement::{Direction, Judgement};
use crate::measure::Measure;

/// Of so many windows in a row …
pub const OPEN_OF: usize = 3;
/// … so many must be unusual.
pub const OPEN_WINDOWS: usize = 2;
/// So many calm windows in a row close an incident: what comes again within an hour is the same event …
pub const CLOSE_WINDOWS: i64 = 12;
/// … and so many, half as many as it lasted, one that went on for hours.
pub const CLOSE_WINDOWS_MAX: i64 = 36;

/// While an incident goes on, what is unusual in the other direction is its echo, up to so many times as much or
/// as little as expected: a quiet morning after a busy night, a rush after an outage. Further off it is an
/// incident of its own: silence after a rush may be the network's collapse.
pub const ECHO_MOST: f64 = 10.0;

/// So many others are named with an incident that moved meanwhile.
pub const MOVED_MAX: usize = 5;

/// A series is unusual for a while, in one way at a time: while its number of events is, what they come to is
/// no incident beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// The region and event type that were unusual.
    pub series: Series,
    /// Which of the series' figures moved, and so the unit of what came and what was expected.
    pub measure: Measure,
    /// Whether more came than usual, or less; the same for as long as it lasts.
    pub direction: Direction,
    /// The first window that was unusual. With series and direction it names the incident.
    pub first: DetectionWindow,
    /// The window by which it was noticed.
    pub opened: DetectionWindow,
    /// The last window that was not calm.
    pub last: DetectionWindow,
    /// The window by which it was over; `None`: it goes on.
    pub closed: Option<DetectionWindow>,
    /// Calm windows since; after an echo so few that it takes another hour of them.
    pub calm_windows: u32,
    /// The worst window.
    pub peak: Peak,
    /// What else moved in the worst window, the furthest first.
    pub moved: Vec<Moved>,
}

/// What was not calm in a window that was unusual for something else: of the same type, or in the same region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// As events name it, or [`NATIONWIDE`](crate::counts::NATIONWIDE).
    pub region: String,
    /// As events name it.
    pub event_type: String,
    /// Which of the series' figures moved, and so the unit of what came and what was expected.
    pub measure: Measure,
    /// What came, in the measure's unit.
    pub observed: u64,
    /// What was expected, to a hundredth: a number that is the same after it was stored.
    pub expected: f64,
}

/// The worst window of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// What came, in the measure's unit; of a series that is too small, in an hour.
    pub observed: u64,
    /// The same of what was expected.
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
    #[serde(default)]
    measure: Measure,
    direction: Direction,
    peak: Peak,
}

impl Tracker {
    /// A tracker that knows of these open incidents.
    pub fn knowing(open: Vec<Incident>) -> Self {
        let open = open.into_iter().map(|incident| (incident.series.clone(), incident)).collect();
        Tracker { open, recent: HashMap::new() }
    }

    /// Incidents that go on, by series: a series has one at most.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values()
    }

    /// Whether a measure of a series is unusual now. What events come to is, too, while their number is.
    pub fn is_open(&self, series: &Series, measure: Measure) -> bool {
        let open = self.open.get(series).map(|incident| incident.measure);
        open.is_some_and(|open| open == measure || open == Measure::Events)
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
            let measure = judgement.measure;
            let finding = Finding { window, measure, direction, peak: Peak::of(judgement) };
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
        let by_series: HashMap<(&Series, Measure), &Judgement> =
            judgements.iter().map(|it| ((&it.series, it.measure), it)).collect();
        let mut changed = Vec::new();
        let turned: BTreeSet<Series> = self.turned(window, judgements);
        let mut was_open: BTreeMap<Series, Incident> = BTreeMap::new();
        for incident in self.open.values_mut() {
            let judgement = by_series.get(&(&incident.series, incident.measure)).copied();
            if incident.go_on(window, judgement) {
                incident.moved = moved(judgement, judgements);
            }
            if turned.contains(&incident.series) {
                incident.closed = Some(window);
                was_open.insert(incident.series.clone(), incident.clone());
            }
            changed.push(incident.clone());
        }
        self.open.retain(|_, incident| incident.closed.is_none());
        // A type's events are judged before what they come to: their number is what opens first.
        for judgement in judgements {
            if judgement.unusual.is_none() || self.open.contains_key(&judgement.series) {
                continue;
            }
            let before = was_open.get(&judgement.series);
            let Some(mut incident) = self.opened(window, judgement, before) else { continue };
            incident.moved = moved(Some(judgement), judgements);
            changed.push(incident.clone());
            self.open.insert(incident.series.clone(), incident);
        }
        changed
    }

    /// The series whose open incident is over because they have become very unusual in the other direction, or
    /// because after what their events come to their number has.
    fn turned(&self, window: DetectionWindow, judgements: &[Judgement]) -> BTreeSet<Series> {
        let has_turned = |judgement: &&Judgement| {
            let Some((now, open)) = judgement.unusual.zip(self.open.get(&judgement.series)) else {
                return false;
            };
            let is_same = open.measure == judgement.measure;
            let is_other = is_same && open.direction != now && !is_echo(judgement)
                || !is_same && judgement.measure == Measure::Events;
            is_other && self.opened(window, judgement, Some(open)).is_some()
        };
        judgements.iter().filter(has_turned).map(|judgement| judgement.series.clone()).collect()
    }

    /// The incident that a judgement opens; not by windows that name the one `before`.
    fn opened(
        &self,
        window: DetectionWindow,
        judgement: &Judgement,
        before: Option<&Incident>,
    ) -> Option<Incident> {
        let direction = judgement.unusual?;
        let (series, measure) = (&judgement.series, judgement.measure);
        let is_taken = |seen: &Finding| {
            before.is_some_and(|it| it.direction == direction && it.first >= seen.window)
        };
        let findings: Vec<&Finding> = self
            .recent
            .get(series)?
            .iter()
            .filter(|seen| (seen.measure, seen.direction) == (measure, direction))
            .filter(|seen| !is_taken(seen))
            .collect();
        let first = findings.first()?.window;
        let worst = findings.iter().map(|seen| seen.peak).reduce(Peak::worse)?;
        (findings.len() >= OPEN_WINDOWS).then(|| Incident {
            series: series.clone(),
            measure,
            direction,
            first,
            opened: window,
            last: window,
            closed: None,
            calm_windows: 0,
            peak: worst,
            moved: Vec::new(),
        })
    }
}

/// Whether what is unusual is near enough to what was expected to be another incident's echo.
fn is_echo(judgement: &Judgement) -> bool {
    let is_near = |direction: Direction| judgement.ratio.powf(direction.sign()) <= ECHO_MOST;
    judgement.unusual.is_some_and(is_near)
}

/// What else was not calm, of the same type or in the same region.
fn moved(of: Option<&Judgement>, judgements: &[Judgement]) -> Vec<Moved> {
    let Some(of) = of else { return Vec::new() };
    let is_near = |it: &&Judgement| {
        let is_itself = it.series == of.series && it.measure == of.measure;
        let is_related =
            it.series.region == of.series.region || it.series.event_type == of.series.event_type;
        !is_itself && is_related && !it.is_calm(it.direction())
    };
    let mut near: Vec<&Judgement> = judgements.iter().filter(is_near).collect();
    near.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
    let moved = near.into_iter().take(MOVED_MAX).map(|it| Moved {
        region: it.series.region.clone(),
        event_type: it.series.event_type.clone(),
        measure: it.measure,
        observed: it.observed.round() as u64,
        expected: (100.0 * it.expected).round() / 100.0,
    });
    moved.collect()
}

impl Incident {
    /// A series of which nothing is known any more is calm. Whether this is the worst window so far.
    fn go_on(&mut self, window: DetectionWindow, judgement: Option<&Judgement>) -> bool {
        let before = self.peak;
        match judgement.filter(|judgement| !judgement.is_calm(self.direction)) {
            Some(judgement) => {
                self.last = window;
                self.calm_windows = 0;
                self.peak = self.peak.worse(Peak::of(judgement));
            }
            None => self.calm_windows += 1,
        }
        let half = self.last.since(self.first) / 2;
        let enough = half.clamp(CLOSE_WINDOWS, CLOSE_WINDOWS_MAX);
        if judgement.is_some_and(is_echo) {
            self.calm_windows = self.calm_windows.min((enough - CLOSE_WINDOWS) as u32);
        }
        if i64::from(self.calm_windows) >= enough {
            self.closed = Some(window);
        }
        self.peak != before
    }
}

impl Peak {
    fn of(judgement: &Judgement) -> Self {
        let Judgement { observed, expected, score, .. } = *judgement;
        Peak { observed: observed.round() as u64, expected, score }
    }

    fn worse(self, other: Peak) -> Peak {
        if other.score.abs() > self.score.abs() { other } else { self }
    }
}

#[cfg(test)]
mod tests;
