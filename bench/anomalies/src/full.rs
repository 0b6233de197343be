//! The whole scoring of one seed: the scenario `kazakhstan`, four weeks of history, a week with labels and
//! the same week without, and New Year's night.

use anomaly::{Budget, Calendar, HolidayPattern};
use anyhow::Result;
use chrono::{Duration, NaiveDate, NaiveDateTime};
use chrono_tz::Tz;

use crate::labels::{self, Kind, Lot};
use crate::report::Entry;
use crate::rivals;
use crate::run::{Run, incidents};
use crate::score::Score;
use crate::weather::Weather;
use crate::world::{Expectation, Setting, World};

/// The labels of a seed.
pub const LOTS: &[Lot] = &[
    lot(Kind::Regional, 2.0, 10),
    lot(Kind::Regional, 3.0, 16),
    lot(Kind::Regional, 5.0, 8),
    lot(Kind::Regional, 0.5, 8),
    lot(Kind::Regional, 0.25, 8),
    lot(Kind::Regional, 0.0, 8),
    lot(Kind::Small, 3.0, 6),
    lot(Kind::Nationwide, 2.0, 3),
    lot(Kind::Nationwide, 0.3, 3),
];

/// How much traffic varies beside chance, and what that is called in the table.
const WEATHERS: [(&str, f64); 2] =
    [("this detector, CV 0.08", 0.08), ("this detector, CV 0.15", 0.15)];

const fn lot(kind: Kind, magnitude: f64, count: usize) -> Lot {
    Lot { kind, magnitude, count }
}

/// The holidays that the detector is told of by default.
pub fn holidays() -> Vec<HolidayPattern> {
    anomaly::calendar::HOLIDAYS.split(',').filter_map(|text| text.parse().ok()).collect()
}

/// The setting of the full scoring. The week begins on Monday 2025-12-22, Almaty time.
pub fn setting() -> Setting {
    let midnight = |month: u32, day: u32| -> NaiveDateTime {
        let year = if month == 1 { 2026 } else { 2025 };
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
        date.and_time(chrono::NaiveTime::MIN) - Duration::hours(5)
    };
    Setting {
        scenario: "extends = \"kazakhstan\"".to_owned(),
        history_from: midnight(11, 24),
        week_from: midnight(12, 22),
        week_to: midnight(12, 29),
        night: Some((midnight(1, 1) - Duration::hours(6), midnight(1, 1) + Duration::hours(8))),
        calendar: Calendar { zone: Tz::Asia__Almaty, holidays: holidays() },
    }
}

/// Scores all detectors on a seed: this one in a calm world, in weathers of two strengths, and its rivals.
///
/// # Errors
/// A scenario that is none.
pub fn score(seed: u64) -> Result<Vec<Entry>> {
    let setting = setting();
    let expectation = Expectation::of(setting.scenario()?);
    let labels = labels::draw(&setting, &expectation, LOTS, seed);
    let world = setting.world(seed, labels)?;
    let mut scored = entries(&setting, &world, seed);
    for (name, variation) in WEATHERS {
        let weather = Weather { variation, seed };
        scored.push(ours(name, &setting, &weather.over(&setting, &world)));
    }
    Ok(scored)
}

/// What each detector makes of a world.
pub fn entries(setting: &Setting, world: &World, seed: u64) -> Vec<Entry> {
    let Setting { history_from, week_from, week_to, night, .. } = setting;
    let (from, to) = (*week_from, *week_to);
    let (days, night_days) = days(setting);
    let World { clean, labelled, labels } = world;
    let scored = ours("this detector", setting, world);
    let raised = scored.labelled.about_labels + scored.labelled.false_alerts.len();

    let fixed = rivals::fixed_threshold(labelled, *history_from, from);
    let fixed_clean = rivals::fixed_threshold(clean, *history_from, from);
    let at_night = night.map(|(from, to)| incidents(from, to, &fixed_clean)).unwrap_or_default();
    let fixed = Entry {
        name: "fixed threshold",
        labelled: Score::of(labels, &incidents(from, to, &fixed), days),
        clean: Score::of(&[], &incidents(from, to, &fixed_clean), days),
        night: Score::of(&[], &at_night, night_days),
    };

    let share_of_night = (raised as f64 * night_days / days).round() as usize;
    let guesses = |count, seed| rivals::random(clean, from, to, count, seed);
    let random = Entry {
        name: "random",
        labelled: Score::of(labels, &guesses(raised, seed), days),
        clean: Score::of(&[], &guesses(raised, seed + 1), days),
        night: Score::of(&[], &guesses(share_of_night, seed + 2), night_days),
    };
    vec![scored, fixed, random]
}

/// Days of the week, and of the night.
fn days(setting: &Setting) -> (f64, f64) {
    let days = |(from, to): (NaiveDateTime, NaiveDateTime)| (to - from).num_hours() as f64 / 24.0;
    (days((setting.week_from, setting.week_to)), setting.night.map_or(0.0, days))
}

/// What this detector makes of a world. It learns from the history first.
fn ours(name: &'static str, setting: &Setting, world: &World) -> Entry {
    let (days, night_days) = days(setting);
    let run = |counts| {
        let mut run = Run::new(counts, &setting.calendar, Budget::ONE_A_MONTH);
        run.incidents(setting.history_from, setting.week_from);
        let found = run.incidents(setting.week_from, setting.week_to);
        (found, run)
    };
    let (on_labelled, _) = run(&world.labelled);
    let (on_clean, mut run) = run(&world.clean);
    let at_night = setting.night.map(|(from, to)| run.incidents(from, to)).unwrap_or_default();
    Entry {
        name,
        labelled: Score::of(&world.labels, &on_labelled, days),
        clean: Score::of(&[], &on_clean, days),
        night: Score::of(&[], &at_night, night_days),
    }
}
