//! The table: commits with rows and versions. One that was made without knowledge of another for the same
//! application is refused, as Delta does.

use std::collections::{BTreeMap, BTreeSet};

use follower::{Key, Reached, Versions};

use crate::warehouse::{Stored, Warehouse};

pub(crate) const TOPIC: &str = "t";

#[derive(Clone, Debug)]
pub(crate) struct Archived {
    pub(crate) key: Key,
    pub(crate) offset: i64,
    pub(crate) stored: Stored,
    /// Judged without the warehouse's counters, by an operator's permission.
    pub(crate) on_trust: bool,
}

#[derive(Default)]
struct Commit {
    rows: Vec<Archived>,
    versions: Vec<(String, i64)>,
}

#[derive(Default)]
pub(crate) struct Lake {
    commits: Vec<Commit>,
    pub(crate) fences: bool,
    pub(crate) refused: usize,
    /// What operators have accepted as lost.
    pub(crate) lost: BTreeMap<Key, Vec<(i64, i64)>>,
}

impl Lake {
    pub(crate) fn commits(&self) -> usize {
        self.commits.len()
    }

    pub(crate) fn rows(&self) -> usize {
        self.commits.iter().map(|commit| commit.rows.len()).sum()
    }

    pub(crate) fn versions(&self) -> Versions {
        self.commits.iter().flat_map(|commit| commit.versions.iter().cloned()).collect()
    }

    /// Commits against the first `base` commits. `false`: refused.
    pub(crate) fn commit(
        &mut self,
        base: usize,
        rows: Vec<Archived>,
        versions: Vec<(String, i64)>,
    ) -> bool {
        let ours: BTreeSet<&String> = versions.iter().map(|(name, _)| name).collect();
        let is_stale = self.commits[base..]
            .iter()
            .any(|commit| commit.versions.iter().any(|(name, _)| ours.contains(name)));
        if is_stale && self.fences {
            self.refused += 1;
            return false;
        }
        self.commits.push(Commit { rows, versions });
        true
    }

    /// All that is archived of a partition, in whichever generation.
    pub(crate) fn archived_of(&self, partition: i32) -> BTreeSet<u64> {
        let rows = self.commits.iter().flat_map(|commit| &commit.rows);
        rows.filter(|row| row.key.partition == partition).map(|row| row.stored.id).collect()
    }

    /// Whether the lake stands where the warehouse does, or further.
    pub(crate) fn is_level(&self, key: Key, warehouse: &Warehouse) -> bool {
        let reached = Reached::read(&self.versions(), TOPIC, key);
        let position = reached.map_or(0, |reached| reached.position.offset());
        let next = warehouse.next(key);
        position == next || (next == 0 && reached.is_none())
    }

    pub(crate) fn check_each_once(&self, warehouse: &Warehouse) {
        let mut met = BTreeSet::new();
        for row in self.commits.iter().flat_map(|commit| &commit.rows) {
            assert!(met.insert(row.stored.id), "twice in the lake: {row:?}");
            let counted = warehouse.ever_counted.contains(&(row.key, row.offset, row.stored.id));
            // While counters are unknown, what is read is checked by its ends alone.
            assert!(counted || row.on_trust, "never counted: {row:?}");
        }
    }

    /// What the warehouse has counted is here, but for what was accepted as lost.
    pub(crate) fn check_complete(&self, warehouse: &Warehouse) {
        let rows = self.commits.iter().flat_map(|commit| &commit.rows);
        let archived: BTreeSet<u64> = rows.map(|row| row.stored.id).collect();
        for ((key, offset), id) in warehouse.counted() {
            let lost = self.lost.get(key).into_iter().flatten();
            let is_lost = lost.into_iter().any(|(from, to)| (from..to).contains(&offset));
            let is_promised = warehouse.is_promised(key.partition);
            assert!(
                !is_promised || is_lost || archived.contains(id),
                "missing: {key} offset {offset}"
            );
        }
    }
}
