//! Where a worker's partitions stand: their stored rows, logs in doubt, and permitted losses. All of
//! it blocks for a bounded time, and is tried again later when it fails.

use store::StoreError;
use windowing::{Fingerprint, GapPlan, Input, Progress};

use super::Worker;

impl Worker {
    /// Tries to load these partitions; on failure, tries again later.
    pub(super) fn load(&mut self, partitions: &[i32]) {
        match self.loader.load(partitions) {
            Ok(loaded) => {
                for (row, ends) in loaded {
                    self.timers.loaded(row.partition);
                    let input = Input::Loaded {
                        partition: row.partition,
                        progress: Box::new(row.progress),
                        rules: row.rules,
                        ownership: row.ownership,
                        history: Box::new(row.history),
                        ends,
                    };
                    self.engine.apply(input, &mut self.effects);
                }
            }
            Err(error) => {
                let said = format!("{error:#}");
                tracing::warn!(?partitions, error = %said, "positions not loaded");
                if matches!(error.downcast_ref(), Some(StoreError::OtherCluster { .. })) {
                    self.failed = Some(error);
                }
            }
        }
        self.timers.load_ended(self.started_at.elapsed());
    }

    /// Looks into a log that is in doubt; on failure, again after the others.
    pub(super) fn examine(&mut self, partition: i32, origin: Option<Fingerprint>) {
        match self.loader.examine(partition, origin) {
            Ok(examination) => {
                let input = Input::Examined { partition, examination };
                self.engine.apply(input, &mut self.effects);
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(partition, %error, "its log is in doubt, and can't be read");
                self.timers.examine_later(partition, origin, self.started_at.elapsed());
            }
        }
    }

    /// Carries an operator's permission out. Whatever comes of it, the row is read again.
    pub(super) fn accept_gap(&mut self, partition: i32, stored: &Progress, plan: &GapPlan) {
        match self.loader.accept_gap(partition, stored, plan) {
            Ok(true) => tracing::warn!(
                partition,
                cause = plan.cause.code(),
                from = %plan.lost.0,
                before = %plan.lost.1,
                "went on without offsets, as an operator permitted"
            ),
            Ok(false) => tracing::info!(partition, "the permission was carried out by another"),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(partition, %error, "permission not carried out");
            }
        }
        self.timers.load_soon(self.started_at.elapsed());
        self.engine.apply(Input::RowChanged(partition), &mut self.effects);
    }
}
