//! A slice of the scoring that takes seconds: the contract's own figures, four weeks of history, two days.
//! A detector that has become worse fails here; docs/anomalies.md has the whole.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use anomaly::{Budget, Calendar, DetectionWindow, Direction, NATIONWIDE, Series};
use anomaly_score::full::entries;
use anomaly_score::labels::{self, Kind, Label, Lot};
use anomaly_score::run::Run;
use anomaly_score::world::{Expectation, Setting, World};
use chrono::NaiveDateTime;
use chrono_tz::Tz;

const LOTS: &[Lot] = &[
    Lot { kind: Kind::Regional, magnitude: 3.0, count: 10 },
    Lot { kind: Kind::Regional, magnitude: 0.0, count: 6 },
];

fn at(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn setting() -> Setting {
    Setting {
        scenario: "extends = \"default\"\nsubscribers = 5000".to_owned(),
        history_from: at("2025-10-12T19:00:00"),
        week_from: at("2025-11-09T19:00:00"),
        week_to: at("2025-11-11T19:00:00"),
        night: None,
        calendar: Calendar { zone: Tz::Asia__Almaty, holidays: Vec::new() },
    }
}

#[test]
fn spikes_and_silences_are_found_quickly_and_little_is_raised_for_nothing() {
    let setting = setting();
    let expectation = Expectation::of(setting.scenario().unwrap());
    let labels = labels::draw(&setting, &expectation, LOTS, 1);
    assert_eq!(labels.len(), 16);
    let world = setting.world(1, labels).unwrap();
    let entries = entries(&setting, &world, 1);
    let [ours, fixed, random] = &entries[..] else { panic!("three detectors") };
    let spikes = ours.labelled.line(Kind::Regional, 3.0);
    assert!(spikes.recall() >= 0.9 && spikes.quick_recall() >= 0.8, "{:?}", ours.labelled);
    assert!(ours.labelled.line(Kind::Regional, 0.0).recall() >= 0.8, "{:?}", ours.labelled);
    assert!(ours.labelled.false_alerts.len() <= 1, "{:?}", ours.labelled.false_alerts);
    assert!(ours.clean.false_alerts.len() <= 1, "{:?}", ours.clean.false_alerts);
    assert!(fixed.labelled.line(Kind::Regional, 3.0).recall() < spikes.recall());
    assert!(random.labelled.line(Kind::Regional, 3.0).recall() < 0.5);
}

#[test]
fn a_spike_of_the_whole_country_is_one_incident_and_not_ten() {
    let setting = setting();
    let series = Series::new(NATIONWIDE, "call");
    let (from, to) = (at("2025-11-10T08:00:00"), at("2025-11-10T08:40:00"));
    let kind = Kind::Nationwide;
    let label = Label { series: series.clone(), from, to, magnitude: 3.0, expected: 180.0, kind };
    let World { labelled, .. } = setting.world(7, vec![label]).unwrap();
    let mut run = Run::new(&labelled, &setting.calendar, Budget::ONE_A_MONTH);
    run.incidents(setting.history_from, at("2025-11-10T07:00:00"));
    let found = run.incidents(at("2025-11-10T07:00:00"), at("2025-11-10T10:00:00"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].series, found[0].direction), (&series, Direction::High));
    assert_eq!(found[0].first, DetectionWindow::holding(from));
    assert!(found[0].closed.is_some());
}
