//! Which labels were found, how soon, and what was raised for nothing.

use anomaly::{DetectionWindow, Incident, NATIONWIDE, WINDOW_MINUTES};

use crate::labels::{Kind, Label};

/// An incident may begin so many windows after a label's end and still be about it: two of three
/// windows may straddle it.
const AFTER_WINDOWS: i64 = 2;
/// Windows that a detector has to be called quick.
pub const QUICK_WINDOWS: i64 = 3;

/// What a detector made of labels.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// Each label, and after how many windows it was found, the one in which it began included; `None`: it
    /// was not.
    pub labels: Vec<(Label, Option<i64>)>,
    /// Incidents that are about a label.
    pub about_labels: usize,
    /// Incidents that are about nothing.
    pub false_alerts: Vec<Incident>,
    /// Days that were judged.
    pub days: f64,
}

impl Score {
    /// Compares incidents of so many days with the labels.
    pub fn of(labels: &[Label], incidents: &[Incident], days: f64) -> Self {
        let found = |label: &Label| {
            let of_label = incidents.iter().filter(|incident| names(label, incident));
            let windows = of_label.map(|incident| windows_to_detect(label, incident));
            windows.min()
        };
        let is_about_any =
            |incident: &&Incident| labels.iter().any(|label| is_about(label, incident));
        let (about, nothing): (Vec<&Incident>, Vec<&Incident>) =
            incidents.iter().partition(is_about_any);
        Score {
            labels: labels.iter().map(|label| (label.clone(), found(label))).collect(),
            about_labels: about.len(),
            false_alerts: nothing.into_iter().cloned().collect(),
            days,
        }
    }

    /// Adds another seed's.
    pub fn add(&mut self, other: Score) {
        self.labels.extend(other.labels);
        self.about_labels += other.about_labels;
        self.false_alerts.extend(other.false_alerts);
        self.days += other.days;
    }

    /// Labels of a kind and magnitude: how many there are, how many were found, and quickly.
    pub fn line(&self, kind: Kind, magnitude: f64) -> Line {
        let of_line =
            self.labels.iter().filter(|(l, _)| l.kind == kind && l.magnitude == magnitude);
        let mut line = Line::default();
        for (_, windows) in of_line {
            line.labels += 1;
            if let Some(windows) = windows {
                line.windows.push(*windows);
            }
        }
        line.windows.sort_unstable();
        line
    }

    /// Incidents about labels among all.
    pub fn precision(&self) -> f64 {
        let all = self.about_labels + self.false_alerts.len();
        if all == 0 { 0.0 } else { self.about_labels as f64 / all as f64 }
    }

    /// False alerts of a day, the whole country together.
    pub fn false_alerts_per_day(&self) -> f64 {
        self.false_alerts.len() as f64 / self.days
    }
}

/// A line of the table.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub labels: usize,
    /// Windows that it took to find those that were found, ascending.
    pub windows: Vec<i64>,
}

impl Line {
    /// Share that was found at all.
    pub fn recall(&self) -> f64 {
        self.windows.len() as f64 / self.labels as f64
    }

    /// Share that was found within [`QUICK_WINDOWS`].
    pub fn quick_recall(&self) -> f64 {
        let quick = self.windows.iter().filter(|windows| **windows <= QUICK_WINDOWS).count();
        quick as f64 / self.labels as f64
    }

    /// Windows that half of those found took at most; `None`: none was.
    pub fn median_windows(&self) -> Option<i64> {
        self.windows.get(self.windows.len() / 2).copied()
    }
}

/// The same series and direction, noticed while the label lasted or just after.
fn names(label: &Label, incident: &Incident) -> bool {
    incident.series == label.series
        && incident.direction == label.direction()
        && incident.opened.end() > label.from
        && incident.opened <= DetectionWindow::holding(label.to).plus(AFTER_WINDOWS)
}

/// Names it, or is a consequence of it: a region of a type that is unusual in the whole country.
fn is_about(label: &Label, incident: &Incident) -> bool {
    let of_nationwide = Label { series: incident.series.clone(), ..label.clone() };
    names(label, incident)
        || label.series.region == NATIONWIDE
            && label.series.event_type == incident.series.event_type
            && names(&of_nationwide, incident)
}

fn windows_to_detect(label: &Label, incident: &Incident) -> i64 {
    let seconds = (incident.opened.end() - label.from).num_seconds();
    seconds.div_euclid(60 * WINDOW_MINUTES) + i64::from(seconds % (60 * WINDOW_MINUTES) > 0)
}

#[cfg(test)]
mod tests {
    use anomaly::{Direction, Measure, Peak, Series};

    use super::*;

    fn label(series: Series, magnitude: f64) -> Label {
        let at = |text: &str| format!("2025-12-22T{text}").parse().unwrap();
        let (from, to) = (at("12:02:00"), at("12:40:00"));
        Label { series, from, to, magnitude, expected: 50.0, kind: Kind::Regional }
    }

    fn incident(series: Series, direction: Direction, opened: &str) -> Incident {
        let opened = DetectionWindow::holding(format!("2025-12-22T{opened}").parse().unwrap());
        let peak = Peak { observed: 0, expected: 0.0, score: 0.0 };
        Incident {
            series,
            measure: Measure::Events,
            direction,
            first: opened,
            opened,
            last: opened,
            closed: None,
            calm_windows: 0,
            peak,
            moved: Vec::new(),
        }
    }

    #[test]
    fn a_label_is_found_by_an_incident_of_its_series_and_direction_in_its_time() {
        let series = || Series::new("A", "call");
        let other = || Series::new("B", "call");
        for (found_by, windows) in [
            (incident(series(), Direction::High, "12:05:00"), Some(2)),
            (incident(series(), Direction::High, "12:10:00"), Some(3)),
            (incident(series(), Direction::High, "12:50:00"), Some(11)),
            (incident(series(), Direction::High, "12:55:00"), None),
            (incident(series(), Direction::High, "11:55:00"), None),
            (incident(series(), Direction::Low, "12:10:00"), None),
            (incident(other(), Direction::High, "12:10:00"), None),
        ] {
            let score = Score::of(&[label(series(), 3.0)], std::slice::from_ref(&found_by), 1.0);
            assert_eq!(score.labels[0].1, windows, "{found_by:?}");
            assert_eq!(score.false_alerts.is_empty(), windows.is_some());
            assert_eq!(score.precision(), if windows.is_some() { 1.0 } else { 0.0 });
        }
    }

    #[test]
    fn a_region_that_goes_with_the_country_is_neither_found_nor_false() {
        let nationwide = label(Series::new(NATIONWIDE, "call"), 0.2);
        let regional = incident(Series::new("A", "call"), Direction::Low, "12:10:00");
        let score = Score::of(&[nationwide], &[regional], 2.0);
        assert_eq!((score.labels[0].1, score.about_labels), (None, 1));
        assert_eq!(score.false_alerts_per_day(), 0.0);
    }

    #[test]
    fn a_line_counts_its_own_labels() {
        let mut score = Score::default();
        for windows in [Some(2), Some(3), Some(9), None] {
            score.labels.push((label(Series::new("A", "call"), 3.0), windows));
        }
        score.labels.push((label(Series::new("A", "call"), 5.0), None));
        let line = score.line(Kind::Regional, 3.0);
        assert_eq!((line.labels, line.recall(), line.quick_recall()), (4, 0.75, 0.5));
        assert_eq!(line.median_windows(), Some(3));
        assert_eq!(score.line(Kind::Small, 3.0).labels, 0);
    }
}
