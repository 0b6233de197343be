//! Asks PostgreSQL and Kafka where everything stands. Each gets `--wait` to answer; an error is
//! part of the observation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use log_reader::Queries;
use program::{DatabaseArgs, KafkaArgs, Secret, chain, duration_text};
use store::{Session, connect};
use windowing::Position;

use super::rows::{PipelineStatus, pipeline_status};

/// A question to a broker gets at least this long: with less, the client does not even ask.
const QUESTION_MIN: Duration = Duration::from_millis(10);

/// A topic and one of its partitions.
pub(crate) type PartitionKey = (String, i32);

/// Where one partition's log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogEnds {
    /// The oldest offset kept.
    pub(crate) low: i64,
    /// Where the oldest transaction that is still open begins; none is: `high`.
    pub(crate) stable: i64,
    /// The offset that the next record will get.
    pub(crate) high: i64,
}

/// What both servers said.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    /// What is stored, or why that is not known.
    pub(crate) database: Result<PipelineStatus, String>,
    /// The partitions that the brokers have, or why that is not known. Asked after the database, so
    /// that no position is newer than the end it is compared with.
    pub(crate) kafka: Result<BTreeMap<PartitionKey, LogEnds>, String>,
}

/// Asks, again and again if need be.
pub(crate) struct Observer {
    kafka: KafkaArgs,
    database_url: Secret,
    wait: Duration,
    queries: Result<Arc<Queries>, String>,
}

impl Observer {
    /// An observer that has not asked yet.
    pub(crate) fn new(kafka: &KafkaArgs, database: &DatabaseArgs, wait: Duration) -> Self {
        let queries = || -> anyhow::Result<Queries> {
            Queries::new(&kafka.client_config()?)
                .context("the Kafka client refuses its settings; check KAFKA_PROPERTIES")
        };
        Observer {
            kafka: kafka.clone(),
            database_url: database.database_url.clone(),
            wait,
            queries: queries().map(Arc::new).map_err(|error| chain(&error)),
        }
    }

    /// Asks both servers once.
    pub(crate) async fn observe(&self) -> Observation {
        let database = self.ask_database().await.map_err(|error| chain(&error));
        let mut topics = BTreeSet::from([self.kafka.kafka_topic.clone()]);
        for row in database.iter().flat_map(|status| &status.partitions) {
            topics.insert(row.topic.clone());
        }
        let kafka = self.ask_kafka(topics).await;
        Observation { database, kafka }
    }

    async fn ask_database(&self) -> anyhow::Result<PipelineStatus> {
        let asking = async {
            let mut connection = connect(self.database_url.expose(), Session::Control).await?;
            store::ensure_schema(&mut connection).await?;
            anyhow::Ok(pipeline_status(&mut connection).await?)
        };
        tokio::time::timeout(self.wait, asking).await.with_context(|| {
            format!("PostgreSQL has not answered within {}", duration_text(self.wait))
        })?
    }

    async fn ask_kafka(
        &self,
        topics: BTreeSet<String>,
    ) -> Result<BTreeMap<PartitionKey, LogEnds>, String> {
        let queries = Arc::clone(self.queries.as_ref().map_err(Clone::clone)?);
        let wait = self.wait;
        let asking = Arc::clone(&queries);
        // The client blocks, so it is asked on a thread of its own.
        let asked = tokio::task::spawn_blocking(move || log_ends(&asking, &topics, wait))
            .await
            .expect("questions to a broker do not panic");
        asked.map_err(|error| {
            let mut servers = self.kafka.kafka_bootstrap_servers.clone();
            if let Some(advertised) = queries.sent_on_to() {
                servers.push_str(&format!(", whose brokers say that they are at {advertised},"));
            }
            let wait = duration_text(wait);
            format!("no answer from Kafka at {servers} within {wait}: {}", chain(&error))
        })
    }
}

/// The ends of all partitions of these topics; a topic that does not exist has none. Blocks for
/// about `wait` at most.
fn log_ends(
    queries: &Queries,
    topics: &BTreeSet<String>,
    wait: Duration,
) -> anyhow::Result<BTreeMap<PartitionKey, LogEnds>> {
    let deadline = Instant::now() + wait;
    let time_left = || deadline.saturating_duration_since(Instant::now()).max(QUESTION_MIN);
    let metadata = queries.metadata(time_left())?;
    let mut ends = BTreeMap::new();
    for topic in metadata.topics().iter().filter(|topic| topics.contains(topic.name())) {
        let partitions: Vec<i32> = topic.partitions().iter().map(|found| found.id()).collect();
        let all = queries
            .all_log_ends_within(topic.name(), &partitions, time_left)
            .with_context(|| format!("topic {}", topic.name()))?;
        for (partition, told) in all {
            let [low, stable, high] = [told.low, told.stable, told.high].map(Position::offset);
            ends.insert((topic.name().to_owned(), partition), LogEnds { low, stable, high });
        }
    }
    Ok(ends)
}
