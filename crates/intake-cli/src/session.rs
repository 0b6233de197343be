//! A run: one life of the sender after the other, until all is read or somebody says stop.
//!
//! A life is begun by introducing ourselves to the brokers, then reading the journal. Any failure ends it, and what it
//! had under way is aborted by the begin of the next. Nothing else is retried, so nothing can be sent twice.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use intake::{Counts, Mapper, Progress};
use program::{Reply, Serving, ensure_topic, metrics_text, print, serve};

use crate::config::{RunArgs, read_mapping};
use crate::files::{self, Files};
use crate::journal;
use crate::metrics::IntakeMetrics;
use crate::raw;
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

/// `intake run`.
pub(crate) async fn run(
    args: RunArgs,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<ExitCode> {
    let mut shutdown = std::pin::pin!(shutdown);
    // What is wrong with the arguments is said before anybody is asked anything.
    read_mapping(&args.map)?;
    args.key.key(!args.dry_run)?;
    let metrics = IntakeMetrics::new();
    let is_ready = Arc::new(AtomicBool::new(false));
    let _serving = serve_metrics(&args, &metrics, Arc::clone(&is_ready)).await?;
    tokio::select! {
        biased;
        () = &mut shutdown => return Ok(ExitCode::SUCCESS),
        prepared = prepare(&args) => prepared?,
    }
    is_ready.store(true, Ordering::Relaxed);
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, reports) = (Arc::clone(&stop), metrics.clone());
    let mut work = tokio::task::spawn_blocking(move || work(&args, &stopped, &reports));
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = &mut shutdown => {
            stop.store(true, Ordering::Relaxed);
            work.await
        }
    };
    let result = ended.context("the working thread panicked")??;
    let mut text = result.counts.to_string();
    result.lines.iter().for_each(|line| text.push_str(&format!("\n{line}")));
    print(format!("{text}\n"))?;
    Ok(if result.has_failures { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The topics are there.
async fn prepare(args: &RunArgs) -> anyhow::Result<()> {
    ensure_topic(&args.kafka, args.wait).await?;
    journal::ensure_journal(&args.kafka, &args.journal).await
}

async fn serve_metrics(
    args: &RunArgs,
    metrics: &IntakeMetrics,
    is_ready: Arc<AtomicBool>,
) -> anyhow::Result<Option<Serving>> {
    let Some(address) = args.metrics.metrics_addr.as_deref() else { return Ok(None) };
    let registry = metrics.registry.clone();
    let answer = move |path: &str| match path {
        "/metrics" => Some(Reply::metrics(metrics_text(&[&registry]))),
        "/healthz" => Some(Reply::text(true, "alive")),
        "/readyz" if is_ready.load(Ordering::Relaxed) => Some(Reply::text(true, "ready")),
        "/readyz" => Some(Reply::text(false, "starting: waiting for Kafka")),
        _ => None,
    };
    serve(address, answer).await.map(Some)
}

fn work(
    args: &RunArgs,
    stop: &Arc<AtomicBool>,
    metrics: &IntakeMetrics,
) -> anyhow::Result<RunResult> {
    let mapping = read_mapping(&args.map)?;
    let mapper = Mapper::new(&mapping, args.key.key(!args.dry_run)?);
    let name = args.name.as_deref().unwrap_or(&mapping.name);
    let work = Work { args, mapper: &mapper, name, stop, metrics };
    if args.dry_run {
        return files::rehearse(&work, recall(&work)?);
    }
    let mut result = RunResult::default();
    match &args.from_topic {
        None => {
            let mut files = Files::new(&work);
            work.live_on(&mut result, |life, result| files.read(life, result))?;
            files.report(&mut result);
        }
        Some(topic) => {
            work.live_on(&mut result, |life, result| raw::read(&work, topic, life, result))?
        }
    }
    Ok(result)
}

/// What the journal says of us.
fn recall(work: &Work<'_, '_>) -> anyhow::Result<Progress> {
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
    fn live_on(
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
            tracing::warn!("{error:#}; beginning anew from what was committed");
            self.sleep(pause);
            pause = (pause * 2).min(PAUSE_CAP);
        }
    }

    /// Begins a life.
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
