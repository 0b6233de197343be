//! Where a worker's partitions stand: their stored rows, logs in doubt, and permitted losses. All of
//! it blocks for a bounded time, and is tried again later when it fails.

use std::time::Instant;

use windowing::{GapPlan, Input, Progress};

use super::{JUDGE_AGAIN_EVERY, LOAD_RETRY_FIRST, Worker};

impl Worker {
    /// Tries to load all partitions that wait for it; on failure, tries again later.
    pub(super) fn load(&mut self) {
        let partitions: Vec<i32> = self.to_load.iter().copied().collect();
        match self.loader.load(&partitions) {
            Ok(loaded) => {
                for (row, ends) in loaded {
                    self.to_load.remove(&row.partition);
                    let input = Input::Loaded {
                        partition: row.partition,
                        progress: Box::new(row.progress),
                        rules: row.rules,
                        standing: row.standing,
                        ends,
                    };
                    self.engine.apply(input, &mut self.effects);
                }
            }
            Err(error) => tracing::warn!(?partitions, "positions not loaded: {error:#}"),
        }
        if self.to_load.is_empty() {
            self.load_backoff.reset();
        } else {
            self.load_at = Instant::now() + self.load_backoff.next_wait();
        }
    }

    /// Looks into the next log that is in doubt; on failure, again after the others. One at a time:
    /// it may block for seconds, and the other partitions go on in between.
    pub(super) fn examine(&mut self) {
        let Some((partition, origin)) = self.to_examine.pop_front() else { return };
        match self.loader.examine(partition, origin) {
            Ok(examination) => {
                let input = Input::Examined { partition, examination };
                self.engine.apply(input, &mut self.effects);
            }
            Err(error) => {
                tracing::warn!(partition, "its log is in doubt, and can't be read: {error:#}");
                self.to_examine.push_back((partition, origin));
                self.examine_at = Instant::now() + JUDGE_AGAIN_EVERY;
            }
        }
    }

    /// Carries an operator's permission out. Whatever comes of it, the row is read again.
    pub(super) fn accept_gap(&mut self, partition: i32, stored: &Progress, plan: &GapPlan) {
        match self.loader.accept_gap(partition, stored, plan) {
            Ok(true) => tracing::warn!(
                partition,
                cause = plan.cause.code(),
                "went on without the offsets from {} to before {}, as an operator permitted",
                plan.lost.0,
                plan.lost.1
            ),
            Ok(false) => tracing::info!(partition, "the permission was carried out by another"),
            Err(error) => tracing::warn!(partition, "permission not carried out: {error:#}"),
        }
        self.load_at = Instant::now() + LOAD_RETRY_FIRST;
        self.engine.apply(Input::RowChanged(partition), &mut self.effects);
    }
}
