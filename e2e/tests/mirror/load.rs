//! What comes in at the site while the test goes on: records one by one, and in transactions of which some are taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use e2e::{Scatter, Topic};

/// Records of each sending, and how long the next one waits: the load, which proves nothing.
const BATCH: usize = 40;
const PAUSE: Duration = Duration::from_millis(100);
/// So long a broker that does not answer is waited for, in milliseconds.
const GIVEN_UP: (&str, &str) = ("message.timeout.ms", "20000");

/// A thread that sends until it is told to stop.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicI64>,
    thread: JoinHandle<Result<()>>,
}

impl Load {
    pub(crate) fn start(topic: Topic, scatter: Scatter) -> Load {
        let (is_over, acknowledged) = <(Arc<AtomicBool>, Arc<AtomicI64>)>::default();
        let (told, counter) = (Arc::clone(&is_over), Arc::clone(&acknowledged));
        let thread = std::thread::spawn(move || send(&topic, scatter, &told, &counter));
        Load { is_over, acknowledged, thread }
    }

    /// How many records were sent and not taken back.
    pub(crate) fn stop(self) -> Result<i64> {
        self.is_over.store(true, Ordering::Relaxed);
        let Load { acknowledged, thread, .. } = self;
        thread.join().map_err(|_| anyhow!("the sender has panicked"))??;
        Ok(acknowledged.load(Ordering::Relaxed))
    }

    /// How many were acknowledged and not taken back so far.
    pub(crate) fn acknowledged(&self) -> i64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// The same of a sender whose broker is gone: so many were acknowledged, whatever became of the last ones.
    pub(crate) fn give_up(self) -> Result<i64> {
        self.is_over.store(true, Ordering::Relaxed);
        let Load { acknowledged, thread, .. } = self;
        let ended = thread.join().map_err(|_| anyhow!("the sender has panicked"))?;
        ensure!(ended.is_err(), "the sender did not notice that its broker is gone");
        Ok(acknowledged.load(Ordering::Relaxed))
    }
}

fn send(
    topic: &Topic,
    mut scatter: Scatter,
    is_over: &AtomicBool,
    acknowledged: &AtomicI64,
) -> Result<()> {
    let mut plain = topic.sender(&[GIVEN_UP])?;
    let mut in_transactions = topic.sender(&[("transactional.id", "load"), GIVEN_UP])?;
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
        acknowledged.fetch_add(BATCH as i64, Ordering::Relaxed);
        sleep(PAUSE);
    }
    Ok(())
}
