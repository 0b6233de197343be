//! What is sent, and when: the generator's events, with the scenario's faults on the way.
//!
//! In: a [`Draft`]. Out: [`ScheduledRecord`]s, ascending in the time at which they are due. Without faults an event
//! is due when it happens. Each fault draws from a stream of its own, so one that is switched on
//! changes neither the events nor the other faults.
//!
//! ```text
//!   generator ──► event ──► its fate ──┬────────────────────────► record
//!                                      └─ late, or a copy ─► waiting ─► drawn again ─► record
//! ```
//!
//! A range of time means what is *due* in it: a late event of 11:59 that is due at 12:05 belongs to a run
//! from 12:00 on. So ranges that meet still give together the records of the whole. To that end the
//! generator begins as long before the range as anything can be late.
//!
//! Keeps I-6 (boundedness): what waits is 72 bytes a record, and nothing waits for longer than the
//! scenario's greatest delays.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use chrono::TimeDelta;
use event_model::{DeadReason, Event, EventTime, MICROS_PER_SECOND};

use crate::arrivals::Occurrence;
use crate::draft::Draft;
use crate::generator::{Generator, empty_event};
use crate::malformed;
use crate::random::{Purpose, Streams, unit};
use crate::scenario::{Delay, Faults, SkewedClocks};

/// One thing to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScheduledRecord {
    /// When it is sent.
    pub due: EventTime,
    /// What it tells of.
    pub occurrence: Occurrence,
    /// What went wrong on purpose.
    pub fate: Fate,
    /// Whether it is the second of two.
    pub is_copy: bool,
    /// The partition that its key leads to.
    pub partition: u32,
    /// Whether it has a payload.
    pub has_payload: bool,
}

/// What goes wrong with an event. By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fate {
    /// It is sent so many seconds after it happened, as a late one.
    pub late_seconds: Option<u32>,
    /// It is sent so many seconds after it happened, behind some that happened later.
    pub out_of_order_seconds: Option<u32>,
    /// It is sent once more, so many seconds after the first time.
    pub copied_after_seconds: Option<u32>,
    /// It arrives unusable.
    pub malformed: Option<DeadReason>,
    /// The subscriber's clock is ahead by so many seconds.
    pub skew_seconds: i32,
}

/// A record that waits, in the order in which records are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: EventTime,
    occurrence: Occurrence,
    is_copy: bool,
    fate: Fate,
}

/// Hands out records.
#[derive(Debug)]
pub struct Schedule {
    generator: Generator,
    faults: Faults,
    has_faults: bool,
    from: EventTime,
    to: EventTime,
    partitions: u32,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// The generator's next event, which has not had its turn.
    ahead: Option<Occurrence>,
    ahead_event: Event,
    /// The record's event as it is sent, unless it is malformed.
    event: Event,
    /// Records that each silent partition kept back so far.
    withheld: Vec<u64>,
}

impl Schedule {
    /// The records of a draft, for a topic of so many partitions.
    pub fn new(draft: &Draft, partitions: u32) -> Self {
        let faults = draft.scenario.faults.clone();
        let mut earlier = draft.clone();
        let lookback = i64::from(longest_delay_seconds(&faults)) * MICROS_PER_SECOND;
        earlier.from = draft.from.plus_micros(-lookback);
        Schedule {
            generator: Generator::counting_from(&earlier, draft.from),
            has_faults: has_faults_of_records(&faults),
            withheld: vec![0; faults.silent_partitions.len()],
            faults,
            from: draft.from,
            to: draft.to,
            partitions,
            waiting: BinaryHeap::new(),
            ahead: None,
            ahead_event: empty_event(),
            event: empty_event(),
        }
    }

    /// The next record, its payload put into `payload`; `None`: there are no more.
    pub fn next(&mut self, payload: &mut Vec<u8>) -> Option<ScheduledRecord> {
        loop {
            let mut record = self.next_of_any_time()?;
            if record.due >= self.to {
                return None;
            }
            if record.due < self.from || self.is_withheld(&record) {
                continue;
            }
            payload.clear();
            record.has_payload = match record.fate.malformed {
                None => {
                    self.event.encode(payload);
                    true
                }
                Some(reason) => {
                    let at = self.generator.world().streams.at(record.occurrence.time.micros());
                    let Occurrence { source, subscriber, .. } = record.occurrence;
                    let mut dice = at.open(Purpose::Malformed, source.code() + 256, subscriber);
                    malformed::write(reason, &self.event, &mut dice, payload)
                }
            };
            return Some(record);
        }
    }

    /// The event of the last record, with the time that its sender's clock shows.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The generator, for what it has counted.
    pub(crate) fn generator(&self) -> &Generator {
        &self.generator
    }

    /// Records that each silent partition kept back so far.
    pub(crate) fn withheld(&self) -> &[u64] {
        &self.withheld
    }

    fn next_of_any_time(&mut self) -> Option<ScheduledRecord> {
        if !self.has_faults {
            // Nothing ever waits.
            let occurrence = self.generator.next_into(&mut self.event)?;
            return Some(self.record(occurrence.time, occurrence, Fate::default(), false));
        }
        loop {
            if self.ahead.is_none() {
                self.ahead = self.generator.next_into(&mut self.ahead_event);
            }
            if let Some(Reverse(first)) = self.waiting.peek()
                && self.ahead.is_none_or(|ahead| first.due <= ahead.time)
            {
                let Reverse(Waiting { due, occurrence, is_copy, fate }) = self.waiting.pop()?;
                self.generator.draw_again(occurrence, &mut self.event);
                return Some(self.record(due, occurrence, fate, is_copy));
            }
            let occurrence = self.ahead.take()?;
            std::mem::swap(&mut self.event, &mut self.ahead_event);
            let fate = self.fate_of(occurrence);
            let delay = fate.late_seconds.or(fate.out_of_order_seconds).unwrap_or(0);
            let due = after_seconds(occurrence.time, delay);
            if let Some(seconds) = fate.copied_after_seconds {
                self.hold(after_seconds(due, seconds), occurrence, fate, true);
            }
            if delay == 0 {
                return Some(self.record(due, occurrence, fate, false));
            }
            self.hold(due, occurrence, fate, false);
        }
    }

    fn hold(&mut self, due: EventTime, occurrence: Occurrence, fate: Fate, is_copy: bool) {
        self.waiting.push(Reverse(Waiting { due, occurrence, is_copy, fate }));
    }

    fn record(
        &mut self,
        due: EventTime,
        occurrence: Occurrence,
        fate: Fate,
        is_copy: bool,
    ) -> ScheduledRecord {
        self.event.timestamp += TimeDelta::seconds(i64::from(fate.skew_seconds));
        let partition = partition_of(&self.event.subscriber_id, self.partitions);
        ScheduledRecord { due, occurrence, fate, is_copy, partition, has_payload: true }
    }

    fn is_withheld(&mut self, record: &ScheduledRecord) -> bool {
        for (index, silence) in self.faults.silent_partitions.iter().enumerate() {
            if silence.partition == record.partition && silence.span.contains(&record.due) {
                self.withheld[index] += 1;
                return true;
            }
        }
        false
    }

    fn fate_of(&self, occurrence: Occurrence) -> Fate {
        let streams = self.generator.world().streams;
        let at = streams.at(occurrence.time.micros());
        let Occurrence { source, subscriber, .. } = occurrence;
        let code = source.code();
        let happens =
            |share: f64, purpose: Purpose| unit(at.first_bits(purpose, code, subscriber)) < share;
        let seconds = |delay: &Option<Delay>, purpose: Purpose| {
            let delay = delay.as_ref().filter(|delay| happens(delay.share, purpose))?;
            let mut dice = at.open(purpose, code, subscriber);
            Some(dice.within(&(delay.seconds.0..=delay.seconds.1)))
        };
        let Faults { late, out_of_order, duplicate, malformed, skewed_clocks, .. } = &self.faults;
        let malformed =
            malformed.as_ref().filter(|malformed| happens(malformed.share, Purpose::Malformed));
        Fate {
            late_seconds: seconds(late, Purpose::Late),
            out_of_order_seconds: seconds(out_of_order, Purpose::OutOfOrder),
            copied_after_seconds: seconds(duplicate, Purpose::Duplicate),
            malformed: malformed.map(|malformed| {
                at.open(Purpose::Malformed, code, subscriber).one_of(&malformed.reasons)
            }),
            skew_seconds: skewed_clocks.map_or(0, |skew| skew_of(skew, streams, subscriber)),
        }
    }
}

/// How far a subscriber's clock is ahead: always the same.
fn skew_of(skew: SkewedClocks, streams: Streams, subscriber: u32) -> i32 {
    let at = streams.at(0);
    if unit(at.first_bits(Purpose::Clock, 0, subscriber)) >= skew.share {
        return 0;
    }
    let (least, most) = skew.seconds;
    let mut dice = at.open(Purpose::Clock, 0, subscriber);
    least + dice.below(u64::from(most.abs_diff(least)) + 1) as i32
}

/// The longest time between an event and its sending.
pub fn longest_delay_seconds(faults: &Faults) -> u32 {
    let most = |delay: &Option<Delay>| delay.map_or(0, |delay| delay.seconds.1);
    most(&faults.late).max(most(&faults.out_of_order)) + most(&faults.duplicate)
}

fn has_faults_of_records(faults: &Faults) -> bool {
    let Faults { late, out_of_order, duplicate, malformed, skewed_clocks, .. } = faults;
    late.is_some()
        || out_of_order.is_some()
        || duplicate.is_some()
        || malformed.is_some()
        || skewed_clocks.is_some()
}

fn after_seconds(time: EventTime, seconds: u32) -> EventTime {
    time.plus_micros(i64::from(seconds) * MICROS_PER_SECOND)
}

/// The partition to which librdkafka's default partitioner leads a key: CRC-32, modulo their number.
pub(crate) fn partition_of(key: &str, partitions: u32) -> u32 {
    crc32fast::hash(key.as_bytes()) % partitions
}

#[cfg(test)]
mod tests;
