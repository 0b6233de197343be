//! Contents into a sink: rows by the batch, each batch with the position behind it.
//!
//! A [`Sink`] takes a batch whole or not at all: its events, its dead letters, the position and what is remembered of
//! sessions. So after a crash at any point the positions that were written say where to go on, and nothing is sent twice
//! or left out. After any failure the caller drops the [`Progress`] and reads it anew from what was written.

use std::io::{self, Read};

use hashbrown::HashSet;

use crate::counts::Counts;
use crate::mapper::{Mapper, Outcome};
use crate::not_mapped::{self, Letter};
use crate::positions::{Known, Position, Standing, Track};
use crate::reader::{RawRow, RowReader, places};
use crate::row::Places;
use crate::sessions::Sessions;

/// A batch ends after so many rows, unless the caller says otherwise,
pub const BATCH_ROWS_MAX: usize = 10_000;
/// or so many bytes of events.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// So many rows are remembered to count those that come twice.
const REMEMBERED_ROWS_MAX: usize = 500_000;

/// Where events go.
pub trait Sink {
    /// What goes wrong with it.
    type Error;

    /// Takes a record of the open batch.
    ///
    /// # Errors
    /// The batch is lost.
    fn send(&mut self, key: &str, payload: &[u8]) -> Result<(), Self::Error>;

    /// Ends the batch with what belongs to it; all of it is there, or nothing.
    ///
    /// # Errors
    /// Whether the batch is there is not known: what was written has to be read again.
    fn commit(&mut self, writes: &[Write]) -> Result<(), Self::Error>;

    /// Whether it is time to stop, between two rows. What was sent since the last commit is dropped.
    fn is_stopped(&self) -> bool {
        false
    }

    /// What became of a batch that is there.
    fn committed(&mut self, _: &Counts) {}
}

/// A key of the progress, and what it is from now on; `None`: nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// What it is about.
    pub key: WriteKey,
    /// JSON that replaces what was stored; `None` deletes it.
    pub value: Option<String>,
}

/// What a part of the progress is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteKey {
    /// A content, by its number.
    Content(u64),
    /// A session, by its name.
    Session(String),
}

/// How far everything is.
#[derive(Debug)]
pub struct Progress {
    /// How far each content was read.
    pub known: Known,
    /// Sessions that have begun, and those that ended lately.
    pub sessions: Sessions,
    remembered: HashSet<u64>,
}

/// What was done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was read, to its end or to a last line without one.
    Read,
    /// It has nothing that is new.
    Nothing,
    /// It was read before, as the file that is named.
    ReadBefore(Position),
    /// Reading it would send rows twice or leave some out.
    InDoubt(Position, &'static str),
    /// Its columns are not those of the mapping.
    Unusable(String),
    /// It was asked to stop.
    Stopped,
}

/// Why a file was not read to its end.
#[derive(Debug)]
pub enum FeedError<E> {
    /// The file can't be read.
    Read(io::Error),
    /// The sink refused an event or the progress.
    Sink(E),
}

impl<E> From<io::Error> for FeedError<E> {
    fn from(error: io::Error) -> Self {
        FeedError::Read(error)
    }
}

/// How a file is taken.
#[derive(Clone, Copy, Debug)]
pub struct Taking {
    /// What was read before is read again, from its start.
    pub again: bool,
    /// Nobody writes into it any more: its last line counts, be it without an end.
    pub is_finished: bool,
    /// A batch ends after so many rows.
    pub batch_rows: usize,
}

impl Default for Taking {
    fn default() -> Self {
        Taking { again: false, is_finished: true, batch_rows: BATCH_ROWS_MAX }
    }
}

impl Progress {
    /// Nothing was read yet; at most so many sessions are remembered.
    pub fn new(sessions_max: usize) -> Self {
        Progress {
            known: Known::default(),
            sessions: Sessions::new(sessions_max),
            remembered: HashSet::new(),
        }
    }

    /// Takes in a part that was written.
    ///
    /// # Errors
    /// It has another form.
    pub fn restore(&mut self, write: &Write) -> Result<(), String> {
        match (&write.key, &write.value) {
            (WriteKey::Content(number), Some(text)) => {
                let position = serde_json::from_str(text)
                    .map_err(|error| format!("content {number}: {error}"))?;
                self.known.insert(*number, position);
            }
            (WriteKey::Content(number), None) => self.known.remove(*number),
            (WriteKey::Session(name), value) => {
                self.sessions.restore(&(name.clone(), value.clone()))?
            }
        }
        Ok(())
    }

    /// Whether a row of this id came before, as far as is remembered.
    pub fn comes_twice(&mut self, id: &[u8; 16]) -> bool {
        let tag = u64::from_be_bytes(id.first_chunk().copied().expect("an id has 16 bytes"));
        if self.remembered.len() >= REMEMBERED_ROWS_MAX {
            return self.remembered.contains(&tag);
        }
        !self.remembered.insert(tag)
    }
}

/// One content on its way into a sink.
struct Feeding<'a, 'm, S> {
    mapper: &'a Mapper<'m>,
    progress: &'a mut Progress,
    sink: &'a mut S,
    name: &'a str,
    counts: &'a mut Counts,
    /// What became of the rows of the open batch.
    batch: Counts,
    bytes: usize,
    payload: Vec<u8>,
}

/// Reads a file into the sink. `open` gives its decompressed content from its start; it is called up to three times.
///
/// # Errors
/// The file can't be read, or the sink fails: then the progress has to be read again.
pub fn feed<S: Sink, R: Read>(
    mapper: &Mapper<'_>,
    progress: &mut Progress,
    sink: &mut S,
    name: &str,
    mut open: impl FnMut() -> io::Result<R>,
    taking: Taking,
    counts: &mut Counts,
) -> Result<Done, FeedError<S::Error>> {
    let standing = progress.known.recognise(open()?)?;
    let mut track = match standing {
        Standing::New => Track::begin(&progress.known, name, 0),
        Standing::Continues(at) => Track::resume(*at, name),
        Standing::ReadBefore(position) | Standing::InDoubt(position, _) if taking.again => {
            Track::begin(&progress.known, name, position.pass + 1)
        }
        Standing::ReadBefore(position) => return Ok(Done::ReadBefore(position)),
        Standing::InDoubt(position, why) => return Ok(Done::InDoubt(position, why)),
    };
    let (places, header_length) = match places(open()?, mapper.mapping())? {
        None => return Ok(Done::Nothing),
        Some(Err(problem)) => return Ok(Done::Unusable(problem)),
        Some(Ok(found)) => found,
    };
    let mut content = open()?;
    if track.read() == 0 {
        let mut header = vec![0; usize::try_from(header_length).unwrap_or(0)];
        content.read_exact(&mut header)?;
        track.header(&header);
    } else {
        track.pass_over(&mut content)?;
    }
    let mut reader = RowReader::new(content, mapper.mapping(), places);
    let (batch, payload) = (Counts::default(), Vec::new());
    let mut feeding = Feeding { mapper, progress, sink, name, counts, batch, bytes: 0, payload };
    feeding.read(&mut reader, &mut track, taking)
}

impl<S: Sink> Feeding<'_, '_, S> {
    fn read<R: Read>(
        &mut self,
        reader: &mut RowReader<'_, R>,
        track: &mut Track,
        taking: Taking,
    ) -> Result<Done, FeedError<S::Error>> {
        let mut has_read = false;
        let (mut rows, mut is_stopped) = (0, false);
        while let Some(raw) = reader.next_row()? {
            if !raw.has_line_end && !taking.is_finished {
                break;
            }
            self.take(&raw, track).map_err(FeedError::Sink)?;
            (has_read, rows) = (true, rows + 1);
            if rows >= taking.batch_rows || self.bytes >= BATCH_BYTES_MAX {
                self.commit(track).map_err(FeedError::Sink)?;
                rows = 0;
                // Here, where nothing is under way.
                is_stopped = self.sink.is_stopped();
                if is_stopped {
                    break;
                }
            }
        }
        if rows > 0 {
            self.commit(track).map_err(FeedError::Sink)?;
        }
        Ok(match (is_stopped, has_read) {
            (true, _) => Done::Stopped,
            (false, true) => Done::Read,
            (false, false) => Done::Nothing,
        })
    }

    fn take(&mut self, raw: &RawRow<'_>, track: &mut Track) -> Result<(), S::Error> {
        let place = Place { name: self.name, byte: track.read() };
        let key = take_row(
            self.mapper,
            raw,
            &place.to_string(),
            self.progress,
            &mut self.batch,
            &mut self.payload,
        );
        if let Some(key) = key {
            self.sink.send(&key, &self.payload)?;
            self.bytes += self.payload.len();
        }
        track.row(raw.bytes, raw.has_line_end);
        Ok(())
    }

    fn commit(&mut self, track: &mut Track) -> Result<(), S::Error> {
        let (number, position) = track.position();
        let value =
            serde_json::to_string(&position).expect("a position has only texts and whole numbers");
        let mut writes = vec![Write { key: WriteKey::Content(number), value: Some(value) }];
        writes.extend(session_writes(&mut self.progress.sessions));
        self.sink.commit(&writes)?;
        self.progress.known.insert(number, position);
        let batch = std::mem::take(&mut self.batch);
        self.counts.add(&batch);
        self.sink.committed(&batch);
        self.bytes = 0;
        Ok(())
    }
}

/// Where in a file a row begins.
struct Place<'a> {
    name: &'a str,
    byte: u64,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} byte {}", self.name, self.byte)
    }
}

/// Turns a record of a topic into what is to be sent: all of its rows, in most cases one. `send` is given key and
/// payload of each.
///
/// # Errors
/// What `send` says.
pub fn take_record<E>(
    mapper: &Mapper<'_>,
    record: Option<&[u8]>,
    places: &Places,
    place: &str,
    progress: &mut Progress,
    counts: &mut Counts,
    mut send: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let Some(record) = record else {
        // A deletion, as connectors and compacted topics have them.
        *counts.left_out.entry("a record without a payload").or_default() += 1;
        return Ok(());
    };
    let mut reader = RowReader::new(record, mapper.mapping(), places.clone());
    let mut payload = Vec::new();
    let mut is_empty = true;
    while let Some(raw) = reader.next_row().expect("a slice can always be read") {
        is_empty = false;
        if let Some(key) = take_row(mapper, &raw, place, progress, counts, &mut payload) {
            send(&key, &payload)?;
        }
    }
    if is_empty {
        *counts.left_out.entry("a record without a row").or_default() += 1;
    }
    Ok(())
}

/// What has changed of sessions, to be written.
pub fn session_writes(sessions: &mut Sessions) -> Vec<Write> {
    let changes = sessions.take_changes().into_iter();
    changes.map(|(name, value)| Write { key: WriteKey::Session(name), value }).collect()
}

/// Turns a row into the record to be sent, in `payload`, and counts it. Gives the record's key; `None`: nothing is sent.
pub fn take_row(
    mapper: &Mapper<'_>,
    raw: &RawRow<'_>,
    place: &str,
    progress: &mut Progress,
    counts: &mut Counts,
    payload: &mut Vec<u8>,
) -> Option<String> {
    payload.clear();
    let (fault, id, kept) = match &raw.row {
        Ok(row) => match mapper.map(row, &mut progress.sessions, counts) {
            Outcome::LeftOut(_) => return None,
            Outcome::Event(event) => {
                counts.twice += u64::from(progress.comes_twice(&event.id));
                event.encode(payload);
                return Some(event.key());
            }
            Outcome::NotMapped(fault) => (fault, mapper.id(row), row.kept(mapper.mapping())),
        },
        Err(fault) => {
            *counts.not_mapped.entry(fault.code).or_default() += 1;
            (fault.clone(), not_mapped::id_of_bytes(raw.bytes), not_mapped::kept_bytes(raw.bytes))
        }
    };
    let mapping = &mapper.mapping().name;
    Letter { fault: &fault, id: &id, mapping, place, row: &kept }.encode(payload);
    Some(String::new())
}
