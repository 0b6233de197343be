//! Leaving the group: within a bounded time, and so that the group is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log_reader::GroupConsumer;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;

use super::Worker;
use super::reading::POLL_WAIT_SHORT;

/// Closing the client can hang after a broker bounce; it is left behind then.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// Of that, how long the answers to commits of offsets are waited for.
const COMMITS_DEADLINE: Duration = Duration::from_secs(2);
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
        let writer = self.writer.dismiss();
        let (consumer, assignment) = (self.consumer, self.assignment);
        let topic = self.loader.identity.topic;
        let (outbox, closed) = std::sync::mpsc::sync_channel(1);
        let closing = std::thread::spawn(move || {
            let deadline = Instant::now() + CLOSE_DEADLINE;
            // The client is closed by whoever lets go last: only then has the group been told. Were that the
            // writer, the process could end before.
            while Instant::now() < deadline && !writer.is_finished() {
                drop(consumer.poll(CLOSE_LOOK_EVERY));
            }
            await_commits(&consumer, &topic);
            consumer.unsubscribe();
            // Answers the revocation that leaving the group brings.
            while Instant::now() < deadline
                && consumer.assignment().is_ok_and(|list| list.count() > 0)
            {
                drop(consumer.poll(POLL_WAIT_SHORT));
            }
            drop(assignment);
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

/// Waits until the broker has answered the commits of offsets that are under way.
///
/// librdkafka (2.12) forgets to leave the group when it is closed while an unassignment waits for such an answer;
/// then the next member waits for the end of a session that is not there any more, 6 s. Nothing says when a
/// commit has its answer, but the coordinator answers in order: a question to it is behind them.
fn await_commits(consumer: &GroupConsumer, topic: &str) {
    let mut any = TopicPartitionList::new();
    any.add_partition(topic, 0);
    if let Err(error) = consumer.committed_offsets(any, COMMITS_DEADLINE) {
        tracing::debug!("no answer from the group's coordinator: {error}");
    }
}
