//! The same events as other programs write them. Each layout is measured for itself, because a decoder that is
//! fast for one of them need not be fast for another.

use crate::payloads;

/// A way to write an event.
pub struct Layout {
    /// What the gate and the benchmarks call it.
    pub name: &'static str,
    write: fn(&mut Members) -> String,
}

impl Layout {
    /// The thousand events in this layout.
    pub fn payloads(&self) -> Vec<Vec<u8>> {
        let written = |own: Vec<u8>| (self.write)(&mut members_of(&own)).into_bytes();
        payloads().into_iter().map(written).collect()
    }
}

/// All layouts, the producer's own first.
pub const LAYOUTS: [Layout; 9] = [
    Layout { name: "own", write: |members| written(members, ":", ",") },
    // What Python's json.dumps writes.
    Layout { name: "blanks", write: |members| written(members, ": ", ", ") },
    Layout {
        name: "field-missing",
        write: |members| {
            members.retain(|(key, _)| key != "event_subtype");
            written(members, ":", ",")
        },
    },
    Layout {
        name: "sorted-keys",
        write: |members| {
            members.sort();
            written(members, ":", ",")
        },
    },
    Layout {
        name: "nulls-left-out",
        write: |members| {
            members.retain(|(_, value)| value != "null");
            written(members, ":", ",")
        },
    },
    Layout {
        name: "unknown-fields",
        write: |members| {
            members.extend(unknown());
            written(members, ":", ",")
        },
    },
    // One member a line, as people and some loggers write it.
    Layout {
        name: "pretty",
        write: |members| {
            let text = written(members, ": ", ",\n    ");
            format!("{{\n    {}\n}}", &text[1..text.len() - 1])
        },
    },
    // Cyrillic names as they are, and the offset of Almaty.
    Layout {
        name: "cyrillic",
        write: |members| {
            translate(members, |_, value| value.to_owned());
            written(members, ":", ",")
        },
    },
    // The same by a program that writes ASCII only, which is Python's default.
    Layout {
        name: "escaped",
        write: |members| {
            translate(members, |_, value| escaped(value));
            written(members, ": ", ", ")
        },
    },
];

/// Names and values as JSON, the names without their quotes.
type Members = Vec<(String, String)>;

/// The members of an event of the producer, whose strings hold neither commas nor quotes.
fn members_of(own: &[u8]) -> Members {
    let text = String::from_utf8_lossy(own);
    let inside = text.trim_start_matches("{\"").trim_end_matches('}');
    let member = |member: &str| {
        let (key, value) = member.split_once("\":").unwrap_or((member, "null"));
        (key.to_owned(), value.to_owned())
    };
    inside.split(",\"").map(member).collect()
}

fn written(members: &Members, after_key: &str, between: &str) -> String {
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("\"{key}\"{after_key}{value}")).collect();
    format!("{{{}}}", members.join(between))
}

/// Five fields that nobody knows, one of them an object.
fn unknown() -> Members {
    [
        ("schema_version", "3"),
        ("source_system", r#""mediation-07""#),
        ("rating", r#"{"plan":"prepaid","free":true,"steps":[1,2.5,-3e2],"note":null}"#),
        ("ingested_at", r#""2025-11-09T12:00:00.000000+00:00""#),
        ("is_roaming", "false"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Regions in Cyrillic letters, and local time.
fn translate(members: &mut Members, rewritten: fn(&str, &str) -> String) {
    for (key, value) in members.iter_mut() {
        let other = match (key.as_str(), value.as_str()) {
            ("region", "\"Almaty\"") => "\"Алматы\"".to_owned(),
            ("region", "\"Astana\"") => "\"Астана\"".to_owned(),
            ("region", "\"Shymkent\"") => "\"Шымкент\"".to_owned(),
            ("region", _) => "\"Ақтөбе\"".to_owned(),
            ("timestamp", local) => local.replace('Z', "+05:00"),
            _ => continue,
        };
        *value = rewritten(key, &other);
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::new();
    for unit in value.encode_utf16() {
        match u8::try_from(unit).map(char::from) {
            Ok(ascii) if ascii.is_ascii() => text.push(ascii),
            _ => text += &format!("\\u{unit:04x}"),
        }
    }
    text
}
