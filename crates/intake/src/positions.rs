//! How far contents were read, and whether a file is one of them.
//!
//! A file is known by what is in it, decompressed, and never by its name: `cdr.csv`, `cdr.csv.1` and `cdr.csv.1.gz` are
//! one content that was renamed and packed. A position holds the digest of all that was read, so a file goes on where a
//! content ended that it begins with, byte for byte.
//!
//! | the file | it is |
//! |---|---|
//! | begins with all that was read of a content, and has more | that content, grown: it is read from there on |
//! | is all that was read of a content | read before: refused |
//! | begins with a content's first row, and then has less or something else | in doubt: refused |
//! | begins with a content whose last line had no end, and that line has grown | in doubt: refused |
//! | begins with no content's first row | new |
//!
//! In doubt means: reading it would send rows again, or leave some out. `--again` reads what was refused from its start.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// So many bytes are read at a time.
const READ_BYTES: usize = 64 << 10;

/// How far a content was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// How many times it was begun before, on an operator's word.
    pub pass: u32,
    /// How many of its decompressed bytes were read.
    pub read: u64,
    /// SHA-256 of these, in hex digits.
    pub sha256: String,
    /// How many bytes its first row takes, with what stands before it, and their digest.
    pub head: u64,
    /// SHA-256 of these.
    pub head_sha256: String,
    /// Whether the last row that was read had a line end.
    pub has_line_end: bool,
    /// Rows that were read.
    pub rows: u64,
    /// What the file was called when it was read last: for people.
    pub name: String,
}

/// All contents of which something was read, by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Known {
    positions: BTreeMap<u64, Position>,
}

/// What a file is.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Nothing of it was read.
    New,
    /// This much was read, and there is more.
    Continues(Box<Continuation>),
    /// All of it was read, under this name.
    ReadBefore(Position),
    /// It shares its beginning with what was read, and then differs or ends.
    InDoubt(Position, &'static str),
}

/// Where a content goes on.
#[derive(Clone, Debug)]
pub struct Continuation {
    /// The number under which the content is stored.
    pub number: u64,
    /// How far it was read.
    pub position: Position,
    /// The digest of that, to be gone on with.
    digest: Sha256,
}

impl Known {
    /// Takes in a position that was written; a later one replaces an earlier one.
    pub fn insert(&mut self, number: u64, position: Position) {
        self.positions.insert(number, position);
    }

    /// Forgets a content.
    pub fn remove(&mut self, number: u64) {
        self.positions.remove(&number);
    }

    /// All positions, by the contents' numbers.
    pub fn positions(&self) -> impl Iterator<Item = (u64, &Position)> {
        self.positions.iter().map(|(number, position)| (*number, position))
    }

    /// A number that no content has.
    fn next_number(&self) -> u64 {
        self.positions.keys().next_back().map_or(1, |last| last + 1)
    }

    /// What a file is. Reads it whole.
    ///
    /// # Errors
    /// It can't be read.
    pub fn recognise(&self, mut content: impl Read) -> io::Result<Standing> {
        let mut digest = Sha256::new();
        let (mut length, mut buffer) = (0_u64, vec![0; READ_BYTES]);
        let mut found: Option<Continuation> = None;
        let mut same_head: Option<&Position> = None;
        // What stands right behind the place that was found.
        let mut next_byte = None;
        let all = self.positions.values();
        let lengths: BTreeSet<u64> =
            all.flat_map(|position| [position.read, position.head]).collect();
        let mut lengths = lengths.into_iter().peekable();
        loop {
            // Up to the next length at which something is compared, at most.
            let to_next = lengths.peek().map_or(u64::MAX, |next| next - length);
            let wanted = usize::try_from(to_next).unwrap_or(usize::MAX).min(READ_BYTES);
            let count =
                if wanted == 0 { 0 } else { read_some(&mut content, &mut buffer[..wanted])? };
            if wanted > 0 && count == 0 {
                break;
            }
            if next_byte.is_none() && found.is_some() && count > 0 {
                next_byte = Some(buffer[0]);
            }
            digest.update(&buffer[..count]);
            length += count as u64;
            if lengths.next_if_eq(&length).is_some() {
                let sum = hex(&digest);
                if let Some((number, position)) = self.ending_at(length, &sum, found.as_ref()) {
                    let digest = digest.clone();
                    found = Some(Continuation { number, position: position.clone(), digest });
                    next_byte = None;
                }
                let with_head =
                    |position: &&Position| position.head == length && position.head_sha256 == sum;
                same_head = same_head.or_else(|| self.positions.values().find(with_head));
            }
        }
        Ok(standing(found, same_head, length, next_byte))
    }

    /// The content that was read up to here, and whose digest is this one; the newest pass counts.
    fn ending_at(
        &self,
        length: u64,
        sum: &str,
        found: Option<&Continuation>,
    ) -> Option<(u64, &Position)> {
        let is_it = |position: &Position| position.read == length && position.sha256 == sum;
        let ends_here = self.positions().filter(|(_, position)| is_it(position));
        let newest = ends_here.max_by_key(|(number, position)| (position.pass, *number));
        newest
            .filter(|(_, position)| found.is_none_or(|found| position.pass >= found.position.pass))
    }
}

fn standing(
    found: Option<Continuation>,
    same_head: Option<&Position>,
    length: u64,
    next_byte: Option<u8>,
) -> Standing {
    match (found, same_head) {
        (None, None) => Standing::New,
        (None, Some(other)) => Standing::InDoubt(
            other.clone(),
            "it begins with the same row, and then has less or something else",
        ),
        (Some(found), _) if found.position.read == length => Standing::ReadBefore(found.position),
        (Some(found), _)
            if !found.position.has_line_end && !matches!(next_byte, Some(b'\n' | b'\r')) =>
        {
            Standing::InDoubt(
                found.position,
                "its last line was read as it was, and has grown since",
            )
        }
        (Some(found), _) => Standing::Continues(Box::new(found)),
    }
}

/// A content that is being read: how far.
#[derive(Clone, Debug)]
pub struct Track {
    number: u64,
    position: Position,
    digest: Sha256,
}

impl Track {
    /// A content that is begun, on its `pass`-th time, counted from 0.
    pub fn begin(known: &Known, name: &str, pass: u32) -> Track {
        let position = Position {
            pass,
            read: 0,
            sha256: String::new(),
            head: 0,
            head_sha256: String::new(),
            has_line_end: true,
            rows: 0,
            name: name.to_owned(),
        };
        Track { number: known.next_number(), position, digest: Sha256::new() }
    }

    /// A content that is gone on with.
    pub fn resume(continuation: Continuation, name: &str) -> Track {
        let Continuation { number, mut position, digest } = continuation;
        name.clone_into(&mut position.name);
        Track { number, position, digest }
    }

    /// How far it was read.
    pub fn read(&self) -> u64 {
        self.position.read
    }

    /// Passes over what was read before.
    ///
    /// # Errors
    /// It can't be read; or it is not what was read before, because somebody has written into the file since it was
    /// recognised.
    pub fn pass_over(&self, content: &mut impl Read) -> io::Result<()> {
        let (mut digest, mut buffer, mut left) =
            (Sha256::new(), vec![0; READ_BYTES], self.position.read);
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(READ_BYTES);
            let count = read_some(content, &mut buffer[..wanted])?;
            if count == 0 {
                break;
            }
            digest.update(&buffer[..count]);
            left -= count as u64;
        }
        if left == 0 && hex(&digest) == hex(&self.digest) {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file has changed while it was looked at",
        ))
    }

    /// Takes in what stands before the first row.
    pub fn header(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.position.read += bytes.len() as u64;
    }

    /// Takes in a row.
    pub fn row(&mut self, bytes: &[u8], has_line_end: bool) {
        self.header(bytes);
        self.position.rows += 1;
        self.position.has_line_end = has_line_end;
        if self.position.head == 0 {
            self.position.head = self.position.read;
            self.position.head_sha256 = hex(&self.digest);
        }
    }

    /// The content's number, and its position as it is to be written.
    pub fn position(&mut self) -> (u64, Position) {
        self.position.sha256 = hex(&self.digest);
        (self.number, self.position.clone())
    }
}

fn hex(digest: &Sha256) -> String {
    digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_some(content: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match content.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known after these rows of a content were read.
    fn known_after(rows: &[&str]) -> Known {
        let mut known = Known::default();
        read_into(&mut known, rows, 0);
        known
    }

    fn read_into(known: &mut Known, rows: &[&str], pass: u32) {
        let mut track = Track::begin(known, "cdr.csv", pass);
        for row in rows {
            track.row(row.as_bytes(), row.ends_with('\n'));
        }
        let (number, position) = track.position();
        known.insert(number, position);
    }

    fn name_of(standing: &Standing) -> &'static str {
        match standing {
            Standing::New => "new",
            Standing::Continues(_) => "continues",
            Standing::ReadBefore(_) => "read before",
            Standing::InDoubt(..) => "in doubt",
        }
    }

    #[test]
    fn a_file_is_what_its_content_says() {
        for (read, file, expected) in [
            (&["a,1\n", "b,2\n"][..], "a,1\nb,2\n", "read before"),
            (&["a,1\n", "b,2\n"], "a,1\nb,2\nc,3\n", "continues"),
            (&["a,1\n", "b,2\n"], "x,1\nb,2\n", "new"),
            (&["a,1\n", "b,2\n"], "", "new"),
            // A part of what was read, and what differs behind the first row.
            (&["a,1\n", "b,2\n"], "a,1\n", "in doubt"),
            (&["a,1\n", "b,2\n"], "a,1\nb,3\nc,3\n", "in doubt"),
            // The last line had no end.
            (&["a,1\n", "b,2"], "a,1\nb,2\nc,3\n", "continues"),
            (&["a,1\n", "b,2"], "a,1\nb,25\n", "in doubt"),
            (&["a,1\n", "b,2"], "a,1\nb,2", "read before"),
        ] {
            let standing = known_after(read).recognise(file.as_bytes()).unwrap();
            assert_eq!(name_of(&standing), expected, "{read:?} then {file:?}");
        }
    }

    #[test]
    fn two_contents_with_a_common_beginning_keep_their_own_positions() {
        let mut known = known_after(&["a,1\n", "b,2\n"]);
        read_into(&mut known, &["a,1\n", "b,3\n", "c,4\n"], 0);
        for (file, read) in [("a,1\nb,2\nz\n", 8), ("a,1\nb,3\nc,4\nz\n", 12)] {
            let Standing::Continues(at) = known.recognise(file.as_bytes()).unwrap() else {
                panic!("{file}")
            };
            assert_eq!(at.position.read, read);
        }
    }

    #[test]
    fn the_newest_pass_counts() {
        let mut known = known_after(&["a,1\n", "b,2\n"]);
        read_into(&mut known, &["a,1\n"], 1);
        let Standing::Continues(at) = known.recognise(b"a,1\nb,2\n".as_slice()).unwrap() else {
            panic!()
        };
        assert_eq!((at.position.pass, at.position.read), (1, 4));
    }

    #[test]
    fn a_file_that_changes_behind_our_back_is_not_read_on() {
        let known = known_after(&["a,1\n", "b,2\n"]);
        let Standing::Continues(at) = known.recognise(b"a,1\nb,2\nc,3\n".as_slice()).unwrap()
        else {
            panic!()
        };
        let track = Track::resume(*at, "cdr.csv");
        for (file, is_it) in [("a,1\nb,2\nc", true), ("a,1\nb,3\nc", false), ("a,1\n", false)] {
            assert_eq!(track.pass_over(&mut file.as_bytes()).is_ok(), is_it, "{file:?}");
        }
    }

    #[test]
    fn a_reader_that_gives_single_bytes_finds_the_same() {
        struct Single<'a>(&'a [u8]);
        impl Read for Single<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.len().min(buffer.len()).min(1);
                let (head, rest) = self.0.split_at(count);
                buffer[..count].copy_from_slice(head);
                self.0 = rest;
                Ok(count)
            }
        }
        let known = known_after(&["a,1\n", "b,2"]);
        for (file, expected) in
            [("a,1\nb,2\nc\n", "continues"), ("a,1\nb,2c\n", "in doubt"), ("a,1\n", "in doubt")]
        {
            let standing = known.recognise(Single(file.as_bytes())).unwrap();
            assert_eq!(name_of(&standing), expected, "{file:?}");
        }
    }
}
