//! Why a row is no event: the code by which it is counted, and a sentence. No digit of a number is in it.

use crate::mask::masked;

/// Most characters of a value that a sentence shows.
const SHOWN_CHARS_MAX: usize = 60;

/// A row that can't be mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A code to count by, like `time_does_not_exist`.
    pub code: &'static str,
    /// What was found and what was expected; every long run of digits is masked.
    pub detail: String,
}

impl Fault {
    /// `what` is `value`, and `expected` was expected.
    pub(crate) fn unexpected(code: &'static str, what: &str, value: &str, expected: &str) -> Fault {
        let value = event_model::visible(&masked(value), SHOWN_CHARS_MAX);
        Fault { code, detail: format!("{what} is \"{value}\", expected {expected}") }
    }

    /// A sentence that shows no value.
    pub(crate) fn plain(code: &'static str, detail: impl Into<String>) -> Fault {
        Fault { code, detail: detail.into() }
    }
}
