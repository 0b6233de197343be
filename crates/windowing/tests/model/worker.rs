//! One worker: the real [`Engine`], and what carries out its effects: a reader for each partition,
//! loads under way, and at most one flush, which runs the real [`FlushProtocol`].
//!
//! It believes to own what it was told. Whether that is still true, only the database knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use event_model::EventTime;
use windowing::{
    Bounds, Effect, Engine, FlushAction, FlushAnswer, FlushBatch, FlushPart, FlushProtocol, Input,
    LogEnds, PartOutcome, Position, Progress, Record, Rules, Standing,
};

use crate::database::Transaction;
use crate::logs::{DELAY_MICROS, Message, NOW_MICROS, SKEW_MICROS};
use crate::schedule::Fault;
use crate::world::{Hits, Shared};

/// What records are judged by where their time is not the broker's.
const NOW: EventTime = EventTime::from_micros(NOW_MICROS);
const RULES: Rules =
    Rules { watermark_delay_micros: DELAY_MICROS, max_future_skew_micros: SKEW_MICROS };

pub(crate) struct Worker {
    engine: Engine,
    bounds: Bounds,
    pub(crate) believes: BTreeSet<i32>,
    pub(crate) halted: BTreeSet<i32>,
    readers: BTreeMap<i32, Reader>,
    loads: VecDeque<Load>,
    flush: Option<Running>,
}

/// A reader's place in one partition's log.
struct Reader {
    at: i64,
    is_paused: bool,
}

/// A stored row that was asked for.
enum Load {
    Asked(i32),
    Answered { partition: i32, progress: Box<Progress>, ends: LogEnds },
}

struct Running {
    protocol: FlushProtocol,
    action: FlushAction,
    /// Open between locking and storing.
    transaction: Option<Transaction>,
}

impl Worker {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Worker {
            engine: Engine::new(bounds),
            bounds,
            believes: BTreeSet::new(),
            halted: BTreeSet::new(),
            readers: BTreeMap::new(),
            loads: VecDeque::new(),
            flush: None,
        }
    }

    pub(crate) fn assign(&mut self, partitions: &[i32], shared: &mut Shared<'_>) {
        for partition in partitions {
            self.believes.insert(*partition);
            self.halted.remove(partition);
        }
        self.apply(Input::Assigned(partitions), shared);
    }

    pub(crate) fn revoke(&mut self, partitions: &[i32], shared: &mut Shared<'_>) {
        for partition in partitions {
            self.believes.remove(partition);
            self.halted.remove(partition);
            self.readers.remove(partition);
        }
        self.apply(Input::Revoked(partitions), shared);
    }

    /// The process is gone, with its connection and everything it held.
    pub(crate) fn kill(&mut self, shared: &mut Shared<'_>) {
        if let Some(Running { transaction: Some(transaction), .. }) = self.flush.take() {
            shared.database.rollback(transaction);
        }
        *self = Worker::new(self.bounds);
    }

    /// The connection of the flush under way is gone; its transaction was rolled back.
    pub(crate) fn disconnect(&mut self) {
        if let Some(running) = &mut self.flush
            && running.transaction.take().is_some()
        {
            running.action = running.protocol.next(FlushAnswer::Failed);
        }
    }

    pub(crate) fn flush_due(&mut self, shared: &mut Shared<'_>) {
        self.apply(Input::FlushDue, shared);
    }

    pub(crate) fn flush_now(&mut self, shared: &mut Shared<'_>) {
        self.apply(Input::FlushNow, shared);
    }

    pub(crate) fn reset_refused(&mut self, shared: &mut Shared<'_>) {
        self.apply(Input::ResetRefused, shared);
    }

    pub(crate) fn silence(&mut self, partition: i32, shared: &mut Shared<'_>) {
        if self.readers.remove(&partition).is_some() {
            shared.hit("fell silent");
        }
    }

    /// Hands over up to `records` records, first `again` old ones.
    pub(crate) fn deliver(
        &mut self,
        partition: i32,
        records: usize,
        again: i64,
        shared: &mut Shared<'_>,
    ) {
        let Some(log) = usize::try_from(partition).ok().and_then(|index| shared.logs.get(index))
        else {
            return;
        };
        if let Some(reader) = self.readers.get_mut(&partition) {
            reader.at = log.first.max(reader.at - again);
        }
        for _ in 0..records {
            let Some(reader) = self.readers.get_mut(&partition).filter(|one| !one.is_paused) else {
                return;
            };
            let offset = reader.at;
            if offset == shared.end(partition) {
                let end = Position::at(offset);
                self.apply(Input::EndOfLog { partition, end }, shared);
                return;
            }
            reader.at += 1;
            let index = usize::try_from(offset - log.first).expect("readers start inside the log");
            if let Some(message) = &log.messages[index] {
                self.hand_over(partition, offset, message, shared);
            }
        }
    }

    fn hand_over(
        &mut self,
        partition: i32,
        offset: i64,
        message: &Message,
        shared: &mut Shared<'_>,
    ) {
        let record = Record {
            offset,
            time: message.time,
            key: message.key.as_deref(),
            payload: message.payload.as_deref(),
            headers: &|| message.headers.clone(),
        };
        self.apply(Input::Record { partition, record, now: NOW }, shared);
    }

    /// Reads the row of the oldest load, or hands its answer over. `false`: there is none.
    pub(crate) fn step_load(&mut self, shared: &mut Shared<'_>) -> bool {
        match self.loads.pop_front() {
            None => return false,
            Some(Load::Asked(partition)) => {
                let progress = Box::new(shared.database.row(partition).clone());
                let ends = shared.log_ends(partition);
                self.loads.push_front(Load::Answered { partition, progress, ends });
            }
            Some(Load::Answered { partition, progress, ends }) => {
                self.apply(
                    Input::Loaded {
                        partition,
                        progress,
                        rules: RULES,
                        standing: Standing::default(),
                        ends,
                    },
                    shared,
                );
            }
        }
        true
    }

    /// Takes one step of the flush under way. `false`: there is none, or it waits for a lock.
    pub(crate) fn step_flush(&mut self, fault: &mut Fault, shared: &mut Shared<'_>) -> bool {
        let Some(mut running) = self.flush.take() else { return false };
        match running.action {
            FlushAction::LockPositions => {
                let did_step = running.lock_positions(fault, shared);
                self.flush = Some(running);
                did_step
            }
            FlushAction::StoreAndCommit => {
                running.store_and_commit(fault, shared);
                self.flush = Some(running);
                true
            }
            FlushAction::Done => {
                self.finish_flush(running.protocol, shared);
                true
            }
        }
    }

    /// Whether it was committed is left open.
    pub(crate) fn give_up_flush(&mut self, shared: &mut Shared<'_>) {
        let Some(running) = self.flush.take() else { return };
        if let Some(transaction) = running.transaction {
            shared.database.rollback(transaction);
        }
        shared.hit("given up");
        self.finish_flush(running.protocol, shared);
    }

    fn finish_flush(&mut self, protocol: FlushProtocol, shared: &mut Shared<'_>) {
        let report = protocol.into_report();
        for (partition, _, _, outcome) in &report.parts {
            shared.hit(match outcome {
                PartOutcome::Unneeded => "unneeded",
                PartOutcome::Committed => "committed",
                PartOutcome::Fenced if self.believes.contains(partition) => "fenced",
                PartOutcome::Fenced => "fenced after it was revoked",
                PartOutcome::TooLarge => "too large",
                PartOutcome::Refused(_) => "refused",
            });
        }
        self.apply(Input::Flushed { report, now: shared.clock }, shared);
    }

    fn apply(&mut self, input: Input<'_>, shared: &mut Shared<'_>) {
        let mut effects = Vec::new();
        self.engine.apply(input, &mut effects);
        for effect in effects {
            self.carry_out(effect, shared);
        }
    }

    fn carry_out(&mut self, effect: Effect, shared: &mut Shared<'_>) {
        match effect {
            Effect::Load(partitions) => self.loads.extend(partitions.into_iter().map(Load::Asked)),
            Effect::Read { partition, from } => {
                let is_paused = self.engine.is_paused();
                self.readers.insert(partition, Reader { at: from.offset(), is_paused });
                self.halted.remove(&partition);
            }
            Effect::Halt { partition, .. } => {
                shared.hit("halted");
                self.readers.remove(&partition);
                self.halted.insert(partition);
            }
            Effect::Pause => {
                shared.hit("paused");
                self.readers.values_mut().for_each(|reader| reader.is_paused = true);
            }
            Effect::Resume => self.readers.values_mut().for_each(|one| one.is_paused = false),
            Effect::Flush(batch) => self.begin_flush(batch, shared),
            Effect::Examine { .. } | Effect::AcceptGap { .. } => {
                panic!("these logs stay what they are")
            }
        }
    }

    fn begin_flush(&mut self, batch: FlushBatch, shared: &mut Shared<'_>) {
        assert!(self.flush.is_none(), "one flush at a time");
        let deltas = || batch.parts.iter().map(|part| &part.delta);
        let groups: usize = deltas().map(|delta| delta.on_time.len() + delta.late.len()).sum();
        let letters: usize = deltas().map(|delta| delta.dead_letters.len()).sum();
        assert!(groups <= self.bounds.groups, "I-6: {groups} groups held");
        assert!(letters <= self.bounds.dead_letters, "I-6: {letters} dead letters held");

        let ends = batch.parts.iter().map(|part| (part.partition, shared.log_ends(part.partition)));
        let log_ends = ends.collect();
        let protocol = FlushProtocol::new(batch, log_ends);
        let action = protocol.start();
        self.flush = Some(Running { protocol, action, transaction: None });
    }

    /// Nothing is held back, under way or waited for.
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.engine.has_unstored()
            && !self.engine.is_flushing()
            && !self.engine.is_paused()
            && self.loads.is_empty()
    }
}

impl Running {
    fn lock_positions(&mut self, fault: &mut Fault, shared: &mut Shared<'_>) -> bool {
        if take(fault, Fault::BeforeLock, &mut shared.hits) {
            self.action = self.protocol.next(FlushAnswer::Failed);
            return true;
        }
        let pending: Vec<i32> = self.protocol.pending().map(|part| part.partition).collect();
        let Some((transaction, rows)) = shared.database.lock(&pending) else {
            shared.hit("waited for a lock");
            return false;
        };
        if take(fault, Fault::AfterLock, &mut shared.hits) {
            shared.database.rollback(transaction);
            self.action = self.protocol.next(FlushAnswer::Failed);
            return true;
        }
        self.action = self.protocol.next(FlushAnswer::Locked(rows));
        if self.action == FlushAction::StoreAndCommit {
            self.transaction = Some(transaction);
        } else {
            shared.database.rollback(transaction);
        }
        true
    }

    fn store_and_commit(&mut self, fault: &mut Fault, shared: &mut Shared<'_>) {
        let transaction = self.transaction.take().expect("rows are locked before they are stored");
        let parts: Vec<FlushPart> =
            self.protocol.matching().map(|(_, part)| part.clone()).collect();
        let Shared { database, logs, hits, .. } = shared;

        let answer = if take(fault, Fault::WhileStoring, hits)
            || take(fault, Fault::CommitLost, hits)
        {
            database.rollback(transaction);
            FlushAnswer::Failed
        } else if take(fault, Fault::AppliedAnswerLost, hits) {
            database.commit(transaction, &parts, logs);
            FlushAnswer::Failed
        } else if let Fault::InDoubt { commits } = *fault {
            take(fault, Fault::InDoubt { commits }, hits);
            database.orphan(transaction, commits.then_some(parts));
            FlushAnswer::Failed
        } else if let Fault::Refused { part } = *fault {
            take(fault, Fault::Refused { part }, hits);
            database.rollback(transaction);
            let index = self.protocol.matching().map(|(index, _)| index).nth(part % parts.len());
            let index = index.expect("only flushes with a matching part are stored");
            FlushAnswer::Refused(vec![(index, "a user's constraint".to_owned())])
        } else {
            database.commit(transaction, &parts, logs);
            FlushAnswer::Committed
        };
        self.action = self.protocol.next(answer);
    }
}

/// Whether this is the fault to be; it happens once.
fn take(fault: &mut Fault, this: Fault, hits: &mut Hits) -> bool {
    let is_it = *fault == this;
    if is_it {
        *fault = Fault::None;
        *hits.entry(this.name()).or_default() += 1;
    }
    is_it
}
