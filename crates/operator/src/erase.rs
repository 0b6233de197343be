//! `streamer erase`: removes a person from every table that names subscribers, and from dead letters.
//!
//! In: an identifier as events have it, and a reason. Out: the schema `persons` without that person, dead letters and
//! their replays emptied where they held the identifier, a row of `erasures`, and until when Kafka still holds events.
//! All of it in one transaction, so that a process that ends at any moment leaves all or nothing (I-9). The rows of dead
//! letters stay, and with them the accounting (I-1). A dry run does the same and takes it back.
//!
//! Reading order: `identifier` (what is looked for) → `rows` (the transaction) → `kept` (what Kafka still holds).

pub mod identifier;
mod kept;
pub mod rows;

use std::fmt::Write as _;

use anyhow::bail;
use clap::Args;
use program::{KafkaArgs, print};

use self::identifier::Identifier;
use self::kept::Kept;
use self::rows::{Erasing, Erasure, Request};
use crate::Exit;
use crate::args::DatabaseCommandArgs;
use crate::dead_letters::sendings::{ReplayLock, lock_replays};
use crate::output::time_text;

/// Arguments of `erase`.
#[derive(Args, Clone, Debug)]
#[command(mut_arg("kafka_topic", |arg| arg.hide(true)))]
#[command(mut_arg("topic_partitions", |arg| arg.hide(true)))]
#[command(mut_arg("topic_replication", |arg| arg.hide(true)))]
pub struct EraseArgs {
    /// Whom: the identifier as events have it in subscriber_id; `intake pseudonym` makes it from a number. A person has
    /// one for each key and key epoch: run it for each
    #[arg(long, value_name = "ID")]
    subscriber: Identifier,
    /// Why, for the record: the number of a request, say, but no name
    #[arg(long, value_parser = parse_reason)]
    reason: String,
    /// Who does it, for the record
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
    /// Say what would be erased, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    kafka: KafkaArgs,
    /// Where PostgreSQL is.
    #[command(flatten)]
    pub database: DatabaseCommandArgs,
}

fn parse_reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why: the record of an erasure is all that is left of it".to_owned()),
        reason => Ok(reason.to_owned()),
    }
}

/// `streamer erase`
///
/// # Errors
/// What kept it from being done; nothing is changed then, unless the answer to COMMIT was lost: run it again.
pub async fn erase(args: &EraseArgs) -> anyhow::Result<Exit> {
    let identifier = &args.subscriber;
    if args.reason.to_lowercase().contains(&identifier.text().to_lowercase()) {
        bail!(
            "the reason is kept, so it must not name the identifier that is erased; name the request"
        );
    }
    let kafka = args.kafka.client_config()?;
    let mut connection = args.database.open().await?;
    // A letter must not be sent while it is emptied.
    if let ReplayLock::HeldBy(session) = lock_replays(&mut connection).await? {
        let session = session.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        bail!(
            "a replay or another erasure is running on this database; wait for its end, or, if its host has gone, \
             end its session: SELECT pg_terminate_backend({session})"
        );
    }
    let mut kept = Vec::new();
    for topic in rows::counted_topics(&mut connection).await? {
        kept.push(Kept::ask(&kafka, topic).await);
    }
    let request = Request { identifier, reason: &args.reason, by: &args.by };
    match rows::erase(&mut connection, &request, args.dry_run).await? {
        Erasing::Done(erasure) => {
            print(report(&erasure, &kept, args.dry_run))?;
            Ok(Exit::Done)
        }
        Erasing::AmidReplay(letter) => bail!(
            "dead letter {letter} holds the identifier, and a replay of it was interrupted: whether it was sent is not \
             known; `streamer dead-letters replay --execute` settles that, then erase again. Nothing is erased"
        ),
    }
}

/// What was done, and what is left to do.
fn report(erasure: &Erasure, kept: &[Kept], is_dry_run: bool) -> String {
    let mut text = String::new();
    let mut line =
        |sentence: String| writeln!(text, "{sentence}").expect("a String takes any text");
    for (id, at) in &erasure.before {
        line(format!("this identifier was erased before: erasure {id}, {} UTC", time_text(*at)));
    }
    line(match is_dry_run {
        true => "nothing is changed; this would be erased:".to_owned(),
        false => format!("erasure {}, in the table erasures:", erasure.id),
    });
    for (table, rows) in &erasure.persons {
        line(format!("  persons.{table}: {} rows deleted, {} changed", rows.deleted, rows.changed));
    }
    if erasure.persons.is_empty() {
        line("  schema persons: it has no table".to_owned());
    }
    line(format!("  dead_letters: {} emptied; they still count", erasure.dead_letters));
    line(format!("  dead_letter_replays: {} corrected payloads removed", erasure.replays));
    for column in &erasure.not_searched {
        line(format!("NOT LOOKED INTO: {column}; look there yourself"));
    }
    for topic in kept {
        line(topic.to_string());
    }
    line(
        "not reached from here: raw topics, the journal and the files that intake reads, replicas of the topics, and \
         backups of the database"
            .to_owned(),
    );
    line(
        "where there is a data lake, next: archiver erase, with the same identifier and reason"
            .to_owned(),
    );
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser;

    use super::rows::RowsChanged;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: EraseArgs,
    }

    #[test]
    fn whom_and_why_must_be_said() {
        let id = "00c0ffee00c0ffee";
        for (arguments, is_usable) in [
            (&["--subscriber", id, "--reason", "request 7"][..], true),
            (&["--subscriber", id, "--reason", "request 7", "--dry-run"], true),
            (&["--subscriber", id], false),
            (&["--subscriber", id, "--reason", " "], false),
            (&["--reason", "request 7"], false),
            (&["--subscriber", "7", "--reason", "request 7"], false),
        ] {
            let parsed = Line::try_parse_from(["erase"].iter().chain(arguments));
            assert_eq!(parsed.is_ok(), is_usable, "{arguments:?}");
        }
    }

    #[test]
    fn the_report_says_what_was_not_looked_into() {
        let erasure = Erasure {
            id: 3,
            before: vec![(1, "2025-11-09T14:30:45".parse().unwrap())],
            persons: BTreeMap::from([("cases".to_owned(), RowsChanged { deleted: 2, changed: 1 })]),
            not_searched: vec!["persons.cases.voice (bytea)".to_owned()],
            dead_letters: 4,
            replays: 1,
        };
        let text = report(&erasure, &[], false);
        for part in [
            "erased before: erasure 1, 2025-11-09 14:30:45",
            "erasure 3",
            "persons.cases: 2 rows deleted, 1 changed",
            "dead_letters: 4 emptied",
            "1 corrected payloads",
            "NOT LOOKED INTO: persons.cases.voice (bytea)",
            "next: archiver erase",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert!(report(&erasure, &[], true).contains("nothing is changed"));
    }
}
