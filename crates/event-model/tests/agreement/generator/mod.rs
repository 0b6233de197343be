//! Payloads that are nearly valid: built by the grammar from values that are mostly usable, with a
//! hostile one here and there. Only such inputs get past the first rules to the later ones.

mod values;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use values::{escapes, json_string, json_value, name, number, plain_text, timestamp};

/// `(key, value)`, both JSON.
type Member = (String, String);

/// Bytes that are most often one event.
pub(crate) fn payload() -> impl Strategy<Value = Vec<u8>> {
    (members(), vec(whitespace(), 1..8), damage()).prop_map(|(members, gaps, damage)| {
        let payload = render(&members, &gaps);
        damage.apply(payload)
    })
}

/// Events as programs write them, which the decoder reads at a glance: twelve fields, most often in one order,
/// compact or with blanks as usual. A value is most often one that a program could write, and damage comes as above.
pub(crate) fn payload_as_programs_write_it() -> impl Strategy<Value = Vec<u8>> {
    let text = |text: &'static [&'static str]| {
        let usual = select(text).prop_map(|text| format!("\"{text}\""));
        prop_oneof![40 => usual, 10 => Just("null".to_owned()), 1 => plain_text()]
    };
    let count = |max: u32| {
        let usual = (0..=max, 0..1_000_u32, 0..4_u8).prop_map(|(whole, part, form)| match form {
            0 => format!("{}.{part:03}", whole / 7),
            1 => format!("{}.{}", whole / 3, part % 10),
            _ => whole.to_string(),
        });
        prop_oneof![20 => usual, 10 => Just("null".to_owned()), 1 => number(max)]
    };
    let usual_name = |usual: &'static [&'static str], max_chars, reserved| {
        let usual = select(usual).prop_map(|text| format!("\"{text}\""));
        prop_oneof![40 => usual, 1 => name(max_chars, reserved)]
    };
    let time = (0..86_400_u32, 0..1_000_000_u32).prop_map(|(second, micros)| {
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        format!("\"2025-11-09T{hour:02}:{minute:02}:{second:02}.{micros:06}Z\"")
    });
    let before = (
        text(&["3f1c6d0e-8a52-4f0b-9d55-0d2c8e6a7b11", ""]),
        text(&["7701234****"]),
        usual_name(&["call", "data_session", "sms"], 50, "most_active"),
        text(&["incoming", "outgoing"]),
        count(100_000),
        count(2_000),
        count(5_000),
    );
    let after = (
        usual_name(&["Almaty", "Астана", "Osh"], 100, "ALL"),
        count(10_000),
        prop_oneof![40 => time, 1 => timestamp()],
        text(&["00c0ffee00c0ffee"]),
        text(&["00c0ffee00c0ffee"]),
    );
    (before, after, any::<u64>(), written_gaps(), damage()).prop_map(|parts| {
        let (before, after, order, gaps, damage) = parts;
        let (event_id, msisdn, event_type, event_subtype, duration, data, amount) = before;
        let (region, tower, time, subscriber, counterparty) = after;
        let members = [
            ("event_id", event_id),
            ("msisdn", msisdn),
            ("event_type", event_type),
            ("event_subtype", event_subtype),
            ("duration_seconds", duration),
            ("data_mb", data),
            ("amount", amount),
            ("region", region),
            ("cell_tower_id", tower),
            ("timestamp", time),
            ("subscriber_id", subscriber),
            ("counterparty_id", counterparty),
        ];
        let mut members = members.map(|(name, value)| (format!("\"{name}\""), value));
        // One in four has its members in another order.
        if order % 4 == 0 {
            members.sort_by_key(|(name, _)| {
                name.bytes().fold(order, |sum, byte| sum.rotate_left(5) ^ u64::from(byte))
            });
        }
        damage.apply(render(&members, gaps))
    })
}

/// What stands after the brackets, keys, colons, values and commas, in their order.
fn written_gaps() -> impl Strategy<Value = &'static [&'static str]> {
    const COMPACT: &[&str] = &[""];
    // After the beginning and the opening bracket come a key, a colon, a value and a comma by turns.
    const AFTER_COLONS_AND_COMMAS: &[&str] = &["", " "];
    const AROUND_COLONS: &[&str] = &["", "", " ", " "];
    const EVERYWHERE: &[&str] = &[" "];
    const LINES: &[&str] = &["\n  "];
    prop_oneof![
        4 => Just(COMPACT),
        4 => Just(AFTER_COLONS_AND_COMMAS),
        1 => Just(AROUND_COLONS),
        1 => Just(EVERYWHERE),
        1 => Just(LINES),
    ]
}

/// The members of an object in any order: known fields, unknown ones, now and then one twice.
fn members() -> impl Strategy<Value = Vec<Member>> {
    let needed = (
        known("event_type", name(50, "most_active"), 0.01),
        known("region", name(100, "ALL"), 0.01),
        known("timestamp", timestamp(), 0.01),
    );
    let texts = (
        known("event_id", plain_text(), 0.2),
        known("msisdn", plain_text(), 0.2),
        known("event_subtype", plain_text(), 0.2),
        known("subscriber_id", plain_text(), 0.2),
        known("counterparty_id", plain_text(), 0.2),
    );
    let numbers = (
        known("duration_seconds", number(31_622_400), 0.2),
        known("data_mb", number(100_000_000), 0.2),
        known("amount", number(1_000_000_000), 0.2),
        known("cell_tower_id", number(2_147_483_647), 0.2),
    );
    let duplicate = prop::option::weighted(0.06, (any::<Index>(), prop::bool::ANY));
    let mark = prop_oneof![8 => Just("\"time_missing\"".to_owned()), 2 => json_value()];
    let mark_key = escapes().prop_map(|escapes| json_string("not_mapped", escapes));
    let mark = prop::option::weighted(0.25, (mark_key, mark));
    (needed, texts, numbers, (mark, vec(unknown(), 0..3)), duplicate)
        .prop_map(|(needed, texts, numbers, (mark, unknown), duplicate)| {
            let needed = [needed.0, needed.1, needed.2];
            let texts = [texts.0, texts.1, texts.2, texts.3, texts.4];
            let numbers = [numbers.0, numbers.1, numbers.2, numbers.3];
            let known = needed.into_iter().chain(texts).chain(numbers);
            let mut members: Vec<Member> = known.flatten().chain(mark).chain(unknown).collect();
            if let Some((which, as_null)) = duplicate
                && !members.is_empty()
            {
                let (key, value) = which.get(&members).clone();
                members.push((key, if as_null { "null".to_owned() } else { value }));
            }
            members
        })
        .prop_shuffle()
}

/// A known field: most often with a value of its own kind, seldom with any other JSON value.
fn known(
    name: &'static str,
    value: impl Strategy<Value = String> + 'static,
    absent: f64,
) -> impl Strategy<Value = Option<Member>> {
    let value = prop_oneof![
        160 => value.boxed(),
        4 => Just("null".to_owned()),
        1 => json_value().boxed(),
    ];
    let key = escapes().prop_map(move |escapes| json_string(name, escapes));
    prop::option::weighted(1.0 - absent, (key, value))
}

fn unknown() -> impl Strategy<Value = Member> {
    const NAMES: &[&str] = &["", "new", "Region", "regions", "amount ", "region\0", "é"];
    let key = (select(NAMES), escapes()).prop_map(|(name, escapes)| json_string(name, escapes));
    let odd_key = Just(r#""\ud800egion""#.to_owned());
    (prop_oneof![9 => key, 1 => odd_key], json_value())
}

fn whitespace() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        600 => Just(""),
        200 => select([" ", "\n\t", "\r\n  "].as_slice()),
        1 => select(["\u{a0}", "\u{c}", "\0", "\u{feff}"].as_slice()),
    ]
}

fn render(members: &[Member], gaps: &[&str]) -> Vec<u8> {
    let mut gaps = gaps.iter().cycle();
    let mut payload = String::new();
    let mut push = |token: &str| {
        payload.push_str(token);
        payload.extend(gaps.next().copied());
    };
    push("");
    push("{");
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 {
            push(",");
        }
        push(key);
        push(":");
        push(value);
    }
    push("}");
    payload.into_bytes()
}

/// What happens to a payload on its way.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Wrapped(&'static str, &'static str),
    Replaced(String),
    /// In Confluent's frame, or in what looks like one.
    Framed(Vec<u8>),
    Truncated(Index),
    ByteInserted(Index, u8),
    ByteReplaced(Index, u8),
    ByteRemoved(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    const WRAPPINGS: &[(&str, &str)] =
        &[("[", "]"), ("", "x"), ("", "{}"), ("", ","), ("\u{feff}", ""), ("[", "")];
    let byte = || prop_oneof![any::<u8>(), select(b"\"\\{}[],:0-.eE \x00u".as_slice())];
    prop_oneof![
        90 => Just(Damage::None),
        2 => select(WRAPPINGS).prop_map(|(before, after)| Damage::Wrapped(before, after)),
        1 => json_value().prop_map(Damage::Replaced),
        4 => vec(any::<u8>(), 3..6).prop_map(Damage::Framed),
        1 => any::<Index>().prop_map(Damage::Truncated),
        2 => (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::ByteInserted(at, byte)),
        2 => (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::ByteReplaced(at, byte)),
        2 => any::<Index>().prop_map(Damage::ByteRemoved),
    ]
}

impl Damage {
    fn apply(self, mut payload: Vec<u8>) -> Vec<u8> {
        let length = payload.len();
        match self {
            Damage::None => {}
            Damage::Wrapped(before, after) => {
                payload = [before.as_bytes(), &payload, after.as_bytes()].concat();
            }
            Damage::Replaced(json) => payload = json.into_bytes(),
            Damage::Framed(number) => payload = [&[0], number.as_slice(), &payload].concat(),
            Damage::Truncated(at) => payload.truncate(at.index(length)),
            Damage::ByteInserted(at, byte) => payload.insert(at.index(length), byte),
            Damage::ByteReplaced(at, byte) => payload[at.index(length)] = byte,
            Damage::ByteRemoved(at) => drop(payload.remove(at.index(length))),
        }
        payload
    }
}
