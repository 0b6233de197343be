//! Exact decimal numbers, read from the text of a JSON number.
//!
//! In: the text of a JSON number, in any notation and of any length. Out: its sign, whether it is
//! whole, how it compares with a bound, and its value as an integer of the unit asked for. All of
//! that is judged on the number as written: no floating point, no big integers, no allocation.
//!
//! Keeps I-5 (exact sums).

/// No integer part with more digits than this is ever computed: 10¹⁹ − 1 still fits in a `u64`.
const MAX_DIGITS: i64 = 19;

/// A number as written: `±0.d₁d₂…dₙ × 10^point`, where d₁ and dₙ are not 0; zero has no digits.
///
/// ```text
///   text        digits   point
///   600.0       6            3
///   6e2         6            3
///   0.0025      25          -2
///   -0          (none)       -
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal<'a> {
    has_minus: bool,
    /// The digits that stand before the decimal point in the text.
    integer: &'a [u8],
    /// The digits that stand after it.
    fraction: &'a [u8],
    /// Saturates: a text long enough to bring 10^(2⁶³) back into range doesn't fit in a memory.
    point: i64,
}

impl<'a> Decimal<'a> {
    /// Reads the text of a JSON number, which the caller has recognised as one.
    pub(crate) fn from_json_number(text: &'a str) -> Self {
        let (has_minus, unsigned) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (mantissa, exponent) = split_at_byte(unsigned, |byte| matches!(byte, b'e' | b'E'));
        let (integer, fraction) = split_at_byte(mantissa, |byte| byte == b'.');

        let integer = without_leading_zeros(integer);
        let significant =
            if integer.is_empty() { without_leading_zeros(fraction) } else { fraction };
        let cut_zeros = fraction.len() - significant.len();
        let point = length(integer) - i64::try_from(cut_zeros).unwrap_or(i64::MAX);

        let fraction = without_trailing_zeros(significant);
        let integer = if fraction.is_empty() { without_trailing_zeros(integer) } else { integer };
        let point = point.saturating_add(exponent_value(exponent));
        Decimal { has_minus, integer, fraction, point }
    }

    /// Below zero; −0 is not.
    pub(crate) fn is_negative(&self) -> bool {
        self.has_minus && !self.is_zero()
    }

    /// Without a fractional part, in whatever notation: `600.0` and `6e2` are whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_zero() || self.point >= length(self.integer) + length(self.fraction)
    }

    /// The magnitude with its fraction cut; saturates.
    pub(crate) fn whole_part(&self) -> u64 {
        self.truncated(0)
    }

    /// Whether the magnitude is above `max`, by however little.
    pub(crate) fn exceeds(&self, max: u32) -> bool {
        let max = u64::from(max);
        self.whole_part() > max || (self.whole_part() == max && !self.is_whole())
    }

    /// The magnitude in units of 10^(−`decimals`), rounded half away from zero; saturates.
    pub(crate) fn rounded(&self, decimals: u8) -> i64 {
        let kept = self.point.saturating_add(i64::from(decimals));
        let first_cut = usize::try_from(kept).ok().and_then(|index| self.digits().nth(index));
        let round_up = first_cut.is_some_and(|digit| digit >= 5);
        let magnitude = self.truncated(decimals).saturating_add(u64::from(round_up));
        i64::try_from(magnitude).unwrap_or(i64::MAX)
    }

    /// The magnitude in units of 10^(−`decimals`), what is below cut; saturates.
    fn truncated(&self, decimals: u8) -> u64 {
        let kept = self.point.saturating_add(i64::from(decimals));
        if self.is_zero() || kept <= 0 {
            return 0;
        }
        if kept > MAX_DIGITS {
            return u64::MAX;
        }
        let mut digits = self.digits();
        (0..kept).fold(0, |value, _| value * 10 + u64::from(digits.next().unwrap_or(0)))
    }

    fn is_zero(&self) -> bool {
        self.integer.is_empty() && self.fraction.is_empty()
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.integer.iter().chain(self.fraction).map(|byte| byte - b'0')
    }
}

/// What stands before and after the first byte that `is_separator` names.
fn split_at_byte(text: &[u8], is_separator: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| is_separator(*byte)) {
        Some(index) => (&text[..index], &text[index + 1..]),
        None => (text, &[]),
    }
}

fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

fn without_trailing_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    &digits[..digits.len() - zeros]
}

/// `[+-]digits` of any length, saturating; nothing is 0.
fn exponent_value(text: &[u8]) -> i64 {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let magnitude = digits.iter().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    if is_negative { -magnitude } else { magnitude }
}

/// A slice has at most `isize::MAX` bytes, so this never saturates.
fn length(digits: &[u8]) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    const MICRO_DECIMALS: u8 = 6;

    #[test]
    fn sign_is_judged_on_the_exact_decimal() {
        let table = [
            ("0", false),
            ("-0", false),
            ("-0.000", false),
            ("-0e99999999999999999999", false),
            ("0.0000001", false),
            ("-0.0000001", true),
            ("-1e-400", true),
            ("-1e-99999999999999999999", true),
            ("-3", true),
        ];
        for (text, expected) in table {
            assert_eq!(Decimal::from_json_number(text).is_negative(), expected, "{text}");
        }
    }

    #[test]
    fn wholeness_is_judged_on_the_exact_decimal() {
        let table = [
            ("0", true),
            ("0e-5", true),
            ("600", true),
            ("600.0", true),
            ("6e2", true),
            ("6E+2", true),
            ("60000e-2", true),
            ("0.06e4", true),
            ("1e99999999999999999999", true),
            ("600.5", false),
            ("6e-1", false),
            ("605e-1", false),
            ("60000e-5", false),
            ("1e-400", false),
            ("1e-99999999999999999999", false),
            ("10000000000000000000000.1", false),
        ];
        for (text, expected) in table {
            assert_eq!(Decimal::from_json_number(text).is_whole(), expected, "{text}");
        }
    }

    #[test]
    fn a_bound_is_exceeded_by_however_little() {
        let table = [
            ("0", false),
            ("99999999.9999999", false),
            ("100000000", false),
            ("100000000.000000000000000000000", false),
            ("1e8", false),
            ("0.1e9", false),
            ("1000000000e-1", false),
            ("1e-99999999999999999999", false),
            ("0e99999999999999999999", false),
            ("100000000.0000001", true),
            ("100000000.000000000000000000000000000000000001", true),
            ("100000001", true),
            ("1.00000001e8", true),
            ("1e400", true),
            ("1e99999999999999999999", true),
            ("18446744073709551616", true),
            ("18446744073809551616", true),
        ];
        for (text, expected) in table {
            assert_eq!(Decimal::from_json_number(text).exceeds(100_000_000), expected, "{text}");
        }
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        let table = [
            ("0", 0),
            ("1.5", 1_500_000),
            ("347.2", 347_200_000),
            ("1e2", 100_000_000),
            ("12.3456784", 12_345_678),
            ("12.3456785", 12_345_679),
            ("12.34567849999999999999999", 12_345_678),
            ("0.0000005", 1),
            ("5e-7", 1),
            ("0.00000049", 0),
            ("0.05e-6", 0),
            ("0.9999999", 1_000_000),
            ("99999999.9999995", 100_000_000_000_000),
            ("1000000000", 1_000_000_000_000_000),
            ("1e-99999999999999999999", 0),
        ];
        for (text, expected) in table {
            let decimal = Decimal::from_json_number(text);
            assert_eq!(decimal.rounded(MICRO_DECIMALS), expected, "{text}");
        }
    }

    #[test]
    fn numbers_beyond_every_bound_saturate() {
        for text in ["1e19", "9223372036854775808", "1e99999999999999999999"] {
            assert_eq!(Decimal::from_json_number(text).rounded(0), i64::MAX, "{text}");
        }
    }

    #[test]
    fn zeros_and_exponent_cancel_out_at_any_length() {
        let zeros = "0".repeat(20_000);
        let small_then_big = format!("0.{zeros}42e20002");
        let big_then_small = format!("42{zeros}.0e-20000");
        for text in [small_then_big, big_then_small] {
            let decimal = Decimal::from_json_number(&text);
            assert!(decimal.is_whole() && decimal.exceeds(41) && !decimal.exceeds(42));
            assert_eq!(decimal.rounded(MICRO_DECIMALS), 42_000_000);
        }
    }
}
