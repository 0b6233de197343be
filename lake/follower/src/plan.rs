//! What to do next, from one snapshot of the warehouse and one of the lake.
//!
//! | the lake's position | the generation | what is done |
//! |---|---|---|
//! | at the warehouse's | any | nothing |
//! | before it, and no record stands between | any | the position is moved; nothing is read |
//! | before it | is read by the warehouse | read to the warehouse's position |
//! | before it | is over | halt: its log is gone |
//! | behind it | is read by the warehouse | nothing: the database was restored, and comes after |
//! | behind it | is over | halt: the database was restored, and what it counted then can't be compared |
//! | before it, and the lake knows a later generation | is the warehouse's last | halt: the database was restored to before that one |
//! | any | began with another record than the lake knows | halt: it is another log |
//! | at the warehouse's | has another last record there than the lake knows | the same |
//!
//! A partition's generations are gone through in their order, and none behind one that waits.

use std::collections::BTreeMap;

use windowing::{Fingerprint, Position};

use crate::halt::{Halt, Trouble};
use crate::{Counted, Key, Mark, Reached, Versions};

/// How far the warehouse has counted a generation: the part of a row of `stream_progress` that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Partition and generation.
    pub key: Key,
    /// Where it began.
    pub first: Position,
    /// Where it goes on.
    pub next: Position,
    /// What became of the records between.
    pub counted: Counted,
    /// The last record before `next`.
    pub fingerprint: Option<Fingerprint>,
    /// The first record of the generation.
    pub origin: Option<Fingerprint>,
}

/// One partition to read, and what must come out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Partition and generation.
    pub key: Key,
    /// Where the generation began.
    pub first: Position,
    /// Where the lake stands.
    pub from: Reached,
    /// Where the warehouse stands.
    pub to: Position,
    /// The last record before that.
    pub last: Fingerprint,
    /// The warehouse's counters there.
    pub counted: Counted,
    /// The print of the generation's first record.
    pub origin: Option<u32>,
}

impl Task {
    /// How many events and dead letters stand between; `None`: that is not known.
    pub fn expected(&self) -> Option<Counted> {
        self.from.counted.map(|from| Counted {
            events: self.counted.events - from.events,
            dead: self.counted.dead - from.dead,
        })
    }

    /// What the lake has reached when this is committed.
    pub fn reached(&self) -> Reached {
        Reached {
            position: self.to,
            counted: Some(self.counted),
            mark: Some(Mark::of(self.last)),
            origin: self.origin,
        }
    }
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Positions that move without a record.
    pub moves: Vec<(Key, Reached)>,
    /// Partitions to read.
    pub tasks: Vec<Task>,
    /// Generations in which the lake is ahead: its position, and the warehouse's.
    pub ahead: Vec<(Key, Position, Position)>,
    /// Partitions that wait, and why.
    pub waiting: Vec<(Key, Trouble)>,
}

impl Plan {
    /// Whether the lake holds all that the warehouse has counted, but for what waits.
    pub fn is_done(&self) -> bool {
        self.moves.is_empty() && self.tasks.is_empty()
    }

    /// What waits for an operator.
    pub fn halts(&self) -> impl Iterator<Item = (Key, Halt)> {
        self.waiting.iter().filter_map(|(key, trouble)| match trouble {
            Trouble::Halt(halt) => Some((*key, *halt)),
            Trouble::Passing(_) => None,
        })
    }
}

/// Why a partition is left out, and until when: while both sides stand where they stood, or, of a halt, while the
/// lake does.
#[derive(Clone, Copy, Debug)]
struct Aside {
    lake: Reached,
    warehouse: Position,
    trouble: Trouble,
}

/// One process that follows the warehouse. What it remembers is only what it need not find out again.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    aside: BTreeMap<Key, Aside>,
}

impl Follower {
    /// What to do next. `rows` are all generations of the topic, in whatever order.
    pub fn plan(&self, topic: &str, rows: &[Row], versions: &Versions) -> Plan {
        let mut generations: Vec<&Row> = rows.iter().collect();
        generations.sort_by_key(|row| row.key);
        let mut plan = Plan::default();
        for of_partition in generations.chunk_by(|a, b| a.key.partition == b.key.partition) {
            for (index, row) in of_partition.iter().enumerate() {
                let is_over = index + 1 < of_partition.len();
                if !self.plan_generation(topic, row, is_over, versions, &mut plan) {
                    break;
                }
            }
        }
        plan
    }

    /// Plans one generation. `true`: the one after it may be planned too.
    fn plan_generation(
        &self,
        topic: &str,
        row: &Row,
        is_over: bool,
        versions: &Versions,
        plan: &mut Plan,
    ) -> bool {
        let key = row.key;
        let from = Reached::read(versions, topic, key).unwrap_or(Reached::beginning(row.first));
        let origin = row.origin.map(Mark::print);
        if let Some(halt) = restored(topic, row, &from, is_over, versions) {
            plan.waiting.push((key, Trouble::Halt(halt)));
            return false;
        }
        if from.position == row.next {
            return true;
        }
        if from.position > row.next {
            plan.ahead.push((key, from.position, row.next));
            return false;
        }
        if let Some(trouble) = self.trouble_of(row, &from) {
            plan.waiting.push((key, trouble));
            return false;
        }
        // A record that the lake has not archived yet; none: only marks of transactions and accepted gaps.
        let last = row.fingerprint.filter(|last| last.offset >= from.position.offset());
        match last {
            Some(_) if is_over => {
                let halt = Halt::Sealed { from: from.position, to: row.next };
                plan.waiting.push((key, Trouble::Halt(halt)));
                return false;
            }
            Some(last) => plan.tasks.push(Task {
                key,
                first: row.first,
                from,
                to: row.next,
                last,
                counted: row.counted,
                origin,
            }),
            None => {
                let counted = Some(row.counted);
                plan.moves.push((key, Reached { position: row.next, counted, origin, ..from }));
            }
        }
        true
    }

    /// Leaves a partition out whose reading came to nothing.
    pub fn set_aside(&mut self, task: &Task, trouble: Trouble) {
        self.aside.insert(task.key, Aside { lake: task.from, warehouse: task.to, trouble });
    }

    /// Takes in again what was left out for something that passes.
    pub fn try_again(&mut self) {
        self.aside.retain(|_, aside| matches!(aside.trouble, Trouble::Halt(_)));
    }

    fn trouble_of(&self, row: &Row, lake: &Reached) -> Option<Trouble> {
        let aside = self.aside.get(&row.key).filter(|aside| aside.lake == *lake)?;
        let stands = aside.warehouse == row.next;
        (stands || matches!(aside.trouble, Trouble::Halt(_))).then_some(aside.trouble)
    }
}

/// What shows that the database was restored, and that its generation is not the lake's.
fn restored(
    topic: &str,
    row: &Row,
    from: &Reached,
    is_over: bool,
    versions: &Versions,
) -> Option<Halt> {
    let differs = |known: Option<u32>, found: Option<Fingerprint>| {
        found.filter(|found| known.is_some_and(|known| known != Mark::print(*found)))
    };
    let is_level = from.position == row.next;
    // Both have nothing behind it: then it is the same record, or the logs are not the same.
    let last = row.fingerprint.filter(|last| is_level && last.offset >= row.first.offset());
    let another = differs(from.origin, row.origin)
        .or_else(|| differs(from.mark.map(|mark| mark.print), last));
    if let Some(found) = another {
        return Some(if is_over {
            // Of this log nothing can be archived any more.
            Halt::Sealed { from: row.first, to: row.next }
        } else {
            Halt::AnotherLog { offset: found.offset, first: row.first }
        });
    }
    if is_over && from.position > row.next {
        return Some(Halt::Incomparable { from: row.first, to: row.next });
    }
    let later = Key { generation: row.key.generation + 1, ..row.key };
    let knows_later = !is_over && Reached::read(versions, topic, later).is_some();
    (knows_later && from.position < row.next)
        .then_some(Halt::RolledBack { generation: later.generation, first: row.first })
}

#[cfg(test)]
mod tests;
