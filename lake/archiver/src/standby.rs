//! A second archiver for the same lake stands by until the first one has gone.
//!
//! An advisory lock of PostgreSQL says whose turn it is. It only saves work: two that follow at once are kept
//! apart by the table's commits.

use std::time::Duration;

use sqlx::Connection;
use store::PgConnection;

use crate::config::BothArgs;
use crate::warehouse::connect;

/// Whose turn it is.
pub(crate) struct Standby {
    both: BothArgs,
    /// The session that holds the lock.
    holding: Option<PgConnection>,
    has_said: bool,
}

impl Standby {
    /// How long one that stands by waits before it looks again.
    pub(crate) const PAUSE: Duration = Duration::from_secs(2);

    pub(crate) fn new(both: &BothArgs) -> Self {
        Standby { both: both.clone(), holding: None, has_said: false }
    }

    /// Whether it is ours to follow.
    ///
    /// # Errors
    /// The database can't be asked.
    pub(crate) async fn is_ours(&mut self) -> anyhow::Result<bool> {
        if let Some(session) = &mut self.holding {
            if session.ping().await.is_ok() {
                return Ok(true);
            }
            // With the session the lock has gone.
            self.holding = None;
        }
        let mut session = connect(&self.both).await?;
        // Nothing is under way between two looks, and a session may rest for as long as a round takes.
        let is_ours: bool = sqlx::query_scalar(
            "SELECT pg_try_advisory_lock(hashtextextended('archiver ' || $1, 0))",
        )
        .bind(&self.both.lake.lake_url)
        .fetch_one(&mut session)
        .await?;
        if is_ours {
            self.holding = Some(session);
            self.has_said = false;
        } else if !self.has_said {
            tracing::info!("another archiver follows for this lake: standing by");
            self.has_said = true;
        }
        Ok(is_ours)
    }
}
