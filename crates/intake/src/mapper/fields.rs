//! Numbers and times of a row, within the contract's bounds: an event that leaves here is one that the streamer counts.

use event_model::EventTime;

use super::{Mapper, Notes, Stop};
use crate::counts::Note;
use crate::decimal::{Number, clock_seconds};
use crate::fault::Fault;
use crate::form::{DurationUnit, MinusOne, Moment};
use crate::mapping::Column;
use crate::moment::TimeFault;
use crate::row::Row;

/// The contract's bounds.
const DURATION_SECONDS_MAX: i64 = 31_622_400;
const DATA_MICROS_MAX: i64 = 100_000_000 * 1_000_000;
const AMOUNT_MICROS_MAX: i64 = 1_000_000_000 * 1_000_000;
const TOWER_MAX: i64 = 2_147_483_647;
const REGION_CHARS_MAX: usize = 100;

impl Mapper<'_> {
    fn column_name(&self, column: Column) -> &str {
        &self.mapping.columns[column]
    }

    /// A number that is not negative.
    fn number(&self, column: Column, text: &str) -> Result<Number, Fault> {
        let name = self.column_name(column);
        let Some(number) = Number::read(text, self.mapping.input.notation) else {
            return Err(Fault::unexpected("number_unreadable", name, text, "a number"));
        };
        if number.is_negative {
            return Err(Fault::unexpected("negative_number", name, text, "no number below 0"));
        }
        Ok(number)
    }

    fn bounded(&self, column: Column, text: &str, value: i64, max: i64) -> Result<i64, Fault> {
        if value <= max {
            return Ok(value);
        }
        let name = self.column_name(column);
        Err(Fault::unexpected(
            "number_too_large",
            name,
            text,
            "a number within the contract's bound",
        ))
    }

    /// Seconds in a column; `None`: it is empty.
    fn seconds(&self, column: Column, unit: DurationUnit, text: &str) -> Result<i64, Fault> {
        let per_second = match unit {
            DurationUnit::Clock => {
                let name = self.column_name(column);
                return clock_seconds(text)
                    .ok_or_else(|| {
                        Fault::unexpected("number_unreadable", name, text, "a duration as h:mm:ss")
                    })
                    .and_then(|seconds| self.bounded(column, text, seconds, DURATION_SECONDS_MAX));
            }
            DurationUnit::Seconds => (1, 1),
            DurationUnit::Millis => (1, 1_000),
            DurationUnit::Micros => (1, 1_000_000),
            DurationUnit::Minutes => (60, 1),
        };
        let seconds = self.number(column, text)?.times(per_second.0, per_second.1);
        self.bounded(column, text, seconds, DURATION_SECONDS_MAX)
    }

    pub(super) fn duration(&self, row: &Row<'_>, notes: &mut Notes) -> Result<Option<i64>, Stop> {
        let Some(rule) = &self.mapping.duration else { return Ok(None) };
        let Some(text) = row.value(rule.column, self.mapping) else { return Ok(None) };
        let is_minus_one = Number::read(&text, self.mapping.input.notation)
            .is_some_and(|number| number.is_minus_one());
        match (is_minus_one, rule.minus_one) {
            (true, MinusOne::Absent) => notes.note(Note::MinusOne),
            (true, MinusOne::Zero) => {
                notes.note(Note::MinusOne);
                return Ok(Some(0));
            }
            _ => return Ok(Some(self.seconds(rule.column, rule.unit, &text)?)),
        }
        Ok(None)
    }

    pub(super) fn data(&self, row: &Row<'_>) -> Result<Option<i64>, Stop> {
        let Some(rule) = &self.mapping.data else { return Ok(None) };
        let mut sum = None;
        for column in &rule.columns {
            let Some(text) = row.value(*column, self.mapping) else { continue };
            let micros =
                self.number(*column, &text)?.times(rule.times.saturating_mul(1_000_000), rule.by);
            let total = sum.unwrap_or(0_i64).saturating_add(micros);
            sum = Some(self.bounded(*column, &text, total, DATA_MICROS_MAX)?);
        }
        Ok(sum)
    }

    pub(super) fn amount(&self, row: &Row<'_>) -> Result<Option<i64>, Stop> {
        let Some(rule) = &self.mapping.amount else { return Ok(None) };
        let Some(text) = row.value(rule.column, self.mapping) else { return Ok(None) };
        let micros = self.number(rule.column, &text)?.times(1_000_000, u64::from(rule.per_unit));
        let micros = self.bounded(rule.column, &text, micros, AMOUNT_MICROS_MAX)?;
        // Nothing is nothing in any currency.
        if let Some((column, currencies)) = rule.currency.as_ref().filter(|_| micros > 0) {
            let currency = row.value(*column, self.mapping);
            let currency = currency.as_deref().unwrap_or("");
            if !currencies.iter().any(|known| known.eq_ignore_ascii_case(currency)) {
                let name = self.column_name(*column);
                return Err(Fault::unexpected(
                    "other_currency",
                    name,
                    currency,
                    "one of amount.currency",
                )
                .into());
            }
        }
        Ok(Some(micros))
    }

    pub(super) fn tower(&self, row: &Row<'_>) -> Result<Option<i64>, Stop> {
        let Some(rule) = &self.mapping.tower else { return Ok(None) };
        let Some(text) = row.value(rule.column, self.mapping) else { return Ok(None) };
        let name = self.column_name(rule.column);
        let radix = if rule.hexadecimal { 16 } else { 10 };
        match i64::from_str_radix(&text, radix) {
            Ok(tower) if (0..=TOWER_MAX).contains(&tower) => Ok(Some(tower)),
            _ => Err(Fault::unexpected(
                "tower_unreadable",
                name,
                &text,
                "a whole number up to 2147483647",
            )
            .into()),
        }
    }

    /// The moment of the event that the mapping asks for.
    pub(super) fn time(&self, row: &Row<'_>, notes: &mut Notes) -> Result<EventTime, Stop> {
        let rule = &self.mapping.time;
        let (own, other, is_end) = match rule.moment {
            Moment::End => (rule.end, rule.start, true),
            Moment::Start => (rule.start, rule.end, false),
        };
        if let Some(time) = self.time_at(own, row, notes)? {
            return Ok(time);
        }
        let Some(time) = self.time_at(other, row, notes)? else {
            return Err(Fault::plain("time_missing", "the row names no time").into());
        };
        let Some((column, unit)) = rule.seconds else {
            let (wanted, known) = if is_end { ("end", "start") } else { ("start", "end") };
            let detail = format!(
                "the row names its {known} only; time.seconds must say how long until its {wanted}"
            );
            return Err(Fault::plain("time_missing", detail).into());
        };
        let seconds = match row.value(column, self.mapping) {
            None => 0,
            Some(text) => self.seconds(column, unit, &text)?,
        };
        let micros = seconds * 1_000_000;
        let moved = time.plus_micros(if is_end { micros } else { -micros });
        if (EventTime::MIN_ACCEPTED..EventTime::END_ACCEPTED).contains(&moved) {
            Ok(moved)
        } else {
            Err(Fault::plain("time_out_of_range", "the time lies before 2000 or after 2099").into())
        }
    }

    /// The time in a column; `None`: no such column, or nothing in it.
    fn time_at(
        &self,
        column: Option<Column>,
        row: &Row<'_>,
        notes: &mut Notes,
    ) -> Result<Option<EventTime>, Stop> {
        let Some(column) = column else { return Ok(None) };
        let Some(text) = row.value(column, self.mapping) else { return Ok(None) };
        match self.mapping.time.clock.read(&text) {
            Ok(reading) => {
                if reading.is_one_of_two {
                    notes.note(Note::TimeTwice);
                }
                Ok(Some(reading.time))
            }
            Err(fault) => {
                let (code, expected) = match fault {
                    TimeFault::Unparsable => ("time_unparsable", "a time in one of time.formats"),
                    TimeFault::DoesNotExist => {
                        ("time_does_not_exist", "a time that the clock of time.zone did not skip")
                    }
                    TimeFault::ComesTwice => {
                        ("time_comes_twice", "a time that the clock of time.zone shows once")
                    }
                    TimeFault::OutOfRange => ("time_out_of_range", "a time from 2000 to 2099"),
                };
                Err(Fault::unexpected(code, self.column_name(column), &text, expected).into())
            }
        }
    }
}

/// A region's name that the contract accepts.
pub(super) fn check_region(column: &str, name: &str) -> Result<(), Fault> {
    let is_usable =
        name.chars().count() <= REGION_CHARS_MAX && !name.contains('\0') && name != "ALL";
    if is_usable {
        return Ok(());
    }
    let expected = "1 to 100 characters without NUL, other than ALL";
    Err(Fault::unexpected("region_unusable", column, name, expected))
}
