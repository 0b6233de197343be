//! How the programs reach Kafka: addresses, extra librdkafka settings, and the topic itself.

mod sent_on;
mod topic;

use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

pub use self::sent_on::{SentOnTo, heard};
pub use self::topic::{FoundTopic, TopicError, ensure_topic};
use crate::Secret;

/// Partitions of a topic that we create.
const PARTITIONS_DEFAULT: i32 = 3;
/// Replication factor of a topic that we create.
const REPLICATION_DEFAULT: i32 = 1;
/// librdkafka settings on which an invariant rests; KAFKA_PROPERTIES may not touch them.
const RESERVED_PROPERTIES: [(&str, &str); 10] = [
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
const ALIASES: [(&str, &str); 5] = [
    ("metadata.broker.list", "bootstrap.servers"),
    ("auto.commit.enable", "enable.auto.commit"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("delivery.timeout.ms", "message.timeout.ms"),
];

/// Where Kafka is.
#[derive(Args, Clone, Debug)]
pub struct KafkaArgs {
    /// Kafka brokers, as HOST:PORT[,HOST:PORT…]
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", default_value = "localhost:9092")]
    pub kafka_bootstrap_servers: String,
    /// The topic of events
    #[arg(long, env = "KAFKA_TOPIC", default_value = "telecom_events")]
    pub kafka_topic: String,
    /// Extra librdkafka settings, as KEY=VALUE[,KEY=VALUE…] (for SASL and TLS)
    #[arg(long, env = "KAFKA_PROPERTIES", hide_env_values = true, default_value = "")]
    pub kafka_properties: Secret,
    /// Partitions, should the topic have to be created
    #[arg(long, default_value_t = PARTITIONS_DEFAULT, value_parser = clap::value_parser!(i32).range(1..))]
    pub topic_partitions: i32,
    /// Replication factor, should the topic have to be created
    #[arg(long, default_value_t = REPLICATION_DEFAULT, value_parser = clap::value_parser!(i32).range(1..))]
    pub topic_replication: i32,
}

/// A KAFKA_PROPERTIES that can't be used. Names the key, never the value: it may be a secret.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KafkaPropertyError {
    /// An item without `=`.
    #[error("KAFKA_PROPERTIES: item {0} has no `=`; write KEY=VALUE,KEY=VALUE")]
    NoEquals(usize),
    /// A setting on which an invariant rests.
    #[error("KAFKA_PROPERTIES: `{key}` can't be set here: {reason}")]
    Reserved {
        /// The setting.
        key: String,
        /// Why, or what to use instead.
        reason: &'static str,
    },
    /// A setting, or its value, that the Kafka client does not know.
    #[error("KAFKA_PROPERTIES: the Kafka client knows no `{0}`, or not with this value")]
    Unknown(String),
}

impl KafkaArgs {
    /// The client settings that every client of this project starts from.
    ///
    /// # Errors
    /// [`KafkaPropertyError`] when KAFKA_PROPERTIES is malformed, or names a setting that is reserved
    /// or unknown.
    pub fn client_config(&self) -> Result<ClientConfig, KafkaPropertyError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.kafka_bootstrap_servers);
        for (key, value) in parse_properties(self.kafka_properties.expose())? {
            config.set(key, value);
        }
        // Found here, because a client that is made from it would show the value in its error.
        if let Err(KafkaError::ClientConfig(_, _, key, _)) = config.create_native_config() {
            return Err(KafkaPropertyError::Unknown(key));
        }
        Ok(config)
    }
}

/// What to do when a broker does not take a record, to be said behind the error; empty: nothing is known.
///
/// A broker's limit is one of batches, which a client fills with records without asking for it.
pub fn delivery_remedy(error: &KafkaError) -> &'static str {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            "; give batch.size in KAFKA_PROPERTIES a smaller value than max.message.bytes of the topic \
             (message.max.bytes of the broker)"
        }
        _ => "",
    }
}

fn parse_properties(text: &str) -> Result<Vec<(&str, &str)>, KafkaPropertyError> {
    let mut properties = Vec::new();
    for (index, item) in text.split(',').enumerate() {
        if item.trim().is_empty() {
            continue;
        }
        let (key, value) = item.split_once('=').ok_or(KafkaPropertyError::NoEquals(index + 1))?;
        let key = key.trim();
        let key = ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| name);
        if let Some((_, reason)) = RESERVED_PROPERTIES.iter().find(|(reserved, _)| *reserved == key)
        {
            return Err(KafkaPropertyError::Reserved { key: key.to_owned(), reason });
        }
        properties.push((key, value.trim()));
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_pairs_and_reserved_ones_are_refused_by_name() {
        assert_eq!(parse_properties(""), Ok(vec![]));
        assert_eq!(
            parse_properties("sasl.username=me, sasl.password=a=b"),
            Ok(vec![("sasl.username", "me"), ("sasl.password", "a=b")])
        );
        assert_eq!(parse_properties("a=1,oops"), Err(KafkaPropertyError::NoEquals(2)));
        for (reserved, _) in RESERVED_PROPERTIES {
            let error = parse_properties(&format!("{reserved}=x")).unwrap_err();
            assert!(error.to_string().contains(reserved), "{error}");
        }
    }

    #[test]
    fn a_setting_has_one_name_whichever_was_used() {
        assert_eq!(
            parse_properties("delivery.timeout.ms=900000,linger.ms=1"),
            Ok(vec![("message.timeout.ms", "900000"), ("linger.ms", "1")])
        );
        let error = parse_properties("metadata.broker.list=x").unwrap_err();
        assert!(error.to_string().contains("use KAFKA_BOOTSTRAP_SERVERS"), "{error}");
    }

    #[test]
    fn an_unknown_property_is_named_without_its_value() {
        for property in ["sasl.passwort=hunter2", "security.protocol=hunter2"] {
            let args = KafkaArgs {
                kafka_bootstrap_servers: "localhost:9092".to_owned(),
                kafka_topic: "events".to_owned(),
                kafka_properties: property.into(),
                topic_partitions: 1,
                topic_replication: 1,
            };
            let (key, _) = property.split_once('=').unwrap();
            let error = args.client_config().unwrap_err();
            assert_eq!(error, KafkaPropertyError::Unknown(key.to_owned()));
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
