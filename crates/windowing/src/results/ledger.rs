//! How many events of each partition's quarter of an hour were on time and late: rows of `day_ledger`. It
//! follows from what the two kinds of totals hold, so it holds nothing itself.

use std::collections::{BTreeMap, BTreeSet};

use event_model::EventTime;

use super::{Counted, Delta, PartResults, ResultKind};
use crate::bounds::Limit;
use crate::{GroupKey, quarter_of};

/// Numbers of events by partition and quarter of an hour.
#[derive(Debug)]
pub struct Ledger;

/// What a flush adds to one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Which life of the topic.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// The first instant of the quarter of an hour.
    pub quarter_start: EventTime,
    /// Number of events on time to add.
    pub on_time: i64,
    /// Number of late events to add.
    pub late: i64,
}

/// A row's key, in the order of all writers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct LedgerKey {
    generation: i32,
    partition: i32,
    quarter_start: EventTime,
}

impl ResultKind for Ledger {
    const TABLE: &'static str = "day_ledger";
    type Held = ();
    type Row<'a> = LedgerRow;

    fn rows<'a>(parts: &[PartResults<'a>]) -> Vec<LedgerRow> {
        let mut ledger: BTreeMap<LedgerKey, (i64, i64)> = BTreeMap::new();
        for part in parts {
            let quarter = |key: &GroupKey| LedgerKey {
                generation: part.generation,
                partition: part.partition,
                quarter_start: quarter_of(key.window.start()),
            };
            for (key, totals) in part.delta.on_time.iter() {
                ledger.entry(quarter(key)).or_default().0 += totals.events;
            }
            for (key, totals) in part.delta.late.iter() {
                ledger.entry(quarter(key)).or_default().1 += totals.events;
            }
        }
        let row = |(key, (on_time, late)): (LedgerKey, (i64, i64))| {
            let LedgerKey { generation, partition, quarter_start } = key;
            LedgerRow { generation, partition, quarter_start, on_time, late }
        };
        ledger.into_iter().map(row).collect()
    }

    fn row_count(delta: &Delta) -> usize {
        let groups = delta.on_time.iter().chain(delta.late.iter());
        groups.map(|(key, _)| quarter_of(key.window.start())).collect::<BTreeSet<_>>().len()
    }
}

impl Counted for Ledger {
    const LIMIT: Limit = Limit::Groups;
}
