//! Faults that no count shows: what events come to is changed, their number is not.
//!
//! In: a [`Setting`] and a seed. Out: how many of such faults were found, and what was raised without any. The
//! events are drawn once; a fault multiplies the amounts of some windows, of one region or of all.

use anomaly::{
    Budget, Counts, DetectionWindow, Direction, Figures, Incident, Measure, NATIONWIDE, Series,
};
use anyhow::Result;
use event_model::EventTime;
use generator::curve::RateCurve;
use generator::scenario::type_name;
use generator::{Draft, Generator, Shard};
use pseudonym::SubscriberKey;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::run::Run;
use crate::score::QUICK_WINDOWS;
use crate::world::Setting;

/// What is changed: of which type, which measure, and whether in the whole country.
const PLACES: [(&str, Measure, bool); 6] = [
    ("call", Measure::Minutes, false),
    ("data_session", Measure::Minutes, false),
    ("data_session", Measure::Megabytes, false),
    ("call", Measure::Minutes, true),
    ("data_session", Measure::Megabytes, true),
    ("balance_recharge", Measure::Tenge, true),
];
/// By what amounts are multiplied.
const MAGNITUDES: [f64; 4] = [0.0, 0.5, 2.0, 3.0];
/// One fault in so many windows: there are 84 of two hours in a week.
const EVERY_WINDOWS: i64 = 24;
/// A series is chosen of which so many events come in each window of the fault.
const EVENTS_MIN: u64 = 50;
/// Of a whole country, that is enough: top-ups are rare.
const EVENTS_MIN_NATIONWIDE: u64 = 12;
const TRIES: usize = 50;

/// A fault, and by which window it was noticed.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Of which series; the region is [`NATIONWIDE`] for all.
    pub series: Series,
    pub measure: Measure,
    /// By what it is multiplied.
    pub magnitude: f64,
    /// The first window …
    pub from: DetectionWindow,
    /// … and the first that is right again.
    pub to: DetectionWindow,
    /// Windows until it was noticed, the first included.
    pub found: Option<i64>,
}

/// What the detector made of a seed.
#[derive(Debug, Default)]
pub struct Outcome {
    pub faults: Vec<Fault>,
    /// Incidents of amounts in the same week without any fault.
    pub false_alerts: Vec<Incident>,
}

/// Scores a seed.
///
/// # Errors
/// A scenario that is none.
pub fn score(setting: &Setting, seed: u64) -> Result<Outcome> {
    let counts = world(setting, seed)?;
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut faults = draw(setting, &counts, &mut dice);
    let faulty = with_faults(setting, &counts, &faults);
    let found = run(setting, &faulty);
    for fault in &mut faults {
        let is_of = |it: &&Incident| {
            let direction = if fault.magnitude > 1.0 { Direction::High } else { Direction::Low };
            (&it.series, it.measure, it.direction) == (&fault.series, fault.measure, direction)
                && (fault.from..fault.to.plus(2)).contains(&it.opened)
        };
        fault.found = found.iter().filter(is_of).map(|it| it.opened.since(fault.from) + 1).min();
    }
    Ok(Outcome { faults, false_alerts: run(setting, &counts) })
}

/// The incidents of amounts in the week.
fn run(setting: &Setting, counts: &Counts) -> Vec<Incident> {
    let mut run = Run::new(counts, &setting.calendar, Budget::ONE_A_MONTH);
    run.incidents(setting.history_from, setting.week_from);
    let mut found = run.incidents(setting.week_from, setting.week_to);
    found.retain(|incident| incident.measure != Measure::Events);
    found
}

/// The events of a seed, and what they come to.
fn world(setting: &Setting, seed: u64) -> Result<Counts> {
    let scenario = setting.scenario()?;
    let curve = RateCurve::Calendar { base_per_second: scenario.base_rate };
    let draft = Draft {
        scenario: scenario.into(),
        seed,
        from: EventTime::from(setting.history_from.and_utc()),
        to: EventTime::from(setting.week_to.and_utc()),
        curve,
        shard: Shard::WHOLE,
        key: SubscriberKey::demo(),
    };
    let mut counts = Counts::default();
    for event in Generator::new(&draft) {
        let window = DetectionWindow::holding(event.timestamp.naive_utc());
        let figures = Figures {
            events: 1,
            seconds: event.duration_seconds.unwrap_or(0).into(),
            megabyte_hundredths: event.data_hundredths_mb.unwrap_or(0).into(),
            tenge_hundredths: 100 * u64::from(event.amount.unwrap_or(0)),
        };
        counts.add_figures(
            window,
            &Series::new(&event.region, type_name(event.event_type)),
            figures,
        );
    }
    Ok(counts)
}

fn draw(setting: &Setting, counts: &Counts, dice: &mut ChaCha8Rng) -> Vec<Fault> {
    let first = DetectionWindow::holding(setting.week_from);
    let stretches = DetectionWindow::holding(setting.week_to).since(first) / EVERY_WINDOWS;
    let mut faults = Vec::new();
    let kinds = PLACES.iter().flat_map(|place| MAGNITUDES.map(|magnitude| (place, magnitude)));
    for (stretch, (place, magnitude)) in (0..stretches).zip(kinds.cycle()) {
        let begin = first.plus(EVERY_WINDOWS * stretch);
        let fault = (0..TRIES).find_map(|_| {
            let from = begin.plus(dice.random_range(0..6));
            let to = from.plus(dice.random_range(6..=12));
            fault(counts, place, magnitude, (from, to), dice)
        });
        faults.extend(fault);
    }
    faults
}

fn fault(
    counts: &Counts,
    (event_type, measure, is_nationwide): &(&str, Measure, bool),
    magnitude: f64,
    (from, to): (DetectionWindow, DetectionWindow),
    dice: &mut ChaCha8Rng,
) -> Option<Fault> {
    let all = counts.series();
    let of_type: Vec<usize> =
        (0..all.len()).filter(|index| all[*index].event_type == *event_type).collect();
    let (series, indices, least) = if *is_nationwide {
        (Series::new(NATIONWIDE, event_type), of_type, EVENTS_MIN_NATIONWIDE)
    } else {
        let index = *of_type.choose(dice)?;
        (all[index].clone(), vec![index], EVENTS_MIN)
    };
    let mut windows = (0..to.since(from)).map(|step| from.plus(step));
    let is_enough = windows.all(|it| counts.of_all(it, &indices).unwrap_or(0) >= least);
    let fault = Fault { series, measure: *measure, magnitude, from, to, found: None };
    is_enough.then_some(fault)
}

fn with_faults(setting: &Setting, counts: &Counts, faults: &[Fault]) -> Counts {
    let first = DetectionWindow::holding(setting.history_from);
    let end = DetectionWindow::holding(setting.week_to);
    let mut faulty = Counts::default();
    faulty.begins_by(first);
    for window in (0..end.since(first)).map(|step| first.plus(step)) {
        for (index, series) in counts.series().iter().enumerate() {
            let Some(mut figures) = counts.figures(window, index) else { continue };
            let of_series = |it: &&Fault| {
                it.series.event_type == series.event_type
                    && (it.series.region == NATIONWIDE || it.series.region == series.region)
                    && (it.from..it.to).contains(&window)
            };
            for fault in faults.iter().filter(of_series) {
                multiply(&mut figures, fault.measure, fault.magnitude);
            }
            if figures.events > 0 {
                faulty.add_figures(window, series, figures);
            }
        }
    }
    faulty
}

fn multiply(figures: &mut Figures, measure: Measure, magnitude: f64) {
    let amount = match measure {
        Measure::Events => &mut figures.events,
        Measure::Minutes => &mut figures.seconds,
        Measure::Megabytes => &mut figures.megabyte_hundredths,
        Measure::Tenge => &mut figures.tenge_hundredths,
    };
    *amount = (*amount as f64 * magnitude).round() as u64;
}

/// The outcome as a Markdown table.
pub fn table(outcome: &Outcome) -> String {
    let mut lines = vec![
        format!("| changed | {} |", MAGNITUDES.map(|of| format!("{of}×")).join(" | ")),
        format!("|---|{}", "---|".repeat(MAGNITUDES.len())),
    ];
    for (event_type, measure, is_nationwide) in PLACES {
        let cells = MAGNITUDES.map(|magnitude| {
            let is_of = |fault: &&Fault| {
                fault.series.event_type == event_type
                    && (fault.measure, fault.magnitude) == (measure, magnitude)
                    && (fault.series.region == NATIONWIDE) == is_nationwide
            };
            let of: Vec<&Fault> = outcome.faults.iter().filter(is_of).collect();
            let found: Vec<i64> = of.iter().filter_map(|fault| fault.found).collect();
            let quick = found.iter().filter(|windows| **windows <= QUICK_WINDOWS).count();
            format!("{} of {}, {quick} within {QUICK_WINDOWS} windows", found.len(), of.len())
        });
        let place = if is_nationwide { "in all regions" } else { "in one region" };
        let name = measure.name();
        lines.push(format!("| {name} of {event_type}, {place} | {} |", cells.join(" | ")));
    }
    lines.push(format!("incidents of amounts without any fault: {}", outcome.false_alerts.len()));
    lines.join("\n")
}
