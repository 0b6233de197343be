//! A computed day on one page, for people or for programs. Pure: values in, text out.
//!
//! JSON and CSV carry the figures in full, under the names of `daily_stats`; the table rounds them.

use std::fmt::Write;

use anyhow::{Context, Result};
use chrono::{FixedOffset, TimeDelta};
use event_model::visible;
use program::{Align, Table, row_of};
use serde_json::{Value, json};
use store::{
    BusinessDay, BusyHour, DayReport, DayTotals, FIGURES, FigureSums, PerFigure, RecordState,
};

use crate::ReportFormat;

/// Names longer than this are cut in the table.
const NAME_CHARS_MAX: usize = 40;

/// The report of a day.
///
/// # Errors
/// CSV that can't be written.
pub(crate) fn text(day: &BusinessDay, report: &DayReport, format: ReportFormat) -> Result<String> {
    Ok(match format {
        ReportFormat::Table => as_table(day, report),
        ReportFormat::Json => format!("{}\n", as_json(day, report)),
        ReportFormat::Csv => as_csv(report)?,
    })
}

fn as_table(day: &BusinessDay, report: &DayReport) -> String {
    let mut text = format!(
        "{}, a day in {} ({} to {} UTC)\n{}\n\n",
        day.date().format("%A %Y-%m-%d"),
        day.zone(),
        day.start(),
        day.end(),
        standing(report),
    );
    text.push_str(&comparison(report));
    for (title, sums) in [("event type", &report.day.by_type), ("region", &report.top_regions)] {
        text.push('\n');
        text.push_str(&shares(title, sums, report.day.all.events));
    }
    if let Some(hour) = &report.busiest_hour {
        let (start, end) = (hour.start, hour.start + TimeDelta::hours(1));
        let name = format!("{} to {}", start.format("%H:%M"), end.format("%H:%M"));
        let offset = offset(hour);
        writeln!(text, "\nbusiest hour: {name} (UTC{offset}), {} events", hour.events)
            .expect("a String takes any text");
    }
    text
}

/// What the figures are worth.
fn standing(report: &DayReport) -> String {
    let Some(record) = &report.record else {
        return "not known whether it is up to date: no run has been noted".to_owned();
    };
    let state = match &record.state {
        RecordState::Final => "final".to_owned(),
        RecordState::Provisional => "provisional: it can still change".to_owned(),
        RecordState::Stale(because) => format!("stale: {because}"),
    };
    let computed = match record.computed_at {
        Some(time) => format!("; computed {} UTC", time.format("%Y-%m-%d %H:%M:%S")),
        None => String::new(),
    };
    let late = match (report.late_events, record.include_late) {
        (0, _) => String::new(),
        (events, true) => format!("; {events} late events among them"),
        (events, false) => format!("; {events} late events are not part of it"),
    };
    let expired = match &report.expired {
        Some(expired) => format!("; {expired}"),
        None => String::new(),
    };
    format!("{state}{computed}{late}{expired}")
}

/// The day's totals beside those of two other days.
fn comparison(report: &DayReport) -> String {
    let others = [("day before", &report.day_before), ("same weekday", &report.same_weekday)];
    let head = |name: &str, totals: &Option<DayTotals>| match totals {
        Some(totals) => format!("{name} {}", totals.date),
        None => name.to_owned(),
    };
    let heads = others.map(|(name, totals)| head(name, totals));
    let mut table = Table::new([
        ("total", Align::Left),
        ("the day", Align::Right),
        (&heads[0], Align::Right),
        ("change", Align::Right),
        (&heads[1], Align::Right),
        ("change", Align::Right),
    ]);
    let mut compare = |name: &str, decimals: usize, of: &dyn Fn(&FigureSums) -> Option<f64>| {
        let shown = |value: Option<f64>| match value {
            Some(value) => format!("{value:.decimals$}"),
            None => "-".to_owned(),
        };
        let own = of(&report.day.all);
        let [before, weekday] = others.map(|(_, totals)| {
            let other = totals.as_ref().and_then(|totals| of(&totals.all));
            (shown(other), change(own, other))
        });
        table.push([name.to_owned(), shown(own), before.0, before.1, weekday.0, weekday.1]);
    };
    compare("events", 0, &|sums| Some(sums.events as f64));
    for (at, figure) in FIGURES.iter().enumerate() {
        compare(figure.day.title, figure.day.decimals, &|sums| Some(sums.figures[at]));
    }
    compare("seconds per event", 1, &FigureSums::avg_duration_seconds);
    table.to_string()
}

/// How much `own` is above `other`, in percent of it.
fn change(own: Option<f64>, other: Option<f64>) -> String {
    match (own, other) {
        (Some(own), Some(other)) if other != 0.0 => {
            format!("{:+.1} %", (own - other) / other * 100.0)
        }
        _ => "-".to_owned(),
    }
}

/// Figures by name, with the share that each has of all events.
fn shares(title: &str, sums: &[(String, FigureSums)], all_events: i64) -> String {
    let heads = [(title, Align::Left), ("events", Align::Right), ("share", Align::Right)];
    let figures = FIGURES.map(|figure| (figure.day.unit, Align::Right));
    let mut table = Table::<{ FIGURES.len() + 3 }>::new(row_of(heads, figures, []));
    for (name, sums) in sums {
        let name = visible(name, NAME_CHARS_MAX);
        let figures: PerFigure<String> = std::array::from_fn(|at| {
            let (value, decimals) = (sums.figures[at], FIGURES[at].day.decimals);
            format!("{value:.decimals$}")
        });
        table.push(row_of(
            [name, sums.events.to_string(), share(sums.events, all_events)],
            figures,
            [],
        ));
    }
    table.to_string()
}

fn share(part: i64, whole: i64) -> String {
    match whole {
        0 => "-".to_owned(),
        whole => format!("{:.1} %", part as f64 / whole as f64 * 100.0),
    }
}

/// An hour's distance from UTC, like +05:00.
fn offset(hour: &BusyHour) -> String {
    FixedOffset::east_opt(hour.offset_seconds).map_or_else(String::new, |east| east.to_string())
}

fn as_json(day: &BusinessDay, report: &DayReport) -> Value {
    let record = report.record.as_ref();
    let state = record.map(|record| match &record.state {
        RecordState::Final => "final",
        RecordState::Provisional => "provisional",
        RecordState::Stale(_) => "stale",
    });
    let time = |time: chrono::NaiveDateTime| time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string();
    let other = |totals: &Option<DayTotals>| match totals {
        Some(totals) => with("date", json!(totals.date), &totals.all),
        None => Value::Null,
    };
    let named = |field: &str, sums: &[(String, FigureSums)]| -> Vec<Value> {
        sums.iter().map(|(name, sums)| with(field, json!(name), sums)).collect()
    };
    json!({
        "version": 1,
        "date": day.date(),
        "business_timezone": day.zone().name(),
        "start": time(day.start()),
        "end": time(day.end()),
        "state": state,
        "stale_because": record.and_then(|record| record.stale_because()),
        "computed_at": record.and_then(|record| record.computed_at).map(time),
        "include_late": record.map(|record| record.include_late),
        "late_events": report.late_events,
        "minutes_expired": report.expired.is_some(),
        "totals": figures(&report.day.all),
        "day_before": other(&report.day_before),
        "same_weekday": other(&report.same_weekday),
        "event_types": named("event_type", &report.day.by_type),
        "top_regions": named("region", &report.top_regions),
        "busiest_hour": report.busiest_hour.as_ref().map(|hour| json!({
            "start": hour_start(hour),
            "events": hour.events,
        })),
    })
}

fn figures(sums: &FigureSums) -> Value {
    let mut value = json!({
        "total_events": sums.events,
        "avg_duration_seconds": sums.avg_duration_seconds(),
    });
    for (figure, sum) in FIGURES.iter().zip(sums.figures) {
        value[figure.day.column] = json!(sum);
    }
    value
}

/// The figures, and one field more.
fn with(field: &str, value: Value, sums: &FigureSums) -> Value {
    let mut object = figures(sums);
    object[field] = value;
    object
}

fn hour_start(hour: &BusyHour) -> String {
    format!("{}{}", hour.start.format("%Y-%m-%dT%H:%M:%S"), offset(hour))
}

/// One table, with the columns of `daily_stats`: a line for the day, for the two days that it is compared with, for each of its
/// types, and for its regions with the most events. `ALL` stands for all types or regions.
fn as_csv(report: &DayReport) -> Result<String> {
    const ALL: &str = "ALL";
    let writing = "writing the report as CSV";
    let mut csv = csv::Writer::from_writer(Vec::new());
    let columns: [_; FIGURES.len() + 5] = row_of(
        ["date", "event_type", "region", "total_events"],
        FIGURES.map(|figure| figure.day.column),
        ["avg_duration_seconds"],
    );
    csv.write_record(columns).context(writing)?;
    let mut line = |totals: &DayTotals, event_type: &str, region: &str, sums: &FigureSums| {
        let avg = sums.avg_duration_seconds().map(|avg| avg.to_string());
        let [date, events] = [totals.date.to_string(), sums.events.to_string()];
        let cells: [_; FIGURES.len() + 5] = row_of(
            [date, event_type.to_owned(), region.to_owned(), events],
            sums.figures.map(|sum| sum.to_string()),
            [avg.unwrap_or_default()],
        );
        csv.write_record(cells)
    };
    let others = [&report.day_before, &report.same_weekday];
    for totals in std::iter::once(&report.day).chain(others.into_iter().flatten()) {
        line(totals, ALL, ALL, &totals.all).context(writing)?;
    }
    for (event_type, sums) in &report.day.by_type {
        line(&report.day, event_type, ALL, sums).context(writing)?;
    }
    for (region, sums) in &report.top_regions {
        line(&report.day, ALL, region, sums).context(writing)?;
    }
    String::from_utf8(csv.into_inner().context(writing)?).context(writing)
}
