//! One test's database, asked with SQL that the test writes itself.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};
use tokio::runtime::Runtime;

/// A database. Its connection is opened anew after every error, so it may go away and come back.
#[derive(Debug)]
pub struct Database {
    url: String,
    executor: Runtime,
    connection: Option<PgConnection>,
}

/// A transaction that holds locks; rolled back on drop.
#[derive(Debug)]
pub struct Held {
    _session: Database,
}

/// DATABASE_URL of a database on two servers, of which programs use the one that can be written to.
pub fn url_of_both(primary: &str, standby: &str) -> String {
    let place = |url: &str| url.split(['@', '/']).nth(3).map(str::to_owned).unwrap_or_default();
    let (one, other) = (place(primary), place(standby));
    primary.replace(&one, &format!("{one},{other}")) + "?target_session_attrs=read-write"
}

impl Database {
    /// The database at this address; connects when it is first asked.
    ///
    /// # Errors
    /// No runtime can be made.
    pub fn at(url: &str) -> Result<Database> {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Database { url: url.to_owned(), executor, connection: None })
    }

    /// Its address, for `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements.
    ///
    /// # Errors
    /// The server's.
    pub fn execute(&mut self, statements: &str) -> Result<()> {
        self.with_connection(statements, async |connection, sql| {
            sqlx::raw_sql(sql).execute(connection).await.map(drop)
        })
    }

    /// Runs a statement in a transaction and keeps the locks that it takes until the guard is
    /// dropped.
    ///
    /// # Errors
    /// The server's.
    pub fn hold(&self, statement: &str) -> Result<Held> {
        let mut other = Database::at(&self.url)?;
        other.execute("BEGIN")?;
        other.execute(statement)?;
        Ok(Held { _session: other })
    }

    /// The rows that a query answers.
    ///
    /// # Errors
    /// The server's.
    pub fn rows(&mut self, query: &str) -> Result<Vec<PgRow>> {
        self.with_connection(query, async |connection, sql| {
            sqlx::query(sql).fetch_all(connection).await
        })
    }

    /// The only number that a query answers.
    ///
    /// # Errors
    /// The server's, or another answer.
    pub fn number(&mut self, query: &str) -> Result<i64> {
        let rows = self.rows(query)?;
        let row = rows.first().with_context(|| format!("no row: {query}"))?;
        Ok(row.try_get(0)?)
    }

    /// The stored position of each partition; none before the first start.
    pub fn positions(&mut self) -> BTreeMap<i32, i64> {
        let rows = self.rows("SELECT partition, next_offset FROM stream_progress");
        rows.into_iter().flatten().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// The sum of all positions: rises with every flush that stores results.
    pub fn progress(&mut self) -> i64 {
        self.positions().values().sum()
    }

    /// Process id and worker of the last flush of each partition.
    pub fn owners(&mut self) -> BTreeMap<i32, (u32, u16)> {
        let rows =
            self.rows("SELECT partition, owner FROM stream_progress WHERE owner IS NOT NULL");
        rows.into_iter()
            .flatten()
            .filter_map(|row| {
                // host:pid:worker
                let owner: String = row.get(1);
                let mut parts = owner.rsplit(':');
                let (worker, pid) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
                Some((row.get(0), (pid, worker)))
            })
            .collect()
    }

    /// The partitions that wait for an operator, and why.
    ///
    /// # Errors
    /// The server's.
    pub fn halted(&mut self) -> Result<BTreeMap<i32, String>> {
        let rows = self.rows(
            "SELECT partition, halted_reason FROM stream_progress WHERE halted_reason IS NOT NULL",
        )?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn with_connection<T>(
        &mut self,
        sql: &str,
        ask: impl AsyncFnOnce(&mut PgConnection, AssertSqlSafe<String>) -> Result<T, sqlx::Error>,
    ) -> Result<T> {
        let Database { url, executor, connection } = &mut *self;
        let answered = executor.block_on(async {
            // The server may have been away since.
            let is_open = match connection {
                Some(open) => open.ping().await.is_ok(),
                None => false,
            };
            if !is_open {
                *connection = None;
            }
            let open = match connection {
                Some(open) => open,
                none => none.insert(PgConnection::connect(url).await?),
            };
            // Written by the test, never by what it reads.
            ask(open, AssertSqlSafe(sql.to_owned())).await
        });
        if answered.is_err() {
            self.connection = None;
        }
        answered.with_context(|| sql.to_owned())
    }
}
