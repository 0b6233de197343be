//! Places in the log from which rules can be built again: rows of `log_marks`.

use super::{Counted, CountedEvent, Delta, PartResults, ResultKind};
use crate::LogMark;
use crate::bounds::{Limit, Size};

/// Places in the log.
#[derive(Debug)]
pub struct LogMarks;

/// A row that a flush inserts into `log_marks`.
#[derive(Clone, Copy, Debug)]
pub struct LogMarkRow<'a> {
    /// Which life of the topic.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// An offset, and what a matcher needs to begin there.
    pub mark: &'a LogMark,
}

impl ResultKind for LogMarks {
    const TABLE: &'static str = "log_marks";
    type Held = Vec<LogMark>;
    type Row<'a> = LogMarkRow<'a>;

    fn rows<'a>(parts: &[PartResults<'a>]) -> Vec<LogMarkRow<'a>> {
        let of_part = |part: &PartResults<'a>| {
            let PartResults { generation, partition, delta } = *part;
            delta.log_marks.iter().map(move |mark| LogMarkRow { generation, partition, mark })
        };
        parts.iter().flat_map(of_part).collect()
    }

    fn row_count(delta: &Delta) -> usize {
        delta.log_marks.len()
    }
}

impl LogMarks {
    fn add(held: &mut Vec<LogMark>, event: &CountedEvent<'_>) -> Size {
        let Some(mark) = event.mark else { return Size::NONE };
        held.push(mark);
        // A mark comes with a new quarter of an hour, and so with a group.
        Size::NONE
    }
}

impl Counted for LogMarks {
    const LIMIT: Limit = Limit::Groups;

    #[inline]
    fn on_time(held: &mut Vec<LogMark>, event: &mut CountedEvent<'_>) -> Size {
        LogMarks::add(held, event)
    }

    #[inline]
    fn late(held: &mut Vec<LogMark>, event: &mut CountedEvent<'_>) -> Size {
        LogMarks::add(held, event)
    }
}
