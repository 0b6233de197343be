//! The logs, and the warehouse that counts them: written plainly, sharing no code with the follower.

use std::collections::{BTreeMap, BTreeSet};

use event_model::EventTime;
use follower::{Counted, Key, Mark, Resume, Row};
use windowing::{Fingerprint, Position, Record, RecordTime, fingerprint_of};

use crate::chance::Chance;

pub(crate) const PARTITIONS: usize = 2;
pub(crate) const SKEW_MICROS: i64 = 300_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Event,
    Unreadable,
    /// Too far ahead of its record.
    Future,
    /// Too far ahead of a clock that only the warehouse had.
    FutureByClock,
    /// A mark of a transaction, which nobody is shown.
    Control,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
}

impl Stored {
    pub(crate) fn with_record<T>(self, offset: i64, f: impl FnOnce(&Record<'_>) -> T) -> T {
        let payload = self.id.to_le_bytes();
        f(&Record {
            offset,
            time: RecordTime::Create(EventTime::from_millis(offset * 1_000)),
            key: None,
            payload: Some(&payload),
            content: windowing::Content::Payload,
            headers: &Vec::new,
        })
    }

    /// When it happened, of a payload that can be read.
    pub(crate) fn event_time(self, offset: i64) -> Option<EventTime> {
        let written_at = EventTime::from_millis(offset * 1_000);
        match self.kind {
            Kind::Event | Kind::FutureByClock => Some(written_at),
            Kind::Future => Some(written_at.plus_micros(SKEW_MICROS + 1)),
            Kind::Unreadable | Kind::Control => None,
        }
    }
}

/// One partition's log. `life` changes when records that were there are there no longer.
#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) life: u64,
    pub(crate) low: i64,
    pub(crate) records: Vec<Stored>,
    /// Where it parted from the life before it; 0: it was made anew.
    cut_at: i64,
}

impl Log {
    pub(crate) fn end(&self) -> i64 {
        i64::try_from(self.records.len()).unwrap()
    }

    pub(crate) fn at(&self, offset: i64) -> Option<Stored> {
        if offset < self.low {
            return None;
        }
        self.records.get(usize::try_from(offset).ok()?).copied()
    }
}

/// A row of `stream_progress`, and what stands behind it in truth.
#[derive(Clone)]
struct Progress {
    row: Row,
    life: u64,
    end_seen: i64,
}

/// The tables, of which a backup is a copy.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    progress: BTreeMap<Key, Progress>,
    letters: BTreeSet<(Key, i64)>,
    /// What was counted, by generation and offset.
    counted: BTreeMap<(Key, i64), u64>,
}

pub(crate) struct Warehouse {
    pub(crate) logs: Vec<Log>,
    tables: Tables,
    /// Everything that was ever counted, in times that were undone as well.
    pub(crate) ever_counted: BTreeSet<(Key, i64, u64)>,
    next_id: u64,
    lives: u64,
    was_restored: bool,
    exchanged: BTreeSet<i32>,
}

impl Warehouse {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let mut warehouse = Warehouse {
            logs: vec![Log::default(); PARTITIONS],
            tables: Tables::default(),
            ever_counted: BTreeSet::new(),
            next_id: 1,
            lives: 0,
            was_restored: false,
            exchanged: BTreeSet::new(),
        };
        for partition in 0..PARTITIONS {
            warehouse.append(partition, chance);
            warehouse.open(partition, 0, warehouse.logs[partition].low);
        }
        warehouse
    }

    pub(crate) fn clone_tables(&self) -> Tables {
        self.tables.clone()
    }

    pub(crate) fn restore(&mut self, backup: &Tables) {
        self.tables = backup.clone();
        self.was_restored = true;
    }

    /// Whether completeness is promised of a partition: not where a database was restored and the log was cut or
    /// made again, because the record to compare may be gone.
    pub(crate) fn is_promised(&self, partition: i32) -> bool {
        !(self.was_restored && self.exchanged.contains(&partition))
    }

    /// What one snapshot of the database shows.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.tables.progress.values().map(|progress| progress.row).collect()
    }

    pub(crate) fn letters(&self, key: Key, from: i64, to: i64) -> Vec<i64> {
        self.tables.letters.range((key, from)..(key, to)).map(|(_, offset)| *offset).collect()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.tables.progress.keys().copied()
    }

    pub(crate) fn next(&self, key: Key) -> i64 {
        self.tables.progress[&key].row.next.offset()
    }

    pub(crate) fn counted(&self) -> &BTreeMap<(Key, i64), u64> {
        &self.tables.counted
    }

    /// The first offset of the generation's log that is not also one of the log that the lake has archived; what
    /// an operator finds out before he permits another log.
    pub(crate) fn parts_at(&self, key: Key, archived: &BTreeSet<u64>) -> Resume {
        let log = &self.logs[usize::try_from(key.partition).unwrap()];
        let first = self.tables.progress[&key].row.first.offset();
        let is_archived =
            |offset: &i64| log.at(*offset).is_some_and(|stored| archived.contains(&stored.id));
        // The lake's last record that is still there, and all before it.
        let last = (first..log.end()).rev().find(is_archived);
        let mark = last.and_then(|last| Some((last, log.at(last)?)));
        Resume {
            position: last.map_or(Position::at(first.max(log.low)), Position::after),
            mark: mark.map(|(last, stored)| Mark::of(stored.with_record(last, fingerprint_of))),
        }
    }

    pub(crate) fn step(&mut self, chance: &mut Chance) {
        let partition = usize::try_from(chance.below(i64::try_from(PARTITIONS).unwrap())).unwrap();
        if chance.one_in(3) {
            self.append(partition, chance);
        }
        self.count(partition, chance.below(6), chance.one_in(2));
    }

    /// What may befall a log.
    pub(crate) fn hurt(&mut self, chance: &mut Chance) {
        let partition = usize::try_from(chance.below(i64::try_from(PARTITIONS).unwrap())).unwrap();
        let life = self.lives + 1;
        let id = i32::try_from(partition).unwrap();
        let log = &mut self.logs[partition];
        match chance.below(12) {
            // Retention: mostly what was counted long ago, at times what nobody has read.
            0..6 => log.low = log.end().min(log.low + chance.below(8)),
            6 => log.low = log.end(),
            7 => {
                *log = Log { life, ..Log::default() };
                self.exchanged.insert(id);
            }
            8 => {
                let cut_at = log.low + chance.below(log.end() - log.low + 1);
                log.records.truncate(usize::try_from(cut_at).unwrap());
                (log.life, log.cut_at) = (life, cut_at);
                self.exchanged.insert(id);
            }
            _ => return self.append(partition, chance),
        }
        self.lives = life;
        if chance.one_in(2) {
            (0..4).for_each(|_| self.append(partition, chance));
        }
    }

    pub(crate) fn delete_letters(&mut self, chance: &mut Chance) {
        self.tables.letters.retain(|_| !chance.one_in(2));
    }

    pub(crate) fn append_everywhere(&mut self, chance: &mut Chance) {
        (0..PARTITIONS).for_each(|partition| self.append(partition, chance));
    }

    /// Counts all that there is, with every permission that it takes.
    pub(crate) fn come_to_rest(&mut self, chance: &mut Chance) {
        for partition in 0..PARTITIONS {
            self.append(partition, chance);
            for _ in 0..4 {
                self.count(partition, i64::MAX, true);
            }
        }
    }

    fn append(&mut self, partition: usize, chance: &mut Chance) {
        for _ in 0..chance.below(9) {
            let kind = match chance.below(12) {
                0 => Kind::Unreadable,
                1 => Kind::Future,
                2 => Kind::Control,
                3 if chance.one_in(4) => Kind::FutureByClock,
                _ => Kind::Event,
            };
            self.logs[partition].records.push(Stored { id: self.next_id, kind });
            self.next_id += 1;
        }
    }

    fn open(&mut self, partition: usize, generation: i32, first: i64) {
        let key = Key { partition: i32::try_from(partition).unwrap(), generation };
        let (first, life) = (Position::at(first), self.logs[partition].life);
        let row = Row {
            key,
            first,
            next: first,
            counted: Counted::default(),
            fingerprint: None,
            origin: None,
        };
        self.tables.progress.insert(key, Progress { row, life, end_seen: 0 });
    }

    /// Counts at most so many records of a partition, in one flush. Where its log was exchanged, it waits for a
    /// permission, or has it.
    fn count(&mut self, partition: usize, at_most: i64, may_go_on: bool) {
        let id = i32::try_from(partition).unwrap();
        let current = |key: &&Key| key.partition == id;
        let key = *self.tables.progress.keys().filter(current).max().unwrap();
        let log = self.logs[partition].clone();
        let mut progress = self.tables.progress[&key].clone();
        if !is_same(&progress, &log) {
            if may_go_on {
                self.seal(key, progress, &log);
            }
            return;
        }
        progress.life = log.life;
        let row = &mut progress.row;
        if row.next.offset() < log.low {
            if !may_go_on {
                return;
            }
            row.next = Position::at(log.low);
        }
        let until = log.end().min(row.next.offset().saturating_add(at_most));
        for offset in row.next.offset()..until {
            let stored = log.at(offset).unwrap();
            self.count_one(key, row, offset, stored);
        }
        row.next = row.next.max(Position::at(until));
        progress.end_seen = progress.end_seen.max(log.end());
        self.tables.progress.insert(key, progress);
    }

    fn count_one(&mut self, key: Key, row: &mut Row, offset: i64, stored: Stored) {
        if stored.kind == Kind::Control {
            return;
        }
        let fingerprint: Fingerprint = stored.with_record(offset, fingerprint_of);
        row.fingerprint = Some(fingerprint);
        row.origin.get_or_insert(fingerprint);
        if stored.kind == Kind::Event {
            row.counted.events += 1;
            self.tables.counted.insert((key, offset), stored.id);
            self.ever_counted.insert((key, offset, stored.id));
        } else {
            row.counted.dead += 1;
            self.tables.letters.insert((key, offset));
        }
    }

    /// What is lost becomes a gap, and the next generation begins.
    fn seal(&mut self, key: Key, mut progress: Progress, log: &Log) {
        let next = progress.row.next.offset();
        progress.row.next = Position::at(next.max(progress.end_seen));
        self.tables.progress.insert(key, progress);
        let is_cut = log.cut_at > 0;
        let first = if is_cut { next.min(log.end()) } else { log.low };
        let partition = usize::try_from(key.partition).unwrap();
        self.open(partition, key.generation + 1, first.max(log.low));
    }
}

/// Whether the warehouse can go on in this log: it is the one that it knows, or was cut off behind its position.
fn is_same(progress: &Progress, log: &Log) -> bool {
    if progress.life == log.life {
        return true;
    }
    let next = progress.row.next.offset();
    match progress.row.fingerprint {
        // Nothing was read yet, or retention has removed what was.
        None => true,
        Some(last) if last.offset < log.low => next <= log.end(),
        Some(last) => log.at(last.offset).is_some_and(|stored| {
            next <= log.end() && stored.with_record(last.offset, fingerprint_of) == last
        }),
    }
}
