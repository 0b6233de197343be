//! An Avro value as JSON, member by member under its own name, for the decoder of the contract.
//!
//! | Avro | JSON |
//! |---|---|
//! | null, boolean, int, long, string, enum | the same; an enum is its symbol |
//! | float, double | the shortest decimal that stands for it; NaN and infinities are strings, which no number of the contract may be |
//! | decimal, big-decimal | the exact number |
//! | timestamp-millis, -micros, -nanos | the contract's form, in UTC; below a microsecond is cut |
//! | local-timestamp-… | the same without a zone: no instant, and no usable `timestamp` |
//! | uuid | its text |
//! | bytes, fixed | a string of one character for each byte, as Avro's own JSON has it |
//! | union | the value that was chosen |
//! | record, map; array | an object; an array |
//! | date, time-millis, time-micros, duration | the numbers that Avro has |
//!
//! Keeps I-5: nothing that is exact in Avro passes through floating point.

use std::fmt::Display;
use std::io::Write as _;

use apache_avro::Schema;
use apache_avro::schema::NamesRef;
use apache_avro::types::Value;
use event_model::EventTime;
use num_bigint::BigInt;

/// Longer decimals are refused: no amount has so many digits, and their text would take long to make.
const DECIMAL_BITS_MAX: u64 = 512;

/// Schemas by their full names.
pub(crate) struct Names<'a>(pub(crate) NamesRef<'a>);

/// Appends a value of this schema to `text`.
///
/// # Errors
/// Why it can't be written.
pub(crate) fn write(
    value: &Value,
    schema: &Schema,
    names: &Names<'_>,
    text: &mut Vec<u8>,
) -> Result<(), String> {
    match (value, schema) {
        (_, Schema::Ref { name }) => write(value, names.schema(name)?, names, text),
        (Value::Union(index, value), Schema::Union(union)) => {
            let chosen = usize::try_from(*index).ok().and_then(|index| union.variants().get(index));
            write(value, chosen.ok_or("its union has no such variant")?, names, text)
        }
        (Value::Record(members), Schema::Record(record)) => {
            let schemas = record.fields.iter().map(|field| &field.schema);
            let members = members.iter().zip(schemas);
            write_object(members.map(|((name, value), schema)| (name, value, schema)), names, text)
        }
        (Value::Map(members), Schema::Map(map)) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            let members = members.into_iter().map(|(name, value)| (name, value, &*map.types));
            write_object(members, names, text)
        }
        (Value::Array(items), Schema::Array(array)) => {
            text.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write(item, &array.items, names, text)?;
            }
            text.push(b']');
            Ok(())
        }
        (Value::Decimal(decimal), Schema::Decimal(schema)) => {
            let scale = i128::try_from(schema.scale).map_err(|error| error.to_string())?;
            write_decimal(&BigInt::from(decimal.clone()), scale, text)
        }
        (Value::BigDecimal(decimal), _) => {
            let (digits, scale) = decimal.as_bigint_and_exponent();
            write_decimal(&digits, i128::from(scale), text)
        }
        (value, _) => write_scalar(value, text),
    }
}

fn write_object<'a>(
    members: impl Iterator<Item = (&'a String, &'a Value, &'a Schema)>,
    names: &Names<'_>,
    text: &mut Vec<u8>,
) -> Result<(), String> {
    text.push(b'{');
    for (index, (name, value, schema)) in members.enumerate() {
        if index > 0 {
            text.push(b',');
        }
        write_string(name, text);
        text.push(b':');
        write(value, schema, names, text)?;
    }
    text.push(b'}');
    Ok(())
}

/// `digits` × 10^−`scale`.
fn write_decimal(digits: &BigInt, scale: i128, text: &mut Vec<u8>) -> Result<(), String> {
    if digits.bits() > DECIMAL_BITS_MAX {
        return Err(format!("it has a decimal of more than {DECIMAL_BITS_MAX} bits"));
    }
    put(format_args!("{digits}e{}", -scale), text);
    Ok(())
}

fn write_scalar(value: &Value, text: &mut Vec<u8>) -> Result<(), String> {
    match value {
        Value::Null => text.extend_from_slice(b"null"),
        Value::Boolean(value) => put(value, text),
        Value::Int(value) | Value::Date(value) | Value::TimeMillis(value) => put(value, text),
        Value::Long(value) | Value::TimeMicros(value) => put(value, text),
        Value::Float(value) if value.is_finite() => put(value, text),
        Value::Double(value) if value.is_finite() => put(value, text),
        Value::Float(value) => write_string(&value.to_string(), text),
        Value::Double(value) => write_string(&value.to_string(), text),
        Value::String(value) | Value::Enum(_, value) => write_string(value, text),
        Value::Uuid(value) => write_string(&value.to_string(), text),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => {
            write_string(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>(), text);
        }
        Value::TimestampMillis(millis) => write_string(&instant_of_millis(*millis), text),
        Value::TimestampMicros(micros) => write_string(&instant(*micros), text),
        Value::TimestampNanos(nanos) => write_string(&instant(nanos.div_euclid(1_000)), text),
        Value::LocalTimestampMillis(millis) => write_local(&instant_of_millis(*millis), text),
        Value::LocalTimestampMicros(micros) => write_local(&instant(*micros), text),
        Value::LocalTimestampNanos(nanos) => write_local(&instant(nanos.div_euclid(1_000)), text),
        Value::Duration(duration) => {
            let (months, days) = (u32::from(duration.months()), u32::from(duration.days()));
            put(format_args!("[{months},{days},{}]", u32::from(duration.millis())), text);
        }
        // The reader makes none; were there one, its text would not be what was sent.
        _ => return Err("a value in it is not of its schema".to_owned()),
    }
    Ok(())
}

fn instant(micros: i64) -> String {
    EventTime::from_micros(micros).to_string()
}

fn instant_of_millis(millis: i64) -> String {
    EventTime::from_millis(millis).to_string()
}

fn write_local(instant: &str, text: &mut Vec<u8>) {
    write_string(instant.trim_end_matches('Z'), text);
}

fn write_string(value: &str, text: &mut Vec<u8>) {
    serde_json::to_writer(text, value).expect("a string can be written into memory");
}

fn put(value: impl Display, text: &mut Vec<u8>) {
    write!(text, "{value}").expect("memory can be written to");
}
