//! What a replay would send: the letters, each with its target, its attempt and how it would fare.
//!
//! In: the selection. Out: a [`Plan`]. Changes nothing.

use std::fmt;

use anyhow::{Context, bail};
use event_model::{DeadReason, decode, needs_schema};
use program::{Align, Table};
use store::PgConnection;

use super::ReplayArgs;
use super::letters::{
    DeadLetterFilter, DeadLetterHeader, DeadLetterId, StoredDeadLetter, count_replayed,
    select_dead_letters,
};
use super::look::load;
use crate::output::preview;

/// Names the letter that a record was sent for.
pub(super) const SOURCE_HEADER: &str = "dead-letter-source";
/// Counts the sendings, through letters that were sent, died again, and were sent again.
pub(super) const ATTEMPT_HEADER: &str = "dead-letter-attempt";

/// How many of a plan's letters a dry run names.
const LISTED_MAX: usize = 50;
/// How much of a payload a dry run shows.
const PREVIEW_CHARS: usize = 50;

/// What a replay would do.
#[derive(Debug)]
pub(super) struct Plan {
    /// The letters to send, in order.
    pub(super) letters: Vec<Planned>,
    /// Sent in place of the only letter's own payload.
    pub(super) corrected_payload: Option<Vec<u8>>,
    /// Letters left out because they were replayed before.
    replayed_before: i64,
    /// Letters left out because an erasure has emptied them.
    erased: Vec<DeadLetterId>,
    /// Letters left out because they were sent too often, with the attempt that it would be.
    worn_out: Vec<(DeadLetterId, i32)>,
    /// Whether more letters match than the limit allows.
    has_more: bool,
}

/// What a letter is once it has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// An event.
    Usable,
    /// A dead letter again, with the code of the reason.
    Dead(&'static str),
    /// What the schema of its number says: nobody asks a registry here.
    BySchema,
}

/// One letter to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) id: DeadLetterId,
    /// The topic that it goes to.
    pub(super) target: String,
    /// 1, 2, …
    pub(super) attempt: i32,
    /// The payload's length in bytes.
    pub(super) payload_bytes: usize,
    then: Then,
    /// The beginning of the payload.
    preview: String,
}

impl Plan {
    /// Selects the letters and judges each.
    pub(super) async fn make(
        connection: &mut PgConnection,
        args: &ReplayArgs,
    ) -> anyhow::Result<Plan> {
        let corrected_payload = match &args.payload {
            None => None,
            Some(file) => Some(
                std::fs::read(file)
                    .with_context(|| format!("cannot read the payload from {}", file.display()))?,
            ),
        };
        let mut filter = args.filter.resolve(connection).await?;
        // What this very replay makes die again is not part of it.
        let now = store::database_now(connection).await?;
        filter.until = Some(filter.until.map_or(now, |until| until.min(now)));

        let mut plan = Plan {
            letters: Vec::new(),
            corrected_payload,
            replayed_before: 0,
            erased: Vec::new(),
            worn_out: Vec::new(),
            has_more: false,
        };
        let ids = plan.select(connection, args, &filter).await?;
        if plan.corrected_payload.is_some() && ids.len() != 1 {
            bail!(
                "--payload corrects one letter, but {} are selected; name it as \
                 TOPIC/GENERATION/PARTITION/OFFSET",
                ids.len()
            );
        }
        for id in ids {
            let letter = load(connection, &id).await?;
            plan.add(args, &letter);
        }
        Ok(plan)
    }

    async fn select(
        &mut self,
        connection: &mut PgConnection,
        args: &ReplayArgs,
        filter: &DeadLetterFilter,
    ) -> anyhow::Result<Vec<DeadLetterId>> {
        if !args.letters.is_empty() {
            let mut ids = args.letters.clone();
            ids.sort_unstable();
            ids.dedup();
            return Ok(ids);
        }
        let limit = args.limit as usize;
        let mut ids = select_dead_letters(connection, filter, args.limit + 1, args.again).await?;
        self.has_more = ids.len() > limit;
        ids.truncate(limit);
        if !args.again {
            self.replayed_before = count_replayed(connection, filter).await?;
        }
        Ok(ids)
    }

    fn add(&mut self, args: &ReplayArgs, letter: &StoredDeadLetter) {
        // Named letters come here erased or not, replayed or not.
        if letter.erasure.is_some() {
            self.erased.push(letter.id.clone());
            return;
        }
        if !args.again && !letter.replays.is_empty() {
            self.replayed_before += 1;
            return;
        }
        let attempt = next_attempt(letter);
        if attempt > args.max_attempts {
            self.worn_out.push((letter.id.clone(), attempt));
            return;
        }
        let payload = self.corrected_payload.as_deref().or(letter.payload.as_deref());
        let shown = |payload: &[u8]| preview(payload, payload.len(), PREVIEW_CHARS);
        self.letters.push(Planned {
            id: letter.id.clone(),
            target: args.to.clone().unwrap_or_else(|| letter.id.topic.clone()),
            attempt,
            payload_bytes: payload.map_or(0, <[u8]>::len),
            then: then(payload),
            preview: payload.map_or_else(|| "(null)".to_owned(), shown),
        });
    }

    /// What is left out, and why; one sentence a line.
    pub(super) fn left_out(&self) -> String {
        let mut text = String::new();
        if self.replayed_before > 0 {
            let count = self.replayed_before;
            text += &format!("left out: {count} replayed before; --again sends them once more\n");
        }
        for id in &self.erased {
            text +=
                &format!("left out: {id} was emptied by `streamer erase` or `batcher lifecycle`\n");
        }
        for (id, attempt) in &self.worn_out {
            text += &format!(
                "left out: {id} was sent {} times and died again; correct it with --payload, or \
                 raise --max-attempts\n",
                attempt - 1
            );
        }
        if self.has_more {
            text += "left out: more than --limit letters match\n";
        }
        text
    }

    /// How many letters would die again at once.
    pub(super) fn dying(&self) -> usize {
        self.letters.iter().filter(|letter| matches!(letter.then, Then::Dead(_))).count()
    }
}

impl fmt::Display for Plan {
    /// The letters to send, as a table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([
            ("letter", Align::Left),
            ("to", Align::Left),
            ("attempt", Align::Right),
            ("bytes", Align::Right),
            ("it is then", Align::Left),
            ("payload", Align::Left),
        ]);
        for letter in self.letters.iter().take(LISTED_MAX) {
            table.push([
                letter.id.to_string(),
                letter.target.clone(),
                letter.attempt.to_string(),
                letter.payload_bytes.to_string(),
                match letter.then {
                    Then::Usable => "usable".to_owned(),
                    Then::Dead(code) => format!("dead: {code}"),
                    Then::BySchema => "as its schema says".to_owned(),
                },
                letter.preview.clone(),
            ]);
        }
        write!(f, "{table}")?;
        match self.letters.len().saturating_sub(LISTED_MAX) {
            0 => Ok(()),
            unlisted => writeln!(f, "… and {unlisted} more"),
        }
    }
}

#[cfg(test)]
impl Planned {
    /// A letter of which only the size matters.
    pub(super) fn for_test(payload_bytes: usize) -> Self {
        Planned {
            id: "t/0/0/0".parse().unwrap(),
            target: "t".to_owned(),
            attempt: 1,
            payload_bytes,
            then: Then::Usable,
            preview: String::new(),
        }
    }
}

/// What a payload is. Says nothing about the future guard, which depends on when the record is written.
fn then(payload: Option<&[u8]>) -> Then {
    let Some(payload) = payload else { return Then::Dead(DeadReason::NullPayload.code()) };
    if needs_schema(payload).is_some() {
        return Then::BySchema;
    }
    match decode(payload) {
        Ok(_) => Then::Usable,
        Err(dead) => Then::Dead(dead.reason.code()),
    }
}

/// The number of the letter's next sending: one more than its own sendings, and than that of the
/// sending which it is itself, if it is one.
pub(super) fn next_attempt(letter: &StoredDeadLetter) -> i32 {
    let own = letter.replays.iter().map(|replay| replay.attempt).max().unwrap_or(0);
    own.max(attempt_of(&letter.headers)).saturating_add(1)
}

/// The attempt that a record's headers tell; 0: it is none of our sendings.
fn attempt_of(headers: &[DeadLetterHeader]) -> i32 {
    let is_ours = headers.iter().any(|(name, _)| name == SOURCE_HEADER);
    let attempts = headers.iter().filter(|(name, _)| is_ours && name == ATTEMPT_HEADER);
    attempts.filter_map(|(_, value)| number_of(value.as_deref()?)).max().unwrap_or(0).max(0)
}

fn number_of(value: &[u8]) -> Option<i32> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use crate::dead_letters::letters::{DeadLetterReplay, ReplayState};

    use super::*;

    fn letter(headers: &[(&str, &str)], attempts: &[i32]) -> StoredDeadLetter {
        let at = "2025-11-09T14:30:45".parse().unwrap();
        let header =
            |(name, value): &(&str, &str)| ((*name).to_owned(), Some(value.as_bytes().to_vec()));
        let replay = |attempt: &i32| DeadLetterReplay {
            attempt: *attempt,
            state: ReplayState::Replayed,
            target: "t".to_owned(),
            is_corrected: false,
            replayed_by: "h:1".to_owned(),
            replayed_at: Some(at),
        };
        StoredDeadLetter {
            id: "t/0/0/7".parse().unwrap(),
            reason: "not_json".to_owned(),
            detail: String::new(),
            record_timestamp: None,
            key: None,
            payload: None,
            headers: headers.iter().map(header).collect(),
            stored_at: at,
            erasure: None,
            replays: attempts.iter().map(replay).collect(),
        }
    }

    #[test]
    fn attempts_are_counted_through_letters_that_died_again() {
        let source = (SOURCE_HEADER, "t/0/0/3");
        for (headers, attempts, expected) in [
            (&[][..], &[][..], 1),
            (&[], &[1], 2),
            (&[], &[1, 2], 3),
            (&[source, (ATTEMPT_HEADER, "2")], &[], 3),
            (&[source, (ATTEMPT_HEADER, "2")], &[3], 4),
            (&[source], &[], 1),
            (&[source, (ATTEMPT_HEADER, "many")], &[], 1),
            (&[source, (ATTEMPT_HEADER, "-5")], &[], 1),
            (&[source, (ATTEMPT_HEADER, "2147483647")], &[], i32::MAX),
            // Somebody else's header.
            (&[(ATTEMPT_HEADER, "9")], &[], 1),
        ] {
            let letter = letter(headers, attempts);
            assert_eq!(next_attempt(&letter), expected, "{headers:?} {attempts:?}");
        }
    }

    #[test]
    fn it_is_foretold_whether_a_payload_dies_again() {
        let usable = br#"{"event_type":"call","region":"Osh","timestamp":"2025-11-09T14:30:45Z"}"#;
        assert_eq!(then(Some(usable)), Then::Usable);
        assert_eq!(then(Some(b"{}")), Then::Dead("missing"));
        assert_eq!(then(Some(b"")), Then::Dead("not_json"));
        assert_eq!(then(Some(b"\0\0\0\0\x07\x08call")), Then::BySchema);
        assert_eq!(then(None), Then::Dead("null_payload"));
    }
}
