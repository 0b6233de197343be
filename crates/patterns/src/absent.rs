//! Events that wait for another one to be absent: what [`crate::Matcher`] looks at when the watermark moves.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use event_model::EventTime;

/// An event that was looked for, and may be followed by another one until `known_at`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Waiting {
    /// The watermark at which nothing can follow it on time any more.
    pub(crate) known_at: EventTime,
    pub(crate) offset: i64,
    /// Index of the rule.
    pub(crate) rule: usize,
    pub(crate) time_micros: i64,
    pub(crate) id: u64,
    pub(crate) counterparty: u64,
    pub(crate) subscriber: Box<str>,
}

/// All that wait in one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Absences {
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Decided, by the record at this offset, but that record may not be stored yet: it may be read again.
    decided: Vec<(i64, Waiting)>,
    bytes: usize,
}

impl Waiting {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.subscriber.len()
    }
}

impl Absences {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn wait(&mut self, waiting: Waiting) {
        self.bytes += waiting.bytes();
        self.waiting.push(Reverse(waiting));
    }

    /// The next one that this watermark decides; `at` is the record that moved it.
    pub(crate) fn next_decided(&mut self, watermark: EventTime, at: i64) -> Option<Waiting> {
        self.waiting.peek().filter(|Reverse(first)| first.known_at <= watermark)?;
        let Reverse(first) = self.waiting.pop()?;
        self.decided.push((at, first.clone()));
        Some(first)
    }

    /// Everything before `position` is stored: what was decided there stays so.
    pub(crate) fn release(&mut self, position: i64) {
        let (kept, released) =
            std::mem::take(&mut self.decided).into_iter().partition(|(at, _)| *at >= position);
        self.decided = kept;
        let released: Vec<(i64, Waiting)> = released;
        self.bytes -= released.iter().map(|(_, waiting)| waiting.bytes()).sum::<usize>();
    }

    /// As it was before the record at `position` was read.
    pub(crate) fn cut_back(&mut self, position: i64) {
        let mut decided = std::mem::take(&mut self.decided);
        self.waiting.extend(
            decided.extract_if(.., |(at, _)| *at >= position).map(|(_, waiting)| Reverse(waiting)),
        );
        decided.retain(|(_, waiting)| waiting.offset < position);
        self.decided = decided;
        self.waiting.retain(|Reverse(waiting)| waiting.offset < position);
        let all = self.waiting.iter().map(|Reverse(waiting)| waiting);
        let all = all.chain(self.decided.iter().map(|(_, waiting)| waiting));
        self.bytes = all.map(Waiting::bytes).sum();
    }

    /// Drops what waits since before this time: the events behind it are gone. Returns whether there was any.
    pub(crate) fn forget_through(&mut self, time_micros: i64) -> bool {
        let before = self.waiting.len() + self.decided.len();
        self.waiting.retain(|Reverse(waiting)| waiting.time_micros > time_micros);
        self.decided.retain(|(_, waiting)| waiting.time_micros > time_micros);
        let all = self.waiting.iter().map(|Reverse(waiting)| waiting);
        let all = all.chain(self.decided.iter().map(|(_, waiting)| waiting));
        self.bytes = all.map(Waiting::bytes).sum();
        self.waiting.len() + self.decided.len() < before
    }
}
