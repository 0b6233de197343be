//! Events on time, by (window, event type, region): rows of `real_time_metrics`.

use super::totals::merged;
use super::{Counted, CountedEvent, Delta, PartResults, ResultKind};
use crate::bounds::{Limit, Size};
use crate::{GroupKey, Groups, Totals};

/// Events on time, by (window, event type, region).
#[derive(Debug)]
pub struct OnTime;

impl ResultKind for OnTime {
    const TABLE: &'static str = "real_time_metrics";
    type Held = Groups;
    type Row<'a> = (&'a GroupKey, Totals);

    fn rows<'a>(parts: &[PartResults<'a>]) -> Vec<Self::Row<'a>> {
        merged(parts.iter().map(|part| &part.delta.on_time))
    }

    fn row_count(delta: &Delta) -> usize {
        delta.on_time.len()
    }
}

impl Counted for OnTime {
    const LIMIT: Limit = Limit::Groups;

    fn emptied(held: &Groups) -> Groups {
        held.emptied()
    }

    #[inline]
    fn on_time(held: &mut Groups, event: &mut CountedEvent<'_>) -> Size {
        event.group = held.add(event.window, event.event);
        Size { items: usize::from(event.group.is_new), bytes: 0 }
    }
}
