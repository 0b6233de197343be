//! How many events would come late, at several watermark delays.
//!
//! In: events in the order in which they would be sent. Out: shares, as the contract judges: an event is late when its
//! minute ends at or before the highest event time before it in its partition, less the delay. Two answers: as these
//! files are read, and as it is when such files come every hour from several switches, one after the other: then all
//! that one switch brings of an hour may stand behind the last event of that hour.

use std::collections::BTreeMap;
use std::fmt;

use crate::event::MappedEvent;

/// The delays that are tried: seconds and their names.
pub const DELAYS: [(i64, &str); 5] =
    [(120, "2m"), (900, "15m"), (3_600, "1h"), (21_600, "6h"), (86_400, "24h")];
/// A share of late events that is recommended to be lived with.
const BEARABLE_SHARE: f64 = 0.001;
const MICROS: i64 = 1_000_000;
const MINUTE: i64 = 60 * MICROS;

/// Events by how late they would be.
#[derive(Clone, Debug)]
pub struct Lateness {
    /// The highest event time of each partition so far.
    highest: Vec<Option<i64>>,
    events: u64,
    seconds: i64,
    as_read: [Sum; DELAYS.len()],
    /// Events and seconds of each minute that has some.
    minutes: BTreeMap<i64, Sum>,
    /// The last event time of each hour that has some.
    hours: BTreeMap<i64, i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    events: u64,
    seconds: i64,
}

impl Sum {
    fn add(&mut self, events: u64, seconds: i64) {
        self.events += events;
        self.seconds += seconds;
    }
}

impl Lateness {
    /// Nothing yet, in a topic of so many partitions.
    pub fn new(partitions: u32) -> Self {
        Lateness {
            highest: vec![None; partitions.max(1) as usize],
            events: 0,
            seconds: 0,
            as_read: Default::default(),
            minutes: BTreeMap::new(),
            hours: BTreeMap::new(),
        }
    }

    /// The next event.
    pub fn add(&mut self, event: &MappedEvent) {
        let seconds = event.duration_seconds.unwrap_or(0);
        let partitions = self.highest.len() as u64;
        let partition = usize::try_from(event.subscriber.unwrap_or(0) % partitions).unwrap_or(0);
        let highest = &mut self.highest[partition];
        let minute = event.micros.div_euclid(MINUTE);
        for ((delay, _), sum) in DELAYS.iter().zip(&mut self.as_read) {
            let watermark = highest.map(|highest| highest - delay * MICROS);
            if watermark.is_some_and(|watermark| (minute + 1) * MINUTE <= watermark) {
                sum.add(1, seconds);
            }
        }
        *highest = (*highest).max(Some(event.micros));
        self.events += 1;
        self.seconds += seconds;
        self.minutes.entry(minute).or_default().add(1, seconds);
        let last = self.hours.entry(minute.div_euclid(60)).or_insert(event.micros);
        *last = event.micros.max(*last);
    }

    /// Late events of hourly files at a delay.
    fn hourly(&self, delay_seconds: i64) -> Sum {
        let mut sum = Sum::default();
        for (minute, of_minute) in &self.minutes {
            let last = self.hours.get(&minute.div_euclid(60)).copied().unwrap_or(i64::MIN);
            if (minute + 1) * MINUTE <= last - delay_seconds * MICROS {
                sum.add(of_minute.events, of_minute.seconds);
            }
        }
        sum
    }

    /// Shares of events that would be late, by delay: as read, and of hourly files.
    pub fn shares(&self) -> [(f64, f64); DELAYS.len()] {
        let share =
            |sum: Sum| if self.events == 0 { 0.0 } else { sum.events as f64 / self.events as f64 };
        std::array::from_fn(|index| {
            (share(self.as_read[index]), share(self.hourly(DELAYS[index].0)))
        })
    }

    /// The shortest delay at which hardly anything is late either way.
    pub fn recommended(&self) -> Option<&'static str> {
        let is_bearable =
            |(as_read, hourly): (f64, f64)| as_read <= BEARABLE_SHARE && hourly <= BEARABLE_SHARE;
        self.shares()
            .into_iter()
            .zip(DELAYS)
            .find(|(shares, _)| is_bearable(*shares))
            .map(|(_, (_, name))| name)
    }
}

impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { 100.0 * part / whole };
        writeln!(f, "Late events, and the share of their seconds, by watermark delay:")?;
        writeln!(f, "  delay   as these files are read    hourly files of several switches")?;
        for (index, (delay, name)) in DELAYS.iter().enumerate() {
            let (read, hourly) = (self.as_read[index], self.hourly(*delay));
            let events = |sum: Sum| percent(sum.events as f64, self.events as f64);
            let seconds = |sum: Sum| percent(sum.seconds as f64, self.seconds as f64);
            writeln!(
                f,
                "  {name:<5} {:>8.2} % ({:>6.2} % s) {:>15.2} % ({:>6.2} % s)",
                events(read),
                seconds(read),
                events(hourly),
                seconds(hourly)
            )?;
        }
        match self.recommended() {
            Some("2m") => {
                write!(f, "The delay of 2m, which is the default, is long enough for both.")
            }
            Some(name) => write!(
                f,
                "Recommended: `streamer settings set --watermark-delay {name}`; the day's run begins that much later, \
                 or counts late events too (INCLUDE_LATE)."
            ),
            None => write!(
                f,
                "No delay up to 24h is long enough: send the files in the order of their times, or count late events \
                 too (INCLUDE_LATE)."
            ),
        }
    }
}
