//! The topic: there, or created; or why it can't be used, with the address that is to blame.
//!
//! Keeps I-6: every question ends within what is left of the time that the caller grants, but for the
//! shortest that makes sense, and is asked again until then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use thiserror::Error;

use super::refusal::{LastRefusal, Refusal, silent_provider};
use super::{KafkaArgs, KafkaPropertyError, SentOnTo, heard};
use crate::duration_text;

/// Retention of a topic that we create: 7 days.
const RETENTION_MS: &str = "604800000";
/// One request to the broker waits at most this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks at the brokers' metadata.
const METADATA_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Why the topic can't be used.
#[derive(Debug, Error)]
pub enum TopicError {
    /// No broker answered in time.
    #[error(
        "no Kafka broker answered at {servers} within {}; \
         is it running, and is KAFKA_BOOTSTRAP_SERVERS right?",
        duration_text(*waited)
    )]
    Unreachable {
        /// The addresses tried.
        servers: String,
        /// For how long an answer was waited for.
        waited: Duration,
        /// The client's last word.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// A broker answered, and sent us on to addresses from which no answer came.
    #[error(
        "Kafka at {servers} answers, and sends its clients on to {advertised}, from where no answer has come \
         within {}; does that name resolve here (the broker setting advertised.listeners), and is \
         every broker running?",
        duration_text(*waited)
    )]
    SentElsewhere {
        /// The addresses tried first.
        servers: String,
        /// Those that the brokers say are theirs.
        advertised: String,
        /// For how long an answer was waited for.
        waited: Duration,
        /// The client's last word.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// A broker is there, and one side refuses the other.
    #[error("no connection to Kafka at {servers}: {cause}")]
    Refused {
        /// The addresses tried.
        servers: String,
        /// Who refuses whom, and the way out.
        cause: String,
        /// The client's last word.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// The topic does not exist and could not be created.
    #[error("topic {topic} does not exist at {servers} and could not be created: {reason}")]
    NotCreated {
        /// Kafka's name of the topic.
        topic: String,
        /// The addresses tried.
        servers: String,
        /// The broker's reason.
        reason: String,
    },
    /// A setting that the client refuses.
    #[error("the Kafka client refuses its settings; check KAFKA_PROPERTIES")]
    Settings(#[source] rdkafka::error::KafkaError),
    /// KAFKA_PROPERTIES itself is wrong.
    #[error(transparent)]
    Properties(#[from] KafkaPropertyError),
}

/// Asks for metadata, and logs nothing above DEBUG.
#[derive(Debug, Default)]
struct Asking {
    sent_on_to: SentOnTo,
    refusal: LastRefusal,
}

impl Asking {
    fn hear(&self, line: &str) {
        self.sent_on_to.hear(line);
        self.refusal.hear(line);
    }
}

impl ConsumerContext for Asking {}

impl ClientContext for Asking {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        self.hear(message);
        tracing::debug!(%facility, said = %message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.hear(reason);
        tracing::debug!(%error, %reason, "Kafka");
    }
}

/// The topic as the brokers showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTopic {
    /// The ids of its partitions, ascending.
    pub partitions: Vec<i32>,
    /// Where the brokers say that they are: HOST:PORT, joined by commas.
    pub advertised: String,
}

/// Waits up to `wait` for a broker, then makes sure that the topic exists.
///
/// A topic that has to be created gets LogAppendTime, so that the future guard is repeatable (I-3)
/// and a backfill is not deleted at once by time retention.
///
/// # Errors
/// [`TopicError`], which names the address, the topic and the way out.
pub async fn ensure_topic(args: &KafkaArgs, wait: Duration) -> Result<FoundTopic, TopicError> {
    let client: BaseConsumer<Asking> = args
        .client_config()?
        .set_log_level(RDKafkaLogLevel::Warning)
        .create_with_context(Asking::default())
        .map_err(TopicError::Settings)?;
    let client = Arc::new(client);
    let deadline = Instant::now() + wait;
    loop {
        let metadata = match metadata(&client, deadline).await {
            Ok(metadata) => metadata,
            // The client may ask where it was sent on to, instead of where it had its first answer.
            Err(error) => {
                let asking = client.context();
                let advertised = heard(&client, &asking.sent_on_to);
                return Err(match asking.refusal.get() {
                    Some(refusal) => args.refused(&refusal, error),
                    None => args.unanswered(advertised.as_deref(), wait, error),
                });
            }
        };
        let (partitions, advertised) =
            (partitions_of(&metadata, &args.kafka_topic), advertised(&metadata));
        if !partitions.is_empty() {
            return Ok(FoundTopic { partitions, advertised });
        }
        let is_over = Instant::now() >= deadline;
        match create_topic(args, patience(deadline)).await {
            Ok(()) if is_over => {
                return Err(args.not_created("created, but no broker shows it yet".to_owned()));
            }
            Ok(()) => {}
            Err(error) if is_silence(&error) && is_over => {
                return Err(args.unanswered(Some(&advertised), wait, error));
            }
            Err(error) if passes(&error) && !is_over => {
                tracing::debug!(%error, "the topic is not created yet");
            }
            Err(error) => return Err(args.not_created(reason(&error))),
        }
        tokio::time::sleep(METADATA_RETRY_PAUSE).await;
    }
}

/// How long a question may take that is asked before `deadline`.
fn patience(deadline: Instant) -> Duration {
    let time_left = deadline.saturating_duration_since(Instant::now());
    time_left.clamp(METADATA_RETRY_PAUSE, REQUEST_TIMEOUT)
}

/// What the brokers say of themselves and their topics.
async fn metadata(
    client: &Arc<BaseConsumer<Asking>>,
    deadline: Instant,
) -> Result<Metadata, KafkaError> {
    loop {
        let (asking, patience) = (Arc::clone(client), patience(deadline));
        // Asking for all topics, not for ours, does not auto-create it with the broker's defaults.
        // The request blocks, so it runs on a thread of its own.
        let asked = tokio::task::spawn_blocking(move || asking.fetch_metadata(None, patience))
            .await
            .expect("a metadata request does not panic");
        match asked {
            Ok(metadata) => return Ok(metadata),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(error) => tracing::debug!(%error, "no broker yet"),
        }
        tokio::time::sleep(METADATA_RETRY_PAUSE).await;
    }
}

/// The topic's partitions; empty when there is no such topic.
fn partitions_of(metadata: &Metadata, topic: &str) -> Vec<i32> {
    let found = metadata.topics().iter().filter(|found| found.name() == topic);
    let mut ids: Vec<i32> =
        found.flat_map(|found| found.partitions().iter().map(|partition| partition.id())).collect();
    ids.sort_unstable();
    ids
}

async fn create_topic(args: &KafkaArgs, patience: Duration) -> Result<(), KafkaError> {
    let config = args.client_config().expect("a client was made from it before");
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let replication = TopicReplication::Fixed(args.topic_replication);
    let topic = NewTopic::new(&args.kafka_topic, args.topic_partitions, replication)
        .set("retention.ms", RETENTION_MS)
        .set("message.timestamp.type", "LogAppendTime");
    let options =
        AdminOptions::new().request_timeout(Some(patience)).operation_timeout(Some(patience));
    for result in admin.create_topics([&topic], &options).await? {
        match result {
            Ok(_) => tracing::info!(
                topic = args.kafka_topic,
                partitions = args.topic_partitions,
                "created the topic"
            ),
            // Somebody else was quicker.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code)),
        }
    }
    Ok(())
}

/// The code in it, also in one that a broker gave for one topic.
fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

/// The broker's own word where it has one.
fn reason(error: &KafkaError) -> String {
    code_of(error).map_or_else(|| error.to_string(), |code| code.to_string())
}

/// Whether no answer came at all: from the address at which a broker says that it is, if others did.
fn is_silence(error: &KafkaError) -> bool {
    matches!(
        code_of(error),
        Some(
            RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Resolve
        )
    )
}

/// Whether asking again can help: the broker is slow, or another one is about to take over.
fn passes(error: &KafkaError) -> bool {
    is_silence(error)
        || matches!(
            code_of(error),
            Some(
                RDKafkaErrorCode::RequestTimedOut
                    | RDKafkaErrorCode::NotController
                    | RDKafkaErrorCode::LeaderNotAvailable
                    | RDKafkaErrorCode::NetworkException
            )
        )
}

impl KafkaArgs {
    /// What to say when `error` is all that came of a question to a broker at an `advertised` address;
    /// `None`: it says enough itself.
    pub fn silence(
        &self,
        advertised: &str,
        waited: Duration,
        error: &KafkaError,
    ) -> Option<TopicError> {
        is_silence(error).then(|| self.unanswered(Some(advertised), waited, error.clone()))
    }

    fn unanswered(
        &self,
        advertised: Option<&str>,
        waited: Duration,
        source: KafkaError,
    ) -> TopicError {
        let (servers, advertised) =
            (self.kafka_bootstrap_servers.clone(), advertised.map(str::to_owned));
        let config = self.client_config().expect("a client was made from it before");
        if let Some(cause) = silent_provider(&config) {
            return TopicError::Refused { servers, cause, source };
        }
        match advertised {
            Some(advertised) => TopicError::SentElsewhere { servers, advertised, waited, source },
            None => TopicError::Unreachable { servers, waited, source },
        }
    }

    fn refused(&self, refusal: &Refusal, source: KafkaError) -> TopicError {
        let config = self.client_config().expect("a client was made from it before");
        let servers = self.kafka_bootstrap_servers.clone();
        TopicError::Refused { servers, cause: refusal.explained(&config), source }
    }

    fn not_created(&self, mut reason: String) -> TopicError {
        // Who may not see a topic is told that there is none.
        if reason.contains("TopicAuthorizationFailed") {
            reason.push_str("; or it is there, and the right to DESCRIBE it is missing");
        }
        TopicError::NotCreated {
            topic: self.kafka_topic.clone(),
            servers: self.kafka_bootstrap_servers.clone(),
            reason,
        }
    }
}

/// Where the brokers say that they are: HOST:PORT, joined by commas.
fn advertised(metadata: &Metadata) -> String {
    let addresses = metadata.brokers().iter();
    addresses.map(|at| format!("{}:{}", at.host(), at.port())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creating_the_topic_is_tried_again_where_that_can_help() {
        use RDKafkaErrorCode::*;
        for (code, expected) in [
            // The broker was slow: it may even have been created.
            (RequestTimedOut, true),
            (OperationTimedOut, true),
            (BrokerTransportFailure, true),
            (NotController, true),
            (InvalidReplicationFactor, false),
            (PolicyViolation, false),
            (TopicAuthorizationFailed, false),
        ] {
            assert_eq!(passes(&KafkaError::AdminOp(code)), expected, "{code:?}");
        }
    }
}
