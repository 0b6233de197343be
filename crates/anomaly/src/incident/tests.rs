//! What opens and closes, by drawings: one character a window.

use super::*;
use crate::judge::Knowledge;

/// `H`, `L`: unusual; `h`, `l`: not calm, not unusual; `.`: calm; `?`: the series is not there.
fn judgements(mark: char) -> Vec<Judgement> {
    let (observed, score, unusual) = match mark {
        'H' => (400, 20.0, Some(Direction::High)),
        'h' => (140, 3.0, None),
        'L' => (10, -15.0, Some(Direction::Low)),
        'l' => (70, -3.0, None),
        _ => (100, 0.0, None),
    };
    let series = Series::new("A", "call");
    let knowledge = Knowledge::Judged;
    let judgement = Judgement { series, observed, expected: 100.0, score, knowledge, unusual };
    if mark == '?' { Vec::new() } else { vec![judgement] }
}

/// The incidents of a drawing, as `DIRECTION first-last o OPENED c CLOSED`.
fn incidents(drawing: &str) -> Vec<String> {
    let mut all: BTreeMap<(DetectionWindow, Direction), Incident> = BTreeMap::new();
    let mut tracker = Tracker::default();
    for (number, mark) in (0..).zip(drawing.chars()) {
        for incident in tracker.take(DetectionWindow::number(number), &judgements(mark)) {
            all.insert((incident.first, incident.direction), incident);
        }
    }
    let number = |window: DetectionWindow| window.since(DetectionWindow::number(0));
    let shown = |incident: &Incident| {
        let Incident { first, last, opened, closed, .. } = incident;
        let closed = closed.map_or_else(|| "-".to_owned(), |window| number(window).to_string());
        let [first, last, opened] = [first, last, opened].map(|window| number(*window));
        format!("{} {first}-{last} o{opened} c{closed}", incident.direction.name())
    };
    all.values().map(shown).collect()
}

#[test]
fn two_of_three_open_and_three_calm_ones_close() {
    for (drawing, expected) in [
        ("..H......", &[][..]),
        ("H..H..H..", &[]),
        ("..HH.....", &["high 2-3 o3 c6"]),
        ("..H.H....", &["high 2-4 o4 c7"]),
        ("..HHhhhH..h...", &["high 2-10 o3 c13"]),
        ("HH..h..h..h..", &["high 0-10 o1 c-"]),
        ("LL", &["low 0-1 o1 c-"]),
        ("HL.HL.", &[]),
        ("HHHLLLL...", &["high 0-2 o1 c5", "low 3-6 o5 c9"]),
        ("HH???", &["high 0-1 o1 c4"]),
        ("HH...HH...", &["high 0-1 o1 c4", "high 5-6 o6 c9"]),
    ] {
        assert_eq!(incidents(drawing), expected, "{drawing}");
    }
}

#[test]
fn the_peak_is_the_worst_window_that_before_the_opening_included() {
    let mut tracker = Tracker::default();
    let mut worst = judgements('H');
    worst[0].score = 33.0;
    tracker.take(DetectionWindow::number(0), &worst);
    let opened = tracker.take(DetectionWindow::number(1), &judgements('H'));
    assert_eq!(opened[0].peak.score, 33.0);
}

/// Cut anywhere, and made again from what is stored, a tracker goes on as if nothing had happened.
#[test]
fn a_restart_at_any_window_changes_nothing() {
    let drawing = "..H.HhhH....LL..l...HHH.....LLHHHH....";
    let marks: Vec<char> = drawing.chars().collect();
    for cut in 0..marks.len() {
        let mut stored: BTreeMap<(DetectionWindow, Direction), Incident> = BTreeMap::new();
        let mut tracker = Tracker::default();
        for (number, mark) in (0..).zip(&marks) {
            if number == cut {
                let open = stored.values().filter(|incident| incident.closed.is_none());
                tracker = Tracker::knowing(open.cloned().collect());
                let lately = (0..).zip(&marks).take(cut).skip(cut.saturating_sub(OPEN_OF - 1));
                for (before, mark) in lately {
                    tracker.remember(DetectionWindow::number(before), &judgements(*mark));
                }
            }
            for incident in tracker.take(DetectionWindow::number(number as i64), &judgements(*mark))
            {
                stored.insert((incident.first, incident.direction), incident);
            }
        }
        let unbroken = incidents(drawing);
        assert_eq!(stored.len(), unbroken.len(), "cut at {cut}");
        let number = |window: DetectionWindow| window.since(DetectionWindow::number(0));
        for (incident, expected) in stored.values().zip(&unbroken) {
            let start = format!(
                "{} {}-{} o{}",
                incident.direction.name(),
                number(incident.first),
                number(incident.last),
                number(incident.opened)
            );
            assert!(expected.starts_with(&start), "cut at {cut}: {start}, not {expected}");
        }
    }
}
