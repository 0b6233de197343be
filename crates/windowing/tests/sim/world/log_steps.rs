//! What happens to the logs: they grow, lose their oldest records, are cut, made again, compacted.

use super::super::dice::Dice;
use super::super::faults::Kind;
use super::super::logs::{Cluster, FIRST_ABOVE_COPIES, Log};
use super::super::steps::Step;
use super::super::worker::Rebalance;
use super::{World, number};

/// A topic does not grow beyond these.
const PARTITIONS_MAX: usize = 6;
const ENTRIES_MAX: i64 = 60;
const COPIED_ENTRIES_MAX: i64 = 200;
/// A mirror with a retention of its own keeps as many of its last entries, or two or three times as many.
const COPIES_KEPT: i64 = 8;

impl World {
    pub(super) fn step_log(&mut self, step: Step) {
        if self.is_mirrored && matches!(step, Step::Truncate { .. } | Step::Recreate { .. }) {
            return;
        }
        match step {
            Step::AddPartition => self.add_partition(),
            Step::Retain { partition, beyond } => {
                let partition = self.partition(partition);
                self.retain(partition, beyond);
            }
            Step::Truncate { partition, before, refill } => {
                let partition = self.partition(partition);
                self.truncate(partition, before, refill);
            }
            Step::Recreate { refill } => self.recreate(refill),
            Step::Compact { partition, salt } => {
                let partition = self.partition(partition);
                let dice = Dice::seeded(u64::from(salt), 0);
                let log = &mut self.shared.logs[partition];
                if log.is_compacted && log.compact(dice) > 0 {
                    self.shared.inject_at(Kind::Compacted, number(partition));
                }
            }
            _ => unreachable!("all other steps are carried out elsewhere"),
        }
    }

    pub(super) fn append(&mut self, partition: usize, entries: usize, in_transaction: bool) {
        let now = self.shared.clock;
        let most = if self.written == Cluster::Home { ENTRIES_MAX } else { COPIED_ENTRIES_MAX };
        let log = self.shared.logs[partition].of_mut(self.written);
        let room = usize::try_from(most - log.current().len()).unwrap_or_default();
        let controls = log.append(entries.min(room), in_transaction, now);
        if in_transaction && log.current().stable() < log.current().high() {
            self.shared.inject_at(Kind::TransactionOpen, number(partition));
        }
        if controls > 0 {
            *self.shared.met.entry("control records").or_default() += controls;
        }
    }

    pub(super) fn end_transaction(&mut self, partition: usize, commits: bool) {
        let now = self.shared.clock;
        let log = self.shared.logs[partition].of_mut(self.written);
        if log.end_transaction(commits, now) && !commits {
            self.shared.inject_at(Kind::Aborted, number(partition));
        }
    }

    fn add_partition(&mut self) {
        let partition = self.owners.len();
        // Of rows without a single record nothing tells whose log they are of.
        let tells = self.shared.database.tells_clusters_apart() || self.strays.is_empty();
        if partition >= PARTITIONS_MAX || !tells {
            return;
        }
        let Log { seed, is_compacted, .. } = self.shared.logs[0];
        let lies_below = self.is_mirrored && self.marks_before_copies == 0;
        let first = if lies_below { FIRST_ABOVE_COPIES } else { 0 };
        let log = Log::empty(seed, partition, first, is_compacted);
        let now = self.shared.clock;
        let marks = self.marks_before_copies;
        self.shared.logs.push(if self.is_mirrored { log.mirrored(marks, now) } else { log });
        self.shared.inject_at(Kind::PartitionAdded, number(partition));
        self.owners.push(partition % self.workers.len());
        self.holders.push(None);
        self.is_asked.push(false);
        if let Some(rival) = &mut self.rival {
            rival.mailbox.push_back(Rebalance::Assigned(vec![number(partition)]));
        }
        for stray in &mut self.strays {
            stray.mailbox.push_back(Rebalance::Assigned(vec![number(partition)]));
        }
    }

    fn retain(&mut self, partition: usize, beyond: i64) {
        if self.is_mirrored && beyond > 0 {
            return self.retain_copies(partition, beyond);
        }
        let shared = &mut self.shared;
        let Some(row) = shared.database.current(number(partition)) else { return };
        let (next, fingerprint) = (row.next.offset(), row.fingerprint);
        let version = shared.logs[partition].of(self.cluster).current();
        let low = (next + beyond).min(version.high());
        if low <= version.low {
            return;
        }
        if low > next {
            shared.inject_at(Kind::Overtaken, number(partition));
        } else if fingerprint.is_some_and(|fingerprint| fingerprint.offset < low) {
            shared.inject_at(Kind::RetainedBehind, number(partition));
        }
        shared.logs[partition].of_mut(self.cluster).retain_from(low);
    }

    /// The mirror keeps its records for a time of its own: some of the last ones, whatever of them was counted.
    fn retain_copies(&mut self, partition: usize, kept: i64) {
        if self.cluster == Cluster::Mirror {
            return;
        }
        let copies = self.shared.logs[partition].of_mut(Cluster::Mirror);
        let low = copies.current().high() - COPIES_KEPT * kept;
        if low > copies.current().low {
            copies.retain_from(low);
            self.shared.meet("the mirror has lost its first copies");
        }
    }

    fn truncate(&mut self, partition: usize, before: i64, refill: usize) {
        let shared = &mut self.shared;
        let Some(row) = shared.database.current(number(partition)) else { return };
        let next = row.next.offset();
        let version = shared.logs[partition].current();
        let cut = (next - before).max(version.low);
        if cut >= version.high() || cut >= next {
            return;
        }
        shared.logs[partition].truncate(cut);
        shared.inject_at(Kind::Truncated, number(partition));
        self.append(partition, refill, false);
    }

    fn recreate(&mut self, refill: usize) {
        for partition in 0..self.owners.len() {
            let row = self.shared.database.current(number(partition));
            if row.is_some_and(|row| row.next.offset() > 0) {
                self.shared.inject_at(Kind::Recreated, number(partition));
            }
            self.shared.logs[partition].recreate();
            self.append(partition, refill, false);
        }
        // The group notices that the topic is another.
        for index in 0..self.workers.len() {
            if self.holders.contains(&Some(index)) {
                self.workers[index].lose_all();
                self.let_go_of(index);
            }
        }
        if let Some(rival) = &mut self.rival {
            rival.lose_all();
            let all = (0..number(self.owners.len())).collect();
            rival.mailbox.push_back(Rebalance::Assigned(all));
        }
    }
}
