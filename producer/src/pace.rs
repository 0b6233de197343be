//! When records are sent. Never which: that is the generator's business.
//!
//! In: a record's number and the time at which it is due, and what time it is. Out: how long to wait
//! before sending it.

use std::time::Duration;

use event_model::EventTime;

/// The pace of a run. The default sends everything at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Which clock records wait for.
    pub clock: Clock,
    /// How many records are sent each second at most.
    pub per_second: Option<f64>,
}

/// Which clock records wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Clock {
    /// None: a backfill.
    #[default]
    None,
    /// The wall clock.
    Wall,
    /// One that begins at `from` and runs `factor` times as fast, until it has caught up with the
    /// wall clock.
    Sped {
        /// What it shows when the run begins.
        from: EventTime,
        /// Its seconds in one second.
        factor: f64,
    },
}

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// On the wall clock, with which event times are compared.
    pub wall: EventTime,
    /// Since the first record could have been sent; never goes back.
    pub elapsed: Duration,
}

impl Pace {
    /// Whether any record ever waits.
    pub(crate) fn is_unlimited(&self) -> bool {
        *self == Pace::default()
    }

    /// How long record number `index` (from 0) waits before it is sent; zero when its turn has come.
    pub fn wait(&self, index: u64, due: EventTime, now: Now) -> Duration {
        let mut wait = match self.clock {
            Clock::None => Duration::ZERO,
            Clock::Wall => between(now.wall, due),
            Clock::Sped { from, factor } => {
                let shown_after = between(from, due).as_secs_f64() / factor;
                let shown_after = Duration::try_from_secs_f64(shown_after);
                let ahead = shown_after.unwrap_or(Duration::MAX).saturating_sub(now.elapsed);
                ahead.max(between(now.wall, due))
            }
        };
        if let Some(per_second) = self.per_second {
            // A delay is made up for afterwards, so the rate holds on average.
            let turn = Duration::try_from_secs_f64(index as f64 / per_second);
            wait = wait.max(turn.unwrap_or(Duration::MAX).saturating_sub(now.elapsed));
        }
        wait
    }
}

/// How far `later` is after `earlier`; zero if it is not.
fn between(earlier: EventTime, later: EventTime) -> Duration {
    let micros = later.micros().saturating_sub(earlier.micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-11-09T12:00:00Z.
    const NOON: EventTime = EventTime::from_millis(1_762_689_600_000);

    #[test]
    fn a_letter_waits_for_the_later_of_its_time_and_its_turn() {
        let ms = Duration::from_millis;
        let paced = Some(10.0);
        // Every row: clock, rate, number of the record, due − now (ms), elapsed (ms).
        for (clock, per_second, index, ahead_ms, elapsed_ms, expected) in [
            (Clock::None, None, 1_000, 3_600_000, 0, ms(0)),
            (Clock::Wall, None, 0, 250, 0, ms(250)),
            (Clock::Wall, None, 9, 0, 0, ms(0)),
            (Clock::Wall, None, 9, -86_400_000, 0, ms(0)),
            (Clock::None, paced, 0, 0, 0, ms(0)),
            (Clock::None, paced, 1, 0, 0, ms(100)),
            (Clock::None, paced, 25, 0, 2_400, ms(100)),
            (Clock::None, paced, 25, 0, 60_000, ms(0)),
            (Clock::Wall, paced, 25, 700, 2_400, ms(700)),
            (Clock::Wall, paced, 25, 30, 2_400, ms(100)),
        ] {
            let pace = Pace { clock, per_second };
            let now = Now { wall: NOON, elapsed: ms(elapsed_ms) };
            let due = NOON.plus_micros(ahead_ms * 1_000);
            assert_eq!(pace.wait(index, due, now), expected, "{pace:?}, record {index}");
        }
    }

    #[test]
    fn a_sped_clock_runs_faster_until_it_has_caught_up() {
        // It began an hour before noon, when the wall clock showed noon, and runs 61 times as fast:
        // after a minute it has caught up.
        let hour_before = NOON.plus_micros(-3_600_000_000);
        let clock = Clock::Sped { from: hour_before, factor: 61.0 };
        let pace = Pace { clock, per_second: None };
        let seconds = Duration::from_secs;
        // Every row: elapsed, due after the beginning of the range, wait (all seconds).
        for (elapsed, due, expected) in [
            (0, 0, 0),
            (0, 61, 1),
            (1, 61, 0),
            (10, 610 + 122, 2),
            (60, 3_660, 0),
            // Caught up: one second is one second.
            (60, 3_665, 5),
            (100, 3_710, 10),
        ] {
            let now = Now {
                wall: NOON.plus_micros(elapsed * 1_000_000),
                elapsed: seconds(elapsed.unsigned_abs()),
            };
            let due_at = hour_before.plus_micros(due * 1_000_000);
            let wait = pace.wait(0, due_at, now);
            assert_eq!(wait, seconds(expected), "{due} s after {elapsed} s");
        }
    }

    #[test]
    fn only_the_default_pace_is_unlimited() {
        assert!(Pace::default().is_unlimited());
        assert!(!Pace { clock: Clock::Wall, per_second: None }.is_unlimited());
        assert!(!Pace { clock: Clock::None, per_second: Some(1.0) }.is_unlimited());
    }
}
