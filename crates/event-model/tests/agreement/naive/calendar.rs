//! The Gregorian calendar, by counting the days one month after the other.

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MINUTES_PER_DAY: i64 = 24 * 60;

/// Microseconds since the first instant of year 0, in UTC.
pub(crate) struct Instant(i64);

impl Instant {
    /// `YYYY-MM-DDTHH:MM:SS[.d{1,9}](Z|±HH:MM)`, and a date and time that exist.
    pub(crate) fn parse(text: &str) -> Option<Instant> {
        const DATE_AND_TIME: &str = "dddd-dd-ddTdd:dd:dd";
        let chars: Vec<char> = text.chars().collect();
        if !has_form(chars.get(..DATE_AND_TIME.len())?, DATE_AND_TIME) {
            return None;
        }
        let two = |at: usize| digits(&chars[at..at + 2]);
        let (year, month, day) = (digits(&chars[..4]), two(5), two(8));
        let (hour, minute, second) = (two(11), two(14), two(17));
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }

        let (micros, zone) = split_fraction(&chars[DATE_AND_TIME.len()..])?;
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
        let start_of = |year| days_before(year, 1, 1) * MINUTES_PER_DAY * MICROS_PER_MINUTE;
        let is_in_range = self.0 >= start_of(2000) && self.0 < start_of(2100);
        is_in_range.then(|| self.0 - start_of(1970))
    }
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
