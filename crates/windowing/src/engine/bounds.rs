//! How much is held between two flushes, and how much may be. Keeps I-6.

/// How much may be held in memory between two flushes. Reaching one flushes early, or pauses
/// reading while a flush is under way. Twice this much can be held in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Groups of all partitions together.
    pub groups: usize,
    /// Bytes in which subscribers are counted, of all partitions together.
    pub subscriber_bytes: usize,
    /// Dead letters of all partitions together.
    pub dead_letters: usize,
    /// Their bytes.
    pub dead_letter_bytes: usize,
}

/// Bounds never shrink below this fraction of their full size: so small a flush takes no time, and
/// if the database refuses it all the same, then not because of its size.
const SMALLEST_FRACTION: usize = 128;
/// … and with each flush that is stored they grow by this fraction of what they are.
const REGAINED_FRACTION: usize = 8;

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            groups: 30_000,
            subscriber_bytes: 12 << 20,
            dead_letters: 10_000,
            dead_letter_bytes: 8 << 20,
        }
    }
}

impl Bounds {
    /// Bounds for half of what turned out to be too much, within those of `full`.
    pub(super) fn halved(held: Held, full: Bounds) -> Bounds {
        let half = |held: usize, full: usize| {
            (held / 2).clamp((full / SMALLEST_FRACTION).max(1), full.max(1))
        };
        Bounds {
            groups: half(held.groups, full.groups),
            subscriber_bytes: half(held.subscriber_bytes, full.subscriber_bytes),
            dead_letters: half(held.dead_letters, full.dead_letters),
            dead_letter_bytes: half(held.dead_letter_bytes, full.dead_letter_bytes),
        }
    }

    /// A step nearer to `full`: what was too much may have been so for a moment only.
    pub(super) fn regained(self, full: Bounds) -> Bounds {
        let grown = |now: usize, full: usize| (now + (now / REGAINED_FRACTION).max(1)).min(full);
        Bounds {
            groups: grown(self.groups, full.groups),
            subscriber_bytes: grown(self.subscriber_bytes, full.subscriber_bytes),
            dead_letters: grown(self.dead_letters, full.dead_letters),
            dead_letter_bytes: grown(self.dead_letter_bytes, full.dead_letter_bytes),
        }
    }
}

/// What is held between two flushes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) groups: usize,
    pub(super) subscriber_bytes: usize,
    pub(super) dead_letters: usize,
    pub(super) dead_letter_bytes: usize,
}

impl Held {
    /// Whether one of the bounds is reached.
    pub(super) fn reaches(self, bounds: Bounds) -> bool {
        self.groups >= bounds.groups
            || self.subscriber_bytes >= bounds.subscriber_bytes
            || self.dead_letters >= bounds.dead_letters
            || self.dead_letter_bytes >= bounds.dead_letter_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Bounds = Bounds {
        groups: 1_280,
        subscriber_bytes: 25_600,
        dead_letters: 256,
        dead_letter_bytes: 12_800,
    };

    #[test]
    fn bounds_shrink_to_half_of_what_was_too_much_and_never_to_nothing() {
        for (groups, expected) in [(1_280, 640), (640, 320), (9_999, 1_280), (21, 10), (0, 10)] {
            let held = Held { groups, ..Held::default() };
            assert_eq!(Bounds::halved(held, FULL).groups, expected, "{groups}");
        }
        let tiny = Bounds { groups: 1, subscriber_bytes: 3, dead_letters: 0, dead_letter_bytes: 5 };
        let halved = Bounds::halved(Held::default(), tiny);
        let least =
            Bounds { groups: 1, subscriber_bytes: 1, dead_letters: 1, dead_letter_bytes: 1 };
        assert_eq!(halved, least);
    }

    #[test]
    fn bounds_grow_back_step_by_step_and_not_beyond_the_full_ones() {
        let mut bounds = Bounds::halved(Held::default(), FULL);
        assert_eq!(bounds.regained(FULL).groups, 10 + 1);
        assert_eq!(Bounds { groups: 80, ..bounds }.regained(FULL).groups, 80 + 10);
        for _ in 0..60 {
            bounds = bounds.regained(FULL);
        }
        assert_eq!(bounds, FULL);
    }
}
