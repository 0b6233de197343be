//! The shape in which the real core's answer and the naive one are compared: the pipeline's tables
//! in plain numbers and strings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use datasketches::hash::value::raw_bytes;
use datasketches::hll::{HllSketch, HllType};

use super::results::Results;

/// Partition and generation.
pub(crate) type Life = (i32, i32);

/// Window start in microseconds, event type, region.
pub(crate) type Key = (i64, String, String);

/// Events, seconds, 10⁻⁶ MB, 10⁻⁶ tenge.
pub(crate) type Sums = [i128; 4];

/// Everything that the streamer stores. Two of these are equal or the test fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) results: Results,
    pub(crate) stream_progress: BTreeMap<Life, Account>,
}

/// What is compared of a row of `subscriber_sketches`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sketch {
    pub(crate) events_by_subscriber_id: i64,
    pub(crate) events_by_msisdn: i64,
    /// Few are counted exactly.
    pub(crate) subscribers: usize,
    /// And remembered one by one: two sketches are equal if they have met the same.
    pub(crate) registers: HllSketch,
}

// A float is part of a sketch of many subscribers, but none of a sketch of few.
impl Eq for Sketch {}

impl Sketch {
    /// The sketch of these subscribers.
    pub(crate) fn of(events: [i64; 2], subscribers: &BTreeSet<&str>) -> Self {
        let mut registers = HllSketch::new(12, HllType::Hll4).expect("a possible size");
        for subscriber in subscribers {
            registers.update(raw_bytes::from_str(subscriber));
        }
        Sketch {
            events_by_subscriber_id: events[0],
            events_by_msisdn: events[1],
            subscribers: subscribers.len(),
            registers,
        }
    }
}

/// What is compared of a row of `dead_letters`. The detail is prose, and not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredLetter {
    pub(crate) reason: &'static str,
    pub(crate) record_micros: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What is compared of a row of `stream_progress`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) first: i64,
    pub(crate) next: i64,
    pub(crate) on_time: i64,
    pub(crate) late: i64,
    pub(crate) dead: i64,
    pub(crate) gap: i64,
    pub(crate) skipped: i64,
    pub(crate) watermark_micros: Option<i64>,
    pub(crate) max_event_micros: Option<i64>,
    pub(crate) origin_offset: Option<i64>,
    pub(crate) witness_offset: Option<i64>,
}

impl Tables {
    /// What is stored is what the naive model says.
    pub(crate) fn assert_same(&self, recounted: &Tables) {
        assert_rows("stream_progress", &self.stream_progress, &recounted.stream_progress);
        self.results.assert_same(&recounted.results);
    }

    /// I-1: every offset is counted once, the ledger sums to the counters, and the metrics of a
    /// quarter of an hour sum to its ledger.
    pub(crate) fn assert_accounted(&self) {
        for (life, account) in &self.stream_progress {
            let Account { first, next, on_time, late, dead, gap, skipped, .. } = account;
            assert_eq!(next - first, on_time + late + dead + gap + skipped, "I-1: {account:?}");

            let of_life = self.results.ledger.iter().filter(|((id, _), _)| id == life);
            let ledger = of_life.fold([0, 0], |sum, (_, row)| [sum[0] + row[0], sum[1] + row[1]]);
            assert_eq!(ledger, [*on_time, *late], "I-1: ledger of {life:?}");

            let letters = self.results.dead_letters.keys().filter(|(id, _)| id == life).count();
            assert_eq!(i64::try_from(letters), Ok(*dead), "I-1: dead of {life:?}");
        }
        for (table, column) in [(&self.results.on_time, 0), (&self.results.late, 1)] {
            let mut by_quarter: BTreeMap<i64, i128> = BTreeMap::new();
            for ((minute, _, _), sums) in table {
                *by_quarter.entry(minute - minute % QUARTER_MICROS).or_default() += sums[0];
            }
            for ((_, quarter), row) in &self.results.ledger {
                *by_quarter.entry(*quarter).or_default() -= i128::from(row[column]);
            }
            assert!(by_quarter.values().all(|off| *off == 0), "I-1: quarters off {by_quarter:?}");
        }
    }
}

/// Names the first row that differs.
pub(crate) fn assert_rows<K: Debug + Ord, V: Debug + PartialEq>(
    table: &str,
    stored: &BTreeMap<K, V>,
    recounted: &BTreeMap<K, V>,
) {
    for key in stored.keys().chain(recounted.keys()) {
        let (stored, recounted) = (stored.get(key), recounted.get(key));
        assert_eq!(stored, recounted, "{table} {key:?}: stored (left) ≠ recounted (right)");
    }
}

/// Fifteen minutes.
pub(crate) const QUARTER_MICROS: i64 = 900_000_000;
