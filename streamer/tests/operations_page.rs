//! docs/operations.md knows every message: whatever the programs can say at WARN or ERROR, as an error
//! or as the reason of a halt, can be found there. A simple check of texts, so that the page can't rot.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs;
use std::path::{Path, PathBuf};

/// Where the programs' own messages are.
const SOURCES: [&str; 16] = [
    "crates/operator/src",
    "crates/log-reader/src",
    "crates/intake/src",
    "crates/intake-cli/src",
    "crates/generator/src",
    "crates/pseudonym/src",
    "crates/event-model/src",
    "crates/windowing/src",
    "crates/store/src",
    "crates/program/src",
    "crates/schema-registry/src",
    "streamer/src",
    "batcher/src",
    "producer/src",
    "lake/churn/src",
    "lake/churn/cli/src",
];

/// What comes before the text of a message.
const MARKS: [&str; 8] = [
    "#[error(",
    "tracing::warn!(",
    "tracing::error!(",
    "ensure!(",
    "anyhow!(",
    "bail!(",
    ".context(",
    ".with_context(",
];

/// All sentences in these are parts of reasons why a partition halts.
const REASONS: [&str; 5] = [
    "crates/windowing/src/engine/assigned.rs",
    "crates/windowing/src/engine/assigned/log_ends.rs",
    "crates/windowing/src/continuity.rs",
    "crates/store/src/flush/refusal.rs",
    "crates/store/src/flush/queries/halt_missing_partitions.sql",
];

/// A shorter piece of text tells nothing (`{error}: {cause}`), or is no sentence.
const PIECE_CHARS_MIN: usize = 7;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files below a folder that are part of a program, without their tests.
fn rust_files(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if name == "tests" || name == "tests.rs" {
            continue;
        }
        if root().join(&path).is_dir() {
            files.extend(rust_files(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}

/// A file without its tests and comments.
fn program_text(path: &str) -> String {
    let text = read(path);
    let program = text.split("#[cfg(test)]\nmod").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//") && !line.starts_with("--");
    program.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

/// The value of the first literal in `code`, and what follows it.
fn first_literal(code: &str, quote: char) -> Option<(String, &str)> {
    let mut rest = code[code.find(quote)? + 1..].chars();
    let mut value = String::new();
    loop {
        match rest.next()? {
            c if c == quote => return Some((value, rest.as_str())),
            '\\' => match rest.next()? {
                // The text goes on after the next line's indentation.
                '\n' => rest = rest.as_str().trim_start().chars(),
                escaped => value.push(escaped),
            },
            c => value.push(c),
        }
    }
}

/// The longest piece between placeholders; `None` if it tells nothing.
fn telling_piece(message: &str) -> Option<String> {
    let after_placeholder = |part: &str| part.split('}').next_back().unwrap_or_default().to_owned();
    let pieces = message.split('{').map(after_placeholder);
    let longest = pieces.max_by_key(String::len)?;
    (longest.len() >= PIECE_CHARS_MIN).then_some(longest)
}

/// What the page must have of one file's messages.
fn messages(path: &str) -> Vec<String> {
    let code = program_text(path);
    let mut found = Vec::new();
    for mark in MARKS {
        for (at, _) in code.match_indices(mark) {
            // A call without a text of its own must not be given the next one's.
            let call = &code[at + mark.len()..];
            let end = if mark == "#[error(" { ")]" } else { ";\n" };
            let call = call.split(end).next().unwrap();
            let text = first_literal(call, '"').map(|(text, _)| text);
            found.extend(text.and_then(|text| telling_piece(&text)));
        }
    }
    found
}

/// The same of a file that knows reasons.
fn reasons(path: &str) -> Vec<String> {
    let quote = if path.ends_with(".sql") { '\'' } else { '"' };
    // What a failing statement was doing is no reason.
    let is_reason = |line: &&str| !line.contains("StoreError::sql(");
    let code = program_text(path).replace("%s", "{}");
    let code = code.lines().filter(is_reason).collect::<Vec<_>>().join("\n");
    let mut rest = code.as_str();
    let mut found = Vec::new();
    while let Some((text, after)) = first_literal(rest, quote) {
        // Codes and names are no sentences.
        found.extend(telling_piece(&text).filter(|piece| piece.trim().contains(' ')));
        rest = after;
    }
    found
}

/// One space between words; no Markdown; without the colon before what varies.
fn plain(text: &str) -> String {
    let text = text.replace('`', "").replace("\\|", "|");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.trim_end_matches(':').to_owned()
}

#[test]
fn the_operations_page_has_every_message() {
    let page = plain(&read("docs/operations.md"));
    let files: Vec<String> = SOURCES.iter().flat_map(|folder| rust_files(folder)).collect();
    let in_messages = files.iter().map(|path| (path.as_str(), messages(path)));
    let in_reasons = REASONS.iter().map(|path| (*path, reasons(path)));
    let mut missing = Vec::new();
    for (path, pieces) in in_messages.chain(in_reasons) {
        let unknown = pieces.iter().filter(|piece| !page.contains(&plain(piece)));
        missing.extend(unknown.map(|piece| format!("\n  {path}: {piece}")));
    }
    assert!(
        missing.is_empty(),
        "docs/operations.md does not say what to do about{}",
        missing.concat()
    );
}

/// What stands between a macro's parentheses; `code` begins behind the first one.
fn arguments(code: &str) -> &str {
    let (mut depth, mut is_text, mut is_escaped) = (1, false, false);
    for (at, c) in code.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            '(' if !is_text => depth += 1,
            ')' if !is_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &code[..at];
        }
    }
    panic!("no end: {code}")
}

/// The sentence of a log line, which comes last; `None`: it has none, or one that is computed.
fn sentence(arguments: &str) -> Option<String> {
    let arguments = arguments.trim_end().trim_end_matches(',').trim_end();
    let (mut rest, mut last) = (arguments, None);
    while let Some((text, after)) = first_literal(rest, '"') {
        (last, rest) = (Some(text), after);
    }
    last.filter(|_| rest.is_empty() && arguments.ends_with('"'))
}

/// Who collects log lines groups them by their sentences and searches them by their fields.
#[test]
fn what_varies_in_a_log_line_is_a_field() {
    const LAKE: [&str; 2] = ["lake/archiver/src", "lake/follower/src"];
    // The error with which a program ends; one of two ends of a sentence.
    const WHOLE: [&str; 2] = ["{why}", "an anomaly {change}"];
    let (mut found, mut whole) = (Vec::new(), 0);
    for path in SOURCES.iter().chain(&LAKE).flat_map(|folder| rust_files(folder)) {
        let code = program_text(&path);
        for level in ["error", "warn", "info", "debug", "trace"] {
            let mark = format!("tracing::{level}!(");
            for (at, _) in code.match_indices(&mark) {
                let call = arguments(&code[at + mark.len()..]);
                match sentence(call) {
                    Some(text) if WHOLE.contains(&text.as_str()) => whole += 1,
                    Some(text) if !text.contains('{') => {}
                    _ => found.push(format!("\n  {path}: {}", plain(call))),
                }
            }
        }
    }
    assert_eq!(whole, WHOLE.len());
    assert!(found.is_empty(), "values in the sentences of{}", found.concat());
}

#[test]
fn a_sentence_is_found_behind_the_fields() {
    for (code, expected) in [
        ("%error, \"not (yet) there\",\n)", Some("not (yet) there")),
        ("n = f(\"{x}\", 1), \"found\"); g(\"other\")", Some("found")),
        ("\"{} of {}\", a, b)", None),
        ("partition)", None),
    ] {
        assert_eq!(sentence(arguments(code)).as_deref(), expected, "{code}");
    }
}

/// A crate that is new, or cut out of another one, brings its messages along.
#[test]
fn every_crate_of_the_programs_is_looked_through() {
    // The tests' own servers, points at which tests end a process, and arithmetic that says nothing.
    const SILENT: [&str; 5] = ["sandbox", "fail-point", "anomaly", "patterns", "towers"];
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_known = SOURCES.contains(&format!("crates/{name}/src").as_str());
        assert!(is_known != SILENT.contains(&name.as_str()), "crates/{name}");
    }
}

#[test]
fn messages_are_found_where_they_are() {
    for (path, expected) in [
        (
            "crates/store/src/error.rs",
            "the database already has tables that these programs did not create: ",
        ),
        ("crates/store/src/flush.rs", "flush not stored, and it needs mending"),
        (
            "crates/program/src/kafka/topic.rs",
            "; is it running, and is KAFKA_BOOTSTRAP_SERVERS right?",
        ),
        ("streamer/src/start.rs", "the Kafka client refuses its settings; check KAFKA_PROPERTIES"),
        ("streamer/src/worker/positions.rs", "its log is in doubt, and can't be read"),
        ("producer/src/kafka.rs", "an event was not delivered; others are only counted"),
    ] {
        let found = messages(path);
        assert!(found.iter().any(|piece| piece == expected), "{path}: {found:?}");
    }
    for (path, expected) in [
        (REASONS[0], "the partition was retired by an operator"),
        (REASONS[1], " although the log goes on to "),
        (REASONS[2], "records were deleted from the log before they were read"),
        (REASONS[3], "the database refuses "),
        (REASONS[4], " any more: lost are the offsets from "),
    ] {
        let found = reasons(path);
        assert!(found.iter().any(|piece| piece == expected), "{path}: {found:?}");
    }
}

#[test]
fn a_text_is_read_as_the_compiler_reads_it() {
    let code = "x(\"one \\\"two\\\" \\\n      three\", \"four\")";
    let (value, rest) = first_literal(code, '"').unwrap();
    assert_eq!(value, "one \"two\" three");
    assert_eq!(first_literal(rest, '"').unwrap().0, "four");
    assert_eq!(telling_piece("a {b} longer piece {c:?} x").unwrap(), " longer piece ");
    assert_eq!(telling_piece("{a}: {b}"), None);
}
