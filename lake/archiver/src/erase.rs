//! `archiver erase`: a subscriber's events are removed from the lake, in all versions that it keeps.
//!
//! Events of the subscriber go; of other events goes the counterparty or the number where it is the identifier, and
//! `extra` where it holds it. How much was removed is recorded by minute, event type and region, so that `reconcile` still comes out
//! even, and without saying whose it was. Ends with a full vacuum without retention.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use arrow_array::builder::{BooleanBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use deltalake_core::kernel::{Action, Add};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use uuid::Uuid;

use crate::config::EraseArgs;
use crate::dates::{day_of_path, days_since_1970};
use crate::erasures;
use crate::read;
use crate::rewrite::Rewriter;
use crate::small;
use crate::store::{Name, address};
use crate::subscribers::{NamedBy, merged_erased, schema};
use crate::table::{APPEND, Committed, REWRITE, Table};
use crate::totals::{Sums, texts};
use crate::vacuum::vacuum;

/// How often it is begun again because somebody else has rewritten files meanwhile.
const ATTEMPTS_MAX: usize = 5;

/// Whether a text of a column names a subscriber.
type Names = fn(text: &str, subscriber: &str) -> bool;

/// Where an event can name a subscriber: whose it is, and members that go out of events of others.
const PLACES: [(&str, Names); 4] = [
    ("subscriber_id", |text, subscriber| text == subscriber),
    ("msisdn", |text, subscriber| text == subscriber),
    ("counterparty_id", |text, subscriber| text == subscriber),
    ("extra", |text, subscriber| text.contains(subscriber)),
];

pub(crate) async fn run(args: EraseArgs) -> anyhow::Result<ExitCode> {
    let lake_url = &args.lake.lake_url;
    ensure!(!args.subscriber.is_empty(), "--subscriber is empty");
    let url = address(lake_url, Name::Events)?;
    let Some(mut table) = Table::open(&url).await? else {
        bail!("there is no lake at {url} yet: `archiver run` makes it");
    };
    let erased = erase_events(&args, &mut table).await?;
    program::print(format!(
        "{} events were removed, and the subscriber's name from {} events of others\n",
        erased.events, erased.named
    ))?;
    let days = erase_days(&args).await?;
    program::print(format!("{days} rows of the table subscribers are nobody's any more\n"))?;
    vacuum(&mut table, Duration::ZERO).await?;
    if let Some(mut table) = Table::open(&address(lake_url, Name::Subscribers)?).await? {
        vacuum(&mut table, Duration::ZERO).await?;
    }
    program::print("former versions of the files were deleted\n")?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Clone, Copy, Debug, Default)]
struct Erased {
    events: i64,
    named: i64,
}

async fn erase_events(args: &EraseArgs, table: &mut Table) -> anyhow::Result<Erased> {
    for _ in 0..ATTEMPTS_MAX {
        table.refresh().await?;
        let mut touched = Vec::new();
        for path in table.paths()? {
            if holds(table, &path, &args.subscriber).await? {
                touched.push(path);
            }
        }
        if touched.is_empty() {
            return Ok(Erased::default());
        }
        let mut sums = Sums::default();
        let (mut adds, mut named) = (Vec::new(), 0);
        for path in &touched {
            let (written, of_file) = without(args, table, path, &mut sums).await?;
            adds.extend(written);
            named += of_file;
        }
        let events = sums.groups.values().map(|totals| totals.events).sum();
        if commit(args, table, &touched, adds, &sums).await? != Committed::Refused {
            return Ok(Erased { events, named });
        }
        tracing::info!("other files were rewritten meanwhile; once more");
    }
    bail!("nothing was erased: others have rewritten files {ATTEMPTS_MAX} times meanwhile")
}

/// Whether a file has to do with the subscriber.
async fn holds(table: &Table, path: &str, subscriber: &str) -> anyhow::Result<bool> {
    let columns: Vec<&str> = PLACES.iter().map(|(column, _)| *column).collect();
    let mut batches = read::batches(table.store(), path, Some(&columns)).await?;
    while let Some(batch) = read::next(&mut batches).await? {
        for (column, names) in PLACES {
            if texts(&batch, column)?.iter().flatten().any(|text| names(text, subscriber)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Writes a file anew without the subscriber.
async fn without(
    args: &EraseArgs,
    table: &Table,
    path: &str,
    sums: &mut Sums,
) -> anyhow::Result<(Vec<Add>, i64)> {
    let Some(day) = day_of_path(path) else { bail!("{path} stands in no folder of a day") };
    let mut rewriter = Rewriter::new(table, days_since_1970(day), usize::MAX, true);
    let mut named = 0;
    let mut batches = read::batches(table.store(), path, None).await?;
    while let Some(batch) = read::next(&mut batches).await? {
        let is_other = others(texts(&batch, "subscriber_id")?, &args.subscriber);
        let removed = filter_record_batch(&batch, &arrow_arith::boolean::not(&is_other)?)?;
        sums.add_batch(&removed, |_| true)?;
        let kept = filter_record_batch(&batch, &is_other)?;
        let (kept, of_batch) = unnamed(&kept, &args.subscriber)?;
        named += of_batch;
        rewriter.push(&kept).await?;
    }
    Ok((rewriter.finish().await?, named))
}

/// Which rows are those of others.
fn others(names: &arrow_array::StringArray, subscriber: &str) -> BooleanArray {
    let mut builder = BooleanBuilder::with_capacity(names.len());
    names.iter().for_each(|name| builder.append_value(name != Some(subscriber)));
    builder.finish()
}

/// Events of others without what names the subscriber, and in how many that was.
fn unnamed(batch: &RecordBatch, subscriber: &str) -> anyhow::Result<(RecordBatch, i64)> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    let mut is_named = vec![false; batch.num_rows()];
    for (column, names) in &PLACES[1..] {
        let mut builder = StringBuilder::new();
        for (text, is_named) in texts(batch, column)?.iter().zip(&mut is_named) {
            let is_kept = text.is_none_or(|text| !names(text, subscriber));
            *is_named |= !is_kept;
            builder.append_option(text.filter(|_| is_kept));
        }
        columns[batch.schema().index_of(column)?] = Arc::new(builder.finish());
    }
    let count = is_named.iter().filter(|is_named| **is_named).count();
    Ok((RecordBatch::try_new(batch.schema(), columns)?, i64::try_from(count)?))
}

/// Notes what goes, then lets it go.
async fn commit(
    args: &EraseArgs,
    table: &Table,
    touched: &[String],
    adds: Vec<Add>,
    sums: &Sums,
) -> anyhow::Result<Committed> {
    let id = Uuid::new_v4().to_string();
    let url = address(&args.lake.lake_url, Name::Erasures)?;
    let erasures = Table::open_or_create(&url, small::layout(&erasures::schema())).await?;
    if !sums.groups.is_empty() {
        let noted = small::write_file(&erasures, &erasures::rows(&id, sums, &args.reason)?).await?;
        let write =
            DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
        let committed = erasures.commit(vec![Action::Add(noted)], Vec::new(), write).await?;
        ensure!(committed != Committed::Refused, "what is erased could not be noted; try again");
    }
    let removes = table.removes(|path| touched.iter().any(|touched| touched == path), true)?;
    let actions = removes.into_iter().map(Action::Remove).chain(adds.into_iter().map(Action::Add));
    let versions = vec![(REWRITE.to_owned(), 1), (erasures::application(&id), 1)];
    // The subscriber is not named, neither here nor anywhere else that stays.
    let operation = DeltaOperation::Delete { predicate: None };
    table.commit(actions.collect(), versions, operation).await
}

/// Makes the subscriber's rows of the table of subscribers nobody's; says how many there were. Their sums stay, in
/// the day's row of those who were erased.
async fn erase_days(args: &EraseArgs) -> anyhow::Result<usize> {
    let url = address(&args.lake.lake_url, Name::Subscribers)?;
    let Some(mut table) = Table::open(&url).await? else { return Ok(0) };
    table.refresh().await?;
    let (mut removed, mut actions) = (0, Vec::new());
    for path in table.paths()? {
        let (mut kept, mut gone, mut of_file) = (Vec::new(), Vec::new(), 0);
        let mut batches = read::batches(table.store(), &path, None).await?;
        while let Some(batch) = read::next(&mut batches).await? {
            let is_other = others(texts(&batch, "subscriber")?, &args.subscriber);
            of_file += is_other.len() - is_other.true_count();
            let is_of_people = others(texts(&batch, "named_by")?, NamedBy::Erased.text());
            let is_kept = arrow_arith::boolean::and(&is_other, &is_of_people)?;
            kept.push(filter_record_batch(&batch, &is_kept)?);
            gone.push(filter_record_batch(&batch, &arrow_arith::boolean::not(&is_kept)?)?);
        }
        if of_file == 0 {
            continue;
        }
        removed += of_file;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        kept.push(merged_erased(&concat_batches(&schema(), &gone)?)?);
        let batch = concat_batches(&schema(), &kept)?;
        let mut add = small::write_file_in(&table, folder, &batch).await?;
        let day = folder.strip_prefix("date=").map(str::to_owned);
        add.partition_values.insert("date".to_owned(), day);
        actions.push(Action::Add(add));
        let removes = table.removes(|other| other == path, true)?;
        actions.extend(removes.into_iter().map(Action::Remove));
    }
    if !actions.is_empty() {
        let versions = vec![(APPEND.to_owned(), 1), (REWRITE.to_owned(), 1)];
        let operation = DeltaOperation::Delete { predicate: None };
        let committed = table.commit(actions, versions, operation).await?;
        ensure!(
            committed != Committed::Refused,
            "the subscribers of a day were written meanwhile; try again"
        );
    }
    Ok(removed)
}
