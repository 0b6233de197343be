//! When events are sent. Never which: that is the generator's business.
//!
//! In: an event's number and time, and what time it is. Out: how long to wait before sending it.

use std::time::Duration;

use event_model::EventTime;

/// The pace of a run. The default sends everything at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Whether an event waits until its time has come.
    pub waits_for_event_time: bool,
    /// How many events are sent each second at most.
    pub per_second: Option<f64>,
}

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// On the wall clock, with which event times are compared.
    pub wall: EventTime,
    /// Since the first event could have been sent; never goes back.
    pub elapsed: Duration,
}

impl Pace {
    /// Whether any event ever waits.
    pub(crate) fn is_unlimited(&self) -> bool {
        *self == Pace::default()
    }

    /// How long event number `index` (from 0) waits before it is sent; zero when it is due.
    pub fn wait(&self, index: u64, event_time: EventTime, now: Now) -> Duration {
        let mut wait = Duration::ZERO;
        if self.waits_for_event_time {
            let micros = event_time.micros().saturating_sub(now.wall.micros());
            wait = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        }
        if let Some(per_second) = self.per_second {
            // A delay is made up for afterwards, so the rate holds on average.
            let due = Duration::try_from_secs_f64(index as f64 / per_second);
            wait = wait.max(due.unwrap_or(Duration::MAX).saturating_sub(now.elapsed));
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: EventTime = EventTime::from_millis(1_762_689_600_000);

    #[test]
    fn an_event_waits_for_the_later_of_its_time_and_its_turn() {
        let ms = Duration::from_millis;
        let (live, paced) = (true, Some(10.0));
        // Every row: waits for event time, rate, event number, event time − now (ms), elapsed (ms).
        for (waits_for_event_time, per_second, index, ahead_ms, elapsed_ms, expected) in [
            (false, None, 1_000, 3_600_000, 0, ms(0)),
            (live, None, 0, 250, 0, ms(250)),
            (live, None, 9, 0, 0, ms(0)),
            (live, None, 9, -86_400_000, 0, ms(0)),
            (false, paced, 0, 0, 0, ms(0)),
            (false, paced, 1, 0, 0, ms(100)),
            (false, paced, 25, 0, 2_400, ms(100)),
            (false, paced, 25, 0, 60_000, ms(0)),
            (live, paced, 25, 700, 2_400, ms(700)),
            (live, paced, 25, 30, 2_400, ms(100)),
        ] {
            let pace = Pace { waits_for_event_time, per_second };
            let now = Now { wall: NOON, elapsed: ms(elapsed_ms) };
            let event_time = NOON.plus_micros(ahead_ms * 1_000);
            assert_eq!(pace.wait(index, event_time, now), expected, "{pace:?}, event {index}");
        }
    }

    #[test]
    fn only_the_default_pace_is_unlimited() {
        assert!(Pace::default().is_unlimited());
        assert!(!Pace { waits_for_event_time: true, per_second: None }.is_unlimited());
        assert!(!Pace { waits_for_event_time: false, per_second: Some(1.0) }.is_unlimited());
    }
}
