//! One worker: the loop between Kafka, the core and the writer. It owns all state; the clients,
//! which are made for that, are shared with the writer's thread.
//!
//! ```text
//!   Reader ───────► Input ─► Engine ─► Effect ──► Reader     (where to read)
//!                     ▲                       ├─► loader     (stored rows)
//!                     └──── reports ◄─ writer ◄┘  (flushes, on a thread of its own)
//! ```
//!
//! Keeps I-6: polling never waits for a flush, except for a bounded time when partitions are lost
//! or the program stops.

mod positions;
mod reading;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::Context;
use fail_point::fail_point;
use log_reader::{Event, Membership, Reader, Trouble, clock};
use store::Flusher;
use windowing::results::Numbers;
use windowing::{Bounds, Due, Effect, Engine, Input, Position, Timers};

use crate::contents::Contents;
use crate::loader::Loader;
use crate::metrics::{Holdings, WorkerMetrics};
use crate::writer::{Order, Said, Writer};

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
    /// The group, and the topic that it reads.
    pub(crate) membership: Membership,
    pub(crate) flusher: Flusher,
    pub(crate) loader: Loader,
    pub(crate) contents: Contents,
    pub(crate) flush_interval: Duration,
    pub(crate) numbers: Numbers,
    /// With `--drain`: the end of each partition's log. Empty: never drained.
    pub(crate) drain_to: Vec<(i32, Position)>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) metrics: WorkerMetrics,
}

/// One member of the group.
pub(crate) struct Worker {
    /// The first field: when the worker panics, its group is told before anything else goes.
    reader: Reader,
    engine: Engine,
    writer: Writer,
    loader: Loader,
    /// What stands in records.
    contents: Contents,
    effects: Vec<Effect>,
    /// What has to be done besides reading, and when: in time since `started_at`.
    timers: Timers,
    started_at: Instant,
    /// Why each of the halted partitions waits for an operator.
    halted: BTreeMap<i32, String>,
    /// Rows were loaded for these; the client has yet to be told.
    to_read: Vec<(i32, Position)>,
    drain_to: Vec<(i32, Position)>,
    stop: Arc<AtomicBool>,
    metrics: WorkerMetrics,
    failed_attempts: Arc<AtomicU64>,
    missed_turns: Arc<AtomicU64>,
    /// What went wrong where nothing can be returned, as while partitions are given up: it ends the worker in its next round.
    failed: Option<anyhow::Error>,
}

impl Worker {
    /// Joins the group; nothing is read yet.
    pub(crate) fn new(options: WorkerOptions) -> anyhow::Result<Self> {
        let (topic, group_id) =
            (options.membership.topic.clone(), options.membership.group_id.clone());
        let reader = Reader::join(options.membership)?;
        let failed_attempts = options.flusher.failed_attempts();
        let missed_turns = options.flusher.missed_turns();
        options.metrics.started();
        let writer = Writer::spawn(
            (topic, options.loader.identity.cluster_id.clone()),
            options.metrics.clone(),
            options.flusher,
            reader.committer(),
            Arc::clone(&options.loader.queries),
        )?;
        Ok(Worker {
            reader,
            engine: Engine::new(Bounds::default())
                .in_group(group_id)
                .on_cluster(options.loader.identity.cluster_id.clone())
                .vouched_for(options.loader.is_no_copy)
                .with_numbers(options.numbers)
                .flushing_every(options.flush_interval),
            writer,
            loader: options.loader,
            contents: options.contents,
            effects: Vec::new(),
            timers: Timers::new(jittered(options.flush_interval)),
            started_at: Instant::now(),
            halted: BTreeMap::new(),
            to_read: Vec::new(),
            drain_to: options.drain_to,
            stop: options.stop,
            metrics: options.metrics,
            failed_attempts,
            missed_turns,
            failed: None,
        })
    }

    /// Works until asked to stop, and leaves the group.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let worked = self.work();
        if worked.is_ok() {
            fail_point("stop_asked");
            self.flush_and_wait(Input::FlushDue, FLUSH_BEFORE_STOP);
            fail_point("stop_flushed");
        }
        let worked = worked.and(self.failed.take().map_or(Ok(()), Err));
        let writer = self.writer.dismiss();
        self.reader.leave(move || writer.is_finished());
        fail_point("stop_left");
        worked
    }

    fn work(&mut self) -> anyhow::Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            self.serve_reports()?;
            self.serve_timers();
            self.carry_out_effects()?;
            self.serve_events()?;
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
            refused_for: self.reader.refused_for(),
            failed_attempts: self.failed_attempts.load(Ordering::Relaxed),
            rules: self.engine.rule_holdings(),
            missed_turns: self.missed_turns.load(Ordering::Relaxed),
            flush_interval: self.engine.flush_interval(),
        });
    }

    fn serve_reports(&mut self) -> anyhow::Result<()> {
        match self.writer.said.try_recv() {
            Ok(said) => {
                self.hear(said);
                Ok(())
            }
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => anyhow::bail!("the writer's thread has ended"),
        }
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::TurnCame => {
                self.writer.turn_came.store(false, Ordering::Relaxed);
                self.engine.apply(Input::TurnCame, &mut self.effects);
            }
            Said::OtherCluster(ours) => {
                self.failed = Some(self.loader.cluster_changed(ours).into());
            }
            Said::Flushed(report) => {
                fail_point("flush_reported");
                self.engine.apply(Input::Flushed { report, now: clock() }, &mut self.effects);
            }
        }
    }

    fn serve_timers(&mut self) {
        if self.engine.holds_live_alerts() {
            self.timers.flush_soon();
        }
        let interval = jittered(self.engine.flush_interval());
        let due = self.timers.due(self.started_at.elapsed(), interval);
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
                self.contents.judge(&mut self.engine, &mut self.effects);
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

    fn serve_event(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Assigned(partitions) => {
                tracing::info!(?partitions, "assigned");
                self.engine.apply(Input::Assigned(&partitions), &mut self.effects);
                self.timers.load_at_once(self.started_at.elapsed());
                fail_point("assign_begun");
                // Loads the positions, so that they can be passed inside the assignment.
                self.carry_out_effects()?;
                fail_point("assign_loaded");
                let positions = std::mem::take(&mut self.to_read);
                let is_paused = self.engine.is_paused();
                self.reader.take_over(&partitions, &positions, is_paused)?;
                fail_point("assign_done");
            }
            Event::Revoked { partitions, is_lost } => {
                tracing::info!(?partitions, is_lost, "revoked");
                fail_point("revoke_begun");
                if !is_lost {
                    self.flush_and_wait(Input::FlushNow, FLUSH_BEFORE_REVOKE);
                }
                fail_point("revoke_flushed");
                self.engine.apply(Input::Revoked(&partitions), &mut self.effects);
                self.timers.revoked(&partitions);
                self.contents.forget(&partitions);
                self.halted.retain(|partition, _| !partitions.contains(partition));
                self.reader.give_up(&partitions)?;
                fail_point("revoke_done");
            }
            Event::Trouble(trouble) => tell(trouble, &mut self.engine, &mut self.effects),
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
                if self.reader.contains(partition) {
                    let is_paused = self.engine.is_paused();
                    self.reader.restart(partition, from, is_paused)?;
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
                    tracing::error!(partition, %reason, "halted");
                }
                self.reader.hold_back(partition)?;
            }
            Effect::AwaitCluster { partition } => tracing::warn!(
                partition,
                "waits until another partition has shown that this is the Kafka cluster on which the topic was counted"
            ),
            // Whatever is not stored yet is dropped: it is read again by whoever reads the right cluster.
            Effect::LeaveCluster { cluster_id, .. } => {
                return Err(self.loader.other_cluster(cluster_id).into());
            }
            Effect::Pause => {
                tracing::info!("reading pauses until the flush under way is stored");
                self.reader.pause()?;
            }
            Effect::Resume => {
                tracing::info!("reading goes on");
                self.reader.resume()?;
            }
            Effect::Flush(batch) => {
                fail_point("flush_cut");
                self.order(Order::Flush(batch))?;
            }
            Effect::TakeTurn => self.order(Order::TakeTurn)?,
        }
        Ok(())
    }

    fn order(&self, order: Order) -> anyhow::Result<()> {
        self.writer.orders.send(order).ok().context("the writer's thread has ended")
    }

    /// Stores what there is, for at most `limit`, without waiting for a turn.
    fn flush_and_wait(&mut self, first: Input<'static>, limit: Duration) {
        self.writer.haste.set(true);
        self.flush_until_stored(first, limit);
        self.writer.haste.set(false);
    }

    fn flush_until_stored(&mut self, first: Input<'static>, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut input = first;
        loop {
            self.engine.apply(input, &mut self.effects);
            if let Err(error) = self.carry_out_effects() {
                tracing::warn!(error = %format!("{error:#}"), "flushing before leaving");
                self.failed = Some(error);
                return;
            }
            if !self.engine.is_flushing() {
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.writer.said.recv_timeout(left) {
                Ok(said) => {
                    self.hear(said);
                    if self.failed.is_some() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    tracing::warn!(deadline = ?limit, "no flush within its deadline; its records will be read again");
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            input = Input::FlushNow;
        }
    }
}

/// What is wrong at Kafka, to the core where it can do something about it.
fn tell(trouble: Trouble, engine: &mut Engine, effects: &mut Vec<Effect>) {
    match trouble {
        Trouble::OutsideLog(said) => {
            tracing::warn!(%said, "a position is outside its log");
            engine.apply(Input::ResetRefused, effects);
        }
        Trouble::UnreadableBatch(said) => {
            tracing::warn!(%said, "records that can't be read");
            engine.apply(Input::BatchUnreadable, effects);
        }
        Trouble::Passing(error) => tracing::warn!(%error, "Kafka"),
    }
}

fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(1.0 - FLUSH_JITTER * rand::random::<f64>())
}
