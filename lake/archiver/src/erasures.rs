//! What was erased, by minute, event type and region, and without saying whose it was: the table `erasures`.
//!
//! Its rows are written before the events are removed, under a number of their own, and count once the commit that
//! removes them names `erasure/NUMBER`: so a sum is there exactly when its events are not.

use std::sync::Arc;

use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::NaiveDate;

use crate::config::LakeArgs;
use crate::small;
use crate::store::{Name, address};
use crate::table::Table;
use crate::totals::{Sums, Totals, numbers, texts};

const MICROS_PER_MINUTE: i64 = 60_000_000;

/// The name that the commit of an erasure has.
pub(crate) fn application(id: &str) -> String {
    format!("erasure/{id}")
}

/// The columns of the table.
pub(crate) fn schema() -> SchemaRef {
    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let text = |name| Field::new(name, DataType::Utf8, false);
    let decimal = |name| Field::new(name, DataType::Decimal128(38, 6), false);
    Arc::new(Schema::new(vec![
        text("id"),
        Field::new("minute", utc(), false),
        text("event_type"),
        text("region"),
        Field::new("events", DataType::Int64, false),
        Field::new("duration_seconds", DataType::Int64, false),
        decimal("data_mb"),
        decimal("amount"),
        text("reason"),
        Field::new("erased_at", utc(), false),
    ]))
}

/// Rows of one erasure.
pub(crate) fn rows(id: &str, sums: &Sums, reason: &str) -> anyhow::Result<RecordBatch> {
    let groups: Vec<_> = sums.groups.iter().collect();
    let now = chrono::Utc::now().timestamp_micros();
    let texts = |text: &dyn Fn(usize) -> String| {
        Arc::new(StringArray::from_iter_values((0..groups.len()).map(text))) as ArrayRef
    };
    let whole = |of: &dyn Fn(&Totals) -> i64| {
        Arc::new(Int64Array::from_iter_values(groups.iter().map(|(_, totals)| of(totals))))
            as ArrayRef
    };
    let decimal = |of: &dyn Fn(&Totals) -> i128| {
        let values = Decimal128Array::from_iter_values(groups.iter().map(|(_, totals)| of(totals)));
        anyhow::Ok(Arc::new(values.with_precision_and_scale(38, 6)?) as ArrayRef)
    };
    let times = |micros: Vec<i64>| {
        Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC")) as ArrayRef
    };
    let columns = vec![
        texts(&|_| id.to_owned()),
        times(groups.iter().map(|(group, _)| group.minute * MICROS_PER_MINUTE).collect()),
        texts(&|row| sums.names.name(groups[row].0.event_type).to_owned()),
        texts(&|row| sums.names.name(groups[row].0.region).to_owned()),
        whole(&|totals| totals.events),
        whole(&|totals| totals.seconds),
        decimal(&|totals| totals.micro_mb)?,
        decimal(&|totals| totals.micro_tenge)?,
        texts(&|_| reason.to_owned()),
        times(vec![now; groups.len()]),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// What was erased of these days, as far as the lake's snapshot is without it.
pub(crate) async fn erased(
    args: &LakeArgs,
    lake: &mut Table,
    days: Option<(NaiveDate, NaiveDate)>,
) -> anyhow::Result<Sums> {
    let mut sums = Sums::default();
    let Some(erasures) = Table::open(&address(&args.lake_url, Name::Erasures)?).await? else {
        return Ok(sums);
    };
    let mut batches = Vec::new();
    small::read_all(&erasures, |batch| {
        batches.push(batch.clone());
        Ok(())
    })
    .await?;
    let within = |minute: i64| {
        let Some((from, to)) = days else { return true };
        let day = chrono::DateTime::from_timestamp(minute * 60, 0).map(|at| at.date_naive());
        day.is_some_and(|day| from <= day && day < to)
    };
    for batch in &batches {
        let ids = texts(batch, "id")?;
        let applications: Vec<String> =
            ids.iter().map(|id| application(id.unwrap_or_default())).collect();
        let versions = lake.versions(applications.iter().cloned()).await?;
        let minutes = numbers::<TimestampMicrosecondType>(batch, "minute")?;
        let (event_type, region) = (texts(batch, "event_type")?, texts(batch, "region")?);
        let events = numbers::<Int64Type>(batch, "events")?;
        let seconds = numbers::<Int64Type>(batch, "duration_seconds")?;
        let data_mb = numbers::<Decimal128Type>(batch, "data_mb")?;
        let amount = numbers::<Decimal128Type>(batch, "amount")?;
        for (row, application) in applications.iter().enumerate() {
            let minute = minutes.value(row).div_euclid(MICROS_PER_MINUTE);
            if !versions.contains_key(application) || !within(minute) {
                continue;
            }
            let totals = Totals {
                events: events.value(row),
                seconds: seconds.value(row),
                micro_mb: data_mb.value(row),
                micro_tenge: amount.value(row),
            };
            sums.add(minute, event_type.value(row), region.value(row), totals);
        }
    }
    Ok(sums)
}
