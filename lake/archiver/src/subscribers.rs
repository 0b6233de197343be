//! `archiver subscribers`: one row per subscriber and day, in the table `subscribers`.
//!
//! In: a day's events. Out: for each subscriber how many events of each type, seconds, MB and tenge, how many
//! different counterparties and towers, the first and the last minute; one row for the events that name nobody, and
//! one for those of subscribers who were erased, so that a day's rows sum to what the warehouse has counted. A day's
//! rows are replaced as a whole.
//!
//! Memory is bounded by going over the day several times, each time for a share of the subscribers.

mod export;
mod rows;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch, StringArray};
use chrono::NaiveDateTime;
use deltalake_core::kernel::{Action, Add, DataType, StructField};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use store::{BusinessDay, load_settings};

use crate::config::SubscribersArgs;
use crate::dates::days_of;
use crate::erasures::erased;
use crate::store::{Name, address};
use crate::table::{APPEND, Committed, Layout, Table};
use crate::totals::{COLUMNS, Columns, numbers, texts};
use crate::warehouse::{behind, connect};
use crate::{read, small};
use rows::{Row, Rows};

pub(crate) use rows::{NamedBy, merged_erased, schema};

/// Events whose subscribers are held at once, about.
const EVENTS_AT_ONCE: usize = 1_500_000;
const MICROS_PER_MINUTE: i64 = 60_000_000;

/// Computes a day's rows, or prints those of several days.
pub(crate) async fn run(args: SubscribersArgs) -> anyhow::Result<ExitCode> {
    if args.export {
        let days = args.from.zip(args.to).context("--export needs --from and --to")?;
        return export::run(&args.both.lake, days).await;
    }
    let date = args.day.context("a day is needed, or --export")?;
    let mut connection = connect(&args.both).await?;
    let settings = load_settings(&mut connection).await?;
    let zone = settings.map_or(chrono_tz::UTC, |settings| settings.business_timezone);
    let day = BusinessDay::new(date, zone);
    let lake_url = &args.both.lake.lake_url;
    let url = address(lake_url, Name::Events)?;
    let Some(mut lake) = Table::open(&url).await? else {
        bail!("there is no lake at {url} yet: `archiver run` makes it");
    };
    lake.ensure_kept(day.start().date()).await?;
    behind(&mut connection, &mut lake, &args.both.kafka.kafka_topic).await?;
    drop(connection);
    let table = Table::open_or_create(&address(lake_url, Name::Subscribers)?, layout()).await?;
    let gone = erased_row(&args, &mut lake, &day).await?;
    let day_files = DayFiles::of(&lake, &args.both.kafka.kafka_topic, &day)?;
    let shares = day_files.events()?.div_ceil(EVENTS_AT_ONCE).max(1);
    let mut adds = Vec::new();
    let (mut subscribers, mut events) = (0, 0);
    for share in 0..shares {
        let mut rows = day_files.share(share, shares).await?;
        subscribers += rows.keys().filter(|(_, named_by)| named_by.is_somebody()).count();
        if share == 0 && gone.events() > 0 {
            rows.entry((String::new(), NamedBy::Erased)).or_default().merge(&gone);
        }
        events += rows.values().map(Row::events).sum::<i64>();
        if !rows.is_empty() {
            adds.push(write(&table, &day, rows).await?);
        }
    }
    replace(&table, &day, adds).await?;
    program::print(format!("{date}: {subscribers} subscribers, {events} events\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn layout() -> Layout {
    let mut layout = small::layout(&schema());
    layout.partitioned_by = &["date"];
    layout.columns.push(StructField::new("date", DataType::DATE, false));
    layout
}

/// What was erased of the day's events, as far as the lake's snapshot is without it.
async fn erased_row(
    args: &SubscribersArgs,
    lake: &mut Table,
    day: &BusinessDay,
) -> anyhow::Result<Row> {
    let days = days_of(day.start(), day.end());
    let sums = erased(&args.both.lake, lake, Some(days)).await?;
    let within = micros(day.start())..micros(day.end());
    let mut row = Row::default();
    for (group, totals) in &sums.groups {
        let at = group.minute * MICROS_PER_MINUTE;
        if within.contains(&at) {
            row.add(sums.names.name(group.event_type), *totals, at);
        }
    }
    Ok(row)
}

fn micros(at: NaiveDateTime) -> i64 {
    at.and_utc().timestamp_micros()
}

struct DayFiles<'a> {
    lake: &'a Table,
    topic: &'a str,
    paths: Vec<String>,
    start: i64,
    end: i64,
}

impl<'a> DayFiles<'a> {
    fn of(lake: &'a Table, topic: &'a str, day: &BusinessDay) -> anyhow::Result<Self> {
        Ok(DayFiles {
            lake,
            topic,
            paths: lake.paths_of_days(Some(days_of(day.start(), day.end())))?,
            start: micros(day.start()),
            end: micros(day.end()),
        })
    }

    /// How many events the files hold, at most.
    fn events(&self) -> anyhow::Result<usize> {
        let files = self.lake.state()?.log_data();
        let ours = files.iter().filter(|file| self.paths.iter().any(|path| *path == file.path()));
        Ok(ours.map(|file| file.num_records().unwrap_or(EVENTS_AT_ONCE)).sum())
    }

    /// One share of the subscribers.
    async fn share(&self, share: usize, shares: usize) -> anyhow::Result<Rows> {
        const MORE: [&str; 4] = ["subscriber_id", "msisdn", "counterparty_id", "cell_tower_id"];
        let columns: Vec<&str> = COLUMNS.iter().chain(&MORE).copied().collect();
        let mut rows = Rows::new();
        for path in &self.paths {
            let mut batches = read::batches(self.lake.store(), path, Some(&columns)).await?;
            while let Some(batch) = read::next(&mut batches).await? {
                self.add_batch(&batch, share, shares, &mut rows)?;
            }
        }
        Ok(rows)
    }

    fn add_batch(
        &self,
        batch: &RecordBatch,
        share: usize,
        shares: usize,
        rows: &mut Rows,
    ) -> anyhow::Result<()> {
        let columns = Columns::of(batch)?;
        let (ids, msisdns) = (texts(batch, "subscriber_id")?, texts(batch, "msisdn")?);
        let counterparties = texts(batch, "counterparty_id")?;
        let towers = numbers::<Int32Type>(batch, "cell_tower_id")?;
        for row in 0..batch.num_rows() {
            let seen = columns.seen(row);
            if seen.topic != self.topic || !(self.start..self.end).contains(&seen.micros) {
                continue;
            }
            let named = named(ids, msisdns, row);
            if hash(&named) % (shares as u64) != share as u64 {
                continue;
            }
            let is_somebody = named.1.is_somebody();
            let one = rows.entry(named).or_default();
            one.add(columns.event_type.value(row), columns.totals(row), seen.micros);
            // Whom nobody has met, and where, says nothing.
            if is_somebody && counterparties.is_valid(row) {
                one.counterparties.insert(hash(&counterparties.value(row)));
            }
            if is_somebody && towers.is_valid(row) {
                one.towers.insert(towers.value(row));
            }
        }
        Ok(())
    }
}

/// Whose event it is. An empty name names nobody, as in the contract.
fn named(ids: &StringArray, msisdns: &StringArray, row: usize) -> (String, NamedBy) {
    let name = |texts: &StringArray| {
        let text = texts.is_valid(row).then(|| texts.value(row).to_owned());
        text.filter(|text| !text.is_empty())
    };
    name(ids)
        .map(|id| (id, NamedBy::SubscriberId))
        .or_else(|| name(msisdns).map(|number| (number, NamedBy::Msisdn)))
        .unwrap_or((String::new(), NamedBy::Nobody))
}

/// The same for one build of the program: nothing of it is stored.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

async fn write(table: &Table, day: &BusinessDay, rows: Rows) -> anyhow::Result<Add> {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let batch = rows::batch(&rows)?;
    let mut add = small::write_file_in(table, &format!("date={}", day.date()), &batch).await?;
    add.partition_values.insert("date".to_owned(), Some(day.date().to_string()));
    Ok(add)
}

/// Puts the day's files in the place of those that it had.
async fn replace(table: &Table, day: &BusinessDay, adds: Vec<Add>) -> anyhow::Result<()> {
    let folder = format!("date={}/", day.date());
    let removes = table.removes(|path| path.starts_with(&folder), true)?;
    let actions = removes.into_iter().map(Action::Remove).chain(adds.into_iter().map(Action::Add));
    let operation = DeltaOperation::Write {
        mode: SaveMode::Overwrite,
        partition_by: Some(vec!["date".to_owned()]),
        predicate: Some(format!("date = '{}'", day.date())),
    };
    // Two runs for the same day: the second is refused.
    let versions = vec![(format!("day/{}", day.date()), 1), (APPEND.to_owned(), 1)];
    let committed = table.commit(actions.collect(), versions, operation).await?;
    ensure!(
        committed != Committed::Refused,
        "another run has written the table subscribers at this moment; run this for {} again",
        day.date()
    );
    Ok(())
}
