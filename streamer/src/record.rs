//! A record as the client gives it, as the core takes it: borrowed, nothing copied.

use std::panic::{AssertUnwindSafe, catch_unwind};

use event_model::EventTime;
use rdkafka::Timestamp;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers, Message};
use windowing::{Header, Record, RecordTime};

/// The record; its headers are read only when they are asked for.
pub(crate) fn record_of<'a>(
    message: &'a BorrowedMessage<'_>,
    headers: &'a dyn Fn() -> Vec<Header>,
) -> Record<'a> {
    let time = match message.timestamp() {
        Timestamp::LogAppendTime(ms) => RecordTime::LogAppend(EventTime::from_millis(ms)),
        Timestamp::CreateTime(ms) => RecordTime::Create(EventTime::from_millis(ms)),
        Timestamp::NotAvailable => RecordTime::Unknown,
    };
    Record {
        offset: message.offset(),
        time,
        key: message.key(),
        payload: message.payload(),
        headers,
    }
}

/// The record's headers, copied.
pub(crate) fn headers_of(message: &BorrowedMessage<'_>) -> Vec<Header> {
    let Some(headers) = message.headers() else { return Vec::new() };
    (0..headers.count())
        .map(|index| {
            header_at(headers, index).unwrap_or_else(|| {
                let (partition, offset) = (message.partition(), message.offset());
                tracing::warn!(partition, offset, "a header's name is not UTF-8: not kept");
                (UNREADABLE_HEADER.to_owned(), None)
            })
        })
        .collect()
}

/// Stands for a header that the client can't give us.
const UNREADABLE_HEADER: &str = "\u{fffd}";

/// To Kafka a header's name is bytes; the client takes it for text, and panics where it is none.
/// Anybody can send such a record, so the panic ends here and not at the worker's thread: that
/// would read the same record again after every restart.
fn header_at(headers: &BorrowedHeaders, index: usize) -> Option<Header> {
    // Reading changes nothing, so there is nothing that a panic could leave half-changed.
    catch_unwind(AssertUnwindSafe(|| {
        let header = headers.get(index);
        (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
    }))
    .ok()
}
