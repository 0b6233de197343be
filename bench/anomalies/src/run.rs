//! Lets a detector go through counts, window by window.

use std::collections::BTreeMap;

use anomaly::{
    Calendar, Counts, DetectionWindow, Direction, Incident, Judgement, Series, Tracker,
    judge_window,
};
use chrono::NaiveDateTime;

/// Something that judges a window.
pub type Judge<'a> = dyn Fn(DetectionWindow) -> Vec<Judgement> + 'a;

/// The detector that is scored.
pub fn detector<'a>(
    counts: &'a Counts,
    calendar: &'a Calendar,
) -> impl Fn(DetectionWindow) -> Vec<Judgement> + 'a {
    move |window| judge_window(window, counts, calendar)
}

/// The incidents of a stretch, open ones included.
pub fn incidents(from: NaiveDateTime, to: NaiveDateTime, judge: &Judge<'_>) -> Vec<Incident> {
    let mut tracker = Tracker::default();
    let mut found: BTreeMap<(DetectionWindow, Series, Direction), Incident> = BTreeMap::new();
    let mut window = DetectionWindow::holding(from);
    while window.end() <= to {
        for incident in tracker.take(window, &judge(window)) {
            let key = (incident.first, incident.series.clone(), incident.direction);
            found.insert(key, incident);
        }
        window = window.plus(1);
    }
    found.into_values().collect()
}
