//! What the commands that answer questions write: bytes that may be anything, times, JSON.
//!
//! Nothing that a record holds reaches a terminal as it is: control characters are escaped.

use chrono::NaiveDateTime;
use event_model::visible;
use serde_json::{Value, json};

/// Bytes shown in hex when a preview is no text.
const PREVIEW_HEX_BYTES: usize = 24;
/// Bytes in a line of a hex dump.
const DUMP_BYTES_PER_LINE: usize = 16;

/// The beginning of bytes on one line: as text if they are text, else in hex. `start` may be cut
/// anywhere from `total_bytes`.
pub(crate) fn preview(start: &[u8], total_bytes: usize, max_chars: usize) -> String {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // Cut in the middle of a character.
        Err(error) if error.error_len().is_none() && start.len() < total_bytes => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => {
            let shown = &start[..start.len().min(PREVIEW_HEX_BYTES)];
            let more = if shown.len() < total_bytes { "…" } else { "" };
            return format!("0x{}{more}", hex(shown));
        }
    };
    let mut shown = visible(text, max_chars);
    if start.len() < total_bytes && !shown.ends_with('…') {
        shown.push('…');
    }
    shown
}

/// All of a payload, its own line breaks kept; a hex dump if it is no text.
pub(crate) fn dump(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let lines: Vec<String> = text.split('\n').map(|line| visible(line, usize::MAX)).collect();
        return lines.join("\n") + "\n";
    }
    let lines = bytes.chunks(DUMP_BYTES_PER_LINE).enumerate().map(|(index, chunk)| {
        let pairs: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:08x}  {}\n", index * DUMP_BYTES_PER_LINE, pairs.join(" "))
    });
    lines.collect()
}

/// Bytes for a program: `{"text": …}` if they are text, else `{"hex": …}`; null if there are none.
pub(crate) fn bytes_json(bytes: Option<&[u8]>) -> Value {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => Value::Null,
        Some((_, Ok(text))) => json!({ "text": text }),
        Some((bytes, Err(_))) => json!({ "hex": hex(bytes) }),
    }
}

/// A time for a program.
pub(crate) fn time_json(utc: Option<NaiveDateTime>) -> Value {
    utc.map_or(Value::Null, |utc| json!(utc.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()))
}

/// A time for a person, to the second.
pub(crate) fn time_text(utc: NaiveDateTime) -> String {
    utc.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_one_short_line_whatever_the_bytes() {
        let long = "ж".repeat(50);
        let cut_text = format!("{}…", "ж".repeat(10));
        let table: [(&[u8], usize, &str); 9] = [
            (b"{\"a\":1}", 7, "{\"a\":1}"),
            (b"a\n\x1b[31mb\0", 8, r"a\n\u{1b}[31mb\0"),
            (b"", 0, ""),
            (b"abc", 9, "abc…"),
            (long.as_bytes(), 100, &cut_text),
            (long.as_bytes(), 200, &cut_text),
            // The last character is cut in two: still text, unless that is its real end.
            (&long.as_bytes()[..5], 100, "жж…"),
            (&long.as_bytes()[..5], 5, "0xd0b6d0b6d0"),
            (&[0xff; 40], 40, "0xffffffffffffffffffffffffffffffffffffffffffffffff…"),
        ];
        for (start, total_bytes, expected) in table {
            assert_eq!(preview(start, total_bytes, 10), expected, "{start:?}");
        }
    }

    #[test]
    fn a_dump_keeps_lines_and_shows_every_byte() {
        assert_eq!(dump(b"{\n  \"a\": \"\x07\"\n}"), "{\n  \"a\": \"\\u{7}\"\n}\n");
        assert_eq!(
            dump(&[0xff; 17]),
            format!("00000000  {}\n00000010  ff\n", ["ff"; 16].join(" "))
        );
        assert_eq!(dump(b""), "\n");
    }

    #[test]
    fn bytes_are_text_or_hex_or_null() {
        assert_eq!(bytes_json(None), Value::Null);
        assert_eq!(bytes_json(Some(b"a\0")), json!({ "text": "a\0" }));
        assert_eq!(bytes_json(Some(&[0xff, 0x00])), json!({ "hex": "ff00" }));
    }
}
