//! Rows of one content, with where each ends.
//!
//! In: decompressed bytes from some position on. Out: one [`RawRow`] after the other: its bytes, and its values or why it
//! has none. What follows a row's bytes is the next row, so the sum of their lengths is a position to go on from.
//!
//! Keeps I-6: a row has a bound. A quotation mark that is never closed would swallow the rest of the file; such a row
//! ends at its first line, and the next line is read as a row again.

use std::io::{self, Read};

use crate::fault::Fault;
use crate::form::Format;
use crate::mapping::Mapping;
use crate::row::{Places, Row, json_row};

/// A row has at most this many bytes.
pub const ROW_BYTES_MAX: usize = 1 << 20;
/// So many bytes are asked for at a time.
const READ_BYTES: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The rows of a content.
pub struct RowReader<'m, R> {
    input: R,
    mapping: &'m Mapping,
    places: Places,
    window: Window,
    core: csv_core::Reader,
    /// Fields of the row that is being read, one after the other.
    fields: Vec<u8>,
    ends: Vec<usize>,
}

/// What has been read and not yet given out.
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    start: usize,
    is_at_end: bool,
}

/// One row, as it stands there.
pub struct RawRow<'a> {
    /// How many bytes it takes, its line's end included.
    pub length: usize,
    /// The row with its line's end, as it stands in the file.
    pub bytes: &'a [u8],
    /// Whether its line has an end: the last line of a file that grows has none yet.
    pub has_line_end: bool,
    /// What it says; or why it can't be read.
    pub row: Result<Row<'a>, Fault>,
}

impl Window {
    /// Makes room and reads more. `false`: there is no more.
    fn fill(&mut self, input: &mut impl Read) -> io::Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let held = self.bytes.len();
        self.bytes.resize(held + READ_BYTES, 0);
        let read = loop {
            match input.read(&mut self.bytes[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.bytes.truncate(held + *read.as_ref().unwrap_or(&0));
        self.is_at_end = read? == 0;
        Ok(!self.is_at_end)
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl<'m, R: Read> RowReader<'m, R> {
    /// Rows from here on; `places`: where the columns stand.
    pub fn new(input: R, mapping: &'m Mapping, places: Places) -> Self {
        let core = core(mapping);
        RowReader {
            input,
            mapping,
            places,
            window: Window::default(),
            core,
            fields: vec![0; 1_024],
            ends: vec![0; 64],
        }
    }

    /// The next row; `None`: there is no more. Empty lines belong to the row after them.
    ///
    /// # Errors
    /// The input can't be read.
    pub fn next_row(&mut self) -> io::Result<Option<RawRow<'_>>> {
        match self.mapping.input.format {
            Format::Csv => self.next_csv(),
            Format::Ndjson => self.next_line(),
        }
    }

    fn next_csv(&mut self) -> io::Result<Option<RawRow<'_>>> {
        let (mut scanned, mut text_length, mut fields) = (0, 0, 0);
        self.core.reset();
        loop {
            let rest = &self.window.bytes[self.window.start + scanned..];
            if rest.is_empty() && !self.window.is_at_end {
                if scanned > ROW_BYTES_MAX {
                    return Ok(Some(self.cut("row_too_long", scanned)));
                }
                self.window.fill(&mut self.input)?;
                continue;
            }
            let (result, read, written, ended) = self.core.read_record(
                rest,
                &mut self.fields[text_length..],
                &mut self.ends[fields..],
            );
            scanned += read;
            text_length += written;
            fields += ended;
            match result {
                csv_core::ReadRecordResult::InputEmpty => {}
                csv_core::ReadRecordResult::OutputFull => {
                    self.fields.resize(self.fields.len() * 2, 0)
                }
                csv_core::ReadRecordResult::OutputEndsFull => {
                    self.ends.resize(self.ends.len() * 2, 0)
                }
                csv_core::ReadRecordResult::End => return Ok(None),
                csv_core::ReadRecordResult::Record => break,
            }
        }
        if !self.places.allows(fields) {
            let (expected, code) = (self.places.expected_fields(), "wrong_number_of_fields");
            let raw = &self.window.rest()[..scanned];
            if first_line(raw) < scanned {
                return Ok(Some(self.cut(code, scanned)));
            }
            let detail = format!("the row has {fields} fields, expected {expected}");
            return Ok(Some(self.give(scanned, Err(Fault::plain(code, detail)))));
        }
        Ok(Some(self.give_csv(scanned, text_length, fields)))
    }

    fn give_csv(&mut self, length: usize, text_length: usize, fields: usize) -> RawRow<'_> {
        let from = self.window.start;
        self.window.start += length;
        let bytes = &self.window.bytes[from..from + length];
        let ends = &self.ends[..fields];
        let row = match std::str::from_utf8(&self.fields[..text_length]) {
            // No field begins or ends within a character that is written in several bytes.
            Ok(text) if ends.iter().all(|end| text.is_char_boundary(*end)) => {
                Ok(Row::Csv { text, ends, places: &self.places })
            }
            _ => Err(Fault::plain("not_utf8", "the row is not UTF-8")),
        };
        RawRow { length, bytes, has_line_end: ends_line(bytes), row }
    }

    /// A row that is no row: its first line alone, so that what a stray quotation mark swallowed is read again.
    fn cut(&mut self, code: &'static str, scanned: usize) -> RawRow<'_> {
        let line = first_line(&self.window.rest()[..scanned]);
        let detail = "the row goes over several lines and has too many bytes or another number of fields than the \
                      others: a quotation mark may be missing";
        self.give(line, Err(Fault::plain(code, detail)))
    }

    fn give(&mut self, length: usize, row: Result<Row<'static>, Fault>) -> RawRow<'_> {
        let from = self.window.start;
        self.window.start += length;
        let bytes = &self.window.bytes[from..from + length];
        RawRow { length, bytes, has_line_end: ends_line(bytes), row }
    }

    fn next_line(&mut self) -> io::Result<Option<RawRow<'_>>> {
        let mut scanned = 0;
        let length = loop {
            let rest = self.window.rest();
            let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            match rest[scanned.max(blank)..].iter().position(|byte| *byte == b'\n') {
                Some(at) => break scanned.max(blank) + at + 1,
                None if rest.len() > ROW_BYTES_MAX => break rest.len(),
                None => scanned = rest.len(),
            }
            if !self.window.fill(&mut self.input)? {
                let rest = self.window.rest();
                if rest.iter().all(u8::is_ascii_whitespace) {
                    return Ok(None);
                }
                break rest.len();
            }
        };
        let text = &self.window.rest()[..length];
        let row = if length > ROW_BYTES_MAX {
            Err(Fault::plain("row_too_long", "the row has more bytes than a row may have"))
        } else {
            json_row(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text), &self.mapping.input)
        };
        Ok(Some(self.give(length, row)))
    }
}

/// Where the columns of a content stand: from its header, or as the mapping says.
///
/// # Errors
/// The input can't be read; as a value: a column is missing. `Ok(None)`: there is no header yet.
pub fn places(
    input: impl Read,
    mapping: &Mapping,
) -> io::Result<Option<Result<(Places, u64), String>>> {
    let rules = &mapping.input;
    if rules.format == Format::Ndjson {
        return Ok(Some(Ok((Places::of_json(), 0))));
    }
    if !rules.header {
        return Ok(Some(
            Places::of_names(mapping, &rules.names, rules.optional).map(|places| (places, 0)),
        ));
    }
    let any = Places::any();
    let mut reader = RowReader::new(input, mapping, any);
    let Some(header) = reader.next_row()? else { return Ok(None) };
    if !header.has_line_end {
        return Ok(None);
    }
    let length = header.length as u64;
    Ok(Some(match header.row {
        Err(fault) => Err(format!("its header can't be read: {}", fault.detail)),
        Ok(row) => {
            let names: Vec<String> = row
                .all_values()
                .iter()
                .map(|name| String::from_utf8_lossy(name).trim().to_owned())
                .collect();
            Places::of_names(mapping, &names, 0).map(|places| (places, length))
        }
    }))
}

/// Where the columns of a topic's records stand, which have no header.
///
/// # Errors
/// The mapping does not name them.
pub fn places_of_topic(mapping: &Mapping) -> Result<Places, String> {
    let rules = &mapping.input;
    match (rules.format, rules.names.is_empty()) {
        (Format::Ndjson, _) => Ok(Places::of_json()),
        (Format::Csv, false) => Places::of_names(mapping, &rules.names, rules.optional),
        (Format::Csv, true) => Err(format!(
            "mapping {}: a topic's records have no header; name input.columns",
            mapping.name
        )),
    }
}

fn core(mapping: &Mapping) -> csv_core::Reader {
    csv_core::ReaderBuilder::new().delimiter(mapping.input.delimiter).build()
}

/// How long the first line is that is not empty, with its end.
fn first_line(bytes: &[u8]) -> usize {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    bytes[blank..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| blank + at + 1)
}

fn ends_line(bytes: &[u8]) -> bool {
    matches!(bytes.last(), Some(b'\n' | b'\r'))
}
