//! What comes in later slots, kept by slot: within its slot all is sorted anyway, so no order is kept before.

use std::collections::VecDeque;

/// Items of later slots, those of the next one first.
#[derive(Clone, Debug)]
pub(super) struct Ahead<T> {
    slots: VecDeque<Vec<T>>,
}

impl<T> Ahead<T> {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Ahead { slots: VecDeque::new() }
    }

    /// Keeps what comes so many slots after the current one; 1 is the next.
    pub(super) fn put(&mut self, slots: usize, item: T) {
        if self.slots.len() < slots {
            self.slots.resize_with(slots, Vec::new);
        }
        self.slots[slots - 1].push(item);
    }

    /// What comes in the next slot, which is the current one from now on.
    pub(super) fn next(&mut self) -> Vec<T> {
        self.slots.pop_front().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_comes_in_its_slot_and_once() {
        let mut ahead = Ahead::new();
        ahead.put(3, 'c');
        ahead.put(1, 'a');
        assert_eq!(ahead.next(), ['a']);
        ahead.put(1, 'b');
        ahead.put(2, 'd');
        assert_eq!(ahead.next(), ['b']);
        assert_eq!(ahead.next(), ['c', 'd']);
        assert_eq!(ahead.next(), []);
    }
}
