//! The whole detector on series that are made up: what real ones have done to it.

use chrono_tz::Tz;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::judgement::Direction;
use crate::measure::Figures;

const DAY: i64 = 288;
const WEEK: i64 = 7 * DAY;

/// A Monday, 00:00 UTC.
fn monday() -> DetectionWindow {
    DetectionWindow::holding("2025-09-01T00:00:00".parse().unwrap())
}

fn calendar(zone: Tz, holidays: &[&str]) -> Calendar {
    Calendar { zone, holidays: holidays.iter().map(|text| text.parse().unwrap()).collect() }
}

/// About so many, with the deviation of chance.
fn about(dice: &mut ChaCha8Rng, mean: f64) -> u64 {
    let normal = (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0;
    (mean + mean.sqrt() * normal).round().max(0.0) as u64
}

/// A busy day and a calm night: twice as much at noon as on average, a tenth at midnight.
fn shape(window: i64) -> f64 {
    1.05 - 0.95 * (std::f64::consts::TAU * (window % DAY) as f64 / DAY as f64).cos()
}

/// Counts of regions over so many weeks: the mean of a region's window is 400 × its shape × `times`.
fn counts(regions: &[&str], weeks: i64, times: impl Fn(&str, i64) -> f64) -> Counts {
    let mut dice = ChaCha8Rng::seed_from_u64(11);
    let mut counts = Counts::default();
    for window in 0..weeks * WEEK {
        for region in regions {
            let events = about(&mut dice, 400.0 * shape(window) * times(region, window));
            if events > 0 {
                counts.add(monday().plus(window), &Series::new(region, "call"), events);
            }
        }
    }
    counts
}

/// The incidents of a stretch, as they are at its end.
fn incidents(counts: &Counts, calendar: &Calendar, weeks: i64) -> Vec<Incident> {
    let mut detector = Detector::new(Budget::ONE_A_MONTH);
    let mut found = BTreeMap::new();
    for number in 0..weeks * WEEK {
        for incident in detector.take(monday().plus(number), counts, calendar).changed {
            let key = (incident.first, incident.series.clone(), incident.direction);
            found.insert(key, incident);
        }
    }
    found.into_values().collect()
}

/// As `REGION DIRECTION first-last`, in windows since the beginning.
fn shown(incidents: &[Incident]) -> Vec<String> {
    let number = |window: DetectionWindow| window.since(monday());
    let show = |it: &Incident| {
        let (region, direction) = (&it.series.region, it.direction.name());
        format!("{region} {direction} {}-{}", number(it.first), number(it.last))
    };
    incidents.iter().map(show).collect()
}

#[test]
fn a_series_that_is_closed_at_weekends_is_quiet_then_and_a_missing_workday_is_one_incident() {
    let is_open = |window: i64| {
        let (day, of_day) = (window / DAY, window % DAY);
        day % 7 < 5 && (84..252).contains(&of_day) && day != 23
    };
    let counts = counts(&["A"], 5, |_, window| if is_open(window) { 1.0 } else { 0.0 });
    let found = incidents(&counts, &calendar(Tz::UTC, &[]), 5);
    let (first, last) = (23 * DAY + 84, 23 * DAY + 251);
    assert_eq!(shown(&found), [format!("A low {first}-{last}")]);
}

#[test]
fn one_region_is_not_reported_twice_and_what_most_of_a_country_does_is_the_countrys() {
    let (from, to) = (4 * WEEK + 140, 4 * WEEK + 150);
    let silent = |_: &str, window| if (from..to).contains(&window) { 0.0 } else { 1.0 };
    for (regions, expected) in
        [(&["A"][..], "A"), (&["A", "B"], "ALL"), (&["A", "B", "C", "D"], "ALL")]
    {
        let found = incidents(&counts(regions, 5, silent), &calendar(Tz::UTC, &[]), 5);
        assert_eq!(found.len(), 1, "{:?}", shown(&found));
        assert_eq!(found[0].series.region, expected);
        assert_eq!((found[0].first, found[0].direction), (monday().plus(from), Direction::Low));
    }
}

#[test]
fn on_a_listed_day_two_regions_may_be_calmer_and_an_unlisted_one_is_an_incident() {
    // 2025-10-02.
    let day = 31;
    let calm = |_: &str, window| if window / DAY == day { 0.4 } else { 1.0 };
    let counts = counts(&["A", "B"], 5, calm);
    let listed = incidents(&counts, &calendar(Tz::UTC, &["10-02"]), 5);
    assert_eq!(shown(&listed), [""; 0]);
    let unlisted = incidents(&counts, &calendar(Tz::UTC, &[]), 5);
    assert!(unlisted.iter().any(|it| it.series.region == "ALL"), "{:?}", shown(&unlisted));
}

#[test]
fn a_level_shift_is_noticed_is_over_within_three_days_and_then_is_the_level() {
    let (shift, half) = (5 * WEEK, 6 * WEEK + 140);
    let times = |_: &str, window| match window {
        window if window < shift => 1.0,
        window if (half..half + 12).contains(&window) => 0.85,
        _ => 1.7,
    };
    let found = incidents(&counts(&["A"], 9, times), &calendar(Tz::UTC, &[]), 9);
    let [high, low] = &found[..] else { panic!("{:?}", shown(&found)) };
    assert_eq!((high.direction, low.direction), (Direction::High, Direction::Low));
    assert!(high.opened.since(monday().plus(shift)) < 3, "{:?}", shown(&found));
    assert!(high.closed.is_some_and(|end| end.since(high.first) <= 3 * DAY), "{high:?}");
    assert!((0..3).contains(&low.opened.since(monday().plus(half))), "{:?}", shown(&found));
}

#[test]
fn a_budget_of_more_false_alerts_notices_no_less() {
    // Another factor each half an hour, now and then a large one.
    let noisy = |_: &str, window: i64| {
        let mut dice = ChaCha8Rng::seed_from_u64((window / 6) as u64);
        let normal = (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0;
        (0.25 * normal * normal.abs()).exp()
    };
    let counts = counts(&["A"], 7, noisy);
    let unusual = |budget| {
        let mut detector = Detector::new(Budget::a_month(budget).unwrap());
        let windows = (0..7 * WEEK).map(|number| monday().plus(number));
        let calendar = calendar(Tz::UTC, &[]);
        let judged =
            windows.flat_map(|window| detector.take(window, &counts, &calendar).judgements);
        judged.filter(|judgement| judgement.unusual.is_some()).count()
    };
    let (few, many) = (unusual(0.05), unusual(50.0));
    assert!(few < many, "{few}, {many}");
    assert_eq!((Budget::a_month(0.0), Budget::a_month(101.0)), (None, None));
    assert_eq!(Budget::a_month(1.0), Some(Budget::ONE_A_MONTH));
}

/// New York's clocks were set back on 2025-11-02 at 06:00 UTC.
#[test]
fn a_change_of_clocks_is_no_incident_whether_a_series_follows_them_or_not() {
    let change = 62 * DAY + 72;
    let calendar = calendar(Tz::America__New_York, &[]);
    for follows in [true, false] {
        // Nine days later, where the two readings differ most, half is missing.
        let half = change + 9 * DAY;
        let times = |_: &str, window: i64| {
            let is_later = follows && window >= change;
            let of_clock = if is_later { shape(window - 12) / shape(window) } else { 1.0 };
            of_clock * if (half..half + 9).contains(&window) { 0.5 } else { 1.0 }
        };
        let found = incidents(&counts(&["A"], 11, times), &calendar, 11);
        let [low] = &found[..] else { panic!("{follows}: {:?}", shown(&found)) };
        assert_eq!(low.direction, Direction::Low);
        assert!((0..3).contains(&low.opened.since(monday().plus(half))), "{:?}", shown(&found));
    }
}

/// Cut anywhere, and made again from what is stored, a detector goes on as if nothing had happened.
#[test]
fn a_restart_at_any_window_changes_nothing() {
    let (from, to) = (3 * WEEK + 140, 3 * WEEK + 150);
    let spiked = |_: &str, window| if (from..to).contains(&window) { 3.0 } else { 1.0 };
    let counts = counts(&["A", "B", "C"], 4, spiked);
    let calendar = calendar(Tz::UTC, &[]);
    let mut unbroken = Detector::new(Budget::ONE_A_MONTH);
    let mut restarted = unbroken.clone();
    let mut opened = 0;
    for number in 0..to + 40 {
        if number >= from - 10 || number % 500 == 0 {
            let open = restarted.open().cloned().collect();
            let stored = restarted.notes().into_iter().map(|(series, notes)| {
                let text = serde_json::to_string(&notes).unwrap();
                (series, serde_json::from_str(&text).unwrap())
            });
            let notes = stored.collect();
            restarted = Detector::restored(Budget::ONE_A_MONTH, notes, open);
        }
        let window = monday().plus(number);
        let outcome = unbroken.take(window, &counts, &calendar);
        opened += outcome.changed.len();
        let again = restarted.take(window, &counts, &calendar);
        assert_eq!(shown(&again.changed), shown(&outcome.changed), "{number}");
        for (one, other) in again.judgements.iter().zip(&outcome.judgements) {
            // Numbers lose their last digit on the way through JSON.
            assert!((one.score - other.score).abs() < 1e-6, "{number}: {one:?}, {other:?}");
            assert_eq!(one.unusual, other.unusual, "{number}");
        }
    }
    assert!(opened > 0);
}

/// Calls of three regions that last a minute on average, exponentially: `calls` and `minutes` say by how much
/// the number and the length of those in B are changed.
fn with_minutes(calls: impl Fn(i64) -> f64, minutes: impl Fn(i64) -> f64) -> Counts {
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    let mut counts = Counts::default();
    for window in 0..5 * WEEK {
        for region in ["A", "B", "C"] {
            let (calls, minutes) =
                if region == "B" { (calls(window), minutes(window)) } else { (1.0, 1.0) };
            let events = about(&mut dice, 100.0 * shape(window) * calls);
            let lengths = (0..events).map(|_| -60.0 * dice.random::<f64>().max(1e-9).ln());
            let seconds = (minutes * lengths.sum::<f64>()) as u64;
            let figures = Figures { events, seconds, ..Figures::default() };
            counts.add_figures(monday().plus(window), &Series::new(region, "call"), figures);
        }
    }
    counts
}

#[test]
fn what_no_count_shows_is_found_in_minutes_and_twice_the_calls_are_unusual_once() {
    let (from, to) = (4 * WEEK + DAY + 140, 4 * WEEK + DAY + 152);
    let during =
        |factor: f64| move |window| if (from..to).contains(&window) { factor } else { 1.0 };
    for (calls, minutes, expected) in [
        (1.0, 1.0, &[][..]),
        (1.0, 0.0, &["B minutes low"]),
        (1.0, 0.5, &["B minutes low"]),
        (1.0, 2.0, &["B minutes high"]),
        (2.5, 1.0, &["B events high"]),
    ] {
        let counts = with_minutes(during(calls), during(minutes));
        let found = incidents(&counts, &calendar(Tz::UTC, &[]), 5);
        let shown: Vec<String> = found
            .iter()
            .map(|it| format!("{} {} {}", it.series.region, it.measure.name(), it.direction.name()))
            .collect();
        assert_eq!(shown, expected, "{calls}, {minutes}: {found:?}");
        for incident in found {
            assert!((from..from + 3).contains(&incident.first.since(monday())), "{incident:?}");
        }
    }
}

#[test]
fn where_the_country_is_a_hundred_times_as_busy_a_tiny_region_may_be_too() {
    let (from, to) = (4 * WEEK + 72, 4 * WEEK + 84);
    let times = |region: &str, window: i64| {
        let busy = if (from..to).contains(&window) { 100.0 } else { 1.0 };
        // One event in twenty minutes: most windows of its history have none, and little is known of it.
        busy * if region == "D" { 0.25 / (400.0 * shape(window)) } else { 1.0 }
    };
    let counts = counts(&["A", "B", "C", "D"], 5, times);
    let found = incidents(&counts, &calendar(Tz::UTC, &["09-29"]), 5);
    assert_eq!(shown(&found), [""; 0], "{found:?}");
}
