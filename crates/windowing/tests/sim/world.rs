//! The workers, the logs that grow and break, and the database between them, driven by steps.
//!
//! Here are the steps of processes and servers; those of the logs are in `log_steps`, the group's
//! coordinator is `group`, and what must come of it all in the end is `drain`.

mod drain;
mod group;
mod log_steps;
mod moving;

use event_model::EventTime;
use windowing::{GapReason, PatternGap};

use super::database::{Database, Stored};
use super::faults::{Faults, Kind};
use super::logs::{Cluster, Log, NOW_MICROS};
use super::shared::{Met, Shared};
use super::steps::{Setting, Step, start_from};
use super::worker::{Options, Rebalance, Worker};
use moving::Found;

/// How long a step takes that has no time of its own.
const STEP_MICROS: i64 = 20_000;
/// The server ends a session that is idle inside its transaction for so long.
const IDLE_SESSION_MICROS: i64 = 5_000_000;

/// Long enough for a partition from which nothing comes to be halted, were it to blame: brokers abort
/// what hangs after longer than that.
const ROUNDS_OF_A_HANG: u64 = 200;

/// At most so many streamers are at the wrong cluster.
const STRAYS_MAX: usize = 2;

const OURS: &str = "ours";
const RIVALS: &str = "rivals";

pub(crate) struct World {
    pub(crate) shared: Shared,
    options: Vec<Options>,
    workers: Vec<Worker>,
    /// Of another group, on the same database.
    rival: Option<Worker>,
    /// Whose logs the streamers are to read.
    cluster: Cluster,
    /// Streamers that read the other cluster's.
    strays: Vec<Worker>,
    is_mirrored: bool,
    /// The release that runs knows of no clusters.
    knows_no_cluster: bool,
    /// An operator has said that ours is the cluster on which the topic was counted.
    is_vouched_for: bool,
    /// Where an operator has found that the topic would go on.
    found: Option<Found>,
    /// The cluster to which producers write.
    written: Cluster,
    marks_before_copies: usize,
    /// By partition: which worker is to read it, and which one the group takes for its reader.
    owners: Vec<usize>,
    holders: Vec<Option<usize>>,
    /// Whether the holder was asked to give it up.
    is_asked: Vec<bool>,
    backup: Option<Stored>,
    /// How long transactions that are open in the end stay open.
    rounds_until_abort: u64,
}

/// What came of a schedule.
pub(crate) struct Outcome {
    pub(crate) faults: Faults,
    pub(crate) met: Met,
    /// How long everything took to be stored after the last fault.
    pub(crate) rounds_to_drain: u64,
}

impl World {
    pub(crate) fn new(setting: &Setting, is_traced: bool) -> Self {
        let start = EventTime::from_micros(NOW_MICROS);
        let logs: Vec<Log> = (0..)
            .zip(&setting.firsts)
            .map(|(partition, first)| {
                let log = Log::empty(setting.seed, partition, *first, setting.is_compacted);
                if setting.is_mirrored {
                    log.mirrored(setting.marks_before_copies, start)
                } else {
                    log
                }
            })
            .collect();
        let partitions = logs.len();
        let mut shared = Shared::new(logs, is_traced);
        shared.database = Database::default();
        let cluster = Cluster::Home;
        let made = shared.database.ensure_partitions(&shared.logs, cluster);
        made.expect("there is no other cluster yet");
        let start = |(number, options): (usize, &Options)| {
            Worker::new(number, (OURS, cluster), *options, shared.clock)
        };
        let workers: Vec<Worker> = setting.workers.iter().enumerate().map(start).collect();
        World {
            cluster,
            strays: Vec::new(),
            is_mirrored: setting.is_mirrored,
            knows_no_cluster: setting.knows_no_cluster,
            is_vouched_for: false,
            found: None,
            written: cluster,
            marks_before_copies: setting.marks_before_copies,
            owners: (0..partitions).map(|partition| partition % workers.len()).collect(),
            holders: vec![None; partitions],
            is_asked: vec![false; partitions],
            shared,
            options: setting.workers.clone(),
            workers,
            rival: None,
            backup: None,
            rounds_until_abort: if setting.transactions_hang { ROUNDS_OF_A_HANG } else { 0 },
        }
    }

    pub(crate) fn step(&mut self, step: Step) {
        self.shared.note(|| format!("{step:?}"));
        self.pass(STEP_MICROS);
        let workers = self.workers.len() + usize::from(self.rival.is_some()) + self.strays.len();
        match step {
            Step::Turn { worker, records, slowly } => {
                self.shared.loads_slowly = slowly;
                let (worker, shared) = self.worker(worker % workers);
                worker.turn(records, shared);
                self.shared.loads_slowly = false;
            }
            Step::Write { worker, steps, mut fault } => {
                let (worker, shared) = self.worker(worker % workers);
                for _ in 0..steps {
                    worker.write(&mut fault, shared);
                }
            }
            Step::Wait { millis } => self.pass(millis * 1_000),
            Step::Kill { .. }
            | Step::Stop { .. }
            | Step::Start { .. }
            | Step::Freeze { .. }
            | Step::Expel { .. }
            | Step::Thaw { .. } => self.step_process(step),
            Step::Rebalance { partition, to } => self.rebalance(partition, to),
            Step::Rival => self.toggle_rival(),
            Step::Stray { options } => self.stray(options),
            Step::Upgrade { is_quiet } => self.upgrade(is_quiet),
            Step::Copy { partition, records } => self.copy(self.partition(partition), records),
            Step::FindPlaces { source_is_gone } => self.find_places(source_is_gone),
            Step::Move => self.move_topic(),
            Step::Silence { worker, partition } => {
                let partition = self.partition(partition);
                let (worker, shared) = self.worker(worker % workers);
                worker.silence(number(partition), shared);
            }
            Step::Refuse { worker } => {
                let (worker, shared) = self.worker(worker % workers);
                worker.refuse(shared);
            }
            Step::DeliverAgain { worker, partition, records } => {
                let partition = self.partition(partition);
                let (worker, shared) = self.worker(worker % workers);
                worker.deliver_again(number(partition), records, shared);
            }
            _ => self.step_servers(step),
        }
        self.coordinate();
    }

    /// Only compaction, and a release that sets no marks, make of a log another one than was counted: whatever else happens, what is built
    /// again from it is what was there.
    pub(crate) fn expect_no_gap_without_reason(&self) {
        let is_excused =
            self.shared.logs[0].is_compacted || self.options.iter().any(|options| options.is_older);
        let another_log = |gap: &&PatternGap| gap.reason == GapReason::AnotherLog;
        let gap = self.shared.database.gaps().find(another_log).filter(|_| !is_excused);
        assert_eq!(gap, None, "the log is the one that was counted");
    }

    fn worker(&mut self, index: usize) -> (&mut Worker, &mut Shared) {
        let World { workers, rival, strays, shared, .. } = self;
        let worker = workers.iter_mut().chain(rival).chain(strays).nth(index);
        (worker.expect("the index is taken modulo their count"), shared)
    }

    fn partition(&self, partition: usize) -> usize {
        partition % self.owners.len()
    }

    fn pass(&mut self, micros: i64) {
        let World { shared, workers, strays, .. } = self;
        shared.clock = shared.clock.plus_micros(micros);
        shared.let_strangers_go();
        shared.database.watch_turn(shared.clock);
        for worker in workers.iter_mut().chain(strays) {
            let idle_since = worker.session_idle_since(shared).map(EventTime::micros);
            if idle_since.is_some_and(|at| shared.clock.micros() - at >= IDLE_SESSION_MICROS) {
                worker.end_idle_session(shared);
            }
        }
    }

    fn step_process(&mut self, step: Step) {
        let count = self.workers.len();
        let World { shared, workers, strays, .. } = self;
        match step {
            Step::Kill { worker, commit_was_sent } => {
                let index = worker % count;
                if !workers[index].has_stopped {
                    workers[index].kill(commit_was_sent, shared);
                    self.let_go_of(index);
                }
            }
            Step::Stop { worker } => workers[worker % count].stop(shared),
            Step::Start { worker } => {
                let index = worker % count;
                if workers[index].has_stopped {
                    self.start(index);
                }
            }
            Step::Freeze { worker } => {
                let worker = &mut workers[worker % count];
                if worker.frozen_at.is_none() && !worker.has_stopped {
                    worker.freeze(shared);
                }
            }
            Step::Expel { worker } => {
                let index = worker % count;
                let is_frozen = workers[index].frozen_at.is_some();
                let owns = self.holders.contains(&Some(index));
                if is_frozen && owns && !workers[index].is_expelled() {
                    workers[index].expel(shared);
                    self.let_go_of(index);
                }
            }
            Step::Thaw { worker } => {
                workers[worker % count].thaw(shared);
                strays.iter_mut().for_each(|stray| stray.thaw(shared));
            }
            _ => unreachable!("the caller has chosen"),
        }
    }

    fn step_servers(&mut self, step: Step) {
        let shared = &mut self.shared;
        match step {
            Step::Append { partition, entries } => {
                let partition = self.partition(partition);
                self.append(partition, entries, false);
            }
            Step::Transact { partition, entries } => {
                let partition = self.partition(partition);
                self.append(partition, entries, true);
            }
            Step::EndTransaction { partition, commits } => {
                let partition = self.partition(partition);
                self.end_transaction(partition, commits);
            }
            Step::DatabaseAway { millis } => {
                shared.inject_at(Kind::DatabaseAway, 0);
                shared.database_away_until = shared.clock.plus_micros(millis * 1_000);
            }
            Step::HoldTurn { millis } => {
                shared.hold_turn(millis * 1_000);
            }
            Step::DatabaseCrash => {
                shared.faults.inject(Kind::DatabaseCrashed);
                if shared.database.crash() {
                    shared.faults.observe(Kind::DatabaseCrashed);
                }
            }
            Step::Backup => self.backup = Some(shared.database.backup()),
            Step::Rewind => self.rewind(),
            Step::ChangeSettings => {
                if shared.database.change_settings() {
                    shared.faults.inject(Kind::SettingsChanged);
                    // Restoring one from before a change of settings is not simulated.
                    self.backup = None;
                    for partition in 0..number(shared.logs.len()) {
                        shared.expect_at(Kind::SettingsChanged, partition);
                    }
                }
            }
            Step::ChangeRules => {
                if shared.database.change_rules() {
                    shared.faults.inject(Kind::RulesChanged);
                    // As with settings.
                    self.backup = None;
                    for partition in 0..number(shared.logs.len()) {
                        shared.expect_at(Kind::RulesChanged, partition);
                    }
                }
            }
            Step::Settle => shared.database.settle(&shared.logs),
            Step::BrokersAway { millis } => {
                shared.inject_at(Kind::BrokerAway, 0);
                shared.brokers_away_until = shared.clock.plus_micros(millis * 1_000);
            }
            Step::RegistryAway { millis } => {
                shared.faults.inject(Kind::RegistryAway);
                shared.registry_away_until = shared.clock.plus_micros(millis * 1_000);
            }
            Step::AcceptGap { partition, choice } => {
                // What halts a streamer at the wrong cluster is no loss.
                if self.is_mirrored {
                    return;
                }
                let partition = number(self.partition(partition));
                self.shared.database.accept_gap(partition, start_from(choice));
            }
            Step::LoseGapAnswer => shared.loses_gap_answer = true,
            _ => self.step_log(step),
        }
    }

    fn rewind(&mut self) {
        let Some(backup) = self.backup.clone() else { return };
        let shared = &mut self.shared;
        let partitions = 0..number(shared.logs.len());
        let positions = |database: &Database| -> Vec<_> {
            let position =
                |partition| database.current(partition).map(|row| (row.generation, row.next));
            partitions.clone().map(position).collect()
        };
        let before = positions(&shared.database);
        shared.database.restore(backup);
        let went_back: Vec<i32> = (0..)
            .zip(before.iter().zip(positions(&shared.database)))
            .filter_map(|(partition, (before, after))| (*before > after).then_some(partition))
            .collect();
        // Of the rows of then nothing may tell clusters apart.
        if !shared.database.tells_clusters_apart() {
            self.strays.drain(..).for_each(|mut stray| stray.kill(false, shared));
        }
        if !went_back.is_empty() {
            shared.faults.inject(Kind::DatabaseRewound);
            went_back.iter().for_each(|id| shared.expect_at(Kind::DatabaseRewound, *id));
        }
    }

    fn toggle_rival(&mut self) {
        match self.rival.take() {
            Some(mut rival) => rival.kill(false, &mut self.shared),
            None => {
                let number_of_rival = self.workers.len();
                let (who, options) = ((RIVALS, self.cluster), self.options[0]);
                let mut rival = Worker::new(number_of_rival, who, options, self.shared.clock);
                let all: Vec<i32> = (0..number(self.owners.len())).collect();
                self.shared.faults.inject(Kind::RivalGroup);
                all.iter().for_each(|id| self.shared.expect_at(Kind::RivalGroup, *id));
                rival.mailbox.push_back(Rebalance::Assigned(all));
                self.rival = Some(rival);
            }
        }
    }

    /// A streamer of our name starts at the other cluster, whose group has no other member. Where no record was ever counted nothing
    /// tells clusters apart: it would go on by the other log, as every release did.
    fn stray(&mut self, options: usize) {
        self.strays.retain(|stray| !stray.has_stopped);
        let tells = self.shared.database.tells_clusters_apart();
        let is_possible = self.is_mirrored && !self.knows_no_cluster && tells;
        if !is_possible || self.strays.len() >= STRAYS_MAX {
            return;
        }
        let options = self.options[options % self.options.len()];
        let number_of_stray = self.workers.len() + 1 + self.strays.len();
        let who = (OURS, self.cluster.other());
        let mut stray = Worker::new(number_of_stray, who, options, self.shared.clock);
        let all = (0..number(self.owners.len())).collect();
        self.shared.faults.inject(Kind::Strayed);
        stray.mailbox.push_back(Rebalance::Assigned(all));
        self.strays.push(stray);
    }

    fn start(&mut self, index: usize) {
        let who = (OURS, self.cluster);
        let worker = Worker::new(index, who, self.options[index], self.shared.clock);
        self.workers[index] = worker.vouched_for(self.is_vouched_for);
    }
}

fn number(partition: usize) -> i32 {
    i32::try_from(partition).expect("there are few")
}
