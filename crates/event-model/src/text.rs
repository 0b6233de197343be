//! A string of an event, unescaped when somebody asks for it.
//!
//! In: what stands between the quotes of a JSON string. Out: the string that it stands for.

use std::borrow::Cow;
use std::fmt;

use crate::span::Span;

/// A string as it stands in a payload. Nothing is read to make one, and nothing copied.
#[derive(Clone, Copy)]
pub struct LazyText<'a> {
    payload: &'a str,
    /// Where it stands, without its quotes.
    span: Span,
    has_escapes: bool,
}

impl<'a> LazyText<'a> {
    /// `span`: what stands between the quotes of a JSON string without lone surrogates.
    #[inline(always)]
    pub(crate) const fn of_valid_json(payload: &'a str, span: Span, has_escapes: bool) -> Self {
        LazyText { payload, span, has_escapes }
    }

    /// Whether the string may hold what JSON has to escape, such as a NUL.
    #[inline(always)]
    pub(crate) const fn has_escapes(self) -> bool {
        self.has_escapes
    }

    /// The bytes as they stand in the payload.
    #[inline(always)]
    pub(crate) fn raw_bytes(self) -> &'a [u8] {
        self.payload.as_bytes().get(self.span.start..self.span.end).unwrap_or_default()
    }

    /// The string: borrowed from the payload, or a copy where it has escapes.
    #[inline(always)]
    pub fn get(self) -> Cow<'a, str> {
        let raw = self.payload.get(self.span.start..self.span.end).unwrap_or_default();
        if self.has_escapes {
            Cow::Owned(unescaped(raw).unwrap_or_default())
        } else {
            Cow::Borrowed(raw)
        }
    }
}

impl<'a> From<&'a str> for LazyText<'a> {
    /// A string that stands for itself.
    fn from(text: &'a str) -> Self {
        let span = Span { start: 0, end: text.len() };
        LazyText { payload: text, span, has_escapes: false }
    }
}

impl fmt::Debug for LazyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), f)
    }
}

impl PartialEq for LazyText<'_> {
    /// Whether both stand for the same string.
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for LazyText<'_> {}

/// Whether what stands between the quotes of a JSON string is a string: it is not if it holds a lone
/// surrogate, the one thing that valid JSON can say and UTF-8 can't.
pub(crate) fn is_text(raw: &str) -> bool {
    Unescaped(raw).all(|character| character.is_some())
}

/// The string that valid JSON between its quotes stands for; `None` if it is none.
#[inline(never)]
pub(crate) fn unescaped(raw: &str) -> Option<String> {
    Unescaped(raw).collect()
}

/// The characters that are left; `None` for a lone surrogate.
struct Unescaped<'a>(&'a str);

impl Unescaped<'_> {
    fn skip(&mut self, length: usize) {
        self.0 = self.0.get(length..).unwrap_or_default();
    }

    /// The unit of UTF-16 that the text begins with, written as `\uXXXX`.
    fn code_unit(&mut self) -> Option<u32> {
        let digits = self.0.strip_prefix("\\u")?.get(..4)?;
        let unit = u32::from_str_radix(digits, 16).ok()?;
        self.skip(6);
        Some(unit)
    }
}

impl Iterator for Unescaped<'_> {
    type Item = Option<char>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.0.chars().next()?;
        if first != '\\' {
            self.skip(first.len_utf8());
            return Some(Some(first));
        }
        let Some(unit) = self.code_unit() else {
            let short = self.0.as_bytes().get(1).copied().map(char::from);
            self.skip(2);
            return Some(short.map(|letter| match letter {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                itself => itself,
            }));
        };
        if !(0xd800..0xdc00).contains(&unit) {
            // Half a pair that nothing begins is no character either.
            return Some(char::from_u32(unit));
        }
        let second = self.code_unit().filter(|unit| (0xdc00..0xe000).contains(unit));
        Some(second.and_then(|second| {
            char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{LazyText, is_text, unescaped};
    use crate::span::Span;

    #[test]
    fn escapes_stand_for_what_json_says() {
        let table = [
            ("", Some("")),
            ("Алматы", Some("Алматы")),
            (r#"\"\\\/\b\f\n\r\t"#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r"\u0041\u006C\u006c", Some("All")),
            (r"\u0000", Some("\0")),
            (r"x\ud83d\ude80y", Some("x🚀y")),
            (r"\uD83D\uDE80", Some("🚀")),
            (r"\ufeff\uffff", Some("\u{feff}\u{ffff}")),
            (r"\\u0041", Some(r"\u0041")),
            (r"\ud800", None),
            (r"\udfff", None),
            (r"\ud800x", None),
            (r"\ud800\n", None),
            (r"\ud800\u0041", None),
            (r"\udc00\ud800", None),
            (r"\ud83d\ud83d\ude80", None),
            (r"\ud83d\ude80\ud83d", None),
        ];
        for (raw, expected) in table {
            assert_eq!(unescaped(raw).as_deref(), expected, "{raw}");
            assert_eq!(is_text(raw), expected.is_some(), "{raw}");
            if let Some(expected) = expected {
                let span = Span { start: 0, end: raw.len() };
                let lazy = LazyText::of_valid_json(raw, span, true);
                assert_eq!(lazy, LazyText::from(expected), "{raw}");
            }
        }
    }
}
