//! The Gregorian calendar, by counting the days one month after the other.

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MINUTES_PER_DAY: i64 = 24 * 60;
/// Years beyond are too far away to become near by any of the factors below.
const LAST_YEAR: i64 = 200_000;

/// Microseconds since the first instant of year 0, in UTC.
pub(crate) struct Instant(i64);

impl Instant {
    /// `YYYY-MM-DDTHH:MM:SS[.d{1,9}](Z|±HH:MM)`, and a date and time that exist.
    pub(crate) fn parse(text: &str) -> Option<Instant> {
        Instant::parse_with_year(text, 4)
    }

    /// The same, in a year of so many digits.
    fn parse_with_year(text: &str, year_digits: usize) -> Option<Instant> {
        let date_and_time = format!("{}-dd-ddTdd:dd:dd", "d".repeat(year_digits));
        let chars: Vec<char> = text.chars().collect();
        if !has_form(chars.get(..date_and_time.len())?, &date_and_time) {
            return None;
        }
        let two = |behind_year: usize| digits(&chars[year_digits + behind_year..][..2]);
        let (year, month, day) = (digits(&chars[..year_digits]), two(1), two(4));
        let (hour, minute, second) = (two(7), two(10), two(13));
        if year > LAST_YEAR {
            return None;
        }
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }

        let (micros, zone) = split_fraction(&chars[date_and_time.len()..])?;
        let minutes_ahead = match zone {
            ['Z'] => 0,
            [sign @ ('+' | '-'), offset @ ..] if has_form(offset, "dd:dd") => {
                let (hours, minutes) = (digits(&offset[..2]), digits(&offset[3..]));
                if hours > 23 || minutes > 59 {
                    return None;
                }
                (hours * 60 + minutes) * if *sign == '+' { 1 } else { -1 }
            }
            _ => return None,
        };
        let minutes = days_before(year, month, day) * MINUTES_PER_DAY + hour * 60 + minute;
        let second_micros = second * 1_000_000 + micros;
        Some(Instant((minutes - minutes_ahead) * MICROS_PER_MINUTE + second_micros))
    }

    /// Microseconds since 1970, if the instant lies in 2000–2099.
    pub(crate) fn micros_if_in_range(&self) -> Option<i64> {
        let is_in_range = self.0 >= start_of(2000) && self.0 < start_of(2100);
        is_in_range.then(|| self.0 - start_of(1970))
    }

    /// Whether the text is a date, its year perhaps longer than four digits, that lies in 2000–2099
    /// once the time since 1970 is multiplied by a thousand or a million, or divided by a thousand.
    pub(crate) fn parse_mistaken(text: &str) -> bool {
        let text = text.strip_prefix('+').unwrap_or(text);
        let parsed = [4, 5, 6].map(|digits| Instant::parse_with_year(text, digits));
        let Some(instant) = parsed.into_iter().flatten().next() else { return false };
        let micros = i128::from(instant.0 - start_of(1970));
        let century = i128::from(start_of(2000) - start_of(1970))
            ..i128::from(start_of(2100) - start_of(1970));
        [micros * 1_000, micros * 1_000_000, micros / 1_000]
            .iter()
            .any(|micros| century.contains(micros))
    }
}

/// Microseconds of year 0 to the first of a year.
fn start_of(year: i64) -> i64 {
    days_before(year, 1, 1) * MINUTES_PER_DAY * MICROS_PER_MINUTE
}

/// The microseconds of a fraction, if there is one, and what stands behind it.
fn split_fraction(chars: &[char]) -> Option<(i64, &[char])> {
    let [first, after_point @ ..] = chars else { return None };
    if *first != '.' {
        return Some((0, chars));
    }
    let end = after_point.iter().position(|character| !character.is_ascii_digit())?;
    if end == 0 || end > 9 {
        return None;
    }
    let mut nanos = after_point[..end].to_vec();
    nanos.resize(9, '0');
    Some((digits(&nanos) / 1_000, &after_point[end..]))
}

/// Whether `chars` are digits where `form` has a d, and else what `form` has.
fn has_form(chars: &[char], form: &str) -> bool {
    let fits = |(character, expected): (&char, char)| match expected {
        'd' => character.is_ascii_digit(),
        _ => *character == expected,
    };
    chars.len() == form.len() && chars.iter().zip(form.chars()).all(fits)
}

fn digits(chars: &[char]) -> i64 {
    chars.iter().collect::<String>().parse().expect("at most nine digits")
}

fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let full_years: i64 = (0..year).map(|earlier| if is_leap(earlier) { 366 } else { 365 }).sum();
    let full_months: i64 = (1..month).map(|earlier| days_in_month(year, earlier)).sum();
    full_years + full_months + day - 1
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}
