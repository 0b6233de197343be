//! Each rule of judging, on counts that are the same at every time but for what the test changes.

use chrono_tz::Tz;

use super::*;

/// 2025-12-10 12:00 UTC, a Wednesday.
const NOON: DetectionWindow = DetectionWindow::number(5_884_560);
const WEEK: i64 = 7 * 24 * 12;
const REGIONS: [(&str, u64); 5] = [("A", 400), ("B", 200), ("C", 100), ("D", 40), ("E", 5)];

fn calendar(holidays: &[&str]) -> Calendar {
    Calendar {
        zone: Tz::UTC,
        holidays: holidays.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

/// Six weeks of the same counts; the window at noon has these instead.
fn counts(noon: [u64; 5]) -> Counts {
    let mut counts = Counts::default();
    for week in 1..=6 {
        for step in -1..=1 {
            for (region, events) in REGIONS {
                counts.add(NOON.plus(step - week * WEEK), &Series::new(region, "call"), events);
            }
        }
    }
    for ((region, _), events) in REGIONS.into_iter().zip(noon) {
        counts.add(NOON, &Series::new(region, "call"), events);
    }
    counts
}

/// What is judged with memories that know that these series scatter hardly more than chance.
fn judge(window: DetectionWindow, counts: &Counts, calendar: &Calendar) -> Vec<Judgement> {
    let regions = REGIONS.iter().map(|(region, _)| *region).chain([NATIONWIDE]);
    let of_events =
        regions.map(|region| (Series::new(region, "call"), Memory::of_a_calm_series())).collect();
    let memories = Memories::from([(Measure::Events, of_events)]);
    let asked = Asked { calendar, memories: &memories, budget: Budget::ONE_A_MONTH };
    judge_window(window, counts, &asked).into_iter().map(|verdict| verdict.judgement).collect()
}

/// The unusual series, as `REGION DIRECTION`.
fn unusual(noon: [u64; 5], holidays: &[&str]) -> Vec<String> {
    let judged = judge(NOON, &counts(noon), &calendar(holidays));
    assert_eq!(judged.len(), 6);
    let found = judged.iter().filter_map(|judgement| {
        let direction = judgement.unusual?;
        Some(format!("{} {}", judgement.series.region, direction.name()))
    });
    found.collect()
}

#[test]
fn the_moment_is_the_one_that_is_named() {
    assert_eq!(NOON.start().to_string(), "2025-12-10 12:00:00");
}

#[test]
fn a_region_that_differs_from_the_others_is_unusual_and_only_that() {
    assert_eq!(unusual([400, 200, 100, 40, 5], &[]), [""; 0]);
    assert_eq!(unusual([400, 200, 300, 40, 5], &[]), ["C high"]);
    assert_eq!(unusual([400, 200, 30, 40, 5], &[]), ["C low"]);
    assert_eq!(unusual([400, 200, 100, 0, 5], &[]), ["D low"]);
    // Statistically far out, but by less than half as much again.
    assert_eq!(unusual([400, 285, 100, 40, 5], &[]), [""; 0]);
    // The largest region, more than half of all: it is not taken for the country.
    assert_eq!(unusual([100, 200, 100, 40, 5], &[]), ["A low"]);
    assert_eq!(unusual([1_200, 200, 100, 40, 5], &[]), ["A high"]);
}

#[test]
fn a_region_with_most_of_the_traffic_does_not_outvote_all_others() {
    let regions = [("A", 260), ("B", 60), ("C", 40)];
    for of_a in [0, 780] {
        let mut counts = Counts::default();
        for (region, events) in regions {
            let series = Series::new(region, "call");
            for week in 1..=6 {
                counts.add(NOON.plus(-week * WEEK), &series, events);
            }
            counts.add(NOON, &series, if region == "A" { of_a } else { events });
        }
        let judged = judge(NOON, &counts, &calendar(&[]));
        let unusual = judged.iter().filter(|it| it.unusual.is_some());
        let regions: Vec<&str> = unusual.map(|it| it.series.region.as_str()).collect();
        assert_eq!(regions, ["A"], "{of_a}");
    }
}

#[test]
fn while_the_country_is_far_from_usual_a_region_must_differ_by_more() {
    let score_of_c = |noon| {
        let judged = judge(NOON, &counts(noon), &calendar(&[]));
        judged.iter().find(|it| it.series.region == "C").unwrap().score
    };
    // Twice what the country's factor lets expect of it, with twice the events: chance alone makes it surer.
    let [usual, far] = [score_of_c([400, 200, 200, 40, 5]), score_of_c([800, 400, 400, 80, 10])];
    assert!(usual > OPEN_SCORE && far < usual, "{usual}, {far}");
}

#[test]
fn what_rises_or_falls_everywhere_is_one_thing_of_the_country() {
    assert_eq!(unusual([1_200, 600, 300, 120, 15], &[]), ["ALL high"]);
    assert_eq!(unusual([0; 5], &[]), ["ALL low"]);
    // Within it a region that does not go along is still seen.
    assert_eq!(unusual([1_200, 600, 100, 120, 15], &[]), ["ALL high", "C low"]);
}

#[test]
fn on_a_holiday_the_country_may_be_busier_or_calmer_but_not_silent() {
    let holiday = &["12-10"];
    assert_eq!(unusual([4_000, 2_000, 1_000, 400, 50], holiday), [""; 0]);
    assert_eq!(unusual([200, 100, 50, 20, 2], holiday), [""; 0]);
    assert_eq!(unusual([0; 5], holiday), ["ALL low"]);
    assert_eq!(unusual([4_000, 2_000, 100, 400, 50], holiday), ["C low"]);
}

#[test]
fn a_small_series_falls_unnoticed_and_rises_only_by_what_larger_ones_would_notice() {
    for (events, expected) in [(0, &[][..]), (15, &[]), (26, &[]), (60, &["E high"])] {
        assert_eq!(unusual([400, 200, 100, 40, events], &[]), expected, "{events}");
    }
    let judged = judge(NOON, &counts([400, 200, 100, 40, 5]), &calendar(&[]));
    let small: Vec<&str> = judged
        .iter()
        .filter(|judgement| judgement.knowledge == Knowledge::Small)
        .map(|judgement| judgement.series.region.as_str())
        .collect();
    assert_eq!(small, ["E"]);
}

#[test]
fn nothing_is_said_of_what_is_warming_up() {
    // Counting began a week ago: one former day at this time.
    let mut counts = Counts::default();
    for (region, events) in REGIONS {
        for window in [NOON, NOON.plus(-WEEK)] {
            counts.add(window, &Series::new(region, "call"), events);
        }
    }
    let judged = judge(NOON, &counts, &calendar(&[]));
    assert_eq!(judged.len(), 6);
    assert!(judged.iter().all(|judgement| {
        judgement.knowledge == Knowledge::WarmingUp && judgement.unusual.is_none()
    }));
}

#[test]
fn former_days_serve_until_two_weeks_are_there_with_more_caution() {
    let mut counts = Counts::default();
    let day = WEEK / 7;
    for age in 0..=5 {
        for step in -1..=1 {
            counts.add(NOON.plus(step - age * day), &Series::new("A", "call"), 100);
        }
    }
    counts.add(NOON, &Series::new("A", "call"), 100);
    let judged = judge(NOON, &counts, &calendar(&[]));
    let region = judged.iter().find(|judgement| judgement.series.region == "A").unwrap();
    assert!((region.expected - 100.0).abs() < 1e-6);
    assert_eq!(region.unusual, Some(Direction::High));
    counts.add(NOON.plus(1), &Series::new("A", "call"), 60);
    let judged = judge(NOON.plus(1), &counts, &calendar(&[]));
    let region = judged.iter().find(|judgement| judgement.series.region == "A").unwrap();
    let reached = OPEN_SCORE / CAUTION..OPEN_SCORE;
    assert!(reached.contains(&region.score), "{}", region.score);
    assert_eq!(region.unusual, None);
}

#[test]
fn an_incident_calms_down_by_score_or_by_size() {
    let judgement = |observed: u64, expected: f64, score, knowledge| Judgement {
        ratio: observed as f64 / expected.max(1.0),
        series: Series::new("A", "call"),
        measure: Measure::Events,
        observed: observed as f64,
        expected,
        score,
        knowledge,
        unusual: None,
    };
    for (observed, expected, score, is_calm_high, is_calm_low) in [
        (300, 100.0, 12.0, false, true),
        (110, 100.0, 1.0, true, true),
        (12_000, 10_000.0, 19.0, true, true),
        (40, 100.0, -7.0, true, false),
        (0, 100.0, -19.0, true, false),
    ] {
        let judged = judgement(observed, expected, score, Knowledge::Judged);
        let calm = (judged.is_calm(Direction::High), judged.is_calm(Direction::Low));
        assert_eq!(calm, (is_calm_high, is_calm_low), "{observed} of {expected}");
    }
    // What can't be judged any more does not keep an incident open.
    assert!(judgement(0, 5.0, -4.0, Knowledge::Small).is_calm(Direction::Low));
    assert!(judgement(0, 0.0, 0.0, Knowledge::WarmingUp).is_calm(Direction::Low));
}
