//! A record as the client gives it, as the core takes it: borrowed, nothing copied.

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
    let headers = message.headers().map(BorrowedHeaders::iter);
    headers
        .into_iter()
        .flatten()
        .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
        .collect()
}
