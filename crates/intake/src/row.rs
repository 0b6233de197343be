//! One row: its values by the columns that a mapping speaks of.

use std::borrow::Cow;

use serde_json::Value;

use crate::fault::Fault;
use crate::mapping::{Column, InputRules, Mapping};
use crate::mask::{masked, masked_whole};

/// Most characters of a row that a dead letter keeps.
const KEPT_CHARS_MAX: usize = 4_096;

/// Where the mapping's columns stand in the rows of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The field of each of the mapping's columns; `None`: rows of this source have none.
    places: Vec<Option<usize>>,
    /// How many fields a row has at least, and at most.
    fields: (usize, usize),
}

impl Places {
    /// Where columns stand in a source with these columns.
    ///
    /// # Errors
    /// A column that the mapping speaks of is not there.
    pub(crate) fn of_names(
        mapping: &Mapping,
        names: &[String],
        optional: usize,
    ) -> Result<Places, String> {
        let find = |column: &String| names.iter().position(|name| name == column);
        let places: Vec<Option<usize>> = mapping.columns.iter().map(find).collect();
        match mapping.columns.iter().zip(&places).find(|(_, place)| place.is_none()) {
            None => Ok(Places { places, fields: (names.len() - optional, names.len()) }),
            Some((column, _)) => Err(format!(
                "it has no column \"{column}\", of which mapping {} speaks; its columns are: {}",
                mapping.name,
                event_model::visible(&masked(&names.join(", ")), 300)
            )),
        }
    }

    /// Any number of fields, none of which is a column: for a header.
    pub(crate) fn any() -> Places {
        Places { places: Vec::new(), fields: (0, usize::MAX) }
    }

    /// JSON names its columns itself.
    pub(crate) fn of_json() -> Places {
        Places { places: Vec::new(), fields: (0, 0) }
    }

    /// Whether a row may have so many fields.
    pub(crate) fn allows(&self, fields: usize) -> bool {
        (self.fields.0..=self.fields.1).contains(&fields)
    }

    pub(crate) fn expected_fields(&self) -> String {
        let (least, most) = self.fields;
        if least == most { format!("{least}") } else { format!("{least} to {most}") }
    }
}

/// One row of a source.
#[derive(Clone, Debug)]
pub enum Row<'a> {
    /// Fields one after the other, and where each ends.
    Csv {
        /// All fields, without anything between them.
        text: &'a str,
        /// Where each field ends.
        ends: &'a [usize],
        /// Where the columns are.
        places: &'a Places,
    },
    /// A JSON object.
    Json(Value),
}

impl Row<'_> {
    /// The value of a column; `None`: it is absent, null or empty.
    pub(crate) fn value(&self, column: Column, mapping: &Mapping) -> Option<Cow<'_, str>> {
        let value = match self {
            Row::Csv { ends, places, .. } => {
                let field = places.places.get(column).copied().flatten()?;
                Cow::Borrowed(self.field(field).filter(|_| field < ends.len())?)
            }
            Row::Json(object) => json_text(at(object, &mapping.columns[column])?)?,
        };
        present(value, &mapping.input)
    }

    fn field(&self, index: usize) -> Option<&str> {
        let Row::Csv { text, ends, .. } = self else { return None };
        let from = if index == 0 { 0 } else { *ends.get(index - 1)? };
        text.get(from..*ends.get(index)?)
    }

    /// All values, in order, for the id of the row.
    pub(crate) fn all_values(&self) -> Vec<Cow<'_, [u8]>> {
        match self {
            Row::Csv { ends, .. } => (0..ends.len())
                .map(|index| Cow::Borrowed(self.field(index).unwrap_or_default().as_bytes()))
                .collect(),
            // Members are sorted by name, so spaces and the order of members make no difference.
            Row::Json(object) => vec![Cow::Owned(object.to_string().into_bytes())],
        }
    }

    /// The row as a dead letter keeps it: no number can be read from it.
    pub(crate) fn kept(&self, mapping: &Mapping) -> String {
        let text = match self {
            Row::Csv { ends, places, .. } => {
                let is_number = |field: usize| {
                    mapping
                        .number_columns
                        .iter()
                        .any(|column| places.places.get(*column) == Some(&Some(field)))
                };
                let shown = (0..ends.len()).map(|field| {
                    let value = self.field(field).unwrap_or_default();
                    if is_number(field) { masked_whole(value) } else { masked(value) }
                });
                shown.collect::<Vec<String>>().join(",")
            }
            Row::Json(object) => {
                let mut object = object.clone();
                for column in &mapping.number_columns {
                    hide(&mut object, &mapping.columns[*column]);
                }
                masked(&object.to_string())
            }
        };
        event_model::visible(&text, KEPT_CHARS_MAX)
    }
}

/// A value that means something.
fn present<'a>(value: Cow<'a, str>, input: &InputRules) -> Option<Cow<'a, str>> {
    let value = if input.percent_encoded && value.contains('%') {
        Cow::Owned(percent_decoded(&value))
    } else {
        value
    };
    let trimmed = match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    let is_empty = input.empty.iter().any(|empty| *empty == trimmed);
    (!is_empty).then_some(trimmed)
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The member at a path such as `callflow.0.caller_profile.destination_number`. A member whose own name has dots comes
/// first.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(path).or_else(|| {
            let (head, rest) = path.split_once('.')?;
            at(members.get(head)?, rest)
        }),
        Value::Array(items) => {
            let (head, rest) = path.split_once('.').unwrap_or((path, ""));
            let item = items.get(head.parse::<usize>().ok()?)?;
            if rest.is_empty() { Some(item) } else { at(item, rest) }
        }
        _ => None,
    }
}

/// Masks all digits of the member at a path.
fn hide(value: &mut Value, path: &str) {
    let member = match value {
        Value::Object(members) if members.contains_key(path) => members.get_mut(path),
        Value::Object(members) => {
            let Some((head, rest)) = path.split_once('.') else { return };
            return members.get_mut(head).into_iter().for_each(|member| hide(member, rest));
        }
        Value::Array(items) => {
            let (head, rest) = path.split_once('.').unwrap_or((path, ""));
            let item = head.parse::<usize>().ok().and_then(|index| items.get_mut(index));
            return item.into_iter().for_each(|item| hide(item, rest));
        }
        _ => return,
    };
    if let Some(member) = member
        && let Some(text) = json_text(member)
    {
        *member = Value::String(masked_whole(&text));
    }
}

/// A scalar as text.
fn json_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Reads a JSON record, and goes down to its root.
pub(crate) fn json_row(text: &[u8], input: &InputRules) -> Result<Row<'static>, Fault> {
    let mut value: Value = serde_json::from_slice(text).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        Fault::plain("not_json", format!("the row is not JSON: it fails at {place}"))
    })?;
    for member in &input.root {
        value = match value.get_mut(member) {
            Some(inner) => inner.take(),
            None => {
                let detail =
                    format!("the record has no member {}, of input.root", input.root.join("."));
                return Err(Fault::plain("not_json", detail));
            }
        };
    }
    if value.is_object() {
        return Ok(Row::Json(value));
    }
    Err(Fault::plain("not_json", "the record is no JSON object"))
}
