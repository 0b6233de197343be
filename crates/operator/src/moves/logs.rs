//! One side of a move: a topic of one cluster.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use log_reader::{QUERY_TIMEOUT, Queries, Stretches, UNNAMED_CLUSTER, is_stamped_by_broker};
use program::KafkaArgs;
use rdkafka::ClientConfig;
use tokio::task::spawn_blocking;
use windowing::LogEnds;

/// Pause between two looks whether the topic can be read.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A topic that is there.
pub(super) struct Side {
    config: ClientConfig,
    servers: String,
    topic: String,
    queries: Queries,
    /// Its records.
    pub(super) stretches: Stretches,
    /// The cluster's id.
    pub(super) cluster_id: String,
    /// Kafka's numbers, ascending.
    pub(super) partitions: Vec<i32>,
}

impl Side {
    /// Asks for the topic until it answers, for as long as `wait` says.
    pub(super) async fn open(kafka: &KafkaArgs, wait: Duration) -> anyhow::Result<Self> {
        let (config, args) = (kafka.client_config()?, kafka.clone());
        spawn_blocking(move || Side::open_within(config, &args, wait))
            .await
            .context("asking for a topic")?
    }

    fn open_within(
        config: ClientConfig,
        kafka: &KafkaArgs,
        wait: Duration,
    ) -> anyhow::Result<Self> {
        let (servers, topic) = (kafka.kafka_bootstrap_servers.clone(), kafka.kafka_topic.clone());
        let queries = Queries::new(&config)?;
        let deadline = Instant::now() + wait;
        let metadata = loop {
            match queries.metadata(QUERY_TIMEOUT) {
                Ok(metadata) => break metadata,
                Err(_) if Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN),
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!("Kafka at {servers} does not say which topics it has")
                    });
                }
            }
        };
        let found = metadata.topics().iter().filter(|found| found.name() == topic);
        let mut partitions: Vec<i32> =
            found.flat_map(|found| found.partitions().iter().map(|one| one.id())).collect();
        partitions.sort_unstable();
        ensure!(!partitions.is_empty(), "there is no topic {topic} at {servers}");
        let told = queries.cluster_id_before(deadline);
        let cluster_id = told.unwrap_or_else(|| UNNAMED_CLUSTER.to_owned());
        let stretches = Stretches::new(&config, &topic)?;
        Ok(Side { config, servers, topic, queries, stretches, cluster_id, partitions })
    }

    /// A copy whose records have the times of their copying can't be compared, and its events could be taken for late.
    pub(super) async fn expect_the_times_of_the_original(&self) -> anyhow::Result<()> {
        let is_stamped = is_stamped_by_broker(&self.config, &self.topic).await?;
        ensure!(
            !is_stamped,
            "topic {} at {} has message.timestamp.type=LogAppendTime: its records have the times at which they were copied, \
             and nothing tells which of them were counted",
            self.topic,
            self.servers
        );
        Ok(())
    }

    /// The ends of all partitions' logs; each question waits so long.
    pub(super) fn all_ends(&self, patience: Duration) -> anyhow::Result<Vec<(i32, LogEnds)>> {
        self.queries.all_log_ends_within(&self.topic, &self.partitions, || patience).with_context(
            || format!("the ends of {} at {} are not known", self.topic, self.servers),
        )
    }

    /// The ends of one partition's log.
    pub(super) fn ends(&self, partition: i32) -> anyhow::Result<LogEnds> {
        self.queries.log_ends(&self.topic, partition, QUERY_TIMEOUT).with_context(|| {
            format!("the ends of {} at {} are not known", self.topic, self.servers)
        })
    }
}
