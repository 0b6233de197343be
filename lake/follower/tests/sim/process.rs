//! An archiver: the follower with what it asks and what it does, one step at a time, so that anything can happen
//! between two of them. A planted bug is one wrong thing that it does.

use std::collections::BTreeSet;

use follower::{Follower, Halt, Key, Plan, Reached, Reading, Seen, Task, Trouble, Versions};
use windowing::{Position, fingerprint_of};

use crate::chance::Chance;
use crate::lake::{Archived, Lake, TOPIC};
use crate::warehouse::{SKEW_MICROS, Warehouse};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The table takes a commit that was made from a stale snapshot.
    StaleCommitsTaken,
    /// The warehouse's last record is not compared.
    LastUnchecked,
    /// What was found is not compared with what was counted.
    CountsUnchecked,
    /// Dead letters are not asked for.
    LettersIgnored,
    /// Rows are committed first, positions afterwards.
    PositionsAfterRows,
    /// What was written before something failed is committed with the next round.
    FilesKeptAfterFailure,
    /// Reads to the end of the log, not to where the warehouse has counted.
    ReadsToLogEnd,
    /// A position that moves without a record is committed as nothing.
    LostRangeNotHalted,
}

impl Bug {
    pub(crate) const ALL: [Bug; 8] = [
        Bug::StaleCommitsTaken,
        Bug::LastUnchecked,
        Bug::CountsUnchecked,
        Bug::LettersIgnored,
        Bug::PositionsAfterRows,
        Bug::FilesKeptAfterFailure,
        Bug::ReadsToLogEnd,
        Bug::LostRangeNotHalted,
    ];
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    /// The table's snapshot was taken.
    Table {
        base: usize,
        versions: Versions,
    },
    /// And the warehouse's.
    Planned {
        base: usize,
        plan: Plan,
        letters: Vec<Vec<i64>>,
    },
    Reading {
        base: usize,
        moves: Vec<(Key, Reached)>,
        readings: Vec<Reading>,
        rows: Vec<Archived>,
    },
    /// Only with a bug.
    RowsCommitted {
        moves: Vec<(Key, Reached)>,
    },
}

pub(crate) struct Process {
    bug: Option<Bug>,
    follower: Follower,
    state: State,
    kept: Vec<Archived>,
    /// Generations whose counters the lake did not know when this round was planned.
    on_trust: BTreeSet<Key>,
}

impl Process {
    pub(crate) fn new(bug: Option<Bug>) -> Self {
        Process {
            bug,
            follower: Follower::default(),
            state: State::Idle,
            kept: Vec::new(),
            on_trust: BTreeSet::new(),
        }
    }

    pub(crate) fn crash(&mut self) {
        *self = Process::new(self.bug);
    }

    /// Does the next thing. `true`: a round has ended.
    pub(crate) fn step(
        &mut self,
        chance: &mut Chance,
        warehouse: &Warehouse,
        lake: &mut Lake,
    ) -> bool {
        self.state = match std::mem::take(&mut self.state) {
            State::Idle => State::Table { base: lake.commits(), versions: lake.versions() },
            State::Table { base, versions } => self.plan(base, &versions, warehouse),
            State::Planned { base, plan, letters } => self.begin(base, plan, letters, warehouse),
            State::Reading { base, moves, mut readings, mut rows } => {
                match readings.iter_mut().find(|reading| !reading.is_done()) {
                    Some(reading) => {
                        let on_trust = self.on_trust.contains(&reading.task().key);
                        if read_some(reading, chance, warehouse, &mut rows, on_trust) {
                            State::Reading { base, moves, readings, rows }
                        } else {
                            State::Idle
                        }
                    }
                    None => self.end(chance, base, moves, readings, rows, lake),
                }
            }
            State::RowsCommitted { moves } => {
                lake.commit(lake.commits(), Vec::new(), versions_of(&moves));
                State::Idle
            }
        };
        matches!(self.state, State::Idle)
    }

    fn plan(&mut self, base: usize, versions: &Versions, warehouse: &Warehouse) -> State {
        self.follower.try_again();
        let mut plan = self.follower.plan(TOPIC, &warehouse.rows(), versions);
        if self.bug == Some(Bug::LostRangeNotHalted) {
            pretend_archived(&mut plan);
        }
        let unknown = plan.tasks.iter().filter(|task| task.from.counted.is_none());
        self.on_trust = unknown.map(|task| task.key).collect();
        let letters = plan.tasks.iter().map(|task| letters_of(task, warehouse)).collect();
        if plan.is_done() { State::Idle } else { State::Planned { base, plan, letters } }
    }

    fn begin(
        &self,
        base: usize,
        plan: Plan,
        letters: Vec<Vec<i64>>,
        warehouse: &Warehouse,
    ) -> State {
        let readings = plan
            .tasks
            .into_iter()
            .zip(letters)
            .map(|(task, letters)| self.begin_one(task, letters, warehouse))
            .collect();
        State::Reading { base, moves: plan.moves, readings, rows: self.kept.clone() }
    }

    fn begin_one(&self, mut task: Task, mut letters: Vec<i64>, warehouse: &Warehouse) -> Reading {
        let log = &warehouse.logs[usize::try_from(task.key.partition).unwrap()];
        match self.bug {
            Some(Bug::LastUnchecked) => {
                if let Some(stored) = log.at(task.last.offset) {
                    task.last = stored.with_record(task.last.offset, fingerprint_of);
                }
            }
            Some(Bug::CountsUnchecked) => task.from.counted = None,
            Some(Bug::LettersIgnored) => {
                (letters, task.from.counted) = (Vec::new(), None);
            }
            Some(Bug::ReadsToLogEnd) if log.end() > task.to.offset() => {
                let last = log.end() - 1;
                task.last = log.at(last).unwrap().with_record(last, fingerprint_of);
                (task.to, task.from.counted) = (Position::at(log.end()), None);
            }
            _ => {}
        }
        Reading::begin(task, letters, Position::at(log.low), SKEW_MICROS)
    }

    /// All was read: judges it, and commits it as a whole or not at all.
    fn end(
        &mut self,
        chance: &mut Chance,
        base: usize,
        mut moves: Vec<(Key, Reached)>,
        readings: Vec<Reading>,
        rows: Vec<Archived>,
        lake: &mut Lake,
    ) -> State {
        let mut is_whole = true;
        for reading in &readings {
            match reading.judge() {
                Ok(reached) => moves.push((reading.task().key, reached)),
                Err(trouble) => {
                    self.follower.set_aside(reading.task(), trouble);
                    is_whole = false;
                }
            }
        }
        if !is_whole {
            if self.bug == Some(Bug::FilesKeptAfterFailure) {
                self.kept = rows;
            }
            return State::Idle;
        }
        if self.bug == Some(Bug::PositionsAfterRows) {
            lake.commit(base, rows, Vec::new());
            return State::RowsCommitted { moves };
        }
        lake.commit(base, rows, versions_of(&moves));
        // Its answer may be lost; whoever waited for it begins again in any case.
        if chance.one_in(10) {
            self.crash();
        }
        self.kept.clear();
        State::Idle
    }
}

fn versions_of(moves: &[(Key, Reached)]) -> Vec<(String, i64)> {
    moves.iter().flat_map(|(key, reached)| reached.write(TOPIC, *key)).collect()
}

fn letters_of(task: &Task, warehouse: &Warehouse) -> Vec<i64> {
    warehouse.letters(task.key, task.from.position.offset(), task.to.offset())
}

/// Reads a few records. `false`: the log does not reach back to them any more.
fn read_some(
    reading: &mut Reading,
    chance: &mut Chance,
    warehouse: &Warehouse,
    rows: &mut Vec<Archived>,
    on_trust: bool,
) -> bool {
    let key = reading.task().key;
    let log = &warehouse.logs[usize::try_from(key.partition).unwrap()];
    for _ in 0..=chance.below(12) {
        let offset = reading.at().offset();
        if offset < log.low {
            return false;
        }
        // The next one that is shown; marks of transactions are not.
        let next = (offset..log.end())
            .filter_map(|offset| Some((offset, log.at(offset)?)))
            .find(|(_, stored)| stored.kind != crate::warehouse::Kind::Control);
        let Some((offset, stored)) = next else {
            reading.see_end(Position::at(log.end()));
            reading.give_up();
            return true;
        };
        stored.with_record(offset, |record| {
            if reading.see(record) == Seen::Taken {
                let event_time = stored.event_time(offset);
                let is_dead = reading.is_dead_letter(record, event_time) || event_time.is_none();
                reading.count(!is_dead);
                if !is_dead {
                    rows.push(Archived { key, offset, stored, on_trust });
                }
            }
        });
        if reading.is_done() {
            return true;
        }
    }
    true
}

/// The command `accept-gap`: finds out what halts a partition, and carries the permission out by a commit.
pub(crate) fn accept_some(warehouse: &Warehouse, lake: &mut Lake, bug: Option<Bug>) -> Vec<usize> {
    let process = Process::new(bug);
    let (base, versions) = (lake.commits(), lake.versions());
    let plan = process.follower.plan(TOPIC, &warehouse.rows(), &versions);
    let mut halts: Vec<(Key, Halt)> = plan.halts().collect();
    for task in plan.tasks {
        let letters = letters_of(&task, warehouse);
        let mut reading = process.begin_one(task, letters, warehouse);
        let mut chance = Chance::new(0);
        while !reading.is_done()
            && read_some(&mut reading, &mut chance, warehouse, &mut Vec::new(), false)
        {}
        if let Err(Trouble::Halt(halt)) = reading.judge() {
            halts.push((reading.task().key, halt));
        }
    }
    let mut kinds = Vec::new();
    for (key, halt) in halts {
        let row_first = warehouse.rows().iter().find(|row| row.key == key).unwrap().first;
        let first = halt_first(&halt, key, warehouse);
        let from = Reached::read(&versions, TOPIC, key).unwrap_or(Reached::beginning(first));
        let resume = warehouse.parts_at(key, &lake.archived_of(key.partition));
        let accepted = halt.accepted(from, Some(resume)).unwrap();
        let mut stored: Vec<(String, i64)> = accepted.reached.write(TOPIC, key).into();
        // Generations that the warehouse does not know any more.
        let mut later = Key { generation: key.generation + 1, ..key };
        while Reached::read(&versions, TOPIC, later).is_some()
            && warehouse.keys().all(|known| known != later)
        {
            stored.extend(Reached::forget(TOPIC, later));
            later.generation += 1;
        }
        if lake.commit(base, Vec::new(), stored) {
            let lost = (accepted.lost.0.offset(), accepted.lost.1.offset());
            lake.lost.entry(key).or_default().push(lost);
            // What stands before the offset that he names and is not archived, he has given up as well.
            if matches!(halt, Halt::AnotherLog { .. } | Halt::RolledBack { .. }) {
                let given_up = (row_first.offset(), resume.position.offset());
                lake.lost.entry(key).or_default().push(given_up);
            }
            kinds.push(match halt {
                Halt::Sealed { .. } => 0,
                Halt::Overtaken { .. } => 1,
                Halt::AnotherLog { .. } | Halt::RolledBack { .. } | Halt::Incomparable { .. } => 2,
                Halt::CountsDiffer { .. } => 3,
            });
        }
    }
    kinds
}

fn halt_first(halt: &Halt, key: Key, warehouse: &Warehouse) -> Position {
    match halt {
        Halt::AnotherLog { first, .. } => *first,
        _ => warehouse.rows().iter().find(|row| row.key == key).unwrap().first,
    }
}

/// A bug: what can't be read any more is taken for archived.
fn pretend_archived(plan: &mut Plan) {
    for (key, trouble) in std::mem::take(&mut plan.waiting) {
        if let Trouble::Halt(Halt::Sealed { to, .. }) = trouble {
            let mut reached = Reached::beginning(to);
            reached.counted = None;
            plan.moves.push((key, reached));
        }
    }
}
