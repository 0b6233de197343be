//! Distinct subscribers by day, type and region.
//!
//! In: who had an event on time, and when. Out: lines. A day takes one bit for each subscriber, type and
//! region that occurs; it is written and forgotten when nothing can come to it any more.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::NaiveDate;
use chrono_tz::Tz;
use event_model::EventTime;

use super::lines::{self, DayLine, Line, TYPE_NAMES};
use super::local_date;

/// Stands for all types or regions together.
const ALL: &str = "ALL";

/// Who was there, a bit for each subscriber.
type Bits = Vec<u64>;

/// The days that are not yet written.
#[derive(Debug)]
pub(super) struct Days {
    zone: Tz,
    words: usize,
    days: BTreeMap<NaiveDate, BTreeMap<(usize, usize), Bits>>,
    /// The last minute looked up, and its date: nearly all events are of the same one.
    last: (EventTime, NaiveDate),
}

impl Days {
    /// For so many subscribers; days are bounded by midnights of this zone.
    pub(super) fn new(zone: Tz, subscribers: u32) -> Self {
        let last = (EventTime::MIN_ACCEPTED, local_date(EventTime::MIN_ACCEPTED, zone));
        Days { zone, words: subscribers.div_ceil(u64::BITS) as usize, days: BTreeMap::new(), last }
    }

    /// A subscriber had an event in the window that starts then.
    pub(super) fn add(
        &mut self,
        window_start: EventTime,
        event_type: usize,
        region: usize,
        subscriber: u32,
    ) {
        if self.last.0 != window_start {
            self.last = (window_start, local_date(window_start, self.zone));
        }
        let rows = self.days.entry(self.last.1).or_default();
        let bits = rows.entry((event_type, region)).or_insert_with(|| vec![0; self.words]);
        bits[(subscriber / u64::BITS) as usize] |= 1 << (subscriber % u64::BITS);
    }

    /// Writes the days that lie wholly before this minute.
    pub(super) fn write_up_to(
        &mut self,
        minute: EventTime,
        regions: &[String],
        writer: &mut impl Write,
    ) -> io::Result<()> {
        let today = local_date(minute, self.zone);
        while let Some(entry) = self.days.first_entry() {
            if *entry.key() >= today {
                break;
            }
            let (date, rows) = entry.remove_entry();
            write_day(date, &rows, regions, writer)?;
        }
        Ok(())
    }
}

fn write_day(
    date: NaiveDate,
    rows: &BTreeMap<(usize, usize), Bits>,
    regions: &[String],
    writer: &mut impl Write,
) -> io::Result<()> {
    let date = date.to_string();
    let mut line = |event_type: &str, region: &str, bits: &Bits| {
        let subscribers = bits.iter().map(|word| u64::from(word.count_ones())).sum();
        let date = date.clone();
        lines::write(writer, &Line::Day(DayLine { date, event_type, region, subscribers }))
    };
    let mut of_day = Bits::new();
    for (event_type, name) in TYPE_NAMES.into_iter().enumerate() {
        let mut of_type = Bits::new();
        for ((_, region), bits) in rows.range((event_type, 0)..(event_type + 1, 0)) {
            line(name, &regions[*region], bits)?;
            unite(&mut of_type, bits);
        }
        if !of_type.is_empty() {
            line(name, ALL, &of_type)?;
            unite(&mut of_day, &of_type);
        }
    }
    line(ALL, ALL, &of_day)
}

fn unite(all: &mut Bits, more: &Bits) {
    all.resize(more.len(), 0);
    for (word, more) in all.iter_mut().zip(more) {
        *word |= more;
    }
}
