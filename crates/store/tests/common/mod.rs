//! What several tests of flushes store.

use windowing::{Delta, FlushBatch, FlushPart, Position, Progress};

/// Partition 0 of topic `t`, from offset 0 to 5.
pub(crate) fn batch() -> FlushBatch {
    let stored = Progress::starting_at(Position::at(0));
    let mut new = stored.clone();
    new.next = Position::at(5);
    new.counters.skipped = 5;
    let part = FlushPart {
        partition: 0,
        incarnation: 1,
        stored,
        new,
        delta: Delta::default(),
        log_is_known: true,
        log_is_verified: true,
        awaited: None,
        is_news: true,
    };
    FlushBatch { parts: vec![part] }
}
