//! Looking at dead letters: `list`, `show`, `stats`. Changes nothing.

use std::fmt::Write as _;

use anyhow::bail;
use event_model::visible;
use program::{Align, Reader, Table, print};
use serde_json::{Value, json};
use store::PgConnection;

use super::letters::{
    DeadLetterCount, DeadLetterId, DeadLetterLine, DeadLetterReplay, EXPIRED, ReplayState,
    StoredDeadLetter, count_dead_letters, list_dead_letters, load_dead_letter,
};
use super::{ListArgs, ShowArgs, StatsArgs};
use crate::Exit;
use crate::output::{bytes_json, dump, preview, time_json, time_text};

/// How much of a payload is read for a list, and how much of that is shown.
const PREVIEW_BYTES: i32 = 240;
const PREVIEW_CHARS: usize = 60;

/// Prints the newest letters.
pub(super) async fn list(connection: &mut PgConnection, args: &ListArgs) -> anyhow::Result<Exit> {
    let filter = args.filter.resolve(connection).await?;
    // One more than asked for tells whether there are more.
    let mut lines = list_dead_letters(connection, &filter, args.limit + 1, PREVIEW_BYTES).await?;
    let has_more = lines.len() > args.limit as usize;
    lines.truncate(args.limit as usize);
    if args.json {
        for line in lines {
            // One whole letter in memory at a time (I-6).
            if let Some(letter) = load_dead_letter(connection, &line.id).await?
                && print(format!("{}\n", letter_json(&letter)))? == Reader::Gone
            {
                return Ok(Exit::Done);
            }
        }
        say_more(has_more);
        return Ok(Exit::Done);
    }
    if lines.is_empty() {
        print("no dead letter\n")?;
        return Ok(Exit::Done);
    }
    let more = if has_more { "… and more: raise --limit\n" } else { "" };
    print(format!("{}{more}", list_table(&lines)))?;
    Ok(Exit::Done)
}

/// Beside lines that a program reads.
fn say_more(has_more: bool) {
    if has_more {
        tracing::warn!("there are more than were written: raise --limit");
    }
}

fn list_table(lines: &[DeadLetterLine]) -> Table<'static, 6> {
    let mut table = Table::new([
        ("letter", Align::Left),
        ("stored at, UTC", Align::Left),
        ("reason", Align::Left),
        ("replay", Align::Left),
        ("bytes", Align::Right),
        ("payload", Align::Left),
    ]);
    for line in lines {
        let replay = match line.replay {
            None => "-".to_owned(),
            Some((attempt, state)) => format!("{} ({attempt})", state_text(state)),
        };
        let bytes = line.payload_bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let payload = line.payload_start.as_ref().map_or_else(
            || match line.erasure {
                None => "(null)".to_owned(),
                Some(EXPIRED) => "(expired)".to_owned(),
                Some(_) => "(erased)".to_owned(),
            },
            |start| {
                let total = usize::try_from(line.payload_bytes.unwrap_or(0)).unwrap_or(usize::MAX);
                preview(start, total, PREVIEW_CHARS)
            },
        );
        let stored_at = time_text(line.stored_at);
        table.push([line.id.to_string(), stored_at, line.reason.clone(), replay, bytes, payload]);
    }
    table
}

/// Prints one letter.
pub(super) async fn show(connection: &mut PgConnection, args: &ShowArgs) -> anyhow::Result<Exit> {
    let letter = load(connection, &args.letter).await?;
    if args.json {
        print(format!("{}\n", letter_json(&letter)))?;
    } else if args.payload {
        match letter.erasure {
            None => {}
            Some(EXPIRED) => bail!("{} was old, and was emptied by `batcher lifecycle`", letter.id),
            Some(erasure) => bail!("{} was emptied by erasure {erasure}", letter.id),
        }
        let Some(payload) = &letter.payload else {
            bail!("the record of {} had no payload", letter.id);
        };
        print(payload)?;
    } else {
        print(letter_text(&letter))?;
    }
    Ok(Exit::Done)
}

/// A letter that must exist.
pub(super) async fn load(
    connection: &mut PgConnection,
    id: &DeadLetterId,
) -> anyhow::Result<StoredDeadLetter> {
    match load_dead_letter(connection, id).await? {
        Some(letter) => Ok(letter),
        None => bail!("there is no dead letter {id}; `dead-letters list` shows those there are"),
    }
}

fn letter_text(letter: &StoredDeadLetter) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        writeln!(text, "{name:<9} {value}").expect("writing to a String can't fail");
    };
    let whole = |bytes: &[u8]| preview(bytes, bytes.len(), usize::MAX);
    let time = |at| format!("{} UTC", time_text(at));
    line("letter", &letter.id.to_string());
    line("reason", &letter.reason);
    line("detail", &visible(&letter.detail, usize::MAX));
    line("recorded", &letter.record_timestamp.map_or_else(|| "not known".to_owned(), time));
    line("stored", &time(letter.stored_at));
    match letter.erasure {
        None => {}
        Some(EXPIRED) => line("expired", "key, headers and payload are gone"),
        Some(erasure) => {
            line("erased", &format!("by erasure {erasure}: key, headers and payload are gone"));
        }
    }
    line("key", &letter.key.as_deref().map_or_else(|| "(null)".to_owned(), whole));
    for (name, value) in &letter.headers {
        let value = value.as_deref().map_or_else(|| "(null)".to_owned(), whole);
        line("header", &format!("{} = {value}", visible(name, usize::MAX)));
    }
    for replay in &letter.replays {
        line("replay", &replay_text(replay));
    }
    match &letter.payload {
        None => line("payload", "(null)"),
        Some(payload) => {
            line("payload", &format!("{} bytes", payload.len()));
            text.push_str(&dump(payload));
        }
    }
    text
}

fn replay_text(replay: &DeadLetterReplay) -> String {
    let DeadLetterReplay { attempt, target, replayed_by, .. } = replay;
    let corrected = if replay.is_corrected { ", corrected" } else { "" };
    let came_of_it = match replay.replayed_at {
        Some(at) => format!("arrived by {} UTC", time_text(at)),
        None => "not known to have arrived".to_owned(),
    };
    format!("attempt {attempt} to {target}{corrected}, by {replayed_by}: {came_of_it}")
}

const fn state_text(state: ReplayState) -> &'static str {
    match state {
        ReplayState::Replaying => "replaying",
        ReplayState::Replayed => "replayed",
    }
}

fn letter_json(letter: &StoredDeadLetter) -> Value {
    let DeadLetterId { topic, generation, partition, offset } = &letter.id;
    let header =
        |(name, value): &(String, Option<Vec<u8>>)| json!([name, bytes_json(value.as_deref())]);
    let replay = |replay: &DeadLetterReplay| {
        json!({
            "attempt": replay.attempt,
            "state": state_text(replay.state),
            "to": replay.target,
            "corrected": replay.is_corrected,
            "by": replay.replayed_by,
            "replayed_at": time_json(replay.replayed_at),
        })
    };
    json!({
        "letter": letter.id.to_string(),
        "topic": topic,
        "generation": generation,
        "partition": partition,
        "offset": offset,
        "reason": letter.reason,
        "detail": letter.detail,
        "record_timestamp": time_json(letter.record_timestamp),
        "stored_at": time_json(Some(letter.stored_at)),
        "erasure": letter.erasure,
        "key": bytes_json(letter.key.as_deref()),
        "payload": bytes_json(letter.payload.as_deref()),
        "headers": letter.headers.iter().map(header).collect::<Vec<_>>(),
        "replays": letter.replays.iter().map(replay).collect::<Vec<_>>(),
    })
}

/// Prints how many letters there are.
pub(super) async fn stats(connection: &mut PgConnection, args: &StatsArgs) -> anyhow::Result<Exit> {
    let filter = args.filter.resolve(connection).await?;
    let mut counts = count_dead_letters(connection, &filter, args.limit + 1).await?;
    let has_more = counts.len() > args.limit as usize;
    counts.truncate(args.limit as usize);
    if args.json {
        let lines: Vec<String> = counts.iter().map(|count| count_json(count) + "\n").collect();
        print(lines.concat())?;
        say_more(has_more);
        return Ok(Exit::Done);
    }
    if counts.is_empty() {
        print("no dead letter\n")?;
        return Ok(Exit::Done);
    }
    let more = if has_more { "… and more: raise --limit\n" } else { "" };
    print(format!("{}{more}", stats_table(&counts, has_more)))?;
    Ok(Exit::Done)
}

fn stats_table(counts: &[DeadLetterCount], has_more: bool) -> Table<'static, 6> {
    let mut table = Table::new([
        ("reason", Align::Left),
        ("topic", Align::Left),
        ("partition", Align::Right),
        ("day, UTC", Align::Left),
        ("letters", Align::Right),
        ("replayed", Align::Right),
    ]);
    for count in counts {
        table.push([
            count.reason.clone(),
            count.topic.clone(),
            count.partition.to_string(),
            count.day.to_string(),
            count.letters.to_string(),
            count.replayed.to_string(),
        ]);
    }
    // A sum of some of the lines would be taken for the sum of all.
    if !has_more {
        let [letters, replayed] = [
            counts.iter().map(|count| count.letters).sum::<i64>(),
            counts.iter().map(|count| count.replayed).sum::<i64>(),
        ];
        let blank = String::new;
        let total = "all".to_owned();
        table.push([total, blank(), blank(), blank(), letters.to_string(), replayed.to_string()]);
    }
    table
}

fn count_json(count: &DeadLetterCount) -> String {
    let value = json!({
        "reason": count.reason,
        "topic": count.topic,
        "partition": count.partition,
        "day": count.day.to_string(),
        "letters": count.letters,
        "replayed": count.replayed,
    });
    value.to_string()
}
