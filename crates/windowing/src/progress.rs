//! How far a partition is read, and what became of its records: the part of a `stream_progress`
//! row that the core needs.

use std::fmt;

use chrono_tz::Tz;
use event_model::EventTime;

/// The next offset to read of one partition. Never the last one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(i64);

impl Position {
    /// Reading goes on at `offset`.
    pub const fn at(offset: i64) -> Self {
        Position(offset)
    }

    /// Reading goes on after the record at `offset`.
    pub const fn after(offset: i64) -> Self {
        Position(offset + 1)
    }

    /// The offset that is read next.
    pub const fn offset(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What became of the offsets between the first one and the position (I-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Counted in `real_time_metrics`.
    pub on_time: i64,
    /// Counted in `late_metrics`.
    pub late: i64,
    /// Kept in `dead_letters`.
    pub dead: i64,
    /// Accepted as lost by an operator.
    pub gap: i64,
    /// Never held a record for us.
    pub skipped: i64,
}

impl Counters {
    /// All offsets accounted for.
    pub const fn sum(&self) -> i64 {
        self.on_time + self.late + self.dead + self.gap + self.skipped
    }
}

/// What we remember of one record, to recognise the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Kafka's offset of the record.
    pub offset: i64,
    /// Its record timestamp in milliseconds since 1970, where it has one.
    pub timestamp_ms: Option<i64>,
    /// CRC-32 (IEEE) of its key, then its payload.
    pub crc: u32,
}

/// The two ends of a partition's log, as a broker told them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnds {
    /// Offset of the oldest record kept.
    pub low: Position,
    /// The last stable offset: where the oldest transaction that is still open begins, or `high`. A reader of
    /// committed records is shown nothing from here on, so reading is judged by it.
    pub stable: Position,
    /// The high watermark: offset that the next record will get. What is still to be counted reaches to it.
    pub high: Position,
    /// The clock before the broker was asked.
    pub asked_at: EventTime,
}

/// An end of the log that the position has yet to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwaitedEnd {
    /// What the broker said when it was asked for the first time since the one before was reached.
    pub ends: LogEnds,
    /// When the broker was asked last before a flush of the partition was stored.
    pub looked_at: EventTime,
}

/// What decides whether a record is on time, late or dead, and to which day it belongs; the same for
/// every worker, because it is read from the database together with the position (I-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How far the watermark stays behind the highest event time.
    pub watermark_delay_micros: i64,
    /// How far an event may be ahead of its record.
    pub max_future_skew_micros: i64,
    /// The zone whose midnights bound the days by which subscribers are counted.
    pub business_timezone: Tz,
}

/// How far event times are from their records' times, over all events of a generation that can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeSkew {
    /// The furthest that an event was ahead of its record, milliseconds; also of one that was refused for
    /// that, where the clock counts if it is behind the record.
    pub max_ahead_ms: i64,
    /// The furthest that an event was behind its record, milliseconds.
    pub max_behind_ms: i64,
    /// Sum over the events that were behind, milliseconds.
    pub sum_behind_ms: i128,
}

impl TimeSkew {
    /// Takes one event in.
    pub(crate) fn note(&mut self, event_time: EventTime, record_time: EventTime) {
        let behind_ms = record_time.micros().saturating_sub(event_time.micros()) / 1_000;
        if behind_ms < 0 {
            self.max_ahead_ms = self.max_ahead_ms.max(-behind_ms);
        } else {
            self.max_behind_ms = self.max_behind_ms.max(behind_ms);
            self.sum_behind_ms += i128::from(behind_ms);
        }
    }

    /// Takes in an event that is refused because it lies too far ahead.
    pub(crate) fn note_refused(&mut self, event_time: EventTime, reference: EventTime) {
        let ahead_ms = event_time.micros().saturating_sub(reference.micros()) / 1_000;
        self.max_ahead_ms = self.max_ahead_ms.max(ahead_ms);
    }
}

/// One partition's stored state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which life of the topic.
    pub generation: i32,
    /// Where we began.
    pub first: Position,
    /// Where reading goes on.
    pub next: Position,
    /// Rises when deltas made before must not be stored any more.
    pub epoch: i64,
    /// Never goes back (I-4).
    pub watermark: Option<EventTime>,
    /// Highest event time accepted.
    pub max_event_time: Option<EventTime>,
    /// What became of the records.
    pub counters: Counters,
    /// The last record read.
    pub fingerprint: Option<Fingerprint>,
    /// The first record read.
    pub origin: Option<Fingerprint>,
    /// Highest end of the log ever seen.
    pub log_end_seen: Option<Position>,
    /// Everything that the log held at this time stands before `next`, open transactions included.
    pub caught_up_at: Option<EventTime>,
    /// Why the partition waits for an operator.
    pub halted_reason: Option<String>,
    /// How far event times are from record times.
    pub skew: TimeSkew,
    /// Up to here rules were judged, or a gap says that they were not. Behind `next`: a program that judges no
    /// rules has moved the position. `None`: rules were never on.
    pub patterns_through: Option<Position>,
}

impl Progress {
    /// A partition that is read from `first` on.
    pub fn starting_at(first: Position) -> Self {
        Progress {
            generation: 0,
            first,
            next: first,
            epoch: 0,
            watermark: None,
            max_event_time: None,
            counters: Counters::default(),
            fingerprint: None,
            origin: None,
            log_end_seen: None,
            caught_up_at: None,
            halted_reason: None,
            skew: TimeSkew::default(),
            patterns_through: None,
        }
    }

    /// Whether every offset before the position is accounted for (I-1).
    pub fn is_accounted(&self) -> bool {
        self.next.offset() - self.first.offset() == self.counters.sum()
    }

    /// Takes in what the broker said of the log's ends: just now, and when the end was one that the
    /// position had yet to reach. The latter counts where there is always something unread, as behind a
    /// sender that opens one transaction after the other.
    pub(crate) fn note_log_ends(&mut self, ends: Option<&LogEnds>, awaited: Option<&LogEnds>) {
        // Everything that the log held when the broker was asked has been read.
        let reached = awaited.filter(|awaited| self.next >= awaited.high);
        let at_end = ends.filter(|ends| self.next == ends.high);
        for ends in [reached, at_end].into_iter().flatten() {
            self.caught_up_at = self.caught_up_at.max(Some(ends.asked_at));
        }
        self.log_end_seen = self.log_end_seen.max(ends.map(|ends| ends.high));
    }
}
