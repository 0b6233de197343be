//! Which subscribers the events on time had, by (business day, event type, region): rows of
//! `subscriber_sketches`.

use hashbrown::HashMap;

use super::{Counted, CountedEvent, Delta, PartResults, ResultKind};
use crate::bounds::{Limit, Size};
use crate::{DayGroup, SubscriberSketch, Subscribers};

/// Distinct subscribers, sketched.
#[derive(Debug)]
pub struct Subscribed;

impl ResultKind for Subscribed {
    const TABLE: &'static str = "subscriber_sketches";
    type Held = Subscribers;
    type Row<'a> = (&'a DayGroup, Vec<&'a SubscriberSketch>);

    fn rows<'a>(parts: &[PartResults<'a>]) -> Vec<Self::Row<'a>> {
        // Brought together first, and sorted then: most groups are in all parts, and to compare keys is the dearest.
        let mut sketches: HashMap<&DayGroup, Vec<&SubscriberSketch>> = HashMap::new();
        for (group, sketch) in parts.iter().flat_map(|part| part.delta.subscribers.iter()) {
            sketches.entry(group).or_insert_with(|| Vec::with_capacity(parts.len())).push(sketch);
        }
        let mut rows: Vec<_> = sketches.into_iter().collect();
        rows.sort_unstable_by_key(|(group, _)| *group);
        rows
    }

    fn row_count(delta: &Delta) -> usize {
        delta.subscribers.iter().count()
    }
}

impl Counted for Subscribed {
    const LIMIT: Limit = Limit::Subscribers;

    fn emptied(held: &Subscribers) -> Subscribers {
        held.emptied()
    }

    #[inline]
    fn on_time(held: &mut Subscribers, event: &mut CountedEvent<'_>) -> Size {
        let before = held.bytes();
        held.add_grouped_event(
            event.group,
            event.window,
            event.event,
            event.rules.business_timezone,
        );
        Size { items: 0, bytes: held.bytes() - before }
    }
}
