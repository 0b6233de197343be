//! `streamer late`: what came too late, by event type and region and by business day.

pub mod rows;

use std::fmt::Write as _;

use chrono_tz::Tz;
use clap::Args;
use program::{Align, Table, print, row_of};
use serde_json::{Value, json};
use store::FIGURES;

use self::rows::{LateSummary, LateSums};
use crate::Exit;
use crate::args::DatabaseCommandArgs;
use crate::moment::{Moment, parse_moment};

/// Millionths in one unit.
const MICROS: i128 = event_model::MICROS_PER_UNIT as i128;

/// Arguments of `late`.
#[derive(Args, Clone, Debug)]
pub struct LateArgs {
    /// Events of this time or later: a UTC date, a time, or how long ago (90m)
    #[arg(long, value_parser = parse_moment)]
    since: Option<Moment>,
    /// Events before this time
    #[arg(long, value_parser = parse_moment)]
    until: Option<Moment>,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
    /// Where PostgreSQL is.
    #[command(flatten)]
    pub database: DatabaseCommandArgs,
}

/// Sums late events up and prints them.
pub async fn late(args: &LateArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let now = store::database_now(&mut connection).await?;
    let settings = store::load_settings(&mut connection).await?;
    let zone = settings.map_or(Tz::UTC, |settings| settings.business_timezone);
    let [since, until] =
        [args.since, args.until].map(|moment| moment.map(|moment| moment.resolve(now)));
    let summary = rows::late_summary(&mut connection, since, until, zone).await?;
    print(if args.json { as_json(&summary, zone) } else { as_text(&summary, zone) })?;
    Ok(Exit::Done)
}

fn as_text(summary: &LateSummary, zone: Tz) -> String {
    // Without it the sums would be taken for those of all events.
    let expired = match &summary.expired {
        None => String::new(),
        Some(expired) => format!("{expired}, on time or late, which are in no sum here\n"),
    };
    if summary.by_key.is_empty() {
        return format!("no late event\n{expired}");
    }
    let mut by_key = Table::<{ FIGURES.len() + 4 }>::new(head(["event type", "region"]));
    let shown = |text: &str| event_model::visible(text, usize::MAX);
    for ((event_type, region), sums) in &summary.by_key {
        by_key.push(line([shown(event_type), shown(region)], sums));
    }
    let mut by_day = Table::<{ FIGURES.len() + 3 }>::new(head(["day"]));
    let days = summary.by_day.iter().map(|(day, sums)| (day.to_string(), sums));
    for (day, sums) in days.chain([("all days".to_owned(), &summary.total)]) {
        by_day.push(line([day], sums));
    }
    let mut text = String::new();
    write!(text, "{by_key}\ndays in {zone}\n{by_day}{expired}")
        .expect("writing to a String can't fail");
    text
}

/// The heads of columns: of the keys, and of what [`line`] says of sums.
fn head<const K: usize, const N: usize>(keys: [&'static str; K]) -> [(&'static str, Align); N] {
    let figures = FIGURES.map(|figure| (figure.unit, Align::Right));
    let sums: [_; FIGURES.len() + 2] =
        row_of([("late events", Align::Right)], figures, [("of all events", Align::Right)]);
    row_of(keys.map(|key| (key, Align::Left)), sums, [])
}

fn line<const K: usize, const N: usize>(keys: [String; K], sums: &LateSums) -> [String; N] {
    let share = format!("{:.2} %", sums.share() * 100.0);
    let cells: [_; FIGURES.len() + 2] =
        row_of([sums.events.to_string()], sums.micros.map(decimal), [share]);
    row_of(keys, cells, [])
}

fn as_json(summary: &LateSummary, zone: Tz) -> String {
    let figures = |sums: &LateSums| {
        let mut value = json!({
            "late_events": sums.events,
            "on_time_events": sums.on_time_events,
            "share": sums.share(),
        });
        for (figure, micros) in FIGURES.iter().zip(sums.micros) {
            value[figure.name] = if figure.is_whole {
                json!((micros / MICROS) as i64)
            } else {
                json!(number(micros))
            };
        }
        value
    };
    let with = |mut value: Value, names: &[(&str, &str)]| {
        for (name, text) in names {
            value[*name] = json!(text);
        }
        value
    };
    let by_key = summary.by_key.iter().map(|((event_type, region), sums)| {
        with(figures(sums), &[("event_type", event_type), ("region", region)])
    });
    let by_day =
        summary.by_day.iter().map(|(day, sums)| with(figures(sums), &[("day", &day.to_string())]));
    let value = json!({
        "by_event_type_and_region": by_key.collect::<Vec<_>>(),
        "by_day": by_day.collect::<Vec<_>>(),
        "business_timezone": zone.name(),
        "total": figures(&summary.total),
        "expired_events": summary.expired.map_or(0, |expired| expired.events),
    });
    format!("{value}\n")
}

/// Millionths as a decimal without trailing zeros.
fn decimal(micros: i128) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (whole, fraction) = (micros.abs() / MICROS, micros.abs() % MICROS);
    let text = format!("{sign}{whole}.{fraction:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The double nearest to millionths.
fn number(micros: i128) -> f64 {
    decimal(micros).parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use store::ExpiredMinutes;

    use super::*;

    #[test]
    fn millionths_are_written_as_short_decimals() {
        for (micros, text) in
            [(0, "0"), (1, "0.000001"), (1_500_000, "1.5"), (10_000_000, "10"), (-250_000, "-0.25")]
        {
            assert_eq!(decimal(micros), text);
        }
        assert_eq!(number(100_000), 0.1);
    }

    #[test]
    fn nothing_late_is_said_in_words() {
        assert_eq!(as_text(&LateSummary::default(), Tz::UTC), "no late event\n");
        let expired = Some(ExpiredMinutes { quarters: 2, events: 7 });
        let summary = LateSummary { expired, ..LateSummary::default() };
        let note = "minutes expired: those of 2 quarters of an hour, with 7 events, on time or late, which are in no sum here\n";
        assert_eq!(as_text(&summary, Tz::UTC), format!("no late event\n{note}"));
    }
}
