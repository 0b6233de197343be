//! `dead-letters replay`: the steps that neither lose nor repeat a letter, wherever a crash comes.
//!
//! ```text
//!   lock → introduce ourselves to Kafka → settle what a former run left → plan → for each batch:
//!     1. store the letters as `replaying`, with the ends of the target's log    (PostgreSQL)
//!     2. send them, all or none                                                 (Kafka)
//!     3. store them as `replayed`                                               (PostgreSQL)
//!
//!   a crash  before 1: nothing has happened
//!            1 to 2:   marked, not in the log        → settled by sending them
//!            2 to 3:   marked, in the log            → settled by marking them
//! ```
//!
//! A letter that died again is a new letter of its own; its headers count the attempts.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, bail};
use program::print;
use store::PgConnection;

use super::look::load;
use super::plan::{Plan, Planned};
use super::sender::{NotSent, ReplayId, ReplayRecord, ReplaySender};
use super::sendings::{self, ReplayLock, Sending};
use super::{InDoubt, ReplayArgs};
use crate::Exit;

/// Most letters, and about the most bytes of payload, in one transaction (I-6).
const BATCH_LETTERS_MAX: usize = 500;
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Plans, and with `--execute` sends.
pub(super) async fn replay(
    connection: &mut PgConnection,
    args: &ReplayArgs,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<Exit> {
    if !args.execute {
        return dry_run(connection, args).await;
    }
    if let ReplayLock::HeldBy(session) = sendings::lock_replays(connection).await? {
        let session = session.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        bail!(
            "another replay or an erasure is running on this database; wait for its end, or, if its host has gone, \
             end its session: SELECT pg_terminate_backend({session})"
        );
    }
    let sender = Arc::new(open_sender(connection, args).await?);
    let mut run = Run { connection, sender, by: args.by.clone() };
    run.settle(args.in_doubt).await?;
    let plan = Plan::make(run.connection, args).await?;
    let mut shutdown = std::pin::pin!(shutdown);
    let mut sent = 0;
    for batch in batches(&plan.letters) {
        if is_requested(shutdown.as_mut()).await {
            print(format!("stopped: sent {sent} of {} letters\n", plan.letters.len()))?;
            return Ok(Exit::Failed);
        }
        run.send(batch, plan.corrected_payload.as_deref()).await.with_context(|| {
            format!("{sent} of {} letters were sent before", plan.letters.len())
        })?;
        sent += batch.len();
    }
    let dying = match plan.dying() {
        0 => String::new(),
        dying => format!("{dying} of them can't be used, and become dead letters of their own\n"),
    };
    print(format!("sent {sent} letters\n{dying}{}", plan.left_out()))?;
    Ok(Exit::Done)
}

async fn dry_run(connection: &mut PgConnection, args: &ReplayArgs) -> anyhow::Result<Exit> {
    let plan = Plan::make(connection, args).await?;
    let mut text = match sendings::interrupted_replays(connection).await?.len() {
        0 => String::new(),
        count => format!("{count} letters of an interrupted replay would be settled first\n"),
    };
    if plan.letters.is_empty() {
        text += "no letter to send\n";
    } else {
        text += &format!("{plan}would send {} letters", plan.letters.len());
        if plan.dying() > 0 {
            text += &format!(", {} of which can't be used", plan.dying());
        }
        text += "; --execute sends them\n";
    }
    print(text + &plan.left_out())?;
    Ok(Exit::Done)
}

async fn open_sender(
    connection: &mut PgConnection,
    args: &ReplayArgs,
) -> anyhow::Result<ReplaySender> {
    let transactional_id = sendings::replay_transactional_id(connection).await?;
    let config = args.kafka.client_config()?;
    blocking(move || ReplaySender::open(config, &transactional_id)).await?
}

/// Whether the operator has asked us to stop.
async fn is_requested(shutdown: Pin<&mut impl Future<Output = ()>>) -> bool {
    tokio::select! {
        biased;
        () = shutdown => true,
        () = std::future::ready(()) => false,
    }
}

/// Kafka's calls block; on a thread of their own they leave signals their turn.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(call).await.context("talking to Kafka")
}

/// Cuts the letters into batches within both bounds; a letter larger than the bound goes alone.
fn batches(letters: &[Planned]) -> impl Iterator<Item = &[Planned]> {
    let mut rest = letters;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |letter: &&Planned| {
            bytes += letter.payload_bytes;
            bytes <= BATCH_BYTES_MAX
        };
        let count = rest.iter().take(BATCH_LETTERS_MAX).take_while(fits).count();
        let (batch, after) = rest.split_at(count.max(1).min(rest.len()));
        rest = after;
        if batch.is_empty() { None } else { Some(batch) }
    })
}

/// A replay that holds the lock.
struct Run<'c> {
    connection: &'c mut PgConnection,
    sender: Arc<ReplaySender>,
    /// Who, for the record.
    by: String,
}

impl Run<'_> {
    /// Reads the ids, sends, and reads the ids again.
    async fn send(
        &mut self,
        batch: &[Planned],
        corrected_payload: Option<&[u8]>,
    ) -> anyhow::Result<()> {
        let ends = self.ends(batch.iter().map(|letter| letter.target.as_str())).await?;
        let sendings: Vec<Sending> = batch
            .iter()
            .map(|letter| Sending {
                id: letter.id.clone(),
                attempt: letter.attempt,
                target: letter.target.clone(),
                target_ends: ends[&letter.target].clone().into_iter().collect(),
                corrected_payload: corrected_payload.map(<[u8]>::to_vec),
            })
            .collect();
        sendings::mark_replaying(self.connection, &sendings, &self.by).await?;
        self.carry(&sendings).await
    }

    /// Sends what is marked, and stores what came of it.
    async fn carry(&mut self, sendings: &[Sending]) -> anyhow::Result<()> {
        let ends = self.ends(sendings.iter().map(|sending| sending.target.as_str())).await?;
        let mut records = Vec::with_capacity(sendings.len());
        for sending in sendings {
            let has_partition = |partition: &i32| ends[&sending.target].contains_key(partition);
            records.push(self.pack(sending, has_partition).await?);
        }
        let sender = Arc::clone(&self.sender);
        match blocking(move || sender.carry(&records)).await? {
            Ok(()) => Ok(sendings::finish_replaying(self.connection, sendings).await?),
            Err(NotSent { error, is_in_doubt: false }) => {
                sendings::delete_replaying(self.connection, sendings).await?;
                Err(error.context(format!("{} letters were not sent", sendings.len())))
            }
            Err(NotSent { error, is_in_doubt: true }) => Err(error.context(format!(
                "whether {} letters arrived is not known; the next `replay --execute` finds out, \
                 whatever it selects",
                sendings.len()
            ))),
        }
    }

    /// The record to send for a letter.
    async fn pack(
        &mut self,
        sending: &Sending,
        has_partition: impl Fn(&i32) -> bool,
    ) -> anyhow::Result<ReplayRecord> {
        let letter = load(self.connection, &sending.id).await?;
        // Back where it came from it keeps its partition, whoever chose it; elsewhere its key decides.
        let is_back = sending.target == letter.id.topic;
        Ok(ReplayRecord {
            topic: sending.target.clone(),
            partition: Some(letter.id.partition).filter(|id| is_back && has_partition(id)),
            key: letter.key,
            payload: sending.corrected_payload.clone().or(letter.payload),
            headers: letter.headers,
            id: id_of(sending),
        })
    }

    /// Where the log of each target ends now.
    async fn ends<'t>(
        &self,
        targets: impl Iterator<Item = &'t str>,
    ) -> anyhow::Result<BTreeMap<String, BTreeMap<i32, i64>>> {
        let targets: BTreeSet<String> = targets.map(str::to_owned).collect();
        let sender = Arc::clone(&self.sender);
        blocking(move || {
            targets.into_iter().map(|topic| Ok((topic.clone(), sender.ends(&topic)?))).collect()
        })
        .await?
    }

    /// Finishes what a former run has left.
    async fn settle(&mut self, in_doubt: Option<InDoubt>) -> anyhow::Result<()> {
        let mut by_target: BTreeMap<String, Vec<Sending>> = BTreeMap::new();
        for sending in sendings::interrupted_replays(self.connection).await? {
            by_target.entry(sending.target.clone()).or_default().push(sending);
        }
        for (target, sendings) in by_target {
            let search = self.search(&target, &sendings).await?;
            let (arrived, missing): (Vec<_>, Vec<_>) =
                sendings.into_iter().partition(|sending| search.found.contains(&id_of(sending)));
            sendings::finish_replaying(self.connection, &arrived).await?;
            self.settle_missing(&target, &missing, search.is_whole, in_doubt).await?;
            print(format!(
                "an interrupted replay to {target} is settled: {} letters had arrived, {} had not\n",
                arrived.len(),
                missing.len()
            ))?;
        }
        Ok(())
    }

    async fn search(
        &self,
        target: &str,
        sendings: &[Sending],
    ) -> anyhow::Result<super::sender::Search> {
        let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
        for (partition, end) in sendings.iter().flat_map(|sending| &sending.target_ends) {
            let lowest = ends.entry(*partition).or_insert(*end);
            *lowest = (*lowest).min(*end);
        }
        let wanted: HashSet<ReplayId> = sendings.iter().map(id_of).collect();
        let (sender, target) = (Arc::clone(&self.sender), target.to_owned());
        blocking(move || sender.find(&target, &ends, &wanted)).await?
    }

    /// Sends again what is known not to have arrived.
    async fn settle_missing(
        &mut self,
        target: &str,
        missing: &[Sending],
        is_known: bool,
        in_doubt: Option<InDoubt>,
    ) -> anyhow::Result<()> {
        match in_doubt {
            _ if missing.is_empty() => Ok(()),
            Some(InDoubt::Arrived) if !is_known => {
                Ok(sendings::finish_replaying(self.connection, missing).await?)
            }
            None if !is_known => bail!(
                "an interrupted replay had {} letters under way to {target}, {} first, and the topic \
                 no longer has all records since; look whether they are there, then say --in-doubt \
                 resend or --in-doubt arrived",
                missing.len(),
                missing[0].id
            ),
            _ => {
                for batch in missing.chunks(BATCH_LETTERS_MAX) {
                    self.carry(batch).await?;
                }
                Ok(())
            }
        }
    }
}

fn id_of(sending: &Sending) -> ReplayId {
    ReplayId { source: sending.id.to_string(), attempt: sending.attempt }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(sizes: &[usize]) -> Vec<Planned> {
        sizes.iter().map(|&bytes| Planned::for_test(bytes)).collect()
    }

    #[test]
    fn batches_hold_every_letter_in_order_within_both_bounds() {
        let half = BATCH_BYTES_MAX / 2;
        for (sizes, expected) in [
            (vec![], vec![]),
            (vec![0; BATCH_LETTERS_MAX], vec![BATCH_LETTERS_MAX]),
            (vec![1; BATCH_LETTERS_MAX + 1], vec![BATCH_LETTERS_MAX, 1]),
            (vec![half, half, 1], vec![2, 1]),
            (vec![half, half + 1, half], vec![1, 1, 1]),
            (vec![1, BATCH_BYTES_MAX + 1, 1], vec![1, 1, 1]),
        ] {
            let letters = letters(&sizes);
            let cut: Vec<&[Planned]> = batches(&letters).collect();
            assert_eq!(cut.iter().map(|batch| batch.len()).collect::<Vec<_>>(), expected);
            assert_eq!(cut.concat(), letters);
        }
    }
}
