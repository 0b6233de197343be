//! What opens and closes, by drawings: one character a window.

use super::*;
use crate::judgement::Knowledge;

/// `H`, `L`: unusual; `X`, `S`: twelve times as much, silence; `h`, `l`: not calm, not unusual; `.`: calm; `?`: the series is not there.
fn judgements(mark: char) -> Vec<Judgement> {
    let (observed, score, unusual) = match mark {
        'H' => (400.0, 20.0, Some(Direction::High)),
        'h' => (140.0, 3.0, None),
        'L' => (10.0, -15.0, Some(Direction::Low)),
        'X' => (1_200.0, 40.0, Some(Direction::High)),
        'S' => (0.0, -19.0, Some(Direction::Low)),
        'l' => (70.0, -3.0, None),
        _ => (100.0, 0.0, None),
    };
    let series = Series::new("A", "call");
    let knowledge = Knowledge::Judged;
    let judgement = Judgement {
        series,
        measure: Measure::Events,
        observed,
        expected: 100.0,
        ratio: observed / 100.0,
        score,
        knowledge,
        unusual,
    };
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

fn calm(windows: usize) -> String {
    ".".repeat(windows)
}

#[test]
fn two_of_three_open_and_an_hour_of_calm_closes() {
    for (drawing, expected) in [
        ("..H......", &[][..]),
        ("H..H..H..", &[]),
        (&format!("..HH{}", calm(12)), &["high 2-3 o3 c15"]),
        (&format!("..H.H{}", calm(12)), &["high 2-4 o4 c16"]),
        (&format!("..HHhhhH..h{}", calm(11)), &["high 2-10 o3 c-"]),
        (&format!("..HHhhhH..h{}", calm(12)), &["high 2-10 o3 c22"]),
        ("LL", &["low 0-1 o1 c-"]),
        ("HL.HL.", &[]),
        ("HHHSSSS", &["high 0-2 o1 c4", "low 3-6 o4 c-"]),
        ("LLLLXX", &["low 0-3 o1 c5", "high 4-5 o5 c-"]),
        ("HHHL.....", &["high 0-2 o1 c-"]),
        (&format!("HHH{}LL", calm(12)), &["high 0-2 o1 c14", "low 15-16 o16 c-"]),
        (&format!("HH{}", "?".repeat(12)), &["high 0-1 o1 c13"]),
        // What comes again within an hour is the same event, and later another.
        (&format!("HH{}HH", calm(11)), &["high 0-14 o1 c-"]),
        (&format!("HH{}HH", calm(12)), &["high 0-1 o1 c13", "high 14-15 o15 c-"]),
        // An echo in the other direction is the same event, and takes an hour of calm again.
        (&format!("HH..LL{}", calm(11)), &["high 0-1 o1 c-"]),
        (&format!("HH..LL{}", calm(12)), &["high 0-1 o1 c17"]),
        (&format!("LL..HH..HH{}L", calm(12)), &["low 0-1 o1 c21"]),
        (&format!("HH{}H{}LL{}", "h".repeat(57), calm(20), calm(11)), &["high 0-59 o1 c-"]),
        (&format!("HH{}H{}LL{}", "h".repeat(57), calm(20), calm(12)), &["high 0-59 o1 c93"]),
        (&format!("HH{}LL", calm(12)), &["high 0-1 o1 c13", "low 14-15 o15 c-"]),
        // After five hours it takes half as long, after ten not more than three.
        (&format!("HH{}H{}", "h".repeat(57), calm(28)), &["high 0-59 o1 c-"]),
        (&format!("HH{}H{}", "h".repeat(57), calm(29)), &["high 0-59 o1 c88"]),
        (&format!("HH{}H{}", "h".repeat(117), calm(36)), &["high 0-119 o1 c155"]),
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
    let drawing = "..H.HhhH....LL..l...HHH.....SSHHHHXX..............LL..l............HH.............LHHL....";
    let marks: Vec<char> = drawing.chars().collect();
    for cut in 0..marks.len() {
        let mut stored: BTreeMap<(DetectionWindow, Direction), Incident> = BTreeMap::new();
        let mut tracker = Tracker::default();
        let mut findings = Vec::new();
        for (number, mark) in (0..).zip(&marks) {
            if number == cut {
                let open = stored.values().filter(|incident| incident.closed.is_none());
                tracker = Tracker::knowing(open.cloned().collect());
                tracker.recall(&Series::new("A", "call"), findings.clone());
            }
            for incident in tracker.take(DetectionWindow::number(number as i64), &judgements(*mark))
            {
                stored.insert((incident.first, incident.direction), incident);
            }
            findings = tracker.findings(&Series::new("A", "call")).to_vec();
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

/// A judgement of this measure of calls in A.
fn judged(measure: Measure, mark: char) -> Judgement {
    let judgement = judgements(mark).pop().unwrap();
    Judgement { measure, ..judgement }
}

#[test]
fn what_events_come_to_is_no_incident_beside_their_number() {
    let mut tracker = Tracker::default();
    let mut all: BTreeMap<DetectionWindow, Vec<String>> = BTreeMap::new();
    // Minutes are unusual from the beginning, the number of calls from the third window on.
    for (number, calls) in (0..).zip("..HHH".chars()) {
        let window = DetectionWindow::number(number);
        let judgements = [judged(Measure::Events, calls), judged(Measure::Minutes, 'H')];
        for incident in tracker.take(window, &judgements) {
            let state = if incident.closed.is_some() { "closed" } else { "open" };
            let first = incident.first.since(DetectionWindow::number(0));
            let shown = format!("{} from {first} {state}", incident.measure.name());
            all.entry(window).or_default().push(shown);
        }
    }
    let found: Vec<Vec<String>> = all.into_values().collect();
    assert_eq!(
        found,
        [
            vec!["minutes from 0 open"],
            vec!["minutes from 0 open"],
            vec!["minutes from 0 closed", "events from 2 open"],
            vec!["events from 2 open"],
        ]
    );
}

#[test]
fn no_two_incidents_of_a_series_and_direction_have_the_same_first_window() {
    let mut tracker = Tracker::default();
    let mut named = BTreeSet::new();
    // Both are unusual in the first window, but only minutes in the second: they open an incident of that
    // window, and the number of calls must not open another one of it in the third.
    for (number, calls) in (0..).zip("H.HH".chars()) {
        let window = DetectionWindow::number(number);
        let judgements = [judged(Measure::Events, calls), judged(Measure::Minutes, 'H')];
        for incident in tracker.take(window, &judgements) {
            named.insert((incident.first, incident.measure));
        }
    }
    let number = DetectionWindow::number;
    assert_eq!(
        named.into_iter().collect::<Vec<_>>(),
        [(number(0), Measure::Minutes), (number(2), Measure::Events)]
    );
}

#[test]
fn an_incident_names_what_else_moved_in_its_worst_window() {
    let other = |region: &str, event_type: &str, mark| Judgement {
        series: Series::new(region, event_type),
        ..judged(Measure::Events, mark)
    };
    let take = |tracker: &mut Tracker, number, others: [char; 3]| {
        let [of_type, of_region, elsewhere] = others;
        let judgements = [
            judged(Measure::Events, 'H'),
            judged(Measure::Minutes, 'l'),
            other("B", "call", of_type),
            other("A", "sms", of_region),
            other("B", "sms", elsewhere),
        ];
        let changed = tracker.take(DetectionWindow::number(number), &judgements);
        changed.into_iter().find(|it| it.series == Series::new("A", "call"))
    };
    let mut tracker = Tracker::default();
    assert_eq!(take(&mut tracker, 0, ['.', '.', 'L']), None);
    let incident = take(&mut tracker, 1, ['L', '.', 'L']).unwrap();
    let moved: Vec<_> = incident
        .moved
        .iter()
        .map(|it| (&*it.region, &*it.event_type, it.measure, it.observed))
        .collect();
    assert_eq!(
        moved,
        [("B", "call", Measure::Events, 10), ("A", "call", Measure::Minutes, 70)],
        "the furthest first; of another region and type nothing"
    );
    // No worse than before: what moved then stays.
    let later = take(&mut tracker, 2, ['.', 'H', '.']).unwrap();
    assert_eq!(later.moved, incident.moved);
}
