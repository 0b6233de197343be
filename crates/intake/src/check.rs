//! `intake check`: what a mapping makes of a file, before anything is sent.
//!
//! In: rows. Out: the first of them beside their events, what became of all, and how many would come late. Nothing of a
//! full number is shown.

use std::fmt::{self, Write};
use std::io::{self, Read};

use crate::counts::Counts;
use crate::fault::Fault;
use crate::feed::Progress;
use crate::late::Lateness;
use crate::mapper::{Mapper, Outcome};
use crate::not_mapped;
use crate::reader::{RawRow, RowReader, places};

/// Of so many reasons an example is shown.
const EXAMPLES_MAX: usize = 20;
/// Partitions of a topic that the programs create.
const PARTITIONS: u32 = 3;
/// So many sessions are remembered unless `--sessions-max` says otherwise.
pub const SESSIONS_MAX: usize = 200_000;

/// What a mapping makes of files.
pub struct Check<'a, 'm> {
    mapper: &'a Mapper<'m>,
    progress: Progress,
    counts: Counts,
    lateness: Lateness,
    rows_left_to_show: usize,
    shown: String,
    examples: Vec<Example>,
}

/// A row that can't be mapped, the first of its kind.
struct Example {
    place: String,
    fault: Fault,
    row: String,
}

impl<'a, 'm> Check<'a, 'm> {
    /// Nothing has been looked at; the first `rows` are to be shown.
    pub fn new(mapper: &'a Mapper<'m>, rows: usize) -> Self {
        Check {
            mapper,
            progress: Progress::new(SESSIONS_MAX),
            counts: Counts::default(),
            lateness: Lateness::new(PARTITIONS),
            rows_left_to_show: rows,
            shown: String::new(),
            examples: Vec::new(),
        }
    }

    /// What became of the rows so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many events would come late.
    pub fn lateness(&self) -> &Lateness {
        &self.lateness
    }

    /// Looks at all rows of a file. `open` gives its decompressed content from its start.
    ///
    /// # Errors
    /// It can't be read; as a value: its columns are not those of the mapping.
    pub fn file<R: Read>(
        &mut self,
        name: &str,
        mut open: impl FnMut() -> io::Result<R>,
    ) -> io::Result<Result<(), String>> {
        let (places, header_length) = match places(open()?, self.mapper.mapping())? {
            None => return Ok(Ok(())),
            Some(Err(problem)) => return Ok(Err(problem)),
            Some(Ok(found)) => found,
        };
        let mut content = open()?;
        io::copy(&mut content.by_ref().take(header_length), &mut io::sink())?;
        let mut reader = RowReader::new(content, self.mapper.mapping(), places);
        let mut byte = header_length;
        while let Some(raw) = reader.next_row()? {
            self.row(&raw, name, byte);
            byte += raw.length as u64;
        }
        Ok(Ok(()))
    }

    fn row(&mut self, raw: &RawRow<'_>, name: &str, byte: u64) {
        let answer = match &raw.row {
            Ok(row) => self.mapper.map(row, &mut self.progress.sessions, &mut self.counts),
            Err(fault) => {
                *self.counts.not_mapped.entry(fault.code).or_default() += 1;
                Outcome::NotMapped(fault.clone())
            }
        };
        if let Outcome::Event(event) = &answer {
            self.counts.twice += u64::from(self.progress.comes_twice(&event.id));
            self.lateness.add(event);
        }
        if self.rows_left_to_show > 0 {
            self.rows_left_to_show -= 1;
            let (row, becomes) = (self.kept(raw), described(&answer));
            writeln!(self.shown, "row    {row}\nevent  {becomes}\n")
                .expect("a String takes any text");
        }
        if let Outcome::NotMapped(fault) = answer {
            let is_new = self.examples.iter().all(|example| example.fault.code != fault.code);
            if is_new && self.examples.len() < EXAMPLES_MAX {
                let (place, row) = (format!("{name} byte {byte}"), self.kept(raw));
                self.examples.push(Example { place, fault, row });
            }
        }
    }

    /// A row, masked.
    fn kept(&self, raw: &RawRow<'_>) -> String {
        match &raw.row {
            Ok(row) => row.kept(self.mapper.mapping()),
            Err(_) => not_mapped::kept_bytes(raw.bytes),
        }
    }
}

/// What became of a row, in a line.
fn described(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Event(event) => {
            let mut payload = Vec::new();
            event.encode(&mut payload);
            String::from_utf8_lossy(&payload).into_owned()
        }
        Outcome::LeftOut(why) => format!("none: left out, {why}"),
        Outcome::NotMapped(fault) => format!("none: not mapped, {}: {}", fault.code, fault.detail),
    }
}

impl fmt::Display for Check<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}{}", self.shown, self.counts)?;
        for Example { place, fault, row } in &self.examples {
            writeln!(f, "\n{} first at {place}: {}\n  {row}", fault.code, fault.detail)?;
        }
        write!(f, "\n{}", self.lateness)
    }
}
