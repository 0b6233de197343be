//! Leaving the group: within a bounded time, and so that the group is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{Consumer, RebalanceProtocol};

use crate::assignment::Assignment;
use crate::consumer::{GroupConsumer, give_all_up};

/// Closing the client can hang after a broker bounce; it is left behind then.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// Of that, how long answers of the group's coordinator are waited for. A request to join has none before the other
/// members join as well, and they hear of it in a heartbeat, every 2 s unless set.
const ANSWERS_DEADLINE: Duration = Duration::from_secs(4);
/// How often the coordinator is asked before the group has been told. Leaving waits for a rebalance that is under
/// way: up to three requests, to join, for the topic's partitions and for our share. Then the revocation of all
/// partitions is answered, and their fetches stop.
const LEAVING_STEPS: usize = 5;
/// How often it is looked whether others have let go of the client.
const CLOSE_LOOK_EVERY: Duration = Duration::from_millis(1);

/// Tells the client that nobody takes rebalances any more. A client that closes waits for their
/// answers.
pub(crate) struct ClosingGuard(pub(crate) Arc<GroupConsumer>);

impl Drop for ClosingGuard {
    fn drop(&mut self) {
        self.0.client().context().start_closing();
    }
}

/// Leaves the group, for at most [`CLOSE_DEADLINE`], once `is_released` says that nobody else holds the client.
pub(crate) fn leave(
    consumer: Arc<GroupConsumer>,
    assignment: Assignment,
    topic: String,
    mut is_released: impl FnMut() -> bool + Send + 'static,
) {
    let (outbox, closed) = std::sync::mpsc::sync_channel(1);
    let closing = std::thread::spawn(move || {
        let begun = Instant::now();
        let (deadline, answers_deadline) = (begun + CLOSE_DEADLINE, begun + ANSWERS_DEADLINE);
        // The client is closed by whoever lets go last: only then has the group been told. Were that
        // another thread, the process could end before.
        while Instant::now() < deadline && !is_released() {
            drop(consumer.poll(CLOSE_LOOK_EVERY));
        }
        // Also what its owner has left unanswered: until then librdkafka does nothing of what follows.
        give_all_up(&consumer);
        let mut is_answered = await_answers(&consumer, &topic, answers_deadline);
        // Its first request to join brings a client the name with which it leaves.
        for _ in 0..LEAVING_STEPS {
            let has_joined = !matches!(consumer.rebalance_protocol(), RebalanceProtocol::None);
            if has_joined || !is_answered {
                break;
            }
            is_answered = await_answers(&consumer, &topic, answers_deadline);
        }
        consumer.unsubscribe();
        // Without its coordinator the group can't be told anything.
        for _ in 0..LEAVING_STEPS {
            is_answered = is_answered && await_answers(&consumer, &topic, answers_deadline);
            // Rebalances are answered in here, and the revocation that leaving the group brings.
            while Instant::now() < deadline && consumer.poll(CLOSE_LOOK_EVERY).is_some() {}
        }
        drop(assignment);
        drop(consumer);
        outbox.send(()).ok();
    });
    if closed.recv_timeout(CLOSE_DEADLINE).is_err() {
        tracing::warn!(deadline = ?CLOSE_DEADLINE, "the Kafka client did not close within its deadline");
        return;
    }
    closing.join().ok();
}

/// Asks the group's coordinator something, so that what it was asked before has been answered. `false`: there was
/// no answer.
///
/// librdkafka (2.12) forgets to leave the group when it is closed while an unassignment waits for the answer to a
/// commit of offsets or for a fetch to stop, or while the group is being joined; then the next member waits for
/// the end of a session that is not there any more, 6 s. Nothing says when that is over, but the coordinator
/// answers in order, and the client's thread takes answers in order: this one comes behind the others.
fn await_answers(consumer: &GroupConsumer, topic: &str, deadline: Instant) -> bool {
    let patience = deadline.saturating_duration_since(Instant::now());
    let mut any = TopicPartitionList::new();
    any.add_partition(topic, 0);
    let asked = consumer.committed_offsets(any, patience);
    asked
        .inspect_err(|error| tracing::debug!(%error, "no answer from the group's coordinator"))
        .is_ok()
}
