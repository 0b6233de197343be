//! The records of a worker's partitions, by the batch.
//!
//! librdkafka delivers records and events (rebalances, errors) through one queue, one call and one
//! allocation each. Here a worker's partitions are forwarded to a queue of their own, from which one
//! call takes all that is there: what reading costs beside counting falls by about a half
//! (docs/performance.md). rdkafka does not offer that, so this module, and no other, calls the C
//! functions below it. Events still come through [`BaseConsumer::poll`](rdkafka::consumer::BaseConsumer::poll).
//!
//! ```text
//!   partition 0 ─┐
//!   partition 1 ─┼─ forwarded ─► RecordQueue ─ serve ─► Polled
//!   partition 2 ─┘
//!   rebalances, errors ────────► the client's own queue ─ poll
//! ```
//!
//! What is rested on here, all of it documented in rdkafka.h or visible in the C source:
//! - a queue that was forwarded once by us is never forwarded to the client's own queue again, so a
//!   partition that is attached *before* it is assigned delivers nothing there;
//! - the end of a former fetch cuts the forwarding some time after `unassign` returned; records then
//!   wait in the partition's own queue, in order, until it is forwarded again: hence
//!   [`RecordQueue::reattach`], before every wait;
//! - records fetched before an assignment, a pause or a restart are outdated and never shown;
//! - a callback may ask to stop; what it has not been shown stays first in the queue.
#![allow(unsafe_code)]

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{NonNull, null, null_mut};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use event_model::EventTime;
use rdkafka::bindings::{
    rd_kafka_consume_callback_queue, rd_kafka_header_get_all, rd_kafka_message_headers,
    rd_kafka_message_t, rd_kafka_message_timestamp, rd_kafka_queue_destroy, rd_kafka_queue_forward,
    rd_kafka_queue_get_partition, rd_kafka_queue_new, rd_kafka_queue_t, rd_kafka_t,
    rd_kafka_timestamp_type_t, rd_kafka_yield,
};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use windowing::{Header, Position, Record, RecordTime};

use crate::consumer::GroupConsumer;

/// Something that came of a partition.
pub(crate) enum Polled<'a> {
    Record {
        partition: i32,
        /// Borrowed from the client's memory.
        record: Record<'a>,
    },
    /// There is nothing more, for now.
    End {
        partition: i32,
        /// The offset that will be fetched next: behind control records, too.
        end: Position,
    },
    /// Something is wrong with it.
    Error {
        error: KafkaError,
        /// The client's words, which name the partition.
        detail: &'a str,
    },
}

/// Where the records of all attached partitions of one client come together.
pub(crate) struct RecordQueue {
    /// Fields are dropped in order: the partitions' queues and ours before the client.
    partitions: BTreeMap<i32, NativeQueue>,
    queue: NativeQueue,
    topic: CString,
    consumer: Arc<GroupConsumer>,
}

impl RecordQueue {
    /// An empty queue of this client.
    ///
    /// # Errors
    ///
    /// A topic with a NUL in its name.
    pub(crate) fn new(consumer: Arc<GroupConsumer>, topic: &str) -> anyhow::Result<Self> {
        let topic = CString::new(topic).context("a topic's name can't hold a NUL")?;
        // SAFETY: the client lives; the queue is destroyed before it.
        let queue = unsafe { rd_kafka_queue_new(native(&consumer)) };
        let queue = NativeQueue::new(queue).context("the Kafka client gave no queue")?;
        Ok(RecordQueue { partitions: BTreeMap::new(), queue, topic, consumer })
    }

    /// Takes a partition's records from now on; to be called before it is assigned.
    ///
    /// # Errors
    ///
    /// The client knows no such queue, which only a client that does not consume says.
    pub(crate) fn attach(&mut self, partition: i32) -> anyhow::Result<()> {
        let client = native(&self.consumer);
        // SAFETY: the client lives, the name ends with a NUL; the queue is destroyed before the client.
        let queue = unsafe { rd_kafka_queue_get_partition(client, self.topic.as_ptr(), partition) };
        let queue = NativeQueue::new(queue)
            .with_context(|| format!("the Kafka client gave no queue of partition {partition}"))?;
        queue.forward_to(&self.queue);
        self.partitions.insert(partition, queue);
        Ok(())
    }

    /// Lets go of a partition; to be called after it was unassigned.
    pub(crate) fn detach(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// Forwards all attached partitions once more: the end of a former fetch may have cut that.
    pub(crate) fn reattach(&self) {
        for partition in self.partitions.values() {
            partition.forward_to(&self.queue);
        }
    }

    /// Hands what there is over, in order, until `take` says to break; waits at most `wait` for the
    /// first. What was not handed over comes first next time.
    pub(crate) fn serve<F>(&self, wait: Duration, mut take: F)
    where
        F: FnMut(Polled<'_>) -> ControlFlow<()>,
    {
        let mut call = Call { take: &mut take, client: native(&self.consumer), panicked: None };
        let wait = c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX);
        let opaque: *mut Call<'_, F> = &mut call;
        // SAFETY: `hand_over::<F>` takes the pointer for what it is, on this thread, and only until
        // the call returns; the queue and its client live.
        unsafe {
            rd_kafka_consume_callback_queue(
                self.queue.ptr(),
                wait,
                Some(hand_over::<F>),
                opaque.cast(),
            );
        }
        if let Some(panicked) = call.panicked {
            resume_unwind(panicked);
        }
    }
}

/// One call of [`RecordQueue::serve`].
struct Call<'a, F> {
    take: &'a mut F,
    client: *mut rd_kafka_t,
    /// A panic must not cross C: it waits here.
    panicked: Option<Box<dyn Any + Send>>,
}

/// What librdkafka calls for each message.
///
/// # Safety
///
/// `message` is a message that lives until this returns, `opaque` a `Call<F>` that nobody else uses.
unsafe extern "C" fn hand_over<F>(message: *mut rd_kafka_message_t, opaque: *mut c_void)
where
    F: FnMut(Polled<'_>) -> ControlFlow<()>,
{
    // SAFETY: the caller's promise.
    let (message, call) = unsafe { (&*message, &mut *opaque.cast::<Call<'_, F>>()) };
    // A call that panicked is over; nothing looks at what it left half-changed.
    let taken = catch_unwind(AssertUnwindSafe(|| {
        let headers = || headers_of(message);
        (call.take)(polled(message, &headers))
    }));
    let is_over = match taken {
        Ok(flow) => flow.is_break(),
        Err(panicked) => {
            call.panicked = Some(panicked);
            true
        }
    };
    if is_over {
        // SAFETY: the client is the one that called; this sets a flag of the thread.
        unsafe { rd_kafka_yield(call.client) };
    }
}

fn polled<'a>(message: &'a rd_kafka_message_t, headers: &'a dyn Fn() -> Vec<Header>) -> Polled<'a> {
    let partition = message.partition;
    match message.err {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Polled::Record {
            partition,
            record: Record {
                offset: message.offset,
                time: time_of(message),
                // SAFETY: pointer and length of one field of a message that lives as long as 'a.
                key: unsafe { bytes(message.key, message.key_len) },
                // SAFETY: the same.
                payload: unsafe { bytes(message.payload, message.len) },
                content: windowing::Content::Payload,
                headers,
            },
        },
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
            Polled::End { partition, end: Position::at(message.offset) }
        }
        code => Polled::Error {
            error: KafkaError::MessageConsumption(RDKafkaErrorCode::from(code)),
            // SAFETY: the same; of an error the payload is its text.
            detail: unsafe { bytes(message.payload, message.len) }
                .and_then(|text| str::from_utf8(text).ok())
                .unwrap_or_default(),
        },
    }
}

fn time_of(message: &rd_kafka_message_t) -> RecordTime {
    let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: a message that came from librdkafka, which fills the second argument in.
    let millis = unsafe { rd_kafka_message_timestamp(message, &mut kind) };
    match kind {
        _ if millis == -1 => RecordTime::Unknown,
        rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => RecordTime::Unknown,
        rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => {
            RecordTime::Create(EventTime::from_millis(millis))
        }
        rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => {
            RecordTime::LogAppend(EventTime::from_millis(millis))
        }
    }
}

/// Stands for a header's name that is not UTF-8, and so can't be kept: to Kafka it is bytes, and
/// anybody can send it.
const UNREADABLE_HEADER: &str = "\u{fffd}";

/// The record's headers, copied.
fn headers_of(message: &rd_kafka_message_t) -> Vec<Header> {
    let mut headers = null_mut();
    // SAFETY: a message that came from librdkafka, which owns the headers that it points to.
    let found = unsafe { rd_kafka_message_headers(message, &mut headers) };
    if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Vec::new();
    }
    let header_at = |index| {
        let (mut name, mut value, mut length) = (null::<c_char>(), null::<c_void>(), 0);
        // SAFETY: the headers live as long as the message; all three are filled in, or none.
        let found =
            unsafe { rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut length) };
        if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: a name ends with a NUL, a value has its length; both live as long as the message.
        let (name, value) = unsafe { (CStr::from_ptr(name), bytes(value, length)) };
        let Ok(name) = name.to_str() else {
            let (partition, offset) = (message.partition, message.offset);
            tracing::warn!(partition, offset, "a header's name is not UTF-8: not kept");
            return Some((UNREADABLE_HEADER.to_owned(), None));
        };
        Some((name.to_owned(), value.map(<[u8]>::to_vec)))
    };
    (0..).map_while(header_at).collect()
}

/// The bytes at a pointer; `None` at the null pointer, which stands for a null field.
///
/// # Safety
///
/// `length` bytes at `start` live, unchanged, as long as 'a.
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast(), length) })
}

fn native(consumer: &GroupConsumer) -> *mut rd_kafka_t {
    consumer.client().native_ptr()
}

/// Our reference to a queue of the client's.
struct NativeQueue(NonNull<rd_kafka_queue_t>);

impl NativeQueue {
    /// `None` of the null pointer.
    fn new(queue: *mut rd_kafka_queue_t) -> Option<Self> {
        NonNull::new(queue).map(NativeQueue)
    }

    fn ptr(&self) -> *mut rd_kafka_queue_t {
        self.0.as_ptr()
    }

    fn forward_to(&self, target: &NativeQueue) {
        // SAFETY: both live; the library keeps the target as long as it is forwarded to.
        unsafe { rd_kafka_queue_forward(self.ptr(), target.ptr()) };
    }
}

impl Drop for NativeQueue {
    fn drop(&mut self) {
        // SAFETY: it is ours, and used no more.
        unsafe { rd_kafka_queue_destroy(self.ptr()) };
    }
}

// SAFETY: librdkafka's queues lock themselves; rdkafka.h: the API is thread-safe.
unsafe impl Send for NativeQueue {}
