//! The workers of one process: started together, watched, stopped together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use log_reader::{Membership, Rounds};
use program::ThreadExecutor;
use store::{Flusher, WriterIdentity};
use tokio::sync::mpsc;

use crate::config::RunArgs;
use crate::contents::Formats;
use crate::loader::Loader;
use crate::metrics::{ProcessMetrics, WorkerMetrics};
use crate::start::Started;
use crate::worker::{Worker, WorkerOptions};

/// A worker that was asked to stop gets this long for its last flush and for leaving the group.
/// Then the process exits all the same: what was not stored is read again.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

pub(crate) struct WorkerPool {
    stop: Arc<AtomicBool>,
    ends: mpsc::Receiver<anyhow::Result<()>>,
    running: usize,
}

impl WorkerPool {
    /// Starts `--workers` members of the group.
    pub(crate) fn spawn(
        args: &RunArgs,
        started: &Started,
        formats: &Formats,
        metrics: &ProcessMetrics,
    ) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let running = usize::from(args.workers);
        let (outbox, ends) = mpsc::channel(running);
        for (index, metrics) in (0..args.workers).zip(&metrics.workers) {
            let shared = (started, formats);
            let worker = new_worker(args, shared, index, Arc::clone(&stop), metrics.clone())?;
            let outbox = outbox.clone();
            std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    // A panic must not look like a worker that goes on.
                    let end = catch_unwind(AssertUnwindSafe(|| worker.run()))
                        .unwrap_or_else(|_| Err(anyhow::anyhow!("a worker has panicked")));
                    // Nobody listens any more when the process is already on its way out.
                    outbox.blocking_send(end).ok();
                })
                .context("starting a worker thread")?;
        }
        Ok(WorkerPool { stop, ends, running })
    }

    /// Completes when a worker fails.
    pub(crate) async fn first_failure(&mut self) -> anyhow::Error {
        loop {
            match self.ends.recv().await {
                Some(Err(failure)) => {
                    self.running -= 1;
                    return failure;
                }
                Some(Ok(())) => self.running -= 1,
                None => return anyhow::anyhow!("a worker's thread has ended without a word"),
            }
        }
    }

    /// Asks every worker to store what it has and to leave, and waits for them.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let all_ended = async {
            let mut result = Ok(());
            while self.running > 0 {
                match self.ends.recv().await {
                    Some(end) => result = result.and(end),
                    None => break,
                }
                self.running -= 1;
            }
            result
        };
        match tokio::time::timeout(STOP_DEADLINE, all_ended).await {
            Ok(result) => result,
            Err(_) => {
                tracing::warn!(
                    deadline = ?STOP_DEADLINE,
                    "workers did not stop within their deadline; what they had not stored will be read again"
                );
                Ok(())
            }
        }
    }
}

fn new_worker(
    args: &RunArgs,
    (started, formats): (&Started, &Formats),
    index: u16,
    stop: Arc<AtomicBool>,
    metrics: WorkerMetrics,
) -> anyhow::Result<Worker> {
    let topic = args.kafka.kafka_topic.clone();
    let identity = WriterIdentity {
        topic,
        group_id: args.kafka_group_id.clone(),
        owner: owner(index),
        cluster_id: Some(started.cluster_id.clone()),
    };
    let database_url = args.database.database_url.clone();
    let loader = Loader {
        queries: Arc::clone(&started.queries),
        kafka: args.kafka.client_config()?,
        database_url: database_url.clone(),
        identity: identity.clone(),
        start: args.start.into(),
        is_no_copy: args.not_a_copy.is_some(),
        executor: ThreadExecutor::new()?,
        rounds: Rounds::default(),
    };
    let drain_to = started.log_ends.iter().map(|(id, ends)| (*id, ends.stable));
    Worker::new(WorkerOptions {
        membership: Membership {
            kafka: args.kafka.client_config()?,
            group_id: args.kafka_group_id.clone(),
            topic: args.kafka.kafka_topic.clone(),
            partitions_each: started.partition_count.div_ceil(usize::from(args.workers)),
            patience: args.drain.then_some(args.wait),
        },
        flusher: Flusher::new(database_url.expose().to_owned(), identity)
            .waiting_for(args.flush_synchronous_commit),
        loader,
        contents: formats.contents(),
        flush_interval: args.flush_interval,
        numbers: args.numbers(),
        drain_to: if args.drain { drain_to.collect() } else { Vec::new() },
        stop,
        metrics,
    })
}

/// What a worker of this process writes into `stream_progress.owner`.
pub(crate) fn owner(index: u16) -> String {
    format!("{}:{}:{index}", program::host_name(), std::process::id())
}
