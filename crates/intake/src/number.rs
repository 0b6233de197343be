//! Subscribers' numbers as exchanges write them, into one form.
//!
//! In: `+7 701 000-00-00`, `8 701 000 00 00`, `00…`, `sip:…@…`, a short code, a name. Out: a [`Party`]. A full
//! number leaves this file only as a mask and as what the pseudonym is made of.

use std::fmt::Write;

/// Most digits that a number has (ITU-T E.164).
const DIGITS_MAX: usize = 15;
/// Digits of a mask that are shown, as in the contract's `msisdn`.
const SHOWN_DIGITS: usize = 7;

/// What "nobody" is written as.
const NOBODY: [&str; 7] =
    ["anonymous", "unknown", "private", "restricted", "unavailable", "<null>", "s"];

/// How numbers are written in the source.
#[derive(Clone, Debug)]
pub(crate) struct NumberPlan {
    /// Digits of the own country.
    pub(crate) country: String,
    /// What comes before a national number; may be empty.
    pub(crate) trunk: String,
    /// What comes before a country's digits, longest first.
    pub(crate) international: Vec<String>,
    /// Digits of a national number without its trunk prefix.
    pub(crate) national_digits: usize,
    /// Up to so many digits are a short code or an extension.
    pub(crate) short_digits_max: usize,
}

/// One side of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// A full number, in digits, country first.
    Full(String),
    /// A short code, or the extension of an exchange.
    Short(String),
    /// A name, as senders of bulk messages have, in lower case.
    Name(String),
    /// Somebody before us has taken the number away: its mask, if it was a full one, and its pseudonym.
    Known {
        /// As [`Party::mask`] gives it.
        mask: Option<String>,
        /// As the same key gives it.
        pseudonym: u64,
    },
    /// Nobody is named.
    Nobody,
}

impl Party {
    /// One whose number somebody before us has taken away, or which of the two columns is not as it must be.
    pub(crate) fn known(mask: Option<&str>, pseudonym: &str) -> Result<Party, NotKnown> {
        let is_mask = |mask: &&str| {
            let Some(shown) = mask.strip_suffix("****") else { return false };
            shown.len() <= SHOWN_DIGITS && shown.bytes().all(|b| b.is_ascii_digit())
        };
        if !mask.iter().all(is_mask) {
            return Err(NotKnown::Mask);
        }
        let is_written = pseudonym.len() == 16 && !pseudonym.starts_with('+');
        match u64::from_str_radix(pseudonym, 16).ok().filter(|_| is_written) {
            Some(pseudonym) => Ok(Party::Known { mask: mask.map(str::to_owned), pseudonym }),
            None => Err(NotKnown::Pseudonym),
        }
    }

    /// The digits that a region can be told by.
    pub(crate) fn digits(&self) -> Option<&str> {
        match self {
            Party::Full(digits) => Some(digits),
            Party::Known { mask: Some(mask), .. } => Some(mask.trim_end_matches('*')),
            _ => None,
        }
    }

    /// What the pseudonym is made of.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Party::Full(text) | Party::Short(text) | Party::Name(text) => Some(text),
            Party::Known { .. } | Party::Nobody => None,
        }
    }

    /// Seven digits and four stars; only a full number has one. What is shorter than eleven digits shows less: the
    /// last four are never seen.
    pub(crate) fn mask(&self) -> Option<String> {
        let digits = match self {
            Party::Full(digits) => digits,
            Party::Known { mask, .. } => return mask.clone(),
            _ => return None,
        };
        let shown = SHOWN_DIGITS.min(digits.len().saturating_sub(4));
        Some(format!("{}****", &digits[..shown]))
    }
}

/// Which column of a known side is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotKnown {
    Mask,
    Pseudonym,
}

impl NumberPlan {
    /// Reads one side.
    pub(crate) fn read(&self, text: &str) -> Party {
        let text = user_part(text.trim());
        let lower = text.to_ascii_lowercase();
        if text.is_empty() || NOBODY.contains(&lower.as_str()) {
            return Party::Nobody;
        }
        let mut digits = String::with_capacity(text.len());
        let mut has_plus = false;
        for character in text.chars() {
            match character {
                '0'..='9' => digits.push(character),
                '+' if digits.is_empty() && !has_plus => has_plus = true,
                ' ' | '-' | '(' | ')' | '.' | '/' => {}
                // A feature code such as *72, or a name.
                _ => return Party::Name(text.to_lowercase()),
            }
        }
        if digits.is_empty() { Party::Nobody } else { self.of_digits(digits, has_plus) }
    }

    fn of_digits(&self, digits: String, has_plus: bool) -> Party {
        if has_plus {
            return self.full_or_name(digits);
        }
        if digits.len() <= self.short_digits_max {
            return Party::Short(digits);
        }
        for prefix in &self.international {
            if let Some(rest) = digits.strip_prefix(prefix.as_str())
                && rest.len() > self.short_digits_max
            {
                return self.full_or_name(rest.to_owned());
            }
        }
        if digits.len() == self.national_digits {
            return Party::Full(self.with_country(&digits));
        }
        match digits.strip_prefix(self.trunk.as_str()) {
            Some(rest) if !self.trunk.is_empty() && rest.len() == self.national_digits => {
                Party::Full(self.with_country(rest))
            }
            _ => self.full_or_name(digits),
        }
    }

    fn with_country(&self, national: &str) -> String {
        let mut full = String::with_capacity(self.country.len() + national.len());
        write!(full, "{}{national}", self.country).expect("a String takes any text");
        full
    }

    /// More digits than a number can have are some other name.
    fn full_or_name(&self, digits: String) -> Party {
        if digits.len() <= DIGITS_MAX { Party::Full(digits) } else { Party::Name(digits) }
    }
}

/// `77010000000` of `sip:77010000000@host;user=phone`, `tel:…` and `"Name" <…>`.
fn user_part(text: &str) -> &str {
    let text = match (text.rfind('<'), text.rfind('>')) {
        (Some(from), Some(to)) if from < to => &text[from + 1..to],
        _ => text,
    };
    let scheme = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| {
        let head = text.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
    });
    let text = scheme.unwrap_or(text);
    let end = text.find(['@', ';']).unwrap_or(text.len());
    text[..end].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> NumberPlan {
        NumberPlan {
            country: "7".to_owned(),
            trunk: "8".to_owned(),
            international: vec!["810".to_owned(), "00".to_owned()],
            national_digits: 10,
            short_digits_max: 6,
        }
    }

    #[test]
    fn every_notation_of_a_number_is_the_same_number() {
        for text in [
            "+77010000001",
            "77010000001",
            "87010000001",
            "7010000001",
            "0077010000001",
            "81077010000001",
            "+7 (701) 000-00-01",
            "8 701 000 00 01",
            "sip:+77010000001@pbx.invalid;user=phone",
            "tel:+77010000001",
            "\"Someone\" <87010000001>",
        ] {
            assert_eq!(plan().read(text), Party::Full("77010000001".to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_keeps_its_kind() {
        let (full, short, name) = (
            |text: &str| Party::Full(text.to_owned()),
            |text: &str| Party::Short(text.to_owned()),
            |text: &str| Party::Name(text.to_owned()),
        );
        for (text, expected) in [
            ("", Party::Nobody),
            ("Anonymous", Party::Nobody),
            ("+", Party::Nobody),
            ("101", short("101")),
            ("1414", short("1414")),
            ("000000", short("000000")),
            ("BANK", name("bank")),
            ("*72", name("*72")),
            ("+442000000000", full("442000000000")),
            ("00442000000000", full("442000000000")),
            // Eight digits, and no way to tell of what: as they are.
            ("20000000", full("20000000")),
            ("1234567890123456", name("1234567890123456")),
        ] {
            assert_eq!(plan().read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_side_that_is_known_has_a_mask_or_none_and_a_pseudonym() {
        let known = |mask: Option<&str>| {
            Ok(Party::Known { mask: mask.map(str::to_owned), pseudonym: 0xc0_ffee })
        };
        for (mask, pseudonym, expected) in [
            (Some("7701000****"), "0000000000c0ffee", known(Some("7701000****"))),
            (Some("2000****"), "0000000000C0FFEE", known(Some("2000****"))),
            (None, "0000000000c0ffee", known(None)),
            (Some("77010000001"), "0000000000c0ffee", Err(NotKnown::Mask)),
            (Some("77010000****"), "0000000000c0ffee", Err(NotKnown::Mask)),
            (Some("****"), "0000000000c0ffee", known(Some("****"))),
            (Some("7701000"), "0000000000c0ffee", Err(NotKnown::Mask)),
            (Some("7701000****"), "c0ffee", Err(NotKnown::Pseudonym)),
            (Some("7701000****"), "+000000000c0ffee", Err(NotKnown::Pseudonym)),
            (Some("7701000****"), "77010000001", Err(NotKnown::Pseudonym)),
        ] {
            assert_eq!(Party::known(mask, pseudonym), expected, "{mask:?} {pseudonym}");
        }
        let known = Party::known(Some("7701000****"), "0000000000c0ffee").unwrap();
        assert_eq!(known.mask().as_deref(), Some("7701000****"));
        assert_eq!((known.digits(), known.text()), (Some("7701000"), None));
    }

    #[test]
    fn a_mask_never_shows_the_last_four_digits() {
        for (digits, expected) in [
            ("77010000001", "7701000****"),
            ("20000000", "2000****"),
            ("442000000000", "4420000****"),
        ] {
            assert_eq!(Party::Full(digits.to_owned()).mask().as_deref(), Some(expected));
        }
        assert_eq!(Party::Short("1414".to_owned()).mask(), None);
    }
}
