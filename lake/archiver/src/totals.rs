//! Exact sums of events by minute, event type and region, from the lake's files.
//!
//! In: files and which rows of them count. Out: integers; seconds, and millionths of MB and of tenge.

use std::collections::HashMap;
use std::ops::AddAssign;

use anyhow::Context;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};

const MICROS_PER_MINUTE: i64 = 60_000_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) events: i64,
    pub(crate) seconds: i64,
    pub(crate) micro_mb: i128,
    pub(crate) micro_tenge: i128,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.seconds += other.seconds;
        self.micro_mb += other.micro_mb;
        self.micro_tenge += other.micro_tenge;
    }
}

impl Totals {
    /// The difference of two.
    pub(crate) fn minus(self, other: Self) -> Self {
        Totals {
            events: self.events - other.events,
            seconds: self.seconds - other.seconds,
            micro_mb: self.micro_mb - other.micro_mb,
            micro_tenge: self.micro_tenge - other.micro_tenge,
        }
    }
}

/// A minute (since 1970), an event type and a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Group {
    pub(crate) minute: i64,
    pub(crate) event_type: u32,
    pub(crate) region: u32,
}

/// Names by number, so that a group is three integers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        // There are as many as memory holds, far fewer than 2³².
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }
}

/// Sums by group.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) names: Names,
    pub(crate) groups: HashMap<Group, Totals>,
}

/// The columns that are needed.
pub(crate) const COLUMNS: [&str; 10] = [
    "event_type",
    "region",
    "timestamp",
    "duration_seconds",
    "data_mb",
    "amount",
    "topic",
    "generation",
    "partition",
    "offset",
];

/// One row, as far as a sum needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) topic: &'a str,
    pub(crate) generation: i32,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) micros: i64,
}

impl Sums {
    /// Adds to one group.
    pub(crate) fn add(&mut self, minute: i64, event_type: &str, region: &str, totals: Totals) {
        let group = Group {
            minute,
            event_type: self.names.number(event_type),
            region: self.names.number(region),
        };
        *self.groups.entry(group).or_default() += totals;
    }

    /// Adds the rows of a batch that count.
    ///
    /// # Errors
    /// The batch is not one of the lake's.
    pub(crate) fn add_batch(
        &mut self,
        batch: &RecordBatch,
        counts: impl Fn(Seen<'_>) -> bool,
    ) -> anyhow::Result<()> {
        let columns = Columns::of(batch)?;
        // Rows of a file often follow one another in the same group.
        let mut last: Option<(Group, Totals)> = None;
        for row in 0..batch.num_rows() {
            let seen = columns.seen(row);
            if !counts(seen) {
                continue;
            }
            let group = Group {
                minute: seen.micros.div_euclid(MICROS_PER_MINUTE),
                event_type: self.names.number(columns.event_type.value(row)),
                region: self.names.number(columns.region.value(row)),
            };
            let totals = columns.totals(row);
            match &mut last {
                Some((former, sum)) if *former == group => *sum += totals,
                _ => {
                    if let Some((former, sum)) = last.replace((group, totals)) {
                        *self.groups.entry(former).or_default() += sum;
                    }
                }
            }
        }
        if let Some((group, sum)) = last {
            *self.groups.entry(group).or_default() += sum;
        }
        Ok(())
    }
}

/// A batch's columns by name and type.
pub(crate) struct Columns<'a> {
    pub(crate) event_type: &'a arrow_array::StringArray,
    pub(crate) region: &'a arrow_array::StringArray,
    timestamp: &'a arrow_array::TimestampMicrosecondArray,
    seconds: &'a arrow_array::Int32Array,
    data_mb: &'a arrow_array::Decimal128Array,
    amount: &'a arrow_array::Decimal128Array,
    topic: &'a arrow_array::StringArray,
    generation: &'a arrow_array::Int32Array,
    partition: &'a arrow_array::Int32Array,
    offset: &'a arrow_array::Int64Array,
}

pub(crate) fn column<'a>(batch: &'a RecordBatch, name: &str) -> anyhow::Result<&'a dyn Array> {
    let column = batch.column_by_name(name).map(AsRef::as_ref);
    column.with_context(|| format!("a file of the lake has no column {name}"))
}

/// A column of texts.
pub(crate) fn texts<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> anyhow::Result<&'a arrow_array::StringArray> {
    let column = column(batch, name)?.as_string_opt();
    column.with_context(|| format!("the column {name} of a file of the lake has another type"))
}

/// A column of numbers.
pub(crate) fn numbers<'a, T: arrow_array::types::ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> anyhow::Result<&'a arrow_array::PrimitiveArray<T>> {
    let column = column(batch, name)?.as_primitive_opt();
    column.with_context(|| format!("the column {name} of a file of the lake has another type"))
}

impl<'a> Columns<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> anyhow::Result<Self> {
        Ok(Columns {
            event_type: texts(batch, "event_type")?,
            region: texts(batch, "region")?,
            timestamp: numbers::<TimestampMicrosecondType>(batch, "timestamp")?,
            seconds: numbers::<Int32Type>(batch, "duration_seconds")?,
            data_mb: numbers::<Decimal128Type>(batch, "data_mb")?,
            amount: numbers::<Decimal128Type>(batch, "amount")?,
            topic: texts(batch, "topic")?,
            generation: numbers::<Int32Type>(batch, "generation")?,
            partition: numbers::<Int32Type>(batch, "partition")?,
            offset: numbers::<Int64Type>(batch, "offset")?,
        })
    }

    pub(crate) fn seen(&self, row: usize) -> Seen<'a> {
        Seen {
            topic: self.topic.value(row),
            generation: self.generation.value(row),
            partition: self.partition.value(row),
            offset: self.offset.value(row),
            micros: self.timestamp.value(row),
        }
    }

    pub(crate) fn totals(&self, row: usize) -> Totals {
        // Under a null stands a zero, by Arrow's builders; not by every writer's.
        let of = |is_null: bool, value: i128| if is_null { 0 } else { value };
        Totals {
            events: 1,
            seconds: if self.seconds.is_null(row) { 0 } else { i64::from(self.seconds.value(row)) },
            micro_mb: of(self.data_mb.is_null(row), self.data_mb.value(row)),
            micro_tenge: of(self.amount.is_null(row), self.amount.value(row)),
        }
    }
}
