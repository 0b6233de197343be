//! How far a run is, on a terminal.
//!
//! In: that a record was sent, and when it was due. Out: one line on standard error that is drawn again a
//! few times a second; nothing where standard error is not a terminal, or events go to that terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use event_model::EventTime;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Pause between two drawings.
const PAUSE: Duration = Duration::from_millis(250);

/// The line.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    sent: u64,
    drawn_at: Instant,
}

impl Progress {
    /// A line where it can be seen. `writes_lines`: events go to standard output.
    pub(crate) fn begin(writes_lines: bool) -> Self {
        let is_free = !(writes_lines && std::io::stdout().is_terminal());
        let target = if is_free && std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{human_pos} sent, {per_sec}, event time {msg}");
        bar.set_style(style.expect("the template is well-formed"));
        Progress { bar, sent: 0, drawn_at: Instant::now() }
    }

    /// A record was sent.
    pub(crate) fn sent(&mut self, due: EventTime) {
        self.sent += 1;
        if !self.bar.is_hidden() && self.drawn_at.elapsed() >= PAUSE {
            self.drawn_at = Instant::now();
            self.bar.set_message(due.to_string());
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
