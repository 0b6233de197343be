//! `archiver day`: a day's figures from the lake, the same as `batcher --include-late` computes from the minutes.
//!
//! What was erased is part of a day's figures, as it is of the warehouse's: the sums that the lake has recorded are
//! added. Not in the lake are rows that others have inserted into the warehouse's tables, and which subscribers
//! were met on time.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::bail;
use chrono::NaiveDateTime;
use program::table;
use store::{BusinessDay, load_settings};

use crate::config::{DayArgs, LakeArgs};
use crate::dates::days_of;
use crate::erasures::erased;
use crate::read;
use crate::reconcile::decimal;
use crate::store::{Name, address};
use crate::table::Table;
use crate::totals::{COLUMNS, Sums, Totals};
use crate::warehouse::{behind, connect};

/// There is nothing of that day.
const NO_DATA: u8 = 4;
const MICROS_PER_MINUTE: i64 = 60_000_000;

/// A day's sums by event type and region.
pub(crate) type Pairs = BTreeMap<(String, String), Totals>;

/// Says a day's figures.
pub(crate) async fn run(args: DayArgs) -> anyhow::Result<ExitCode> {
    let mut connection = connect(&args.both).await?;
    let settings = load_settings(&mut connection).await?;
    let zone = settings.map_or(chrono_tz::UTC, |settings| settings.business_timezone);
    let day = BusinessDay::new(args.day, zone);
    let topic = &args.both.kafka.kafka_topic;
    let url = address(&args.both.lake.lake_url, Name::Events)?;
    let Some(mut lake) = Table::open(&url).await? else {
        bail!("there is no lake at {url} yet: `archiver run` makes it");
    };
    lake.ensure_kept(day.start().date()).await?;
    let behind = behind(&mut connection, &mut lake, topic).await?;
    drop(connection);
    let pairs = pairs(&args.both.lake, &mut lake, topic, &day).await?;
    if pairs.is_empty() {
        tracing::warn!(day = %args.day, "the lake has no event of that day");
        return Ok(ExitCode::from(NO_DATA));
    }
    let text = if args.json { json(&day, behind, &pairs) } else { text(&pairs) };
    program::print(text)?;
    Ok(ExitCode::SUCCESS)
}

async fn pairs(
    args: &LakeArgs,
    lake: &mut Table,
    topic: &str,
    day: &BusinessDay,
) -> anyhow::Result<Pairs> {
    let micros = |at: NaiveDateTime| at.and_utc().timestamp_micros();
    let (start, end) = (micros(day.start()), micros(day.end()));
    let days = days_of(day.start(), day.end());
    let mut sums = Sums::default();
    for path in lake.paths_of_days(Some(days))? {
        let mut batches = read::batches(lake.store(), &path, Some(&COLUMNS)).await?;
        while let Some(batch) = read::next(&mut batches).await? {
            sums.add_batch(&batch, |row| row.topic == topic && (start..end).contains(&row.micros))?;
        }
    }
    let gone = erased(args, lake, Some(days)).await?;
    let mut pairs = Pairs::new();
    for (group, totals) in sums.groups {
        let names = (group.event_type, group.region);
        *pairs.entry(named(&sums.names, names)).or_default() += totals;
    }
    for (group, totals) in gone.groups {
        if (start..end).contains(&(group.minute * MICROS_PER_MINUTE)) {
            let names = (group.event_type, group.region);
            *pairs.entry(named(&gone.names, names)).or_default() += totals;
        }
    }
    Ok(pairs)
}

fn named(names: &crate::totals::Names, (event_type, region): (u32, u32)) -> (String, String) {
    (names.name(event_type).to_owned(), names.name(region).to_owned())
}

/// Exact sums, for programs.
fn json(day: &BusinessDay, behind: i64, pairs: &Pairs) -> String {
    let rows: Vec<_> = pairs
        .iter()
        .map(|((event_type, region), totals)| {
            serde_json::json!({
                "event_type": event_type,
                "region": region,
                "events": totals.events,
                "duration_seconds": totals.seconds,
                "data_mb": decimal(totals.micro_mb),
                "amount": decimal(totals.micro_tenge),
            })
        })
        .collect();
    let document = serde_json::json!({
        "date": day.date().to_string(),
        "business_timezone": day.zone().name(),
        "day_start": day.start().to_string(),
        "day_end": day.end().to_string(),
        "behind": behind,
        "rows": rows,
    });
    format!("{document}\n")
}

/// The rows that `daily_stats` would have, in the order of its key.
pub(crate) fn daily_rows(pairs: &Pairs) -> Vec<(String, String, Totals)> {
    let (mut by_type, mut by_region) =
        (BTreeMap::<&str, Totals>::new(), BTreeMap::<&str, Totals>::new());
    for ((event_type, region), totals) in pairs {
        *by_type.entry(event_type).or_default() += *totals;
        *by_region.entry(region).or_default() += *totals;
    }
    let mut rows: Vec<_> = pairs
        .iter()
        .map(|((event_type, region), totals)| (event_type.clone(), region.clone(), *totals))
        .chain(by_type.iter().map(|(name, totals)| ((*name).to_owned(), "ALL".to_owned(), *totals)))
        .collect();
    // The first by code point of those with the most events: `max_by_key` gives the last.
    let most = by_region.iter().rev().max_by_key(|(_, totals)| totals.events);
    rows.extend(
        most.map(|(region, totals)| ("most_active".to_owned(), (*region).to_owned(), *totals)),
    );
    rows.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    rows
}

fn text(pairs: &Pairs) -> String {
    let head = ["event_type", "region", "events", "hours", "data_tb", "amount", "avg_seconds"];
    let lines = daily_rows(pairs).into_iter().map(|(event_type, region, totals)| {
        let figures = Figures::of(&totals);
        [
            event_type,
            region,
            totals.events.to_string(),
            figures.hours.to_string(),
            figures.terabytes.to_string(),
            figures.tenge.to_string(),
            figures.average_seconds.to_string(),
        ]
    });
    table(head, lines)
}

/// A row's figures as the contract defines them: each the double nearest to the exact quotient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) hours: f64,
    pub(crate) terabytes: f64,
    pub(crate) tenge: f64,
    pub(crate) average_seconds: f64,
}

impl Figures {
    pub(crate) fn of(totals: &Totals) -> Self {
        let seconds = exact(i128::from(totals.seconds));
        Figures {
            hours: seconds / 3_600.0,
            terabytes: nearest(totals.micro_mb, 20),
            tenge: nearest(totals.micro_tenge, 0),
            average_seconds: seconds / exact(i128::from(totals.events)),
        }
    }
}

/// An integer that a double holds exactly, as sums of seconds and events do for any day that there can be: both
/// are below 2⁵³.
fn exact(number: i128) -> f64 {
    number as f64
}

/// The double nearest to `micros` millionths, divided by 2 to the power of `halvings`. Division by a power of two is
/// exact, so only the decimal has to be read, which rounds once.
fn nearest(micros: i128, halvings: i32) -> f64 {
    decimal(micros).parse::<f64>().unwrap_or(f64::NAN) / 2_f64.powi(halvings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(events: i64, seconds: i64, micro_mb: i128, micro_tenge: i128) -> Totals {
        Totals { events, seconds, micro_mb, micro_tenge }
    }

    #[test]
    fn the_most_active_region_is_the_first_by_code_point_of_the_greatest() {
        let pair = |event_type: &str, region: &str| (event_type.to_owned(), region.to_owned());
        let one = |events| totals(events, 0, 0, 0);
        let pairs = Pairs::from([
            (pair("call", "Osh"), one(2)),
            (pair("sms", "Osh"), one(1)),
            (pair("call", "Naryn"), one(3)),
            (pair("call", "Talas"), one(1)),
        ]);
        let rows = daily_rows(&pairs);
        let of = |event_type: &str| {
            let row = rows
                .iter()
                .find(|row| row.0 == event_type && (event_type != "call" || row.1 == "ALL"));
            row.map(|row| (row.1.as_str(), row.2.events))
        };
        assert_eq!(of("most_active"), Some(("Naryn", 3)));
        assert_eq!(of("call"), Some(("ALL", 6)));
        assert_eq!(rows.len(), 4 + 2 + 1);
    }

    #[test]
    fn figures_are_rounded_once() {
        let figures = Figures::of(&totals(3, 10, 1_048_576_000_000, 100_000));
        assert_eq!(figures.hours, 10.0 / 3_600.0);
        assert_eq!(figures.terabytes, 1.0);
        assert_eq!(figures.tenge, 0.1);
        assert_eq!(figures.average_seconds, 10.0 / 3.0);
        // 2⁵³ + 1 can't be told from 2⁵³; halfway cases go to the even one, as PostgreSQL's do.
        let large = Figures::of(&totals(1, 0, 0, 9_007_199_254_740_993_000_000));
        assert_eq!(large.tenge, 9_007_199_254_740_992.0);
    }
}
