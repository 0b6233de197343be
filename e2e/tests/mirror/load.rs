//! What comes in at the site while the test goes on: records one by one, and in transactions of which some are taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use anyhow::{Result, anyhow};
use e2e::{Scatter, Topic};

/// Records of each sending, and how long the next one waits: the load, which proves nothing.
const BATCH: usize = 40;
const PAUSE: Duration = Duration::from_millis(100);

/// A thread that sends until it is told to stop.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<i64>>,
}

impl Load {
    pub(crate) fn start(topic: Topic, scatter: Scatter) -> Load {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || send(&topic, scatter, &told));
        Load { is_over, thread }
    }

    /// How many records were sent and not taken back.
    pub(crate) fn stop(self) -> Result<i64> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the sender has panicked"))?
    }
}

fn send(topic: &Topic, mut scatter: Scatter, is_over: &AtomicBool) -> Result<i64> {
    let mut plain = topic.sender(&[])?;
    let mut in_transactions = topic.sender(&[("transactional.id", "load")])?;
    let mut sent = 0;
    for turn in 0_u32.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let records = scatter.take(BATCH);
        match turn % 4 {
            0 => {
                in_transactions.begin()?;
                in_transactions.send(&records)?;
                in_transactions.commit()?;
            }
            1 => {
                in_transactions.begin()?;
                in_transactions.send(&records)?;
                in_transactions.abort()?;
                continue;
            }
            _ => plain.send(&records)?,
        }
        sent += BATCH as i64;
        sleep(PAUSE);
    }
    Ok(sent)
}
