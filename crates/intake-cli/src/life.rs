//! A life of the sender: from introducing itself to the first failure, and what is told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use intake::{Counts, Mapper, Progress};

use crate::config::RunArgs;
use crate::journal;
use crate::metrics::IntakeMetrics;
use crate::sender::{Route, Sender, SenderError};

/// Pauses between two lives: the first, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_CAP: Duration = Duration::from_secs(5);
/// So often a pause is interrupted to see whether to stop.
const PAUSE_STEP: Duration = Duration::from_millis(100);

/// What a life knows.
pub(crate) struct Life {
    /// Sends, and commits.
    pub(crate) sender: Sender,
    /// How far everything was read when it began, and since.
    pub(crate) progress: Progress,
}

/// Why a life is over though not all is read.
#[derive(Debug)]
pub(crate) enum LifeEnd {
    /// It failed: what is under way is not there, or nobody knows.
    Failed(anyhow::Error),
    /// No waiting mends it.
    Hopeless(anyhow::Error),
    /// The next one goes on otherwise: a file can't be read on, a topic has more partitions.
    Again,
}

impl From<SenderError> for LifeEnd {
    fn from(SenderError { error, is_fenced }: SenderError) -> Self {
        if is_fenced {
            let taken = "another intake with the same --name has begun, or this one was away for longer than a \
                         transaction may last: it is over; give each a --name of its own, or start it again";
            return LifeEnd::Hopeless(error.context(taken));
        }
        LifeEnd::Failed(error)
    }
}

impl From<anyhow::Error> for LifeEnd {
    fn from(error: anyhow::Error) -> Self {
        LifeEnd::Failed(error)
    }
}

/// What a whole run has come to.
#[derive(Debug, Default)]
pub(crate) struct RunResult {
    /// What became of the rows.
    pub(crate) counts: Counts,
    /// Lines about single files.
    pub(crate) lines: Vec<String>,
    /// Something needs to be looked at.
    pub(crate) has_failures: bool,
}

/// What the work needs, whatever the source.
pub(crate) struct Work<'a, 'm> {
    pub(crate) args: &'a RunArgs,
    pub(crate) mapper: &'a Mapper<'m>,
    pub(crate) name: &'a str,
    pub(crate) stop: &'a Arc<AtomicBool>,
    pub(crate) metrics: &'a IntakeMetrics,
}

/// What the journal says of us.
pub(crate) fn recall(work: &Work<'_, '_>) -> anyhow::Result<Progress> {
    let mut progress = Progress::new(work.args.sessions_max);
    for entry in journal::read(&work.args.kafka, &work.args.journal)? {
        if entry.name == work.name {
            progress.restore(&entry.write).map_err(|problem| {
                anyhow::anyhow!(
                    "the journal, topic {}, can't be understood: {problem}",
                    work.args.journal
                )
            })?;
        }
    }
    Ok(progress)
}

impl Work<'_, '_> {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// One life after the other, until one has read all there is.
    pub(crate) fn live_on(
        &self,
        result: &mut RunResult,
        mut read: impl FnMut(&mut Life, &mut RunResult) -> Result<(), LifeEnd>,
    ) -> anyhow::Result<()> {
        let (mut pause, mut rows, mut since) = (PAUSE_FIRST, 0, Instant::now());
        loop {
            let ended =
                self.begin().map_err(LifeEnd::from).and_then(|mut life| read(&mut life, result));
            let error = match ended {
                Ok(()) => return Ok(()),
                Err(LifeEnd::Hopeless(error)) => return Err(error),
                Err(LifeEnd::Again) => continue,
                Err(LifeEnd::Failed(error)) => error,
            };
            self.metrics.failed();
            if result.counts.rows() > rows {
                (pause, rows, since) = (PAUSE_FIRST, result.counts.rows(), Instant::now());
            }
            // A service waits for Kafka; what has an end says after a while that it can't go on.
            if self.is_stopped() || (!self.args.follow && since.elapsed() >= self.args.wait) {
                return Err(error);
            }
            let error = format!("{error:#}");
            tracing::warn!(%error, "beginning anew from what was committed");
            self.sleep(pause);
            pause = (pause * 2).min(PAUSE_CAP);
        }
    }

    fn begin(&self) -> anyhow::Result<Life> {
        let route = Route { kafka: &self.args.kafka, journal: &self.args.journal, name: self.name };
        let sender =
            Sender::open(&route, self.args.wait, Arc::clone(self.stop), self.metrics.clone())?;
        let progress = recall(self)?;
        self.metrics.sessions(progress.sessions.len());
        Ok(Life { sender, progress })
    }

    /// Sleeps, unless it is time to stop.
    pub(crate) fn sleep(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.is_stopped() && Instant::now() < until {
            std::thread::sleep(PAUSE_STEP.min(pause));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_fenced_does_not_try_again() {
        for (is_fenced, is_hopeless) in [(true, true), (false, false)] {
            let end = LifeEnd::from(SenderError { error: anyhow::anyhow!("no"), is_fenced });
            assert_eq!(matches!(end, LifeEnd::Hopeless(_)), is_hopeless);
        }
    }
}
