//! The table `events`: its columns, and how an event becomes a row.
//!
//! The contract's twelve fields under their own names, null where they are absent; `extra`: the unknown members as
//! JSON; then where the record stood. MB and tenge are exact: the contract bounds them at 10⁸ and 10⁹ with six
//! decimals, which 18 digits hold.

use std::sync::Arc;

use arrow_array::builder::{
    Decimal128Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel::{DataType as DeltaType, PrimitiveType, StructField};
use event_model::{EventTime, WholeEvent};

use crate::table::Layout;

/// Digits of MB and tenge, and how many of these are decimals.
const DECIMAL: (u8, i8) = (18, 6);
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Where a record stood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) topic: &'a str,
    pub(crate) generation: i32,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) record_time: Option<EventTime>,
}

/// The day of an event, UTC: days since 1970.
pub(crate) fn day_of(event_time: EventTime) -> i32 {
    // The contract's range of event times is about 47,000 days.
    i32::try_from(event_time.micros().div_euclid(MICROS_PER_DAY)).unwrap_or_default()
}

/// The columns, but for `event_date`, which a file's folder says.
pub(crate) fn schema() -> SchemaRef {
    let text = |name, nullable| Field::new(name, DataType::Utf8, nullable);
    let whole = |name, nullable| Field::new(name, DataType::Int32, nullable);
    let decimal = |name| Field::new(name, DataType::Decimal128(DECIMAL.0, DECIMAL.1), true);
    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        text("event_type", false),
        text("region", false),
        Field::new("timestamp", utc(), false),
        whole("duration_seconds", true),
        decimal("data_mb"),
        decimal("amount"),
        whole("cell_tower_id", true),
        text("event_id", true),
        text("msisdn", true),
        text("event_subtype", true),
        text("subscriber_id", true),
        text("counterparty_id", true),
        text("extra", true),
        text("topic", false),
        whole("generation", false),
        whole("partition", false),
        Field::new("offset", DataType::Int64, false),
        Field::new("record_time", utc(), true),
    ]))
}

/// The same for Delta.
pub(crate) fn layout() -> Layout {
    let columns = schema()
        .fields()
        .iter()
        .map(|field| {
            StructField::new(field.name(), delta_type(field.data_type()), field.is_nullable())
        })
        .chain([StructField::new("event_date", DeltaType::Primitive(PrimitiveType::Date), false)])
        .collect();
    Layout { columns, partitioned_by: &["event_date"] }
}

/// The Delta type of one of our columns.
pub(crate) fn delta_type(arrow: &DataType) -> DeltaType {
    match arrow {
        DataType::Int32 => DeltaType::INTEGER,
        DataType::Int64 => DeltaType::LONG,
        DataType::Date32 => DeltaType::DATE,
        DataType::Timestamp(..) => DeltaType::TIMESTAMP,
        DataType::Decimal128(digits, decimals) => {
            DeltaType::decimal(*digits, decimals.unsigned_abs()).unwrap_or(DeltaType::STRING)
        }
        _ => DeltaType::STRING,
    }
}

/// Rows that are not written yet.
pub(crate) struct Rows {
    schema: SchemaRef,
    len: usize,
    /// Of texts that senders choose: what can be large.
    text_bytes: usize,
    event_type: StringBuilder,
    region: StringBuilder,
    timestamp: TimestampMicrosecondBuilder,
    duration_seconds: Int32Builder,
    data_mb: Decimal128Builder,
    amount: Decimal128Builder,
    cell_tower_id: Int32Builder,
    /// event_id, msisdn, event_subtype, subscriber_id, counterparty_id, extra.
    texts: [StringBuilder; 6],
    topic: StringBuilder,
    generation: Int32Builder,
    partition: Int32Builder,
    offset: Int64Builder,
    record_time: TimestampMicrosecondBuilder,
}

impl Rows {
    pub(crate) fn new() -> Self {
        let utc = || TimestampMicrosecondBuilder::new().with_timezone("UTC");
        let decimal =
            || Decimal128Builder::new().with_data_type(DataType::Decimal128(DECIMAL.0, DECIMAL.1));
        Rows {
            schema: schema(),
            len: 0,
            text_bytes: 0,
            event_type: StringBuilder::new(),
            region: StringBuilder::new(),
            timestamp: utc(),
            duration_seconds: Int32Builder::new(),
            data_mb: decimal(),
            amount: decimal(),
            cell_tower_id: Int32Builder::new(),
            texts: std::array::from_fn(|_| StringBuilder::new()),
            topic: StringBuilder::new(),
            generation: Int32Builder::new(),
            partition: Int32Builder::new(),
            offset: Int64Builder::new(),
            record_time: utc(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory that their texts take.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Adds an event.
    pub(crate) fn append(&mut self, event: &WholeEvent<'_>, place: Place<'_>) {
        let view = &event.view;
        self.len += 1;
        self.event_type.append_value(&view.event_type);
        self.region.append_value(&view.region);
        self.timestamp.append_value(view.event_time.micros());
        // At most 31,622,400 and 2,147,483,647 by the contract.
        let duration = event.has_duration.then(|| i32::try_from(view.duration_seconds).ok());
        self.duration_seconds.append_option(duration.flatten());
        self.data_mb.append_option(event.has_data.then_some(i128::from(view.data_micro_mb)));
        self.amount.append_option(event.has_amount.then_some(i128::from(view.amount_micro_tenge)));
        let tower = view.cell_tower_id.and_then(|tower| i32::try_from(tower).ok());
        self.cell_tower_id.append_option(tower);
        let [event_id, subtype, counterparty] =
            [view.event_id, view.event_subtype, view.counterparty_id]
                .map(|text| text.map(event_model::LazyText::get));
        let texts = [
            event_id.as_deref(),
            view.msisdn.as_deref(),
            subtype.as_deref(),
            view.subscriber_id.as_deref(),
            counterparty.as_deref(),
            event.others.as_deref(),
        ];
        for (builder, text) in self.texts.iter_mut().zip(texts) {
            self.text_bytes += text.map_or(0, str::len);
            builder.append_option(text);
        }
        self.topic.append_value(place.topic);
        self.generation.append_value(place.generation);
        self.partition.append_value(place.partition);
        self.offset.append_value(place.offset);
        self.record_time.append_option(place.record_time.map(EventTime::micros));
    }

    /// Hands them over; none is left.
    pub(crate) fn take(&mut self) -> anyhow::Result<RecordBatch> {
        (self.len, self.text_bytes) = (0, 0);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.event_type.finish()),
            Arc::new(self.region.finish()),
            Arc::new(self.timestamp.finish()),
            Arc::new(self.duration_seconds.finish()),
            Arc::new(self.data_mb.finish()),
            Arc::new(self.amount.finish()),
            Arc::new(self.cell_tower_id.finish()),
        ];
        columns.extend(self.texts.iter_mut().map(|text| Arc::new(text.finish()) as ArrayRef));
        columns.extend([
            Arc::new(self.topic.finish()) as ArrayRef,
            Arc::new(self.generation.finish()),
            Arc::new(self.partition.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.record_time.finish()),
        ]);
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_utcs_and_begins_at_midnight() {
        for (text, day) in [
            ("1970-01-01T00:00:00", 0),
            ("1970-01-01T23:59:59.999999", 0),
            ("1970-01-02T00:00:00", 1),
            ("2025-11-09T14:30:45", 20_401),
        ] {
            let at: chrono::NaiveDateTime = text.parse().unwrap();
            assert_eq!(day_of(EventTime::from(at)), day, "{text}");
        }
        assert_eq!(day_of(EventTime::from_micros(-1)), -1);
    }

    #[test]
    fn every_column_is_known_to_delta() {
        let columns = layout().columns;
        assert_eq!(columns.len(), schema().fields().len() + 1);
        assert!(Rows::new().take().is_ok());
    }
}
