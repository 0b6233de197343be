//! How the programs reach Kafka: addresses, extra librdkafka settings, and the topic itself.

mod properties;
mod refusal;
mod sent_on;
mod topic;

use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

pub use self::properties::KafkaPropertyError;
pub use self::sent_on::{SentOnTo, heard};
pub use self::topic::{FoundTopic, TopicError, ensure_topic};
use crate::Secret;

/// Partitions of a topic that we create.
const PARTITIONS_DEFAULT: i32 = 3;
/// Replication factor of a topic that we create.
const REPLICATION_DEFAULT: i32 = 1;
/// The brokers, the topic, and the client's settings.
#[derive(Args, Clone, Debug)]
pub struct KafkaArgs {
    /// Kafka brokers, as HOST:PORT[,HOST:PORT…]
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", default_value = "localhost:9092")]
    pub kafka_bootstrap_servers: String,
    /// The topic of events
    #[arg(long, env = "KAFKA_TOPIC", default_value = "telecom_events")]
    pub kafka_topic: String,
    /// Extra librdkafka settings (for SASL and TLS), as KEY=VALUE[,KEY=VALUE…], as a JSON object, or @FILE
    #[arg(long, env = "KAFKA_PROPERTIES", hide_env_values = true, default_value = "")]
    pub kafka_properties: Secret,
    /// Partitions, should the topic have to be created
    #[arg(long, default_value_t = PARTITIONS_DEFAULT, value_parser = clap::value_parser!(i32).range(1..))]
    pub topic_partitions: i32,
    /// Replication factor, should the topic have to be created
    #[arg(long, default_value_t = REPLICATION_DEFAULT, value_parser = clap::value_parser!(i32).range(1..))]
    pub topic_replication: i32,
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
        for (key, value) in properties::parse(self.kafka_properties.expose())? {
            config.set(key, value);
        }
        // Found here, because a client that is made from it would show the value in its error.
        if let Err(KafkaError::ClientConfig(_, _, key, _)) = config.create_native_config() {
            return Err(KafkaPropertyError::refused(key));
        }
        if !properties::has_tokens(&config) {
            return Err(KafkaPropertyError::NoTokens);
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

/// A request about a transaction that may be repeated is repeated at most this often.
const ATTEMPTS_MAX: usize = 5;

/// Makes a request about a Kafka transaction, and repeats it while Kafka says that it may be repeated: at most
/// 5 times in all, each as long as the request itself waits.
///
/// # Errors
/// The last one.
pub fn repeated(attempt: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    for _ in 1..ATTEMPTS_MAX {
        match attempt() {
            Err(KafkaError::Transaction(error)) if error.is_retriable() => {
                tracing::debug!(%error, "Kafka; once more");
            }
            answered => return answered,
        }
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(properties: &str) -> KafkaArgs {
        KafkaArgs {
            kafka_bootstrap_servers: "localhost:9092".to_owned(),
            kafka_topic: "events".to_owned(),
            kafka_properties: properties.into(),
            topic_partitions: 1,
            topic_replication: 1,
        }
    }

    #[test]
    fn an_unknown_property_is_named_without_its_value() {
        for property in ["sasl.passwort=hunter2", "security.protocol=hunter2"] {
            let (key, _) = property.split_once('=').unwrap();
            let error = args(property).client_config().unwrap_err();
            assert_eq!(error, KafkaPropertyError::Unknown(key.to_owned()));
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn oauthbearer_needs_a_source_of_tokens() {
        for properties in ["sasl.mechanisms=OAUTHBEARER", "sasl.mechanism=oauthbearer"] {
            let error = args(properties).client_config().unwrap_err();
            assert_eq!(error, KafkaPropertyError::NoTokens, "{properties}");
            let with_trial = format!("{properties},enable.sasl.oauthbearer.unsecure.jwt=true");
            args(&with_trial).client_config().unwrap();
        }
        args("sasl.mechanisms=PLAIN").client_config().unwrap();
        let provider = "sasl.mechanisms=OAUTHBEARER,sasl.oauthbearer.method=oidc";
        let found = args(provider).client_config();
        if cfg!(feature = "oidc") {
            found.unwrap();
        } else {
            let key = "sasl.oauthbearer.method".to_owned();
            assert_eq!(found.unwrap_err(), KafkaPropertyError::NoProvider(key));
        }
    }
}
