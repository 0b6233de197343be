//! A subscriber's day, and days as rows of the table `subscribers`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::totals::{Totals, numbers};

const MICROS_PER_MINUTE: i64 = 60_000_000;
/// The types that have a column of their own, and its name; any other counts as `other_events`.
const TYPES: [(&str, &str); 4] = [
    ("call", "calls"),
    ("sms", "messages"),
    ("data_session", "data_sessions"),
    ("balance_recharge", "recharges"),
];

/// What a row's name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NamedBy {
    SubscriberId,
    /// A masked number, which many people may share.
    Msisdn,
    /// Events that name nobody.
    Nobody,
    /// Events of subscribers who were erased.
    Erased,
}

impl NamedBy {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            NamedBy::SubscriberId => "subscriber_id",
            NamedBy::Msisdn => "msisdn",
            NamedBy::Nobody => "nobody",
            NamedBy::Erased => "erased",
        }
    }

    /// Whether it is a row of people.
    pub(crate) const fn is_somebody(self) -> bool {
        matches!(self, NamedBy::SubscriberId | NamedBy::Msisdn)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Row {
    by_type: [i64; TYPES.len()],
    totals: Totals,
    pub(super) counterparties: HashSet<u64>,
    pub(super) towers: HashSet<i32>,
    /// First and last event, microseconds.
    times: Option<(i64, i64)>,
}

/// Days by name, and what the name is.
pub(crate) type Rows = HashMap<(String, NamedBy), Row>;

impl Row {
    /// Adds events of a type at a time.
    pub(crate) fn add(&mut self, event_type: &str, totals: Totals, micros: i64) {
        if let Some(index) = TYPES.iter().position(|(name, _)| *name == event_type) {
            self.by_type[index] += totals.events;
        }
        self.totals += totals;
        self.meet((micros, micros));
    }

    /// Adds another row's events; whom and what towers it has met stays out.
    pub(crate) fn merge(&mut self, other: &Row) {
        for (sum, more) in self.by_type.iter_mut().zip(other.by_type) {
            *sum += more;
        }
        self.totals += other.totals;
        if let Some(times) = other.times {
            self.meet(times);
        }
    }

    fn meet(&mut self, (from, to): (i64, i64)) {
        let (first, last) = self.times.unwrap_or((from, to));
        self.times = Some((first.min(from), last.max(to)));
    }

    /// How many there are.
    pub(crate) fn events(&self) -> i64 {
        self.totals.events
    }

    fn others(&self) -> i64 {
        self.totals.events - self.by_type.iter().sum::<i64>()
    }
}

/// The columns, but for `date`, which a file's folder says.
pub(crate) fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let whole = |name| Field::new(name, DataType::Int64, false);
    let decimal = |name| Field::new(name, DataType::Decimal128(38, 6), false);
    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields = vec![text("subscriber"), text("named_by"), whole("events")];
    fields.extend(TYPES.iter().map(|(_, column)| whole(column)));
    fields.extend([
        whole("other_events"),
        whole("duration_seconds"),
        decimal("data_mb"),
        decimal("amount"),
        whole("distinct_counterparties"),
        whole("distinct_towers"),
        Field::new("first_minute", utc(), false),
        Field::new("last_minute", utc(), false),
    ]);
    Arc::new(Schema::new(fields))
}

/// Rows for the table, in their order.
pub(crate) fn batch(rows: &[((String, NamedBy), Row)]) -> anyhow::Result<RecordBatch> {
    let whole = |of: &dyn Fn(&Row) -> i64| {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, row)| of(row)))) as ArrayRef
    };
    let decimal = |of: &dyn Fn(&Row) -> i128| {
        let values = Decimal128Array::from_iter_values(rows.iter().map(|(_, row)| of(row)));
        anyhow::Ok(Arc::new(values.with_precision_and_scale(38, 6)?) as ArrayRef)
    };
    let minute = |of: &dyn Fn((i64, i64)) -> i64| {
        let begins = |micros: i64| micros.div_euclid(MICROS_PER_MINUTE) * MICROS_PER_MINUTE;
        let times = rows.iter().map(|(_, row)| begins(of(row.times.unwrap_or_default())));
        let times = TimestampMicrosecondArray::from_iter_values(times);
        Arc::new(times.with_timezone("UTC")) as ArrayRef
    };
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|((name, _), _)| name))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|((_, kind), _)| kind.text()))),
        whole(&|row| row.totals.events),
    ];
    columns.extend((0..TYPES.len()).map(|index| whole(&|row: &Row| row.by_type[index])));
    columns.extend([
        whole(&Row::others),
        whole(&|row| row.totals.seconds),
        decimal(&|row| row.totals.micro_mb)?,
        decimal(&|row| row.totals.micro_tenge)?,
        whole(&|row| count(row.counterparties.len())),
        whole(&|row| count(row.towers.len())),
        minute(&|times| times.0),
        minute(&|times| times.1),
    ]);
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// Rows of the table as the one row of those who were erased. They are at least one.
pub(crate) fn merged_erased(batch: &RecordBatch) -> anyhow::Result<RecordBatch> {
    let mut by_type = Vec::new();
    for (_, column) in TYPES {
        by_type.push(numbers::<Int64Type>(batch, column)?);
    }
    let events = numbers::<Int64Type>(batch, "events")?;
    let seconds = numbers::<Int64Type>(batch, "duration_seconds")?;
    let data_mb = numbers::<Decimal128Type>(batch, "data_mb")?;
    let amount = numbers::<Decimal128Type>(batch, "amount")?;
    let first = numbers::<TimestampMicrosecondType>(batch, "first_minute")?;
    let last = numbers::<TimestampMicrosecondType>(batch, "last_minute")?;
    let mut sum = Row::default();
    for row in 0..batch.num_rows() {
        sum.merge(&Row {
            by_type: std::array::from_fn(|index| by_type[index].value(row)),
            totals: Totals {
                events: events.value(row),
                seconds: seconds.value(row),
                micro_mb: data_mb.value(row),
                micro_tenge: amount.value(row),
            },
            times: Some((first.value(row), last.value(row))),
            ..Row::default()
        });
    }
    self::batch(&[((String::new(), NamedBy::Erased), sum)])
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use super::*;

    const ONE: Totals = Totals { events: 1, seconds: 5, micro_mb: 2, micro_tenge: 3 };

    #[test]
    fn a_subscribers_day_is_summed_by_type_and_what_is_unknown_counts_as_other() {
        let mut row = Row::default();
        for (event_type, micros) in
            [("sms", 120_000_000), ("call", 60_000_001), ("roaming", 90_000_000)]
        {
            row.add(event_type, ONE, micros);
        }
        assert_eq!(row.by_type, [1, 1, 0, 0]);
        assert_eq!((row.others(), row.totals.events, row.totals.seconds), (1, 3, 15));
        assert_eq!(row.times, Some((60_000_001, 120_000_000)));
    }

    #[test]
    fn erased_rows_become_one_that_keeps_their_sums_and_names_nobody() {
        let of = |event_type, micros| {
            let mut row = Row::default();
            row.add(event_type, ONE, micros);
            row.counterparties.insert(1);
            row.towers.insert(1);
            row
        };
        let rows = [
            (("a".to_owned(), NamedBy::SubscriberId), of("call", 120_000_000)),
            ((String::new(), NamedBy::Erased), of("roaming", 60_000_000)),
        ];
        let merged = merged_erased(&batch(&rows).unwrap()).unwrap();
        let whole = |name| numbers::<Int64Type>(&merged, name).unwrap().value(0);
        assert_eq!(merged.num_rows(), 1);
        assert_eq!(merged["subscriber"].as_string::<i32>().value(0), "");
        assert_eq!(merged["named_by"].as_string::<i32>().value(0), "erased");
        let figures = ["events", "calls", "other_events", "duration_seconds", "distinct_towers"];
        assert_eq!(figures.map(whole), [2, 1, 1, 10, 0]);
        let minute = |name| numbers::<TimestampMicrosecondType>(&merged, name).unwrap().value(0);
        assert_eq!((minute("first_minute"), minute("last_minute")), (60_000_000, 120_000_000));
    }
}
