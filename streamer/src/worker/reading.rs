//! What the client delivers, to the core: records, rebalances, errors.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fail_point::fail_point;
use log_reader::{Read, clock};
use windowing::Input;

use super::{Worker, tell};

/// How long one poll waits for a record at most; events and timers are looked at in between.
const POLL_WAIT: Duration = Duration::from_millis(200);
/// … and while the report of a flush is waited for as well.
const POLL_WAIT_SHORT: Duration = Duration::from_millis(20);
/// … and while the turn to write is waited for: once it has come, others wait for us.
const POLL_WAIT_FOR_TURN: Duration = Duration::from_millis(2);

impl Worker {
    /// What became of the membership. Waits for it only where there is nothing to read.
    pub(super) fn serve_events(&mut self) -> anyhow::Result<()> {
        let wait = if self.reader.is_empty() { self.poll_wait() } else { Duration::ZERO };
        for event in self.reader.events(wait)? {
            self.serve_event(event)?;
        }
        self.carry_out_effects()
    }

    /// Takes the records that the client has ready; waits only for the first. Whatever is to be done
    /// ends it: what comes afterwards depends on it.
    pub(super) fn poll(&mut self) -> anyhow::Result<()> {
        let now = clock();
        let wait = if self.reader.is_empty() { Duration::ZERO } else { self.poll_wait() };
        let (engine, effects) = (&mut self.engine, &mut self.effects);
        let contents = &mut self.contents;
        let turn_came = &self.writer.turn_came;
        let records = self.reader.records(wait, |read| {
            match read {
                Read::Record { partition, record } => {
                    fail_point("record_polled");
                    contents.show(partition, record, now, (&mut *engine, &mut *effects));
                    fail_point("record_counted");
                }
                Read::End { partition, end } => {
                    engine.apply(Input::ReachedEnd(partition), effects);
                    // Moves the position over control records at the end of the log.
                    engine.apply(Input::EndOfLog { partition, end }, effects);
                }
                Read::Trouble(trouble) => tell(trouble, engine, effects),
            }
            let goes_on = effects.is_empty() && !turn_came.load(Ordering::Relaxed);
            if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        self.metrics.read(records);
        self.carry_out_effects()
    }

    /// A worker without anything to do costs next to nothing, and yet is not late.
    fn poll_wait(&self) -> Duration {
        if self.engine.awaits_turn() {
            return POLL_WAIT_FOR_TURN;
        }
        if self.engine.is_flushing() {
            return POLL_WAIT_SHORT;
        }
        self.timers.until_flush(self.started_at.elapsed()).min(POLL_WAIT)
    }
}
