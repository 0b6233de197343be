//! Beside each position the database keeps which offsets of which log it covers. After each commit
//! its tables must be what the naive model makes of exactly those records.

use event_model::EventTime;
use windowing::{FlushPart, Progress};

use super::super::logs::{Cluster, Log};
use super::super::naive::{Coverage, Covered, recount};
use super::super::rules::assert_alerts;
use super::super::tables::{Account, Tables};
use super::{Database, Tape};

impl Database {
    /// The tables are what the naive model makes of the records that the positions cover: no record
    /// is lost, counted twice or judged otherwise, in any committed state.
    pub(crate) fn check(&self, logs: &[Log]) {
        let rows = self.stored.rows.iter();
        let stream_progress = rows.map(|(life, row)| (*life, account(&row.progress))).collect();
        let tables = Tables { results: self.stored.results.seen(), stream_progress };
        tables.assert_accounted();
        tables.assert_same(&recount(logs, &self.stored.coverages));
        self.check_alerts(logs);
    }

    /// I-10: alerts are a function of the log, the stored verdicts and where which rules were on, outside of gaps.
    fn check_alerts(&self, logs: &[Log]) {
        let stored = &self.stored;
        // Nobody may have said yet that nobody judged: the next owner will.
        let judged_through = stored.rows.iter().map(|(life, row)| {
            let through = row.progress.patterns_through.unwrap_or(row.progress.first);
            (*life, through.offset())
        });
        let results = (&stored.results.alerts, &stored.results.pattern_gaps[..]);
        let judged_through = judged_through.collect();
        assert_alerts(logs, &stored.coverages, &stored.spans, results, &judged_through);
    }

    /// No record was counted in two generations, unless an operator said where to begin.
    pub(crate) fn check_generations(&self, logs: &[Log], cluster: Cluster) {
        let mut counted = std::collections::BTreeMap::new();
        for (life, coverage) in &self.stored.coverages {
            if self.stored.restarted_by_operator.contains(&life.0) {
                continue;
            }
            for covered in &coverage.covered {
                let Covered::Read { from, to, version, .. } = *covered else { continue };
                let log = logs[usize::try_from(life.0).expect("≥ 0")].of(coverage.cluster);
                let log = &log.versions[version];
                for message in (from..to).filter_map(|offset| log.record(offset)) {
                    let name = (life.0, message.written_in, message.written_at);
                    if let Some(before) = counted.insert(name, life.1) {
                        panic!("{name:?} was counted in generations {before} and {}", life.1);
                    }
                }
            }
        }
        if cluster == Cluster::Mirror {
            for (partition, log) in (0..).zip(logs) {
                for message in log.of(cluster).current().records() {
                    let name = (partition, message.written_in, message.written_at);
                    assert!(counted.contains_key(&name), "I-15: {name:?} was never counted");
                }
            }
        }
    }

    /// Whoever reads another cluster moves no position, and claims no row. What halts it may say so in a row of which
    /// nobody knows whose it is.
    pub(super) fn expect_the_same_cluster(&self, part: &FlushPart, cluster: Cluster) {
        let life = (part.partition, part.new.generation);
        let is_ours = self.stored.coverages[&life].cluster == cluster;
        assert!(is_ours || !part.moves(), "I-15: {life:?} goes on by another cluster's log");
        assert!(is_ours || !part.log_is_verified, "I-15: {life:?} is claimed for another cluster");
        let is_known = self.stored.rows[&life].cluster.is_some();
        assert!(is_ours || !is_known, "I-15: {life:?} is written from another cluster");
    }

    /// Notes what the part's records were read from.
    pub(super) fn cover(
        &mut self,
        part: &FlushPart,
        tape: &Tape,
        raises_watermark: bool,
        logs: &[Log],
    ) {
        let life = (part.partition, part.new.generation);
        let delay_micros = self.delay_micros();
        let coverage = self.stored.coverages.get_mut(&life).expect("every row has one");
        let log = logs[usize::try_from(life.0).expect("≥ 0")].of(coverage.cluster);
        let end = part.new.next.offset();
        let version = log.number();
        if !part.moves() {
            // After the delay was made shorter, the watermark may rise all the same.
            if raises_watermark {
                coverage.covered.push(Covered::Read { from: end, to: end, version, delay_micros });
            }
            return;
        }
        let mut next = part.stored.next.offset();
        for &(from, to, version) in tape {
            assert_eq!(next, from, "{life:?}: nobody has read what is stored: {tape:?}");
            expect_the_same_log(log, coverage, from, version);
            coverage.covered.push(Covered::Read { from, to, version, delay_micros });
            next = to;
        }
        assert_eq!(next, end, "{life:?}: nobody has read what is stored: {tape:?}");
    }
}

/// The last record that was counted before `from` is also in the version that is read on: or the log
/// was exchanged under our hands, and nobody noticed.
fn expect_the_same_log(log: &Log, coverage: &Coverage, from: i64, version: usize) {
    let read = coverage.covered.iter().rev().filter_map(|covered| match covered {
        Covered::Read { from, to, version, .. } => Some((*from, *to, *version)),
        Covered::Gap { .. } => None,
    });
    let last = read
        .flat_map(|(from, to, version)| (from..to).rev().map(move |offset| (offset, version)))
        .find_map(|(offset, version)| log.versions[version].record(offset));
    let Some(last) = last else { return };
    let read_on = &log.versions[version];
    // Nothing can tell when the log begins after the last record; or when it is a compacted one and
    // had, in any of its versions, no record at that offset.
    let was_missing = log.versions.iter().any(|version| version.record(last.offset).is_none());
    if last.offset < read_on.low || (log.is_compacted && was_missing) {
        return;
    }
    match read_on.record(last.offset) {
        Some(found) => assert_eq!(
            (found.written_in, found.written_at),
            (last.written_in, last.written_at),
            "another log is read on at {from}, and nobody noticed"
        ),
        None => panic!("the log read on at {from} lacks {}, and nobody noticed", last.offset),
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
        origin_offset: row.origin.map(|fingerprint| fingerprint.offset),
        witness_offset: row.fingerprint.map(|fingerprint| fingerprint.offset),
    }
}
