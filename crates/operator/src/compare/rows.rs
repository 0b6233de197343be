//! What `compare` asks of each of the two databases: its partitions, its ledger page by page, its dead letters.
//!
//! No transaction is held open over the pages, on neither side: what is asked for is settled, so that nothing but late
//! events can still be added to it.

use std::collections::VecDeque;

use chrono::NaiveDateTime;
use store::{PgConnection, StoreError};

use super::judge::{Known, Quarter};

/// So many rows of a ledger are held at a time, of each side.
const LEDGER_PAGE_ROWS: i64 = 10_000;

const READING: &str = "comparing what was counted";

/// What is asked for: quarters that begin in [since, until).
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// From here on.
    pub since: NaiveDateTime,
    /// Up to before here.
    pub until: NaiveDateTime,
    /// Whether all up to there must be settled.
    pub is_bounded: bool,
}

/// All partitions of a topic, in order.
pub(super) async fn known(
    connection: &mut PgConnection,
    topic: &str,
) -> Result<Vec<Known>, StoreError> {
    sqlx::query_as(include_str!("queries/compare_partitions.sql"))
        .bind(topic)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql(READING))
}

/// Dead letters of each of these partitions whose records were written before a time of its own.
pub(super) async fn letters(
    connection: &mut PgConnection,
    topic: &str,
    before: &[(i32, NaiveDateTime)],
    since: NaiveDateTime,
) -> Result<Vec<(i32, i64)>, StoreError> {
    let (partitions, befores): (Vec<i32>, Vec<NaiveDateTime>) = before.iter().copied().unzip();
    sqlx::query_as(include_str!("queries/compare_dead_letters.sql"))
        .bind(topic)
        .bind(partitions)
        .bind(befores)
        .bind(since)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql(READING))
}

/// Which running server this is, and which of its databases.
pub(super) async fn place(
    connection: &mut PgConnection,
) -> Result<(NaiveDateTime, String), StoreError> {
    sqlx::query_as("SELECT pg_postmaster_start_time()::timestamp, current_database()::text")
        .fetch_one(connection)
        .await
        .map_err(StoreError::sql(READING))
}

/// One side's ledger, read from its beginning to its end.
pub(super) struct Ledger<'a> {
    connection: &'a mut PgConnection,
    topic: &'a str,
    stretch: Stretch,
    /// The row before the next page.
    after: (NaiveDateTime, i32),
    /// What has been read of it and not taken.
    pub(super) rows: VecDeque<Quarter>,
    is_over: bool,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(connection: &'a mut PgConnection, topic: &'a str, stretch: Stretch) -> Self {
        // Before every partition of the first quarter.
        let after = (stretch.since, -1);
        Ledger { connection, topic, stretch, after, rows: VecDeque::new(), is_over: false }
    }

    /// Reads the next page if none is at hand. Without rows afterwards, there are no more.
    pub(super) async fn fill(&mut self) -> Result<(), StoreError> {
        if self.is_over || !self.rows.is_empty() {
            return Ok(());
        }
        let page: Vec<Quarter> = sqlx::query_as(include_str!("queries/compare_ledger.sql"))
            .bind(self.topic)
            .bind(self.after.0)
            .bind(self.after.1)
            .bind(self.stretch.until)
            .bind(LEDGER_PAGE_ROWS)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(StoreError::sql(READING))?;
        match page.last() {
            Some(last) => self.after = last.key(),
            None => self.is_over = true,
        }
        self.rows = page.into();
        Ok(())
    }
}
