//! Quantities: a number as an operator writes it into whole units of the contract, exactly.
//!
//! In: text such as `1 234,50`, and a ratio from its unit to ours. Out: an integer, rounded half away from
//! zero. No floating point (I-5).

/// More digits than this no quantity has; so nothing overflows.
const DIGITS_MAX: usize = 24;

/// How numbers are written in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notation {
    /// What stands before the fraction.
    pub(crate) decimal: char,
    /// What may stand between digits and means nothing.
    pub(crate) thousands: Option<char>,
}

/// A number as it was written: `±digits × 10^−scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    /// Whether it is below zero; −0 is not.
    pub(crate) is_negative: bool,
    digits: u128,
    scale: u32,
}

impl Number {
    /// Reads a number; `None`: it is none.
    pub(crate) fn read(text: &str, notation: Notation) -> Option<Number> {
        let (sign, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mut digits, mut count, mut scale, mut has_point) = (0_u128, 0, 0, false);
        for character in unsigned.chars() {
            match character {
                '0'..='9' if count < DIGITS_MAX => {
                    digits = digits * 10 + u128::from(character as u32 - '0' as u32);
                    count += usize::from(digits > 0);
                    scale += u32::from(has_point);
                }
                _ if character == notation.decimal && !has_point && scale == 0 => has_point = true,
                // Only between digits of the whole part.
                _ if Some(character) == notation.thousands && !has_point && count > 0 => {}
                _ => return None,
            }
        }
        let has_digit = unsigned.bytes().any(|byte| byte.is_ascii_digit());
        let is_in_bounds = scale as usize <= DIGITS_MAX && has_digit;
        is_in_bounds.then_some(Number { is_negative: sign && digits > 0, digits, scale })
    }

    /// Exactly −1.
    pub(crate) fn is_minus_one(&self) -> bool {
        self.is_negative && self.digits == 10_u128.pow(self.scale)
    }

    /// The magnitude × `times` / `by`, rounded half away from zero; saturates.
    pub(crate) fn times(&self, times: u64, by: u64) -> i64 {
        let numerator = self.digits.saturating_mul(u128::from(times));
        let denominator = 10_u128.pow(self.scale).saturating_mul(u128::from(by));
        let rounded = numerator.saturating_add(denominator / 2) / denominator;
        i64::try_from(rounded).unwrap_or(i64::MAX)
    }
}

/// `h:mm:ss` or `m:ss` into seconds; `None`: it is neither.
pub(crate) fn clock_seconds(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    parts.iter().enumerate().try_fold(0_i64, |seconds, (index, part)| {
        let is_plain =
            !part.is_empty() && part.len() <= 6 && part.bytes().all(|b| b.is_ascii_digit());
        let value: i64 = if is_plain { part.parse().ok()? } else { return None };
        (index == 0 || value < 60).then_some(seconds * 60 + value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINT: Notation = Notation { decimal: '.', thousands: None };
    const COMMA: Notation = Notation { decimal: ',', thousands: Some(' ') };

    #[test]
    fn a_number_is_exact_in_any_unit() {
        for (text, notation, times, by, expected) in [
            ("12", POINT, 1, 1, Some(12)),
            ("+12", POINT, 1, 1, Some(12)),
            ("12.5", POINT, 1, 1, Some(13)),
            ("12.4999", POINT, 1, 1, Some(12)),
            (".5", POINT, 1_000_000, 1, Some(500_000)),
            ("1 234,50", COMMA, 1_000_000, 1, Some(1_234_500_000)),
            // 1 octet in micro-megabytes of 2²⁰ octets: 0.95, rounded to 1.
            ("1", POINT, 1_000_000, 1 << 20, Some(1)),
            ("1048576", POINT, 1_000_000, 1 << 20, Some(1_000_000)),
            ("99999999999999999999", POINT, 1_000_000, 1, Some(i64::MAX)),
            ("1,5", POINT, 1, 1, None),
            ("1.5", COMMA, 1, 1, None),
            ("1e3", POINT, 1, 1, None),
            ("", POINT, 1, 1, None),
            ("-", POINT, 1, 1, None),
            (".", POINT, 1, 1, None),
            ("1.2.3", POINT, 1, 1, None),
            ("0x10", POINT, 1, 1, None),
            ("1234567890123456789012345", POINT, 1, 1, None),
        ] {
            let read = Number::read(text, notation).map(|number| number.times(times, by));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn signs_are_judged_exactly() {
        for (text, is_negative, is_minus_one) in [
            ("-1", true, true),
            ("-1.00", true, true),
            ("-1.01", true, false),
            ("-0", false, false),
            ("-0.0000001", true, false),
            ("1", false, false),
        ] {
            let number = Number::read(text, POINT).unwrap();
            assert_eq!(
                (number.is_negative, number.is_minus_one()),
                (is_negative, is_minus_one),
                "{text}"
            );
        }
    }

    #[test]
    fn a_clock_has_minutes_and_seconds_below_60() {
        for (text, expected) in [
            ("0:05", Some(5)),
            ("1:02:03", Some(3_723)),
            ("100:00:00", Some(360_000)),
            ("90:00", Some(5_400)),
            ("1:60", None),
            ("5", None),
            ("1:2:3:4", None),
            ("1:-2", None),
            (":30", None),
        ] {
            assert_eq!(clock_seconds(text), expected, "{text}");
        }
    }
}
