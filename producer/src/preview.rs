//! `producer plan`: what a run would send, without sending anything.
//!
//! In: the [`Plan`] of a run. Out: text. Numbers of events are expected values, computed from the rates
//! and not by drawing them; the size of a record is measured on the first ones that are drawn.

use std::fmt::Write;
use std::io;
use std::time::{Duration, Instant};

use event_model::{EventTime, MICROS_PER_SECOND};
use generator::curve::QUARTER_SECONDS;
use generator::scenario::{Spending, TYPES, TimeSpan, type_name};
use generator::schedule::Schedule;

use crate::config::Plan;
use crate::pace::Clock;

/// Records that are drawn to see how large they are, and how long drawing takes.
const MEASURED_RECORDS: u32 = 10_000;
/// Average amount of a day: what is spent is paid in.
const SECONDS_PER_DAY: f64 = 86_400.0;

/// What a run would send.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// Events by type, without faults.
    pub events_by_type: [f64; 4],
    /// Records, with what faults and spikes add and take away.
    pub records: f64,
    /// Bytes of an average record's payload.
    pub bytes_per_record: f64,
    /// CPU time of drawing a record.
    pub drawing: Duration,
}

/// Prints the first records of a run, as lines.
///
/// # Errors
/// The output can't be written.
pub fn print_sample(
    plan: &Plan,
    partitions: u32,
    count: u64,
    out: &mut impl io::Write,
) -> io::Result<()> {
    let mut schedule = Schedule::new(&plan.draft, partitions);
    let mut payload = Vec::new();
    for _ in 0..count.min(plan.count) {
        if schedule.next(&mut payload).is_none() {
            break;
        }
        payload.push(b'\n');
        out.write_all(&payload)?;
    }
    out.flush()
}

/// Computes what a run would send. `until` is the end of a run that has none.
pub fn preview(plan: &Plan, partitions: u32, until: EventTime) -> Preview {
    let draft = &plan.draft;
    let span = draft.from..draft.to.min(until);
    let share = 1.0 / f64::from(draft.shard.of);
    let events_by_type = expected(plan, &span, None).map(|events| events * share);
    let scenario = &draft.scenario;
    let mut records: f64 = events_by_type.iter().sum();
    for anomaly in &scenario.anomalies {
        let span = span.start.max(anomaly.span.start)..span.end.min(anomaly.span.end);
        let of_region = |region: usize| {
            let total: f64 = scenario.regions.iter().map(|region| region.weight).sum();
            scenario.regions[region].weight / total
        };
        let of_types = expected(plan, &span, Some(anomaly.event_type)).iter().sum::<f64>() * share;
        records += of_types * anomaly.region.map_or(1.0, of_region) * (anomaly.magnitude - 1.0);
    }
    if let Some(duplicate) = &scenario.faults.duplicate {
        records *= 1.0 + duplicate.share;
    }
    let started = Instant::now();
    let mut schedule = Schedule::new(draft, partitions);
    let mut payload = Vec::new();
    let drawn_people = started.elapsed();
    let (mut bytes, mut measured) = (0, 0);
    while measured < MEASURED_RECORDS && schedule.next(&mut payload).is_some() {
        bytes += payload.len();
        measured += 1;
    }
    let drawing = started.elapsed().saturating_sub(drawn_people) / measured.max(1);
    Preview {
        events_by_type,
        records: records.max(0.0).min(plan.count as f64),
        bytes_per_record: bytes as f64 / f64::from(measured.max(1)),
        drawing,
    }
}

/// Events expected in a span, by type; of one type only, or with `Some(None)` or `None` of all.
fn expected(plan: &Plan, span: &TimeSpan, of: Option<Option<event_model::EventType>>) -> [f64; 4] {
    let scenario = &plan.draft.scenario;
    let second = |time: EventTime| time.micros() as f64 / MICROS_PER_SECOND as f64;
    let (start, end) = (second(span.start), second(span.end));
    let mut events = [0.0; 4];
    let mut quarter = (start / QUARTER_SECONDS as f64).floor() as i64 * QUARTER_SECONDS;
    // An anomaly may lie outside of the run.
    while start < end && (quarter as f64) < end {
        let next = quarter + QUARTER_SECONDS;
        let seconds = end.min(next as f64) - start.max(quarter as f64);
        let rates = plan.draft.curve.rates(scenario, quarter);
        for (sum, per_second) in events.iter_mut().zip(rates.per_second) {
            *sum += per_second * seconds;
        }
        quarter = next;
    }
    if let Some(spending) = &scenario.spending {
        let days = (end - start).max(0.0) / SECONDS_PER_DAY;
        events[3] += days * top_ups_per_day(spending) * f64::from(scenario.subscribers);
    }
    if let Some(Some(only)) = of {
        for (event_type, sum) in TYPES.into_iter().zip(&mut events) {
            *sum = if event_type == only { *sum } else { 0.0 };
        }
    }
    events
}

/// What an average subscriber spends, divided by the average amount. The few who spend much pay
/// larger amounts, so this is a little too high.
fn top_ups_per_day(spending: &Spending) -> f64 {
    let weights: f64 = spending.steps.iter().map(|(_, weight)| weight).sum();
    let sum: f64 = spending.steps.iter().map(|(tenge, weight)| f64::from(*tenge) * weight).sum();
    spending.tenge_per_day * weights / sum
}

/// The preview of a run as text. `is_endless`: it is that of one day.
pub fn describe(plan: &Plan, preview: &Preview, partitions: u32, is_endless: bool) -> String {
    let draft = &plan.draft;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        writeln!(text, "{name:<12}{value}").expect("writing to a string can't fail");
    };
    let scenario = &draft.scenario;
    line("scenario", format!("{}: {}", scenario.name, scenario.description));
    line(
        "subscribers",
        format!("{}, shard {}/{}", scenario.subscribers, draft.shard.index + 1, draft.shard.of),
    );
    let to =
        if is_endless { "no end; figures are for a day".to_owned() } else { draft.to.to_string() };
    line("event time", format!("{} to {to}", draft.from));
    let total = preview.events_by_type.iter().sum::<f64>();
    line("events", format!("about {total:.0}"));
    for (event_type, events) in TYPES.into_iter().zip(preview.events_by_type) {
        line("", format!("about {events:.0} {}", type_name(event_type)));
    }
    let has_parts = scenario.lives.is_some()
        || scenario.weather.is_some()
        || !scenario.roles.is_empty()
        || !scenario.frauds.is_empty();
    if has_parts {
        line(
            "",
            "without what [lives] take away, and what [weather], [roles], [frauds] add".to_owned(),
        );
    }
    let records = preview.records;
    line(
        "records",
        format!("about {records:.0} to {partitions} partitions, with faults, anomalies, --count"),
    );
    let megabytes = records * preview.bytes_per_record / 1e6;
    line("bytes", format!("about {megabytes:.1} MB, {:.0} a record", preview.bytes_per_record));
    line("time", time(plan, preview, is_endless));
    text
}

fn time(plan: &Plan, preview: &Preview, is_endless: bool) -> String {
    let draft = &plan.draft;
    let event_seconds = (draft.to.micros() - draft.from.micros()) as f64 / MICROS_PER_SECOND as f64;
    let drawing = preview.drawing.mul_f64(preview.records);
    let records = match plan.count {
        u64::MAX if is_endless => return "until it is stopped".to_owned(),
        count if is_endless => count as f64,
        _ => preview.records,
    };
    match (plan.pace.clock, plan.pace.per_second) {
        (_, Some(per_second)) => format!("{:.0} s at {per_second} a second", records / per_second),
        _ if is_endless => format!("until {records} are sent"),
        (Clock::Sped { factor, .. }, None) => {
            format!("{:.0} s at {factor}x, longer if that reaches now", event_seconds / factor)
        }
        (Clock::Wall, None) => "as live events happen".to_owned(),
        (Clock::None, None) => {
            format!("as fast as they are taken; drawing alone takes about {drawing:.1?}")
        }
    }
}
