//! A database in memory that keeps what the flush protocol relies on: row locks that are held to
//! the end of a transaction, transactions that happen whole or not at all, and backends that
//! outlive their client and may still commit.
//!
//! Its tables have the keys of the files in `migrations`.

use std::collections::BTreeMap;

use datasketches::hll::HllSketch;
use event_model::EventTime;
use windowing::{
    DayGroup, FlushPart, GroupKey, LockedRow, MergedRows, Position, Progress, StoredSketch,
    SubscriberSketch, SubscriberUnion, Totals,
};

use crate::logs::Log;
use crate::naive::recount;
use crate::tables::{Account, Key, Letter, Sketch, Sums, Tables};

/// A transaction's number.
pub(crate) type Transaction = u64;

#[derive(Default)]
pub(crate) struct Database {
    progress: BTreeMap<i32, Progress>,
    tables: Tables,
    sketches: BTreeMap<DayGroup, StoredSketch>,
    /// Who holds a partition's row.
    locks: BTreeMap<i32, Transaction>,
    /// Whose client has gone: the transaction, and what it will commit.
    orphans: Vec<(Transaction, Option<Vec<FlushPart>>)>,
    transactions: Transaction,
}

/// What a backup holds.
pub(crate) type Backup = (BTreeMap<i32, Progress>, Tables, BTreeMap<DayGroup, StoredSketch>);

impl Database {
    /// First contact with the topic: a row for every partition.
    pub(crate) fn with_rows_for(logs: &[Log]) -> Self {
        let row = |log: &Log| Progress::starting_at(Position::at(log.first));
        Database { progress: (0..).zip(logs.iter().map(row)).collect(), ..Database::default() }
    }

    pub(crate) fn row(&self, partition: i32) -> &Progress {
        &self.progress[&partition]
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Progress> {
        self.progress.values()
    }

    /// Begins a transaction and locks these partitions' rows; `None`: somebody else holds one, and
    /// the caller has to wait.
    pub(crate) fn lock(&mut self, partitions: &[i32]) -> Option<(Transaction, Vec<LockedRow>)> {
        if partitions.iter().any(|partition| self.locks.contains_key(partition)) {
            return None;
        }
        self.transactions += 1;
        let rows = partitions.iter().map(|&partition| {
            let row = &self.progress[&partition];
            let (generation, position, epoch) = (row.generation, row.next.offset(), row.epoch);
            LockedRow { partition, generation, position, epoch }
        });
        let rows = rows.collect();
        self.locks.extend(partitions.iter().map(|partition| (*partition, self.transactions)));
        Some((self.transactions, rows))
    }

    pub(crate) fn rollback(&mut self, transaction: Transaction) {
        self.locks.retain(|_, holder| *holder != transaction);
    }

    /// Stores the parts' results and positions, and checks everything that must hold afterwards.
    pub(crate) fn commit(&mut self, transaction: Transaction, parts: &[FlushPart], logs: &[Log]) {
        let rows = MergedRows::of(parts.iter());
        add_all(&mut self.tables.real_time_metrics, &rows.on_time);
        add_all(&mut self.tables.late_metrics, &rows.late);
        for (generation, partition, quarter, on_time, late) in rows.ledger {
            assert_eq!(generation, 0);
            let row = self.tables.day_ledger.entry((partition, quarter.micros())).or_default();
            row[0] += on_time;
            row[1] += late;
        }
        for (group, additions) in rows.subscribers {
            self.merge_sketch(group, &additions);
        }
        for part in parts {
            assert_eq!(
                self.locks.get(&part.partition),
                Some(&transaction),
                "stored without a lock"
            );
            self.store_dead_letters(part);
            self.store_progress(part);
        }
        self.rollback(transaction);
        self.check(logs);
    }

    /// The client has gone; the backend still holds its locks, and will commit `parts` or nothing.
    pub(crate) fn orphan(&mut self, transaction: Transaction, parts: Option<Vec<FlushPart>>) {
        self.orphans.push((transaction, parts));
    }

    /// Backends without a client come to their end.
    pub(crate) fn settle(&mut self, logs: &[Log]) {
        for (transaction, parts) in std::mem::take(&mut self.orphans) {
            match parts {
                Some(parts) => self.commit(transaction, &parts, logs),
                None => self.rollback(transaction),
            }
        }
    }

    /// Waits for no one: a bump is skipped while a flush holds the row.
    pub(crate) fn bump_epoch(&mut self, partition: i32) {
        if self.locks.contains_key(&partition) {
            return;
        }
        if let Some(row) = self.progress.get_mut(&partition) {
            row.epoch += 1;
        }
    }

    pub(crate) fn backup(&self) -> Backup {
        (self.progress.clone(), self.tables.clone(), self.sketches.clone())
    }

    /// Goes back to a backup. Nobody is connected afterwards.
    pub(crate) fn restore(&mut self, (progress, tables, sketches): Backup) {
        self.progress = progress;
        self.tables = tables;
        self.sketches = sketches;
        self.locks.clear();
        self.orphans.clear();
    }

    /// The tables are what the naive model makes of the records before the stored positions: no
    /// record is lost, counted twice or judged otherwise, in any committed state.
    pub(crate) fn check(&self, logs: &[Log]) {
        let tables = self.tables();
        tables.assert_accounted();
        let positions = self.progress.iter().map(|(id, row)| (*id, row.next.offset())).collect();
        assert_eq!(tables, recount(logs, &positions), "stored (left) ≠ recounted (right)");
    }

    fn tables(&self) -> Tables {
        let mut tables = self.tables.clone();
        let rows = self.progress.iter();
        tables.stream_progress = rows.map(|(id, row)| (*id, account(row))).collect();
        let rows = self.sketches.iter();
        tables.subscriber_sketches = rows.map(|(group, row)| (key(group), sketch(row))).collect();
        tables
    }

    fn merge_sketch(&mut self, group: &DayGroup, additions: &[&SubscriberSketch]) {
        let mut union = SubscriberUnion::default();
        if let Some(stored) = self.sketches.get(group) {
            union.add(&SubscriberSketch::from_stored(stored).expect("as it was stored"));
        }
        additions.iter().for_each(|sketch| union.add(sketch));
        self.sketches.insert(group.clone(), union.to_stored());
    }

    fn store_dead_letters(&mut self, part: &FlushPart) {
        for letter in &part.delta.dead_letters {
            let row = Letter {
                reason: letter.reason,
                record_micros: letter.record_time.map(EventTime::micros),
                key: letter.key.clone(),
                payload: letter.payload.clone(),
                headers: letter.headers.clone(),
            };
            let former = self.tables.dead_letters.insert((part.partition, letter.offset), row);
            assert_eq!(former, None, "primary key of dead_letters");
        }
    }

    fn store_progress(&mut self, part: &FlushPart) {
        let row = self.progress.get_mut(&part.partition).expect("its lock is held");
        assert_eq!(row.epoch, part.stored.epoch, "deltas from before the epoch was bumped");
        assert!(row.next <= part.new.next, "a position went back");
        assert!(row.watermark <= part.new.watermark, "I-4: a watermark went back");
        if !part.moves() {
            let is_empty = part.delta.on_time.is_empty()
                && part.delta.late.is_empty()
                && part.delta.subscribers.iter().count() == 0
                && part.delta.dead_letters.is_empty();
            assert!(is_empty, "I-2: results without a position that moves");
        }
        *row = part.new.clone();
    }
}

fn add_all(table: &mut BTreeMap<Key, Sums>, rows: &[(&GroupKey, Totals)]) {
    for (key, totals) in rows {
        let name =
            (key.window.start().micros(), key.event_type.to_string(), key.region.to_string());
        let sums = table.entry(name).or_default();
        sums[0] += i128::from(totals.events);
        sums[1] += i128::from(totals.duration_seconds);
        sums[2] += totals.data_micro_mb;
        sums[3] += totals.amount_micro_tenge;
    }
}

fn key(group: &DayGroup) -> Key {
    let since_1970 = group.date.signed_duration_since(chrono::NaiveDate::default());
    (since_1970.num_days(), group.event_type.to_string(), group.region.to_string())
}

fn sketch(row: &StoredSketch) -> Sketch {
    let sketch = SubscriberSketch::from_stored(row).expect("as it was stored");
    Sketch {
        events_by_subscriber_id: sketch.events_by_subscriber_id,
        events_by_msisdn: sketch.events_by_msisdn,
        subscribers: usize::try_from(sketch.estimate()).expect("≥ 0"),
        registers: HllSketch::deserialize(&row.bytes).expect("a sketch"),
    }
}

fn account(row: &Progress) -> Account {
    Account {
        first: row.first.offset(),
        next: row.next.offset(),
        on_time: row.counters.on_time,
        late: row.counters.late,
        dead: row.counters.dead,
        gap: row.counters.gap,
        skipped: row.counters.skipped,
        watermark_micros: row.watermark.map(EventTime::micros),
        max_event_micros: row.max_event_time.map(EventTime::micros),
        origin_offset: row.origin.map(|witness| witness.offset),
        witness_offset: row.witness.map(|witness| witness.offset),
    }
}
