//! How the sending thread learns that it should stop.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

/// The sending thread's end: says whether to stop, for good once it has said so.
#[derive(Debug)]
pub(crate) struct Stop(Receiver<()>);

/// The other end: dropping it, on purpose or not, stops the thread.
#[derive(Debug)]
pub(crate) struct Stopper(
    // Nothing is ever sent; only its end is observed.
    #[expect(dead_code, reason = "held for its drop")] Sender<()>,
);

impl Stop {
    /// A connected pair.
    pub(crate) fn pair() -> (Stopper, Stop) {
        let (sender, receiver) = channel();
        (Stopper(sender), Stop(receiver))
    }

    /// Whether to stop.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Waits for `pause`, or less if it is to stop; says which.
    pub(crate) fn is_requested_within(&self, pause: Duration) -> bool {
        self.0.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected)
    }
}
