//! Confluent's frame: a zero byte, then the number of a schema in four bytes, come before a body.
//!
//! JSON in it is read as if it stood there alone, whatever the number is; of any other body only the schema of that number says
//! what it means.

use crate::decode::decode;
use crate::{Dead, DeadReason};

/// The number of the schema and the body, where a payload stands in the frame and can't be understood without its schema;
/// `None`: it has no frame, or JSON stands in it.
pub fn needs_schema(payload: &[u8]) -> Option<(u32, &[u8])> {
    let [0, a, b, c, d, body @ ..] = payload else { return None };
    (!is_json(body)).then_some((u32::from_be_bytes([*a, *b, *c, *d]), body))
}

/// Whether a JSON object stands here: to its last byte, for Avro may begin and end like one.
fn is_json(body: &[u8]) -> bool {
    let text = body.trim_ascii();
    let is_other = |dead: Dead| matches!(dead.reason, DeadReason::NotUtf8 | DeadReason::NotJson);
    text.starts_with(b"{") && text.ends_with(b"}") && !decode(text).is_err_and(is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_framed_and_no_json_object_needs_its_schema() {
        for json in [
            &b"{\"a\": 1}"[..],
            b"",
            b"nonsense",
            b"\0\0\0\0",
            b"\0\0\0\0\x07 {\"a\": 1}\n",
            b"\0\0\0\0\x07{}",
            // Unusable, and JSON all the same.
            b"\0\0\0\0\x07{\"region\": 1, \"region\": 2}",
        ] {
            assert_eq!(needs_schema(json), None, "{json:?}");
        }
        for body in
            [&b""[..], b"\x08call", b"[1]", b"{\"torn\": ", b"{ a uuid's  }", b"{\xff}", b"}{"]
        {
            let payload = [b"\0\0\x01\0\x07", body].concat();
            assert_eq!(needs_schema(&payload), Some((65_543, body)), "{body:?}");
        }
    }
}
