//! Who has events in the ring: for each subscriber the newest one, and how many there are.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// A subscriber's place in the table; it stays the same while there are events of theirs.
pub(crate) type Owner = u32;

/// Memory per subscriber, roughly: an entry, its index, and what hash tables leave empty.
pub(crate) const SUBSCRIBER_BYTES: usize = size_of::<Subscriber>() + 8;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriber {
    pub(crate) key: u64,
    /// Low 32 bits of the number of their newest event.
    pub(crate) newest: u32,
    /// How many events of theirs there are.
    pub(crate) events: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Subscribers {
    entries: Vec<Subscriber>,
    free: Vec<Owner>,
    by_key: HashTable<Owner>,
}

fn hash(key: u64) -> u64 {
    const STATE: FixedState = FixedState::with_seed(0);
    STATE.hash_one(key)
}

impl Subscribers {
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn find(&self, key: u64) -> Option<Owner> {
        self.by_key.find(hash(key), |owner| self.entries[*owner as usize].key == key).copied()
    }

    /// This subscriber's place; a new one, without events, if there is none.
    pub(crate) fn find_or_add(&mut self, key: u64) -> Owner {
        let hash_of_key = hash(key);
        let entries = &mut self.entries;
        let found = self.by_key.find(hash_of_key, |owner| entries[*owner as usize].key == key);
        if let Some(owner) = found {
            return *owner;
        }
        let subscriber = Subscriber { key, newest: 0, events: 0 };
        let owner = match self.free.pop() {
            Some(owner) => {
                entries[owner as usize] = subscriber;
                owner
            }
            None => {
                entries.push(subscriber);
                Owner::try_from(entries.len() - 1).expect("a ring holds fewer than 2³² events")
            }
        };
        self.by_key.insert_unique(hash_of_key, owner, |owner| hash(entries[*owner as usize].key));
        owner
    }

    pub(crate) fn get(&self, owner: Owner) -> Subscriber {
        self.entries[owner as usize]
    }

    pub(crate) fn get_mut(&mut self, owner: Owner) -> &mut Subscriber {
        &mut self.entries[owner as usize]
    }

    /// One event of theirs has gone; with the last one they go too.
    pub(crate) fn lose_event(&mut self, owner: Owner) {
        let subscriber = &mut self.entries[owner as usize];
        subscriber.events -= 1;
        if subscriber.events > 0 {
            return;
        }
        let key = subscriber.key;
        if let Ok(entry) = self.by_key.find_entry(hash(key), |found| *found == owner) {
            entry.remove();
        }
        self.free.push(owner);
    }
}
