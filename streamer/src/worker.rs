//! One worker: the loop between Kafka, the core and the writer. It owns all state; the clients,
//! which are made for that, are shared with the writer's thread.
//!
//! ```text
//!   Kafka ──poll──► Input ─► Engine ─► Effect ──► assignment (where to read)
//!                     ▲                       ├─► loader     (stored rows)
//!                     └──── reports ◄─ writer ◄┘  (flushes, on a thread of its own)
//! ```
//!
//! Keeps I-6: polling never waits for a flush, except for a bounded time when partitions are lost
//! or the program stops.

mod closing;
mod positions;
mod reading;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::Context;
use fail_point::fail_point;
use log_reader::Assignment;
use log_reader::{GroupConsumer, Rebalance, clock, group_consumer};
use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer;
use store::Flusher;
use windowing::{Bounds, Due, Effect, Engine, Input, Position, Timers};

use self::closing::ClosingGuard;
use crate::loader::Loader;
use crate::metrics::{Holdings, WorkerMetrics};
use crate::writer::Writer;
use log_reader::Joining;

/// A flush before partitions are lost may take this long; then they are dropped, and read again by
/// their next owner.
const FLUSH_BEFORE_REVOKE: Duration = Duration::from_secs(5);
/// The last flush before stopping may take this long.
const FLUSH_BEFORE_STOP: Duration = Duration::from_secs(8);
/// The flush interval is shortened at random by up to this share, so that workers that started
/// together do not flush together.
const FLUSH_JITTER: f64 = 0.2;

/// What a worker is made of.
pub(crate) struct WorkerOptions {
    pub(crate) kafka: ClientConfig,
    pub(crate) group_id: String,
    /// How many partitions it may have to read.
    pub(crate) partitions_each: usize,
    pub(crate) flusher: Flusher,
    pub(crate) loader: Loader,
    pub(crate) flush_interval: Duration,
    /// With `--drain`: the end of each partition's log. Empty: never drained.
    pub(crate) drain_to: Vec<(i32, Position)>,
    /// With `--drain`: how long a group that refuses us is put up with.
    pub(crate) join_patience: Option<Duration>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) metrics: WorkerMetrics,
}

/// One member of the group.
pub(crate) struct Worker {
    /// The first field: dropped before the client, also when the worker panics.
    closing: ClosingGuard,
    consumer: Arc<GroupConsumer>,
    joining: Joining,
    engine: Engine,
    assignment: Assignment,
    writer: Writer,
    loader: Loader,
    effects: Vec<Effect>,
    /// What has to be done besides reading, and when: in time since `started_at`.
    timers: Timers,
    started_at: Instant,
    /// Halted, and why.
    halted: BTreeMap<i32, String>,
    /// Rows were loaded for these; the client has yet to be told.
    to_read: Vec<(i32, Position)>,
    flush_interval: Duration,
    drain_to: Vec<(i32, Position)>,
    stop: Arc<AtomicBool>,
    metrics: WorkerMetrics,
    failed_attempts: Arc<AtomicU64>,
}

impl Worker {
    /// A worker that has not joined yet.
    pub(crate) fn new(options: WorkerOptions) -> anyhow::Result<Self> {
        let consumer = group_consumer(options.kafka, &options.group_id, options.partitions_each)
            .context("the Kafka client refuses its settings; check KAFKA_PROPERTIES")?;
        let consumer = Arc::new(consumer);
        let topic = options.loader.identity.topic.clone();
        let failed_attempts = options.flusher.failed_attempts();
        options.metrics.started();
        let writer = Writer::spawn(
            topic.clone(),
            options.metrics.clone(),
            options.flusher,
            Arc::clone(&consumer),
            Arc::clone(&options.loader.queries),
        )?;
        Ok(Worker {
            closing: ClosingGuard(Arc::clone(&consumer)),
            assignment: Assignment::new(Arc::clone(&consumer), topic)?,
            consumer,
            joining: Joining::new(options.group_id.clone(), options.join_patience),
            engine: Engine::new(Bounds::default()).in_group(options.group_id),
            writer,
            loader: options.loader,
            effects: Vec::new(),
            timers: Timers::new(jittered(options.flush_interval)),
            started_at: Instant::now(),
            halted: BTreeMap::new(),
            to_read: Vec::new(),
            flush_interval: options.flush_interval,
            drain_to: options.drain_to,
            stop: options.stop,
            metrics: options.metrics,
            failed_attempts,
        })
    }

    /// Joins the group and works until asked to stop.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let topic = self.loader.identity.topic.clone();
        self.consumer.subscribe(&[&topic]).with_context(|| format!("subscribing to {topic}"))?;
        let worked = self.work();
        if worked.is_ok() {
            fail_point("stop_asked");
            self.flush_and_wait(Input::FlushDue, FLUSH_BEFORE_STOP);
            fail_point("stop_flushed");
        }
        self.close();
        fail_point("stop_left");
        worked
    }

    fn work(&mut self) -> anyhow::Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            self.serve_reports()?;
            self.serve_timers();
            self.carry_out_effects()?;
            self.serve_events()?;
            self.joining.note_membership(!self.assignment.is_empty(), Instant::now());
            self.joining.check(Instant::now())?;
            self.poll()?;
            self.report();
        }
        Ok(())
    }

    /// Tells the metrics what is held, once a round: nothing is reported for a single record.
    fn report(&self) {
        self.metrics.came_round(&Holdings {
            groups: self.engine.groups_held(),
            partitions_read: self.engine.positions().count(),
            partitions_halted: self.halted.len(),
            refused_for: self.joining.refused_for(Instant::now()),
            failed_attempts: self.failed_attempts.load(Ordering::Relaxed),
        });
    }

    fn serve_reports(&mut self) -> anyhow::Result<()> {
        match self.writer.reports.try_recv() {
            Ok(report) => {
                fail_point("flush_reported");
                self.engine.apply(Input::Flushed { report, now: clock() }, &mut self.effects);
                Ok(())
            }
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => anyhow::bail!("the writer's thread has ended"),
        }
    }

    fn serve_timers(&mut self) {
        let due = self.timers.due(self.started_at.elapsed(), jittered(self.flush_interval));
        let flushes = due.contains(&Due::Flush) || self.engine.is_flushing();
        if !flushes && self.has_drained_its_share() {
            self.engine.apply(Input::FlushNow, &mut self.effects);
        }
        for due in due {
            self.carry_out_due(due);
        }
    }

    fn carry_out_due(&mut self, due: Due) {
        match due {
            Due::Flush => self.engine.apply(Input::FlushDue, &mut self.effects),
            Due::Load(partitions) => self.load(&partitions),
            Due::JudgeHaltedAgain => {
                self.engine.apply(Input::JudgeHaltedAgain, &mut self.effects);
            }
            Due::Examine(partition, origin) => self.examine(partition, origin),
        }
    }

    /// Whether every partition read here has come to where `--drain` wants it.
    fn has_drained_its_share(&self) -> bool {
        !self.drain_to.is_empty()
            && self.engine.positions().all(|(partition, next)| {
                let target = self.drain_to.iter().find(|(id, _)| *id == partition);
                target.is_none_or(|(_, end)| next >= *end)
            })
    }

    fn serve_rebalance(&mut self, rebalance: Rebalance) -> anyhow::Result<()> {
        match rebalance {
            Rebalance::Assigned(partitions) => {
                self.joining.joined();
                tracing::info!(?partitions, "assigned");
                self.engine.apply(Input::Assigned(&partitions), &mut self.effects);
                self.timers.load_at_once(self.started_at.elapsed());
                fail_point("assign_begun");
                // Loads the positions, so that they can be passed inside the assignment.
                self.carry_out_effects()?;
                fail_point("assign_loaded");
                let positions = std::mem::take(&mut self.to_read);
                let is_paused = self.engine.is_paused();
                self.assignment
                    .take_over(&partitions, &positions, is_paused)
                    .context("taking partitions over")?;
                fail_point("assign_done");
            }
            Rebalance::Revoked(partitions) => {
                let is_lost = self.consumer.assignment_lost();
                tracing::info!(?partitions, is_lost, "revoked");
                fail_point("revoke_begun");
                if !is_lost {
                    self.flush_and_wait(Input::FlushNow, FLUSH_BEFORE_REVOKE);
                }
                fail_point("revoke_flushed");
                self.engine.apply(Input::Revoked(&partitions), &mut self.effects);
                self.timers.revoked(&partitions);
                self.halted.retain(|partition, _| !partitions.contains(partition));
                self.assignment.give_up(&partitions).context("giving partitions up")?;
                fail_point("revoke_done");
            }
        }
        self.carry_out_effects()
    }

    fn carry_out_effects(&mut self) -> anyhow::Result<()> {
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                self.carry_out(effect)?;
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> anyhow::Result<()> {
        match effect {
            Effect::Load(partitions) => {
                if let Some(due) = self.timers.load(partitions, self.started_at.elapsed()) {
                    self.carry_out_due(due);
                }
            }
            Effect::Read { partition, from } => {
                if self.halted.remove(&partition).is_some() {
                    tracing::info!(partition, "not halted any more");
                }
                if self.assignment.contains(partition) {
                    let is_paused = self.engine.is_paused();
                    self.assignment
                        .restart(partition, from, is_paused)
                        .with_context(|| format!("reading partition {partition} from {from}"))?;
                } else {
                    self.to_read.push((partition, from));
                }
            }
            Effect::Examine { partition, origin } => self.timers.examine(partition, origin),
            Effect::AcceptGap { partition, stored, plan } => {
                self.accept_gap(partition, &stored, &plan);
            }
            Effect::Halt { partition, reason } => {
                // It is judged again and again; that is news only when the reason is.
                if self.halted.insert(partition, reason.clone()).as_ref() != Some(&reason) {
                    tracing::error!(partition, "halted: {reason}");
                }
                self.assignment
                    .hold_back(partition)
                    .with_context(|| format!("pausing partition {partition}"))?;
            }
            Effect::Pause => {
                tracing::info!("reading pauses until the flush under way is stored");
                self.assignment.pause().context("pausing")?;
            }
            Effect::Resume => {
                tracing::info!("reading goes on");
                self.assignment.resume().context("resuming")?;
            }
            Effect::Flush(batch) => {
                fail_point("flush_cut");
                self.writer.batches.send(batch).context("the writer's thread has ended")?;
            }
        }
        Ok(())
    }

    /// Stores what there is, for at most `limit`.
    fn flush_and_wait(&mut self, first: Input<'static>, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut input = first;
        loop {
            self.engine.apply(input, &mut self.effects);
            if let Err(error) = self.carry_out_effects() {
                tracing::warn!("flushing before leaving: {error:#}");
                return;
            }
            if !self.engine.is_flushing() {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.writer.reports.recv_timeout(left) {
                Ok(report) => {
                    self.engine.apply(Input::Flushed { report, now: clock() }, &mut self.effects);
                }
                Err(RecvTimeoutError::Timeout) => {
                    tracing::warn!("no flush within {limit:?}; its records will be read again");
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            input = Input::FlushNow;
        }
    }
}

fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(1.0 - FLUSH_JITTER * rand::random::<f64>())
}
