//! How far a run is, on a terminal.
//!
//! In: that a record was sent, and when it was due. Out: one line on standard error that is drawn again a
//! few times a second, with per cent and the time left where the end is known; nothing where standard error is not
//! a terminal, or events go to that terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use event_model::EventTime;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Pause between two drawings.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    sent: u64,
    drawn_at: Instant,
    began_at: Instant,
    end: End,
}

/// Where a run ends: at the first of these that it reaches; without either, nobody knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct End {
    /// After so many events.
    pub(crate) count: Option<u64>,
    /// At the second of these event times, from the first one on.
    pub(crate) range: Option<(EventTime, EventTime)>,
}

impl End {
    /// Which part of the run is done, from 0 to 1, when so many events are sent, and the last was due then.
    fn share(self, sent: u64, due: EventTime) -> Option<f64> {
        let by_count = self.count.map(|count| sent as f64 / count.max(1) as f64);
        let by_time = self.range.map(|(from, to)| {
            let micros = |time: EventTime| (time.micros() - from.micros()) as f64;
            micros(due) / micros(to).max(1.0)
        });
        by_count.into_iter().chain(by_time).reduce(f64::max).map(|share| share.clamp(0.0, 1.0))
    }
}

/// Event time, and how far that is.
fn message(due: EventTime, share: Option<f64>, taken: Duration) -> String {
    match share {
        Some(share) if share > 0.0 => {
            let left = taken.as_secs_f64() * (1.0 - share) / share;
            // Nobody waits for ten years.
            let left = Duration::from_secs(left.min(3.2e8).ceil() as u64);
            format!("{due}, {:.0} %, {} left", 100.0 * share, HumanDuration(left))
        }
        _ => due.to_string(),
    }
}

impl Progress {
    /// A line where it can be seen. `writes_lines`: events go to standard output.
    pub(crate) fn begin(writes_lines: bool, end: End) -> Self {
        let is_free = !(writes_lines && std::io::stdout().is_terminal());
        let target = if is_free && std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{human_pos} sent, {per_sec}, event time {msg}");
        bar.set_style(style.expect("the template is well-formed"));
        Progress { bar, sent: 0, drawn_at: Instant::now(), began_at: Instant::now(), end }
    }

    /// A record was sent.
    pub(crate) fn sent(&mut self, due: EventTime) {
        self.sent += 1;
        if !self.bar.is_hidden() && self.drawn_at.elapsed() >= PAUSE {
            self.drawn_at = Instant::now();
            let share = self.end.share(self.sent, due);
            self.bar.set_message(message(due, share, self.began_at.elapsed()));
            self.bar.set_position(self.sent);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // The summary says it all.
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn per_cent_and_the_time_left_are_said_where_the_end_is_known() {
        let at = |seconds: i64| EventTime::from_micros(seconds * 1_000_000);
        let (range, count) = (Some((at(0), at(100))), Some(40));
        let taken = Duration::from_secs(30);
        for (end, sent, due, expected) in [
            (End::default(), 10, 25, ""),
            (End { range, count: None }, 10, 25, ", 25 %, 2 minutes left"),
            (End { range, count: None }, 10, 200, ", 100 %, 0 seconds left"),
            (End { range: None, count }, 10, 99, ", 25 %, 2 minutes left"),
            (End { range, count }, 20, 25, ", 50 %, 30 seconds left"),
            (End { range, count }, 0, 0, ""),
        ] {
            let text = message(at(due), end.share(sent, at(due)), taken);
            assert_eq!(text, format!("{}{expected}", at(due)), "{end:?}");
        }
    }
}
