//! Whoever blocks numbers, say: hears of alerts as they are stored, and asks for those behind the last one that it has seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use sqlx::postgres::PgListener;

/// Without a word for so long, it looks all the same: what was stored while it was not connected is nobody's news.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(crate) struct Follower {
    until: Arc<AtomicI64>,
    thread: JoinHandle<Result<Vec<i64>>>,
}

impl Follower {
    pub(crate) fn start(url: &str) -> Self {
        let until = Arc::new(AtomicI64::new(i64::MAX));
        let (url, end) = (url.to_owned(), Arc::clone(&until));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(follow(&url, &end))
        });
        Follower { until, thread }
    }

    /// The numbers that it has seen, in their order, once it has come to the last of these.
    pub(crate) fn stop_after(self, ids: &[i64]) -> Result<Vec<i64>> {
        self.until.store(ids.last().copied().unwrap_or_default(), Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the follower panicked"))?
    }
}

async fn follow(url: &str, until: &AtomicI64) -> Result<Vec<i64>> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen("alerts").await?;
    let (mut seen, mut last) = (Vec::new(), 0_i64);
    while last < until.load(Ordering::Relaxed) {
        let new: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM persons.alerts WHERE id > $1 ORDER BY id")
                .bind(last)
                .fetch_all(&mut listener)
                .await?;
        last = new.last().copied().unwrap_or(last);
        let is_idle = new.is_empty();
        seen.extend(new);
        if is_idle && let Ok(told) = tokio::time::timeout(LOOK_EVERY, listener.recv()).await {
            told?;
        }
    }
    Ok(seen)
}
