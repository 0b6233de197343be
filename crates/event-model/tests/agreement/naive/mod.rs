//! The contract read a second time, as plainly as it can be written and without regard to speed.
//!
//! In: a payload. Out: what `decode` has to answer. Shares nothing with the crate but the names of
//! the reasons: its own JSON, numbers as strings of digits, and a calendar that counts days.

mod calendar;
mod json;
mod number;

use std::collections::HashSet;

use event_model::DeadReason;

use calendar::Instant;
use json::{Json, Text};
use number::Number;

/// What an event says, with plain types.
#[derive(Debug, PartialEq)]
pub(crate) struct NaiveView {
    pub(crate) event_type: String,
    pub(crate) region: String,
    pub(crate) event_time_micros: i64,
    pub(crate) duration_seconds: i64,
    pub(crate) data_micro_mb: i64,
    pub(crate) amount_micro_tenge: i64,
    pub(crate) subscriber_id: Option<String>,
    pub(crate) msisdn: Option<String>,
    pub(crate) event_id: Option<String>,
    pub(crate) event_subtype: Option<String>,
    pub(crate) counterparty_id: Option<String>,
    pub(crate) cell_tower_id: Option<u32>,
}

const TEXT_FIELDS: [&str; 8] = [
    "event_id",
    "msisdn",
    "event_type",
    "event_subtype",
    "region",
    "timestamp",
    "subscriber_id",
    "counterparty_id",
];

const NUMBER_FIELDS: [&str; 4] = ["duration_seconds", "data_mb", "amount", "cell_tower_id"];

pub(crate) fn decode(payload: &[u8]) -> Result<NaiveView, DeadReason> {
    // Confluent's frame: a zero and the four bytes of a number.
    let is_framed = payload.len() >= 5 && payload[0] == 0;
    let payload = if is_framed { &payload[5..] } else { payload };
    let payload = String::from_utf8(payload.to_vec()).map_err(|_| DeadReason::NotUtf8)?;
    let json = json::parse(&payload).ok_or(DeadReason::NotJson)?;
    let Json::Object(members) = json else { return Err(DeadReason::NotAnObject) };
    check_structure(&members)?;

    let event_type = name(&members, "event_type", 50, "most_active").map_err(|reason| {
        let is_marked = members.iter().any(|(key, value)| {
            key.to_string().as_deref() == Some("not_mapped") && matches!(value, Json::Text(_))
        });
        if is_marked && reason == DeadReason::Missing { DeadReason::NotMapped } else { reason }
    })?;
    let region = name(&members, "region", 100, "ALL")?;
    let event_time_micros = timestamp(&members)?;
    let duration_seconds = number(&members, "duration_seconds", "31622400", true)?;
    let data_micro_mb = number(&members, "data_mb", "100000000", false)?;
    let amount_micro_tenge = number(&members, "amount", "1000000000", false)?;
    let cell_tower_id = number(&members, "cell_tower_id", "2147483647", true)?;
    let whole = |millionths: i64| u32::try_from(millionths / 1_000_000).expect("below the maximum");
    Ok(NaiveView {
        event_type,
        region,
        event_time_micros,
        duration_seconds: i64::from(duration_seconds.map_or(0, whole)),
        data_micro_mb: data_micro_mb.unwrap_or(0),
        amount_micro_tenge: amount_micro_tenge.unwrap_or(0),
        subscriber_id: text(&members, "subscriber_id"),
        msisdn: text(&members, "msisdn"),
        event_id: text(&members, "event_id"),
        event_subtype: text(&members, "event_subtype"),
        counterparty_id: text(&members, "counterparty_id"),
        cell_tower_id: cell_tower_id.map(whole),
    })
}

type Members = [(Text, Json)];

/// The known fields stand once, with the right type, and their strings are strings.
fn check_structure(members: &Members) -> Result<(), DeadReason> {
    let mut seen = HashSet::new();
    for (key, value) in members {
        let Some(key) = key.to_string() else { continue };
        let is_text = TEXT_FIELDS.contains(&key.as_str());
        let is_number = NUMBER_FIELDS.contains(&key.as_str());
        let is_timestamp = key == "timestamp";
        if !is_text && !is_number {
            continue;
        }
        if !seen.insert(key) {
            return Err(DeadReason::DuplicateField);
        }
        match value {
            Json::Null => {}
            Json::Number(_) if is_number => {}
            Json::Text(text) if is_text && text.to_string().is_none() => {
                return Err(DeadReason::LoneSurrogate);
            }
            Json::Text(_) if is_text => {}
            Json::Number(number) if is_timestamp && counts_since_1970(number) => {
                return Err(DeadReason::TimestampUnit);
            }
            _ => return Err(DeadReason::WrongType),
        }
    }
    Ok(())
}

/// The value of a known field, unless it is absent or null.
fn member<'j>(members: &'j Members, field: &str) -> Option<&'j Json> {
    let named = |(key, _): &&(Text, Json)| key.to_string().as_deref() == Some(field);
    members.iter().find(named).map(|(_, value)| value).filter(|value| **value != Json::Null)
}

fn text(members: &Members, field: &str) -> Option<String> {
    match member(members, field)? {
        Json::Text(text) => text.to_string(),
        other => panic!("{other:?} passed as a text"),
    }
}

fn name(
    members: &Members,
    field: &str,
    max_chars: usize,
    reserved: &str,
) -> Result<String, DeadReason> {
    let name = text(members, field).ok_or(DeadReason::Missing)?;
    match name.chars().count() {
        0 => Err(DeadReason::Empty),
        count if count > max_chars => Err(DeadReason::TooLong),
        _ if name.contains('\0') => Err(DeadReason::ContainsNul),
        _ if name == reserved => Err(DeadReason::ReservedName),
        _ => Ok(name),
    }
}

fn timestamp(members: &Members) -> Result<i64, DeadReason> {
    let text = text(members, "timestamp").ok_or(DeadReason::Missing)?;
    let instant = Instant::parse(&text);
    if let Some(micros) = instant.as_ref().and_then(Instant::micros_if_in_range) {
        return Ok(micros);
    }
    let is_decimal = !text.is_empty()
        && text.split('.').count() <= 2
        && text.split('.').all(|digits| !digits.is_empty())
        && text.chars().all(|character| character.is_ascii_digit() || character == '.');
    let is_mistaken =
        if is_decimal { counts_since_1970(&text) } else { Instant::parse_mistaken(&text) };
    Err(match instant {
        _ if is_mistaken => DeadReason::TimestampUnit,
        None => DeadReason::TimestampUnparsable,
        Some(_) => DeadReason::TimestampOutOfRange,
    })
}

/// Whether so many seconds since 1970, or thousandths, millionths, billionths, end in 2000–2099.
fn counts_since_1970(number: &str) -> bool {
    let start_of = |text| Instant::parse(text).and_then(|instant| instant.micros_if_in_range());
    let [first, last] = ["2000-01-01T00:00:00Z", "2099-12-31T23:59:59Z"]
        .map(|text| start_of(text).expect("in range").unsigned_abs() / 1_000_000);
    let whole_part = Number::written_out(number).whole_part().unwrap_or(0);
    let mut units = [1, 1_000, 1_000_000, 1_000_000_000].into_iter();
    !number.starts_with('-')
        && units.any(|unit| (u128::from(first)..=u128::from(last)).contains(&(whole_part / unit)))
}

/// The number in millionths.
fn number(
    members: &Members,
    field: &str,
    max: &str,
    must_be_whole: bool,
) -> Result<Option<i64>, DeadReason> {
    let text = match member(members, field) {
        None => return Ok(None),
        Some(Json::Number(text)) => text,
        Some(other) => panic!("{other:?} passed as a number"),
    };
    let number = Number::written_out(text);
    if number.is_below_zero() {
        Err(DeadReason::NegativeNumber)
    } else if number.is_above(max) {
        Err(DeadReason::NumberTooLarge)
    } else if must_be_whole && !number.is_whole() {
        Err(DeadReason::NotWhole)
    } else {
        Ok(Some(number.millionths()))
    }
}
