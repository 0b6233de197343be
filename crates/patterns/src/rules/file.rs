//! The form of a file of rules, before anything is checked but names and kinds of values.

use serde::Deserialize;
use toml::Spanned;

use super::RulesError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesFile {
    pub(super) towers: Option<String>,
    pub(super) utc_offset: Option<Spanned<String>>,
    pub(super) rules: Vec<Spanned<RuleFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    pub(super) name: Spanned<String>,
    pub(super) version: Spanned<i64>,
    pub(super) mode: Spanned<String>,
    pub(super) within: Spanned<String>,
    pub(super) bucket: Option<Spanned<String>>,
    pub(super) conditions: Spanned<Vec<Spanned<ConditionFile>>>,
}

/// A condition of any kind; which keys a kind has is checked afterwards, where a line can be named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionFile {
    pub(super) kind: Spanned<String>,
    pub(super) of: Option<Spanned<String>>,
    #[serde(rename = "where")]
    pub(super) filter: Option<Spanned<FilterFile>>,
    pub(super) part: Option<Spanned<FilterFile>>,
    pub(super) first: Option<Spanned<FilterFile>>,
    pub(super) then: Option<Spanned<FilterFile>>,
    pub(super) at_least: Option<Spanned<f64>>,
    pub(super) at_most: Option<Spanned<f64>>,
    pub(super) min_events: Option<Spanned<i64>>,
    pub(super) min_km: Option<Spanned<f64>>,
    pub(super) same_counterparty: Option<Spanned<bool>>,
    pub(super) span: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterFile {
    pub(super) event_type: Option<Names>,
    pub(super) event_subtype: Option<Names>,
    pub(super) duration_at_least: Option<f64>,
    pub(super) duration_at_most: Option<f64>,
    pub(super) amount_at_least: Option<f64>,
    pub(super) amount_at_most: Option<f64>,
    pub(super) during: Option<HoursFile>,
    pub(super) outside: Option<HoursFile>,
}

/// Hours of some days of the week.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoursFile {
    pub(super) days: Option<Vec<String>>,
    pub(super) hours: Option<[i64; 2]>,
}

/// One name, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(from = "OneOrMany")]
pub(super) struct Names(pub(super) Vec<String>);

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a text, or a list of texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Names {
    fn from(names: OneOrMany) -> Self {
        match names {
            OneOrMany::One(name) => Names(vec![name]),
            OneOrMany::Many(names) => Names(names),
        }
    }
}

/// Reads the form.
pub(super) fn read(text: &str) -> Result<RulesFile, RulesError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        RulesError { line, message: error.message().to_owned() }
    })
}

/// The line of a place in the text, from 1.
pub(super) fn line_of(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
}
