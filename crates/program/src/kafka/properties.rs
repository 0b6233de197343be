//! KAFKA_PROPERTIES: further settings of the Kafka client, in one of three forms.
//!
//! ```text
//!   KEY=VALUE,KEY=VALUE          a value has no comma
//!   {"KEY": "VALUE", …}          JSON: a value may hold anything
//!   @PATH                        a file with one of these two, or with KEY=VALUE lines; # begins a comment
//! ```
//!
//! In: the text. Out: pairs under the client's own names. Errors name the key, never the value: it may be a secret.

use std::borrow::Cow;
use std::fs;

use rdkafka::ClientConfig;
use serde_json::{Map, Value};
use thiserror::Error;

/// librdkafka settings on which an invariant rests; KAFKA_PROPERTIES may not touch them.
const RESERVED: [(&str, &str); 10] = [
    ("bootstrap.servers", "use KAFKA_BOOTSTRAP_SERVERS"),
    ("isolation.level", "it decides which records there are"),
    ("group.id", "use KAFKA_GROUP_ID"),
    ("auto.offset.reset", "positions come from the database"),
    ("enable.auto.commit", "positions come from the database"),
    ("enable.auto.offset.store", "positions come from the database"),
    ("partition.assignment.strategy", "the group is cooperative-sticky"),
    ("group.protocol", "the group uses the classic protocol"),
    ("enable.partition.eof", "being caught up is judged by it"),
    ("group.instance.id", "two members with one id would evict each other"),
];

/// Other names that librdkafka has for settings which are reserved, or have a default of ours: with both
/// names in one configuration either may win.
const ALIASES: [(&str, &str); 6] = [
    ("metadata.broker.list", "bootstrap.servers"),
    ("auto.commit.enable", "enable.auto.commit"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("sasl.mechanism", "sasl.mechanisms"),
];

/// A KAFKA_PROPERTIES that can't be used. Names the key, never the value: it may be a secret.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KafkaPropertyError {
    /// An item without `=`.
    #[error(
        "KAFKA_PROPERTIES: item {0} has no `=`; write KEY=VALUE,KEY=VALUE, or JSON where a value holds a comma"
    )]
    NoEquals(usize),
    /// It begins like JSON.
    #[error(
        "KAFKA_PROPERTIES begins like JSON and is no JSON object (line {line}, column {column})"
    )]
    NotJson {
        /// Where it stops being JSON, from 1.
        line: usize,
        /// From 1; 0 where the line ends too early.
        column: usize,
    },
    /// A JSON value that is no setting's value.
    #[error("KAFKA_PROPERTIES: `{0}` needs a string, a number, true or false")]
    NotAValue(String),
    /// A file that can't be read.
    #[error("KAFKA_PROPERTIES: the file {path} can't be read: {reason}")]
    File {
        /// As it was given.
        path: String,
        /// The operating system's words.
        reason: String,
    },
    /// A setting on which an invariant rests.
    #[error("KAFKA_PROPERTIES: `{key}` can't be set here: {reason}")]
    Reserved {
        /// librdkafka's name of the setting.
        key: String,
        /// Why, or what to use instead.
        reason: &'static str,
    },
    /// A setting, or its value, that the Kafka client does not know.
    #[error("KAFKA_PROPERTIES: the Kafka client knows no `{0}`, or not with this value")]
    Unknown(String),
    /// A setting about an identity provider, which only a build with the feature `oidc` can ask.
    #[error(
        "KAFKA_PROPERTIES: `{0}` is for tokens of an identity provider, and this build can't ask one: use the images, \
         or build with `--features oidc` where libcurl is installed for development"
    )]
    NoProvider(String),
    /// OAUTHBEARER, and nowhere to get a token from.
    #[error(
        "KAFKA_PROPERTIES: with OAUTHBEARER it must say where tokens come from: `sasl.oauthbearer.method` oidc with \
         `sasl.oauthbearer.token.endpoint.url`, or for trials `enable.sasl.oauthbearer.unsecure.jwt` true"
    )]
    NoTokens,
}

impl KafkaPropertyError {
    /// Why the Kafka client does not take a setting.
    pub(super) fn refused(key: String) -> Self {
        let is_providers = key.starts_with("sasl.oauthbearer.") || key.starts_with("https.ca.");
        if is_providers && !cfg!(feature = "oidc") {
            KafkaPropertyError::NoProvider(key)
        } else {
            KafkaPropertyError::Unknown(key)
        }
    }
}

/// Whether there is a source of tokens, if the broker is to be shown one. The client itself would wait for a token for ever.
pub(super) fn has_tokens(config: &ClientConfig) -> bool {
    let is =
        |key: &str, value: &str| config.get(key).is_some_and(|set| set.eq_ignore_ascii_case(value));
    !is("sasl.mechanisms", "OAUTHBEARER")
        || is("enable.sasl.oauthbearer.unsecure.jwt", "true")
        || is("sasl.oauthbearer.method", "oidc")
}

/// The settings in a text of one of the three forms.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, KafkaPropertyError> {
    let text = text.trim();
    let Some(path) = text.strip_prefix('@') else { return parse_items(text, ',') };
    let content = fs::read_to_string(path).map_err(|error| KafkaPropertyError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let lines: Vec<&str> = content.lines().filter(|line| !is_comment(line)).collect();
    parse_items(lines.join("\n").trim(), '\n')
}

/// A JSON object, or items that end with `separator`.
fn parse_items(text: &str, separator: char) -> Result<Vec<(String, String)>, KafkaPropertyError> {
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = if text.starts_with('{') {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            KafkaPropertyError::NotJson { line: error.line(), column: error.column() }
        })?;
        let pairs = object.into_iter().map(|(key, value)| match value {
            Value::String(value) => Ok((key.into(), value.into())),
            Value::Number(value) => Ok((key.into(), value.to_string().into())),
            Value::Bool(value) => Ok((key.into(), value.to_string().into())),
            _ => Err(KafkaPropertyError::NotAValue(key)),
        });
        pairs.collect::<Result<_, _>>()?
    } else {
        let items = text.split(separator).enumerate().filter(|(_, item)| !item.trim().is_empty());
        let pairs = items.map(|(index, item)| {
            let (key, value) =
                item.split_once('=').ok_or(KafkaPropertyError::NoEquals(index + 1))?;
            Ok((key.trim().into(), value.trim().into()))
        });
        pairs.collect::<Result<_, _>>()?
    };
    pairs
        .into_iter()
        .map(|(key, value)| Ok((usable(&key)?.to_owned(), value.into_owned())))
        .collect()
}

/// The client's own name of a setting that may be changed.
fn usable(key: &str) -> Result<&str, KafkaPropertyError> {
    let key = ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| name);
    match RESERVED.iter().find(|(reserved, _)| *reserved == key) {
        None => Ok(key),
        Some((_, reason)) => Err(KafkaPropertyError::Reserved { key: key.to_owned(), reason }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected = expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        assert_eq!(parse(text), Ok(expected.collect()), "{text}");
    }

    #[test]
    fn properties_are_pairs_and_reserved_ones_are_refused_by_name() {
        check("", &[]);
        let login = [("sasl.username", "me"), ("sasl.password", "a=b")];
        check("sasl.username=me, sasl.password=a=b", &login);
        assert_eq!(parse("a=1,oops"), Err(KafkaPropertyError::NoEquals(2)));
        for (reserved, _) in RESERVED {
            for text in [format!("{reserved}=x"), format!("{{\"{reserved}\": \"x\"}}")] {
                let error = parse(&text).unwrap_err();
                assert!(error.to_string().contains(reserved), "{error}");
            }
        }
    }

    #[test]
    fn a_setting_has_one_name_whichever_was_used() {
        let expected = [("message.timeout.ms", "900000"), ("linger.ms", "1")];
        check("delivery.timeout.ms=900000,linger.ms=1", &expected);
        let error = parse("metadata.broker.list=x").unwrap_err();
        assert!(error.to_string().contains("use KAFKA_BOOTSTRAP_SERVERS"), "{error}");
    }

    #[test]
    fn a_value_in_json_may_hold_anything() {
        let json = r#" {"sasl.password": "a,b=c \"d\" ", "linger.ms": 5, "check.crcs": true} "#;
        let mut found = parse(json).unwrap();
        found.sort();
        let expected =
            [("check.crcs", "true"), ("linger.ms", "5"), ("sasl.password", "a,b=c \"d\" ")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        for (wrong, said) in [
            (r#"{"sasl.password": "hunter2""#, "line 1"),
            (r#"{"sasl.password": ["hunter2"]}"#, "`sasl.password` needs a string"),
            ("{sasl.password=hunter2}", "column 2"),
        ] {
            let error = parse(wrong).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(said) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_file_has_lines_or_json() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "# the broker's\nsasl.username=me\n\n  sasl.password = a,b \n").unwrap();
        let path = format!("@{}", file.path().display());
        check(&path, &[("sasl.username", "me"), ("sasl.password", "a,b")]);
        std::fs::write(file.path(), "# a comment\n{\"sasl.password\": \"a,#b\"}\n").unwrap();
        check(&path, &[("sasl.password", "a,#b")]);
        std::fs::write(file.path(), "a=1\noops\n").unwrap();
        assert_eq!(parse(&path), Err(KafkaPropertyError::NoEquals(2)));
        let error = parse("@/nowhere/secret").unwrap_err().to_string();
        assert!(error.contains("/nowhere/secret") && error.contains("No such file"), "{error}");
    }
}
