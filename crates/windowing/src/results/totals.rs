//! What the two kinds of totals have in common.

use hashbrown::HashMap;

use crate::{GroupKey, Groups, Totals};

/// The groups' totals, each key once, sorted by key.
pub(super) fn merged<'a>(groups: impl Iterator<Item = &'a Groups>) -> Vec<(&'a GroupKey, Totals)> {
    let mut sums: HashMap<&GroupKey, Totals> = HashMap::new();
    for (key, totals) in groups.flat_map(Groups::iter) {
        sums.entry(key).or_default().add(totals);
    }
    sorted(sums)
}

fn sorted(groups: HashMap<&GroupKey, Totals>) -> Vec<(&GroupKey, Totals)> {
    let mut rows: Vec<_> = groups.into_iter().collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    rows
}
