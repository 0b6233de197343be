//! The identifier of a person, and the forms in which a text may hold it.

use std::fmt;
use std::str::FromStr;

/// A shorter one stands inside other words and numbers by chance.
const CHARS_MIN: usize = 8;
/// The longest that is taken.
const CHARS_MAX: usize = 255;
/// The length of a pseudonym as crate `pseudonym` makes it: 64 bits in hex digits.
const PSEUDONYM_CHARS: usize = 16;

/// What events have in `subscriber_id` or `counterparty_id`. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// As it was given.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The bytes that a record may hold for it: as it is, and as JSON writes it when it keeps to ASCII. A record is
    /// searched without regard to case, and without regard to what stands beside it: a length, say, as binary formats
    /// have it before a text. That may empty a letter too many; it can't spare one.
    pub(super) fn forms(&self) -> Vec<Vec<u8>> {
        let mut forms = vec![self.0.as_bytes().to_vec()];
        if !self.0.is_ascii() {
            let escaped = self.0.encode_utf16().map(|unit| match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
                _ => format!("\\u{unit:04x}"),
            });
            forms.push(escaped.collect::<String>().into_bytes());
        }
        forms
    }

    /// A regular expression of PostgreSQL that finds it in text or JSON where neither a letter nor a digit is beside it,
    /// but for those of an escape before it: in rows that others are named in, nothing else may be changed.
    pub(super) fn pattern(&self) -> String {
        let mut pattern = r"(?:(?<![[:alnum:]])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))".to_owned();
        for letter in self.0.chars() {
            if !letter.is_alphanumeric() {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern + "(?![[:alnum:]])"
    }

    /// Whether it has the form of a pseudonym, which nobody finds by trying all. One of digits alone may be a number.
    pub(super) fn is_pseudonym(&self) -> bool {
        self.0.len() == PSEUDONYM_CHARS
            && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
            && self.0.bytes().any(|byte| byte.is_ascii_alphabetic())
    }
}

impl FromStr for Identifier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let chars = text.chars().count();
        if !(CHARS_MIN..=CHARS_MAX).contains(&chars) {
            return Err(format!(
                "an identifier has {CHARS_MIN} to {CHARS_MAX} characters: a shorter one stands inside others"
            ));
        }
        if let Some(odd) =
            text.chars().find(|c| c.is_control() || c.is_whitespace() || "\"\\".contains(*c))
        {
            return Err(format!("an identifier can't hold the character {odd:?}"));
        }
        Ok(Identifier(text.to_owned()))
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identifier(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_no_part_of_other_words() {
        for (text, is_usable) in [
            ("00c0ffee00c0ffee", true),
            ("subscriber-17", true),
            ("абонент-17", true),
            ("1234567", false),
            ("with space", false),
            ("with\"quote", false),
            ("with\\backslash", false),
            (&"x".repeat(256), false),
        ] {
            assert_eq!(text.parse::<Identifier>().is_ok(), is_usable, "{text}");
        }
    }

    #[test]
    fn only_what_nobody_can_guess_leaves_a_digest() {
        for (text, expected) in [
            ("00c0ffee00c0ffee", true),
            ("00C0FFEE00C0FFEE", true),
            ("7701000000112345", false),
            ("00c0ffee00c0ffe", false),
            ("subscriber-17-xx", false),
        ] {
            assert_eq!(text.parse::<Identifier>().unwrap().is_pseudonym(), expected, "{text}");
        }
    }

    #[test]
    fn a_form_in_ascii_is_looked_for_too() {
        let forms = "абв-1234".parse::<Identifier>().unwrap().forms();
        assert_eq!(forms[0], "абв-1234".as_bytes());
        assert_eq!(forms[1], br"\u0430\u0431\u0432-1234");
        assert_eq!("00c0ffee".parse::<Identifier>().unwrap().forms().len(), 1);
    }

    #[test]
    fn it_is_never_shown_by_chance() {
        let identifier: Identifier = "00c0ffee00c0ffee".parse().unwrap();
        assert!(!format!("{identifier:?}").contains("c0ffee"));
    }
}
