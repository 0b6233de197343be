//! The thread that stores a worker's flushes while the worker goes on reading.
//!
//! In: batches, one at a time, each alone or after its turn was asked for. Out: word that the turn has come, and
//! reports. Before each flush it asks the broker for the ends of
//! the log, so that being caught up is stored together with the position that it refers to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock_warning::{self, ClockWarning, Tally};
use crate::metrics::WorkerMetrics;
use anyhow::Context;
use log_reader::{Committer, QUERY_TIMEOUT, Queries, Rounds};
use program::ThreadExecutor;
use store::{Flusher, Haste};
use windowing::{FlushBatch, FlushReport, LogEnds, PartOutcome};

/// One batch is under way at a time, so one place is enough in each direction (I-6).
const CHANNEL_CAPACITY: usize = 1;
/// A turn is given back when its batch does not come for so long: the worker's loop is busy with something else.
const TURN_UNUSED_MAX: Duration = Duration::from_secs(1);
/// While others wait for our turn to end, a question to a broker waits at most this long.
const QUERY_TIMEOUT_IN_TURN: Duration = Duration::from_millis(500);

/// What the worker wants of its writer.
pub(crate) enum Order {
    /// Wait for the turn; an order to flush follows.
    TakeTurn,
    Flush(FlushBatch),
}

/// What the writer says.
pub(crate) enum Said {
    /// The turn has come, or is not waited for any longer.
    TurnCame,
    Flushed(FlushReport),
    /// The brokers are of this cluster now, and not of the one whose rows these are. Nothing was stored, and nothing will be.
    OtherCluster(String),
}

/// The worker's ends of the channels to its writer.
pub(crate) struct Writer {
    pub(crate) orders: SyncSender<Order>,
    pub(crate) said: Receiver<Said>,
    /// The turn has come, and the worker has not heard of it: reading is interrupted, for others wait meanwhile.
    pub(crate) turn_came: Arc<AtomicBool>,
    /// While it is on, nobody waits for a turn.
    pub(crate) haste: Haste,
    /// Set when nobody waits for a flush any more: a failing one is then not tried again.
    pub(crate) give_up: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts the thread. It ends when the worker drops its end.
    pub(crate) fn spawn(
        (topic, cluster_id): (String, Option<String>),
        metrics: WorkerMetrics,
        flusher: Flusher,
        committer: Committer,
        queries: Arc<Queries>,
    ) -> anyhow::Result<Self> {
        let (orders, inbox) = sync_channel(CHANNEL_CAPACITY);
        let (outbox, said) = sync_channel(CHANNEL_CAPACITY);
        let turn_came = Arc::new(AtomicBool::new(false));
        let haste = flusher.haste();
        let give_up = Arc::new(AtomicBool::new(false));
        let executor = ThreadExecutor::new()?;
        let task = WriterTask {
            topic,
            cluster_id,
            metrics,
            flusher,
            committer,
            queries,
            rounds: Rounds::default(),
            clock_warning: ClockWarning::default(),
            give_up: Arc::clone(&give_up),
            turn_came: Arc::clone(&turn_came),
            executor,
        };
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || task.run(&inbox, &outbox))
            .context("starting a writer thread")?;
        Ok(Writer { orders, said, turn_came, haste, give_up, thread })
    }

    /// Lets it end, after an attempt that is under way. Then it holds no client any more, and commits nothing.
    pub(crate) fn dismiss(self) -> JoinHandle<()> {
        self.give_up.store(true, Ordering::Relaxed);
        self.haste.set(true);
        self.thread
    }
}

struct WriterTask {
    topic: String,
    /// The one that was met at start.
    cluster_id: Option<String>,
    metrics: WorkerMetrics,
    flusher: Flusher,
    committer: Committer,
    queries: Arc<Queries>,
    rounds: Rounds,
    clock_warning: ClockWarning,
    give_up: Arc<AtomicBool>,
    turn_came: Arc<AtomicBool>,
    executor: ThreadExecutor,
}

impl WriterTask {
    fn run(mut self, orders: &Receiver<Order>, said: &SyncSender<Said>) {
        while let Some(batch) = self.next_batch(orders, said) {
            if let Some(other) = self.other_cluster() {
                if said.send(Said::OtherCluster(other)).is_err() {
                    return;
                }
                continue;
            }
            let outgoing = self.metrics.flush_begins(&batch);
            let tallies = clock_warning::tallies(&batch);
            let ends = self.ask_log_ends(&batch);
            let give_up = || self.give_up.load(Ordering::Relaxed);
            let report = self.executor.block_on(self.flusher.flush(batch, ends, give_up));
            self.metrics.flush_ended(outgoing, &report);
            for Tally { partition, records, refused, max_ahead_ms } in
                self.clock_warning.note(tallies, &report, Instant::now())
            {
                tracing::warn!(
                    partition,
                    refused,
                    records,
                    max_ahead_seconds = max_ahead_ms / 1_000,
                    "records were refused (timestamp_in_future): they lie ahead of the records' times or of this host's \
                     clock; the clock of the broker, of a sender or of a streamer's host is wrong"
                );
            }
            self.commit_group_offsets(&report);
            if said.send(Said::Flushed(report)).is_err() {
                return;
            }
        }
    }

    /// A name that leads to another cluster now takes the clients there, and nobody tells them.
    fn other_cluster(&self) -> Option<String> {
        let is_other = |now: &String| Some(now) != self.cluster_id.as_ref();
        self.committer.cluster_id().filter(is_other)
    }

    /// The next batch, in its turn where that is asked for; `None`: the worker is gone.
    fn next_batch(
        &mut self,
        orders: &Receiver<Order>,
        said: &SyncSender<Said>,
    ) -> Option<FlushBatch> {
        loop {
            match orders.recv().ok()? {
                Order::Flush(batch) => return Some(batch),
                Order::TakeTurn => {}
            }
            self.executor.block_on(self.flusher.take_turn());
            self.turn_came.store(true, Ordering::Relaxed);
            // If the batch could not wait and was cut before, this is not news any more.
            said.send(Said::TurnCame).ok()?;
            match orders.recv_timeout(TURN_UNUSED_MAX) {
                Ok(Order::Flush(batch)) => return Some(batch),
                Ok(Order::TakeTurn) => unreachable!("a turn is asked for once"),
                Err(RecvTimeoutError::Timeout) => {
                    self.executor.block_on(self.flusher.give_turn_back());
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// What the brokers say of each partition.
    fn ask_log_ends(&mut self, batch: &FlushBatch) -> Vec<(i32, LogEnds)> {
        let partitions = batch.parts.iter().map(|part| part.partition);
        let patience = if self.flusher.has_begun() { QUERY_TIMEOUT_IN_TURN } else { QUERY_TIMEOUT };
        self.rounds.ask(partitions, |partition| {
            let asked = self.queries.log_ends(&self.topic, partition, patience);
            asked.inspect_err(|error| tracing::debug!(partition, %error, "no log ends")).ok()
        })
    }

    /// For lag tools only: nothing here ever reads these offsets.
    fn commit_group_offsets(&self, report: &FlushReport) {
        let stored = report.parts.iter().filter(|part| part.outcome == PartOutcome::Committed);
        self.committer.commit(stored.map(|part| (part.partition, part.as_stored.next)));
    }
}
