//! Recognises a refused `timestamp` whose time was counted in another unit.
//!
//! In: a JSON number or the text of a refused timestamp. Out: what it seems to mean, as a hint to
//! the operator. A hint never makes a record usable: guessing a unit would put events into
//! windows where they may not belong.

use std::fmt;

use crate::EventTime;
use crate::decimal::Decimal;
use crate::time::instant_in_any_year;

/// Units of a count since 1970, and how many of them are in a second. At most one of them puts a
/// count into the accepted century.
const UNITS: [(&str, u64); 4] = [
    ("seconds", 1),
    ("milliseconds", 1_000),
    ("microseconds", 1_000_000),
    ("nanoseconds", 1_000_000_000),
];

/// A time that becomes acceptable in another unit. `Display` says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitMixup {
    assumption: Assumption,
    instant: EventTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Assumption {
    /// The timestamp is a count of these since 1970.
    CountOf(&'static str),
    /// The sender counted the first and whoever wrote the date took it for the second.
    TakenFor(&'static str, &'static str),
}

impl UnitMixup {
    /// Judges an unsigned decimal, in any JSON notation, as a count since 1970.
    pub(crate) fn of_count(number: &str) -> Option<Self> {
        let count = Decimal::from_json_number(number).whole_part();
        UNITS.iter().find_map(|&(unit, per_second)| {
            let micros = u128::from(count) * 1_000_000 / u128::from(per_second);
            UnitMixup::if_acceptable(i64::try_from(micros).ok(), Assumption::CountOf(unit))
        })
    }

    /// Judges a text that is no acceptable timestamp: digits, or a date far from every event.
    ///
    /// ```text
    ///   1970-01-01T00:29:22Z     seconds written as if they were microseconds
    ///   1970-01-21T09:38:18Z     seconds … milliseconds
    ///   57827-09-12T16:32:03Z    milliseconds … seconds
    /// ```
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        if is_plain_decimal(text) {
            return UnitMixup::of_count(text);
        }
        let micros = instant_in_any_year(text)?.micros();
        [
            (micros.checked_mul(1_000), "seconds", "milliseconds"),
            (micros.checked_mul(1_000_000), "seconds", "microseconds"),
            (Some(micros / 1_000), "milliseconds", "seconds"),
        ]
        .into_iter()
        .find_map(|(micros, counted, taken_for)| {
            UnitMixup::if_acceptable(micros, Assumption::TakenFor(counted, taken_for))
        })
    }

    fn if_acceptable(micros: Option<i64>, assumption: Assumption) -> Option<Self> {
        let instant = EventTime::from_micros(micros?);
        instant.is_accepted().then_some(UnitMixup { assumption, instant })
    }
}

impl fmt::Display for UnitMixup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.assumption {
            Assumption::CountOf(unit) => write!(f, "if these are {unit} since 1970")?,
            Assumption::TakenFor(counted, taken_for) => {
                write!(f, "if {counted} were taken for {taken_for}")?;
            }
        }
        write!(f, ", it is {}", self.instant)
    }
}

/// `digits[.digits]`
fn is_plain_decimal(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('.') {
        Some((integer, fraction)) => is_number(integer) && is_number(fraction),
        None => is_number(text),
    }
}

#[cfg(test)]
mod tests {
    use super::UnitMixup;

    #[track_caller]
    fn check(found: Option<UnitMixup>, expected: Option<&str>, text: &str) {
        assert_eq!(found.map(|mixup| mixup.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn a_count_is_named_by_the_unit_that_puts_it_into_the_accepted_century() {
        let table = [
            ("946684799.999999", None),
            (
                "946684800",
                Some("if these are seconds since 1970, it is 2000-01-01T00:00:00.000000Z"),
            ),
            (
                "1762698645.25",
                Some("if these are seconds since 1970, it is 2025-11-09T14:30:45.000000Z"),
            ),
            (
                "1.762698645e9",
                Some("if these are seconds since 1970, it is 2025-11-09T14:30:45.000000Z"),
            ),
            (
                "4102444799.9999999",
                Some("if these are seconds since 1970, it is 2099-12-31T23:59:59.000000Z"),
            ),
            ("4102444800", None),
            ("946684799999", None),
            (
                "1762698645123",
                Some("if these are milliseconds since 1970, it is 2025-11-09T14:30:45.123000Z"),
            ),
            ("4102444800000", None),
            (
                "1762698645123456",
                Some("if these are microseconds since 1970, it is 2025-11-09T14:30:45.123456Z"),
            ),
            (
                "1762698645123456789",
                Some("if these are nanoseconds since 1970, it is 2025-11-09T14:30:45.123456Z"),
            ),
            ("4102444800000000000", None),
            ("0", None),
            ("1e400", None),
        ];
        for (number, expected) in table {
            check(UnitMixup::of_count(number), expected, number);
        }
    }

    #[test]
    fn a_text_is_named_only_when_another_unit_makes_it_acceptable() {
        let taken = |counted, taken_for, instant| {
            Some(format!("if {counted} were taken for {taken_for}, it is {instant}"))
        };
        let seconds_as_millis = taken("seconds", "milliseconds", "2025-11-09T14:30:45.000000Z");
        let seconds_as_micros = taken("seconds", "microseconds", "2025-11-09T14:30:45.000000Z");
        let millis_as_seconds = taken("milliseconds", "seconds", "2025-11-09T14:30:45.123000Z");
        let digits = "if these are milliseconds since 1970, it is 2025-11-09T14:30:45.123000Z";
        let table = [
            ("1970-01-21T09:38:18.645Z", seconds_as_millis.clone()),
            ("1970-01-21T14:38:18.645+05:00", seconds_as_millis),
            ("1970-01-01T00:29:22.698645Z", seconds_as_micros),
            ("57827-09-12T16:32:03Z", millis_as_seconds.clone()),
            ("+57827-09-12T16:32:03Z", millis_as_seconds),
            ("1762698645123", Some(digits.to_owned())),
            ("1970-01-01T00:00:00Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("1999-12-31T23:59:59Z", None),
            ("2100-01-01T00:00:00Z", None),
            ("9999-12-31T23:59:59Z", None),
            ("-57827-09-12T16:32:03Z", None),
            ("999999-01-01T00:00:00Z", None),
            ("0000057827-09-12T16:32:03Z", None),
            ("57827-09-31T04:12:03Z", None),
            // In the century, but refused for its form: the unit is right.
            ("+2025-11-09T14:30:45Z", None),
            ("02025-11-09T14:30:45Z", None),
            ("-1762698645", None),
            ("+1762698645", None),
            ("1762698645.", None),
            (".1762698645", None),
            ("1762698645 ", None),
            ("1.762698645e9", None),
            ("", None),
        ];
        for (text, expected) in table {
            check(UnitMixup::of_text(text), expected.as_deref(), text);
        }
    }
}
