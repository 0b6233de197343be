//! Events whose window had closed, by (window, event type, region): rows of `late_metrics`.

use super::totals::merged;
use super::{Counted, CountedEvent, Delta, PartResults, ResultKind};
use crate::bounds::{Limit, Size};
use crate::{GroupKey, Groups, Totals};

/// Events whose window had closed, by (window, event type, region).
#[derive(Debug)]
pub struct Late;

impl ResultKind for Late {
    const TABLE: &'static str = "late_metrics";
    type Held = Groups;
    type Row<'a> = (&'a GroupKey, Totals);

    fn rows<'a>(parts: &[PartResults<'a>]) -> Vec<Self::Row<'a>> {
        merged(parts.iter().map(|part| &part.delta.late))
    }

    fn row_count(delta: &Delta) -> usize {
        delta.late.len()
    }
}

impl Counted for Late {
    const LIMIT: Limit = Limit::Groups;

    #[inline]
    fn late(held: &mut Groups, event: &mut CountedEvent<'_>) -> Size {
        Size { items: usize::from(held.add(event.window, event.event).is_new), bytes: 0 }
    }
}
