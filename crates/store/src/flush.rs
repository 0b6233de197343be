//! The flush: carries out what [`FlushProtocol`] asks for, on a connection of its own, for as long
//! as it takes.
//!
//! ```text
//!   BEGIN, and its turn → SELECT … FOR UPDATE → compare
//!         → positions → metrics → late → ledger → sketches → dead letters → COMMIT
//! ```
//!
//! Keeps I-2: results and positions are in one transaction, and nothing after the lock is sent
//! before its answer was compared. A connection on which anything failed is dropped: what it was
//! doing is found out by comparing again on a new one.

pub(crate) mod gaps;
pub(crate) mod history;
pub(crate) mod moving;
pub(crate) mod progress;
pub(crate) mod refusal;
pub(crate) mod results;
pub(crate) mod statements;
pub(crate) mod synchronous_commit;
pub(crate) mod turn;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fail_point::{fail_point, fail_point_once_waiting};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use windowing::{
    FlushAction, FlushAnswer, FlushBatch, FlushPart, FlushProtocol, FlushReport, LockedRow, LogEnds,
};

use crate::flush::progress::{counters, fingerprint};
use crate::flush::refusal::find_refused;
use crate::flush::results::NotStored;
pub use crate::flush::statements::WriterIdentity;
use crate::flush::statements::store_parts;
use crate::flush::synchronous_commit::SynchronousCommit;
pub use crate::flush::turn::Haste;
use crate::flush::turn::{Begun, begin_in_turn};
use crate::{Session, StoreError, connect};

/// First and longest wait between two attempts at a flush.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_CAP: Duration = Duration::from_secs(5);
/// One attempt may take this long. The server's own timeouts end it much earlier; this is for a
/// server that does not answer at all. The connection is dropped then, and with it the doubt: the
/// next attempt compares again.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(60);
/// A switch of servers should be over by then; it is worth an ERROR when no server can be written to
/// for longer.
const SWITCH_OF_SERVERS: Duration = Duration::from_secs(30);

/// The transaction is begun in its turn by a message of several statements, so none of it goes through sqlx's own
/// bookkeeping. A connection on which anything fails is dropped, and its transaction with it.
const BEGIN: &str = "BEGIN";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// Stores one worker's flushes, one after another.
pub struct Flusher {
    database_url: String,
    identity: WriterIdentity,
    synchronous_commit: SynchronousCommit,
    connection: Option<PgConnection>,
    /// A transaction is begun on the connection, and nothing is done in it yet.
    has_begun: bool,
    haste: Haste,
    /// For the turn of the flush under way, or of the next one.
    waited: Duration,
    failed_attempts: Arc<AtomicU64>,
    missed_turns: Arc<AtomicU64>,
}

/// Without the address: it holds a password.
impl fmt::Debug for Flusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flusher").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Flusher {
    /// A writer without a connection yet; it opens one when it needs it.
    pub fn new(database_url: String, identity: WriterIdentity) -> Self {
        Flusher {
            database_url,
            identity,
            synchronous_commit: SynchronousCommit::default(),
            connection: None,
            has_begun: false,
            haste: Haste::default(),
            waited: Duration::ZERO,
            failed_attempts: Arc::default(),
            missed_turns: Arc::default(),
        }
    }

    /// The same, whose COMMITs wait for this.
    #[must_use]
    pub fn waiting_for(self, synchronous_commit: SynchronousCommit) -> Self {
        Flusher { synchronous_commit, ..self }
    }

    /// How many attempts have failed so far; rises also while a flush goes on trying.
    pub fn failed_attempts(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.failed_attempts)
    }

    /// How many flushes went ahead after having waited for their turn in vain.
    pub fn missed_turns(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.missed_turns)
    }

    /// By which another thread says that there is no time to wait for a turn.
    pub fn haste(&self) -> Haste {
        self.haste.clone()
    }

    /// Begins the next flush's transaction and waits for its turn, before there is a batch. Returns when it
    /// has come, or is not waited for any longer; if anything fails, the flush finds out.
    pub async fn take_turn(&mut self) {
        if self.has_begun {
            return;
        }
        match tokio::time::timeout(ATTEMPT_DEADLINE, self.begin()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "no turn");
                self.drop_connection();
            }
            Err(_) => self.drop_connection(),
        }
    }

    /// Whether the next flush's transaction has begun: others may be waiting for its end.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Lets others write, as no batch comes for the turn that was taken.
    pub async fn give_turn_back(&mut self) {
        if !std::mem::take(&mut self.has_begun) {
            return;
        }
        let Some(connection) = &mut self.connection else { return };
        let ending = run(connection, ROLLBACK, "giving a turn back");
        if !matches!(tokio::time::timeout(ATTEMPT_DEADLINE, ending).await, Ok(Ok(()))) {
            self.drop_connection();
        }
    }

    fn drop_connection(&mut self) {
        self.connection = None;
        self.has_begun = false;
    }

    /// Stores a batch: tries again after every failure until all of it is decided, or until
    /// `give_up` says that nobody waits any more.
    pub async fn flush(
        &mut self,
        batch: FlushBatch,
        log_ends: Vec<(i32, LogEnds)>,
        give_up: impl Fn() -> bool,
    ) -> FlushReport {
        let mut protocol = FlushProtocol::new(batch, log_ends);
        let mut action = protocol.start();
        let mut wait = RETRY_FIRST;
        let mut not_writable_since: Option<Instant> = None;
        while action != FlushAction::Done && !give_up() {
            let error =
                match tokio::time::timeout(ATTEMPT_DEADLINE, self.attempt(&mut protocol)).await {
                    Ok(Ok(next)) => {
                        if wait > RETRY_FIRST {
                            tracing::info!("the database stores flushes again");
                        }
                        (action, wait) = (next, RETRY_FIRST);
                        continue;
                    }
                    Ok(Err(error)) => error,
                    Err(_) => StoreError::NoAnswer(ATTEMPT_DEADLINE),
                };
            self.drop_connection();
            self.failed_attempts.fetch_add(1, Ordering::Relaxed);
            not_writable_since =
                error.is_not_writable().then(|| not_writable_since.unwrap_or_else(Instant::now));
            let is_over = |since: Instant| since.elapsed() >= SWITCH_OF_SERVERS;
            report_failed_attempt(&error, wait, not_writable_since.is_some_and(is_over));
            if !error.is_retryable() && !matches!(error, StoreError::Connect { .. }) && !give_up() {
                self.note_blocked(&protocol, &error).await;
            }
            action = if error.is_timeout() {
                protocol.next(FlushAnswer::TimedOut)
            } else {
                protocol.next(FlushAnswer::Failed)
            };
            if action == FlushAction::Done {
                tracing::warn!(
                    "too much for one flush: its records are read again, and less is flushed at a time"
                );
                break;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_CAP);
        }
        // Nothing was left to do, or nobody waits any more.
        self.give_turn_back().await;
        FlushReport { waited: std::mem::take(&mut self.waited), ..protocol.into_report() }
    }

    /// Leaves word beside the positions, for `streamer status`. Not a part of any result, so it does
    /// not matter whether it succeeds.
    async fn note_blocked(&self, protocol: &FlushProtocol, error: &StoreError) {
        let noting = async {
            let mut connection = connect(&self.database_url, Session::Flush).await?;
            note_blocked(&mut connection, &self.identity.topic, protocol, error).await
        };
        match tokio::time::timeout(ATTEMPT_DEADLINE, noting).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the refusal was not stored"),
            Err(_) => tracing::debug!("the refusal was not stored: no answer"),
        }
    }

    /// Begins a transaction, in its turn if that comes.
    async fn begin(&mut self) -> Result<(), StoreError> {
        let haste = self.haste.clone();
        let begun = begin_in_turn(self.connected().await?, &haste).await?;
        if let Begun::InTurn(waited) | Begun::NotInTurn(waited) = begun {
            self.waited += waited;
        }
        if let Begun::NotInTurn(waited) = begun {
            // Its session has failed, or still waits; its end takes its place in the queue away.
            self.connection = None;
            if !haste.is_on() {
                self.missed_turns.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    ?waited,
                    "the turn to write has not come: a flush goes ahead without it"
                );
            }
        }
        if !matches!(begun, Begun::InTurn(_)) {
            run(self.connected().await?, BEGIN, "beginning a flush").await?;
        }
        self.has_begun = true;
        Ok(())
    }

    async fn connected(&mut self) -> Result<&mut PgConnection, StoreError> {
        if self.connection.is_none() {
            let mut opened = connect(&self.database_url, Session::Flush).await?;
            if self.synchronous_commit != SynchronousCommit::Off {
                self.synchronous_commit.set(&mut opened).await?;
            }
            self.connection = Some(opened);
        }
        Ok(self.connection.as_mut().expect("it was opened if it was not there"))
    }

    /// One transaction. An error says nothing about whether it was committed.
    async fn attempt(&mut self, protocol: &mut FlushProtocol) -> Result<FlushAction, StoreError> {
        if !self.has_begun {
            self.begin().await?;
        }
        // Whatever comes of it, it ends here.
        self.has_begun = false;
        let identity = &self.identity;
        let connection = self.connection.as_mut().expect("a transaction has begun on it");
        fail_point("flush_begun");
        let rows = lock_positions(connection, identity, protocol).await?;
        fail_point("flush_locked");
        if protocol.next(FlushAnswer::Locked(rows)) == FlushAction::Done {
            run(connection, ROLLBACK, "ending a fenced flush").await?;
            return Ok(FlushAction::Done);
        }
        let parts: Vec<&FlushPart> = protocol.matching().map(|(_, part)| part).collect();
        let stored = match store_parts(connection, identity, &parts).await {
            Ok(()) => {
                fail_point("flush_before_commit");
                let committing = run(connection, COMMIT, "committing a flush");
                fail_point_once_waiting("flush_commit_sent", committing)
                    .await
                    .map_err(|error| NotStored { of: None, error })
            }
            Err(not_stored) => {
                run(connection, ROLLBACK, "rolling a flush back").await?;
                Err(not_stored)
            }
        };
        match stored {
            Ok(()) => {
                fail_point("flush_committed");
                Ok(protocol.next(FlushAnswer::Committed))
            }
            Err(refused) if refused.error.is_refused_value() => {
                let refused = find_refused(connection, identity, protocol, &refused).await?;
                Ok(protocol.next(FlushAnswer::Refused(refused)))
            }
            Err(NotStored { error, .. }) => Err(error),
        }
    }
}

async fn run(
    connection: &mut PgConnection,
    statement: &'static str,
    doing: &'static str,
) -> Result<(), StoreError> {
    sqlx::raw_sql(statement).execute(connection).await.map_err(StoreError::sql(doing))?;
    Ok(())
}

/// `: CAUSE`, where there is one.
fn cause_of(error: &StoreError) -> String {
    std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default()
}

fn report_failed_attempt(error: &StoreError, wait: Duration, nothing_takes_over: bool) {
    let cause = cause_of(error);
    if nothing_takes_over {
        tracing::error!(
            retry_in = ?wait,
            error = %format!("{error}{cause}"),
            for_at_least = ?SWITCH_OF_SERVERS,
            "flush not stored: no server has been writable for long"
        );
    } else if error.is_retryable() {
        let error = format!("{error}{cause}");
        tracing::warn!(retry_in = ?wait, %error, "flush not stored, trying again");
    } else {
        // Nothing is lost: reading pauses until somebody mends it.
        let error = format!("{error}{cause}");
        tracing::error!(retry_in = ?wait, %error, "flush not stored, and it needs mending");
    }
}

/// Locks the rows of all undecided parts in key order, which waits for any backend that is still
/// committing an earlier attempt, and reads them as they are then.
async fn lock_positions(
    connection: &mut PgConnection,
    identity: &WriterIdentity,
    protocol: &FlushProtocol,
) -> Result<Vec<LockedRow>, StoreError> {
    let (generations, partitions): (Vec<i32>, Vec<i32>) =
        protocol.pending().map(|part| (part.stored.generation, part.partition)).unzip();
    let (topic, cluster_id) = (&identity.topic, &identity.cluster_id);
    let rows = sqlx::query(include_str!("flush/queries/lock_progress.sql"))
        .bind(topic)
        .bind(generations)
        .bind(partitions)
        .bind(cluster_id)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("locking the positions"))?;
    let locked = |row: &PgRow| {
        Ok(LockedRow {
            partition: row.try_get("partition")?,
            generation: row.try_get("generation")?,
            position: row.try_get("next_offset")?,
            epoch: row.try_get("epoch")?,
            fingerprint: fingerprint(row, "witness_offset", "witness_timestamp_ms", "witness_crc")?,
            counters: counters(row)?,
        })
    };
    rows.iter()
        .map(locked)
        .collect::<Result<_, sqlx::Error>>()
        .map_err(StoreError::sql("locking the positions"))
}

async fn note_blocked(
    connection: &mut PgConnection,
    topic: &str,
    protocol: &FlushProtocol,
    error: &StoreError,
) -> Result<(), StoreError> {
    let row =
        |part: &FlushPart| (part.stored.generation, (part.partition, part.stored.next.offset()));
    let (generations, rest): (Vec<i32>, Vec<(i32, i64)>) = protocol.pending().map(row).unzip();
    let (partitions, positions): (Vec<i32>, Vec<i64>) = rest.into_iter().unzip();
    sqlx::query(include_str!("flush/queries/note_blocked.sql"))
        .bind(topic)
        .bind(generations)
        .bind(partitions)
        .bind(positions)
        .bind(format!("{error}{}", cause_of(error)).replace('\0', "\u{fffd}"))
        .execute(connection)
        .await
        .map_err(StoreError::sql("noting why nothing can be stored"))?;
    Ok(())
}
