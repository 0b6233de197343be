//! What a pipeline must make of the records: the truth to compare it with.
//!
//! In: each record that was sent, and when. Out: lines (see `lines` for their form): for every minute,
//! type and region what is on time and what is late, with exact sums; dead letters by reason; distinct
//! subscribers by day; every fault and anomaly with its span and label.
//!
//! Whoever compares two things must not compute them by the same code. So this knows the rules from
//! docs/contract.md alone, and nothing of the streamer's crates: see tests/independence.rs.
//!
//! Keeps I-6 (boundedness): minutes and days to which nothing can come any more are written and
//! forgotten.

mod campaigns;
mod cases;
mod lines;
mod lives;
mod subscribers;

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use event_model::{DeadReason, Event, EventTime, MICROS_PER_SECOND};

use self::cases::Cases;
use self::lines::{
    AnomalyLine, DeadLine, End, FaultLine, Line, PartitionLine, RunLine, SumsLine, WindowLine,
};
use self::subscribers::Days;
use crate::arrivals::Source;
use crate::draft::Draft;
use crate::scenario::{TimeSpan, type_index};
use crate::schedule::{Schedule, ScheduledRecord, longest_delay_seconds};

/// A window's length.
const WINDOW_MICROS: i64 = 60 * MICROS_PER_SECOND;
/// The watermark is so far behind the highest event time.
const WATERMARK_DELAY_SECONDS: i64 = 120;
/// An event may be so far ahead of its sending.
const FUTURE_SKEW_SECONDS: i64 = 300;

/// Computes the truth while records are sent.
pub struct Truth<W: Write> {
    writer: W,
    /// After this time no event of a record can come that is not yet due.
    horizon_micros: i64,
    range: TimeSpan,
    regions: Vec<String>,
    partitions: Vec<Partition>,
    windows: BTreeMap<WindowKey, ExpectedWindow>,
    dead: BTreeMap<(EventTime, DeadReason), u64>,
    days: Days,
    /// The minute up to which all is written.
    written_to: EventTime,
    /// Subscribers whose wrong clock was told of.
    told_clocks: Vec<bool>,
    /// Events that each spike added.
    added: Vec<u64>,
    cases: Cases,
    /// Events that each campaign added, by region and local date of its zone.
    campaigns: BTreeMap<(NaiveDate, usize), u64>,
    scenario_zone: Tz,
}

/// Window start, index of type, index of region.
type WindowKey = (EventTime, usize, usize);

#[derive(Clone, Copy, Debug, Default)]
struct ExpectedWindow {
    on_time: Sums,
    late: Sums,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    events: u64,
    seconds: u64,
    hundredths_mb: u64,
    tenge: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Partition {
    on_time: u64,
    late: u64,
    dead: u64,
    max_event_time: Option<EventTime>,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    OnTime,
    Late,
    Dead(DeadReason),
}

impl<W: Write> Truth<W> {
    /// Begins to write. `zone` bounds the days.
    pub fn begin(mut writer: W, draft: &Draft, partitions: u32, zone: Tz) -> io::Result<Self> {
        let scenario = &draft.scenario;
        lines::write(
            &mut writer,
            &Line::Run(RunLine {
                version: lines::VERSION,
                scenario: &scenario.name,
                seed: draft.seed,
                from: draft.from.to_string(),
                to: draft.to.to_string(),
                partitions,
                watermark_delay_seconds: WATERMARK_DELAY_SECONDS,
                future_skew_seconds: FUTURE_SKEW_SECONDS,
                time_zone: zone.name(),
                world: scenario.world,
            }),
        )?;
        let everybody = scenario.subscribers + scenario.extra_subscribers() as u32;
        let behind = scenario.faults.skewed_clocks.map_or(0, |skew| -i64::from(skew.seconds.0));
        let delay = i64::from(longest_delay_seconds(&scenario.faults));
        Ok(Truth {
            writer,
            horizon_micros: (delay + behind.max(0)) * MICROS_PER_SECOND,
            range: draft.from..draft.to,
            regions: scenario.regions.iter().map(|region| region.name.clone()).collect(),
            partitions: vec![Partition::default(); partitions as usize],
            windows: BTreeMap::new(),
            dead: BTreeMap::new(),
            days: Days::new(zone, everybody),
            written_to: EventTime::MIN_ACCEPTED,
            told_clocks: vec![false; everybody as usize],
            cases: Cases::of(scenario),
            campaigns: BTreeMap::new(),
            scenario_zone: scenario.zone,
            added: vec![0; scenario.anomalies.len()],
        })
    }

    /// Takes a record into account that was sent at this time.
    pub fn observe(
        &mut self,
        record: &ScheduledRecord,
        event: &Event,
        sent_at: EventTime,
    ) -> io::Result<()> {
        let event_time = EventTime::from(event.timestamp);
        let partition = &mut self.partitions[record.partition as usize];
        let verdict = partition.verdict_on(record.fate.malformed, event_time, sent_at);
        let start = window_start(event_time);
        let region = self.regions.iter().position(|name| *name == event.region);
        let region = region.expect("every event is of one of the scenario's regions");
        let key = (start, type_index(event.event_type), region);
        match verdict {
            Verdict::OnTime => {
                self.windows.entry(key).or_default().on_time.add(event);
                self.days.add(start, key.1, key.2, record.occurrence.subscriber);
            }
            Verdict::Late => self.windows.entry(key).or_default().late.add(event),
            Verdict::Dead(reason) => *self.dead.entry((start, reason)).or_default() += 1,
        }
        if let Source::Spike(index) = record.occurrence.source
            && !record.is_copy
        {
            self.added[usize::from(index)] += 1;
        }
        if record.occurrence.source == Source::Campaign && !record.is_copy {
            let date = local_date(record.occurrence.time, self.scenario_zone);
            *self.campaigns.entry((date, region)).or_default() += 1;
        }
        if !record.is_copy {
            self.cases.observe(&record.occurrence, &event.subscriber_id);
        }
        self.tell_faults(record, event)?;
        self.write_up_to(record.due.plus_micros(-self.horizon_micros))
    }

    /// Writes what is left. `schedule` knows what was not sent.
    pub fn finish(mut self, schedule: &Schedule) -> io::Result<()> {
        self.write_up_to(EventTime::END_ACCEPTED.plus_micros(WINDOW_MICROS))?;
        self.tell_silences(schedule)?;
        self.tell_anomalies(schedule)?;
        let world = schedule.generator().world();
        campaigns::tell(world, &self.range, &self.campaigns, &mut self.writer)?;
        lives::tell(world, &self.range, &mut self.writer)?;
        self.cases.tell(&mut self.writer)?;
        let mut end = End::default();
        for (number, partition) in self.partitions.iter().enumerate() {
            let Partition { on_time, late, dead, max_event_time } = *partition;
            lines::write(
                &mut self.writer,
                &Line::Partition(PartitionLine {
                    partition: number,
                    on_time,
                    late,
                    dead,
                    max_event_time: max_event_time.map(|time| time.to_string()),
                }),
            )?;
            end.sent += on_time + late + dead;
            end.on_time += on_time;
            end.late += late;
            end.dead += dead;
        }
        lines::write(&mut self.writer, &Line::End(end))?;
        self.writer.flush()
    }

    /// Writes the minutes, and the days, that end before this time.
    fn write_up_to(&mut self, time: EventTime) -> io::Result<()> {
        let minute = window_start(time);
        if minute <= self.written_to {
            return Ok(());
        }
        self.written_to = minute;
        while let Some(entry) = self.windows.first_entry() {
            let (start, event_type, region) = *entry.key();
            if start.plus_micros(WINDOW_MICROS) > minute {
                break;
            }
            let ExpectedWindow { on_time, late } = entry.remove();
            lines::write(
                &mut self.writer,
                &Line::Window(WindowLine {
                    start: start.to_string(),
                    event_type: lines::TYPE_NAMES[event_type],
                    region: &self.regions[region],
                    on_time: SumsLine::from(on_time),
                    late: SumsLine::from(late),
                }),
            )?;
        }
        while let Some(entry) = self.dead.first_entry() {
            let (start, reason) = *entry.key();
            if start.plus_micros(WINDOW_MICROS) > minute {
                break;
            }
            let count = entry.remove();
            let line = DeadLine { start: start.to_string(), reason: reason.code(), count };
            lines::write(&mut self.writer, &Line::Dead(line))?;
        }
        self.days.write_up_to(minute, &self.regions, &mut self.writer)
    }

    fn tell_faults(&mut self, record: &ScheduledRecord, event: &Event) -> io::Result<()> {
        let fate = record.fate;
        let subscriber = record.occurrence.subscriber as usize;
        let happened = record.occurrence.time.to_string();
        let base = || FaultLine {
            from: happened.clone(),
            to: record.due.to_string(),
            event_id: Some(&event.event_id),
            subscriber_id: Some(&event.subscriber_id),
            partition: Some(record.partition),
            ..FaultLine::default()
        };
        let mut told = Vec::new();
        if record.is_copy {
            let seconds = fate.copied_after_seconds.map(i64::from);
            told.push(FaultLine { label: "duplicate", seconds, ..base() });
        } else if let Some(late) = fate.late_seconds {
            told.push(FaultLine { label: "late", seconds: Some(late.into()), ..base() });
        } else if let Some(seconds) = fate.out_of_order_seconds {
            told.push(FaultLine { label: "out_of_order", seconds: Some(seconds.into()), ..base() });
        }
        if let Some(reason) = fate.malformed {
            told.push(FaultLine { label: "malformed", reason: Some(reason.code()), ..base() });
        }
        if fate.skew_seconds != 0 && !self.told_clocks[subscriber] {
            self.told_clocks[subscriber] = true;
            told.push(FaultLine {
                label: "skewed_clock",
                from: self.range.start.to_string(),
                to: self.range.end.to_string(),
                seconds: Some(fate.skew_seconds.into()),
                subscriber_id: Some(&event.subscriber_id),
                ..FaultLine::default()
            });
        }
        told.into_iter().try_for_each(|line| lines::write(&mut self.writer, &Line::Fault(line)))
    }

    fn tell_silences(&mut self, schedule: &Schedule) -> io::Result<()> {
        let faults = &schedule.generator().world().scenario.faults;
        let span = |span: &TimeSpan| (span.start.to_string(), span.end.to_string());
        for (silence, withheld) in faults.silent_regions.iter().zip(schedule.generator().withheld())
        {
            let (from, to) = span(&silence.span);
            lines::write(
                &mut self.writer,
                &Line::Fault(FaultLine {
                    label: "silent_region",
                    from,
                    to,
                    region: Some(&self.regions[silence.region]),
                    withheld: Some(*withheld),
                    ..FaultLine::default()
                }),
            )?;
        }
        for (silence, withheld) in faults.silent_partitions.iter().zip(schedule.withheld()) {
            let (from, to) = span(&silence.span);
            lines::write(
                &mut self.writer,
                &Line::Fault(FaultLine {
                    label: "silent_partition",
                    from,
                    to,
                    partition: Some(silence.partition),
                    withheld: Some(*withheld),
                    ..FaultLine::default()
                }),
            )?;
        }
        Ok(())
    }

    fn tell_anomalies(&mut self, schedule: &Schedule) -> io::Result<()> {
        let anomalies = &schedule.generator().world().scenario.anomalies;
        for (index, anomaly) in anomalies.iter().enumerate() {
            lines::write(
                &mut self.writer,
                &Line::Anomaly(AnomalyLine {
                    label: &anomaly.label,
                    name: &anomaly.name,
                    from: anomaly.span.start.to_string(),
                    to: anomaly.span.end.to_string(),
                    region: anomaly.region.map(|region| self.regions[region].as_str()),
                    event_type: anomaly.event_type.map(|of| lines::TYPE_NAMES[type_index(of)]),
                    subscribers: None,
                    magnitude: anomaly.magnitude,
                    added: self.added[index],
                    removed: schedule.generator().dropped()[index],
                }),
            )?;
        }
        Ok(())
    }
}

impl Partition {
    /// What becomes of the partition's next record.
    fn verdict_on(
        &mut self,
        malformed: Option<DeadReason>,
        event_time: EventTime,
        sent_at: EventTime,
    ) -> Verdict {
        let latest = sent_at.plus_micros(FUTURE_SKEW_SECONDS * MICROS_PER_SECOND);
        let reason = malformed.or((event_time > latest).then_some(DeadReason::TimestampInFuture));
        if let Some(reason) = reason {
            self.dead += 1;
            return Verdict::Dead(reason);
        }
        // The records before this one decide; then it moves the watermark itself.
        let watermark = self
            .max_event_time
            .map(|time| time.plus_micros(-WATERMARK_DELAY_SECONDS * MICROS_PER_SECOND));
        let window_end = window_start(event_time).plus_micros(WINDOW_MICROS);
        self.max_event_time = self.max_event_time.max(Some(event_time));
        if watermark.is_some_and(|watermark| window_end <= watermark) {
            self.late += 1;
            Verdict::Late
        } else {
            self.on_time += 1;
            Verdict::OnTime
        }
    }
}

impl Sums {
    fn add(&mut self, event: &Event) {
        self.events += 1;
        self.seconds += u64::from(event.duration_seconds.unwrap_or(0));
        self.hundredths_mb += u64::from(event.data_hundredths_mb.unwrap_or(0));
        self.tenge += u64::from(event.amount.unwrap_or(0));
    }
}

fn window_start(time: EventTime) -> EventTime {
    EventTime::from_micros(time.micros() - time.micros().rem_euclid(WINDOW_MICROS))
}

/// The local date of an instant.
fn local_date(time: EventTime, zone: Tz) -> NaiveDate {
    let utc: DateTime<Utc> = DateTime::from_timestamp_micros(time.micros()).unwrap_or_default();
    utc.with_timezone(&zone).date_naive()
}

#[cfg(test)]
mod tests;
