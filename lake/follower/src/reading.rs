//! One partition being read: from the lake's mark to the warehouse's last record.
//!
//! ```text
//!        mark        position                     last      to
//!   ──────┼─────────────┼───────────────────────────┼────────┼──────► offsets
//!    compared, dropped  │  taken: event, or dead     │ compared and taken
//!                                    control records between last and to are never shown
//! ```
//!
//! Both ends must be the records that the two sides remember: the mark says that the log is the one that the lake
//! has archived, the last record that it is the one that the warehouse has counted. What stood between is counted,
//! and must come to what the warehouse has counted there, event by event and dead letter by dead letter.

use event_model::EventTime;
use windowing::{Position, Record, fingerprint_of};

use crate::halt::{Halt, Passing, Trouble, counts_differ};
use crate::{Counted, Mark, Reached, Task};

/// What is to be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Ignored,
    /// It is one of those that are archived: decode it, ask [`Reading::is_dead_letter`], and say what it was by
    /// [`Reading::count`].
    Taken,
}

/// A task under way.
#[derive(Clone, Debug)]
pub struct Reading {
    task: Task,
    /// Where the log began when this was begun.
    low: Position,
    /// Offsets of the range's dead letters that the warehouse has, in order, and how many are behind us.
    letters: Vec<i64>,
    letters_passed: usize,
    /// Some have been deleted: what the future guard has refused is judged once more.
    max_future_skew_micros: Option<i64>,
    found: Counted,
    /// The next offset.
    at: Position,
    has_met_mark: bool,
    has_met_last: bool,
    trouble: Option<Trouble>,
}

impl Reading {
    /// Begins. `letters`: the offsets of the dead letters in the range, in order; `low`: where the log begins;
    /// `max_future_skew_micros`: how far an event may be ahead of its record.
    pub fn begin(
        task: Task,
        letters: Vec<i64>,
        low: Position,
        max_future_skew_micros: i64,
    ) -> Self {
        let letters_found = i64::try_from(letters.len()).unwrap_or(i64::MAX);
        // Where the counters are not known, nothing tells that a letter was deleted, so it is assumed.
        let are_some_deleted = task.expected().is_none_or(|expected| letters_found < expected.dead);
        // A mark that retention has removed can't be compared.
        let mark = task.from.mark.filter(|mark| mark.offset >= low.offset());
        let at = mark.map_or(task.from.position.max(low), |mark| Position::at(mark.offset));
        let mut reading = Reading {
            low,
            letters,
            letters_passed: 0,
            max_future_skew_micros: are_some_deleted.then_some(max_future_skew_micros),
            found: Counted::default(),
            at,
            has_met_mark: mark.is_none(),
            has_met_last: false,
            trouble: None,
            task,
        };
        if reading.task.last.offset < low.offset() {
            reading.stop_early(low);
        }
        reading
    }

    /// Which partition's generation this is.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Where reading begins.
    pub fn begins_at(&self) -> Position {
        self.at
    }

    /// The next offset.
    pub fn at(&self) -> Position {
        self.at
    }

    /// What was taken so far.
    pub fn found(&self) -> Counted {
        self.found
    }

    /// Whether nothing more is needed.
    pub fn is_done(&self) -> bool {
        self.has_met_last || self.trouble.is_some()
    }

    /// Takes a record in, in the order of the log.
    pub fn see(&mut self, record: &Record<'_>) -> Seen {
        if self.is_done() || record.offset < self.at.offset() {
            return Seen::Ignored;
        }
        self.at = Position::after(record.offset);
        if !self.has_met_mark {
            self.compare_mark(record);
        }
        if self.is_done() || record.offset < self.task.from.position.offset() {
            return Seen::Ignored;
        }
        let last = self.task.last;
        if record.offset < last.offset {
            return Seen::Taken;
        }
        if record.offset > last.offset || fingerprint_of(record) != last {
            let passing = Passing::LastRecordMissing { offset: last.offset };
            self.trouble = Some(Trouble::Passing(passing));
            return Seen::Ignored;
        }
        self.has_met_last = true;
        Seen::Taken
    }

    /// Says that the log has nothing before this offset that was not seen. Only the end of a log that is shorter
    /// than the warehouse remembers matters.
    pub fn see_end(&mut self, end: Position) {
        if !self.is_done() && end >= self.at && end.offset() > self.task.last.offset {
            self.stop_early(end);
        }
    }

    /// Gives up: nothing came for too long.
    pub fn give_up(&mut self) {
        let at = self.at;
        self.trouble.get_or_insert(Trouble::Passing(Passing::Silent { at }));
    }

    /// Whether a record that was just taken is a dead letter by the warehouse's judgement, or would be by its
    /// rule where the letter may have been deleted. Whether its payload can be read at all is asked elsewhere.
    pub fn is_dead_letter(&mut self, record: &Record<'_>, event_time: Option<EventTime>) -> bool {
        while self.letters.get(self.letters_passed).is_some_and(|letter| *letter < record.offset) {
            self.letters_passed += 1;
        }
        if self.letters.get(self.letters_passed) == Some(&record.offset) {
            return true;
        }
        let Some(skew) = self.max_future_skew_micros else { return false };
        match (event_time, record.time.instant()) {
            (Some(event_time), Some(written_at)) => event_time > written_at.plus_micros(skew),
            _ => false,
        }
    }

    /// Counts a record that was taken.
    pub fn count(&mut self, is_event: bool) {
        if is_event {
            self.found.events += 1;
        } else {
            self.found.dead += 1;
        }
    }

    /// What the lake has reached if this is committed.
    ///
    /// # Errors
    /// Why it must not be.
    pub fn judge(&self) -> Result<Reached, Trouble> {
        if let Some(trouble) = self.trouble {
            return Err(trouble);
        }
        if !self.has_met_last {
            return Err(Trouble::Passing(Passing::Silent { at: self.at }));
        }
        match self.task.expected() {
            Some(expected) if expected != self.found => Err(self.counts_differ(expected)),
            Some(_) => Ok(self.task.reached()),
            None if self.low > self.task.from.position => {
                let (from, to) = (self.task.from.position, self.low);
                Err(Trouble::Halt(Halt::Overtaken { from, to }))
            }
            None => Ok(self.task.reached()),
        }
    }

    fn compare_mark(&mut self, record: &Record<'_>) {
        self.has_met_mark = true;
        let Some(mark) = self.task.from.mark else { return };
        if record.offset != mark.offset || Mark::of(fingerprint_of(record)) != mark {
            self.trouble = Some(Trouble::Halt(Halt::AnotherLog {
                offset: mark.offset,
                first: self.task.first,
            }));
        }
    }

    /// The last record will never come.
    fn stop_early(&mut self, low_or_end: Position) {
        let is_deleted = self.low.offset() > self.task.last.offset;
        self.trouble = Some(if is_deleted {
            let from = self.task.from.position;
            // The warehouse has counted records that are gone; its position is where the lake can go on.
            Trouble::Halt(Halt::Overtaken { from, to: self.task.to.min(low_or_end) })
        } else {
            Trouble::Passing(Passing::LastRecordMissing { offset: self.task.last.offset })
        });
    }

    fn counts_differ(&self, expected: Counted) -> Trouble {
        let letters = i64::try_from(self.letters.len()).unwrap_or(i64::MAX);
        Trouble::Halt(counts_differ(&self.task, self.low, self.found, expected, letters))
    }
}

#[cfg(test)]
mod tests;
