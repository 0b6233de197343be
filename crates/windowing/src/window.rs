//! Window arithmetic: which minute an event belongs to, and when that minute is closed.
//!
//! ```text
//!   12:00:00.000000            12:01:00.000000            12:02:00.000000
//!   [========= window =========)[========= window =========)
//!   ^ start: inside                ^ end: the next window's start, not inside
//!
//!   closed  ⇔  end ≤ watermark
//! ```

use event_model::{EventTime, MICROS_PER_SECOND};

/// Length of a window: one minute.
pub const WINDOW_MICROS: i64 = 60 * MICROS_PER_SECOND;
/// Length of a ledger's quarter of an hour.
pub const QUARTER_MICROS: i64 = 15 * WINDOW_MICROS;

/// A 1-minute tumbling window of event time, half-open: [start, end).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    start: EventTime,
}

impl Window {
    /// The window that holds `event_time`.
    pub const fn containing(event_time: EventTime) -> Self {
        Window { start: floor_to(event_time, WINDOW_MICROS) }
    }

    /// The first instant inside.
    pub const fn start(self) -> EventTime {
        self.start
    }

    /// The first instant after it.
    pub const fn end(self) -> EventTime {
        self.start.plus_micros(WINDOW_MICROS)
    }

    /// Whether nothing more is expected: its end is not after the watermark. No watermark yet
    /// closes nothing.
    pub fn is_closed_at(self, watermark: Option<EventTime>) -> bool {
        watermark.is_some_and(|watermark| self.end() <= watermark)
    }
}

/// Start of the quarter of an hour, UTC, that holds this instant.
pub const fn quarter_of(instant: EventTime) -> EventTime {
    floor_to(instant, QUARTER_MICROS)
}

const fn floor_to(instant: EventTime, length_micros: i64) -> EventTime {
    EventTime::from_micros(instant.micros() - instant.micros().rem_euclid(length_micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = WINDOW_MICROS;

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        for (event_micros, start_micros) in [
            (0, 0),
            (1, 0),
            (MINUTE - 1, 0),
            (MINUTE, MINUTE),
            (MINUTE + 1, MINUTE),
            (-1, -MINUTE),
            (-MINUTE, -MINUTE),
        ] {
            let window = Window::containing(EventTime::from_micros(event_micros));
            assert_eq!(window.start().micros(), start_micros, "event at {event_micros} µs");
            assert_eq!(window.end().micros(), start_micros + MINUTE);
        }
    }

    #[test]
    fn a_window_closes_when_the_watermark_reaches_its_end() {
        let window = Window::containing(EventTime::from_micros(0));
        for (watermark, closed) in [
            (None, false),
            (Some(MINUTE - 1), false),
            (Some(MINUTE), true),
            (Some(MINUTE + 1), true),
        ] {
            assert_eq!(window.is_closed_at(watermark.map(EventTime::from_micros)), closed);
        }
    }

    #[test]
    fn a_quarter_holds_fifteen_whole_windows() {
        let last = Window::containing(EventTime::from_micros(QUARTER_MICROS - 1));
        assert_eq!(quarter_of(last.start()).micros(), 0);
        assert_eq!(quarter_of(last.end()).micros(), QUARTER_MICROS);
    }
}
