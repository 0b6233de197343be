//! JSON, token by token: strings, numbers, and values that are only passed over.
//!
//! In: the text of a payload. Out: where tokens begin and end. `None` everywhere means: this is not JSON.
//! What is passed over is checked like everything else.
//!
//! Nesting costs one bit a level, never the stack, and up to 64 levels nothing is allocated.

use crate::chunk::{end_of_plain, leading_digits, word_at};
use crate::field::Field;
use crate::span::Span;
use crate::text::unescaped;

/// Reads a text from its beginning.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A JSON number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NumberToken {
    pub(crate) span: Span,
    /// The number in units of 10⁻⁶, where that can be told at a glance: at most eight digits before the
    /// point, at most six behind it, and neither sign nor exponent.
    pub(crate) micros: Option<i64>,
}

// What every event passes through is inlined, so that the place stays in a register; what is rare is a call.
impl<'a> Reader<'a> {
    /// Reads on from a place where a token begins: 0 is the beginning.
    pub(crate) fn at(text: &'a str, place: usize) -> Self {
        Reader { bytes: text.as_bytes(), at: place }
    }

    /// Where the next token begins, or the text ends.
    #[inline(always)]
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    /// Whether the text is one JSON value with nothing but whitespace around it.
    pub(crate) fn is_json(text: &'a str) -> bool {
        let mut reader = Reader::at(text, 0);
        reader.next_token();
        reader.skip_value().is_some() && reader.is_at_end()
    }

    /// Whether nothing but whitespace follows.
    #[inline(always)]
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.next_token();
        self.at == self.bytes.len()
    }

    /// Passes over whitespace. Gives the first byte of the next token, 0 at the end of the text: no token
    /// begins with that.
    #[inline(always)]
    pub(crate) fn next_token(&mut self) -> u8 {
        let byte = self.byte();
        if byte > b' ' {
            return byte;
        }
        self.at = end_of_whitespace(self.bytes, self.at);
        self.byte()
    }

    /// The byte that is read next, 0 at the end of the text.
    #[inline(always)]
    fn byte(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Passes over a byte that [`Reader::next_token`] has given.
    #[inline(always)]
    pub(crate) fn skip_byte(&mut self) {
        self.at += 1;
    }

    /// Passes over this byte, which comes after perhaps some whitespace.
    #[inline(always)]
    pub(crate) fn take(&mut self, expected: u8) -> Option<()> {
        if self.next_token() != expected {
            return None;
        }
        self.skip_byte();
        Some(())
    }

    /// Passes over `null`, `true` or `false`.
    #[inline(always)]
    pub(crate) fn literal<const LENGTH: usize>(&mut self, word: &[u8; LENGTH]) -> Option<()> {
        if self.bytes.get(self.at..)?.first_chunk()? != word {
            return None;
        }
        self.at += LENGTH;
        Some(())
    }

    /// The next eight bytes, the first one lowest.
    #[inline(always)]
    pub(crate) fn word(&self) -> u64 {
        word_at(self.bytes, self.at)
    }

    /// Passes over the rest of a key behind its opening quote, if it is this name and written as nearly all
    /// write it: a colon at once, and behind it at most one blank. Gives the first byte of its value.
    #[inline(always)]
    pub(crate) fn key_at_a_glance(&mut self, name: &'static str) -> Option<u8> {
        let rest = self.bytes.get(self.at..)?.strip_prefix(name.as_bytes())?;
        match rest {
            [b'"', b':', byte, ..] if *byte > b' ' => {
                self.at += name.len() + 2;
                Some(*byte)
            }
            [b'"', b':', b' ', byte, ..] if *byte > b' ' => {
                self.at += name.len() + 3;
                Some(*byte)
            }
            _ => None,
        }
    }

    /// Reads any key behind its opening quote, and its colon. Gives the field of ours that it names, if
    /// there is one, and the first byte of its value.
    pub(crate) fn rest_of_key(&mut self) -> Option<(Option<Field>, u8)> {
        let hint = Field::hinted_at(self.word());
        let (Span { start, end }, has_escapes) = self.rest_of_string()?;
        let raw = self.bytes.get(start..end)?;
        let field = if has_escapes {
            // No name of ours needs an escape, but each may be written with some. A key that is no
            // string (it holds a lone surrogate) is none of ours.
            str::from_utf8(raw).ok().and_then(unescaped).and_then(|name| Field::named(&name))
        } else {
            (hint.name().as_bytes() == raw).then_some(hint)
        };
        self.take(b':')?;
        Some((field, self.next_token()))
    }

    /// Passes over what follows a member: a comma and the opening quote of the next key. Gives false,
    /// behind a closing bracket, where the object ends.
    #[inline(always)]
    pub(crate) fn next_member(&mut self) -> Option<bool> {
        match self.bytes.get(self.at..)? {
            [b',', b'"', ..] => self.at += 2,
            [b',', b' ', b'"', ..] => self.at += 3,
            _ => match self.next_token() {
                b',' => {
                    self.skip_byte();
                    self.take(b'"')?;
                }
                b'}' => {
                    self.skip_byte();
                    return Some(false);
                }
                _ => return None,
            },
        }
        Some(true)
    }

    /// Reads a string behind its opening quote, closing quote included: where it stands without its
    /// quotes, and whether it has escapes.
    #[inline(always)]
    pub(crate) fn rest_of_string(&mut self) -> Option<(Span, bool)> {
        let start = self.at;
        let end = end_of_plain(self.bytes, start);
        // A string that ends within sixteen bytes, as most do.
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Some((Span { start, end }, false));
        }
        let (end, has_escapes) = end_of_string(self.bytes, end)?;
        self.at = end + 1;
        Some((Span { start, end }, has_escapes))
    }

    /// Reads a number, which begins here.
    #[inline(always)]
    pub(crate) fn number(&mut self) -> Option<NumberToken> {
        let start = self.at;
        let (end, micros) = match self.number_at_a_glance() {
            Some((end, micros)) => (end, Some(micros)),
            None => (end_of_number(self.bytes, start)?, None),
        };
        self.at = end;
        Some(NumberToken { span: Span { start, end }, micros })
    }

    /// The numbers that nearly all are: where they end, and what they are in units of 10⁻⁶.
    #[inline(always)]
    fn number_at_a_glance(&self) -> Option<(usize, i64)> {
        let whole = leading_digits(word_at(self.bytes, self.at));
        if whole.count == 0 || (whole.count > 1 && whole.begin_with_zero()) {
            return None;
        }
        let mut micros = whole.as_integer() * 1_000_000;
        let mut end = self.at + whole.count as usize;
        let mut after = self.bytes.get(end)?;
        if *after == b'.' {
            let fraction = leading_digits(word_at(self.bytes, end + 1));
            if !(1..=6).contains(&fraction.count) {
                return None;
            }
            micros += fraction.as_fraction() / 100;
            end += 1 + fraction.count as usize;
            after = self.bytes.get(end)?;
        }
        // Anything else, such as an exponent or a ninth digit, needs a closer look.
        matches!(after, b',' | b'}' | b' ' | b'\n' | b'\r').then_some((end, micros.cast_signed()))
    }

    /// Passes over a value of whatever type, which begins here.
    #[inline(always)]
    pub(crate) fn skip_value(&mut self) -> Option<()> {
        match self.byte() {
            b'[' | b'{' => self.skip_nested(),
            _ => self.skip_scalar(),
        }
    }

    /// Passes over a string, a number or a word.
    #[inline(always)]
    fn skip_scalar(&mut self) -> Option<()> {
        match self.byte() {
            b'"' => {
                self.skip_byte();
                self.rest_of_string().map(|_| ())
            }
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            b'n' => self.literal(b"null"),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            _ => None,
        }
    }

    /// Passes over an array or object, which begins here.
    #[inline(never)]
    fn skip_nested(&mut self) -> Option<()> {
        let mut open = OpenBrackets::default();
        loop {
            // An opening bracket is followed by a first value, or closed at once; every other value ends here.
            match self.next_token() {
                byte @ (b'[' | b'{') => {
                    self.skip_byte();
                    let bracket = if byte == b'{' { Bracket::Object } else { Bracket::Array };
                    open.open(bracket);
                    if self.next_token() != bracket.closing() {
                        self.skip_key_in(bracket)?;
                        continue;
                    }
                }
                _ => self.skip_scalar()?,
            }
            // With a value, those end that it is the last one of.
            while let Some(bracket) = open.innermost()
                && self.next_token() == bracket.closing()
            {
                self.skip_byte();
                open.close();
            }
            let Some(bracket) = open.innermost() else { return Some(()) };
            self.take(b',')?;
            self.skip_key_in(bracket)?;
        }
    }

    /// In an object, passes over a key and its colon.
    #[inline(always)]
    fn skip_key_in(&mut self, bracket: Bracket) -> Option<()> {
        if bracket == Bracket::Array {
            return Some(());
        }
        self.take(b'"')?;
        self.rest_of_string()?;
        self.take(b':')
    }
}

/// The place after whitespace.
fn end_of_whitespace(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The place of a string's closing quote, and whether there is an escape from `at` on.
fn end_of_string(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut has_escapes = false;
    loop {
        at = end_of_plain(bytes, at);
        match bytes.get(at)? {
            b'"' => return Some((at, has_escapes)),
            b'\\' => {
                has_escapes = true;
                at += escape_length(bytes.get(at..)?)?;
            }
            0..b' ' => return None,
            // A whole chunk was plain.
            _ => {}
        }
    }
}

/// How long the escape is that these bytes begin with.
fn escape_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [_, b'u', digits @ ..] => {
            let digits: &[u8; 4] = digits.first_chunk()?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(6)
        }
        _ => None,
    }
}

/// The place after a number in any notation.
fn end_of_number(bytes: &[u8], at: usize) -> Option<usize> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let digits = |mut at: usize| {
        let start = at;
        while byte(at).is_ascii_digit() {
            at += 1;
        }
        (at > start).then_some(at)
    };
    let mut at = at + usize::from(byte(at) == b'-');
    at = if byte(at) == b'0' { at + 1 } else { digits(at)? };
    if byte(at) == b'.' {
        at = digits(at + 1)?;
    }
    if matches!(byte(at), b'e' | b'E') {
        at += 1;
        at = digits(at + usize::from(matches!(byte(at), b'+' | b'-')))?;
    }
    Some(at)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    Array,
    Object,
}

impl Bracket {
    const fn closing(self) -> u8 {
        match self {
            Bracket::Array => b']',
            Bracket::Object => b'}',
        }
    }
}

/// The brackets that are open, a bit for each.
#[derive(Debug, Default)]
struct OpenBrackets {
    /// How many are open.
    depth: usize,
    /// The innermost ones, at most 64, the innermost of all lowest; 1 is an object.
    bits: u64,
    /// The outer ones, 64 each.
    outer: Vec<u64>,
}

impl OpenBrackets {
    fn open(&mut self, bracket: Bracket) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.depth += 1;
        self.bits = self.bits << 1 | u64::from(bracket == Bracket::Object);
    }

    fn innermost(&self) -> Option<Bracket> {
        let bracket = if self.bits & 1 == 1 { Bracket::Object } else { Bracket::Array };
        (self.depth > 0).then_some(bracket)
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reader;

    #[test]
    fn brackets_close_in_their_order_at_any_depth() {
        for depth in [1, 2, 63, 64, 65, 127, 128, 129, 200, 1_000] {
            // Arrays and objects by turns, so that each level is told from its neighbours.
            let opening = |level: usize| if level.is_multiple_of(3) { "{\"a\":" } else { "[" };
            let closing = |level: usize| if level.is_multiple_of(3) { "}" } else { "]" };
            let open: String = (0..depth).map(opening).collect();
            let mut close: Vec<&str> = (0..depth).rev().map(closing).collect();
            assert!(Reader::is_json(&format!("{open}1{}", close.concat())), "{depth}");
            for wrong in [0, depth / 2, depth - 1] {
                let right = close[wrong];
                close[wrong] = if right == "}" { "]" } else { "}" };
                let text = format!("{open}1{}", close.concat());
                assert!(!Reader::is_json(&text), "{text}");
                close[wrong] = right;
            }
        }
    }

    #[test]
    fn only_the_numbers_of_json_are_numbers() {
        let table = [
            ("0", Some(0)),
            ("-0", None),
            ("7", Some(7_000_000)),
            ("12345678", Some(12_345_678_000_000)),
            ("123456789", None),
            ("0.5", Some(500_000)),
            ("347.20", Some(347_200_000)),
            ("12345678.123456", Some(12_345_678_123_456)),
            ("1.0000001", None),
            ("6e2", None),
            ("1.5E-3", None),
        ];
        for (text, micros) in table {
            for after in [",", "}", " ", "\n", "\r\n", "\t", "]"] {
                let text_and_more = format!("{text}{after}\"next\":0123456789");
                let mut reader = Reader::at(&text_and_more, 0);
                let token = reader.number().unwrap();
                assert_eq!((token.span.start, token.span.end), (0, text.len()), "{text_and_more}");
                assert!(token.micros.is_none() || token.micros == micros, "{text_and_more}");
                if matches!(after, "," | "}" | " ") {
                    assert_eq!(token.micros, micros, "{text_and_more}");
                }
            }
            assert!(Reader::is_json(text), "{text}");
        }
        for text in
            ["", "-", "01", "00", "-01", "1.", ".5", "+1", "1e", "1e+", "1.e5", "0x1", "1_0", "NaN"]
        {
            assert!(!Reader::is_json(text), "{text}");
        }
    }
}
