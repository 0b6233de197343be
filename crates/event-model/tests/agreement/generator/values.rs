//! JSON values for known and unknown fields, around the bounds of the contract.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Which characters of a string are escaped, one bit each, again from the first after 64; mostly
/// none.
pub(crate) fn escapes() -> impl Strategy<Value = u64> {
    prop_oneof![8 => Just(0), 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

pub(crate) fn json_string(text: &str, escapes: u64) -> String {
    let mut json = String::from("\"");
    for (index, character) in text.chars().enumerate() {
        let has_bit = |place: usize| escapes.rotate_right((place % 64) as u32) & 1 == 1;
        let short = match character {
            '"' | '\\' | '/' => Some(character),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            _ => None,
        };
        let must_escape = matches!(character, '"' | '\\' | '\0'..='\u{1f}');
        match short {
            _ if !must_escape && !has_bit(index) => json.push(character),
            Some(letter) if has_bit(index + 1) => json.extend(['\\', letter]),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let upper_case = has_bit(index + 2);
                    let escape = if upper_case {
                        format!("\\u{unit:04X}")
                    } else {
                        format!("\\u{unit:04x}")
                    };
                    json.push_str(&escape);
                }
            }
        }
    }
    json.push('"');
    json
}

fn string_of(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (text, escapes()).prop_map(|(text, escapes)| json_string(&text, escapes))
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_map(str::to_owned)
}

/// JSON strings that no UTF-8 string equals, and one that looks like them.
fn odd_string() -> impl Strategy<Value = String> {
    one_of(&[
        r#""\ud800""#,
        r#""\uDFFF""#,
        r#""a\udc00\ud800b""#,
        r#""\ud83d\ud83d\ude80""#,
        r#""\ud83dx\ude80""#,
        r#""\ud83d\ude80""#,
        r#""\ud83d\n""#,
    ])
}

/// A string whose content is not judged.
pub(crate) fn plain_text() -> impl Strategy<Value = String> {
    prop_oneof![
        60 => string_of(one_of(&["7701234****", "", "a\0b", "incoming", "\u{1}\"\\/\n", "ж🚀"])),
        10 => string_of(any::<String>()),
        1 => odd_string(),
    ]
}

/// An event_type or region: mostly usable, often at the edge of too long.
pub(crate) fn name(max_chars: usize, reserved: &'static str) -> impl Strategy<Value = String> {
    let near_max = (select(['x', 'ж', '🚀', '\n'].as_slice()), max_chars - 1..=max_chars + 1)
        .prop_map(|(character, count)| String::from_iter(vec![character; count]));
    let any_text = vec(any::<char>(), 1..8).prop_map(String::from_iter);
    prop_oneof![
        40 => string_of(one_of(&["call", "sms", "Almaty", "Алматы", "all", "ALL "])),
        6 => string_of(near_max),
        6 => string_of(any_text),
        1 => string_of(one_of(&["", "\0", "a\0", "ALL", "most_active"])),
        1 => string_of(Just(reserved.to_owned())),
        1 => odd_string(),
    ]
}

/// A timestamp, often at the edges of the range, of the calendar and of the form.
pub(crate) fn timestamp() -> impl Strategy<Value = String> {
    let date = prop_oneof![
        30 => (Just(2025), 1..=12, 1..=28),
        10 => select([(1999, 12, 31), (2000, 1, 1), (2099, 12, 31), (2100, 1, 1)].as_slice()),
        4 => (select([1900, 2000, 2023, 2024, 2096, 2100].as_slice()), Just(2), 28..=30),
        2 => (0..=9_999, 0..=13, 0..=32),
    ];
    let time = prop_oneof![
        40 => (0..=23, 0..=59, 0..=59),
        10 => select([(0, 0, 0), (23, 59, 59), (4, 59, 59), (5, 0, 0)].as_slice()),
        1 => (22..=25, 58..=61, 58..=61),
    ];
    let fraction = prop_oneof![
        40 => "(\\.[0-9]{1,9})?",
        1 => one_of(&[".", ".1234567890", ",5", ".999999999", ".0000000000", ".5 "]),
    ];
    let zone = prop_oneof![
        40 => Just("Z".to_owned()),
        20 => "[+-](0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]",
        1 => one_of(&["z", "", "+24:00", "+23:60", "+0500", "+05", "Z ", "ZZ", "+05:00Z", "−05:00"]),
    ];
    let separator = prop_oneof![50 => Just('T'), 1 => select(['t', ' ', '_'].as_slice())];
    let text = (date, separator, time, fraction, zone).prop_map(
        |((year, month, day), separator, (hour, minute, second), fraction, zone)| {
            format!(
                "{year:04}-{month:02}-{day:02}{separator}\
                 {hour:02}:{minute:02}:{second:02}{fraction}{zone}"
            )
        },
    );
    let text = prop_oneof![
        90 => text,
        1 => one_of(&["", "now", "1762698645", "٢٠٢٥-11-09T14:30:45Z"]),
        1 => mistaken_date(),
        1 => count_since_1970(),
    ];
    prop_oneof![200 => string_of(text), 1 => count_since_1970()]
}

/// Dates as they are written when the unit of a count was mistaken, and their neighbours.
fn mistaken_date() -> impl Strategy<Value = String> {
    let date = prop_oneof![
        2 => (0..=59, 0..=59).prop_map(|(m, s)| format!("1970-01-01T00:{m:02}:{s:02}.5Z")),
        2 => (1..=31, 0..=23).prop_map(|(day, hour)| format!("1970-01-{day:02}T{hour:02}:00:00Z")),
        2 => ("[+-]?", 0..=300_000_u32).prop_map(|(sign, year)| {
            format!("{sign}{year:05}-03-01T00:00:00Z")
        }),
        1 => one_of(&["1970-02-17T11:34:04.8Z", "131970-01-01T00:00:00Z", "1970-01-11T22:58:04.800Z"]),
    ];
    prop_oneof![6 => date, 1 => one_of(&["1970-01-01T01:08:22.444800Z", "+2025-11-09T14:30:45Z"])]
}

/// Seconds, milliseconds … since 1970, often at the edges of the range, perhaps with a fraction.
fn count_since_1970() -> impl Strategy<Value = String> {
    let seconds = prop_oneof![
        2 => 900_000_000..=4_200_000_000_u64,
        1 => select([946_684_799, 946_684_800, 4_102_444_799, 4_102_444_800].as_slice()),
    ];
    let unit = select([1, 1_000, 1_000_000, 1_000_000_000_u64].as_slice());
    (seconds, unit, "(\\.[0-9]{1,3})?")
        .prop_map(|(seconds, unit, fraction)| format!("{}{fraction}", seconds * unit))
}

/// A number, often within a hair's breadth of `max` or of zero, in any notation.
pub(crate) fn number(max: u32) -> impl Strategy<Value = String> {
    let bound = prop_oneof![2 => Just(max), 1 => Just(0), 1 => Just(1), 1 => Just(600)];
    const TAILS: &[&str] =
        &["", "0", "0000000", "5", "0000001", "9999999", "0000005", "00000049999999999999"];
    let near_bound =
        (bound, 0..=2_u32, select(TAILS), notation()).prop_map(|(bound, more, tail, notation)| {
            let digits = format!("{}{tail}", (bound + more).saturating_sub(1));
            notation.write(&digits, tail.len())
        });
    prop_oneof![
        80 => (0..=7_200_u32).prop_map(|whole| whole.to_string()),
        4 => "(0|[1-9][0-9]{0,2})\\.[0-9]{1,2}",
        4 => "(0|[1-9][0-9]{0,2})\\.0{1,3}",
        8 => near_bound,
        1 => "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?",
        1 => "-?(0|[1-9])(\\.[0-9]{1,3})?[eE][+-]?[0-9]{1,22}",
        1 => one_of(&["NaN", "-Infinity", "01", "1.", ".5", "+1", "1e", "1e+", "-", "0x1", "1_0"]),
    ]
}

/// One of the many ways to write the same number.
#[derive(Clone, Debug)]
struct Notation {
    is_negative: bool,
    /// Digits before the point; 0 and more than there are both have a meaning.
    integer_digits: usize,
    zeros_before: usize,
    zeros_after: usize,
    /// Of exponents above 0.
    exponent_sign: &'static str,
}

fn notation() -> impl Strategy<Value = Notation> {
    let signs = select(["e", "E", "e+", "E+"].as_slice());
    (prop::bool::weighted(0.07), 0..14_usize, 0..3_usize, 0..3_usize, signs).prop_map(
        |(is_negative, integer_digits, zeros_before, zeros_after, exponent_sign)| Notation {
            is_negative,
            integer_digits,
            zeros_before,
            zeros_after,
            exponent_sign,
        },
    )
}

impl Notation {
    /// Writes the number whose digits are `digits`, the last `decimals` of them behind the point.
    fn write(&self, digits: &str, decimals: usize) -> String {
        let digits = format!("{digits}{}", "0".repeat(self.zeros_after));
        let decimals = decimals + self.zeros_after;
        let (integer, fraction) = digits.split_at(self.integer_digits.min(digits.len()));
        // Zeros may stand before digits only behind the point.
        let (integer, fraction) = match integer.trim_start_matches('0') {
            "" => ("0", format!("{}{fraction}", "0".repeat(self.zeros_before))),
            trimmed => (trimmed, fraction.to_owned()),
        };
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if self.is_negative { "-" } else { "" };
        let exponent = match fraction.len().cmp(&decimals) {
            std::cmp::Ordering::Equal => String::new(),
            std::cmp::Ordering::Less => format!("e-{}", decimals - fraction.len()),
            std::cmp::Ordering::Greater => {
                format!("{}{}", self.exponent_sign, fraction.len() - decimals)
            }
        };
        format!("{sign}{integer}{point}{fraction}{exponent}")
    }
}

/// Any JSON value, a few levels deep.
pub(crate) fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => one_of(&["null", "true", "false", "0", "-0", "12.50", "1e400", "[]", "{}", "\"\""]),
        1 => odd_string(),
        1 => string_of(any::<String>()),
        1 => number(1_000),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let key = one_of(&[r#""region""#, r#""a""#, r#""\ud800""#]);
        let members = vec((key, inner.clone()), 0..4).prop_map(|members| {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            format!("{{{}}}", members.join(","))
        });
        let items = vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" , ")));
        prop_oneof![members, items]
    })
}
