//! What to say of an object that lacks a field of ours: which members it has, and what it looks like.
//!
//! In: the text of a payload that is a dead letter already. Out: words for its detail: the members
//! found and, for an envelope around the event, the setting of the sender that takes it off. Keeps
//! I-6 (boundedness): a bounded number of names is looked at and shown.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dead::visible;
use crate::text::unescaped;

/// So many members are looked at, so many are named, with so many characters each.
const MEMBERS_READ_MAX: usize = 100;
const MEMBERS_NAMED_MAX: usize = 10;
const MEMBER_CHARS_MAX: usize = 30;

const CONNECT: &str = "this is Kafka Connect's envelope of schema and payload; the connector's setting \
                       value.converter.schemas.enable=false takes it off";
const DEBEZIUM: &str = "this is Debezium's envelope of a changed row; the connector's transform \
                        io.debezium.transforms.ExtractNewRecordState takes it off";
const CLOUD_EVENT: &str = "this is a CloudEvent in structured mode; in binary mode, a setting of its \
                           sender, the record's value is the event alone";

/// Names that events have, as others write them: without `_`, in small letters.
const OUR_NAMES: [(&str, &str); 3] =
    [("eventtype", "event_type"), ("region", "region"), ("timestamp", "timestamp")];

/// The member that `intake` writes in place of an event type when it can't make an event of a row. It is no
/// field of an event: where there is an event type, it is ignored like any other unknown member.
const NOT_MAPPED: &str = "not_mapped";

/// The JSON string that says why a row could not be mapped, as it stands there, if the object has one: the
/// last, should there be several.
pub(crate) fn row_not_mapped(object: &str) -> Option<&str> {
    let mut found = Vec::new();
    let all = Collector { found: &mut found, at_most: usize::MAX };
    serde_json::Deserializer::from_str(object).deserialize_map(all).ok();
    let is_it = |(name, value): &(&str, &str)| {
        value.starts_with('"') && unescaped(name).as_deref() == Some(NOT_MAPPED)
    };
    found.into_iter().rfind(is_it).map(|(_, value)| value)
}

/// Describes an object. Empty where it has no members.
pub(crate) fn described(object: &str) -> String {
    let members = members(object);
    if members.is_empty() {
        return "; the object is empty".to_owned();
    }
    let shown = members.iter().take(MEMBERS_NAMED_MAX);
    let mut names: Vec<String> = shown.map(|(name, _)| visible(name, MEMBER_CHARS_MAX)).collect();
    if members.len() > MEMBERS_NAMED_MAX {
        names.push("…".to_owned());
    }
    let mut text = format!("; members found: {}", names.join(", "));
    for hint in envelopes(&members).into_iter().map(str::to_owned).chain(spelling(&members)) {
        text.push_str("; ");
        text.push_str(&hint);
    }
    text
}

/// The envelopes that the object is, the outer one first.
fn envelopes(members: &[(String, &str)]) -> Vec<&'static str> {
    let has = |members: &[(String, &str)], name: &str| members.iter().any(|(n, _)| n == name);
    let is_debezium = |members: &[(String, &str)]| {
        has(members, "op") && (has(members, "after") || has(members, "before"))
    };
    let payload = members.iter().find(|(name, _)| name == "payload");
    let mut found = Vec::new();
    if let (true, Some((_, payload))) = (has(members, "schema"), payload) {
        found.push(CONNECT);
        if is_debezium(&self::members(payload)) {
            found.push(DEBEZIUM);
        }
    }
    if is_debezium(members) {
        found.push(DEBEZIUM);
    }
    if has(members, "specversion") {
        found.push(CLOUD_EVENT);
    }
    found
}

/// A field of ours that is there under another spelling, such as `eventType`.
fn spelling(members: &[(String, &str)]) -> Option<String> {
    members.iter().find_map(|(name, _)| {
        let plain = name.replace(['_', '-'], "").to_lowercase();
        let (_, ours) = OUR_NAMES.iter().find(|(other, _)| *other == plain)?;
        let shown = visible(name, MEMBER_CHARS_MAX);
        (name != ours).then(|| format!("names are compared exactly: {shown} is not {ours}"))
    })
}

/// The first members of an object: their names, without quotes, and their values as they stand.
/// None if the text is no object.
fn members(object: &str) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    // It ends early on purpose once enough have been read; what was read counts.
    let first = Collector { found: &mut found, at_most: MEMBERS_READ_MAX };
    serde_json::Deserializer::from_str(object).deserialize_map(first).ok();
    found.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

struct Collector<'f, 'a> {
    found: &'f mut Vec<(&'a str, &'a str)>,
    at_most: usize,
}

impl<'a> Visitor<'a> for Collector<'_, 'a> {
    type Value = IgnoredAny;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while let Some((key, value)) = object.next_entry::<&RawValue, &RawValue>()? {
            if self.found.len() == self.at_most {
                return Err(A::Error::custom("enough"));
            }
            let key = key.get();
            let name = key.get(1..key.len() - 1).unwrap_or_default();
            self.found.push((name, value.get()));
        }
        Ok(IgnoredAny)
    }
}
