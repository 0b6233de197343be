//! The last stretch of the log, in the order in which it was read: what rules ask for of each event, and nothing else.
//!
//! ```text
//!   oldest ──────────────────────────────────────────────► newest
//!   [sealed: 1024 events][sealed][sealed …][open: up to 1024 ]
//!      ▲ released, when no window can hold it any more    ▲ cut back, when the stored position is lower
//!   each event points to the one before it of the same subscriber
//! ```
//!
//! An event is a row of numbers, with a column for each field that some rule asks for. A chunk that is full is packed
//! ([`sealed`]): with all fields an event then takes some 25 bytes. Keeps I-6: the bytes are known at any time.

mod sealed;

use std::collections::VecDeque;

use self::sealed::{CHUNK_EVENTS, Columns, Numbers, Sealed, SealedRow};
use crate::rules::{Mask, Needs};
use crate::subscribers::{Owner, SUBSCRIBER_BYTES, Subscribers};

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

/// In which columns the fields stand.
#[derive(Clone, Copy, Debug)]
struct Layout {
    tower: Option<usize>,
    duration: Option<usize>,
    amount: Option<usize>,
    data: Option<usize>,
    counterparty: Option<usize>,
    columns: usize,
}

/// By how much it is above the event's number, which rises as well: nearly the same for a whole chunk.
const OFFSET: usize = 0;
const TIME: usize = 1;
const ID: usize = 2;
const MASK: usize = 3;
/// How many events back the one before of the same subscriber is; 0: there was none.
const BACK: usize = 4;
const OWNER: usize = 5;
const FIXED_COLUMNS: usize = 6;

impl Layout {
    fn new(needs: Needs) -> Self {
        let mut columns = FIXED_COLUMNS;
        let mut place = |is_needed: bool| {
            is_needed.then(|| {
                columns += 1;
                columns - 1
            })
        };
        let tower = place(needs.tower);
        let duration = place(needs.duration);
        let amount = place(needs.amount);
        let data = place(needs.data);
        let counterparty = place(needs.counterparty);
        Layout { tower, duration, amount, data, counterparty, columns }
    }

    fn special(self) -> Columns {
        Columns { count: self.columns, coded: MASK, sparse: self.counterparty }
    }
}

/// The events of one partition that rules can still need.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    layout: Layout,
    /// Full chunks; of the first one a part may be gone.
    sealed: VecDeque<Sealed>,
    sealed_bytes: usize,
    /// Rows of the newest chunk.
    open: Vec<u64>,
    /// Numbers of events; they rise by one with each, and are never used again. A chunk begins at each multiple of its length.
    first: u64,
    next: u64,
    pub(crate) subscribers: Subscribers,
}

/// Where an event is.
#[derive(Clone, Copy)]
enum Row<'a> {
    Open(&'a [u64]),
    Sealed(SealedRow<'a>),
}

impl Row<'_> {
    fn get(self, column: usize) -> u64 {
        match self {
            Row::Open(row) => row.number(column),
            Row::Sealed(row) => row.number(column),
        }
    }

    /// Of a column that never holds more.
    fn short(self, column: usize) -> u32 {
        self.get(column) as u32
    }
}

impl Ring {
    pub(crate) fn new(needs: Needs) -> Self {
        Ring {
            layout: Layout::new(needs),
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            open: Vec::new(),
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
        let open =
            if self.sealed.is_empty() { self.len() * self.layout.columns } else { self.open.len() };
        open * size_of::<u64>() + self.sealed_bytes + self.subscribers.len() * SUBSCRIBER_BYTES
    }

    /// Adds the newest event. Returns whose it is.
    pub(crate) fn push(&mut self, subscriber: u64, kept: &Kept) -> Owner {
        let (number, layout) = (self.next, self.layout);
        if self.open.len() == CHUNK_EVENTS * layout.columns {
            self.seal();
        }
        if self.open.is_empty() {
            self.open.reserve_exact(CHUNK_EVENTS * layout.columns);
        }
        let owner = self.subscribers.find_or_add(subscriber);
        let known = self.subscribers.get_mut(owner);
        let low_bits = Self::low_bits(number);
        let back = if known.events == 0 { 0 } else { low_bits.wrapping_sub(known.newest) };
        known.newest = low_bits;
        known.events += 1;
        let begin = self.open.len();
        self.open.resize(begin + layout.columns, 0);
        let row = &mut self.open[begin..];
        row[OFFSET] = kept.offset.cast_unsigned().wrapping_sub(number);
        row[TIME] = kept.time_micros.cast_unsigned();
        row[ID] = kept.id;
        row[MASK] = kept.mask.into();
        row[BACK] = back.into();
        row[OWNER] = owner.into();
        let mut put = |column: Option<usize>, number: u64| {
            if let Some(column) = column {
                row[column] = number;
            }
        };
        // No tower is 0 here: the greatest number would make the whole column wide.
        put(layout.tower, kept.tower.wrapping_add(1).into());
        put(layout.duration, kept.duration_seconds.into());
        put(layout.amount, kept.amount_micro_tenge.cast_unsigned());
        put(layout.data, kept.data_micro_mb.cast_unsigned());
        put(layout.counterparty, kept.counterparty);
        self.next += 1;
        owner
    }

    /// The open chunk is full.
    fn seal(&mut self) {
        let sealed = Sealed::new(&self.open, self.layout.special());
        self.sealed_bytes += sealed.bytes();
        self.sealed.push_back(sealed);
        self.open.clear();
    }

    /// The open chunk is empty; the newest events are in the one before it. That may be full: the next event seals it again.
    fn unseal(&mut self) {
        if let Some(sealed) = self.sealed.pop_back() {
            self.sealed_bytes -= sealed.bytes();
            self.open.extend(sealed.rows());
        }
    }

    /// This subscriber's events, the newest first.
    pub(crate) fn events_of(&self, owner: Owner) -> impl Iterator<Item = Kept> + '_ {
        let subscriber = self.subscribers.get(owner);
        let since = Self::low_bits(self.next).wrapping_sub(subscriber.newest);
        let mut number = self.next - u64::from(since);
        (0..subscriber.events).map(move |_| {
            let row = self.row(number);
            let kept = match row {
                Row::Open(row) => self.kept(number, row),
                Row::Sealed(row) => self.kept(number, row),
            };
            number = number.wrapping_sub(row.get(BACK));
            kept
        })
    }

    /// Time of the oldest event.
    pub(crate) fn oldest_time(&self) -> Option<i64> {
        (self.first < self.next).then(|| self.row(self.first).get(TIME).cast_signed())
    }

    /// Offset of the newest event.
    pub(crate) fn newest_offset(&self) -> Option<i64> {
        let newest = self.next.wrapping_sub(1);
        let offset = || self.row(newest).get(OFFSET).wrapping_add(newest).cast_signed();
        (self.first < self.next).then(offset)
    }

    /// Drops the oldest event.
    pub(crate) fn drop_oldest(&mut self) {
        if self.first == self.next {
            return;
        }
        let owner = self.row(self.first).short(OWNER);
        self.subscribers.lose_event(owner);
        self.first += 1;
        if Self::place_in_chunk(self.first) == 0 {
            self.sealed_bytes -= self.sealed.pop_front().map_or(0, |sealed| sealed.bytes());
        }
        self.begin_anew_if_empty();
    }

    /// Drops the newest event.
    pub(crate) fn drop_newest(&mut self) {
        if self.first == self.next {
            return;
        }
        if self.open.is_empty() {
            self.unseal();
        }
        let number = self.next - 1;
        let (owner, back) = (self.row(number).short(OWNER), self.row(number).short(BACK));
        self.subscribers.get_mut(owner).newest = Self::low_bits(number).wrapping_sub(back);
        self.subscribers.lose_event(owner);
        self.next = number;
        self.open.truncate(self.open.len() - self.layout.columns);
        self.begin_anew_if_empty();
    }

    /// An empty ring has no chunk; the next one begins at its first place.
    fn begin_anew_if_empty(&mut self) {
        if self.first == self.next {
            self.sealed.clear();
            self.sealed_bytes = 0;
            self.open.clear();
            self.next = self.next.next_multiple_of(CHUNK_EVENTS as u64);
            self.first = self.next;
        }
    }

    fn row(&self, number: u64) -> Row<'_> {
        let first_of_chunks = self.first - Self::place_in_chunk(self.first) as u64;
        let since = usize::try_from(number - first_of_chunks).expect("it is in memory");
        let (chunk, place) = (since / CHUNK_EVENTS, since % CHUNK_EVENTS);
        let columns = self.layout.columns;
        match self.sealed.get(chunk) {
            Some(sealed) => Row::Sealed(sealed.row(place)),
            None => Row::Open(&self.open[place * columns..(place + 1) * columns]),
        }
    }

    fn kept(&self, number: u64, row: impl Numbers) -> Kept {
        let layout = self.layout;
        let long = |column: Option<usize>| column.map_or(0, |column| row.number(column));
        // Columns that never hold more.
        let short = |column| long(column) as u32;
        Kept {
            offset: row.number(OFFSET).wrapping_add(number).cast_signed(),
            time_micros: row.number(TIME).cast_signed(),
            id: row.number(ID),
            mask: row.coded(MASK) as u32,
            counterparty: layout.counterparty.map_or(0, |column| row.sparse(column)),
            tower: short(layout.tower).wrapping_sub(1),
            duration_seconds: short(layout.duration),
            amount_micro_tenge: long(layout.amount).cast_signed(),
            data_micro_mb: long(layout.data).cast_signed(),
        }
    }

    fn place_in_chunk(number: u64) -> usize {
        usize::try_from(number % CHUNK_EVENTS as u64).expect("below the chunk's length")
    }

    fn low_bits(number: u64) -> u32 {
        number as u32
    }
}

#[cfg(test)]
mod tests;
