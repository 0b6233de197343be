//! Numbers written out in full: `1.5e3` is the digits `1500` and nothing behind the point.

/// Exponents of more digits than this are so far out that only their sign matters: no text of the
/// tests is long enough to make up for them.
const MAX_EXPONENT_DIGITS: usize = 4;

pub(crate) struct Number {
    is_negative: bool,
    /// Digits before the point, without leading zeros.
    integer: String,
    /// Digits behind the point.
    fraction: String,
}

impl Number {
    pub(crate) fn written_out(text: &str) -> Number {
        let is_negative = text.starts_with('-');
        let text = text.trim_start_matches('-').to_lowercase();
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let (mut integer, mut fraction) = (integer.to_owned(), fraction.to_owned());

        let magnitude = exponent.trim_start_matches(['+', '-']).trim_start_matches('0');
        let places = match magnitude.len() {
            0 => 0,
            digits if digits > MAX_EXPONENT_DIGITS => 10_usize.pow(5),
            _ => magnitude.parse().expect("at most four digits"),
        };
        // The digits stay where they are and the point moves among as many zeros as it needs.
        let zeros = "0".repeat(places);
        if exponent.starts_with('-') {
            integer.insert_str(0, &zeros);
            let moved = integer.split_off(integer.len() - places);
            fraction.insert_str(0, &moved);
        } else {
            fraction.push_str(&zeros);
            let behind = fraction.split_off(places);
            integer.push_str(&fraction);
            fraction = behind;
        }
        let integer = integer.trim_start_matches('0').to_owned();
        Number { is_negative, integer, fraction }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.fraction.chars().all(|digit| digit == '0')
    }

    pub(crate) fn is_below_zero(&self) -> bool {
        self.is_negative && !(self.integer.is_empty() && self.is_whole())
    }

    /// The digits before the point as a number; `None` if it is huge.
    pub(crate) fn whole_part(&self) -> Option<u128> {
        (self.integer.len() <= 30).then(|| format!("0{}", self.integer).parse().expect("digits"))
    }

    /// Whether the number without its sign is above `max`, digits without leading zeros.
    pub(crate) fn is_above(&self, max: &str) -> bool {
        match self.integer.len() == max.len() {
            false => self.integer.len() > max.len(),
            true => self.integer.as_str() > max || (self.integer == max && !self.is_whole()),
        }
    }

    /// Half a millionth is rounded up. Only for numbers that are not below zero or huge.
    pub(crate) fn millionths(&self) -> i64 {
        let fraction = format!("{}0000000", self.fraction);
        let (kept, cut) = fraction.split_at(6);
        let millionths: i64 = format!("0{}{kept}", self.integer).parse().expect("at most 10^15");
        let first_cut = cut.chars().next().expect("one of the seven zeros");
        millionths + i64::from(('5'..='9').contains(&first_cut))
    }
}
