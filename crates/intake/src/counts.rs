//! What became of the rows, and what was noticed in those that became events.

use std::collections::BTreeMap;
use std::fmt;

/// What is noticed in a row that is mapped all the same. The names are labels and words of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// Nobody knows where: region `unknown`.
    RegionUnknown,
    /// Not answered, counted with 0 seconds.
    Unanswered,
    /// A duration of −1.
    MinusOne,
    /// The time comes twice in its zone; one of the two was taken.
    TimeTwice,
    /// A roaming record: region `abroad`.
    Abroad,
    /// The subscriber is a name or a short code.
    NotANumber,
    /// Nobody is named as the subscriber.
    NoSubscriber,
}

impl Note {
    /// All, for whoever has a counter of each.
    pub const ALL: [Note; 7] = [
        Note::RegionUnknown,
        Note::Unanswered,
        Note::MinusOne,
        Note::TimeTwice,
        Note::Abroad,
        Note::NotANumber,
        Note::NoSubscriber,
    ];

    /// In words, for the summary.
    pub const fn words(self) -> &'static str {
        match self {
            Note::RegionUnknown => "region not known (written as unknown)",
            Note::Unanswered => "not answered (0 seconds)",
            Note::MinusOne => "duration -1 (taken as the mapping says)",
            Note::TimeTwice => "time that its clock showed twice (one was taken)",
            Note::Abroad => "roaming (region abroad)",
            Note::NotANumber => "subscriber is a short code or a name",
            Note::NoSubscriber => "no subscriber is named",
        }
    }
}

/// What became of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that became an event.
    pub events: u64,
    /// Rows that could not be mapped, by code.
    pub not_mapped: BTreeMap<&'static str, u64>,
    /// Rows that are no event, by why.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Rows that came twice among those that are remembered.
    pub twice: u64,
    /// What was noticed in events.
    pub notes: BTreeMap<Note, u64>,
}

impl Counts {
    /// The sum of all outcomes.
    pub fn rows(&self) -> u64 {
        self.events + self.not_mapped() + self.left_out()
    }

    /// Rows that could not be mapped.
    pub fn not_mapped(&self) -> u64 {
        self.not_mapped.values().sum()
    }

    /// Rows that are no event.
    pub fn left_out(&self) -> u64 {
        self.left_out.values().sum()
    }

    /// Counts one more row of which this is to be told.
    pub(crate) fn note(&mut self, note: Note) {
        *self.notes.entry(note).or_default() += 1;
    }

    /// Adds what another file's rows came to.
    pub fn add(&mut self, other: &Counts) {
        self.events += other.events;
        self.twice += other.twice;
        for (mine, others) in
            [(&mut self.not_mapped, &other.not_mapped), (&mut self.left_out, &other.left_out)]
        {
            others.iter().for_each(|(code, count)| *mine.entry(code).or_default() += count);
        }
        other.notes.iter().for_each(|(note, count)| *self.notes.entry(*note).or_default() += count);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, not_mapped, left_out) = (self.rows(), self.not_mapped(), self.left_out());
        write!(
            f,
            "{rows} rows: {} events, {not_mapped} not mapped, {left_out} left out",
            self.events
        )?;
        for (code, count) in &self.not_mapped {
            write!(f, "\n  not mapped, {code}: {count}")?;
        }
        for (why, count) in &self.left_out {
            write!(f, "\n  left out, {why}: {count}")?;
        }
        for (note, count) in &self.notes {
            write!(f, "\n  events with {}: {count}", note.words())?;
        }
        if self.twice > 0 {
            write!(
                f,
                "\n  rows that came twice (sent twice, with the same event_id): {}",
                self.twice
            )?;
        }
        Ok(())
    }
}
