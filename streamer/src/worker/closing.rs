//! Leaving the group: within a bounded time, and so that the group is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::Worker;
use super::reading::POLL_WAIT_SHORT;
use crate::consumer::GroupConsumer;

/// Closing the client can hang after a broker bounce; it is left behind then.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// How often it is looked whether the writer has let go of the client.
const CLOSE_LOOK_EVERY: Duration = Duration::from_millis(1);

/// Tells the client that nobody takes rebalances any more. A client that closes waits for their
/// answers.
pub(super) struct ClosingGuard(pub(super) Arc<GroupConsumer>);

impl Drop for ClosingGuard {
    fn drop(&mut self) {
        self.0.client().context().start_closing();
    }
}

impl Worker {
    /// Leaves the group, for at most [`CLOSE_DEADLINE`].
    pub(super) fn close(self) {
        drop(self.closing);
        self.writer.give_up.store(true, Ordering::Relaxed);
        // Without its inbox the writer ends, and lets go of the client.
        drop(self.writer);
        let (consumer, assignment) = (self.consumer, self.assignment);
        let (outbox, closed) = std::sync::mpsc::sync_channel(1);
        let closing = std::thread::spawn(move || {
            consumer.unsubscribe();
            let deadline = Instant::now() + CLOSE_DEADLINE;
            // Answers the revocation that leaving the group brings.
            while Instant::now() < deadline
                && consumer.assignment().is_ok_and(|list| list.count() > 0)
            {
                drop(consumer.poll(POLL_WAIT_SHORT));
            }
            drop(assignment);
            // Whoever lets go last closes the client, and only then has the group been told. If that were
            // the writer, the process could end before: the next member would wait for the session's end.
            while Instant::now() < deadline && Arc::strong_count(&consumer) > 1 {
                std::thread::sleep(CLOSE_LOOK_EVERY);
            }
            drop(consumer);
            outbox.send(()).ok();
        });
        if closed.recv_timeout(CLOSE_DEADLINE).is_err() {
            tracing::warn!("the Kafka client did not close within {CLOSE_DEADLINE:?}");
            return;
        }
        closing.join().ok();
    }
}
