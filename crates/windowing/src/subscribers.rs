//! How many different subscribers the events of a day have: HyperLogLog sketches by (business day,
//! event type, region), with the number of events that each one covers.
//!
//! In: events on time. Out: sketches to be merged into `subscriber_sketches`, a merge with what is
//! stored there, and an estimate. The sketch is Apache DataSketches' HLL of 2¹² registers: standard
//! error 1.04 / √4096 = 1.63 % (Flajolet et al., 2007), practically exact up to 384 subscribers,
//! which it remembers one by one.
//!
//! Keeps I-5 in its own way: an estimate depends on *which* subscribers were met and on nothing
//! else, neither their order nor how they were split over partitions and flushes. That is why
//! an estimate never asks the sketch's HIP estimator, which remembers the order.
//! Keeps I-6: [`Subscribers::bytes`] is bounded by `Bounds`.

use std::cmp::Ordering;
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;
use datasketches::hash::value::raw_bytes;
use datasketches::hll::{Coupon, HllSketch, HllType, HllUnion};
use event_model::EventView;
use hashbrown::DefaultHashBuilder;
use indexmap::{Equivalent, IndexMap};
use thiserror::Error;

use crate::groups::GroupNumber;
use crate::names::Names;
use crate::{BusinessDay, Window};

/// Registers of a sketch: 2 to this power.
const LG_REGISTERS: u8 = 12;
/// What a sketch holds in memory besides its registers and its key's names, roughly: its entry, the
/// index's, and what the allocator adds.
const BYTES_OF_AN_ENTRY: usize = 256;

/// The key of a row of `subscriber_sketches`. The order is the order in which rows are locked: all
/// writers use the same one, or they deadlock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DayGroup {
    /// The business day …
    pub date: NaiveDate,
    /// … in this zone.
    pub zone: Tz,
    /// 1–50 characters.
    pub event_type: Arc<str>,
    /// 1–100 characters.
    pub region: Arc<str>,
}

impl Ord for DayGroup {
    fn cmp(&self, other: &Self) -> Ordering {
        // The zone is nearly always the same one, whose name need not be looked for.
        let by_zone = || match self.zone == other.zone {
            true => Ordering::Equal,
            false => self.zone.name().cmp(other.zone.name()),
        };
        self.date
            .cmp(&other.date)
            .then_with(by_zone)
            .then_with(|| self.event_type.cmp(&other.event_type))
            .then_with(|| self.region.cmp(&other.region))
    }
}

impl PartialOrd for DayGroup {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A key that borrows its names.
#[derive(Hash)]
struct BorrowedGroup<'a> {
    date: NaiveDate,
    zone: Tz,
    event_type: &'a str,
    region: &'a str,
}

impl Equivalent<DayGroup> for BorrowedGroup<'_> {
    fn equivalent(&self, group: &DayGroup) -> bool {
        (self.date, self.zone) == (group.date, group.zone)
            && *self.region == *group.region
            && *self.event_type == *group.event_type
    }
}

/// The subscribers of one partition's events since its last flush.
#[derive(Clone, Debug, Default)]
pub struct Subscribers {
    sketches: IndexMap<DayGroup, SubscriberSketch, DefaultHashBuilder>,
    names: Names,
    /// By the number of a group of events on time: where its subscribers are counted.
    place_of_group: Vec<usize>,
    /// The day of the window that came last: nearly always the next one's, too.
    last_day: Option<BusinessDay>,
    bytes: usize,
}

impl Subscribers {
    /// No sketch, and room for as many as there are here, as with [`Groups`](crate::Groups).
    pub(crate) fn emptied(&self) -> Self {
        let (sketches, groups) = (self.sketches.len(), self.place_of_group.len());
        Subscribers {
            sketches: IndexMap::with_capacity_and_hasher(sketches, DefaultHashBuilder::default()),
            place_of_group: Vec::with_capacity(groups),
            ..Subscribers::default()
        }
    }

    /// Counts the subscriber of an event on time, of the group of this number.
    pub(crate) fn add_grouped_event(
        &mut self,
        group: GroupNumber,
        window: Window,
        event: &EventView<'_>,
        zone: Tz,
    ) {
        if group.is_new {
            let place = self.place_of(window, event, zone);
            self.place_of_group.push(place);
        }
        self.add_event(self.place_of_group[group.number], event);
    }

    /// Where the events of this window, of this event's type and region, are counted.
    pub(crate) fn place_of(&mut self, window: Window, event: &EventView<'_>, zone: Tz) -> usize {
        let group = BorrowedGroup {
            date: self.date_of(window, zone),
            zone,
            event_type: &event.event_type,
            region: &event.region,
        };
        if let Some(place) = self.sketches.get_index_of(&group) {
            return place;
        }
        self.bytes += BYTES_OF_AN_ENTRY + event.event_type.len() + event.region.len();
        let BorrowedGroup { date, zone, event_type, region } = group;
        let (event_type, region) = (self.names.held(event_type), self.names.held(region));
        let group = DayGroup { date, zone, event_type, region };
        self.sketches.insert_full(group, SubscriberSketch::default()).0
    }

    /// A window belongs to the day of its start.
    fn date_of(&mut self, window: Window, zone: Tz) -> NaiveDate {
        // Event times lie in years that chrono knows.
        let start = window.start().to_datetime().unwrap_or_default();
        match self.last_day {
            Some(day) if day.holds(start) && day.zone() == zone => day.date(),
            _ => self.last_day.insert(BusinessDay::containing(start, zone)).date(),
        }
    }

    /// Counts the event's subscriber at a place that [`Subscribers::place_of`] gave.
    pub(crate) fn add_event(&mut self, place: usize, event: &EventView<'_>) {
        let sketch = &mut self.sketches[place];
        let bytes_before = sketch.bytes();
        sketch.add_event(event);
        self.bytes += sketch.bytes() - bytes_before;
    }

    /// Memory held, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The sketches that cover any event, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&DayGroup, &SubscriberSketch)> {
        self.sketches.iter().filter(|(_, sketch)| sketch.events() > 0)
    }
}

/// Which subscribers some events had, and how many events those were.
#[derive(Clone, Debug)]
pub struct SubscriberSketch {
    registers: HllSketch,
    /// Events whose subscriber is known by `subscriber_id`.
    pub events_by_subscriber_id: i64,
    /// Events without one, told apart by `msisdn`. It is masked, so that up to 10,000 subscribers
    /// share one.
    pub events_by_msisdn: i64,
}

impl Default for SubscriberSketch {
    fn default() -> Self {
        // The fastest of the three forms to update and to merge.
        let registers = HllSketch::new(LG_REGISTERS, HllType::Hll8);
        SubscriberSketch {
            registers: registers.expect("a sketch may have 2^4 to 2^21 registers"),
            events_by_subscriber_id: 0,
            events_by_msisdn: 0,
        }
    }
}

impl SubscriberSketch {
    /// Counts one event's subscriber. An event that names none (an empty name names none) is not
    /// covered.
    fn add_event(&mut self, event: &EventView<'_>) {
        let named = |name: &str| !name.is_empty();
        let subscriber_id = event.subscriber_id.as_deref().filter(|name| named(name));
        let msisdn = event.msisdn.as_deref().filter(|name| named(name));
        let name = match (subscriber_id, msisdn) {
            (Some(subscriber_id), _) => {
                self.events_by_subscriber_id += 1;
                subscriber_id
            }
            (None, Some(msisdn)) => {
                self.events_by_msisdn += 1;
                msisdn
            }
            (None, None) => return,
        };
        // Of the bytes alone: Rust's own hash of a string may change with its version, and the
        // stored sketches are for ever.
        self.registers.update_with_coupon(Coupon::from_value(raw_bytes::from_str(name)));
    }

    /// Number of events covered.
    pub fn events(&self) -> i64 {
        self.events_by_subscriber_id + self.events_by_msisdn
    }

    /// How many different subscribers, to the nearest whole one.
    pub fn estimate(&self) -> i64 {
        whole(self.registers.composite_estimate())
    }

    /// Heap memory of the registers.
    fn bytes(&self) -> usize {
        self.registers.estimated_size()
    }

    /// Reads a stored sketch.
    ///
    /// # Errors
    /// [`SketchError`] when it is not as it was stored. Without the checksum, damaged registers
    /// would be read without complaint.
    pub fn from_stored(stored: &StoredSketch) -> Result<Self, SketchError> {
        let computed = crc32fast::hash(&stored.bytes);
        if computed != stored.crc {
            return Err(SketchError::ChecksumDiffers { computed, stored: stored.crc });
        }
        let registers = HllSketch::deserialize(&stored.bytes)
            .map_err(|error| SketchError::Unreadable(error.to_string()))?;
        if registers.lg_config_k() != LG_REGISTERS {
            return Err(SketchError::OtherPrecision(registers.lg_config_k()));
        }
        let StoredSketch { events_by_subscriber_id, events_by_msisdn, .. } = *stored;
        Ok(SubscriberSketch { registers, events_by_subscriber_id, events_by_msisdn })
    }
}

/// A sketch as `subscriber_sketches` holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSketch {
    /// Apache DataSketches' form, the same for all its languages: 12 + 4 bytes per subscriber up to
    /// 384, then 2,088 and a few more.
    pub bytes: Vec<u8>,
    /// CRC-32 (IEEE) of the bytes.
    pub crc: u32,
    /// See [`SubscriberSketch::events_by_subscriber_id`].
    pub events_by_subscriber_id: i64,
    /// See [`SubscriberSketch::events_by_msisdn`].
    pub events_by_msisdn: i64,
}

/// Why a stored sketch can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SketchError {
    /// The bytes have changed.
    #[error("the sketch is damaged: its CRC-32 is {computed:08x}, and {stored:08x} was stored")]
    ChecksumDiffers {
        /// Of the bytes as they are.
        computed: u32,
        /// Of the bytes as they were.
        stored: u32,
    },
    /// The bytes are no sketch.
    #[error("the sketch can't be read: {0}")]
    Unreadable(String),
    /// It is a sketch of another precision: merging it would lower that of all the others.
    #[error("the sketch has 2^{0} registers instead of 2^{LG_REGISTERS}")]
    OtherPrecision(u8),
}

/// The union of sketches: every subscriber once.
#[derive(Clone, Debug)]
pub struct SubscriberUnion {
    registers: HllUnion,
    events_by_subscriber_id: i64,
    events_by_msisdn: i64,
}

impl Default for SubscriberUnion {
    fn default() -> Self {
        let registers = HllUnion::new(LG_REGISTERS);
        SubscriberUnion {
            registers: registers.expect("a sketch may have 2^4 to 2^21 registers"),
            events_by_subscriber_id: 0,
            events_by_msisdn: 0,
        }
    }
}

impl SubscriberUnion {
    /// Takes one sketch in.
    pub fn add(&mut self, sketch: &SubscriberSketch) {
        self.registers.update(&sketch.registers);
        self.events_by_subscriber_id += sketch.events_by_subscriber_id;
        self.events_by_msisdn += sketch.events_by_msisdn;
    }

    /// Number of events covered.
    pub fn events(&self) -> i64 {
        self.events_by_subscriber_id + self.events_by_msisdn
    }

    /// Of these, the ones told apart by `msisdn`.
    pub fn events_by_msisdn(&self) -> i64 {
        self.events_by_msisdn
    }

    /// How many different subscribers, to the nearest whole one.
    pub fn estimate(&self) -> i64 {
        whole(self.registers.composite_estimate())
    }

    /// The form in which it is stored: the smallest of the three, because a row is written anew by
    /// every flush that touches it.
    pub fn to_stored(&self) -> StoredSketch {
        let bytes = self.registers.to_sketch(HllType::Hll4).serialize();
        StoredSketch {
            crc: crc32fast::hash(&bytes),
            bytes,
            events_by_subscriber_id: self.events_by_subscriber_id,
            events_by_msisdn: self.events_by_msisdn,
        }
    }
}

/// Estimates are not negative, and far below 2⁵³.
fn whole(estimate: f64) -> i64 {
    estimate.round() as i64
}

#[cfg(test)]
mod tests;
