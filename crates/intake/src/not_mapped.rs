//! A row that can't be mapped, as it goes to the topic: an object without an event type and with a member `not_mapped`,
//! for which the streamer has a dead letter's reason of the same name.
//!
//! ```json
//! {"not_mapped":"time_does_not_exist","detail":"…","event_id":"…","mapping":"asterisk","place":"cdr.csv byte 120","row":"…"}
//! ```

use serde::Serialize;

use crate::event::{Uuid, id_of};
use crate::fault::Fault;
use crate::mask::masked_whole;

/// Most characters of a row that can't even be read.
const KEPT_CHARS_MAX: usize = 1_024;
/// Most characters of a place.
const PLACE_CHARS_MAX: usize = 300;

/// A row that can't be mapped.
pub(crate) struct Letter<'a> {
    pub(crate) fault: &'a Fault,
    pub(crate) id: &'a [u8; 16],
    pub(crate) mapping: &'a str,
    /// Where the row stands, for people.
    pub(crate) place: &'a str,
    /// The row, masked.
    pub(crate) row: &'a str,
}

#[derive(Serialize)]
struct Form<'a> {
    not_mapped: &'a str,
    detail: &'a str,
    event_id: String,
    mapping: &'a str,
    place: String,
    row: &'a str,
}

impl Letter<'_> {
    /// Appends it to `out` as one line of compact JSON.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let form = Form {
            not_mapped: self.fault.code,
            detail: &self.fault.detail,
            event_id: Uuid(self.id).to_string(),
            mapping: self.mapping,
            // A file's name may hold a number too.
            place: event_model::visible(&crate::mask::masked(self.place), PLACE_CHARS_MAX),
            row: self.row,
        };
        serde_json::to_writer(out, &form)
            .expect("a Vec takes every byte, and texts have a JSON form");
    }
}

/// The id of a row that has no values.
pub(crate) fn id_of_bytes(bytes: &[u8]) -> [u8; 16] {
    id_of(std::iter::once(bytes.trim_ascii()))
}

/// A row that can't be read, for a dead letter. Nobody knows which of its digits are a number: none is shown.
pub(crate) fn kept_bytes(bytes: &[u8]) -> String {
    let beginning = &bytes[..bytes.len().min(4 * KEPT_CHARS_MAX)];
    event_model::visible(&masked_whole(String::from_utf8_lossy(beginning).trim()), KEPT_CHARS_MAX)
}
