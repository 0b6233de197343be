//! Numbers in records that can't be used, masked before they are kept.
//!
//! In: the bytes of a key or payload, of whatever form, or a detail. Out: the same, in which every run of 8 to 15 digits
//! that stands alone shows at most seven of them and never its last four: what the contract's `msisdn` shows.
//!
//! A run stands alone when no ASCII letter or digit is beside it, or when it is a text of Avro. Pseudonyms and UUIDs hold such runs by chance, and times are
//! nothing but digits; so the values of some members are left as they are, wherever these stand, in an envelope too. A number
//! that is masked in JSON becomes a string, so that JSON stays JSON.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::frame::needs_schema;

/// How many digits a subscriber's number has, as far as it can be recognised.
const DIGITS_MIN: usize = 8;
const DIGITS_MAX: usize = 15;
/// How many digits of one are shown at most, and hidden at least.
const SHOWN_MAX: usize = 7;
const HIDDEN_MIN: usize = 4;
/// Members whose values are never a number: the event's own, then what envelopes say about records and transactions.
const LEFT_ALONE: [&[u8]; 10] = [
    b"timestamp",
    b"event_id",
    b"subscriber_id",
    b"counterparty_id",
    b"ts_ms",
    b"ts_us",
    b"ts_ns",
    b"lsn",
    b"txId",
    b"xmin",
];

/// Masks the numbers in a payload.
pub fn mask_payload(payload: &[u8]) -> Cow<'_, [u8]> {
    if needs_schema(payload).is_some() { mask_avro(payload) } else { mask_json(payload) }
}

/// Masks the numbers in Avro in Confluent's frame. A text stands behind its length there, and before whatever comes next, which
/// may look like a letter or a digit: a text that is a number is one whatever stands beside it.
fn mask_avro(payload: &[u8]) -> Cow<'_, [u8]> {
    let (mut out, mut at) = (payload.to_vec(), 5);
    while at < payload.len() {
        let text = avro_text(&payload[at..]);
        let sign = usize::from(text.starts_with(b"+"));
        let digits = text.len() - sign;
        at += 1;
        if (DIGITS_MIN..=DIGITS_MAX).contains(&digits)
            && text[sign..].iter().all(u8::is_ascii_digit)
        {
            let hidden = shown_of(digits)..digits;
            at += sign;
            out[at + hidden.start..at + hidden.end].fill(b'*');
            at += digits;
        }
    }
    match mask_text(&out) {
        Cow::Borrowed(_) if out == payload => Cow::Borrowed(payload),
        Cow::Borrowed(_) => Cow::Owned(out),
        Cow::Owned(out) => Cow::Owned(out),
    }
}

/// The text behind a length of one byte; empty: there is none.
fn avro_text(bytes: &[u8]) -> &[u8] {
    match bytes {
        [length, rest @ ..] if length % 2 == 0 => {
            rest.get(..usize::from(*length / 2)).unwrap_or_default()
        }
        _ => &[],
    }
}

/// Masks the numbers in a text that may be JSON.
fn mask_json(payload: &[u8]) -> Cow<'_, [u8]> {
    let has_run = payload.split(|byte| !byte.is_ascii_digit()).any(is_long);
    if !has_run {
        return Cow::Borrowed(payload);
    }
    let is_json = serde_json::from_slice::<IgnoredAny>(payload).is_ok();
    let mut masking =
        Masking { text: payload, at: 0, out: Vec::with_capacity(payload.len()), is_json };
    masking.run();
    if masking.out == payload { Cow::Borrowed(payload) } else { Cow::Owned(masking.out) }
}

/// Masks the numbers in a key, or in any text without members.
pub fn mask_text(text: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::with_capacity(text.len());
    mask_plain(text, None, None, &mut out);
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// How many digits of so many are shown.
fn shown_of(digits: usize) -> usize {
    SHOWN_MAX.min(digits - HIDDEN_MIN)
}

fn is_long(run: &[u8]) -> bool {
    (DIGITS_MIN..=DIGITS_MAX).contains(&run.len())
}

/// Masks a part of a text; `before` and `after` are the bytes beside it.
fn mask_plain(text: &[u8], before: Option<u8>, after: Option<u8>, out: &mut Vec<u8>) {
    let is_word = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let mut at = 0;
    while at < text.len() {
        let length = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            out.push(text[at]);
            at += 1;
            continue;
        }
        let left = if at == 0 { before } else { Some(text[at - 1]) };
        let right = text.get(at + length).copied().or(after.filter(|_| at + length == text.len()));
        let run = &text[at..at + length];
        if is_long(run) && !is_word(left) && !is_word(right) {
            let shown = shown_of(length);
            out.extend_from_slice(&run[..shown]);
            out.extend(std::iter::repeat_n(b'*', length - shown));
        } else {
            out.extend_from_slice(run);
        }
        at += length;
    }
}

/// Goes through a text that may be JSON, or the torn beginning of some.
struct Masking<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
    is_json: bool,
}

impl Masking<'_> {
    fn run(&mut self) {
        // Whether the next value belongs to a member that is left alone.
        let mut is_left_alone = false;
        while let Some(byte) = self.text.get(self.at) {
            let token = match byte {
                b'"' => self.string_length(),
                b'-' | b'0'..=b'9' => self.scalar_length(),
                b' ' | b'\t' | b'\r' | b'\n' | b':' => {
                    self.copy(1);
                    continue;
                }
                _ => {
                    is_left_alone = false;
                    self.copy(1);
                    continue;
                }
            };
            if *byte == b'"' && self.is_key(token) {
                let name = &self.text[self.at + 1..self.at + token - 1];
                is_left_alone = LEFT_ALONE.contains(&name);
                self.mask(token);
            } else if is_left_alone {
                self.copy(token);
                is_left_alone = false;
            } else {
                self.mask(token);
            }
        }
    }

    fn copy(&mut self, length: usize) {
        self.out.extend_from_slice(&self.text[self.at..self.at + length]);
        self.at += length;
    }

    fn mask(&mut self, length: usize) {
        let (text, end) = (self.text, self.at + length);
        let before = self.at.checked_sub(1).and_then(|index| text.get(index)).copied();
        let start = self.out.len();
        mask_plain(&text[self.at..end], before, text.get(end).copied(), &mut self.out);
        let is_number = text[self.at] != b'"';
        if self.is_json && is_number && self.out[start..] != text[self.at..end] {
            self.out.insert(start, b'"');
            self.out.push(b'"');
        }
        self.at = end;
    }

    /// The length of the string that begins here, with its quotation marks; of a torn one up to the end.
    fn string_length(&self) -> usize {
        let mut is_escaped = false;
        for (index, byte) in self.text[self.at..].iter().enumerate().skip(1) {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => return index + 1,
                _ => {}
            }
        }
        self.text.len() - self.at
    }

    /// The length of a number, or of whatever word begins with one.
    fn scalar_length(&self) -> usize {
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| {
            matches!(byte, b'"' | b',' | b':' | b'{' | b'}' | b'[' | b']')
                || byte.is_ascii_whitespace()
        };
        rest.iter().position(ends).unwrap_or(rest.len())
    }

    /// Whether the string of this length is followed by a colon.
    fn is_key(&self, length: usize) -> bool {
        let rest = &self.text[self.at + length..];
        rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':') && length >= 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &str, expected: &str) {
        let masked = mask_payload(payload.as_bytes()).into_owned();
        assert_eq!(String::from_utf8(masked).unwrap(), expected, "{payload}");
    }

    #[test]
    fn a_number_that_stands_alone_is_masked_in_any_form_of_payload() {
        for (payload, expected) in [
            ("77010000001", "\"7701000****\""),
            ("call,77010000001,60", "call,7701000****,60"),
            ("+77010000001", "+7701000****"),
            (r#"{"msisdn":"77010000001"}"#, r#"{"msisdn":"7701000****"}"#),
            (r#"{"msisdn": 77010000001 }"#, r#"{"msisdn": "7701000****" }"#),
            (r#"{"to":["+77010000001",77010000002]}"#, r#"{"to":["+7701000****","7701000****"]}"#),
            (r#"{"77010000001":1}"#, r#"{"7701000****":1}"#),
            // Torn: no JSON, and a number all the same.
            (
                r#"{"event_id":"1","msisdn":"77010000001","ty"#,
                r#"{"event_id":"1","msisdn":"7701000****","ty"#,
            ),
            (r#"{"msisdn":"77010000001"#, r#"{"msisdn":"7701000****"#),
            ("sip:77010000001@host", "sip:7701000****@host"),
            ("тел77010000001", "тел7701000****"),
        ] {
            check(payload, expected);
        }
    }

    #[test]
    fn eight_digits_to_fifteen_are_a_number() {
        for (payload, expected) in [
            ("a 1234567", "a 1234567"),
            ("a 12345678", "a 1234****"),
            ("a 123456789012345", "a 1234567********"),
            ("a 1234567890123456", "a 1234567890123456"),
            ("a 12345678b", "a 12345678b"),
            ("a x12345678", "a x12345678"),
            ("a 1234-5678", "a 1234-5678"),
        ] {
            check(payload, expected);
        }
    }

    #[test]
    fn a_text_of_avro_that_is_a_number_is_masked_whatever_stands_beside_it() {
        // The frame; a text of eleven digits, then one of 24 letters, whose length is the digit 0.
        let framed = |body: &str| format!("\0\0\0\u{7}\u{7}{body}");
        for (body, expected) in [
            ("\u{16}77010000001", "\u{16}7701000****"),
            (
                "\u{16}770100000010aaaaaaaaaaaaaaaaaaaaaaaa",
                "\u{16}7701000****0aaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            (
                "\u{16}770100000010111111111111111111111111",
                "\u{16}7701000****0111111111111111111111111",
            ),
            ("\u{18}+77010000001zz", "\u{18}+7701000****zz"),
            // In a longer text as everywhere.
            ("\u{2c}to 77010000001, again", "\u{2c}to 7701000****, again"),
            // A pseudonym of 16 digits is no number; nor is a torn text.
            (" 1234567890123456z", " 1234567890123456z"),
            ("\u{1e}x77010000001", "\u{1e}x77010000001"),
            // Framed JSON stays JSON.
            (" {\"a\":\"77010000001\"}", " {\"a\":\"7701000****\"}"),
        ] {
            check(&framed(body), &framed(expected));
        }
    }

    #[test]
    fn times_ids_and_pseudonyms_are_left_as_they_are_in_an_envelope_too() {
        for payload in [
            r#"{"event_id":"00000000-0000-4000-8000-000000000001","subscriber_id":"1234567890123456"}"#,
            r#"{"timestamp":1762698645123,"region":""}"#,
            r#"{"timestamp" : "1762698645"}"#,
            r#"{"counterparty_id":"123456789012"}"#,
            r#"{"payload":{"op":"c","ts_ms":1762698645123,"source":{"lsn":123456789,"txId":12345678}}}"#,
        ] {
            check(payload, payload);
        }
        // Only the member itself: not what follows it, nor what an object in its place holds.
        check(
            r#"{"timestamp":null,"msisdn":"77010000001"}"#,
            r#"{"timestamp":null,"msisdn":"7701000****"}"#,
        );
        check(r#"{"timestamp":{"a":"77010000001"}}"#, r#"{"timestamp":{"a":"7701000****"}}"#);
        check(r#"{"event_id":"x","a":77010000001}"#, r#"{"event_id":"x","a":"7701000****"}"#);
    }

    #[test]
    fn a_text_without_members_is_masked_wherever() {
        for (text, expected) in [
            ("77010000001", "7701000****"),
            ("00c0ffee00c0ffee", "00c0ffee00c0ffee"),
            ("timestamp 77010000001", "timestamp 7701000****"),
        ] {
            assert_eq!(mask_text(text.as_bytes()), expected.as_bytes());
        }
    }
}
