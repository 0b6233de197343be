//! The last stretch of the log, in the order in which it was read: what rules ask for of each event, and nothing else.
//!
//! ```text
//!   oldest ──────────────────────────────────────────────► newest
//!   [chunk: 1024 events][chunk][chunk …                     ]
//!      ▲ released, when no window can hold it any more    ▲ cut back, when the stored position is lower
//!   each event points to the one before it of the same subscriber
//! ```
//!
//! An event takes 40 bytes, and 4 to 8 more for each field that some rule asks for: a chunk holds them as words of 32 bits, so
//! that fields nobody asks for take no room. Keeps I-6: its bytes are known at any time.

use std::collections::VecDeque;

use crate::rules::{Mask, Needs};
use crate::subscribers::{Owner, SUBSCRIBER_BYTES, Subscribers};

const CHUNK_EVENTS: usize = 1024;
const WORD_BYTES: usize = 4;
/// Instead of a tower that an event does not have.
pub(crate) const NO_TOWER: u32 = u32::MAX;

/// What is kept of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) offset: i64,
    pub(crate) time_micros: i64,
    /// Of its `event_id`; 0: it has none.
    pub(crate) id: u64,
    pub(crate) mask: Mask,
    /// Says nothing unless the mask has [`crate::rules::HAS_COUNTERPARTY`].
    pub(crate) counterparty: u64,
    pub(crate) tower: u32,
    pub(crate) duration_seconds: u32,
    pub(crate) amount_micro_tenge: i64,
    pub(crate) data_micro_mb: i64,
}

/// At which words the fields stand.
#[derive(Clone, Copy, Debug)]
struct Layout {
    counterparty: Option<usize>,
    tower: Option<usize>,
    duration: Option<usize>,
    amount: Option<usize>,
    data: Option<usize>,
    words: usize,
}

const OFFSET: usize = 0;
const TIME: usize = 2;
const ID: usize = 4;
const MASK: usize = 6;
/// How many events back the one before of the same subscriber is; 0: there was none.
const BACK: usize = 7;
const OWNER: usize = 8;
const FIXED_WORDS: usize = 9;

impl Layout {
    fn new(needs: Needs) -> Self {
        let mut words = FIXED_WORDS;
        let mut place = |is_needed: bool, count: usize| {
            is_needed.then(|| {
                words += count;
                words - count
            })
        };
        let counterparty = place(needs.counterparty, 2);
        let tower = place(needs.tower, 1);
        let duration = place(needs.duration, 1);
        let amount = place(needs.amount, 2);
        let data = place(needs.data, 2);
        Layout { counterparty, tower, duration, amount, data, words }
    }
}

/// The events of one partition that rules can still need.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    layout: Layout,
    chunks: VecDeque<Box<[u32]>>,
    /// Numbers of events; they rise by one with each, and are never used again.
    first: u64,
    next: u64,
    pub(crate) subscribers: Subscribers,
}

impl Ring {
    pub(crate) fn new(needs: Needs) -> Self {
        Ring {
            layout: Layout::new(needs),
            chunks: VecDeque::new(),
            first: 0,
            next: 0,
            subscribers: Subscribers::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.next - self.first).expect("it is in memory")
    }

    /// Memory that events and subscribers take, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.len() * self.layout.words * WORD_BYTES + self.subscribers.len() * SUBSCRIBER_BYTES
    }

    /// Adds the newest event. Returns whose it is.
    pub(crate) fn push(&mut self, subscriber: u64, kept: &Kept) -> Owner {
        let (number, words) = (self.next, self.layout.words);
        let place = Self::place_in_chunk(number);
        if place == 0 {
            self.chunks.push_back(vec![0; CHUNK_EVENTS * words].into_boxed_slice());
        }
        let owner = self.subscribers.find_or_add(subscriber);
        let known = self.subscribers.get_mut(owner);
        let low_bits = Self::low_bits(number);
        let back = if known.events == 0 { 0 } else { low_bits.wrapping_sub(known.newest) };
        known.newest = low_bits;
        known.events += 1;
        let layout = self.layout;
        let chunk = self.chunks.back_mut().expect("an empty ring goes on at a chunk's first place");
        let event = &mut chunk[place * words..(place + 1) * words];
        put(event, OFFSET, kept.offset.cast_unsigned());
        put(event, TIME, kept.time_micros.cast_unsigned());
        put(event, ID, kept.id);
        event[MASK] = kept.mask;
        event[BACK] = back;
        event[OWNER] = owner;
        if let Some(at) = layout.counterparty {
            put(event, at, kept.counterparty);
        }
        if let Some(at) = layout.tower {
            event[at] = kept.tower;
        }
        if let Some(at) = layout.duration {
            event[at] = kept.duration_seconds;
        }
        if let Some(at) = layout.amount {
            put(event, at, kept.amount_micro_tenge.cast_unsigned());
        }
        if let Some(at) = layout.data {
            put(event, at, kept.data_micro_mb.cast_unsigned());
        }
        self.next += 1;
        owner
    }

    /// This subscriber's events, the newest first.
    pub(crate) fn events_of(&self, owner: Owner) -> impl Iterator<Item = Kept> + '_ {
        let subscriber = self.subscribers.get(owner);
        let since = Self::low_bits(self.next).wrapping_sub(subscriber.newest);
        let mut number = self.next - u64::from(since);
        (0..subscriber.events).map(move |_| {
            let event = self.event(number);
            let kept = self.kept(event);
            number = number.wrapping_sub(u64::from(event[BACK]));
            kept
        })
    }

    /// Time of the oldest event.
    pub(crate) fn oldest_time(&self) -> Option<i64> {
        (self.first < self.next).then(|| get(self.event(self.first), TIME).cast_signed())
    }

    /// Offset of the newest event.
    pub(crate) fn newest_offset(&self) -> Option<i64> {
        (self.first < self.next).then(|| get(self.event(self.next - 1), OFFSET).cast_signed())
    }

    /// Drops the oldest event.
    pub(crate) fn drop_oldest(&mut self) {
        if self.first == self.next {
            return;
        }
        let owner = self.event(self.first)[OWNER];
        self.subscribers.lose_event(owner);
        self.first += 1;
        if Self::place_in_chunk(self.first) == 0 || self.first == self.next {
            self.chunks.pop_front();
        }
        self.begin_anew_if_empty();
    }

    /// Drops the newest event.
    pub(crate) fn drop_newest(&mut self) {
        if self.first == self.next {
            return;
        }
        let number = self.next - 1;
        let (owner, back) = (self.event(number)[OWNER], self.event(number)[BACK]);
        self.subscribers.get_mut(owner).newest = Self::low_bits(number).wrapping_sub(back);
        self.subscribers.lose_event(owner);
        self.next = number;
        if Self::place_in_chunk(number) == 0 || self.first == self.next {
            self.chunks.pop_back();
        }
        self.begin_anew_if_empty();
    }

    /// An empty ring has no chunk; the next one begins at its first place.
    fn begin_anew_if_empty(&mut self) {
        if self.first == self.next {
            self.chunks.clear();
            self.next = self.next.next_multiple_of(CHUNK_EVENTS as u64);
            self.first = self.next;
        }
    }

    fn event(&self, number: u64) -> &[u32] {
        let first_of_chunks = self.first - Self::place_in_chunk(self.first) as u64;
        let since = usize::try_from(number - first_of_chunks).expect("it is in memory");
        let (chunk, place) = (since / CHUNK_EVENTS, since % CHUNK_EVENTS);
        &self.chunks[chunk][place * self.layout.words..(place + 1) * self.layout.words]
    }

    fn kept(&self, event: &[u32]) -> Kept {
        let long = |at: Option<usize>| at.map_or(0, |at| get(event, at));
        let short = |at: Option<usize>, otherwise: u32| at.map_or(otherwise, |at| event[at]);
        Kept {
            offset: get(event, OFFSET).cast_signed(),
            time_micros: get(event, TIME).cast_signed(),
            id: get(event, ID),
            mask: event[MASK],
            counterparty: long(self.layout.counterparty),
            tower: short(self.layout.tower, NO_TOWER),
            duration_seconds: short(self.layout.duration, 0),
            amount_micro_tenge: long(self.layout.amount).cast_signed(),
            data_micro_mb: long(self.layout.data).cast_signed(),
        }
    }

    fn place_in_chunk(number: u64) -> usize {
        usize::try_from(number % CHUNK_EVENTS as u64).expect("below the chunk's length")
    }

    fn low_bits(number: u64) -> u32 {
        number as u32
    }
}

fn put(event: &mut [u32], at: usize, value: u64) {
    // In two halves.
    (event[at], event[at + 1]) = (value as u32, (value >> 32) as u32);
}

fn get(event: &[u32], at: usize) -> u64 {
    u64::from(event[at]) | u64::from(event[at + 1]) << 32
}

#[cfg(test)]
mod tests;
