//! A database in memory that keeps what the flush protocol relies on: row locks that are held to
//! the end of a transaction, transactions that happen whole or not at all, and backends that
//! outlive their client and may still commit.
//!
//! Its tables have the keys of the migrations, its statements do what those under `store/src/queries`
//! do.

mod audit;
mod sessions;

use std::collections::BTreeMap;

use event_model::EventTime;
use windowing::{
    FlushPart, GapPermission, GapPlan, History, LockedRow, LogBreak, LogEnds, MergedRows,
    Ownership, PatternGap, PatternHistory, Place, Position, Progress, ResumeAt, Rules,
};

use super::logs::{Cluster, Log, SKEW_MICROS};
use super::naive::{Carried, Coverage, Covered};
use super::results::StoredResults;
use super::rules::{Spans, marks_of, set_after};
use super::tables::Life;
use sessions::Sessions;

/// A transaction's number.
pub(crate) type Transaction = u64;

/// Which stretches of offsets a part's records were read from: from, to, version of the log.
pub(crate) type Tape = Vec<(i64, i64, usize)>;

/// What a flush stores: the parts, each with where its records came from.
pub(crate) type Parts = Vec<(FlushPart, Tape)>;

/// How far watermarks may be set to stay behind, in turn.
const DELAYS_MICROS: [i64; 3] = [120_000_000, 30_000_000, 300_000_000];

#[derive(Clone)]
struct Row {
    progress: Progress,
    group: Option<&'static str>,
    /// Whose log it is; `None`: an older release has written it.
    cluster: Option<Cluster>,
}

/// Who writes.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) group: &'static str,
    pub(crate) cluster: Cluster,
}

/// What a backup holds.
#[derive(Clone, Default)]
pub(crate) struct Stored {
    rows: BTreeMap<Life, Row>,
    results: StoredResults,
    coverages: BTreeMap<Life, Coverage>,
    permissions: BTreeMap<i32, Permission>,
    permissions_given: i64,
    /// How often the settings were changed.
    changes: usize,
    /// How often other rules were put on.
    rule_changes: usize,
    spans: BTreeMap<Life, Spans>,
    /// Partitions that an operator let begin somewhere, not knowing what was counted before.
    restarted_by_operator: std::collections::BTreeSet<i32>,
}

/// A permission that waits.
#[derive(Clone, Copy)]
struct Permission {
    life: Life,
    position: Position,
    permission: GapPermission,
}

#[derive(Default)]
pub(crate) struct Database {
    stored: Stored,
    /// Who holds a row.
    locks: BTreeMap<Life, Transaction>,
    /// Whose client has gone: the transaction, and what it will commit.
    orphans: Vec<(Transaction, Identity, Option<Parts>)>,
    sessions: Sessions,
}

/// The answer to a load.
pub(crate) struct LoadedRow {
    pub(crate) partition: i32,
    pub(crate) progress: Box<Progress>,
    pub(crate) rules: Rules,
    pub(crate) ownership: Ownership,
    pub(crate) history: Box<History>,
}

impl Database {
    /// Makes rows for partitions that have none, at their low ends. Returns which; `None`: the rows are of another cluster.
    pub(crate) fn ensure_partitions(&mut self, logs: &[Log], cluster: Cluster) -> Option<Vec<i32>> {
        let known = self.cluster();
        if known.is_some_and(|known| known != cluster) {
            return None;
        }
        // At another cluster a partition that is new begins elsewhere.
        if self.awaits_cluster() {
            return Some(Vec::new());
        }
        let is_first_contact = self.stored.rows.is_empty();
        let made_for = known.or(is_first_contact.then_some(cluster));
        let mut made = Vec::new();
        for (partition, log) in (0..).zip(logs) {
            if self.current(partition).is_none() {
                let first = Position::at(log.of(cluster).current().low);
                let progress = Progress::starting_at(first);
                self.open((partition, 0), Row { progress, group: None, cluster: made_for });
                made.push(partition);
            }
        }
        Some(made)
    }

    /// The cluster of the topic's rows, as far as any of them says it.
    pub(crate) fn cluster(&self) -> Option<Cluster> {
        let rows = (0..).map_while(|partition| self.current_row(partition));
        rows.filter_map(|row| row.cluster).next()
    }

    /// As an older release would have written them.
    pub(crate) fn forget_cluster(&mut self) {
        self.stored.rows.values_mut().for_each(|row| row.cluster = None);
    }

    /// Whether nobody has said of which cluster the rows are, and somebody can.
    fn awaits_cluster(&self) -> bool {
        let mut rows = (0..).map_while(|partition| self.current(partition));
        self.cluster().is_none() && rows.any(|row| row.fingerprint.is_some())
    }

    /// Whether anything at all tells of which cluster the rows are: of rows without a single record nothing does.
    pub(crate) fn tells_clusters_apart(&self) -> bool {
        self.cluster().is_some() || self.awaits_cluster()
    }

    fn current_row(&self, partition: i32) -> Option<&Row> {
        let of_partition = self.stored.rows.range((partition, 0)..=(partition, i32::MAX));
        of_partition.last().map(|(_, row)| row)
    }

    /// The current generation's row.
    pub(crate) fn current(&self, partition: i32) -> Option<&Progress> {
        self.current_row(partition).map(|row| &row.progress)
    }

    /// All generations' rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Progress> {
        self.stored.rows.values().map(|row| &row.progress)
    }

    pub(crate) fn load(&self, partition: i32) -> Option<LoadedRow> {
        let progress = self.current(partition)?.clone();
        let life = (partition, progress.generation);
        let is_for = |p: &&Permission| p.life == life && p.position == progress.next;
        let permission = self.stored.permissions.get(&partition).filter(is_for);
        let ownership = Ownership {
            permission: permission.map(|permission| permission.permission),
            group_id: self.stored.rows[&life].group.map(str::to_owned),
            is_retired: false,
            cluster_id: self.stored.rows[&life]
                .cluster
                .or(self.cluster())
                .map(|of| of.id().to_owned()),
            awaits_cluster: self.awaits_cluster(),
        };
        let rules = Rules {
            watermark_delay_micros: self.delay_micros(),
            max_future_skew_micros: SKEW_MICROS,
            business_timezone: chrono_tz::Asia::Almaty,
        };
        let history = Box::new(self.history(life));
        Some(LoadedRow { partition, progress: Box::new(progress), rules, ownership, history })
    }

    fn history(&self, life: Life) -> History {
        let marks = marks_of(&self.stored.results.log_marks, life);
        let last_mark = marks.last().copied();
        let patterns = set_after(self.stored.rule_changes).map(|set| {
            let (from, _) = self.stored.spans[&life].last().expect("a life begins with one");
            let letters = self.stored.results.dead_letters.keys();
            PatternHistory {
                set: std::sync::Arc::clone(set),
                judged_from: vec![*from; set.rules().len()],
                marks,
                dead: letters.filter(|(of, _)| *of == life).map(|(_, offset)| *offset).collect(),
            }
        });
        History { last_mark, patterns }
    }

    /// `streamer rules apply` and `off`: the next set is on, every epoch rises, and from its position on each partition is judged by
    /// it. Waits for no one.
    pub(crate) fn change_rules(&mut self) -> bool {
        if !self.locks.is_empty() {
            return false;
        }
        let was_on = set_after(self.stored.rule_changes).is_some();
        self.stored.rule_changes += 1;
        for (life, row) in &mut self.stored.rows {
            let progress = &mut row.progress;
            progress.epoch += 1;
            let (next, spans) = (progress.next, self.stored.spans.get_mut(life));
            let spans = spans.expect("a life begins with one");
            let began = spans.last().map_or(progress.first.offset(), |(from, _)| *from);
            // What an older release has moved over under these rules, no owner will say any more.
            let through =
                progress.patterns_through.map_or(began, |through| through.offset().max(began));
            if was_on && through < next.offset() {
                let gap = PatternGap::not_judged(through, next.offset());
                self.stored.results.pattern_gaps.push((*life, gap));
            }
            progress.patterns_through = Some(next);
            spans.push((next.offset(), self.stored.rule_changes));
        }
        true
    }

    /// What rules may have missed.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = &PatternGap> {
        self.stored.results.pattern_gaps.iter().map(|(_, gap)| gap)
    }

    /// Locks these rows; `None`: somebody else holds one, and the caller has to wait.
    pub(crate) fn lock(
        &mut self,
        transaction: Transaction,
        lives: &[Life],
        cluster: Cluster,
    ) -> Option<Vec<LockedRow>> {
        if self.is_locked(lives) {
            return None;
        }
        assert!(self.is_open(transaction), "rows are locked in a transaction");
        let mut rows = Vec::new();
        for life in lives {
            let Some(Row { progress, cluster: of, .. }) = self.stored.rows.get(life) else {
                continue;
            };
            if of.or(self.cluster()).is_some_and(|of| of != cluster) {
                continue;
            }
            rows.push(LockedRow {
                partition: life.0,
                generation: life.1,
                position: progress.next.offset(),
                epoch: progress.epoch,
                fingerprint: progress.fingerprint,
                counters: progress.counters,
            });
            self.locks.insert(*life, transaction);
        }
        Some(rows)
    }

    pub(crate) fn is_locked(&self, lives: &[Life]) -> bool {
        lives.iter().any(|life| self.locks.contains_key(life))
    }

    /// Stores the parts' results and positions, and checks everything that must hold afterwards.
    pub(crate) fn commit(
        &mut self,
        transaction: Transaction,
        identity: Identity,
        parts: &Parts,
        logs: &[Log],
    ) {
        let rows = MergedRows::of(parts.iter().map(|(part, _)| part));
        self.stored.results.store(&rows);
        for (part, tape) in parts {
            let life = (part.partition, part.new.generation);
            assert_eq!(self.locks.get(&life), Some(&transaction), "stored without a lock");
            self.expect_the_same_cluster(part, identity.cluster);
            expect_caught_up(
                part,
                logs[usize::try_from(part.partition).expect("≥ 0")].of(identity.cluster),
            );
            let raises_watermark = self.store_progress(part, identity);
            self.cover(part, tape, raises_watermark, logs);
        }
        self.rollback(transaction);
        self.check(logs);
    }

    /// The client has gone; the backend still holds its locks, and will commit `parts` or nothing.
    pub(crate) fn orphan(
        &mut self,
        transaction: Transaction,
        identity: Identity,
        parts: Option<Parts>,
    ) {
        self.orphans.push((transaction, identity, parts));
    }

    /// Backends without a client come to their end.
    pub(crate) fn settle(&mut self, logs: &[Log]) {
        for (transaction, identity, parts) in std::mem::take(&mut self.orphans) {
            match parts {
                Some(parts) => self.commit(transaction, identity, &parts, logs),
                None => self.rollback(transaction),
            }
        }
    }

    /// The server stops at once: every open transaction is gone. Returns whether there was one.
    pub(crate) fn crash(&mut self) -> bool {
        self.orphans.clear();
        let had_locks = !self.locks.is_empty();
        self.end_sessions();
        had_locks
    }

    /// Changes the watermark delay, and with it every epoch. Waits for no one: while a flush holds
    /// a row, nothing happens.
    ///
    /// The delay follows from how often it was changed, also when changes were undone by a backup:
    /// different settings under the same epoch are not simulated.
    pub(crate) fn change_settings(&mut self) -> bool {
        if !self.locks.is_empty() {
            return false;
        }
        self.stored.changes += 1;
        for row in self.stored.rows.values_mut() {
            row.progress.epoch += 1;
        }
        true
    }

    /// `streamer accept-gap`. Returns whether there was a loss to accept.
    pub(crate) fn accept_gap(&mut self, partition: i32, start_from: ResumeAt) -> bool {
        let Some(row) = self.current(partition) else { return false };
        let reason = row.halted_reason.clone().unwrap_or_default();
        if !reason.contains("`streamer accept-gap") {
            return false;
        }
        let (life, position) = ((partition, row.generation), row.next);
        self.stored.permissions_given += 1;
        let start_from = reason.contains("--from").then_some(start_from);
        let permission = GapPermission { id: self.stored.permissions_given, start_from };
        self.stored.permissions.insert(partition, Permission { life, position, permission });
        true
    }

    /// Carries a permission out. `None`: the row is locked for too long; `false`: it is another by
    /// now, or the permission is.
    pub(crate) fn carry_out_gap(
        &mut self,
        partition: i32,
        stored: &Progress,
        plan: &GapPlan,
        identity: Identity,
        logs: &[Log],
    ) -> Option<bool> {
        let life = (partition, stored.generation);
        if self.is_locked(&[life]) {
            return None;
        }
        let given = self.stored.permissions.get(&partition).map(|one| one.permission.id);
        let known = self.cluster();
        let Some(row) = self.stored.rows.get_mut(&life) else { return Some(false) };
        let is_ours = row.cluster.or(known).is_none_or(|of| of == identity.cluster);
        let is_expected =
            is_ours && row.progress.next == stored.next && row.progress.epoch == stored.epoch;
        if !is_expected || given != Some(plan.permission.id) {
            return Some(false);
        }
        let (from, to) = (row.progress.next.offset(), plan.lost.1.offset());
        row.progress.counters.gap += to - from;
        row.progress.next = plan.lost.1;
        row.progress.epoch += 1;
        row.progress.halted_reason = None;
        let coverage = self.stored.coverages.get_mut(&life).expect("every row has one");
        coverage.covered.push(Covered::Gap { from, to });
        if let Some(first) = plan.reopen_at {
            let Identity { group, cluster } = identity;
            let progress = Progress::starting_at(first);
            let row = Row { progress, group: Some(group), cluster: Some(cluster) };
            self.open((partition, life.1 + 1), row);
            if plan.cause == LogBreak::Unknown {
                self.stored.restarted_by_operator.insert(partition);
            }
        }
        self.stored.permissions.remove(&partition);
        self.check(logs);
        Some(true)
    }

    /// `streamer move`: the topic goes on at these places of the mirror, by partition, if the rows are still these. `None`: a
    /// row is locked for too long.
    pub(crate) fn move_to(
        &mut self,
        places: &[(Progress, Place, LogEnds)],
        source_is_gone: bool,
        logs: &[Log],
    ) -> Option<bool> {
        if !self.locks.is_empty() {
            return None;
        }
        let known =
            |row: &Progress| (row.generation, row.next, row.epoch, row.fingerprint, row.counters);
        let rows = (0..).map_while(|partition| self.current(partition));
        if !rows.map(known).eq(places.iter().map(|(row, ..)| known(row))) {
            return Some(false);
        }
        for (partition, (_, place, ends)) in (0..).zip(places) {
            self.seal_and_open(partition, place, ends, source_is_gone);
        }
        self.check(logs);
        Some(true)
    }

    fn seal_and_open(
        &mut self,
        partition: i32,
        place: &Place,
        ends: &LogEnds,
        source_is_gone: bool,
    ) {
        let (life, row) = {
            let all = (partition, 0)..=(partition, i32::MAX);
            let (life, row) = self.stored.rows.range_mut(all).last().expect("it was compared");
            (*life, row)
        };
        let progress = &mut row.progress;
        let unread = progress.log_end_seen.map_or(0, |end| end.offset() - progress.next.offset());
        let lost = if source_is_gone { unread - place.records_after } else { 0 };
        if lost > 0 {
            let (from, to) = (progress.next.offset(), progress.next.offset() + lost);
            progress.counters.gap += lost;
            progress.next = Position::at(to);
            let coverage = self.stored.coverages.get_mut(&life).expect("every row has one");
            coverage.covered.push(Covered::Gap { from, to });
        }
        progress.epoch += 1;
        progress.halted_reason = None;
        let progress = Progress {
            generation: life.1 + 1,
            watermark: progress.watermark,
            max_event_time: progress.max_event_time,
            fingerprint: place.fingerprint,
            origin: place.origin,
            log_end_seen: Some(ends.high),
            ..Progress::starting_at(place.at)
        };
        let row = Row { progress, group: None, cluster: Some(Cluster::Mirror) };
        self.open((partition, life.1 + 1), row);
    }

    /// How many rows the table of each kind has.
    pub(crate) fn rows_by_table(&self) -> Vec<(&'static str, usize)> {
        self.stored.results.rows_by_table()
    }

    pub(crate) fn backup(&self) -> Stored {
        self.stored.clone()
    }

    /// Goes back to a backup. Nobody is connected afterwards.
    pub(crate) fn restore(&mut self, stored: Stored) {
        self.stored = stored;
        self.end_sessions();
        self.orphans.clear();
    }

    fn delay_micros(&self) -> i64 {
        DELAYS_MICROS[self.stored.changes % DELAYS_MICROS.len()]
    }

    fn open(&mut self, life: Life, row: Row) {
        let (mut progress, first) = (row.progress.clone(), row.progress.first.offset());
        progress.generation = life.1;
        // So that an epoch says by which settings was judged, also after a backup was restored.
        let changes = self.stored.changes + self.stored.rule_changes;
        progress.epoch = i64::try_from(changes).expect("few");
        self.stored.spans.insert(life, vec![(first, self.stored.rule_changes)]);
        let cluster = row.cluster.unwrap_or(Cluster::Home);
        let carried = Carried {
            watermark_micros: progress.watermark.map(EventTime::micros),
            max_event_micros: progress.max_event_time.map(EventTime::micros),
            witness_offset: progress.fingerprint.map(|record| record.offset),
            origin_offset: progress.origin.map(|record| record.offset),
        };
        let coverage = Coverage { first, cluster, carried, covered: Vec::new() };
        self.stored.coverages.insert(life, coverage);
        self.stored.rows.insert(life, Row { progress, ..row });
    }

    /// Returns whether the watermark rises.
    fn store_progress(&mut self, part: &FlushPart, identity: Identity) -> bool {
        let life = (part.partition, part.new.generation);
        let row = self.stored.rows.get_mut(&life).expect("its lock is held");
        let progress = &mut row.progress;
        assert_eq!(progress.epoch, part.stored.epoch, "deltas from before the epoch was bumped");
        assert!(progress.next <= part.new.next, "a position went back");
        assert!(progress.watermark <= part.new.watermark, "I-4: a watermark went back");
        if !part.moves() {
            assert_eq!(part.delta.row_count(), 0, "I-2: results without a position that moves");
        }
        let (log_end_seen, caught_up_at) = (progress.log_end_seen, progress.caught_up_at);
        let raises_watermark = progress.watermark < part.new.watermark;
        *progress = part.new.clone();
        progress.log_end_seen = progress.log_end_seen.max(log_end_seen);
        progress.caught_up_at = progress.caught_up_at.max(caught_up_at);
        row.group = Some(identity.group);
        if part.log_is_verified {
            row.cluster.get_or_insert(identity.cluster);
        }
        raises_watermark
    }
}

/// Whatever the log held at the time that is stored as `caught_up_at` stands before the position.
fn expect_caught_up(part: &FlushPart, log: &Log) {
    let FlushPart { stored, new, .. } = part;
    let Some(caught_up_at) = new.caught_up_at.filter(|_| new.caught_up_at > stored.caught_up_at)
    else {
        return;
    };
    if let Some(unread) = log.current().written_before(caught_up_at, new.next.offset()) {
        panic!("caught up at {caught_up_at}, although {unread} was there and had not been read");
    }
}
