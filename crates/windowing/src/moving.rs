//! Where in another log a partition goes on, once its topic is read elsewhere: in a mirror, whose records are copies of
//! ours at other offsets.
//!
//! ```text
//!   at home    … a  b  c  d │ e  f …          the position; a–d were counted
//!   mirror     … a  b  ‖  c  ‖  d │ e …       ‖ marks of the copier's transactions
//!                                  └─ the place: behind the last record that was counted
//! ```
//!
//! In: the last records before the position at home, or, when home is gone, only the fingerprint that is stored; and the
//! mirror's records, shown one after the other. Out: the place, or why there is none ([`NoPlace`]). Nothing is guessed:
//! what is found twice, or not at all, is for an operator to say. Keeps I-15.

use std::collections::VecDeque;

use crate::{Fingerprint, LogEnds, Position};

/// So many of the last records before the position are looked for: one alone may stand in a log twice.
pub const SOUGHT_MAX: usize = 100;
/// So many places are named when there is more than one.
const NAMED_MAX: usize = 10;

/// What of the old log is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// The last records before the position as the old log has them, oldest first, [`SOUGHT_MAX`] at most.
    Records(Vec<Fingerprint>),
    /// The old log is gone: only the last record that was counted.
    LastCounted(Fingerprint),
    /// The database has never met the partition, or nobody is to read it: it begins at the mirror's first record.
    Nothing,
    /// No record is remembered, and the old log has none before the position, or is gone. `is_from_the_start`: its first life
    /// began at offset 0, and there was no other.
    Unknown {
        /// Whether the mirror's first records are sure to be uncounted.
        is_from_the_start: bool,
    },
}

impl Sought {
    /// What is sought of a partition whose old log is there: the last records that it has before the position. `None`: it is not
    /// the log that was counted. `is_untouched`: the partition's first life, from offset 0 on, in which nothing was counted or
    /// accepted as lost; `low` is the log's low end.
    pub fn in_log(
        last: Option<Fingerprint>,
        is_untouched: bool,
        records: Vec<Fingerprint>,
        low: Position,
    ) -> Option<Self> {
        let kept = last.filter(|last| Position::at(last.offset) >= low);
        if kept.is_some_and(|last| records.last() != Some(&last)) {
            return None;
        }
        Some(match last {
            _ if !records.is_empty() => Sought::Records(records),
            // Retention has removed it.
            Some(last) => Sought::LastCounted(last),
            // Unless the mirror has lost its first ones already.
            None if is_untouched => Sought::Unknown { is_from_the_start: true },
            None => Sought::Unknown { is_from_the_start: false },
        })
    }

    /// What is sought of one whose old log is gone: what the row remembers. `is_untouched` as above: what was accepted as lost is not to be
    /// counted after all.
    pub fn without_log(last: Option<Fingerprint>, is_untouched: bool) -> Self {
        match last {
            Some(last) => Sought::LastCounted(last),
            None => Sought::Unknown { is_from_the_start: is_untouched },
        }
    }
}

/// Where a partition goes on, and what it is recognised by there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The first record that is still to be counted.
    pub at: Position,
    /// The mirror's record before it: the last one that was counted.
    pub fingerprint: Option<Fingerprint>,
    /// The first record that the mirror had: by it a log that is cut later is told from one that is made again.
    pub origin: Option<Fingerprint>,
    /// The mirror ends before what was counted: from here on it has nothing.
    pub is_behind: bool,
    /// So many records it has from here on.
    pub records_after: i64,
}

/// Why there is no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// The mirror has the first of the records that are sought, or none, and ends: the last ones are still to come. How many.
    Behind(usize),
    /// More than one place fits: behind these offsets, those that are named.
    Several(Vec<i64>),
    /// Records that were counted come again behind the place.
    Repeated {
        /// Where it would be.
        at: Position,
        /// The first of them.
        again_at: i64,
    },
    /// It is nowhere, and the mirror goes on with later records.
    Missing,
    /// Nothing tells what was counted.
    Unknown,
}

/// Looks at a mirror's records in their order and finds the place.
#[derive(Debug)]
pub struct PlaceSearch {
    sought: Sought,
    /// The last records that were shown, as many as are sought.
    shown: VecDeque<Fingerprint>,
    last: Option<Fingerprint>,
    /// The last record of each place that fits.
    found: Vec<Fingerprint>,
    /// The first record behind the first place that was counted before it.
    again_at: Option<i64>,
    /// Records behind the last place that fits.
    records_after: i64,
}

impl PlaceSearch {
    /// Begins before the mirror's first record that can be one of those sought: [`PlaceSearch::from_millis`].
    pub fn new(sought: Sought) -> Self {
        PlaceSearch {
            sought,
            shown: VecDeque::new(),
            last: None,
            found: Vec::new(),
            again_at: None,
            records_after: 0,
        }
    }

    /// The mirror has to be shown from its first record of this time on; `None`: from its low end on. Times need not
    /// rise from record to record: before the first record that has this time or a later one, none of the sought stands.
    pub fn from_millis(&self) -> Option<i64> {
        match &self.sought {
            Sought::Records(records) => {
                let times: Option<Vec<i64>> = records.iter().map(|one| one.timestamp_ms).collect();
                times?.into_iter().min()
            }
            Sought::LastCounted(last) => last.timestamp_ms,
            Sought::Nothing | Sought::Unknown { .. } => None,
        }
    }

    /// Whether any record has to be shown.
    pub fn needs_records(&self) -> bool {
        matches!(self.sought, Sought::Records(_) | Sought::LastCounted(_))
    }

    /// Takes the mirror's next record in.
    pub fn show(&mut self, record: Fingerprint) {
        self.last = Some(record);
        self.records_after += 1;
        match &self.sought {
            Sought::Records(records) => {
                if self.again_at.is_none()
                    && !self.found.is_empty()
                    && records.iter().any(|one| is_copy(one, &record))
                {
                    self.again_at = Some(record.offset);
                }
                self.shown.push_back(record);
                if self.shown.len() > records.len() {
                    self.shown.pop_front();
                }
                let fits = self.shown.len() == records.len()
                    && self.shown.iter().zip(records).all(|(shown, one)| is_copy(one, shown));
                if fits {
                    self.keep(record);
                }
            }
            Sought::LastCounted(last) if is_copy(last, &record) => self.keep(record),
            _ => {}
        }
    }

    fn keep(&mut self, record: Fingerprint) {
        self.records_after = 0;
        if self.found.len() < NAMED_MAX {
            self.found.push(record);
        }
    }

    /// The end of the mirror was reached: where to go on. `origin` is its first record, where it has one.
    ///
    /// # Errors
    /// Why there is no place that is sure.
    pub fn finish(self, ends: &LogEnds, origin: Option<Fingerprint>) -> Result<Place, NoPlace> {
        let place = |at, fingerprint: Option<Fingerprint>, is_behind| Place {
            at,
            fingerprint,
            origin: origin.filter(|origin| Position::at(origin.offset) < at),
            is_behind,
            records_after: if is_behind { 0 } else { self.records_after },
        };
        match (&self.sought, &self.found[..]) {
            (Sought::Nothing, _) => Ok(place(ends.low, None, false)),
            (Sought::Unknown { is_from_the_start: true }, _) if ends.low == Position::at(0) => {
                Ok(place(ends.low, None, false))
            }
            (Sought::Unknown { .. }, _) => Err(NoPlace::Unknown),
            (_, [found]) => {
                let at = Position::after(found.offset);
                match self.again_at {
                    Some(again_at) => Err(NoPlace::Repeated { at, again_at }),
                    None => Ok(place(at, Some(*found), false)),
                }
            }
            (_, [_, _, ..]) => {
                Err(NoPlace::Several(self.found.iter().map(|found| found.offset).collect()))
            }
            (Sought::Records(records), []) => match self.still_to_come(records) {
                Some(missing) => Err(NoPlace::Behind(missing)),
                None => Err(NoPlace::Missing),
            },
            (Sought::LastCounted(last), []) => {
                // Its copies are in the order of the originals: what ends before the last one counted was counted.
                // Where retention has cut the mirror, it may have taken the last one, of that very time.
                let is_whole = ends.low == Position::at(0);
                let ends_before = match self.last {
                    None => last.timestamp_ms.is_some() && is_whole,
                    Some(end) if end.timestamp_ms == last.timestamp_ms => {
                        end.timestamp_ms.is_some() && is_whole
                    }
                    Some(end) => end.timestamp_ms.is_some() && end.timestamp_ms < last.timestamp_ms,
                };
                if ends_before {
                    Ok(place(ends.stable, self.last, true))
                } else {
                    Err(NoPlace::Missing)
                }
            }
        }
    }

    /// How many of the records are missing at the mirror's end, whose last ones are the first of them.
    fn still_to_come(&self, records: &[Fingerprint]) -> Option<usize> {
        let first = records.iter().map(|one| one.timestamp_ms).min().flatten();
        let has_not_come_there = self.last.is_none_or(|last| {
            last.timestamp_ms.is_some_and(|last| first.is_some_and(|first| last < first))
        });
        if has_not_come_there {
            return Some(records.len());
        }
        let shown: Vec<&Fingerprint> = self.shown.iter().collect();
        let there = (1..records.len()).rev().find(|there| {
            shown.len() >= *there
                && shown[shown.len() - there..]
                    .iter()
                    .zip(records)
                    .all(|(shown, one)| is_copy(one, shown))
        })?;
        Some(records.len() - there)
    }
}

/// Whether the second is a copy of the first: the same bytes, written at the same time. Offsets tell nothing.
pub fn is_copy(one: &Fingerprint, other: &Fingerprint) -> bool {
    (one.timestamp_ms, one.crc) == (other.timestamp_ms, other.crc)
}

#[cfg(test)]
mod tests {
    use event_model::EventTime;

    use super::*;

    fn ends(low: i64, high: i64) -> LogEnds {
        let [low, high] = [low, high].map(Position::at);
        LogEnds { low, stable: high, high, asked_at: EventTime::from_micros(0) }
    }

    /// A record that is written as one letter, whose place in the alphabet is its time.
    fn record(offset: i64, letter: char) -> Fingerprint {
        let crc = u32::from(letter);
        Fingerprint { offset, timestamp_ms: Some(i64::from(crc)), crc }
    }

    fn records(text: &str) -> Vec<Fingerprint> {
        (0..).zip(text.chars()).map(|(at, letter)| record(at, letter)).collect()
    }

    /// The mirror has a letter at each offset, or a mark (`|`), from 10 on.
    fn search(sought: Sought, mirror: &str) -> Result<(i64, Option<i64>, bool), NoPlace> {
        let mut search = PlaceSearch::new(sought);
        let shown: Vec<_> = (10..)
            .zip(mirror.chars())
            .filter(|(_, letter)| *letter != '|')
            .map(|(offset, letter)| record(offset, letter))
            .collect();
        shown.iter().for_each(|record| search.show(*record));
        let high = 10 + i64::try_from(mirror.len()).unwrap();
        let place = search.finish(&ends(10, high), shown.first().copied())?;
        Ok((place.at.offset(), place.fingerprint.map(|record| record.offset), place.is_behind))
    }

    #[test]
    fn a_place_is_behind_the_same_records_in_a_row_and_nowhere_else() {
        use NoPlace::{Behind, Missing, Repeated, Several};
        let found = |at: i64| Ok((at, Some(at - 1), false));
        for (home, mirror, expected) in [
            ("abc", "abc", found(13)),
            ("abc", "|a|bc||de|", found(15)),
            ("c", "abcd", found(13)),
            // One of them stands there twice, the row of them once.
            ("aba", "aaba", found(14)),
            // Marks are no records; a record in between is one.
            ("abc", "abxc", Err(Missing)),
            ("abc", "bcde", Err(Missing)),
            ("abc", "|", Err(Behind(3))),
            ("abc", "xa|", Err(Behind(2))),
            ("abc", "xab", Err(Behind(1))),
            ("abc", "xyz", Err(Missing)),
            // It ends before the first of them was written.
            ("bcd", "a", Err(Behind(3))),
            ("bcd", "a|", Err(Behind(3))),
            ("abc", "abcdabc", Err(Several(vec![12, 16]))),
            // What was copied twice, but not all of it.
            ("abc", "abcbd", Err(Repeated { at: Position::at(13), again_at: 13 })),
            ("aa", "aaa", Err(Several(vec![11, 12]))),
        ] {
            assert_eq!(
                search(Sought::Records(records(home)), mirror),
                expected,
                "{home} in {mirror}"
            );
        }
    }

    #[test]
    fn of_the_last_record_alone_its_only_copy_is_the_place_or_the_end_of_a_mirror_that_has_not_come_so_far()
     {
        for (last, mirror, expected) in [
            ('c', "|abc|de", Ok((14, Some(13), false))),
            ('c', "ab", Ok((12, Some(11), true))),
            ('c', "ab|", Ok((13, Some(11), true))),
            // Retention may have taken it.
            ('c', "|", Err(NoPlace::Missing)),
            ('c', "abde", Err(NoPlace::Missing)),
            ('c', "cdc", Err(NoPlace::Several(vec![10, 12]))),
        ] {
            assert_eq!(search(Sought::LastCounted(record(7, last)), mirror), expected, "{mirror}");
        }
        // Without times nothing says whether the mirror has not come so far, or is beyond.
        let timeless = Fingerprint { timestamp_ms: None, ..record(7, 'c') };
        for mirror in ["ab", ""] {
            assert_eq!(search(Sought::LastCounted(timeless), mirror), Err(NoPlace::Missing));
        }
    }

    #[test]
    fn a_partition_of_which_nothing_was_counted_begins_where_the_mirror_does_if_that_is_sure() {
        assert_eq!(search(Sought::Nothing, "ab"), Ok((10, None, false)));
        for (is_from_the_start, low, expected) in [
            (true, 0, Ok(Position::at(0))),
            (true, 1, Err(NoPlace::Unknown)),
            (false, 0, Err(NoPlace::Unknown)),
        ] {
            let search = PlaceSearch::new(Sought::Unknown { is_from_the_start });
            assert!(!search.needs_records());
            assert_eq!(search.finish(&ends(low, 9), None).map(|place| place.at), expected);
        }
    }

    #[test]
    fn what_is_sought_are_the_last_records_of_the_log_that_was_counted() {
        let at = |offset| record(offset, 'a');
        let there = || vec![at(3), at(4)];
        for (last, is_untouched, records, low, expected) in [
            (Some(at(4)), false, there(), 0, Some(Sought::Records(there()))),
            // Marks stand between the last record and the position.
            (Some(at(3)), false, vec![at(3)], 0, Some(Sought::Records(vec![at(3)]))),
            (Some(at(3)), false, there(), 0, None),
            (Some(at(4)), false, Vec::new(), 0, None),
            (Some(record(4, 'b')), false, there(), 0, None),
            (Some(at(4)), false, Vec::new(), 5, Some(Sought::LastCounted(at(4)))),
            (None, true, Vec::new(), 0, Some(Sought::Unknown { is_from_the_start: true })),
            // A former life has counted some.
            (None, false, Vec::new(), 0, Some(Sought::Unknown { is_from_the_start: false })),
            // It was met at its end.
            (None, true, there(), 0, Some(Sought::Records(there()))),
        ] {
            let sought = Sought::in_log(last, is_untouched, records.clone(), Position::at(low));
            assert_eq!(sought, expected, "{last:?} {is_untouched} {records:?} {low}");
        }
        let unknown = |is_from_the_start| Sought::Unknown { is_from_the_start };
        for (last, is_untouched, expected) in [
            (Some(at(4)), false, Sought::LastCounted(at(4))),
            (None, true, unknown(true)),
            (None, false, unknown(false)),
        ] {
            assert_eq!(Sought::without_log(last, is_untouched), expected);
        }
    }

    #[test]
    fn the_mirror_is_shown_from_the_earliest_time_on_and_whole_where_a_record_has_none() {
        let from = |sought| PlaceSearch::new(sought).from_millis();
        assert_eq!(from(Sought::Records(records("cab"))), Some(i64::from(u32::from('a'))));
        let mut timeless = records("ab");
        timeless[1].timestamp_ms = None;
        assert_eq!(from(Sought::Records(timeless)), None);
        assert_eq!(from(Sought::LastCounted(record(0, 'c'))), Some(i64::from(u32::from('c'))));
    }

    #[test]
    fn the_origin_is_the_first_record_of_the_mirror_if_it_was_counted() {
        let mut search = PlaceSearch::new(Sought::Records(records("bc")));
        "abcd".chars().zip(10..).for_each(|(letter, offset)| search.show(record(offset, letter)));
        let place = search.finish(&ends(10, 14), Some(record(10, 'a'))).unwrap();
        assert_eq!((place.at, place.origin), (Position::at(13), Some(record(10, 'a'))));
        let place = PlaceSearch::new(Sought::Nothing).finish(&ends(10, 14), Some(record(10, 'a')));
        assert_eq!(place.unwrap().origin, None, "it is counted from there on");
    }
}
