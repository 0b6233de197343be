//! `archiver subscribers --export`: days of the table `subscribers` as CSV, for programs that read no Delta tables.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use arrow_array::RecordBatch;
use arrow_array::types::{Decimal128Type, Int64Type};
use chrono::NaiveDate;
use program::StandardOutput;

use crate::config::LakeArgs;
use crate::read;
use crate::reconcile::decimal;
use crate::store::{Name, address};
use crate::table::Table;
use crate::totals::{numbers, texts};

const HEAD: [&str; 11] = [
    "date",
    "subscriber",
    "named_by",
    "events",
    "calls",
    "messages",
    "data_sessions",
    "recharges",
    "data_mb",
    "distinct_counterparties",
    "distinct_towers",
];

/// Prints the rows of [from, to), day by day.
pub(crate) async fn run(
    lake: &LakeArgs,
    (from, to): (NaiveDate, NaiveDate),
) -> anyhow::Result<ExitCode> {
    let url = address(&lake.lake_url, Name::Subscribers)?;
    let Some(table) = Table::open(&url).await? else {
        bail!("there are no subscriber-days at {url} yet: `archiver subscribers DAY` writes them");
    };
    let mut files: BTreeMap<NaiveDate, Vec<String>> = BTreeMap::new();
    for path in table.paths()? {
        let day = path.strip_prefix("date=").and_then(|path| path.split('/').next()?.parse().ok());
        let day: NaiveDate = day.with_context(|| format!("{path} stands in no folder of a day"))?;
        if from <= day && day < to {
            files.entry(day).or_default().push(path);
        }
    }
    let mut output = StandardOutput::new();
    writeln!(output, "# version {}", table.version())?;
    let mut csv = csv::Writer::from_writer(output);
    csv.write_record(HEAD)?;
    for (day, mut paths) in files {
        paths.sort_unstable();
        for path in paths {
            let mut batches = read::batches(table.store(), &path, None).await?;
            while let Some(batch) = read::next(&mut batches).await? {
                write_rows(&mut csv, day, &batch)?;
            }
        }
    }
    let output = csv.into_inner().context("cannot write the last rows")?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn write_rows(
    csv: &mut csv::Writer<impl Write>,
    day: NaiveDate,
    batch: &RecordBatch,
) -> anyhow::Result<()> {
    let columns: Vec<Column<'_>> =
        HEAD[1..].iter().map(|name| Column::of(batch, name)).collect::<anyhow::Result<_>>()?;
    let day = day.to_string();
    for row in 0..batch.num_rows() {
        csv.write_field(&day)?;
        for column in &columns {
            match column {
                Column::Text(column) => csv.write_field(column.value(row))?,
                Column::Whole(column) => csv.write_field(column.value(row).to_string())?,
                Column::Decimal(column) => csv.write_field(decimal(column.value(row)))?,
            }
        }
        csv.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

/// A column of the table.
enum Column<'a> {
    Text(&'a arrow_array::StringArray),
    Whole(&'a arrow_array::Int64Array),
    Decimal(&'a arrow_array::Decimal128Array),
}

impl<'a> Column<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> anyhow::Result<Self> {
        Ok(match name {
            "subscriber" | "named_by" => Column::Text(texts(batch, name)?),
            "data_mb" => Column::Decimal(numbers::<Decimal128Type>(batch, name)?),
            _ => Column::Whole(numbers::<Int64Type>(batch, name)?),
        })
    }
}
