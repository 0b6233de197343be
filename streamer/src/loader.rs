//! Reads the stored rows and the log's ends of partitions that were just assigned, or whose row
//! turned out to be another; looks into logs that are in doubt; carries permissions out.
//!
//! It blocks the worker's own thread, with short timeouts: until a position is known there is
//! nothing to read. Loading on another thread would race with the next rebalance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log_reader::{QUERY_TIMEOUT, Queries, Rounds};
use program::{Secret, ThreadExecutor};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use store::{FirstContact, Session, StoreError, StoredPartition, WriterIdentity, connect};
use windowing::{Examination, Fingerprint, GapPlan, LogEnds, Position, Progress};

/// All of the database's part of a load. The connection is dropped when it takes longer.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Loads partitions for one worker.
pub(crate) struct Loader {
    pub(crate) queries: Arc<Queries>,
    pub(crate) kafka: ClientConfig,
    pub(crate) database_url: Secret,
    pub(crate) identity: WriterIdentity,
    pub(crate) start: FirstContact,
    /// An operator has said that a topic which is new is no copy of another.
    pub(crate) is_no_copy: bool,
    pub(crate) executor: ThreadExecutor,
    pub(crate) rounds: Rounds,
}

impl Loader {
    /// The rows and log ends of these partitions, without those of which no broker tells the ends, or for
    /// which no row can be made: they keep nobody else from being read.
    pub(crate) fn load(
        &mut self,
        partitions: &[i32],
    ) -> anyhow::Result<Vec<(StoredPartition, LogEnds)>> {
        let mut rows = self.read_rows(partitions)?;
        if rows.len() < partitions.len() {
            match self.make_rows() {
                Ok(()) => rows = self.read_rows(partitions)?,
                Err(error) if rows.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(error = %format!("{error:#}"), "new partitions have no row yet");
                }
            }
        }
        let has_row = |partition: &&i32| rows.iter().any(|row| row.partition == **partition);
        let lacking: Vec<&i32> = partitions.iter().filter(|id| !has_row(id)).collect();
        if !lacking.is_empty() {
            let topic = &self.identity.topic;
            if rows.is_empty() {
                anyhow::bail!(
                    "stream_progress or settings lack rows for partitions {lacking:?} of {topic}"
                );
            }
            tracing::warn!(%topic, partitions = ?lacking, "stream_progress or settings lack rows for partitions");
        }
        let (queries, topic) = (&self.queries, &self.identity.topic);
        let asked = rows.iter().map(|row| row.partition);
        let ends: BTreeMap<i32, LogEnds> = self
            .rounds
            .ask(asked, |partition| {
                let asked = queries.log_ends(topic, partition, QUERY_TIMEOUT);
                let say = |error: &KafkaError| {
                    tracing::warn!(partition, %error, "the ends of its log are not known");
                };
                asked.inspect_err(say).ok()
            })
            .into_iter()
            .collect();
        // Asked after the ends: they are of the cluster that was met at start, too.
        if let Some(now) = self.queries.cluster_id_before(Instant::now())
            && Some(&now) != self.identity.cluster_id.as_ref()
        {
            return Err(self.cluster_changed(now).into());
        }
        let with_ends = |row: StoredPartition| ends.get(&row.partition).map(|ends| (row, *ends));
        Ok(rows.into_iter().filter_map(with_ends).collect())
    }

    fn read_rows(&self, partitions: &[i32]) -> anyhow::Result<Vec<StoredPartition>> {
        self.in_database(async |connection| {
            store::load_progress(connection, &self.identity.topic, partitions).await
        })
    }

    /// Partitions that were added to the topic have no row yet; those that it has no more are
    /// nobody's to halt.
    fn make_rows(&self) -> anyhow::Result<()> {
        let topic = &self.identity.topic;
        let all = self.queries.partitions(topic)?;
        let ends = first_positions(&self.queries.all_log_ends(topic, &all)?);
        self.in_database(async |connection| {
            let cluster_id = self.identity.cluster_id.as_deref();
            let named = (topic.as_str(), cluster_id);
            store::ensure_partitions(connection, named, &ends, self.start, self.is_no_copy).await
        })
    }

    /// The rows turned out to be of that cluster, and not of the one that is read.
    pub(crate) fn other_cluster(&self, theirs: String) -> StoreError {
        let WriterIdentity { topic, cluster_id, .. } = &self.identity;
        let ours = cluster_id.clone().unwrap_or_default();
        StoreError::OtherCluster { topic: topic.clone(), ours, theirs }
    }

    /// The brokers turned out to be of that cluster, and not of the one that was met at start.
    pub(crate) fn cluster_changed(&self, ours: String) -> StoreError {
        let WriterIdentity { topic, cluster_id, .. } = &self.identity;
        let theirs = cluster_id.clone().unwrap_or_default();
        StoreError::OtherCluster { topic: topic.clone(), ours, theirs }
    }

    /// Looks at what stands where the first record of this generation was.
    pub(crate) fn examine(
        &self,
        partition: i32,
        origin: Option<Fingerprint>,
    ) -> anyhow::Result<Examination> {
        let topic = &self.identity.topic;
        let ends = self.queries.log_ends(topic, partition, QUERY_TIMEOUT)?;
        Ok(Examination {
            origin: log_reader::look_at(&self.kafka, topic, partition, origin, &ends)?,
            is_compacted: self.executor.block_on(log_reader::is_compacted(&self.kafka, topic))?,
            ends,
        })
    }

    /// Carries a permission out. `false`: the row was another by then.
    pub(crate) fn accept_gap(
        &self,
        partition: i32,
        stored: &Progress,
        plan: &GapPlan,
    ) -> anyhow::Result<bool> {
        self.in_database(async |connection| {
            store::carry_out_gap(connection, &self.identity, partition, stored, plan).await
        })
    }

    /// Runs one piece of work on a connection of its own, within [`LOAD_TIMEOUT`].
    fn in_database<T>(
        &self,
        work: impl AsyncFnOnce(&mut store::PgConnection) -> Result<T, StoreError>,
    ) -> anyhow::Result<T> {
        let working = async {
            let mut connection = connect(self.database_url.expose(), Session::Control).await?;
            work(&mut connection).await
        };
        Ok(self
            .executor
            .block_on(async { tokio::time::timeout(LOAD_TIMEOUT, working).await })??)
    }
}

/// Where a partition that has no row yet may begin: (partition, at the earliest, at the latest). What an
/// open transaction holds back is still to come.
pub(crate) fn first_positions(ends: &[(i32, LogEnds)]) -> Vec<(i32, Position, Position)> {
    ends.iter().map(|(partition, ends)| (*partition, ends.low, ends.stable)).collect()
}
