//! Totals by (window, event type, region).

use std::sync::Arc;

use event_model::EventView;
use hashbrown::DefaultHashBuilder;
use indexmap::{Equivalent, IndexMap};

use crate::names::Names;
use crate::{Totals, Window};

/// The key of a row of `real_time_metrics`. The order is the order in which rows are stored: all
/// writers use the same one, or their upserts deadlock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// The minute of event time.
    pub window: Window,
    /// 1–50 characters.
    pub event_type: Arc<str>,
    /// 1–100 characters.
    pub region: Arc<str>,
}

/// A key that borrows its names: looking a group up allocates nothing.
#[derive(Hash)]
struct BorrowedKey<'a> {
    window: Window,
    event_type: &'a str,
    region: &'a str,
}

impl Equivalent<GroupKey> for BorrowedKey<'_> {
    fn equivalent(&self, key: &GroupKey) -> bool {
        self.window == key.window
            && *self.region == *key.region
            && *self.event_type == *key.event_type
    }
}

/// Which of a delta's groups, counted in the order in which they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupNumber {
    /// From 0.
    pub(crate) number: usize,
    /// Whether it has just come.
    pub(crate) is_new: bool,
}

/// Totals of many groups.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// A group's place is its number.
    totals: IndexMap<GroupKey, Totals, DefaultHashBuilder>,
    names: Names,
}

impl Groups {
    /// No group, and room for as many as there are here: to grow step by step costs time, and memory that the
    /// allocator does not give back.
    pub(crate) fn emptied(&self) -> Self {
        let totals = IndexMap::with_capacity_and_hasher(self.len(), DefaultHashBuilder::default());
        Groups { totals, names: Names::default() }
    }

    /// Adds one event to its group. Returns whether the group is new here.
    pub fn add_event(&mut self, event: &EventView<'_>) -> bool {
        self.add(Window::containing(event.event_time), event).is_new
    }

    /// Adds one event to its group of this window.
    pub(crate) fn add(&mut self, window: Window, event: &EventView<'_>) -> GroupNumber {
        let key = BorrowedKey { window, event_type: &event.event_type, region: &event.region };
        if let Some((number, _, totals)) = self.totals.get_full_mut(&key) {
            totals.add_event(event);
            return GroupNumber { number, is_new: false };
        }
        let (event_type, region) =
            (self.names.held(&event.event_type), self.names.held(&event.region));
        let mut totals = Totals::default();
        totals.add_event(event);
        let (number, _) = self.totals.insert_full(GroupKey { window, event_type, region }, totals);
        GroupNumber { number, is_new: true }
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.totals.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }

    /// All groups together.
    pub fn sum(&self) -> Totals {
        let mut sum = Totals::default();
        for totals in self.totals.values() {
            sum.add(totals);
        }
        sum
    }

    /// The groups, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupKey, &Totals)> {
        self.totals.iter()
    }
}

#[cfg(test)]
mod tests {
    use event_model::EventTime;

    use super::*;

    fn event(event_type: &str, region: &str, micros: i64) -> EventView<'static> {
        EventView {
            duration_seconds: 7,
            data_micro_mb: 1_500_000,
            ..EventView::new(
                event_type.to_owned(),
                region.to_owned(),
                EventTime::from_micros(micros),
            )
        }
    }

    #[test]
    fn events_of_one_minute_type_and_region_share_a_group() {
        let mut groups = Groups::default();
        assert!(groups.add_event(&event("call", "Almaty", 0)));
        assert!(!groups.add_event(&event("call", "Almaty", 59_999_999)));
        assert!(groups.add_event(&event("call", "Almaty", 60_000_000)));
        assert!(groups.add_event(&event("call", "Astana", 0)));
        assert!(groups.add_event(&event("sms", "Almaty", 0)));
        // The same letters split otherwise are another group.
        assert!(groups.add_event(&event("callA", "lmaty", 0)));
        assert_eq!(groups.len(), 5);
        let most = groups.iter().map(|(_, totals)| totals.events).max();
        assert_eq!(most, Some(2));
    }
}
