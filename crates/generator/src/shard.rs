//! A part of all subscribers, so that several processes can share the work.

use std::ops::Range;

/// Which subscribers are drawn: every `of`-th, from `index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// How many shards there are.
    pub of: u32,
}

impl Shard {
    /// All subscribers.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };

    /// Whether a subscriber is one of these.
    pub(crate) fn has(self, subscriber: u32) -> bool {
        subscriber % self.of == self.index
    }

    /// Those of a range who belong to it.
    pub(crate) fn members(self, range: Range<u32>) -> impl Iterator<Item = u32> {
        let first = range.start + (self.index + self.of - range.start % self.of) % self.of;
        (first..range.end).step_by(self.of as usize)
    }
}
