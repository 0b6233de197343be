//! Where events go: what the send_loop needs of Kafka or of standard output.

use thiserror::Error;

use crate::stop::Stop;

/// Takes encoded events.
pub(crate) trait Sink: Send {
    /// Takes one event, or says that there is no room for it now. Never waits. Without a partition
    /// the key leads to one.
    fn offer(
        &mut self,
        key: &str,
        payload: Option<&[u8]>,
        partition: Option<i32>,
    ) -> Result<Offer, SinkError>;

    /// Does what should not lie undone while the send_loop waits.
    fn idle(&mut self) -> Result<(), SinkError>;

    /// Waits, with a bound, until it is known what became of every event taken.
    fn finish(&mut self, stop: &Stop) -> Result<Tally, SinkError>;
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// The sink has the event.
    Taken,
    /// It has not, for its queue is full: offer it again after a pause.
    Full,
}

/// What became of the events taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
}

/// Why a sink can take no more events.
#[derive(Debug, Error)]
pub(crate) enum SinkError {
    /// Nobody reads standard output any more.
    #[error("the reader of standard output has gone")]
    ReaderGone,
    /// Standard output can't be written.
    #[error("can't write to standard output")]
    Output(#[source] std::io::Error),
    /// The Kafka client has given up, for this reason.
    #[error("the Kafka client has given up: {0}")]
    Kafka(String),
}
