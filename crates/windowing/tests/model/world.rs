//! The workers, the logs that grow and the database between them, driven by a schedule.
//!
//! After the last step everyone drains: nobody fails any more, zombies learn what they have lost,
//! halted partitions are assigned again, and every record must end up stored within a bounded
//! number of rounds.

use std::collections::BTreeMap;

use event_model::EventTime;
use windowing::{LogEnds, Position};

use crate::database::{Backup, Database};
use crate::logs::{Log, NOW_MICROS};
use crate::schedule::{Case, Farewell, Fault, Step};
use crate::worker::Worker;

const START: EventTime = EventTime::from_micros(NOW_MICROS);
/// How long a step takes: some make a partition from which nothing comes look stuck.
const STEP_MICROS: i64 = 1_000_000;
const ROUND_MICROS: i64 = 6_000_000;

/// How often each thing has happened: a fault test has to show that it hit.
pub(crate) type Hits = BTreeMap<&'static str, u64>;

/// What all workers share.
pub(crate) struct Shared<'a> {
    pub(crate) logs: &'a [Log],
    /// How many entries of each log have been written.
    written: Vec<usize>,
    /// The time of day of brokers and workers; records are judged by another clock, which stands.
    pub(crate) clock: EventTime,
    pub(crate) database: Database,
    pub(crate) hits: Hits,
}

pub(crate) struct World<'a> {
    shared: Shared<'a>,
    workers: Vec<Worker>,
    /// By partition: who owns it, as the group's coordinator sees it.
    owners: Vec<usize>,
    backup: Option<Backup>,
}

/// Carries out a case, and returns what happened in it.
///
/// # Panics
/// As soon as anything stored is not what it must be, or if it does not drain.
pub(crate) fn run(case: &Case) -> Hits {
    let logs: Vec<Log> = case.logs.iter().map(Log::written).collect();
    let mut world = World::new(case, &logs);
    for step in &case.steps {
        world.step(*step);
    }
    world.drain();
    world.shared.hits
}

impl<'a> World<'a> {
    fn new(case: &Case, logs: &'a [Log]) -> Self {
        let written = vec![0; logs.len()];
        let database = Database::with_rows_for(logs);
        let mut world = World {
            shared: Shared { logs, written, clock: START, database, hits: Hits::new() },
            workers: (0..case.workers).map(|_| Worker::new(case.bounds)).collect(),
            owners: (0..logs.len()).map(|partition| partition % case.workers).collect(),
            backup: None,
        };
        for worker in 0..case.workers {
            world.assign_owned(worker);
            while world.workers[worker].step_load(&mut world.shared) {}
        }
        world
    }

    fn step(&mut self, step: Step) {
        let (workers, partitions) = (self.workers.len(), self.owners.len());
        let shared = &mut self.shared;
        shared.clock = shared.clock.plus_micros(STEP_MICROS);
        match step {
            Step::Append { partition, entries } => shared.append(partition % partitions, entries),
            Step::Deliver { worker, partition, records, again } => {
                let partition = number(partition % partitions);
                let again = i64::try_from(again).expect("a few");
                self.workers[worker % workers].deliver(partition, records, again, shared);
            }
            Step::FlushDue { worker } => self.workers[worker % workers].flush_due(shared),
            Step::Flush { worker, actions, mut fault } => {
                for _ in 0..actions {
                    self.workers[worker % workers].step_flush(&mut fault, shared);
                }
            }
            Step::GiveUp { worker } => self.workers[worker % workers].give_up_flush(shared),
            Step::Load { worker } => {
                self.workers[worker % workers].step_load(shared);
            }
            Step::Move { partition, to, farewell } => {
                self.move_partition(partition % partitions, to % workers, farewell);
            }
            Step::Wake { worker } => self.revoke_lost(worker % workers),
            Step::Restart { worker } => {
                shared.hit("restarted");
                self.workers[worker % workers].kill(shared);
                self.assign_owned(worker % workers);
            }
            Step::Silence { worker, partition } => {
                self.workers[worker % workers].silence(number(partition % partitions), shared);
            }
            Step::ResetRefused { worker } => self.workers[worker % workers].reset_refused(shared),
            Step::Settle => shared.database.settle(shared.logs),
            Step::BumpEpoch { partition } => {
                shared.database.bump_epoch(number(partition % partitions));
            }
            Step::Backup => self.backup = Some(shared.database.backup()),
            Step::Restore => self.restore(),
        }
    }

    fn move_partition(&mut self, partition: usize, to: usize, farewell: Farewell) {
        let from = std::mem::replace(&mut self.owners[partition], to);
        let id = number(partition);
        let (workers, shared) = (&mut self.workers, &mut self.shared);
        match farewell {
            Farewell::Zombie if from != to => shared.hit("zombie"),
            Farewell::Zombie | Farewell::Abrupt => workers[from].revoke(&[id], shared),
            Farewell::Flushed => {
                workers[from].flush_now(shared);
                flush_to_the_end(&mut workers[from], shared);
                workers[from].revoke(&[id], shared);
            }
        }
        // A zombie that is given its partition back hears of the loss first.
        if workers[to].believes.contains(&id) {
            workers[to].revoke(&[id], shared);
        }
        workers[to].assign(&[id], shared);
    }

    fn restore(&mut self) {
        let Some(backup) = self.backup.clone() else { return };
        self.shared.hit("restored");
        self.shared.database.restore(backup);
        for worker in &mut self.workers {
            worker.disconnect();
        }
    }

    fn assign_owned(&mut self, worker: usize) {
        let owners = self.owners.iter().enumerate();
        let owned = owners.filter(|(_, owner)| **owner == worker).map(|(index, _)| number(index));
        let owned: Vec<i32> = owned.collect();
        self.workers[worker].assign(&owned, &mut self.shared);
    }

    fn revoke_lost(&mut self, worker: usize) {
        let (owners, workers) = (&self.owners, &mut self.workers);
        let believes = workers[worker].believes.iter();
        let lost = believes.filter(|&&id| owners[usize::try_from(id).expect("≥ 0")] != worker);
        let lost: Vec<i32> = lost.copied().collect();
        workers[worker].revoke(&lost, &mut self.shared);
    }

    fn drain(&mut self) {
        let World { shared, .. } = self;
        shared.written = shared.logs.iter().map(|log| log.messages.len()).collect();
        shared.database.settle(shared.logs);
        for worker in 0..self.workers.len() {
            self.revoke_lost(worker);
        }
        // At least one record of each partition is stored in each round, after a few to settle.
        let longest = self.shared.written.iter().max().copied().unwrap_or_default();
        let most_rounds = 20 + self.owners.len() * longest;
        for _ in 0..most_rounds {
            if self.is_drained() {
                self.shared.database.check(self.shared.logs);
                self.shared.note_final_counters();
                return;
            }
            // Being caught up is worth a write again: that is how an idle worker finds out that
            // the database was restored.
            self.shared.clock = self.shared.clock.plus_micros(ROUND_MICROS);
            for worker in &mut self.workers {
                drain_round(worker, &mut self.shared);
            }
        }
        panic!("not drained after {most_rounds} rounds");
    }

    fn is_drained(&self) -> bool {
        let rows = self.shared.database.rows().zip(self.shared.logs);
        let is_stored = rows
            .into_iter()
            .all(|(row, log)| row.next.offset() == log.end() && row.halted_reason.is_none());
        is_stored && self.workers.iter().all(Worker::is_at_rest)
    }
}

fn drain_round(worker: &mut Worker, shared: &mut Shared<'_>) {
    let halted: Vec<i32> = worker.halted.iter().copied().collect();
    if !halted.is_empty() {
        worker.revoke(&halted, shared);
        worker.assign(&halted, shared);
    }
    while worker.step_load(shared) {}
    let believes: Vec<i32> = worker.believes.iter().copied().collect();
    for partition in believes {
        worker.deliver(partition, usize::MAX, 0, shared);
    }
    worker.flush_due(shared);
    flush_to_the_end(worker, shared);
}

/// Until there is no flush, or it has to wait for somebody else's.
fn flush_to_the_end(worker: &mut Worker, shared: &mut Shared<'_>) {
    while worker.step_flush(&mut Fault::None, shared) {}
}

fn number(partition: usize) -> i32 {
    i32::try_from(partition).expect("there are four at most")
}

impl Shared<'_> {
    pub(crate) fn hit(&mut self, name: &'static str) {
        *self.hits.entry(name).or_default() += 1;
    }

    fn note_final_counters(&mut self) {
        for row in self.database.rows() {
            for (name, count) in [
                ("late", row.counters.late),
                ("dead", row.counters.dead),
                ("skipped", row.counters.skipped),
            ] {
                *self.hits.entry(name).or_default() += u64::try_from(count).expect("≥ 0");
            }
        }
    }

    /// The offset after what has been written so far.
    pub(crate) fn end(&self, partition: i32) -> i64 {
        self.log_ends(partition).high.offset()
    }

    pub(crate) fn log_ends(&self, partition: i32) -> LogEnds {
        let index = usize::try_from(partition).expect("≥ 0");
        let first = self.logs[index].first;
        let written = i64::try_from(self.written[index]).expect("logs are short");
        let (low, high) = (Position::at(first), Position::at(first + written));
        LogEnds { low, high, asked_at: self.clock }
    }

    fn append(&mut self, partition: usize, entries: usize) {
        let written = self.written[partition] + entries;
        self.written[partition] = written.min(self.logs[partition].messages.len());
    }
}
