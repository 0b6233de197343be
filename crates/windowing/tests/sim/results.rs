//! The simulated database's half of each kind of result: its table, and the form in which it is compared with the
//! naive model's. Walks the list of `windowing`: a kind without its half here does not compile, one that the naive
//! model does not know differs from it, and one that never gets a row is told of by the run's end.

use std::collections::BTreeMap;
use std::fmt::Debug;

use datasketches::hll::HllSketch;
use event_model::EventTime;
use windowing::results::{
    AlertRow, Alerts, DeadLetterRow, DeadLetters, Late, Ledger, LedgerRow, LogMarkRow, LogMarks,
    OnTime, PatternGapRow, PatternGaps, Subscribed,
};
use windowing::{
    DayGroup, GroupKey, LogMark, MergedRows, PatternGap, ResultKind, StoredSketch,
    SubscriberSketch, SubscriberUnion, Totals,
};

use super::rules::{AlertKey, StoredAlert};
use super::tables::{Key, Life, Sketch, StoredLetter, Sums, assert_rows};

/// A kind of result in the simulated database.
pub(crate) trait Simulated: ResultKind {
    type Table: Clone + Debug + Default;
    /// What its rows are compared by.
    type Key: Clone + Debug + Ord;
    /// What is compared of a row.
    type Compared: Clone + Debug + PartialEq;

    /// Does what its statements do.
    fn store(table: &mut Self::Table, rows: &[Self::Row<'_>]);

    /// How many rows it has.
    fn count(table: &Self::Table) -> usize {
        Self::seen(table).len()
    }

    /// The table as the naive model writes it; empty, where it is compared in another way.
    fn seen(table: &Self::Table) -> BTreeMap<Self::Key, Self::Compared>;
}

macro_rules! walk {
    ($($field:ident: $kind:ident),+) => {
        /// The tables of all kinds.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct StoredResults {
            $(pub(crate) $field: <$kind as Simulated>::Table,)+
        }

        impl StoredResults {
            /// Stores a flush's rows.
            pub(crate) fn store(&mut self, rows: &MergedRows<'_>) {
                $(<$kind as Simulated>::store(&mut self.$field, &rows.$field);)+
            }

            /// All tables as the naive model writes them.
            pub(crate) fn seen(&self) -> Results {
                Results { $($field: <$kind as Simulated>::seen(&self.$field),)+ }
            }

            pub(crate) fn rows_by_table(&self) -> Vec<(&'static str, usize)> {
                vec![$((<$kind as ResultKind>::TABLE, <$kind as Simulated>::count(&self.$field))),+]
            }
        }

        /// All kinds' rows, in the form in which they are compared.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Results {
            $(pub(crate) $field: BTreeMap<<$kind as Simulated>::Key, <$kind as Simulated>::Compared>,)+
        }

        impl Results {
            /// What is stored is what the naive model says.
            pub(crate) fn assert_same(&self, recounted: &Results) {
                $(assert_rows(<$kind as ResultKind>::TABLE, &self.$field, &recounted.$field);)+
            }
        }
    };
}

windowing::for_each_result!(walk);

impl Simulated for OnTime {
    type Table = BTreeMap<Key, Sums>;
    type Key = Key;
    type Compared = Sums;

    fn store(table: &mut Self::Table, rows: &[(&GroupKey, Totals)]) {
        add_all(table, rows);
    }

    fn seen(table: &Self::Table) -> Self::Table {
        table.clone()
    }
}

impl Simulated for Late {
    type Table = BTreeMap<Key, Sums>;
    type Key = Key;
    type Compared = Sums;

    fn store(table: &mut Self::Table, rows: &[(&GroupKey, Totals)]) {
        add_all(table, rows);
    }

    fn seen(table: &Self::Table) -> Self::Table {
        table.clone()
    }
}

impl Simulated for Ledger {
    type Table = BTreeMap<(Life, i64), [i64; 2]>;
    type Key = (Life, i64);
    type Compared = [i64; 2];

    fn store(table: &mut Self::Table, rows: &[LedgerRow]) {
        for row in rows {
            let key = ((row.partition, row.generation), row.quarter_start.micros());
            let sums = table.entry(key).or_default();
            sums[0] += row.on_time;
            sums[1] += row.late;
        }
    }

    fn seen(table: &Self::Table) -> Self::Table {
        table.clone()
    }
}

impl Simulated for Subscribed {
    type Table = BTreeMap<DayGroup, StoredSketch>;
    /// Days since 1970 in Almaty, event type, region.
    type Key = Key;
    type Compared = Sketch;

    fn store(table: &mut Self::Table, rows: &[(&DayGroup, Vec<&SubscriberSketch>)]) {
        for (group, additions) in rows {
            let mut union = SubscriberUnion::default();
            if let Some(stored) = table.get(*group) {
                union.add(&SubscriberSketch::from_stored(stored).expect("as it was stored"));
            }
            additions.iter().for_each(|sketch| union.add(sketch));
            table.insert((*group).clone(), union.to_stored());
        }
    }

    fn seen(table: &Self::Table) -> BTreeMap<Key, Sketch> {
        table.iter().map(|(group, row)| (key(group), sketch(row))).collect()
    }
}

impl Simulated for DeadLetters {
    type Table = BTreeMap<(Life, i64), StoredLetter>;
    type Key = (Life, i64);
    type Compared = StoredLetter;

    fn store(table: &mut Self::Table, rows: &[DeadLetterRow<'_>]) {
        for DeadLetterRow { generation, partition, letter } in rows {
            let row = StoredLetter {
                reason: letter.reason,
                record_micros: letter.record_time.map(EventTime::micros),
                key: letter.key.clone(),
                payload: letter.payload.clone(),
                headers: letter.headers.clone(),
            };
            let former = table.insert(((*partition, *generation), letter.offset), row);
            assert_eq!(former, None, "primary key of dead_letters");
        }
    }

    fn seen(table: &Self::Table) -> Self::Table {
        table.clone()
    }
}

/// Marks are judged by what is built from them.
impl Simulated for LogMarks {
    type Table = BTreeMap<(Life, i64), LogMark>;
    type Key = ();
    type Compared = ();

    fn store(table: &mut Self::Table, rows: &[LogMarkRow<'_>]) {
        for LogMarkRow { generation, partition, mark } in rows {
            let former = table.insert(((*partition, *generation), mark.offset), **mark);
            assert_eq!(former, None, "primary key of log_marks");
        }
    }

    fn count(table: &Self::Table) -> usize {
        table.len()
    }

    fn seen(_: &Self::Table) -> BTreeMap<(), ()> {
        BTreeMap::new()
    }
}

/// What they allow is what alerts are compared by.
impl Simulated for PatternGaps {
    type Table = Vec<(Life, PatternGap)>;
    type Key = ();
    type Compared = ();

    fn store(table: &mut Self::Table, rows: &[PatternGapRow<'_>]) {
        let row = |row: &PatternGapRow<'_>| ((row.partition, row.generation), *row.gap);
        table.extend(rows.iter().map(row));
    }

    fn count(table: &Self::Table) -> usize {
        table.len()
    }

    fn seen(_: &Self::Table) -> BTreeMap<(), ()> {
        BTreeMap::new()
    }
}

/// Compared with an uninterrupted run, outside of the gaps.
impl Simulated for Alerts {
    type Table = BTreeMap<AlertKey, StoredAlert>;
    type Key = ();
    type Compared = ();

    fn store(table: &mut Self::Table, rows: &[AlertRow<'_>]) {
        for row in rows {
            let (key, alert) = StoredAlert::of(row);
            // The first hit's evidence stays.
            table.entry(key).and_modify(|known| known.hits += alert.hits).or_insert(alert);
        }
    }

    fn count(table: &Self::Table) -> usize {
        table.len()
    }

    fn seen(_: &Self::Table) -> BTreeMap<(), ()> {
        BTreeMap::new()
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
