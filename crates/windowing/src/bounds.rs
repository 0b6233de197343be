//! How much is held between two flushes, and how much may be. Keeps I-6.

/// What memory is bounded by. Kinds of results that grow together share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Groups (minute, type, region), on time and late.
    Groups,
    /// What subscribers are counted in.
    Subscribers,
    /// Records that can't be used.
    DeadLetters,
    /// Rules that held.
    Alerts,
}

impl Limit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Limit; 4] =
        [Limit::Groups, Limit::Subscribers, Limit::DeadLetters, Limit::Alerts];

    /// How much may be held of it, of all partitions together.
    const fn full(self) -> Size {
        match self {
            Limit::Groups => Size::items(30_000),
            Limit::Subscribers => Size::bytes(12 << 20),
            Limit::DeadLetters => Size { items: 10_000, bytes: 8 << 20 },
            Limit::Alerts => Size { items: 2_000, bytes: 8 << 20 },
        }
    }
}

/// How much of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Number of items; of a bound, `usize::MAX` is none.
    pub items: usize,
    /// Their bytes; of a bound, `usize::MAX` is none.
    pub bytes: usize,
}

impl Size {
    /// No item and no byte.
    pub const NONE: Size = Size { items: 0, bytes: 0 };

    /// A bound on the number alone.
    pub const fn items(items: usize) -> Self {
        Size { items, bytes: usize::MAX }
    }

    /// A bound on bytes alone.
    pub const fn bytes(bytes: usize) -> Self {
        Size { items: usize::MAX, bytes }
    }

    fn each(self, other: Size, of: impl Fn(usize, usize) -> usize) -> Size {
        Size { items: of(self.items, other.items), bytes: of(self.bytes, other.bytes) }
    }
}

/// By how much one record has made a delta larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth([Size; Limit::ALL.len()]);

impl Growth {
    pub(crate) fn add(&mut self, limit: Limit, size: Size) {
        let of = &mut self.0[limit as usize];
        *of = of.each(size, |one, other| one + other);
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.iter().all(|size| *size == Size::NONE)
    }

    #[cfg(test)]
    pub(crate) fn of(&self, limit: Limit) -> Size {
        self.0[limit as usize]
    }
}

/// How much may be held in memory between two flushes. Reaching one flushes early, or pauses
/// reading while a flush is under way. Twice this much can be held in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds([Size; Limit::ALL.len()]);

/// Bounds never shrink below this fraction of their full size: so small a flush takes no time, and
/// if the database refuses it all the same, then not because of its size.
const SMALLEST_FRACTION: usize = 128;
/// … and with each flush that is stored they grow by this fraction of what they are.
const REGAINED_FRACTION: usize = 8;

impl Default for Bounds {
    fn default() -> Self {
        Bounds(Limit::ALL.map(Limit::full))
    }
}

impl Bounds {
    /// No bound at all.
    pub const NONE: Bounds =
        Bounds([Size { items: usize::MAX, bytes: usize::MAX }; Limit::ALL.len()]);

    /// The same with another bound on this.
    #[must_use]
    pub const fn with(mut self, limit: Limit, size: Size) -> Self {
        self.0[limit as usize] = size;
        self
    }

    /// How much of this may be held.
    pub const fn of(&self, limit: Limit) -> Size {
        self.0[limit as usize]
    }

    /// Bounds for half of what turned out to be too much, within those of `full`.
    pub(crate) fn halved(held: Held, full: Bounds) -> Bounds {
        let half = |held: usize, full: usize| {
            (held / 2).clamp((full / SMALLEST_FRACTION).max(1), full.max(1))
        };
        Bounds(Limit::ALL.map(|limit| held.of(limit).each(full.of(limit), half)))
    }

    /// A step nearer to `full`: what was too much may have been so for a moment only.
    pub(crate) fn regained(self, full: Bounds) -> Bounds {
        let grown = |now: usize, full: usize| {
            now.saturating_add((now / REGAINED_FRACTION).max(1)).min(full)
        };
        Bounds(Limit::ALL.map(|limit| self.of(limit).each(full.of(limit), grown)))
    }
}

/// What is held between two flushes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held([Size; Limit::ALL.len()]);

impl Held {
    pub(crate) const fn of(&self, limit: Limit) -> Size {
        self.0[limit as usize]
    }

    pub(crate) fn add(&mut self, growth: Growth) {
        for (held, more) in self.0.iter_mut().zip(growth.0) {
            *held = held.each(more, |one, other| one + other);
        }
    }

    /// Whether one of the bounds is reached.
    pub(crate) fn reaches(&self, bounds: Bounds) -> bool {
        let reached =
            |(held, bound): (&Size, &Size)| held.items >= bound.items || held.bytes >= bound.bytes;
        self.0.iter().zip(&bounds.0).any(reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Bounds = Bounds::NONE
        .with(Limit::Groups, Size::items(1_280))
        .with(Limit::Subscribers, Size::bytes(25_600))
        .with(Limit::DeadLetters, Size { items: 256, bytes: 12_800 });

    fn held(groups: usize) -> Held {
        let mut growth = Growth::default();
        growth.add(Limit::Groups, Size { items: groups, bytes: 0 });
        let mut held = Held::default();
        held.add(growth);
        held
    }

    fn groups(bounds: Bounds) -> usize {
        bounds.of(Limit::Groups).items
    }

    #[test]
    fn bounds_shrink_to_half_of_what_was_too_much_and_never_to_nothing() {
        for (many, expected) in [(1_280, 640), (640, 320), (9_999, 1_280), (21, 10), (0, 10)] {
            assert_eq!(groups(Bounds::halved(held(many), FULL)), expected, "{many}");
        }
        let tiny = Bounds::NONE
            .with(Limit::Groups, Size::items(1))
            .with(Limit::Subscribers, Size::bytes(3))
            .with(Limit::DeadLetters, Size { items: 0, bytes: 5 });
        let halved = Bounds::halved(Held::default(), tiny);
        assert_eq!(groups(halved), 1);
        assert_eq!(halved.of(Limit::Subscribers).bytes, 1);
        assert_eq!(halved.of(Limit::DeadLetters), Size { items: 1, bytes: 1 });
    }

    #[test]
    fn bounds_grow_back_step_by_step_and_not_beyond_the_full_ones() {
        let mut bounds = Bounds::halved(Held::default(), FULL);
        assert_eq!(groups(bounds.regained(FULL)), 10 + 1);
        assert_eq!(groups(bounds.with(Limit::Groups, Size::items(80)).regained(FULL)), 80 + 10);
        for _ in 0..60 {
            bounds = bounds.regained(FULL);
        }
        for limit in Limit::ALL {
            let (now, full) = (bounds.of(limit), FULL.of(limit));
            let is_full = |now: usize, full: usize| now == full || full == usize::MAX;
            assert!(is_full(now.items, full.items) && is_full(now.bytes, full.bytes), "{limit:?}");
        }
    }

    /// Whatever the database refuses of the smallest flush, it refuses not because of its size.
    #[test]
    fn a_flush_of_the_smallest_bounds_is_small() {
        let smallest = Bounds::halved(Held::default(), Bounds::default());
        let groups = smallest.of(Limit::Groups).items;
        // Each group may be in a quarter of an hour, with its mark, and in a sketch of its own.
        let others = smallest.of(Limit::DeadLetters).items + smallest.of(Limit::Alerts).items;
        let rows = 4 * groups + others;
        assert!(rows <= crate::flush::SMALL_FLUSH_ROWS, "{rows}");
    }
}
