//! docs/bounds.md names every bound as the code has it: where it stands, and its value. And nothing in the programs waits,
//! pauses or keeps bytes by a constant that the page does not know. A simple check of texts, so that the page can't rot.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The programs' sources, and how the page begins their paths.
const ROOTS: [(&str, &str); 4] =
    [("crates", ""), ("streamer", "streamer"), ("batcher", "batcher"), ("producer", "producer")];
/// Tests' servers are no part of the programs.
const LEFT_OUT: [&str; 1] = ["sandbox"];

/// Bounds that are no constants: what must stand in their files.
const WRITTEN_OTHERWISE: [(&str, &str); 5] = [
    ("begin_in_turn.sql", "lock_timeout = '30s'"),
    ("--wait", "default_value = \"30s\""),
    ("--lock-wait", "default_value = \"60s\""),
    ("--archiver-wait", "default_value = \"30m\""),
    ("Session::own_options", "(\"statement_timeout\", \"15s\")"),
];

/// A row of the page.
struct Row {
    names: Vec<String>,
    values: String,
    files: Vec<PathBuf>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn in_backticks(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `crate/file.rs`, or a path beside the one before, as the page writes them.
fn place(shown: &str, before: Option<&Path>) -> PathBuf {
    let (first, rest) = shown.split_once('/').unwrap_or(("", shown));
    let beside = before.and_then(Path::parent).map(|folder| folder.join(shown));
    let crates = [root().join("crates").join(first), root().join(first)];
    let candidates = crates.map(|folder| folder.join("src").join(rest));
    let found = candidates.into_iter().chain(beside).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("docs/bounds.md names {shown}, which is not there"))
}

/// All files of a folder, of a file itself, and below a folder of the same name.
fn files_of(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut files: Vec<PathBuf> =
        Some(path.with_extension("rs")).filter(|file| file.is_file()).into_iter().collect();
    for entry in fs::read_dir(path).unwrap() {
        files.extend(files_of(&entry.unwrap().path()));
    }
    files
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("docs/bounds.md")).unwrap();
    let mut rows = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [names, values, places] = cells[..] else { panic!("three columns: {line}") };
        let (mut files, mut before) = (Vec::new(), None);
        for shown in in_backticks(places) {
            let path = place(&shown, before.as_deref());
            files.extend(files_of(&path));
            before = Some(path);
        }
        rows.push(Row { names: in_backticks(names), values: values.to_owned(), files });
    }
    rows
}

/// A file without its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod").next().unwrap().to_owned()
}

/// (name, type, value) of each constant.
fn constants(code: &str) -> Vec<(String, String, String)> {
    let definition = |rest: &str| {
        let (name, rest) = rest.split_once(": ")?;
        let (kind, rest) = rest.split_once(" = ").or_else(|| rest.split_once(" =\n"))?;
        let is_name =
            name.bytes().all(|byte| byte.is_ascii_uppercase() || b"_0123456789".contains(&byte));
        let value = rest.split(';').next()?;
        is_name.then(|| (name.to_owned(), kind.to_owned(), value.trim().to_owned()))
    };
    code.split("const ").skip(1).filter_map(definition).collect()
}

/// The number that products and shifts of numbers make.
fn number(text: &str) -> Option<u128> {
    let text = text.trim().trim_end_matches(".0");
    if let Some((left, right)) = text.split_once("<<") {
        return Some(number(left)? << number(right)?);
    }
    if let Some((left, right)) = text.split_once('*') {
        return Some(number(left)? * number(right)?);
    }
    text.replace('_', "").parse().ok()
}

fn with_commas(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `amount` in each of these units that it is a whole number of.
fn in_units(amount: u128, units: &[(u128, &str)]) -> Vec<String> {
    let whole = units.iter().filter(|(unit, _)| amount > 0 && amount.is_multiple_of(*unit));
    whole.map(|(unit, name)| format!("{} {name}", with_commas(amount / unit))).collect()
}

/// How a value may be written; nothing if it is of another kind.
fn writings(name: &str, value: &str) -> Vec<String> {
    const TIMES: [(u128, &str); 5] =
        [(1, "ms"), (1_000, "s"), (60_000, "minutes"), (86_400_000, "days"), (86_400_000, "day")];
    const BYTES: [(u128, &str); 4] =
        [(1, "bytes"), (1 << 10, "KiB"), (1 << 20, "MiB"), (1_000_000, "MB")];
    if let Some((unit, amount)) =
        value.strip_prefix("Duration::from_").and_then(|call| call.split_once('('))
    {
        let unit = match unit {
            "millis" => 1,
            "secs" => 1_000,
            "mins" => 60_000,
            "hours" => 3_600_000,
            other => panic!("{name}: Duration::from_{other}"),
        };
        let amount = amount.split(')').next().and_then(number);
        return amount.map_or_else(Vec::new, |amount| in_units(amount * unit, &TIMES));
    }
    let text = value.trim_matches('"');
    if value.starts_with('"') && number(text).is_none() {
        // '500ms', 64MB
        let from =
            text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '\'').map_or(0, |at| at + 1);
        let text = text[from..].trim_matches('\'');
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        return vec![format!("{} {}", &text[..digits], &text[digits..])];
    }
    let Some(number) = number(text) else { return Vec::new() };
    let name = name.to_ascii_uppercase();
    let mut found = vec![with_commas(number)];
    if name.contains("KBYTES") {
        found.extend(in_units(number << 10, &BYTES));
    } else if name.contains("BYTES") {
        found.extend(in_units(number, &BYTES));
    } else if name.contains("MICROS") {
        found.extend(in_units(number / 1_000, &TIMES));
    } else if name.contains("SECONDS") {
        found.extend(in_units(number * 1_000, &TIMES));
    } else if name.contains("FRACTION") {
        found = vec![format!("1/{number}")];
    }
    found
}

/// Whether the text has this as a value of its own, not as a part of another number or word.
fn says(text: &str, value: &str) -> bool {
    text.match_indices(value).any(|(at, _)| {
        let mut after = text[at + value.len()..].chars();
        let (next, second) = (after.next().unwrap_or(' '), after.next().unwrap_or(' '));
        let goes_on = next.is_ascii_digit()
            || ((next == ',' || next == '.') && second.is_ascii_digit())
            || (next.is_ascii_alphanumeric() && value.ends_with(|c: char| c.is_ascii_alphabetic()));
        let before = text[..at].chars().next_back().unwrap_or(' ');
        !goes_on && !before.is_ascii_alphanumeric() && !matches!(before, ',' | '.')
    })
}

/// The values that the code gives to a name of the page; each as it may be written.
fn values(row: &Row, name: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for code in row.files.iter().map(|file| code(file)) {
        if name.contains("::") {
            // Limit::Groups => Size::items(30_000),
            let arm = format!("{name} => ");
            let arms = code.split(&arm).skip(1).filter(|arm| arm.starts_with("Size"));
            for arm in arms {
                let sizes =
                    arm.lines().next().unwrap().split(|c: char| !"0123456789_ <".contains(c));
                let sizes = sizes.filter(|size| number(size).is_some());
                found
                    .extend(sizes.map(|size| {
                        writings(if size.contains("<<") { "BYTES" } else { "" }, size)
                    }));
            }
        } else if name.contains('.') {
            let setting = format!("(\"{name}\", \"");
            let settings = code.split(&setting).skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(settings.map(|value| writings(name, value)));
        } else {
            let own = constants(&code).into_iter().filter(|(constant, ..)| constant == name);
            found.extend(own.map(|(_, _, value)| writings(name, &value)));
        }
    }
    found
}

#[test]
fn the_page_has_each_bound_where_and_as_the_code_has_it() {
    let mut wrong = Vec::new();
    for row in rows() {
        for name in &row.names {
            if let Some((_, needle)) = WRITTEN_OTHERWISE.iter().find(|(other, _)| other == name) {
                if !row.files.iter().any(|file| code(file).contains(needle)) {
                    wrong.push(format!("{name}: {needle} is in none of its files"));
                }
                continue;
            }
            // A list of settings, of which the row names those that are bounds.
            if name.starts_with("DEFAULT") {
                continue;
            }
            let values = values(&row, name);
            if values.is_empty() {
                wrong.push(format!("{name} is not in {:?}", row.files));
            }
            for value in values {
                if !value.iter().any(|writing| says(&row.values, writing)) {
                    wrong.push(format!("{name} is {value:?}, and the page says: {}", row.values));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "docs/bounds.md:\n  {}", wrong.join("\n  "));
}

/// Whether a constant is what something waits or keeps at most.
fn is_a_bound(name: &str, kind: &str) -> bool {
    const WAITS: [&str; 8] =
        ["TIMEOUT", "DEADLINE", "_CAP", "PAUSE", "PATIENCE", "GRACE", "WAIT", "RETRY"];
    (kind == "Duration" && WAITS.iter().any(|word| name.contains(word)))
        || name.ends_with("BYTES_MAX")
        || name.ends_with("CAPACITY")
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (folder, program) in ROOTS {
        let folders = match program {
            "" => fs::read_dir(root().join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect(),
            _ => vec![root().join(folder)],
        };
        let is_in = |folder: &PathBuf| !LEFT_OUT.iter().any(|name| folder.ends_with(name));
        found.extend(
            folders
                .iter()
                .filter(|folder| is_in(folder))
                .flat_map(|folder| files_of(&folder.join("src"))),
        );
    }
    found.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    found.retain(|file| {
        !file.ends_with("tests.rs") && !file.components().any(|part| part.as_os_str() == "tests")
    });
    found
}

#[test]
fn the_page_misses_no_wait_pause_or_buffer() {
    let canonical = |path: &PathBuf| path.canonicalize().unwrap();
    let rows = rows();
    let known: BTreeSet<(&str, PathBuf)> = rows
        .iter()
        .flat_map(|row| {
            let files: Vec<PathBuf> = row.files.iter().map(canonical).collect();
            row.names.iter().flat_map(move |name| {
                files.clone().into_iter().map(move |file| (name.as_str(), file))
            })
        })
        .collect();
    let mut missing = Vec::new();
    for file in sources().iter().map(canonical) {
        for (name, kind, value) in constants(&code(&file)) {
            if is_a_bound(&name, &kind) && !known.contains(&(name.as_str(), file.clone())) {
                missing.push(format!("{name} = {value} in {}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "docs/bounds.md does not name\n  {}", missing.join("\n  "));
}

#[test]
fn values_are_read_and_found_as_people_write_them() {
    for (name, value, writing) in [
        ("A", "Duration::from_millis(500)", "500 ms"),
        ("A", "Duration::from_hours(7 * 24)", "7 days"),
        ("A_BYTES", "16 << 10", "16 KiB"),
        ("A_KBYTES", "16 * 1024", "16 MiB"),
        ("fetch.max.bytes", "8388608", "8 MiB"),
        ("A_MICROS", "10_000_000", "10 s"),
        ("A_FRACTION", "128", "1/128"),
        ("A", "4_000_000.0", "4,000,000"),
        ("A", "\"SET lock_timeout = '500ms'\"", "500 ms"),
        ("A", "\"64MB\"", "64 MB"),
    ] {
        assert!(
            writings(name, value).contains(&writing.to_owned()),
            "{value}: {:?}",
            writings(name, value)
        );
    }
    assert!(says("pauses 100 ms to 5 s between", "5 s") && says("the 3rd time", "3"));
    for (text, value) in
        [("15 s", "5 s"), ("5 sketches", "5 s"), ("30,000", "30"), ("1.5", "5"), ("300", "30")]
    {
        assert!(!says(text, value), "{text}: {value}");
    }
}
