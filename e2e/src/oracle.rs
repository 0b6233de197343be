//! What the tables must hold, recomputed from the records of the log by the plainest means: one
//! pass over each partition, all sums in whole numbers, no state that could be lost.
//!
//! It shares no code with the programs, and takes their rules from the contract.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, DurationRound, NaiveDateTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::{LoggedRecord, Span};

const WINDOW: TimeDelta = TimeDelta::minutes(1);
const QUARTER: TimeDelta = TimeDelta::minutes(15);
const WATERMARK_DELAY: TimeDelta = TimeDelta::minutes(2);
const MAX_FUTURE_SKEW: TimeDelta = TimeDelta::minutes(5);
/// MB and tenge are counted in millionths.
pub const MILLION: i128 = 1_000_000;

/// (window start, event type, region)
pub type Key = (NaiveDateTime, String, String);

/// What the events of one key add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub events: i64,
    pub seconds: i64,
    /// 10⁻⁶ MB.
    pub data_mb: i128,
    /// 10⁻⁶ tenge.
    pub amount: i128,
}

/// What became of one partition's offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Where reading began.
    pub first: i64,
    pub next: i64,
    /// Events whose window was open.
    pub on_time: i64,
    /// Events whose window had closed.
    pub late: i64,
    /// Records that can't be used.
    pub dead: i64,
    /// Offsets that hold no record for us.
    pub skipped: i64,
    /// Highest event time accepted.
    pub max_event_time: Option<NaiveDateTime>,
}

/// What the tables must hold.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// `real_time_metrics`
    pub on_time: BTreeMap<Key, Sums>,
    /// `late_metrics`
    pub late: BTreeMap<Key, Sums>,
    /// `dead_letters`: partition and offset.
    pub dead: BTreeSet<(i32, i64)>,
    /// `day_ledger`: (quarter, partition) → events on time, events late.
    pub ledger: BTreeMap<(NaiveDateTime, i32), (i64, i64)>,
    /// `stream_progress`, by partition.
    pub accounts: BTreeMap<i32, Account>,
}

/// Recomputes everything from the records, those of a partition in their order. `spans` say which
/// offsets of each partition count; the partitions are those named there.
pub fn recompute(records: &[LoggedRecord], spans: &BTreeMap<i32, Span>) -> Expected {
    let mut expected = Expected::default();
    for (&partition, span) in spans {
        let Span { first, next } = *span;
        let length = next - first;
        let account = Account { first, next, skipped: length, ..Account::default() };
        expected.accounts.insert(partition, account);
    }
    for record in records {
        let Some(span) = spans.get(&record.partition) else { continue };
        if (span.first..span.next).contains(&record.offset) {
            expected.count(record);
        }
    }
    expected
}

impl Expected {
    fn count(&mut self, record: &LoggedRecord) {
        let account = self.accounts.entry(record.partition).or_default();
        account.skipped -= 1;
        let Some(event) = Event::of(record) else {
            account.dead += 1;
            self.dead.insert((record.partition, record.offset));
            return;
        };
        let window = floor(event.time, WINDOW);
        let watermark = account.max_event_time.map(|highest| highest - WATERMARK_DELAY);
        let is_late = watermark.is_some_and(|watermark| window + WINDOW <= watermark);
        account.max_event_time = account.max_event_time.max(Some(event.time));

        let quarter = (floor(event.time, QUARTER), record.partition);
        let ledger = self.ledger.entry(quarter).or_default();
        let key = (window, event.event_type, event.region);
        let sums = if is_late {
            account.late += 1;
            ledger.1 += 1;
            self.late.entry(key).or_default()
        } else {
            account.on_time += 1;
            ledger.0 += 1;
            self.on_time.entry(key).or_default()
        };
        sums.add(&event.sums);
    }
}

impl Sums {
    /// Adds others of the same kind.
    pub fn add(&mut self, other: &Sums) {
        self.events += other.events;
        self.seconds += other.seconds;
        self.data_mb += other.data_mb;
        self.amount += other.amount;
    }
}

/// A usable event.
struct Event {
    event_type: String,
    region: String,
    time: NaiveDateTime,
    sums: Sums,
}

/// The contract's fields. Deriving refuses a field that stands twice or has another type.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "event_id")]
    _event_id: Option<String>,
    #[serde(rename = "msisdn")]
    _msisdn: Option<String>,
    event_type: String,
    #[serde(rename = "event_subtype")]
    _event_subtype: Option<String>,
    duration_seconds: Option<f64>,
    data_mb: Option<f64>,
    amount: Option<f64>,
    region: String,
    cell_tower_id: Option<f64>,
    timestamp: String,
    #[serde(rename = "subscriber_id")]
    _subscriber_id: Option<String>,
    #[serde(rename = "counterparty_id")]
    _counterparty_id: Option<String>,
}

impl Event {
    /// The event of a record, unless it is one for `dead_letters`.
    fn of(record: &LoggedRecord) -> Option<Event> {
        let payload = record.payload.as_deref()?;
        // An array would be read field by field.
        let text = std::str::from_utf8(payload).ok().filter(|t| t.trim_start().starts_with('{'))?;
        let fields: Fields = serde_json::from_str(text).ok()?;
        let is_name = |name: &str, longest: usize, reserved: &str| {
            (1..=longest).contains(&name.chars().count())
                && !name.contains('\0')
                && name != reserved
        };
        let names_are_usable =
            is_name(&fields.event_type, 50, "most_active") && is_name(&fields.region, 100, "ALL");
        whole(fields.cell_tower_id, 2_147_483_647.0)?;
        let seconds = whole(fields.duration_seconds, 31_622_400.0)?;
        let sums = Sums {
            events: 1,
            seconds,
            data_mb: millionths(fields.data_mb, 1e8)?,
            amount: millionths(fields.amount, 1e9)?,
        };
        let time = event_time(&fields.timestamp)?;
        let written = DateTime::from_timestamp_millis(record.time_ms)?.naive_utc();
        let is_usable = names_are_usable && time <= written + MAX_FUTURE_SKEW;
        let Fields { event_type, region, .. } = fields;
        is_usable.then_some(Event { event_type, region, time, sums })
    }
}

/// The tests send no number whose double is on another side of a bound than the number itself.
fn number(value: Option<f64>, max: f64) -> Option<f64> {
    let value = value.unwrap_or(0.0);
    (0.0..=max).contains(&value).then_some(value)
}

fn whole(value: Option<f64>, max: f64) -> Option<i64> {
    number(value, max).filter(|value| value.fract() == 0.0).map(|value| value as i64)
}

/// Exact for numbers with up to six decimals that fit the bounds: the product is then nearer to
/// the right whole number than to any other.
fn millionths(value: Option<f64>, max: f64) -> Option<i128> {
    number(value, max).map(|value| (value * 1e6).round() as i128)
}

fn event_time(text: &str) -> Option<NaiveDateTime> {
    let instant: DateTime<Utc> = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    let [from, to] = ["2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"]
        .map(|bound| DateTime::parse_from_rfc3339(bound).map(|bound| bound.to_utc()));
    let is_in_range = instant >= from.ok()? && instant < to.ok()?;
    let cut = instant.duration_trunc(TimeDelta::microseconds(1)).ok()?;
    is_in_range.then(|| cut.naive_utc())
}

fn floor(time: NaiveDateTime, length: TimeDelta) -> NaiveDateTime {
    // Can't fail: every event time lies between 2000 and 2100.
    time.duration_trunc(length).unwrap_or(time)
}

/// One row of `daily_stats`: events, hours, TB, tenge, average seconds.
pub type DailyFigures = (i64, [f64; 4]);

/// The day's rows of `daily_stats`, by adding up its windows.
pub fn recompute_day(
    on_time: &BTreeMap<Key, Sums>,
    date: chrono::NaiveDate,
) -> BTreeMap<(String, String), DailyFigures> {
    let mut rows: BTreeMap<(String, String), Sums> = BTreeMap::new();
    let mut by_region: BTreeMap<&str, Sums> = BTreeMap::new();
    for ((start, event_type, region), sums) in on_time {
        if start.date() != date {
            continue;
        }
        for region in [region.as_str(), "ALL"] {
            rows.entry((event_type.clone(), region.to_owned())).or_default().add(sums);
        }
        by_region.entry(region).or_default().add(sums);
    }
    // Sorted by code point; the last of equals wins in max_by_key, hence the reversal.
    if let Some((region, sums)) = by_region.iter().rev().max_by_key(|(_, sums)| sums.events) {
        rows.insert(("most_active".to_owned(), (*region).to_owned()), *sums);
    }
    rows.into_iter().map(|(key, sums)| (key, figures(&sums))).collect()
}

fn figures(sums: &Sums) -> DailyFigures {
    let (events, seconds) = (i128::from(sums.events), i128::from(sums.seconds));
    let hours = quotient(seconds, 3600);
    let terabytes = quotient(sums.data_mb, MILLION * 1024 * 1024);
    let tenge = quotient(sums.amount, MILLION);
    (sums.events, [hours, terabytes, tenge, quotient(seconds, events)])
}

/// The double nearest to the quotient: both numbers are doubles without rounding, and a division
/// of doubles rounds once.
fn quotient(numerator: i128, denominator: i128) -> f64 {
    const EXACT: i128 = 1 << 53;
    assert!(numerator.abs() <= EXACT && denominator <= EXACT);
    numerator as f64 / denominator as f64
}
