//! How often to flush when several processes write into one database.
//!
//! All flushes touch the same sorted rows, so they run one at a time, each in its *turn*: demand is
//! writers × time of a flush ÷ interval. Beyond 1 a queue forms, and what a flush waits there is time in
//! which the next one could have merged more events into each row. So whoever had to wait
//!
//! - asks for its turn first, and has its batch cut when the turn has come;
//! - stretches its interval, step by step, until the queue is short, and shortens it again then.
//!
//! In: how long each flush had to wait for its turn. Out: the interval, and whether to ask first. Who waits for nobody is
//! not slowed down by anything here.

use std::time::Duration;

/// Asking for the turn first costs one more step of the worker's loop, up to this long: it is not worth
/// a shorter wait.
const WORTH_ASKING: Duration = Duration::from_millis(20);
/// An interval is stretched by at most this much: who watches the pipeline allows for so much and more
/// (`FLUSH_MARGIN`, 15 s).
const STRETCH_MAX: Duration = Duration::from_secs(10);
/// Waits of more than this share of the interval stretch it …
const LONG_WAIT_SHARE: u32 = 4;
/// … and of less than this share shorten it again.
const SHORT_WAIT_SHARE: u32 = 8;
/// By this share of what it is.
const STEP_SHARE: u32 = 4;

/// How often one worker flushes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    configured: Duration,
    stretched_by: Duration,
    has_waited: bool,
}

impl Pace {
    /// A worker that nobody has kept waiting yet.
    pub(crate) fn new(configured: Duration) -> Self {
        Pace { configured, stretched_by: Duration::ZERO, has_waited: false }
    }

    /// The time from one flush to the next.
    pub(crate) fn interval(&self) -> Duration {
        self.configured + self.stretched_by
    }

    /// Whether the last flush had to wait for others so long that the next one does better to ask for
    /// its turn before its batch is cut.
    pub(crate) fn asks_first(&self) -> bool {
        self.has_waited
    }

    /// A flush has ended, for whose turn it was waited so long.
    pub(crate) fn note(&mut self, waited: Duration) {
        self.has_waited = waited >= WORTH_ASKING;
        let interval = self.interval();
        let step = interval / STEP_SHARE;
        if self.has_waited && waited > interval / LONG_WAIT_SHARE {
            self.stretched_by = (self.stretched_by + step).min(STRETCH_MAX);
        } else if waited < interval / SHORT_WAIT_SHARE {
            self.stretched_by = self.stretched_by.saturating_sub(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The intervals after flushes that waited so long, each in milliseconds.
    fn intervals(configured: u64, waits: &[u64]) -> Vec<u128> {
        let mut pace = Pace::new(ms(configured));
        let mut after = |wait: &u64| {
            pace.note(ms(*wait));
            pace.interval().as_millis()
        };
        waits.iter().map(&mut after).collect()
    }

    #[test]
    fn waits_stretch_the_interval_step_by_step_and_their_end_shortens_it_to_what_was_asked_for() {
        let table: [(u64, &[u64], &[u128]); 6] = [
            (1_000, &[0, 10, 250], &[1_000, 1_000, 1_000]),
            (1_000, &[251, 400, 391], &[1_250, 1_562, 1_953]),
            // Between an eighth and a quarter of it nothing changes.
            (1_000, &[251, 312, 157, 156, 0, 0], &[1_250, 1_250, 1_250, 1_000, 1_000, 1_000]),
            // A wait that is not worth a step of the loop is none.
            (60, &[19, 20], &[60, 75]),
            (30_000, &[30_000, 30_000, 30_000], &[37_500, 40_000, 40_000]),
            (
                1_000,
                &[9_000; 12],
                &[
                    1_250, 1_562, 1_953, 2_441, 3_051, 3_814, 4_768, 5_960, 7_450, 9_313, 11_000,
                    11_000,
                ],
            ),
        ];
        for (configured, waits, expected) in table {
            assert_eq!(intervals(configured, waits), expected, "{configured} ms, {waits:?}");
        }
    }

    #[test]
    fn who_was_not_kept_waiting_does_not_ask_first() {
        let mut pace = Pace::new(ms(1_000));
        assert!(!pace.asks_first());
        for (wait, asks_first) in [(0, false), (19, false), (20, true), (19, false)] {
            pace.note(ms(wait));
            assert_eq!(pace.asks_first(), asks_first, "{wait} ms");
        }
    }
}
