//! What a worker has to do besides reading, and when.
//!
//! In: what the engine asked for, and the time since the worker's start. Out: the [`Due`]s that
//! are due. Whoever carries them out says how it went.
//!
//! Keeps I-6: the pauses between attempts are bounded; and nothing that waits is forgotten.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::Fingerprint;

/// First and longest pause between two attempts to load positions.
const LOAD_RETRY_FIRST: Duration = Duration::from_millis(200);
const LOAD_RETRY_CAP: Duration = Duration::from_secs(5);
/// Pause between two looks at halted partitions (is the cause gone, or the loss accepted?), and
/// after a log in doubt could not be examined.
const JUDGE_AGAIN_EVERY: Duration = Duration::from_secs(2);

/// Somebody may act upon an alert: it is flushed this long after the last flush, instead of with the next one.
pub const ALERT_FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Something that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Apply [`crate::Input::FlushDue`].
    Flush,
    /// Try to load these partitions: [`Timers::loaded`] for each that was, then
    /// [`Timers::load_ended`].
    Load(Vec<i32>),
    /// Apply [`crate::Input::JudgeHaltedAgain`].
    JudgeHaltedAgain,
    /// Examine this partition's log, of which this was the first record read; if that fails,
    /// [`Timers::examine_later`].
    Examine(i32, Option<Fingerprint>),
}

/// What waits to be done. Times are since the worker's start.
#[derive(Clone, Debug)]
pub struct Timers {
    flush_at: Duration,
    /// When a flush was due last.
    flushed_at: Duration,
    judge_again_at: Duration,
    /// Waiting for their stored row.
    to_load: BTreeSet<i32>,
    load_at: Duration,
    load_wait: Duration,
    /// Their log is in doubt.
    to_examine: VecDeque<(i32, Option<Fingerprint>)>,
    examine_at: Duration,
}

impl Timers {
    /// Nothing waits but the timers.
    pub fn new(first_flush_at: Duration) -> Self {
        Timers {
            flush_at: first_flush_at,
            flushed_at: Duration::ZERO,
            judge_again_at: JUDGE_AGAIN_EVERY,
            to_load: BTreeSet::new(),
            load_at: Duration::ZERO,
            load_wait: LOAD_RETRY_FIRST,
            to_examine: VecDeque::new(),
            examine_at: Duration::ZERO,
        }
    }

    /// Everything that is due, in order; the next flush is due `flush_interval` after this one. At
    /// most one examination: it may block for seconds, and the other partitions go on in between.
    pub fn due(&mut self, now: Duration, flush_interval: Duration) -> Vec<Due> {
        let mut due = Vec::new();
        if now >= self.flush_at {
            self.flush_at = now + flush_interval;
            self.flushed_at = now;
            due.push(Due::Flush);
        }
        due.extend(self.due_load(now));
        if now >= self.judge_again_at {
            self.judge_again_at = now + JUDGE_AGAIN_EVERY;
            due.push(Due::JudgeHaltedAgain);
        }
        if now >= self.examine_at
            && let Some((partition, origin)) = self.to_examine.pop_front()
        {
            due.push(Due::Examine(partition, origin));
        }
        due
    }

    /// An alert waits to be stored: the next flush is due [`ALERT_FLUSH_EVERY`] after the last one, at the latest.
    pub fn flush_soon(&mut self) {
        self.flush_at = self.flush_at.min(self.flushed_at + ALERT_FLUSH_EVERY);
    }

    /// How long until the next flush is due.
    pub fn until_flush(&self, now: Duration) -> Duration {
        self.flush_at.saturating_sub(now)
    }

    /// The engine wants these rows. The due to load, unless an earlier failure puts it off.
    pub fn load(&mut self, partitions: Vec<i32>, now: Duration) -> Option<Due> {
        self.to_load.extend(partitions);
        self.due_load(now)
    }

    /// Partitions were assigned: their rows are wanted at once, whatever failed before.
    pub fn load_at_once(&mut self, now: Duration) {
        self.load_at = now;
    }

    /// The row has just been written, or could not be: it is read a little later.
    pub fn load_soon(&mut self, now: Duration) {
        self.load_at = now + LOAD_RETRY_FIRST;
    }

    /// This partition's row was loaded.
    pub fn loaded(&mut self, partition: i32) {
        self.to_load.remove(&partition);
    }

    /// The attempt to load has ended; what was not loaded is tried again, after longer and longer.
    pub fn load_ended(&mut self, now: Duration) {
        if self.to_load.is_empty() {
            self.load_wait = LOAD_RETRY_FIRST;
        } else {
            self.load_at = now + self.load_wait;
            self.load_wait = (self.load_wait * 2).min(LOAD_RETRY_CAP);
        }
    }

    /// The engine wants this log to be examined.
    pub fn examine(&mut self, partition: i32, origin: Option<Fingerprint>) {
        self.to_examine.push_back((partition, origin));
    }

    /// The examination failed: again after the others, and after a pause.
    pub fn examine_later(&mut self, partition: i32, origin: Option<Fingerprint>, now: Duration) {
        self.to_examine.push_back((partition, origin));
        self.examine_at = now + JUDGE_AGAIN_EVERY;
    }

    /// These partitions are not ours any more.
    pub fn revoked(&mut self, partitions: &[i32]) {
        self.to_load.retain(|waiting| !partitions.contains(waiting));
        self.to_examine.retain(|(waiting, _)| !partitions.contains(waiting));
    }

    fn due_load(&self, now: Duration) -> Option<Due> {
        let is_due = now >= self.load_at && !self.to_load.is_empty();
        is_due.then(|| Due::Load(self.to_load.iter().copied().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_secs(1_000_000);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_time_until_the_next_flush_ends_at_nothing() {
        let mut timers = Timers::new(ms(2_000));
        assert_eq!(timers.until_flush(ms(1_500)), ms(500));
        assert_eq!(timers.until_flush(ms(2_500)), ms(0));
        timers.due(ms(2_500), ms(2_000));
        assert_eq!(timers.until_flush(ms(2_500)), ms(2_000));
    }

    #[test]
    fn an_alert_is_flushed_at_once_but_not_sooner_than_half_a_second_after_the_last_flush() {
        let mut timers = Timers::new(ms(30_000));
        timers.flush_soon();
        assert_eq!(timers.until_flush(ms(100)), ms(400));
        assert_eq!(timers.due(ms(700), ms(30_000)), [Due::Flush]);
        assert_eq!(timers.until_flush(ms(700)), ms(30_000));
        timers.flush_soon();
        assert_eq!(timers.until_flush(ms(800)), ms(400));
        assert_eq!(timers.until_flush(ms(9_000)), ms(0));
        // A flush that is due earlier stays where it is.
        let mut timers = Timers::new(ms(200));
        timers.flush_soon();
        assert_eq!(timers.until_flush(ms(0)), ms(200));
    }

    #[test]
    fn timers_that_fall_together_all_are_due() {
        let mut timers = Timers::new(ms(2_000));
        assert_eq!(timers.due(ms(1_999), ms(2_000)), []);
        for now in [2_000, 4_000, 6_000] {
            assert_eq!(timers.due(ms(now), ms(2_000)), [Due::Flush, Due::JudgeHaltedAgain]);
        }
    }

    #[test]
    fn a_load_that_fails_is_tried_again_after_longer_and_longer_up_to_a_cap() {
        let mut timers = Timers::new(NEVER);
        let mut now = ms(0);
        assert_eq!(timers.load(vec![3, 1], now), Some(Due::Load(vec![1, 3])));
        timers.loaded(1);
        for wait in [200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            timers.load_ended(now);
            assert_eq!(timers.load(vec![], now + ms(wait - 1)), None);
            now += ms(wait);
            assert_eq!(timers.load(vec![], now), Some(Due::Load(vec![3])));
        }
        timers.loaded(3);
        timers.load_ended(now);
        assert_eq!(timers.load(vec![], now), None);
        timers.load(vec![3], now);
        timers.load_ended(now);
        assert_eq!(timers.load(vec![], now + ms(200)), Some(Due::Load(vec![3])));
    }

    #[test]
    fn one_log_is_examined_at_a_time_and_one_that_fails_waits_for_the_others() {
        let mut timers = Timers::new(NEVER);
        timers.examine(1, None);
        timers.examine(2, None);
        assert_eq!(timers.due(ms(0), NEVER), [Due::Examine(1, None)]);
        timers.examine_later(1, None, ms(0));
        assert_eq!(timers.due(ms(1_999), NEVER), []);
        let due = timers.due(ms(2_000), NEVER);
        assert_eq!(due, [Due::JudgeHaltedAgain, Due::Examine(2, None)]);
        assert_eq!(timers.due(ms(2_001), NEVER), [Due::Examine(1, None)]);
    }

    #[test]
    fn what_was_revoked_is_neither_loaded_nor_examined() {
        let mut timers = Timers::new(NEVER);
        timers.load(vec![1, 2], ms(0));
        timers.examine(1, None);
        timers.revoked(&[1]);
        assert_eq!(timers.due(ms(0), NEVER), [Due::Load(vec![2])]);
    }
}
