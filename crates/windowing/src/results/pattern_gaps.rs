//! Where rules may have missed something (I-7): rows of `pattern_gaps`.

use super::{Counted, Delta, PartResults, ResultKind};
use crate::PatternGap;
use crate::bounds::Limit;

/// Where rules may have missed something.
#[derive(Debug)]
pub struct PatternGaps;

/// A row that a flush inserts into `pattern_gaps`.
#[derive(Clone, Copy, Debug)]
pub struct PatternGapRow<'a> {
    /// Which life of the topic.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// What was missed.
    pub gap: &'a PatternGap,
}

impl ResultKind for PatternGaps {
    const TABLE: &'static str = "pattern_gaps";
    type Held = Vec<PatternGap>;
    type Row<'a> = PatternGapRow<'a>;

    fn rows<'a>(parts: &[PartResults<'a>]) -> Vec<PatternGapRow<'a>> {
        let of_part = |part: &PartResults<'a>| {
            let PartResults { generation, partition, delta } = *part;
            delta.pattern_gaps.iter().map(move |gap| PatternGapRow { generation, partition, gap })
        };
        parts.iter().flat_map(of_part).collect()
    }

    fn row_count(delta: &Delta) -> usize {
        delta.pattern_gaps.len()
    }
}

/// No record adds one: at most two come with a row that is read, and one with a flush.
impl Counted for PatternGaps {
    const LIMIT: Limit = Limit::Groups;
}
