//! One record as it comes from the log, and what is kept of it when it can't be used.

use event_model::{Dead, EventTime, EventView, decode};

/// When a record was written, and by whose clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordTime {
    /// By the broker's: the topic has LogAppendTime.
    LogAppend(EventTime),
    /// By the producer's: the topic has CreateTime.
    Create(EventTime),
    /// The record carries no time.
    Unknown,
}

impl RecordTime {
    /// The time itself, whoever set it.
    pub fn instant(self) -> Option<EventTime> {
        match self {
            RecordTime::LogAppend(at) | RecordTime::Create(at) => Some(at),
            RecordTime::Unknown => None,
        }
    }

    /// What an event time is compared with by the future guard.
    ///
    /// | topic | reference | why |
    /// |---|---|---|
    /// | LogAppendTime | the record's time | repeatable: the same after a restart |
    /// | CreateTime | the lesser of it and the clock | a producer two days ahead stamps both |
    /// | none | the clock | there is nothing else |
    pub fn future_reference(self, now: EventTime) -> EventTime {
        match self {
            RecordTime::LogAppend(at) => at,
            RecordTime::Create(at) => at.min(now),
            RecordTime::Unknown => now,
        }
    }
}

/// A record header: its name and, unless null, its value.
pub type Header = (String, Option<Vec<u8>>);

/// What stands in a payload. Whoever reads the log finds it out before the core is shown the record: nothing here asks a
/// schema registry (I-14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content<'a> {
    /// JSON, as it is.
    #[default]
    Payload,
    /// The same members in another format: as JSON.
    Json(&'a [u8]),
    /// Another format in which it can't be read.
    Unusable(&'a Dead),
}

/// One record of one partition.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// Kafka's offset of the record.
    pub offset: i64,
    /// When it was written.
    pub time: RecordTime,
    /// The key's bytes; `None`: the record has no key.
    pub key: Option<&'a [u8]>,
    /// Its payload; `None` for a null payload (a tombstone).
    pub payload: Option<&'a [u8]>,
    /// What stands in the payload.
    pub content: Content<'a>,
    /// Reads its headers; called only when the record is dead.
    pub headers: &'a dyn Fn() -> Vec<Header>,
}

impl<'a> Record<'a> {
    /// The event in it, or why it can't be used. The future guard is the caller's.
    ///
    /// # Errors
    /// [`Dead`] with the rule that it breaks.
    pub fn event(&self) -> Result<EventView<'a>, Dead> {
        match (self.content, self.payload) {
            (_, None) => Err(Dead::null_payload()),
            (Content::Payload, Some(payload)) => decode(payload),
            (Content::Json(text), Some(_)) => decode(text),
            (Content::Unusable(dead), Some(_)) => Err(dead.clone()),
        }
    }
}

/// A record that can't be used, whole, with the reason (I-7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Kafka's offset of the record.
    pub offset: i64,
    /// Code of the rule that it breaks.
    pub reason: &'static str,
    /// A sentence for the operator.
    pub detail: String,
    /// When it was written.
    pub record_time: Option<EventTime>,
    /// The key's bytes; `None`: the record has no key.
    pub key: Option<Vec<u8>>,
    /// The payload's bytes; `None`: a null payload, a tombstone.
    pub payload: Option<Vec<u8>>,
    /// In the record's order; a name may come twice.
    pub headers: Vec<Header>,
}

impl DeadLetter {
    /// Memory that it holds, roughly: the parts that a sender controls.
    pub fn bytes(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len))
            .sum();
        self.key.as_ref().map_or(0, Vec::len)
            + self.payload.as_ref().map_or(0, Vec::len)
            + self.detail.len()
            + headers
    }
}
