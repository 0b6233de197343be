//! Commands that send nothing: `check`, `profile`, `pseudonym`, `status`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, Write as _};
use std::process::ExitCode;

use anyhow::{Context, bail};
use intake::{Check, Mapper, Mapping, PROFILES, Position, Progress};
use program::{StandardOutput, ensure_topic, print};
use serde_json::{Value, json};

use crate::config::{CheckArgs, ProfileArgs, PseudonymArgs, StatusArgs, read_mapping};
use crate::files::content;
use crate::journal;

/// `intake check`: exit 1 when a row or a file can't be used.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let mapping = read_mapping(&args.map)?;
    let mapper = Mapper::new(&mapping, args.key.key(false)?);
    let mut check = Check::new(&mapper, args.rows);
    let mut problems = String::new();
    for path in &args.files {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("{shown} can't be opened"))?;
        let name =
            path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let looked = check
            .file(&name, || content(&file))
            .with_context(|| format!("{shown} can't be read"))?;
        if let Err(problem) = looked {
            writeln!(problems, "{shown}: {problem}").expect("a String takes any text");
        }
    }
    print(format!("{problems}{check}\n"))?;
    let is_usable = problems.is_empty() && check.counts().not_mapped() == 0;
    Ok(if is_usable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn profile(args: &ProfileArgs) -> anyhow::Result<ExitCode> {
    let names = || PROFILES.iter().map(|profile| profile.name).collect::<Vec<_>>();
    let text = match &args.name {
        None => names().join("\n") + "\n",
        Some(name) => match PROFILES.iter().find(|profile| profile.name == name) {
            Some(profile) => profile.text.to_owned(),
            None => bail!("there is no profile {name}; there are {}", names().join(", ")),
        },
    };
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// `intake pseudonym`: numbers in, numbers and pseudonyms out. Nothing is stored and nothing logged.
pub(crate) fn pseudonyms(args: &PseudonymArgs) -> anyhow::Result<ExitCode> {
    let mapping: Option<Mapping> = args.map.as_deref().map(read_mapping).transpose()?;
    let key = args.key.key(true)?;
    let mut output = StandardOutput::new();
    for line in io::stdin().lock().lines() {
        let line = line.context("standard input can't be read")?;
        let number = line.trim();
        if number.is_empty() {
            continue;
        }
        let text = match &mapping {
            Some(mapping) => mapping.number_text(number),
            None => Some(number.to_owned()),
        };
        match text {
            Some(text) => writeln!(output, "{number}\t{:016x}", key.pseudonym(&text))?,
            None => writeln!(output, "{number}\t-")?,
        }
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// `intake status`: how far everything was read.
pub(crate) async fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    // Asks for the topic of events first, because it says best why there is no answer.
    ensure_topic(&args.kafka, args.wait).await?;
    let (kafka, journal) = (args.kafka.clone(), args.journal.clone());
    let entries = tokio::task::spawn_blocking(move || journal::read(&kafka, &journal))
        .await
        .context("the reading thread panicked")??;
    let mut names: BTreeMap<String, Progress> = BTreeMap::new();
    for entry in entries {
        if args.name.as_ref().is_some_and(|name| *name != entry.name) {
            continue;
        }
        let progress = names.entry(entry.name).or_insert_with(|| Progress::new(usize::MAX));
        progress.restore(&entry.write).map_err(anyhow::Error::msg)?;
    }
    print(match args.json {
        true => format!("{}\n", status_json(&args.journal, &names)),
        false => status_text(&args.journal, &names),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn status_text(journal: &str, names: &BTreeMap<String, Progress>) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a String takes any text");
    for (name, progress) in names {
        line(format!("{name}: {} sessions remembered", progress.sessions.len()));
        for (number, position) in progress.known.positions() {
            let again = if position.pass > 0 {
                format!(", time {}", position.pass + 1)
            } else {
                String::new()
            };
            let Position { rows, read, name, .. } = position;
            line(format!("  content {number}: {rows} rows, {read} bytes, last as {name}{again}"));
        }
    }
    if text.is_empty() {
        text = format!("nothing was read yet, as far as topic {journal} remembers\n");
    }
    text
}

/// The same for programs, on one line: docs/your-data.md.
fn status_json(journal: &str, names: &BTreeMap<String, Progress>) -> Value {
    let content = |(number, position): (u64, &Position)| {
        json!({
            "content": number,
            "rows": position.rows,
            "bytes": position.read,
            "file": position.name,
            "times_read": position.pass + 1,
            "ends_with_a_line": position.has_line_end,
        })
    };
    let name = |(name, progress): (&String, &Progress)| {
        json!({
            "name": name,
            "sessions": progress.sessions.len(),
            "contents": progress.known.positions().map(content).collect::<Vec<_>>(),
        })
    };
    json!({ "journal": journal, "names": names.iter().map(name).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use intake::{Write, WriteKey};

    use super::*;

    #[test]
    fn text_and_json_say_the_same() {
        let mut progress = Progress::new(usize::MAX);
        let position = Position {
            pass: 1,
            read: 2_048,
            sha256: "00".repeat(32),
            head: 20,
            head_sha256: "00".repeat(32),
            has_line_end: true,
            rows: 17,
            name: "Master.csv".to_owned(),
        };
        let value = Some(serde_json::to_string(&position).unwrap());
        progress.restore(&Write { key: WriteKey::Content(3), value }).unwrap();
        let names = BTreeMap::from([("asterisk".to_owned(), progress)]);
        assert_eq!(
            status_text("j", &names),
            "asterisk: 0 sessions remembered\n  content 3: 17 rows, 2048 bytes, last as Master.csv, time 2\n"
        );
        let expected = json!({ "journal": "j", "names": [{ "name": "asterisk", "sessions": 0, "contents": [{
            "content": 3, "rows": 17, "bytes": 2048, "file": "Master.csv", "times_read": 2, "ends_with_a_line": true,
        }] }] });
        assert_eq!(status_json("j", &names), expected);
        assert_eq!(status_json("j", &BTreeMap::new()), json!({ "journal": "j", "names": [] }));
        assert!(status_text("j", &BTreeMap::new()).contains("nothing was read yet"));
    }
}
