//! Records that can't be used, whole (I-7): rows of `dead_letters`.

use event_model::Dead;

use super::{Counted, Delta, PartResults, ResultKind};
use crate::bounds::{Limit, Size};
use crate::{DeadLetter, Record};

/// Records that can't be used.
#[derive(Debug)]
pub struct DeadLetters;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetterRow<'a> {
    /// Which life of the topic.
    pub generation: i32,
    /// Which partition.
    pub partition: i32,
    /// The record and what is wrong with it.
    pub letter: &'a DeadLetter,
}

impl ResultKind for DeadLetters {
    const TABLE: &'static str = "dead_letters";
    type Held = Vec<DeadLetter>;
    type Row<'a> = DeadLetterRow<'a>;

    fn rows<'a>(parts: &[PartResults<'a>]) -> Vec<DeadLetterRow<'a>> {
        let of_part = |part: &PartResults<'a>| {
            let PartResults { generation, partition, delta } = *part;
            delta.dead_letters.iter().map(move |letter| DeadLetterRow {
                generation,
                partition,
                letter,
            })
        };
        parts.iter().flat_map(of_part).collect()
    }

    fn row_count(delta: &Delta) -> usize {
        delta.dead_letters.len()
    }
}

impl Counted for DeadLetters {
    const LIMIT: Limit = Limit::DeadLetters;

    fn dead(held: &mut Vec<DeadLetter>, record: &Record<'_>, dead: &Dead) -> Size {
        let letter = DeadLetter {
            offset: record.offset,
            reason: dead.reason.code(),
            detail: dead.detail.clone(),
            record_time: record.time.instant(),
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.map(<[u8]>::to_vec),
            headers: (record.headers)(),
        };
        let size = Size { items: 1, bytes: letter.bytes() };
        held.push(letter);
        size
    }
}
