//! The thread that stores a worker's flushes while the worker goes on reading.
//!
//! In: batches, one at a time. Out: reports. Before each flush it asks the broker for the ends of
//! the log, so that being caught up is stored together with the position that it refers to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::Context;
use log_reader::{Committer, Queries, Rounds};
use program::ThreadExecutor;
use store::Flusher;
use windowing::{FlushBatch, FlushReport, LogEnds, PartOutcome};

use crate::clock_warning::{self, ClockWarning};
use crate::metrics::WorkerMetrics;

/// One batch is under way at a time, so one place is enough in each direction (I-6).
const CHANNEL_CAPACITY: usize = 1;

/// The worker's ends of the channels to its writer.
pub(crate) struct Writer {
    pub(crate) batches: SyncSender<FlushBatch>,
    pub(crate) reports: Receiver<FlushReport>,
    /// Set when nobody waits for a flush any more: a failing one is then not tried again.
    pub(crate) give_up: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts the thread. It ends when the worker drops its end.
    pub(crate) fn spawn(
        topic: String,
        metrics: WorkerMetrics,
        flusher: Flusher,
        committer: Committer,
        queries: Arc<Queries>,
    ) -> anyhow::Result<Self> {
        let (batches, batch_inbox) = sync_channel(CHANNEL_CAPACITY);
        let (report_outbox, reports) = sync_channel(CHANNEL_CAPACITY);
        let give_up = Arc::new(AtomicBool::new(false));
        let executor = ThreadExecutor::new()?;
        let task = WriterTask {
            topic,
            metrics,
            flusher,
            committer,
            queries,
            rounds: Rounds::default(),
            clock_warning: ClockWarning::default(),
            give_up: Arc::clone(&give_up),
            executor,
        };
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || task.run(&batch_inbox, &report_outbox))
            .context("starting a writer thread")?;
        Ok(Writer { batches, reports, give_up, thread })
    }

    /// Lets it end, after an attempt that is under way. Then it holds no client any more, and commits nothing.
    pub(crate) fn dismiss(self) -> JoinHandle<()> {
        self.give_up.store(true, Ordering::Relaxed);
        self.thread
    }
}

struct WriterTask {
    topic: String,
    metrics: WorkerMetrics,
    flusher: Flusher,
    committer: Committer,
    queries: Arc<Queries>,
    rounds: Rounds,
    clock_warning: ClockWarning,
    give_up: Arc<AtomicBool>,
    executor: ThreadExecutor,
}

impl WriterTask {
    fn run(mut self, batches: &Receiver<FlushBatch>, reports: &SyncSender<FlushReport>) {
        while let Ok(batch) = batches.recv() {
            let outgoing = self.metrics.flush_begins(&batch);
            let tallies = clock_warning::tallies(&batch);
            let ends = self.ask_log_ends(&batch);
            let give_up = || self.give_up.load(Ordering::Relaxed);
            let report = self.executor.block_on(self.flusher.flush(batch, ends, give_up));
            self.metrics.flush_ended(outgoing, &report);
            for said in self.clock_warning.note(tallies, &report, Instant::now()) {
                tracing::warn!(
                    "{said}; the clock of the broker, of a sender or of a streamer's host is wrong"
                );
            }
            self.commit_group_offsets(&report);
            if reports.send(report).is_err() {
                return;
            }
        }
    }

    /// What the brokers say of each partition.
    fn ask_log_ends(&mut self, batch: &FlushBatch) -> Vec<(i32, LogEnds)> {
        let partitions = batch.parts.iter().map(|part| part.partition);
        self.rounds.ask(partitions, |partition| {
            let asked = self.queries.log_ends(&self.topic, partition);
            asked.inspect_err(|error| tracing::debug!(partition, "no log ends: {error}")).ok()
        })
    }

    /// For lag tools only: nothing here ever reads these offsets.
    fn commit_group_offsets(&self, report: &FlushReport) {
        let stored = report.parts.iter().filter(|part| part.outcome == PartOutcome::Committed);
        self.committer.commit(stored.map(|part| (part.partition, part.as_stored.next)));
    }
}
