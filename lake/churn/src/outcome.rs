//! What is asked: who is there, and who is gone after there was still time to keep them.
//!
//! ```text
//!         T-7        T   T+3                          T+33                         T+63
//!   ───────┼─────────┼────┼────────────────────────────┼────────────────────────────┼──►
//!          │ active  │    │ the last active day is one │ silent for 30 days after it │
//!          │ once    │    │ of these                   │                             │
//! ```
//!
//! Who falls silent before T+3 is neither kept by a forecast of T nor counted as one who leaves: they stay in the population as a negative.
//! The usual label, silent in [T, T+30), is the *naive* one; it is scored beside the other.

/// Who was active on one of so many days before T is asked about.
pub const POPULATION_DAYS: u32 = 7;
/// So many days from T on are left to do something.
pub const GRACE_DAYS: u32 = 3;
/// In so many days after them the last active one lies.
pub const LEAVING_DAYS: u32 = 30;
/// For so many days after their last active one somebody who has left is silent.
pub const SILENT_DAYS: u32 = 30;
/// So many days from T on decide the outcome.
pub const OUTCOME_DAYS: u32 = GRACE_DAYS + LEAVING_DAYS + SILENT_DAYS;

/// On which days from T on somebody was active: bit n is day T+n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead(u64);

impl Ahead {
    /// Marks day T+n as active. Days that decide nothing are passed over.
    pub fn mark(&mut self, n: u32) {
        if n < OUTCOME_DAYS {
            self.0 |= 1 << n;
        }
    }

    /// Whether the last active day lies in [T+3, T+33) and 30 silent ones follow.
    pub fn leaves(self) -> bool {
        let silence = (1 << SILENT_DAYS) - 1;
        (GRACE_DAYS..GRACE_DAYS + LEAVING_DAYS)
            .any(|last| self.0 >> last & 1 == 1 && self.0 >> (last + 1) & silence == 0)
    }

    /// The naive label: silent in [T, T+30).
    pub fn is_silent_at_once(self) -> bool {
        self.0 & ((1 << SILENT_DAYS) - 1) == 0
    }
}

/// On which days before T somebody was active: bit n is day T-1-n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind(u64);

impl Behind {
    /// Marks the day that lies `ago` days before T, 1 to 64.
    pub fn mark(&mut self, ago: u32) {
        if (1..=64).contains(&ago) {
            self.0 |= 1 << (ago - 1);
        }
    }

    /// Whether they are asked about at all.
    pub fn is_in_population(self) -> bool {
        self.active_days(POPULATION_DAYS) > 0
    }

    /// Active ones of the last so many days before T, at most 63.
    pub fn active_days(self, days: u32) -> u32 {
        (self.0 & ((1 << days) - 1)).count_ones()
    }

    /// Days between the last active one and T: 0, if that was the day before. 64: there was none.
    pub fn recency(self) -> u32 {
        self.0.trailing_zeros()
    }

    /// So many days before T the first active one lies; 0: there was none.
    pub fn known_days(self) -> u32 {
        64 - self.0.leading_zeros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(days: &[u32]) -> Ahead {
        let mut ahead = Ahead::default();
        days.iter().for_each(|day| ahead.mark(*day));
        ahead
    }

    #[test]
    fn who_leaves_is_active_in_the_30_days_after_the_grace_and_then_silent_for_30() {
        for (days, leaves) in [
            (&[0, 1, 2][..], false), // gone before anything could be done
            (&[2, 3], true),         // the first day that counts
            (&[3, 33], false),       // back on the 30th day of silence
            (&[3, 34], true),        // a day later they have left: 30 silent days
            (&[32], true),           // the last day that counts
            (&[32, 62], false),
            (&[33], false), // later than asked
            (&[10, 20, 50], false),
            (&[10, 20, 51], true),
            (&[], false),
            (&[3, 63], true), // day 63 decides nothing
        ] {
            assert_eq!(ahead(days).leaves(), leaves, "{days:?}");
        }
    }

    #[test]
    fn the_naive_label_is_silence_of_the_next_30_days() {
        for (days, silent) in [(&[][..], true), (&[0], false), (&[29], false), (&[30], true)] {
            assert_eq!(ahead(days).is_silent_at_once(), silent, "{days:?}");
        }
    }

    #[test]
    fn days_before_are_counted_back_from_t() {
        let mut behind = Behind::default();
        assert_eq!((behind.recency(), behind.known_days()), (64, 0));
        for ago in [0, 8, 20, 65] {
            behind.mark(ago);
        }
        assert!(!behind.is_in_population());
        assert_eq!((behind.recency(), behind.known_days()), (7, 20));
        behind.mark(7);
        assert!(behind.is_in_population());
        assert_eq!((behind.active_days(7), behind.active_days(30)), (1, 3));
    }
}
