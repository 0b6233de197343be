//! Reads the stored rows and the log's ends of partitions that were just assigned, or whose row
//! turned out to be another.
//!
//! It blocks the worker's own thread, with short timeouts: until a position is known there is
//! nothing to read. Loading on another thread would race with the next rebalance.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use runtime::Secret;
use store::{Session, Start, StoredPartition, connect};
use windowing::LogEnds;

use crate::consumer::{QueryClient, all_log_ends, log_ends, topic_partitions};

/// All of the database's part of a load. The connection is dropped when it takes longer.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Loads partitions for one worker.
pub(crate) struct Loader {
    pub(crate) client: Arc<QueryClient>,
    pub(crate) database_url: Secret,
    pub(crate) topic: String,
    pub(crate) start: Start,
    pub(crate) executor: tokio::runtime::Runtime,
}

impl Loader {
    /// The rows and log ends of these partitions; all of them, or an error.
    pub(crate) fn load(
        &self,
        partitions: &[i32],
    ) -> anyhow::Result<Vec<(StoredPartition, LogEnds)>> {
        let mut rows = self.read_rows(partitions)?;
        if rows.len() < partitions.len() {
            self.make_rows()?;
            rows = self.read_rows(partitions)?;
        }
        anyhow::ensure!(
            rows.len() == partitions.len(),
            "stream_progress or settings lack rows for partitions {partitions:?} of {}",
            self.topic
        );
        rows.into_iter()
            .map(|row| {
                let ends =
                    log_ends(&self.client, &self.topic, row.partition).with_context(|| {
                        format!("asking for the ends of {} [{}]", self.topic, row.partition)
                    })?;
                Ok((row, ends))
            })
            .collect()
    }

    fn read_rows(&self, partitions: &[i32]) -> anyhow::Result<Vec<StoredPartition>> {
        let reading = async {
            let mut connection = connect(self.database_url.expose(), Session::Control).await?;
            store::load_progress(&mut connection, &self.topic, partitions).await
        };
        Ok(self
            .executor
            .block_on(async { tokio::time::timeout(LOAD_TIMEOUT, reading).await })??)
    }

    /// Partitions that were added to the topic have no row yet.
    fn make_rows(&self) -> anyhow::Result<()> {
        let all = topic_partitions(&self.client, &self.topic)?;
        let ends = all_log_ends(&self.client, &self.topic, &all)?;
        let making = async {
            let mut connection = connect(self.database_url.expose(), Session::Control).await?;
            store::ensure_partitions(&mut connection, &self.topic, &ends, self.start).await
        };
        Ok(self.executor.block_on(async { tokio::time::timeout(LOAD_TIMEOUT, making).await })??)
    }
}
