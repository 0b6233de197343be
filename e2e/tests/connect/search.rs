//! Looks for known numbers in everything that a broker holds: all topics, its own ones too, keys, payloads and headers, what was
//! aborted included.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::Value;

use crate::exchange::BEGINNINGS;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A number in any notation has so many digits; a longer run is a time in microseconds.
const RUN_DIGITS: std::ops::RangeInclusive<usize> = 10..=15;
/// Members that hold what was made in a number's place: digits may stand in them in any order.
const MADE: [&str; 5] =
    ["event_id", "subscriber_id", "counterparty_id", "src_pseudonym", "dst_pseudonym"];

#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Records by topic.
    pub(crate) records: BTreeMap<String, usize>,
    /// Topics with a known number or secret, and in which text.
    pub(crate) leaks: Vec<(String, String)>,
}

/// Searches every topic for the numbers of the first `known` rows and for the secrets.
pub(crate) fn search(bootstrap: &str, known: usize, secrets: &[&str]) -> Result<Found> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "search")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_uncommitted")
        .create()?;
    let metadata = consumer.fetch_metadata(None, REQUEST_TIMEOUT)?;
    let mut found = Found::default();
    // One by one, because an end is told without its topic.
    for topic in metadata.topics() {
        let mut assignment = TopicPartitionList::new();
        let mut unread: BTreeSet<i32> = topic.partitions().iter().map(|one| one.id()).collect();
        for partition in &unread {
            assignment.add_partition_offset(topic.name(), *partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        while !unread.is_empty() {
            match consumer.poll(REQUEST_TIMEOUT).context("the broker does not answer")? {
                Ok(message) => look(&message, known, secrets, &mut found),
                Err(KafkaError::PartitionEOF(partition)) => {
                    unread.remove(&partition);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(found)
}

fn look(message: &BorrowedMessage<'_>, known: usize, secrets: &[&str], found: &mut Found) {
    *found.records.entry(message.topic().to_owned()).or_default() += 1;
    let mut parts: Vec<&[u8]> = [message.key(), message.payload()].into_iter().flatten().collect();
    let headers = message.headers();
    parts.extend(
        headers.into_iter().flat_map(|headers| headers.iter()).filter_map(|header| header.value),
    );
    for part in parts {
        let text = String::from_utf8_lossy(part);
        let has_secret = secrets.iter().any(|secret| text.contains(secret));
        if has_secret || has_number(&text, known) {
            found.leaks.push((message.topic().to_owned(), text.into_owned()));
        }
    }
}

/// Whether a text holds one of the known numbers, in whatever notation.
pub(crate) fn has_number(text: &str, known: usize) -> bool {
    let text = without_made(text);
    let joined: String =
        text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/' | '+')).collect();
    [&text, &joined].into_iter().any(|text| {
        text.split(|c: char| !c.is_ascii_digit())
            .filter(|run| RUN_DIGITS.contains(&run.len()))
            .any(|run| (0..=run.len() - 10).any(|at| is_known(&run[at..at + 10], known)))
    })
}

fn is_known(digits: &str, known: usize) -> bool {
    BEGINNINGS.contains(&&digits[..4]) && digits[4..].parse::<usize>().is_ok_and(|n| n < known)
}

/// The text without pseudonyms and ids, where they have the form of such.
fn without_made(text: &str) -> String {
    let is_made = |text: &str| {
        let hex = text.bytes().filter(u8::is_ascii_hexdigit).count();
        matches!((text.len(), hex), (16, 16) | (36, 32))
    };
    if is_made(text) {
        return String::new();
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(mut members)) => {
            members.retain(|name, value| {
                !(MADE.contains(&name.as_str()) && value.as_str().is_some_and(is_made))
            });
            Value::Object(members).to_string()
        }
        _ => text.to_owned(),
    }
}
