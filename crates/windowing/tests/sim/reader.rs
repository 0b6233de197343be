//! The client's side of one assigned partition: fetches ahead, delivers in order, and says when it
//! comes to the end of the log or is refused a position.

use std::collections::VecDeque;
use std::rc::Rc;

use super::faults::Kind;
use super::logs::{Cluster, Entry, Log, Message};
use super::shared::Shared;

/// Records fetched in one go.
const FETCH: usize = 4;

pub(crate) struct Reader {
    /// The version of the log that it reads.
    version: usize,
    /// What is fetched next.
    at: i64,
    /// What is delivered next.
    next: i64,
    /// The offset after the furthest that was delivered.
    furthest: i64,
    fetched: VecDeque<(Rc<Message>, usize)>,
    /// Everything waits for a flush.
    pub(crate) is_paused: bool,
    /// Not read: its position is not known, or it is halted.
    pub(crate) is_held_back: bool,
    /// Delivers nothing any more, and does not say so.
    pub(crate) is_silent: bool,
    has_reported_end: bool,
}

/// What a poll brings.
pub(crate) enum Polled {
    Record(Rc<Message>, usize),
    /// The offset after the last entry that readers are shown, and the version of the log.
    End(i64, usize),
    Refused,
    Nothing,
}

impl Reader {
    pub(crate) fn held_back() -> Self {
        Reader {
            version: 0,
            at: 0,
            next: 0,
            furthest: 0,
            fetched: VecDeque::new(),
            is_paused: false,
            is_held_back: true,
            is_silent: false,
            has_reported_end: false,
        }
    }

    pub(crate) fn starting_at(offset: i64, log: &Log, is_paused: bool) -> Self {
        Reader {
            version: log.number(),
            at: offset,
            next: offset,
            is_paused,
            is_held_back: false,
            ..Reader::held_back()
        }
    }

    /// What was fetched ahead is dropped, as the client does.
    pub(crate) fn pause(&mut self) {
        self.is_paused = true;
        self.rewind_to(self.next);
    }

    /// Delivers from an older offset again, if the log still has it.
    pub(crate) fn deliver_again(&mut self, records: i64, log: &Log) -> bool {
        let from = (self.next - records).max(log.current().low);
        let is_possible = self.reads() && from < self.next && self.version == log.number();
        if is_possible {
            self.rewind_to(from);
        }
        is_possible
    }

    pub(crate) fn reads(&self) -> bool {
        !self.is_paused && !self.is_held_back && !self.is_silent
    }

    /// Whether it has something to deliver, now or later.
    pub(crate) fn has_more(&self, log: &Log) -> bool {
        self.reads() && (!self.fetched.is_empty() || self.at < log.current().stable())
    }

    pub(crate) fn poll(&mut self, log: &Log, shared: &mut ReaderView<'_>) -> Polled {
        if !self.reads() {
            return Polled::Nothing;
        }
        if self.fetched.is_empty()
            && shared.brokers_answer
            && let Some(polled) = self.fetch(log, shared)
        {
            return polled;
        }
        match self.fetched.pop_front() {
            None => Polled::Nothing,
            Some((message, version)) => {
                self.next = message.offset + 1;
                self.furthest = self.furthest.max(self.next);
                Polled::Record(message, version)
            }
        }
    }

    fn fetch(&mut self, log: &Log, shared: &mut ReaderView<'_>) -> Option<Polled> {
        let current = log.current();
        if self.at.max(self.furthest) > log.shared_since(self.version) {
            // A topic that is gone is told of by a rebalance, a log that was cut by an error.
            let was_cut = log.shared_since(self.version) > i64::MIN;
            self.is_silent = true;
            return was_cut.then_some(Polled::Refused);
        }
        self.version = log.number();
        if self.at < current.low || self.at > current.stable() {
            self.is_silent = true;
            return Some(Polled::Refused);
        }
        while self.at < current.stable() && self.fetched.len() < FETCH {
            match current.entry(self.at) {
                Some(Entry::Record(message)) => {
                    self.fetched.push_back((Rc::clone(message), self.version));
                }
                Some(Entry::Compacted) => *shared.compacted += 1,
                Some(Entry::Aborted) => *shared.aborted += 1,
                Some(Entry::Control) | None => {}
            }
            self.at += 1;
            self.has_reported_end = false;
        }
        if self.fetched.is_empty() && !self.has_reported_end {
            self.has_reported_end = true;
            *shared.is_held_up = self.at < current.high();
            return Some(Polled::End(self.at, self.version));
        }
        None
    }

    fn rewind_to(&mut self, offset: i64) {
        self.fetched.clear();
        self.at = offset;
        self.next = offset;
        self.has_reported_end = false;
    }
}

/// What a reader needs to know of the world.
pub(crate) struct ReaderView<'a> {
    pub(crate) brokers_answer: bool,
    /// Holes of a compaction that were passed.
    pub(crate) compacted: &'a mut u64,
    /// Records of aborted transactions that were passed.
    pub(crate) aborted: &'a mut u64,
    /// An open transaction holds it up.
    pub(crate) is_held_up: &'a mut bool,
}

/// Polls one partition's reader.
pub(crate) fn poll(
    reader: &mut Reader,
    (cluster, partition): (Cluster, i32),
    shared: &mut Shared,
) -> Polled {
    let (mut compacted, mut aborted, mut is_held_up) = (0, 0, false);
    let brokers_answer = shared.clock >= shared.brokers_away_until;
    let mut view = ReaderView {
        brokers_answer,
        compacted: &mut compacted,
        aborted: &mut aborted,
        is_held_up: &mut is_held_up,
    };
    let polled = reader.poll(shared.log(cluster, partition), &mut view);
    if compacted > 0 {
        shared.observe_at(Kind::Compacted, partition);
    }
    if aborted > 0 {
        shared.observe_at(Kind::Aborted, partition);
    }
    if is_held_up {
        shared.observe_at(Kind::TransactionOpen, partition);
    }
    polled
}
