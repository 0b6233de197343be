//! The few statements that the sandbox itself runs, callable with or without an async runtime.

use std::future::Future;
use std::thread;

use anyhow::{Context, Result, anyhow};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Runs one statement on a connection of its own.
pub(crate) fn execute(url: &str, statement: &str) -> Result<()> {
    block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    })
}

/// Creates an empty database.
pub(crate) fn create_database(admin_url: &str, name: &str) -> Result<()> {
    let quoted = name.replace('"', "\"\"");
    execute(admin_url, &format!("CREATE DATABASE \"{quoted}\""))
        .with_context(|| format!("cannot create the database {name}"))
}

/// On a thread of its own, because the caller may be inside a runtime, where blocking panics.
fn block_on<T: Send>(future: impl Future<Output = Result<T>> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(future)
        });
        thread.join().map_err(|_| anyhow!("the thread that talks to PostgreSQL panicked"))?
    })
}
