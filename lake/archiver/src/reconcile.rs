//! `archiver reconcile`: every group of the lake against the warehouse's, at one vector of positions.
//!
//! ```text
//!   lake rows with offset < P, by minute, type and region  =  on time + late − what was erased
//! ```
//!
//! Positions P and metrics come from one snapshot of the database, so both may run on meanwhile: the lake is waited
//! for until it has come to P, and its rows from P on are left out. Erasures are what the lake has recorded.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use follower::{Reached, Row};
use futures_util::TryStreamExt;
use program::table;
use sqlx::Connection;
use store::PgConnection;

use crate::config::ReconcileArgs;
use crate::erasures::erased;
use crate::read;
use crate::store::{Name, address};
use crate::table::Table;
use crate::totals::{COLUMNS, Group, Names, Sums, Totals};
use crate::warehouse::{applications, connect, rows_of};

/// The lake and the warehouse differ.
const DIFFERENT: u8 = 5;
/// So many differences are listed.
const LISTED_MAX: usize = 50;
const MINUTES_PER_DAY: i64 = 1_440;
/// How often it is looked whether the lake has come to the warehouse's positions.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

pub(crate) async fn run(args: ReconcileArgs) -> anyhow::Result<ExitCode> {
    let topic = args.both.kafka.kafka_topic.clone();
    let url = address(&args.both.lake.lake_url, Name::Events)?;
    let mut connection = connect(&args.both).await?;
    let Some(mut lake) = Table::open(&url).await? else {
        bail!("there is no lake at {url} yet: `archiver run` makes it");
    };
    let days = args.day.map(|day| (day, day.succ_opt().unwrap_or(NaiveDate::MAX)));
    let mut warehouse = warehouse(&mut connection, &topic, days).await?;
    wait_for_lake(&args, &mut lake, &topic, &warehouse.rows).await?;
    let retained_from = lake.retained_from().await?.unwrap_or(i64::MIN);
    let counted = count(&lake, &topic, days, &warehouse.rows).await?;
    let erased = erased(&args.both.lake, &mut lake, days).await?;
    let mut differences = Differences::default();
    differences.take(&counted, 1);
    differences.take(&erased, 1);
    differences.take(&warehouse.sums, -1);
    differences.forget_before(retained_from);
    let groups = warehouse.sums.groups.len();
    let events: i64 = counted.groups.values().map(|totals| totals.events).sum();
    warehouse.others.retain(|(name, _)| *name != topic);
    let report = differences.text(groups, events, &warehouse.others);
    program::print(report)?;
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}

/// What one snapshot of the database says.
struct Warehouse {
    rows: Vec<Row>,
    sums: Sums,
    /// Topics with counted events, and how many.
    others: Vec<(String, i64)>,
}

type Days = Option<(NaiveDate, NaiveDate)>;

async fn warehouse(
    connection: &mut PgConnection,
    topic: &str,
    days: Days,
) -> anyhow::Result<Warehouse> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .execute(&mut *transaction)
        .await?;
    let rows = rows_of(&mut transaction, topic).await?;
    let others = sqlx::query_as(
        "SELECT topic, SUM(on_time + late)::bigint FROM stream_progress GROUP BY topic
         HAVING SUM(on_time + late) > 0 ORDER BY topic",
    )
    .fetch_all(&mut *transaction)
    .await?;
    let midnight = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN);
    let mut sums = Sums::default();
    {
        type Metric = (NaiveDateTime, String, String, i64, i64, String, String);
        let mut metrics = sqlx::query_as::<_, Metric>(include_str!("queries/metrics.sql"))
            .bind(days.map(|(from, _)| midnight(from)))
            .bind(days.map(|(_, to)| midnight(to)))
            .fetch(&mut *transaction);
        while let Some((start, event_type, region, events, seconds, mb, tenge)) =
            metrics.try_next().await?
        {
            let minute = start.and_utc().timestamp().div_euclid(60);
            let whole = |text: &str| text.parse().context("a sum of the metrics is no number");
            let totals =
                Totals { events, seconds, micro_mb: whole(&mb)?, micro_tenge: whole(&tenge)? };
            sums.add(minute, &event_type, &region, totals);
        }
    }
    transaction.commit().await?;
    Ok(Warehouse { rows, sums, others })
}

async fn wait_for_lake(
    args: &ReconcileArgs,
    lake: &mut Table,
    topic: &str,
    rows: &[Row],
) -> anyhow::Result<()> {
    let until = Instant::now() + args.patience;
    loop {
        let versions = lake.versions(applications(topic, rows)).await?;
        let behind = rows.iter().find(|row| {
            let reached = Reached::read(versions, topic, row.key);
            reached.map_or(row.first, |reached| reached.position) < row.next
        });
        let Some(behind) = behind else { return Ok(()) };
        if Instant::now() >= until {
            bail!(
                "the lake has not come to the warehouse's position {} of {} within {:?}: does an archiver run? \
                 `archiver status` says where it stands",
                behind.next,
                behind.key,
                args.patience
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
        lake.refresh().await?;
    }
}

async fn count(lake: &Table, topic: &str, days: Days, rows: &[Row]) -> anyhow::Result<Sums> {
    let ends: HashMap<(i32, i32), i64> = rows
        .iter()
        .map(|row| ((row.key.partition, row.key.generation), row.next.offset()))
        .collect();
    let mut sums = Sums::default();
    for path in lake.paths_of_days(days)? {
        let mut batches = read::batches(lake.store(), &path, Some(&COLUMNS)).await?;
        while let Some(batch) = read::next(&mut batches).await? {
            sums.add_batch(&batch, |row| {
                let end = ends.get(&(row.partition, row.generation));
                row.topic == topic && end.is_some_and(|end| row.offset < *end)
            })?;
        }
    }
    Ok(sums)
}

/// Groups that do not come out even, with names of both sides.
#[derive(Default)]
struct Differences {
    names: Names,
    groups: HashMap<Group, Totals>,
}

impl Differences {
    fn take(&mut self, sums: &Sums, sign: i64) {
        for (group, totals) in &sums.groups {
            let group = Group {
                minute: group.minute,
                event_type: self.names.number(sums.names.name(group.event_type)),
                region: self.names.number(sums.names.name(group.region)),
            };
            let sum = self.groups.entry(group).or_default();
            if sign > 0 {
                *sum += *totals;
            } else {
                *sum = sum.minus(*totals);
            }
        }
    }

    fn forget_before(&mut self, day: i64) {
        self.groups.retain(|group, _| group.minute.div_euclid(MINUTES_PER_DAY) >= day);
    }

    fn different(&self) -> impl Iterator<Item = (&Group, &Totals)> {
        self.groups.iter().filter(|(_, totals)| **totals != Totals::default())
    }

    fn is_empty(&self) -> bool {
        self.different().next().is_none()
    }

    fn text(&self, groups: usize, events: i64, others: &[(String, i64)]) -> String {
        let mut different: BTreeMap<(i64, &str, &str), Totals> = BTreeMap::new();
        for (group, totals) in self.different() {
            let names = (self.names.name(group.event_type), self.names.name(group.region));
            different.insert((group.minute, names.0, names.1), *totals);
        }
        let mut text = String::new();
        for (name, events) in others {
            text += &format!(
                "the warehouse has counted {events} events of the topic {name} as well, which this lake does not \
                 follow\n"
            );
        }
        if different.is_empty() {
            return text + &format!("{groups} groups, {events} events: no difference\n");
        }
        let count = different.len();
        text += &format!("{groups} groups, {events} events: {count} differ (lake − warehouse)\n\n");
        let head = ["minute", "event_type", "region", "events", "seconds", "mb", "tenge"];
        let lines =
            different.iter().take(LISTED_MAX).map(|((minute, event_type, region), totals)| {
                [
                    minute_text(*minute),
                    (*event_type).to_owned(),
                    (*region).to_owned(),
                    totals.events.to_string(),
                    totals.seconds.to_string(),
                    decimal(totals.micro_mb),
                    decimal(totals.micro_tenge),
                ]
            });
        text += &table(head, lines);
        if count > LISTED_MAX {
            text += &format!("… and {} more\n", count - LISTED_MAX);
        }
        text
    }
}

fn minute_text(minute: i64) -> String {
    let at = DateTime::from_timestamp(minute * 60, 0).unwrap_or_default();
    at.format("%Y-%m-%dT%H:%MZ").to_string()
}

/// Millionths as a decimal number.
pub(crate) fn decimal(micros: i128) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (whole, rest) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let text = format!("{sign}{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millionths_are_written_exactly() {
        for (micros, expected) in [
            (0, "0"),
            (1, "0.000001"),
            (1_500_000, "1.5"),
            (-20_000_000, "-20"),
            (10_000_000, "10"),
        ] {
            assert_eq!(decimal(micros), expected);
        }
    }

    #[test]
    fn what_is_missing_or_too_much_on_either_side_differs() {
        let of = |events: &[(i64, &str, i64)]| {
            let mut sums = Sums::default();
            for (minute, region, events) in events {
                sums.add(*minute, "call", region, Totals { events: *events, ..Totals::default() });
            }
            sums
        };
        for (lake, erased, warehouse, expected) in [
            (&[(1, "Osh", 2)][..], &[][..], &[(1, "Osh", 2)][..], 0),
            (&[(1, "Osh", 1)], &[(1, "Osh", 1)], &[(1, "Osh", 2)], 0),
            (&[], &[(1, "Osh", 2)], &[(1, "Osh", 2)], 0),
            (&[(1, "Osh", 2)], &[], &[], 1),
            (&[], &[], &[(1, "Osh", 2)], 1),
            (&[(1, "Osh", 2)], &[], &[(1, "Talas", 2)], 2),
            (&[(2, "Osh", 2)], &[], &[(1, "Osh", 2)], 2),
        ] {
            let mut differences = Differences::default();
            differences.take(&of(lake), 1);
            differences.take(&of(erased), 1);
            differences.take(&of(warehouse), -1);
            assert_eq!(
                differences.different().count(),
                expected,
                "{lake:?} {erased:?} {warehouse:?}"
            );
            assert_eq!(differences.is_empty(), expected == 0);
        }
    }
}
