//! What may be compared, and what differs: pure functions of what both databases say.
//!
//! A quarter of an hour is *settled* in a partition once both sides have counted all of it that came in time. A side is
//! behind as long as its watermark is lower than the other's: then as far as the lower one, which proves that everything
//! before it has come, because a mirror keeps the order of a partition. With equal watermarks both have met the same
//! events, and `complete_through` says how far they are complete, also where nothing comes any more.
//!
//! Lateness may differ between the sides, whose settings may; so on time and late are compared together. Late events are
//! added to quarters that were settled long ago, on one side before the other.

use std::collections::{BTreeMap, VecDeque};

use chrono::{NaiveDateTime, TimeDelta};
use sqlx::FromRow;
use store::DIFFERENCES_LISTED_MAX;

const QUARTER: TimeDelta = TimeDelta::minutes(15);

/// What a database knows of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub struct Known {
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// How far event time has come, in the newest life.
    pub watermark: Option<NaiveDateTime>,
    /// Up to here no event in time can come any more.
    pub complete_through: Option<NaiveDateTime>,
    /// When the last record that was read had been written.
    pub last_record_at: Option<NaiveDateTime>,
    /// Events that were counted, on time or late, in all lives.
    pub events: i64,
}

/// What one side has counted of a partition's quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct Quarter {
    /// Its start, UTC.
    pub quarter_start: NaiveDateTime,
    /// Kafka's number of the partition.
    pub partition: i32,
    /// Events in time.
    pub on_time: i64,
    /// Events whose minute had closed.
    pub late: i64,
}

impl Quarter {
    pub(super) fn key(&self) -> (NaiveDateTime, i32) {
        (self.quarter_start, self.partition)
    }

    fn events(&self) -> i64 {
        self.on_time + self.late
    }
}

/// The same quarter of the same partition on both sides; a side that has counted nothing has zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What the other database says.
    pub theirs: Quarter,
    /// What this one says.
    pub ours: Quarter,
}

/// Takes the next quarter from two sorted queues; `None` when both are empty. A queue that is empty must have no more to come.
pub(super) fn next_pair(
    theirs: &mut VecDeque<Quarter>,
    ours: &mut VecDeque<Quarter>,
) -> Option<Pair> {
    let (their_key, our_key) = (theirs.front().map(Quarter::key), ours.front().map(Quarter::key));
    let key = [their_key, our_key].into_iter().flatten().min()?;
    let take = |queue: &mut VecDeque<Quarter>| {
        let nothing = Quarter { quarter_start: key.0, partition: key.1, on_time: 0, late: 0 };
        queue.pop_front_if(|row| row.key() == key).unwrap_or(nothing)
    };
    Some(Pair { theirs: take(theirs), ours: take(ours) })
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Events of a quarter of an hour.
    Quarter {
        /// Its start, UTC.
        start: NaiveDateTime,
        /// As many in time on both sides: what differs came late, and may still be on its way.
        is_late_alone: bool,
    },
    /// Dead letters.
    DeadLetters,
    /// All events of a partition, of which one side has none.
    Partition,
}

/// A number that is not the same on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Kafka's number of the partition.
    pub partition: i32,
    /// What was counted.
    pub what: What,
    /// How many the other database has.
    pub theirs: i64,
    /// How many this one has.
    pub ours: i64,
}

/// How far a partition can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Quarters that end by then; `None`: nothing yet.
    through: Option<NaiveDateTime>,
    /// Dead letters of records from before; `None`: some side has read no record that says when it was written.
    letters_before: Option<NaiveDateTime>,
}

/// What was compared, and what differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    pub(super) settled: BTreeMap<i32, Settled>,
    /// Partitions of which something was compared.
    pub compared: Vec<i32>,
    /// Partitions with events of which nothing can be compared yet.
    pub not_yet: Vec<i32>,
    /// Partitions with events that are not settled up to the time that was asked for.
    pub open: Vec<i32>,
    /// Quarters of an hour, of whatever partition.
    pub quarters: u64,
    pub(super) last_quarter: Option<NaiveDateTime>,
    /// Events of these quarters there, and here.
    pub events: (i64, i64),
    /// Dead letters that were compared there, and here.
    pub letters: (i64, i64),
    /// The first differences, at most [`DIFFERENCES_LISTED_MAX`].
    pub listed: Vec<Difference>,
    /// All differences.
    pub total: u64,
    /// What is missing here, in all differences.
    pub skipped: i64,
    /// What is here and not there, in all differences.
    pub doubled: i64,
    /// Differences in late events alone.
    pub late_alone: u64,
}

impl Comparison {
    /// Judges what can be compared of the partitions of two sides, each in order; and whether that is all up to a time.
    pub fn new(theirs: &[Known], ours: &[Known], until: Option<NaiveDateTime>) -> Self {
        let mut comparison = Comparison::default();
        let mut sides: BTreeMap<i32, (Option<&Known>, Option<&Known>)> = BTreeMap::new();
        for known in theirs {
            sides.entry(known.partition).or_default().0 = Some(known);
        }
        for known in ours {
            sides.entry(known.partition).or_default().1 = Some(known);
        }
        for (partition, (theirs, ours)) in sides {
            let [their_events, our_events] =
                [theirs, ours].map(|known| known.map_or(0, |known| known.events));
            if (their_events == 0) != (our_events == 0) {
                let what = What::Partition;
                let difference =
                    Difference { partition, what, theirs: their_events, ours: our_events };
                comparison.differs(difference);
                continue;
            }
            let settled = match (theirs, ours) {
                (Some(theirs), Some(ours)) => settled(theirs, ours),
                _ => Settled::default(),
            };
            if settled.through.is_none() && their_events > 0 {
                comparison.not_yet.push(partition);
            }
            let is_open = |until| settled.through.is_none_or(|through| through < until);
            if their_events > 0 && until.is_some_and(is_open) {
                comparison.open.push(partition);
            }
            comparison.settled.insert(partition, settled);
        }
        comparison
    }

    /// The partition that holds the others back, and up to when its quarters can be compared.
    pub fn through(&self) -> Option<(i32, NaiveDateTime)> {
        let compared = self.compared.iter();
        let through = |partition: &i32| Some((*partition, self.settled.get(partition)?.through?));
        compared.filter_map(through).min_by_key(|(_, through)| *through)
    }

    /// Partitions whose dead letters can be compared, each with the time before which.
    pub(super) fn letters_before(&self, until: NaiveDateTime) -> Vec<(i32, NaiveDateTime)> {
        let before = |(partition, settled): (&i32, &Settled)| {
            Some((*partition, settled.letters_before?.min(until)))
        };
        self.settled.iter().filter_map(before).collect()
    }

    /// Compares a quarter, if it is settled. Quarters come in their order.
    pub fn quarter(&mut self, pair: Pair) {
        let Pair { theirs, ours } = pair;
        let Quarter { quarter_start: start, partition, .. } = theirs;
        let through = self.settled.get(&partition).and_then(|settled| settled.through);
        if through.is_none_or(|through| start + QUARTER > through) {
            return;
        }
        if self.last_quarter.replace(start) != Some(start) {
            self.quarters += 1;
        }
        if let Err(place) = self.compared.binary_search(&partition) {
            self.compared.insert(place, partition);
        }
        let (there, here) = (theirs.events(), ours.events());
        self.events = (self.events.0 + there, self.events.1 + here);
        if there != here {
            let is_late_alone = theirs.on_time == ours.on_time;
            self.late_alone += u64::from(is_late_alone);
            let what = What::Quarter { start, is_late_alone };
            self.differs(Difference { partition, what, theirs: there, ours: here });
        }
    }

    /// Compares the dead letters of a partition.
    pub fn dead_letters(&mut self, partition: i32, theirs: i64, ours: i64) {
        self.letters = (self.letters.0 + theirs, self.letters.1 + ours);
        if theirs != ours {
            self.differs(Difference { partition, what: What::DeadLetters, theirs, ours });
        }
    }

    /// Whether nothing differs, and nothing that was asked for is still open.
    pub fn is_equal(&self) -> bool {
        self.total == 0 && self.open.is_empty()
    }

    /// Whether there was nothing to compare: then nothing is known to be equal.
    pub fn is_empty(&self) -> bool {
        self.quarters == 0 && self.letters == (0, 0) && self.total == 0
    }

    /// The reason, for an operator.
    pub(super) fn why_nothing(&self) -> String {
        if self.settled.values().any(|settled| settled.through.is_some()) {
            return "no event of a quarter of an hour that both have counted to its end lies in the time that is \
                    asked for"
                .to_owned();
        }
        if self.not_yet.is_empty() {
            return "neither has counted an event".to_owned();
        }
        "in no partition have both counted to the end of any time yet: has the mirror begun, and do both streamers \
         run?"
            .to_owned()
    }

    fn differs(&mut self, difference: Difference) {
        self.total += 1;
        self.skipped += (difference.theirs - difference.ours).max(0);
        self.doubled += (difference.ours - difference.theirs).max(0);
        if self.listed.len() < DIFFERENCES_LISTED_MAX {
            self.listed.push(difference);
        }
    }
}

/// How far two sides of a partition can be compared: see the head of this file.
fn settled(theirs: &Known, ours: &Known) -> Settled {
    let lower = |theirs: Option<NaiveDateTime>, ours: Option<NaiveDateTime>| {
        theirs.zip(ours).map(|(theirs, ours)| theirs.min(ours))
    };
    let through = if theirs.watermark == ours.watermark {
        lower(theirs.complete_through, ours.complete_through)
    } else {
        lower(theirs.watermark, ours.watermark)
    };
    Settled { through, letters_before: lower(theirs.last_record_at, ours.last_record_at) }
}

#[cfg(test)]
mod tests;
